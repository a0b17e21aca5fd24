"""Incidents: what advances, who leads, which clocks run, and who may know of which part."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub import incidents
from hub.incidents import Incident, IncidentError, IncidentMovedError, NoIncidentError, Who
from port2port.database import sqlite_url
from port2port.errors import NotFoundError
from port2port.tlp import Tlp
from tests.fakes.federation import Federation
from tests.fakes.picture import PictureDesk, picture_desk

LEAD, OTHER = Who(pseudonym="c1", member="beanr"), Who(pseudonym="c2", member="belgg")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[PictureDesk]:
    made = picture_desk(Federation(), sqlite_url(tmp_path / "hub.db"))
    yield made
    made.store.close()


@pytest.fixture
def opened(desk: PictureDesk) -> str:
    (index,) = desk.admit([desk.fed.publish("beanr", handling="act")])
    return desk.act("beanr", incidents.open_incident, LEAD, index, note="two divers at the lock")


def see(desk: PictureDesk, member: str, ident: str) -> Incident:
    return desk.ask(member, incidents.incident, ident)


def do(desk: PictureDesk, change: Any, *given: Any, who: Who = LEAD, **more: Any) -> Any:
    return desk.act(who.member, change, who, *given, **more)


def clock(found: Incident, name: str) -> Any:
    return next(one for one in found.clocks if one.name == name)


def test_an_incident_opens_with_a_lead_and_two_clocks(desk: PictureDesk, opened: str) -> None:
    found = see(desk, "belgg", opened)
    assert (found.state, found.lead, len(found.items)) == ("open", "beanr/c1", 1)
    assert [(one.name, one.due - found.opened_at) for one in found.clocks] == [
        ("acknowledge", timedelta(minutes=5)),
        ("contain", timedelta(minutes=60)),
    ]
    assert [event.what for event in found.events] == ["open", "note"]


def test_state_only_advances_and_its_clocks_stop(desk: PictureDesk, opened: str) -> None:
    desk.fed.clock.advance(6 * 60)
    assert clock(see(desk, "belgg", opened), "acknowledge").late
    do(desk, incidents.advance, opened, "contained")
    found = see(desk, "belgg", opened)
    assert (clock(found, "acknowledge").late, clock(found, "contain").late) == (True, False)
    desk.fed.clock.advance(7_200)
    assert not clock(see(desk, "belgg", opened), "contain").late
    for state in ("open", "acknowledged", "contained"):
        with pytest.raises(IncidentError):
            do(desk, incidents.advance, opened, state)


def test_only_the_lead_closes_and_with_an_outcome(desk: PictureDesk, opened: str) -> None:
    with pytest.raises(IncidentError):
        do(desk, incidents.advance, opened, "closed", who=OTHER, outcome="true-positive")
    with pytest.raises(IncidentError):
        do(desk, incidents.advance, opened, "closed")
    do(desk, incidents.advance, opened, "closed", outcome="true-positive")
    assert desk.ask("belgg", incidents.board) == ()
    assert [one.outcome for one in desk.ask("belgg", incidents.board, closed=True)] == ["true-positive"]
    with pytest.raises(IncidentError):
        do(desk, incidents.link, opened, [0])


def test_the_lead_is_handed_over_by_both(desk: PictureDesk, opened: str) -> None:
    with pytest.raises(IncidentError):
        do(desk, incidents.take_lead, opened, who=OTHER)
    do(desk, incidents.offer_lead, opened, OTHER)
    assert see(desk, "beanr", opened).lead == LEAD.name
    do(desk, incidents.take_lead, opened, who=OTHER)
    assert (see(desk, "beanr", opened).lead, see(desk, "beanr", opened).offered_to) == (OTHER.name, "")


def test_legal_clocks_run_only_when_ticked_or_where_personal_data_is(desk: PictureDesk, opened: str) -> None:
    do(desk, incidents.tick_significant, opened, reason="the lock stands still")
    names = {one.name for one in see(desk, "beanr", opened).clocks}
    assert names == {"acknowledge", "contain", "nis2-warning", "nis2-notification", "nis2-final"}
    do(desk, incidents.reported, opened, "nis2-warning", reference="CCB-1")
    assert clock(see(desk, "beanr", opened), "nis2-warning").stopped_at is not None
    more = {"personal_data": True, "purpose": "isps", "two_officers": True}
    (index,) = desk.admit([desk.fed.publish("beanr", **more)])
    do(desk, incidents.link, opened, [index])
    assert clock(see(desk, "beanr", opened), "gdpr").due > desk.fed.clock.now()
    assert "gdpr" not in {one.name for one in see(desk, "belgg", opened).clocks}  # no purpose, no entry, no clock


def test_a_merge_can_be_taken_back(desk: PictureDesk, opened: str) -> None:
    (index,) = desk.admit([desk.fed.publish("beanr")])
    second = do(desk, incidents.open_incident, index)
    do(desk, incidents.merge, second, opened)
    assert [one.id for one in desk.ask("belgg", incidents.board)] == [opened]
    assert {item.index for item in see(desk, "belgg", opened).items} == {2, index}
    do(desk, incidents.unmerge, second)
    assert {one.id for one in desk.ask("belgg", incidents.board)} == {opened, second}


def test_a_reader_knows_of_an_incident_what_he_may_know_of_its_entries(desk: PictureDesk, opened: str) -> None:
    (secret,) = desk.admit([desk.fed.publish("beanr", tlp=Tlp.AMBER)])
    before = see(desk, "belgg", opened)
    do(desk, incidents.link, opened, [secret])
    do(desk, incidents.add_note, opened, "only for us", about=secret)
    assert see(desk, "belgg", opened) == before
    assert len(see(desk, "beanr", opened).items) == 2
    hidden = do(desk, incidents.open_incident, secret)
    with pytest.raises(NoIncidentError):
        see(desk, "belgg", hidden)
    with pytest.raises(NotFoundError):
        do(desk, incidents.link, opened, [secret], who=OTHER)
    do(desk, incidents.merge, opened, hidden)
    assert see(desk, "belgg", opened).merged_into == ""


def test_the_last_entry_stays_and_an_old_version_is_refused(desk: PictureDesk, opened: str) -> None:
    shown = see(desk, "beanr", opened)
    with pytest.raises(IncidentError):
        do(desk, incidents.unlink, opened, 2, reason="a mistake")
    (index,) = desk.admit([desk.fed.publish("beanr")])
    do(desk, incidents.link, opened, [index])
    do(desk, incidents.unlink, opened, 2, reason="a mistake")
    found = see(desk, "beanr", opened)
    assert [item.index for item in found.items] == [index]
    incidents.require_version(found, found.version)
    with pytest.raises(IncidentMovedError):
        incidents.require_version(found, shown.version)
