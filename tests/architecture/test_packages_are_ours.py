"""``node`` and ``hub`` are common names: what is imported, and what a wheel installs, is this checkout's."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.fakes.checkout import PACKAGES, REPOSITORY, pyproject, relative, tracked_files


@pytest.mark.parametrize("name", PACKAGES)
def test_the_package_comes_from_this_checkout(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__file__ is not None
    assert Path(module.__file__).is_relative_to(REPOSITORY / name)


def _copy_checkout(target: Path) -> None:
    """Only what git knows, so that building leaves nothing behind and takes nothing stray along."""
    for path in tracked_files():
        copy = target / relative(path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The file names inside a wheel built from the tracked files."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    _copy_checkout(source)
    command = [sys.executable, "-m", "pip", "wheel", "--no-index", "--no-build-isolation", "--no-deps", "--quiet"]
    subprocess.run([*command, "--wheel-dir", str(target), str(source)], check=True, capture_output=True, timeout=110)
    (wheel,) = target.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.mark.slow
def test_a_wheel_installs_our_three_packages_and_nothing_else(wheel_names: list[str]) -> None:
    version = pyproject()["project"]["version"]
    assert {name.split("/")[0] for name in wheel_names} == {*PACKAGES, f"port2port-{version}.dist-info"}


@pytest.mark.slow
def test_a_wheel_holds_every_file_of_the_packages(wheel_names: list[str]) -> None:
    ours = {relative(path) for path in tracked_files() if relative(path).split("/")[0] in PACKAGES}
    assert ours - set(wheel_names) == set(), "add it to [tool.setuptools.package-data]"
