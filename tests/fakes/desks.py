"""Officers' desks at several ports around one log: findings, drafts, decisions, and what arrives from the others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from node import drafts, indicators, outbox, sightings, store, tables
from node.acts import at_once
from node.drafts import Defaults, Draft
from node.findings import Discriminator, Evidence, Finding, FindingKind, Measure, Severity, finding_id
from node.inbox import Batch
from node.observations import SourceClass
from node.outbox import Outbox, Queued, SequenceFile
from node.publish import Act, Author, Officer
from node.review import Choice
from node.warning_lists.gate import Gate
from port2port import sharing
from port2port.geo import Position, cell_of
from port2port.roster import Roster
from port2port.sharing import Outlet, member_reader
from port2port.tlp import Tlp
from tests.fakes.federation import Federation, statement_of
from tests.fakes.feed import FakeFeed
from tests.fakes.nodes import TestNode, make_node

A, B, C = "beanr", "north-sea-port", "belgg"
MMSI = "205123456"
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def a_finding(
    *,
    mmsi: str = MMSI,
    at: datetime = NOW,
    kind: FindingKind = FindingKind.IDENTITY_CLONE,
    source_class: SourceClass = SourceClass.OPEN_RADIO,
    places: tuple[str, ...] = (),
    ship_types: tuple[int, ...] = (70,),
    **changes: Any,
) -> Finding:
    """A cloned identity (or a crossed fence) as the detectors report it."""
    clone = kind is FindingKind.IDENTITY_CLONE
    detector = "identity-clone@1" if clone else "geofence@1"
    tracks = (a_track("older", 51.3, 4.3, at, ("HONEST",), ship_types), a_track("newer", 51.44, 3.6, at, ("LIAR",)))
    base: dict[str, Any] = {
        "id": finding_id(detector, kind, f"mmsi:{mmsi}", at.isoformat()),
        "detector": detector,
        "kind": kind,
        "found_at": at,
        "subjects": (f"mmsi:{mmsi}",),
        "severity": Severity.HIGH,
        "confidence": 50 if source_class is SourceClass.OPEN_RADIO else 75,
        "single_open_source": source_class is SourceClass.OPEN_RADIO,
        "numbers": {"separation": Measure(value=28.0, unit="nm", limit=10.0)},
        "reason": f"MMSI {mmsi} is shown by two transmitters at once",
        "places": places,
        "discriminators": tracks if clone else (),
        "evidence": (evidence_line(f"!AIVDM,{mmsi},{at.isoformat()}".encode(), at, source_class),),
    }
    return Finding(**{**base, **changes})


def evidence_line(line: bytes, at: datetime, source_class: SourceClass = SourceClass.OPEN_RADIO) -> Evidence:
    """One raw line, received two seconds after it was sent."""
    return Evidence(
        line=line,
        station="mast",
        source_class=source_class,
        observed_at=at,
        received_at=at + timedelta(seconds=2),
    )


def a_track(
    track: str, latitude: float, longitude: float, at: datetime, names: tuple[str, ...], types: tuple[int, ...] = ()
) -> Discriminator:
    """One of the two ships under a number."""
    where = Position(latitude_deg=latitude, longitude_deg=longitude)
    return Discriminator(
        track=track,
        first_seen=at - timedelta(hours=1),
        last_seen=at,
        position=where,
        cell=cell_of(where),
        speed_kn=8.0,
        course_deg=90.0,
        heading_deg=None,
        message_type=1,
        names=names,
        callsigns=(),
        imos=(),
        ship_types=types,
        lengths_m=(),
        stations=("mast",),
    )


@dataclass(slots=True)
class Desk:
    """One port's node with its officers."""

    node: TestNode
    feed: FakeFeed
    gate: Gate | None = None

    @property
    def fed(self) -> Federation:
        return self.node.fed

    @property
    def member(self) -> str:
        return self.node.member

    @property
    def roster(self) -> Roster:
        found = self.node.inbox.state.roster
        assert found is not None
        return found

    @property
    def author(self) -> Author:
        return Author(
            federation=self.fed.name,
            genesis_hash=self.fed.genesis_hash,
            member=self.member,
            outbox=self.node.outbox,
            validate=self.fed.validate,
            desk=tuple(
                Outbox(key, SequenceFile(self.node.home / f"desk-{number}.key.seq", key.key_id))
                for number, key in enumerate(self.fed.ports[self.member].desk)
            ),
            gate=self.gate,
        )

    @property
    def defaults(self) -> Defaults:
        return Defaults(issuer=self.fed.identity(self.member), groups=("seaports",))

    def officer(self, number: int = 1) -> Officer:
        port = self.fed.ports[self.member]
        return (
            Officer(pseudonym="o1", key=port.officer)
            if number == 1
            else Officer(pseudonym="o2", key=port.second_officer)
        )

    def act(self, *officers: Officer, decided_by: str | None = None) -> Act:
        given = officers or (self.officer(),)
        decided = decided_by or f"officer:{given[0].pseudonym}"
        return Act(roster=self.roster, decided_by=decided, now=self.fed.clock.now(), officers=given)

    def both(self) -> Act:
        """An act of both officers."""
        return self.act(self.officer(), self.officer(2))

    def take(self, finding: Finding, **changes: Any) -> drafts.Taken:
        """What a finding becomes."""
        defaults = replace(self.defaults, **changes)
        now = self.fed.clock.now()
        return self.node.store.write_now(lambda c: drafts.take_in(c, finding, defaults, now=now, new_id=self.new_id))

    def draft(self, finding: Finding | None = None) -> Draft:
        taken = self.take(finding or a_finding())
        assert taken.draft is not None
        return taken.draft

    def publish(self, draft: Draft, choice: Choice | None = None, act: Act | None = None) -> list[Queued]:
        """Decide, sign, queue."""
        return self.node.store.write_now(
            lambda c: at_once.publish_draft(c, self.author, draft.id, choice or Choice(), act or self.act())
        )[1]

    def send(self) -> list[bytes]:
        """Hand what is queued to the log, as the uplink would."""
        queued = self.node.store.read_now(lambda c: outbox.pending(c, now_ms=2**62, limit=100))
        for item in queued:
            index = self.feed.log(item.envelope)
            self.node.store.write_now(lambda c, i=item, n=index: outbox.accepted(c, i.digest, index=n, received_ms=0))
        return [item.envelope for item in queued]

    def pull(self) -> None:
        """Receive all that this member may read."""
        self.feed.tamper = self._permitted
        asyncio.run(self.node.pull(self.feed))
        self.feed.tamper = lambda batch: batch

    def indicator(self, stix_id: str, issuer: str = B, realm: str = "real") -> indicators.Indicator | None:
        return self.node.store.read_now(lambda c: indicators.get(c, (realm, issuer, stix_id)))

    def count(self, row: type[tables.NodeRow]) -> int:
        """How many rows a table has."""
        return self.node.store.read_now(lambda c: c.scalar(sa.select(sa.func.count()).select_from(row))) or 0

    def new_id(self) -> Any:
        import uuid

        return uuid.uuid4()

    def _permitted(self, batch: Batch) -> Batch:
        reader = member_reader(self.member)
        kept = tuple(
            entry
            for entry in batch.entries
            if sharing.permits(sharing.audience_of(statement_of(entry.raw)), reader, None, Outlet.FEED, self.fed.roster)
        )
        return replace(batch, entries=kept)


class _Desks(dict[str, Desk]):
    """By member."""

    def __init__(self, harbour: Harbour) -> None:
        self._harbour = harbour

    def __missing__(self, member: str) -> Desk:
        self[member] = self._harbour.set_up(member)
        return self[member]


@dataclass(slots=True)
class Harbour:
    """A federation of three ports, two of them in the group ``seaports``, and their desks.

    A desk is set up when it is first asked for, and then has received all that the log holds.
    """

    home: Path
    fed: Federation = field(default_factory=lambda: Federation(members=(A, B, C), desk_keys=3))
    feed: FakeFeed = field(init=False)
    desks: _Desks = field(init=False)

    def __post_init__(self) -> None:
        self.feed = FakeFeed(self.fed)
        self.feed.log(*self.fed.founding(), self.fed.group("seaports", A, B))
        self.desks = _Desks(self)

    def set_up(self, member: str) -> Desk:
        """The desk of one member, caught up."""
        handlers = (indicators.handle, sightings.handle_incoming(member))
        desk = Desk(make_node(self.fed, member, self.home / member, handlers=handlers), self.feed)
        for key in self.fed.ports[member].desk:
            desk.node.store.write_now(lambda c, k=key: store.remember_own_key(c, k.key_id, "machine", at_ms=0))
        desk.pull()
        return desk

    def pull(self, members: Iterable[str] = (A, B, C)) -> None:
        """Receive at those desks; one not yet set up will receive it all when it is."""
        for member in members:
            if member in self.desks:
                self.desks[member].pull()

    def close(self) -> None:
        for desk in self.desks.values():
            desk.node.store.close()


def amber(**changes: Any) -> Choice:
    """To the seaports, act with a call first."""
    return Choice(**{"tlp": Tlp.AMBER, "groups": ("seaports",), "handling": "call_first", **changes})
