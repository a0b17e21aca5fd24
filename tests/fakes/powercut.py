"""A disk whose power can be cut: ext4 on a loop file.

``cut`` asks ext4 to shut down without flushing its log, so the file keeps what was flushed before and nothing
else; every later write through the old mount fails. ``restore`` mounts again, which replays the journal, as after a
real power cut. SIGKILL alone cannot show a missing fsync, because the kernel still holds what was written.

Count only what was acknowledged before ``cut`` was called. A machine without power acknowledges nothing, but here
the writer lives on for a moment, and an fsync that is under way during the cut may still report success
(measured: 3 of 120 cuts, never an earlier one).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fakes.needs import need
from tests.fakes.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXT4_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
_NO_LOG_FLUSH = 2
_REMEDY = "run as root on Linux with loop devices and e2fsprogs"


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerCutDisk:
    """A mounted file system. What lives on it is lost with it; acknowledgements belong elsewhere."""

    image: Path
    mount: Path

    def cut(self) -> None:
        """Cut the power. Whoever still writes gets an I/O error; end those processes before ``restore``."""
        handle = os.open(self.mount, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, _EXT4_IOC_SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(handle)

    def restore(self) -> None:
        """Switch on again: unmount, as soon as nobody holds a file there, and mount with journal replay."""
        wait_until(lambda: _run("umount", self.mount) == 0, what=f"{self.mount} can be unmounted")
        self.switch_on()

    def switch_on(self) -> None:
        """Mount the image as it lies on the disk."""
        code = _run("mount", "-o", "loop", self.image, self.mount)
        need(code == 0, what="ext4 on a loop device", remedy=_REMEDY)


@contextmanager
def power_cut_disk(*, size_mib: int = 64) -> Iterator[PowerCutDisk]:
    """A fresh file system in a directory of its own, unmounted and removed whatever happens inside."""
    tools = all(shutil.which(tool) for tool in ("mkfs.ext4", "mount", "umount"))
    able = tools and os.geteuid() == 0 and Path("/dev/loop-control").exists()
    need(able, what="root, loop devices and mkfs.ext4", remedy=_REMEDY)
    directory = Path(tempfile.mkdtemp(prefix="p2p-power-"))
    disk = PowerCutDisk(image=directory / "image", mount=directory / "mount")
    try:
        disk.mount.mkdir()
        with disk.image.open("wb") as image:
            image.truncate(size_mib * 1024 * 1024)
        assert _run("mkfs.ext4", "-q", "-F", disk.image) == 0
        disk.switch_on()
        yield disk
    finally:
        if os.path.ismount(disk.mount):
            _run("umount", "--lazy", disk.mount)  # the loop device frees itself with the last open file
        shutil.rmtree(directory, ignore_errors=True)


def _run(*command: str | Path) -> int:
    return subprocess.run(command, check=False, capture_output=True, timeout=60).returncode
