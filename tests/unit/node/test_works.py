"""Works silence what their being there sets off, from start to end and no longer, and count what they silenced."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node import drafts, store, suppressions, works
from node.findings import FindingKind
from node.works import NoWorkError, Phase, Standing, Work, WorkError
from port2port.identifiers import IdentifierError
from tests.fakes.desks import NOW, B, Desk, Harbour, a_finding
from tests.fakes.examples import many

HOUR = timedelta(hours=1)
SHIP = "mmsi:205123456"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Harbour(tmp_path)
    yield made.desks[B]
    made.close()


def announce(desk: Desk, **changes: Any) -> Work:
    now = desk.fed.clock.now()
    given: dict[str, Any] = {
        "kind": "diving", "what": "hull inspection", "owner": "o1", "now": now, "starts_at": now + HOUR,
        "ends_at": now + 3 * HOUR, "places": ("dock-7",), "where": "Dock 7",
    }  # fmt: skip
    return desk.node.store.write_now(lambda c: works.announce(c, **{**given, **changes}))


def cross(desk: Desk, minute: int = 0, **changes: Any) -> drafts.Taken:
    at = NOW + timedelta(minutes=minute)
    return desk.take(a_finding(**{"kind": FindingKind.GEOFENCE, "places": ("dock-7",), "at": at, **changes}))


def listed(desk: Desk, since: datetime | None = None) -> list[Standing]:
    return desk.node.store.read_now(lambda c: works.listed(c, desk.fed.clock.now(), since=since))


def test_works_silence_from_their_start_to_their_end_and_count(desk: Desk) -> None:
    work = announce(desk)
    assert cross(desk).suppression is None
    assert [one.phase for one in listed(desk)] == [Phase.PLANNED]
    desk.fed.clock.advance(3_600)
    silenced = cross(desk, 1).suppression
    assert silenced is not None
    assert (silenced.owner, silenced.reason, silenced.expires_at) == ("o1", "diving: hull inspection", work.ends_at)
    assert cross(desk, 2).suppression is not None
    assert [(one.phase, one.silenced) for one in listed(desk)] == [(Phase.ON, 2)]
    desk.fed.clock.advance(7_200)
    assert cross(desk, 3).suppression is None
    assert listed(desk) == []
    assert [(one.phase, one.silenced) for one in listed(desk, since=NOW)] == [(Phase.OVER, 2)]


def test_works_never_silence_a_cloned_identity_or_another_place(desk: Desk) -> None:
    announce(desk, starts_at=desk.fed.clock.now(), identities=(SHIP,))
    assert desk.take(a_finding(places=("dock-7",))).suppression is None
    assert cross(desk, places=("dock-8",)).suppression is None
    assert cross(desk, mmsi="205000001").suppression is None
    assert cross(desk, 1).suppression is not None


def test_a_tow_is_silenced_wherever_it_goes(desk: Desk) -> None:
    announce(desk, kind="tow", starts_at=desk.fed.clock.now(), places=(), identities=("MMSI:205123456",))
    assert cross(desk, places=("dock-9",)).suppression is not None


def test_works_that_are_called_off_silence_no_longer(desk: Desk) -> None:
    work = announce(desk, starts_at=desk.fed.clock.now())
    assert cross(desk).suppression is not None
    now = desk.fed.clock.now()
    off = desk.node.store.write_now(lambda c: works.call_off(c, work.id, by="o2", reason="fog", now=now))
    assert off.phase(now) is Phase.CALLED_OFF
    assert cross(desk, 1).suppression is None
    assert desk.node.store.read_now(lambda c: suppressions.in_force(c, now)) == []
    with pytest.raises(NoWorkError):
        desk.node.store.write_now(lambda c: works.call_off(c, work.id, by="o2", reason="fog", now=now))
    lines = desk.node.store.read_now(lambda c: store.audit_lines(c, subject=work.id))
    assert [(line.officer, line.action) for line in lines] == [("o2", "call-off-works"), ("o1", "announce-works")]


def test_planned_works_that_are_called_off_never_begin(desk: Desk) -> None:
    work = announce(desk)
    now = desk.fed.clock.now()
    desk.node.store.write_now(lambda c: works.call_off(c, work.id, by="o2", reason="fog", now=now))
    desk.fed.clock.advance(3_600)
    assert cross(desk).suppression is None


def test_works_take_effect_once(desk: Desk) -> None:
    work = announce(desk, starts_at=desk.fed.clock.now(), identities=(SHIP, "imo:9074729"))
    for minute in range(3):
        cross(desk, minute)
    found = desk.node.store.read_now(lambda c: works.get(c, work.id))
    assert len(found.suppressions) == 2
    assert len(desk.node.store.read_now(lambda c: suppressions.in_force(c, desk.fed.clock.now()))) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "party"},
        {"what": " "},
        {"what": "x" * 501},
        {"owner": ""},
        {"places": ()},
        {"places": ("a@b",)},
        {"places": tuple(f"dock-{number}" for number in range(41))},
        {"identities": ("205123456",)},
        {"ends_at": NOW},
        {"starts_at": NOW - 3 * HOUR, "ends_at": NOW - HOUR},
        {"starts_at": NOW + HOUR, "ends_at": NOW + HOUR},
        {"ends_at": NOW + timedelta(days=93)},
        {"starts_at": NOW + timedelta(days=400), "ends_at": NOW + timedelta(days=401)},
    ],
)
def test_works_without_bounds_are_refused(desk: Desk, changes: dict[str, Any]) -> None:
    with pytest.raises(WorkError):
        announce(desk, **changes)
    assert listed(desk) == []


def test_a_wrong_number_is_named(desk: Desk) -> None:
    with pytest.raises(IdentifierError, match="check digit"):
        announce(desk, identities=("imo:9074728",))
    with pytest.raises(NoWorkError):
        desk.node.store.read_now(lambda c: works.get(c, "W-0"))


@given(st.text(max_size=40))
@settings(max_examples=many(100), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_text_for_a_ship_is_a_ship_or_an_error_of_ours(desk: Desk, text: str) -> None:
    try:
        announce(desk, identities=(text,))
    except (WorkError, IdentifierError):
        return
    assert listed(desk)
