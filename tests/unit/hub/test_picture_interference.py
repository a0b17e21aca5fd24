"""Two worlds that differ in one entry a reader may not see give the reader byte-equal answers to every query."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import orjson
import pytest

from hub import briefing, correlation, desk_members, incidents, levels, log_pages, picture
from hub.incidents import Who
from hub.picture import Reading, View
from port2port.database import sqlite_url
from port2port.errors import Port2PortError
from port2port.levels import Level
from port2port.sharing import Outlet, member_reader
from port2port.tlp import Tlp
from port2port.wire import decode_envelope
from tests.fakes.federation import Federation, refs_body, stix_id_of
from tests.fakes.picture import PictureDesk, picture_desk

READER, AUTHOR, FRIEND = "belgg", "north-sea-port", "beanr"
# Leaf hashes are everybody's; roots, paths and checkpoints follow from them.
LEAF_HASHES = frozenset({"leaf_hash", "path", "root", "checkpoint"})
AMBER: dict[str, Any] = {"tlp": Tlp.AMBER, "recipients": (FRIEND,), "seq": 50}


@dataclass(slots=True)
class Script:
    """The same bytes for every world; ``hidden`` is where worlds differ."""

    fed: Federation
    founding: list[bytes] = field(init=False)
    before: list[tuple[str, bytes]] = field(init=False)
    after: list[tuple[str, bytes]] = field(init=False)
    shown: bytes = field(init=False)

    def __post_init__(self) -> None:
        fed = self.fed
        authority = {"op": "set-level-authority", "locode": "BEANR", "member": FRIEND}
        self.founding = [*fed.founding(), fed.control("roster", [authority])]
        self.shown = fed.indicator(AUTHOR)
        change = Level(locode="BEANR", level=2, effective=fed.clock.now(), reason="test").to_body()
        self.before = [
            (AUTHOR, fed.publish(AUTHOR, objects=[self.shown], handling="act", seq=1)),
            (FRIEND, fed.content(FRIEND, "level", two_officers=True, tlp=Tlp.GREEN, body=change)),
        ]
        self.after = [
            (READER, fed.sighting(READER, of=(AUTHOR, stix_id_of(self.shown)))),
            (FRIEND, fed.publish(FRIEND, handling="call_first")),
            (AUTHOR, fed.publish(AUTHOR, seq=60)),
        ]

    def hidden(self, name: str) -> bytes:
        fed, shown = self.fed, (AUTHOR, stix_id_of(self.shown))
        made: dict[str, Callable[[], bytes]] = {
            "an indicator": lambda: self._publish(name="first", handling="act"),
            "another": lambda: self._publish(name="second", pattern="[vessel:imo = '9074729']"),
            "a note": lambda: fed.content(AUTHOR, "note", **AMBER),
            "an exercise": lambda: self._publish(realm="exercise:x1"),
            "personal data": lambda: fed.publish(
                AUTHOR, tlp=Tlp.GREEN, seq=50, personal_data=True, purpose="isps", two_officers=True
            ),
            "a retraction": lambda: fed.retract(AUTHOR, [shown[1]], **AMBER),
            "a sighting": lambda: fed.content(
                AUTHOR, "sighting", body=refs_body([shown]), objects=[self._sighting(shown[1])], **AMBER
            ),
        }
        return made[name]()

    def _publish(self, *, handling: str | None = None, realm: str = "real", **more: Any) -> bytes:
        indicator = self.fed.indicator(AUTHOR, tlp=Tlp.AMBER, **more)
        return self.fed.publish(AUTHOR, objects=[indicator], handling=handling, realm=realm, **AMBER)

    def _sighting(self, of: str) -> bytes:

        raw = self.fed.sighting(AUTHOR, of=(AUTHOR, of), tlp=Tlp.AMBER, seq=99)
        return bytes(decode_envelope(raw).objects[0].body)


def world(script: Script, home: Path, hidden: bytes) -> PictureDesk:
    """A hub with this hidden entry among the others, and people at work on what there is."""
    home.mkdir()
    desk = picture_desk(script.fed, sqlite_url(home / "hub.db"), script.founding)
    for member, raw in script.before:
        desk.admit([raw], member)
    (secret,) = desk.admit([hidden], AUTHOR)
    for member, raw in script.after:
        desk.admit([raw], member)
    who = Who(pseudonym="c1", member=AUTHOR)
    shared = desk.act(AUTHOR, incidents.open_incident, who, 3, note="seen by all", ident="shared")
    if desk.ask(AUTHOR, picture.items_at, [secret]):  # an exercise is no part of a real incident
        _at_work(desk, who, shared, secret)
    return desk


def _at_work(desk: PictureDesk, who: Who, shared: str, secret: int) -> None:
    desk.act(AUTHOR, incidents.link, who, shared, [secret])
    desk.act(AUTHOR, incidents.add_note, who, shared, f"about entry {secret}", about=secret)
    desk.act(AUTHOR, incidents.open_incident, who, secret)
    desk.act(AUTHOR, picture.acknowledge, [secret], who="c1")


def answers(desk: PictureDesk) -> dict[str, bytes]:
    """Every query of every read model, as its reader gets it."""
    now = desk.fed.clock.now()
    window = {"start": now - timedelta(days=1), "end": now + timedelta(days=1)}
    views = (View(), View(cls="decision"), View(ports=(AUTHOR,)), View(text="cloned"), View(kinds=("publish",)))
    asked: dict[str, Callable[..., Any]] = {
        "strip": picture.strip,
        "levels": picture.level_changes,
        "board": lambda c, r: incidents.board(c, r, closed=True),
        "members": desk_members.members,
        "consequences": lambda c, r: desk_members.consequences(c, r, member=AUTHOR, invalid_since_ms=1),
        "waiting": desk_members.waiting,
        "acknowledgements": lambda c, r: levels.acknowledgements(c, r, 4),
        "indicator in the log": lambda c, r: log_pages.search(c, r, log_pages.Search(indicator=picture_id(desk))),
        "member in the log": lambda c, r: log_pages.search(c, r, log_pages.Search(member=AUTHOR)),
        "log": lambda c, r: log_pages.search(c, r, log_pages.Search(), limit=10),
    }
    for at, view in enumerate(views):
        asked[f"feed {at}"] = lambda c, r, view=view: picture.feed(c, r, view, limit=2)
        asked[f"counts {at}"] = lambda c, r, view=view: picture.counts(c, r, view)
        asked[f"bars {at}"] = lambda c, r, view=view: picture.timeline(c, r, view, **window)
        asked[f"tracks {at}"] = lambda c, r, view=view: picture.tracks(c, r, view)
        asked[f"links {at}"] = lambda c, r, view=view: correlation.spill_over(c, r, view)
    for index in range(10):
        asked[f"detail {index}"] = lambda c, r, index=index: picture.detail(c, r, desk.checks, index)
        asked[f"sightings {index}"] = lambda c, r, index=index: picture.sightings(c, r, index)
        asked[f"related {index}"] = lambda c, r, index=index: picture.related(c, r, index)
        asked[f"proof {index}"] = lambda c, r, index=index: log_pages.proof(c, r, desk.log, index)
    found = {name: desk.ask(READER, _caught(query)) for name, query in asked.items()}
    found["briefing"] = desk.store.database.read_now(
        lambda c: said(briefing.briefing(c, desk.audiences, desk.log, member_reader(READER), **window))
    )
    found["export"] = desk.ask(READER, lambda c, _: _caught(picture.feed)(c, _export(desk, c), View()))
    return found


def picture_id(desk: PictureDesk) -> str:
    item = desk.ask(AUTHOR, picture.detail, desk.checks, 3)
    return str(item.objects[0]["id"])


def _export(desk: PictureDesk, connection: Any) -> Reading:
    return desk.reading(connection, READER, outlet=Outlet.EXPORT)


def _caught(query: Callable[..., Any]) -> Callable[..., bytes]:
    def asked(*given: Any) -> bytes:
        try:
            return said(query(*given))
        except Port2PortError as error:
            return said([error.code, error.text, error.facts])

    return asked


def said(value: Any) -> bytes:
    return orjson.dumps(_plain(value), option=orjson.OPT_SORT_KEYS)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value) if one.name not in LEAF_HASHES}
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime | timedelta | Enum):
        return str(value)
    return value if value is None or isinstance(value, str | int | float) else str(value)


@pytest.fixture(scope="module")
def script() -> Script:
    return Script(fed=Federation())


@pytest.fixture(scope="module")
def usual(script: Script, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the reader is answered where an indicator is hidden from it."""
    desk = world(script, tmp_path_factory.mktemp("usual") / "hub", script.hidden("an indicator"))
    try:
        assert desk.ask(AUTHOR, picture.counts, View()) != {}
        return answers(desk)
    finally:
        desk.store.close()


@pytest.mark.parametrize("name", ["another", "a note", "an exercise", "personal data", "a retraction", "a sighting"])
def test_a_hidden_entry_changes_no_answer(script: Script, usual: dict[str, bytes], tmp_path: Path, name: str) -> None:
    other = world(script, tmp_path / "other", script.hidden(name))
    try:
        there = answers(other)
        assert [question for question in usual if usual[question] != there[question]] == []
    finally:
        other.store.close()


def test_the_comparison_notices_an_entry_that_the_reader_may_see(
    script: Script, usual: dict[str, bytes], tmp_path: Path
) -> None:
    one = world(script, tmp_path / "one", script.fed.publish(AUTHOR, seq=50))
    try:
        here = answers(one)
        differing = {question.partition(" ")[0] for question in here if here[question] != usual[question]}
        assert {"feed", "counts", "bars", "links", "detail", "briefing", "board", "log", "member"} <= differing
    finally:
        one.store.close()
