"""Desk keys: further machine-class keys of a node, each held by one act that waits for officers.

A sequence counts per signing key and must grow in log order. What the machine key signs goes out at once, all day; a
statement that waits half an hour for a second officer would be overtaken there, and refused. So a waiting act takes
the next number of a desk key and holds that key alone until it is done or given up.
Whoever can read these files can sign as this port's machine, no more and no less than with ``machine.key``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from node.outbox import Outbox, SequenceFile
from port2port import keys
from port2port.keys import Ed25519Key

COUNT: Final = 8  # acts that can wait at one time
SUFFIX: Final = ".key"


def make(directory: Path, count: int = COUNT) -> list[Ed25519Key]:
    """``count`` keys in ``directory``: those of an earlier attempt, and new ones. Raises ConfigurationError."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = []
    for number in range(1, count + 1):
        path = directory / f"desk-{number}{SUFFIX}"
        if not path.exists():
            keys.save(keys.generate(), path)
        made.append(keys.load(path))
    return made


def more(directory: Path, count: int) -> list[Ed25519Key]:
    """``count`` new keys beside those there are: for a node without any, or whose keys end. Raises as ``make``."""
    taken = [path.stem.rpartition("-")[2] for path in paths(directory)]
    highest = max((int(text) for text in taken if text.isdigit()), default=0)
    return make(directory, highest + count)[highest:]


def paths(directory: Path) -> list[Path]:
    """The key files there are."""
    return sorted(directory.glob(f"*{SUFFIX}")) if directory.is_dir() else []


def load(directory: Path) -> tuple[Outbox, ...]:
    """Each key's outbox, with its sequence file beside it; none for a node without desk keys.

    Raises ConfigurationError.
    """
    found = ((path, keys.load(path)) for path in paths(directory))
    return tuple(Outbox(key, SequenceFile.beside(path, key.key_id)) for path, key in found)
