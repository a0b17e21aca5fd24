"""requirements.lock pins every package by hash and says nothing about where packages come from."""

from __future__ import annotations

import re

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.fakes.checkout import REPOSITORY, pyproject

_TEXT = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
_HOST = re.compile(
    r"\b[a-z0-9-]+(\.[a-z0-9-]+)*\.(org|com|net|io|dev|eu|internal|local|lan|localhost)\b", re.IGNORECASE
)


def _entries() -> list[str]:
    """One text per requirement: continued lines joined, comments dropped."""
    lines = (line for line in _TEXT.splitlines() if not line.lstrip().startswith("#"))
    return [entry for entry in "\n".join(lines).replace("\\\n", " ").splitlines() if entry.strip()]


def _pins() -> dict[str, Requirement]:
    pinned = (Requirement(_HASH.sub("", entry).strip()) for entry in _entries())
    return {canonicalize_name(requirement.name): requirement for requirement in pinned}


def test_every_requirement_is_one_exact_version_with_hashes() -> None:
    for entry in _entries():
        requirement = Requirement(_HASH.sub("", entry).strip())
        assert [specifier.operator for specifier in requirement.specifier] == ["=="], entry
        assert _HASH.search(entry), f"no hash: {entry}"
    assert len(_entries()) > 20


def test_it_holds_no_address_and_no_option() -> None:
    assert "://" not in _TEXT
    assert [line for line in _TEXT.splitlines() if _HOST.search(line)] == []
    assert [entry for entry in _entries() if entry.startswith("-")] == []


def test_the_search_for_host_names_finds_one() -> None:
    assert _HOST.search("--index-url packages.example.org/simple")


def test_everything_that_pyproject_asks_for_is_pinned_within_its_bounds() -> None:
    project = pyproject()["project"]
    wanted = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    pins = _pins()
    for requirement in map(Requirement, wanted):
        (pin,) = pins[canonicalize_name(requirement.name)].specifier
        assert requirement.specifier.contains(pin.version), f"{requirement} against {pin}"
