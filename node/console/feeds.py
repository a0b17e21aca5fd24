"""What feeds the desk's live stream: that the queue or something sent has changed, and where the ships are.

Nothing is worked out while nobody looks. What is published is a hint to read again, or traffic that every reader of
the desk may see; who is only auditor or admin gets neither.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import orjson
from sqlalchemy.engine import Connection

from node import progress
from node.console import desk_queue
from node.console.context import DeskContext
from node.console.desk_pages import TOPIC, may_see
from node.console.sent_pages import SENT_TOPIC
from node.tracks import Track
from port2port.console.positions import Frame, Vessel, VesselState, encode_delta, encode_frame
from port2port.errors import UnavailableError

POSITIONS: Final = "positions"
LOOK_S: Final = 2.0
SAIL_S: Final = 1.0
VESSELS: Final = 2_000
FRAME_EVERY: Final = 30  # deltas
LOST_AFTER: Final = timedelta(minutes=10)
_SENT: Final = 10
_MOVING_KN: Final = 0.5


class Feeds:
    """The services of one desk."""

    def __init__(self, desk: DeskContext) -> None:
        self._desk = desk
        self._wanted: frozenset[str] = frozenset()
        self._frame: Frame | None = None
        self._since_frame = 0

    async def watch(self) -> None:
        """Tell whoever looks that something changed, until cancelled."""
        desk, before = self._desk, {TOPIC: b"", SENT_TOPIC: b""}
        while True:
            if desk.live.readers:
                for topic, now in (await desk.store.read(self._look)).items():
                    if before[topic] not in {b"", now}:
                        desk.live.publish(topic, "changed", {}, to=may_see)
                    before[topic] = now
            await desk.clock.sleep(LOOK_S)

    async def sail(self) -> None:
        """Send positions to whoever looks, until cancelled."""
        while True:
            if self._desk.live.readers:
                self.sail_once()
            await self._desk.clock.sleep(SAIL_S)

    def sail_once(self) -> None:
        """One frame, or one delta since the last."""
        desk = self._desk
        vessels = [found for track in desk.tracks.latest(VESSELS) if (found := self._vessel(track)) is not None]
        if self._frame is None or self._since_frame >= FRAME_EVERY:
            number = 1 if self._frame is None else self._frame.number + 1
            self._frame, self._since_frame = encode_frame(vessels, number=number, at=desk.now), 0
            self._publish("frame", self._frame.data)
        self._since_frame += 1
        self._publish("delta", encode_delta(self._frame, vessels, at=desk.now))

    def _publish(self, key: str, data: bytes) -> None:
        self._desk.live.publish(POSITIONS, "vessels", orjson.Fragment(data), to=may_see, newest_wins_key=key)

    def _look(self, connection: Connection) -> dict[str, bytes]:
        desk = self._desk
        queue = desk_queue.load(connection, desk.now)
        self._wanted = desk_queue.subjects(connection)
        try:
            said = progress.recent(connection, desk.member, desk.known_roster(), limit=_SENT)
        except UnavailableError:
            said = []
        return {
            TOPIC: orjson.dumps(desk_queue.fingerprint(queue)) + b".",
            SENT_TOPIC: repr([(one.statement_id, one.steps, one.text) for one in said]).encode() + b".",
        }

    def _vessel(self, track: Track) -> Vessel | None:
        seen = track.position
        if seen is None:
            return None
        return Vessel(
            key=str(track.mmsi),
            latitude_deg=seen.position.latitude_deg,
            longitude_deg=seen.position.longitude_deg,
            course_deg=seen.course_deg,
            speed_kn=seen.speed_kn,
            state=self._state(track),
            name=(track.static.name or "") if track.static is not None else "",
        )

    def _state(self, track: Track) -> VesselState:
        if f"mmsi:{track.mmsi}" in self._wanted:
            return VesselState.DANGEROUS
        if self._desk.now - track.last_seen > LOST_AFTER:
            return VesselState.LOST
        moving = track.position is not None and (track.position.speed_kn or 0.0) > _MOVING_KN
        return VesselState.ACTIVATED if moving else VesselState.SLEEPING
