"""Short ways to AIS observations, encoded sentences and the pipeline that the node's application wires."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from node.detectors import Scene, all_detectors
from node.observations import AisPosition, AisStatic, SourceClass
from node.places import Places
from node.sensors.gate import Gate
from node.sensors.parsers.ais import AisParser, line_time
from node.sensors.transports.lines import ReceivedLine
from port2port.geo import Position
from tests.fakes.gfw import tagged

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from node.findings import Finding
    from node.observations import Observation

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOT_AVAILABLE = {
    "type": 1, "lat": 91.0, "lon": 181.0, "speed": 102.3, "course": 360.0, "heading": 511, "turn": -128, "second": 60,
}  # fmt: skip


def after(seconds: float) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def at(latitude_deg: float, longitude_deg: float) -> Position:
    """A position."""
    return Position(latitude_deg=latitude_deg, longitude_deg=longitude_deg)


def report(
    mmsi: int,
    seconds: float,
    latitude_deg: float,
    longitude_deg: float,
    *,
    speed_kn: float | None = 8.0,
    station: str = "mast",
    source_class: SourceClass = SourceClass.OPEN_RADIO,
) -> AisPosition:
    """A position report, received as it was sent."""
    moment = after(seconds)
    return AisPosition(
        observed_at=moment,
        received_at=moment,
        mmsi=mmsi,
        position=at(latitude_deg, longitude_deg),
        speed_kn=speed_kn,
        course_deg=90.0,
        heading_deg=90.0,
        nav_status=0,
        message_type=1,
        station=station,
        source_class=source_class,
        raw=(f"!{mmsi},{seconds},{latitude_deg},{longitude_deg}".encode(),),
    )


def static(mmsi: int, seconds: float, *, station: str = "mast", **facts: Any) -> AisStatic:
    """A static report."""
    moment = after(seconds)
    return AisStatic(
        observed_at=moment,
        received_at=moment,
        mmsi=mmsi,
        message_type=5,
        station=station,
        source_class=SourceClass.OPEN_RADIO,
        raw=(f"!static,{mmsi},{seconds}".encode(),),
        **facts,
    )


def sentences(fields: dict[str, Any], *, station: str = "S1", moment: datetime = NOON) -> list[bytes]:
    """One message in tagged sentences; what is not given is encoded as not available."""
    return tagged({**NOT_AVAILABLE, **fields}, station=station, at=int(moment.timestamp()))


def received(lines: Iterable[bytes], *, source: str = "test", moment: datetime = NOON) -> list[ReceivedLine]:
    """The lines as a replay receives them: at the time they carry, else at the one before, else at ``moment``."""
    taken = []
    for line in lines:
        moment = line_time(line) or moment
        taken.append(ReceivedLine(source, moment, line))
    return taken


@dataclass(frozen=True)
class Outcome:
    findings: list[Finding]
    observations: list[Observation]
    parser: AisParser
    gate: Gate

    def kinds(self) -> set[tuple[str, str]]:
        """What was found about whom."""
        return {(str(finding.kind), finding.subjects[0]) for finding in self.findings}


def pipeline(lines: Sequence[ReceivedLine], *, scene: Scene | None = None, batch: int = 512) -> Outcome:
    """transport -> parser -> gate -> detectors, as the application wires them."""
    parser, gate, detectors = AisParser(), Gate(), all_detectors()
    scene = scene or Scene(places=Places(()))
    findings: list[Finding] = []
    observations: list[Observation] = []
    for begin in range(0, len(lines), batch):
        admitted = gate.admit(parser.parse(lines[begin : begin + batch]))
        observations += admitted
        for detector in detectors:
            findings += detector.detect(admitted, scene)
    return Outcome(findings, observations, parser, gate)
