"""IDENTITY_CLONE: two ships show one MMSI at the same time.

Every number keeps several tracks. A report joins the nearest track it could have come from; what no track explains
starts a new one. Two tracks far apart, both confirmed and reporting in turns, are two transmitters. A single outlier
never gets that far, and a ship whose position jumps for good leaves its old track silent, which is another finding.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from node.findings import (
    Discriminator,
    Finding,
    FindingKind,
    Measure,
    Severity,
    confidence_of,
    could_reach,
    discriminator_of,
    evidence_of,
    finding_id,
)
from node.observations import AisPosition, AisStatic, MmsiClass, Observation, mmsi_class, mmsi_identity
from port2port.geo import METRES_PER_NM, haversine_m

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.detectors.base import Scene

HIGH_SPEED_CRAFT: Final = range(40, 50)  # ITU-R M.1371 table 53
BASE_CONFIDENCE: Final = 75


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneSettings:
    """Thresholds, with where they come from. "Measured" is on 50 labelled real numbers: all five clones found, the
    three further alarms were numbers truly shared, none on the other 42."""

    speed_kn: float = 50.0  # RTEC maritime patterns (Brest): ships move at 48.6 kn at most
    high_speed_kn: float = 70.0  # high speed craft
    separation_nm: float = 10.0  # below, two receivers with different clocks look like two ships (measured)
    confirm_newer: int = 3  # reports; single outliers are noise (measured: 2 to 16 % of one-report outliers)
    confirm_older: int = 2  # reports after the newer began: the two take turns
    forget: timedelta = timedelta(hours=12)  # a track unheard for so long says nothing about now
    again_after: timedelta = timedelta(hours=24)  # one finding per number and day
    tracks_per_number: int = 6
    numbers: int = 50_000
    reports_kept: int = 4  # per track, as evidence
    times_kept: int = 50


@dataclass(slots=True)
class _Track:
    first: datetime
    last: AisPosition
    count: int
    times: deque[datetime]
    kept: deque[AisPosition]
    stations: dict[str, None]
    statics: dict[tuple[object, ...], AisStatic] = field(default_factory=dict)


@dataclass(slots=True)
class _Number:
    tracks: list[_Track] = field(default_factory=list)
    speed_kn: float = 0.0
    raised_at: datetime | None = None


@dataclass(slots=True)
class CloneState:
    """Everything this detector remembers: the tracks of each number, the longest unheard first."""

    numbers: OrderedDict[int, _Number] = field(default_factory=OrderedDict)


class IdentityClone:
    """See the module's story. Numbers that are factory defaults or test values give DATA_QUALITY instead."""

    name = "identity-clone"
    version = 1

    def __init__(self, settings: CloneSettings | None = None) -> None:
        self._settings = settings or CloneSettings()
        self.state = CloneState()

    def detect(self, batch: Sequence[Observation], scene: Scene) -> list[Finding]:  # noqa: ARG002 the Protocol
        """Findings of this batch."""
        findings = []
        for seen in batch:
            if isinstance(seen, AisStatic):
                self._learn(seen)
            else:
                finding = self._report(seen)
                if finding is not None:
                    findings.append(finding)
        return findings

    def _report(self, seen: AisPosition) -> Finding | None:
        number = self._number(seen.mmsi)
        track = self._join(number, seen)
        if len(number.tracks) == 1:
            return None
        if number.raised_at is not None and abs(seen.observed_at - number.raised_at) < self._settings.again_after:
            return None
        for other in number.tracks:
            older, newer = (other, track) if other.first <= track.first else (track, other)
            if other is not track and self._take_turns(older, newer, seen.observed_at):
                number.raised_at = seen.observed_at
                return self._finding(seen, older, newer)
        return None

    def _number(self, mmsi: int) -> _Number:
        numbers = self.state.numbers
        number = numbers.get(mmsi)
        if number is None:
            number = numbers[mmsi] = _Number(speed_kn=self._settings.speed_kn)
            if len(numbers) > self._settings.numbers:
                numbers.popitem(last=False)
        numbers.move_to_end(mmsi)
        return number

    def _join(self, number: _Number, seen: AisPosition) -> _Track:
        track = self._nearest_reached(number, seen)
        if track is None:
            return self._begin(number, seen)
        track.count += 1
        track.first = min(track.first, seen.observed_at)
        track.times.append(seen.observed_at)
        track.kept.append(seen)
        track.stations[seen.station] = None
        if seen.observed_at >= track.last.observed_at:
            track.last = seen
        return track

    def _nearest_reached(self, number: _Number, seen: AisPosition) -> _Track | None:
        reached = [
            track
            for track in number.tracks
            if could_reach(track.last.position, track.last.observed_at, seen, speed_kn=number.speed_kn)
        ]
        if len(reached) < 2:
            return reached[0] if reached else None
        return min(reached, key=lambda track: haversine_m(track.last.position, seen.position))

    def _begin(self, number: _Number, seen: AisPosition) -> _Track:
        settings = self._settings
        number.tracks = [
            track for track in number.tracks if seen.observed_at - track.last.observed_at <= settings.forget
        ]
        if len(number.tracks) >= settings.tracks_per_number:
            # Unconfirmed tracks go first: a sender of random positions cannot push the real ones out.
            number.tracks.remove(
                min(number.tracks, key=lambda track: (track.count >= settings.confirm_newer, track.last.observed_at))
            )
        track = _Track(
            first=seen.observed_at,
            last=seen,
            count=1,
            times=deque([seen.observed_at], maxlen=settings.times_kept),
            kept=deque([seen], maxlen=settings.reports_kept),
            stations={seen.station: None},
        )
        number.tracks.append(track)
        return track

    def _take_turns(self, older: _Track, newer: _Track, now: datetime) -> bool:
        settings = self._settings
        if newer.count < settings.confirm_newer or now - older.last.observed_at > settings.forget:
            return False
        if sum(at > newer.first for at in older.times) < settings.confirm_older:
            return False
        return haversine_m(older.last.position, newer.last.position) > settings.separation_nm * METRES_PER_NM

    def _learn(self, seen: AisStatic) -> None:
        number = self.state.numbers.get(seen.mmsi)
        if number is None:
            return
        if seen.ship_type in HIGH_SPEED_CRAFT:
            number.speed_kn = self._settings.high_speed_kn
        track = _track_that_said(number.tracks, seen)
        if track is not None and len(track.statics) < self._settings.reports_kept:
            track.statics[(seen.name, seen.callsign, seen.imo, seen.ship_type, seen.length_m)] = seen

    def _finding(self, seen: AisPosition, older: _Track, newer: _Track) -> Finding:
        junk = mmsi_class(seen.mmsi) is MmsiClass.JUNK
        kind = FindingKind.DATA_QUALITY if junk else FindingKind.IDENTITY_CLONE
        detector = f"{self.name}@{self.version}"
        subject = mmsi_identity(seen.mmsi)
        reports = (*older.kept, *newer.kept)
        statics = (*older.statics.values(), *newer.statics.values())
        confidence, open_only = confidence_of(BASE_CONFIDENCE, reports)
        numbers = self._numbers(older, newer)
        marks = (_mark("older", older), _mark("newer", newer))
        return Finding(
            id=finding_id(detector, kind, subject, seen.observed_at.date().isoformat()),
            detector=detector,
            kind=kind,
            found_at=seen.observed_at,
            subjects=(subject,),
            severity=Severity.INFO if junk else Severity.HIGH,
            confidence=confidence,
            single_open_source=open_only,
            numbers=numbers,
            reason=_reason(seen.mmsi, numbers, marks, junk=junk),
            places=(),
            discriminators=marks,
            evidence=evidence_of((*statics, *reports)),
        )

    def _numbers(self, older: _Track, newer: _Track) -> dict[str, Measure]:
        settings = self._settings
        apart_nm = haversine_m(older.last.position, newer.last.position) / METRES_PER_NM
        between = sum(at > newer.first for at in older.times)
        return {
            "separation": Measure(value=round(apart_nm, 1), unit="nm", limit=settings.separation_nm),
            "reports_newer": Measure(value=newer.count, unit="reports", limit=settings.confirm_newer),
            "reports_older_since": Measure(value=between, unit="reports", limit=settings.confirm_older),
        }


def _track_that_said(tracks: list[_Track], seen: AisStatic) -> _Track | None:
    """Static messages carry no position. One belongs to a track if it came with that track's report (message 19),
    or if its station has heard only that one of the tracks."""
    for track in tracks:
        if track.last.raw == seen.raw:
            return track
    heard = [track for track in tracks if seen.station in track.stations]
    return heard[0] if len(heard) == 1 else None


def _mark(which: str, track: _Track) -> Discriminator:
    return discriminator_of(which, track.first, track.last, track.statics.values(), track.stations)


def _reason(mmsi: int, numbers: dict[str, Measure], marks: tuple[Discriminator, ...], *, junk: bool) -> str:
    older, newer = marks
    head = (
        f"MMSI {mmsi:09d} is a default or test value shared by several transmitters"
        if junk
        else (f"MMSI {mmsi:09d} is shown by two transmitters at once")
    )
    separation = numbers["separation"]
    since = f"{newer.first_seen:%Y-%m-%d %H:%M} UTC"
    return (
        f"{head}: {separation.value:,.0f} nm apart (limit {separation.limit:g} nm); "
        f"{numbers['reports_newer'].value:.0f} reports in cell {newer.cell} since {since}, "
        f"{numbers['reports_older_since'].value:.0f} in cell {older.cell} in the same time"
    )
