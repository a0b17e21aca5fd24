"""Clocks and counters of the bench."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from port2port import keys

_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")
MESSAGE_BYTES: Final = 1_000  # about what the signed message of a publication has
VERIFIES: Final = 1_500


def two_cores() -> tuple[set[int], set[int]]:
    """(the hub's two cores, the cores of everybody else): the same two on a machine that has no more."""
    cores = sorted(os.sched_getaffinity(0))
    hub = set(cores[:2])
    others = set(cores[2:])
    return hub, others if len(others) > 1 else set(cores)


def verify_cost_s() -> float:
    """CPU seconds of one Ed25519 verification through the product's own function."""
    key = keys.generate()
    message = bytes(MESSAGE_BYTES)
    signature = key.sign(message)
    begun = time.thread_time()
    for _ in range(VERIFIES):
        keys.verify_ed25519(key.public, message, signature)
    return (time.thread_time() - begun) / VERIFIES


def cpu_s(pid: int) -> float:
    """CPU seconds, user and system, that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def busy_s() -> float:
    """CPU seconds that this machine has been busy."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) * _TICK_S


@dataclass(slots=True)
class Meter:
    """Wall time, CPU of given processes, and what the rest of the machine took meanwhile."""

    pids: tuple[int, ...]
    wall_s: float = 0.0
    used_s: tuple[float, ...] = ()
    foreign_cores: float = 0.0
    _begun: float = 0.0
    _busy: float = 0.0
    _cpu: tuple[float, ...] = ()

    def __enter__(self) -> Self:
        self._busy = busy_s()
        self._cpu = tuple(cpu_s(pid) for pid in (*self.pids, os.getpid()))
        self._begun = time.monotonic()
        return self

    def so_far_s(self) -> float:
        """Wall time since it began, while it runs."""
        return time.monotonic() - self._begun

    def __exit__(self, *_exc: object) -> None:
        self.wall_s = time.monotonic() - self._begun
        used = [
            after - before
            for after, before in zip((cpu_s(p) for p in (*self.pids, os.getpid())), self._cpu, strict=True)
        ]
        self.used_s = tuple(used)
        self.foreign_cores = max(0.0, busy_s() - self._busy - sum(used)) / self.wall_s


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)
