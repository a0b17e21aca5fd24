"""Building container images without a container engine: debootstrap makes the base, buildah builds in a chroot.

The Debian mirror comes from this machine's apt configuration and the wheels through this machine's pip
configuration, both read when the test runs. Neither is written down anywhere.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fakes.needs import need

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]
_BASE = "localhost/port2port-test-base"
_REMEDY = "on Debian, as root: apt-get install buildah debootstrap"
_BUILD_S = 540


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageBuilder:
    """An image store of its own in ``directory``, holding the base image and what ``build`` adds."""

    directory: Path

    def build(self, dockerfile: str, *, tag: str) -> None:
        """Build one of our Dockerfiles from the prepared context, with no package index in reach."""
        arguments = [f"--build-arg=BASE={_BASE}", "--build-arg=PIP_NO_INDEX=1", "--layers=false", "--force-rm"]
        context = self.directory / "context"
        self.buildah(
            "build", "--isolation=chroot", *arguments, f"--file={context / dockerfile}", f"--tag={tag}", str(context)
        )

    @contextmanager
    def container(self, tag: str) -> Iterator[str]:
        """The name of a working container made from the image."""
        name = self.buildah("from", tag).strip()
        try:
            yield name
        finally:
            self.buildah("rm", name)

    def run(self, container: str, *command: str) -> str:
        """What the command prints, run as the image's user. Raises CalledProcessError.

        A run that printed nothing is repeated: buildah's chroot isolation may end before it has passed the output on.
        """
        printed = (self.buildah("run", "--isolation=chroot", container, "--", *command) for _ in range(3))
        return next((text for text in printed if text), "")

    def buildah(self, *arguments: str) -> str:
        store = ["--storage-driver=vfs", f"--root={self.directory / 'store'}", f"--runroot={self.directory / 'run'}"]
        return _call("buildah", *store, *arguments)


@contextmanager
def image_builder() -> Iterator[ImageBuilder]:
    """A builder with base image, context and wheels ready; everything is removed afterwards (about 2 GB meanwhile)."""
    able = os.geteuid() == 0 and shutil.which("buildah") and shutil.which("debootstrap")
    need(able, what="root, buildah and debootstrap", remedy=_REMEDY)
    mirror = _mirror()
    need(mirror is not None, what="a Debian mirror in the configuration of apt", remedy="apt-get update on Debian")
    assert mirror is not None
    directory = Path(tempfile.mkdtemp(prefix="p2p-images-"))
    try:
        builder = ImageBuilder(directory=directory)
        python = _make_base(builder, mirror)
        _make_context(directory / "context", python)
        yield builder
    finally:
        _unmount_below(directory)
        shutil.rmtree(directory, ignore_errors=True)


def _make_base(builder: ImageBuilder, mirror: str) -> str:
    """Commit the base image; returns its Python version, as in 3.11."""
    root = builder.directory / "base"
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    packages = "--include=python3,python3-venv,ca-certificates"
    _call("debootstrap", "--variant=minbase", packages, release, str(root), mirror)
    python = (root / "usr/bin/python3").readlink().name.removeprefix("python")
    container = builder.buildah("from", "scratch").strip()
    builder.buildah("add", "--quiet", container, str(root), "/")
    builder.buildah("config", "--env=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", container)
    builder.buildah("commit", "--quiet", "--rm", container, _BASE)
    shutil.rmtree(root)
    return python


def _make_context(context: Path, python: str) -> None:
    """What git knows of the checkout, and the locked wheels: what a user's build would be given."""
    for name in _call("git", "-C", str(REPOSITORY), "ls-files", "-z").split("\0"):
        if (source := REPOSITORY / name).is_file():
            target = context / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    lock, wheels = str(context / "requirements.lock"), str(context / "docker/wheelhouse")
    checked = ["--require-hashes", "--only-binary=:all:", "--no-deps", f"--python-version={python}"]
    _call(sys.executable, "-m", "pip", "download", "--quiet", *checked, "--requirement", lock, "--dest", wheels)


def _mirror() -> str | None:
    """Where apt gets this machine's own release from."""
    with suppress(OSError, subprocess.CalledProcessError, KeyError):
        release = platform.freedesktop_os_release()["VERSION_CODENAME"]
        listed = _call("apt-get", "indextargets", "--format", "$(RELEASE) $(SITE)", "Created-By: Packages")
        sites = [line.partition(" ")[2] for line in listed.splitlines() if line.startswith(f"{release} ")]
        return sites[0] if sites else None
    return None


def _unmount_below(directory: Path) -> None:
    """An interrupted debootstrap leaves /proc mounted in its tree, which must not be removed recursively."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    for mount in sorted((mount for mount in mounts if Path(mount).is_relative_to(directory)), reverse=True):
        _call("umount", "--lazy", mount)


def _call(*command: str) -> str:
    """Standard output; a failure carries the end of what the command said."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_BUILD_S)
    if done.returncode != 0:
        said = (done.stdout + done.stderr)[-3000:]
        error = subprocess.CalledProcessError(done.returncode, command[0], done.stdout, done.stderr)
        error.add_note(said)
        raise error
    return done.stdout
