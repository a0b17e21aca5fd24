"""What a detector is: observations in, findings out, its own state and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.findings import Finding
    from node.observations import Observation
    from node.places import Places
    from node.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a detector may know of the port besides observations: the map and the ISPS level in force (1 to 3)."""

    places: Places
    security_level: int = 1


class Detector(Protocol):
    """One rule. ``version`` is raised whenever the same observations would give other findings.

    ``detect`` does no I/O and reads no clock: the same observations give the same findings. It must bear reports out
    of order within the gate's tolerance, and bound its state.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    def detect(self, batch: Sequence[Observation], scene: Scene) -> list[Finding]: ...


class RecordDetector(Protocol):
    """The same for what network sensors wrote down."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    def detect(self, records: Sequence[Record]) -> list[Finding]: ...


def label(detector: Detector | RecordDetector) -> str:
    """name@version, as findings carry it."""
    return f"{detector.name}@{detector.version}"
