"""What must never be committed: unfinished thoughts, keys, and where this or any machine gets its packages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.fakes.checkout import tracked_files, tracked_texts

# Spelled in pieces, so that this file passes its own test.
_UNFINISHED = re.compile(rf"\b({'TO'}DO|{'FIX'}ME|{'XX'}X)\b")
_PRIVATE_KEY = re.compile(rf"-----{'BEGIN'} ([A-Z]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{{16}}")
_REGISTRIES = (
    "py" + "pi.org",
    "pythonhosted" + ".org",
    "registry" + ".npmjs",
    "deb." + "debian.org",
    "snapshot." + "debian.org",
    "repo." + "maven",
    "crates" + ".io/api",
    "proxy." + "golang.org",
)
_MACHINE_PATHS = re.compile(rf"(?<![\w.])/({'wo'}rk|{'ro'}ot|{'ho'}me)/\w")
_SECRET_SUFFIXES = {".key", ".p12", ".pfx", ".jks", ".db", ".sqlite"}
_HOST = re.compile(r"[a-z][a-z0-9+]*://(?:[^/@\s'\"]*@)?([a-z0-9-]+(?:\.[a-z0-9-]+)+)", re.IGNORECASE)


def _found(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{number}"
        for name, text in tracked_texts().items()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


def test_nothing_is_marked_as_unfinished() -> None:
    assert _found(_UNFINISHED) == []


def test_no_private_key_is_committed() -> None:
    assert [name for name, text in tracked_texts().items() if _PRIVATE_KEY.search(text)] == []
    assert [path.name for path in tracked_files() if path.suffix in _SECRET_SUFFIXES] == []


def test_no_package_registry_is_named() -> None:
    assert _found(re.compile("|".join(map(re.escape, _REGISTRIES)), re.IGNORECASE)) == []


def test_no_path_of_a_developers_machine_is_named() -> None:
    assert _found(_MACHINE_PATHS) == []


def _output(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return ""
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60).stdout


def test_where_this_machine_gets_its_packages_is_not_written_down() -> None:
    configured = "\n".join(
        (
            _output(sys.executable, "-m", "pip", "config", "list"),
            _output("npm", "config", "get", "registry"),
            _output("apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"),
            *(value for name, value in os.environ.items() if "INDEX" in name or "PROXY" in name.upper()),
        )
    )
    hosts = {match.group(1).lower() for match in _HOST.finditer(configured)} - {"127.0.0.1"}
    leaks = [(name, host) for name, text in tracked_texts().items() for host in hosts if host in text.lower()]
    assert [name for name, _ in leaks] == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        pytest.param(_UNFINISHED, f"# {'TO'}DO: later", id="unfinished"),
        pytest.param(_PRIVATE_KEY, f"-----{'BEGIN'} PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==", id="key"),
        pytest.param(_PRIVATE_KEY, f"-----{'BEGIN'} EC PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==", id="EC key"),
        pytest.param(_MACHINE_PATHS, f"see /{'ho'}me/someone", id="path"),
        pytest.param(_HOST, "index-url='https://user:pass@packages.example.org/simple'", id="host"),
    ],
)
def test_each_search_finds_what_it_is_for(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)
