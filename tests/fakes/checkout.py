"""This checkout as data: its files, its Python modules, its pyproject.toml."""

from __future__ import annotations

import ast
import functools
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

from tests.fakes.needs import need

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("port2port", "node", "hub")
GENERATED = REPOSITORY / "port2port" / "v1"


@functools.cache
def tracked_files() -> tuple[Path, ...]:
    """Every file that git knows and that is there, as absolute paths."""
    inside = shutil.which("git") is not None and (REPOSITORY / ".git").exists()
    need(inside, what="a git checkout", remedy="run it in a clone of the repository")
    listed = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, cwd=REPOSITORY).stdout
    paths = (REPOSITORY / name for name in listed.decode().split("\0") if name)
    return tuple(path for path in paths if path.is_file())


@functools.cache
def tracked_texts() -> dict[str, str]:
    """Relative name → text of every tracked file that is UTF-8."""
    texts = {}
    for path in tracked_files():
        try:
            texts[relative(path)] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return texts


def python_files(*folders: str) -> list[Path]:
    """Our Python files below the folders, tracked or not, without what is generated."""
    found = (path for folder in folders for path in (REPOSITORY / folder).rglob("*.py"))
    return sorted(path for path in found if not path.is_relative_to(GENERATED))


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def relative(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


@functools.cache
def pyproject() -> dict[str, Any]:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
