"""After ten minutes the author and the coordinator read who has not seen what asks for a decision; others do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub import picture
from hub.picture import Reading, read_as, unseen
from hub.picture.unseen import belonged
from hub.tables import RECEIPT
from hub.transparency import fold_roster
from port2port.clock import to_ms
from port2port.database import sqlite_url
from port2port.levels import Level
from port2port.sharing import member_reader
from port2port.tlp import Tlp
from tests.fakes.federation import Federation, stix_id_of
from tests.fakes.picture import PictureDesk, picture_desk

OFFICER, COORDINATOR = frozenset({"officer"}), frozenset({"coordinator"})
TEN_MINUTES_S = 600


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[PictureDesk]:
    made = picture_desk(Federation(), sqlite_url(tmp_path / "hub.db"))
    yield made
    made.store.close()


def ask(desk: PictureDesk, member: str, query: Callable[..., Any], *given: Any, roles: frozenset[str] = OFFICER) -> Any:
    def asked(connection: Any) -> Any:
        roster = fold_roster(connection).roster
        assert roster is not None
        now = desk.fed.clock.now()
        reading: Reading = read_as(connection, desk.audiences, member_reader(member, roles=roles), roster, now)
        return query(connection, reading, *given)

    return desk.store.database.read_now(asked)


def missing(desk: PictureDesk, member: str, roles: frozenset[str] = OFFICER) -> dict[int, tuple[str, ...]]:
    found = ask(desk, member, picture.not_seen, desk.audiences, roles=roles)
    return {one.item.index: one.members for one in found}


def says(desk: PictureDesk, member: str, index: int, state: str = "seen", issuer: str = "beanr") -> None:
    """A receipt that the hub relayed; its signature was checked when it came in."""
    number = desk.store.database.read_now(lambda c: len(c.execute(RECEIPT.select()).all())) + 1
    row = {"issuer": issuer, "number": number, "index": index, "member": member, "state": state, "receipt": b""}
    row |= {"key_id": "", "sig": b"", "received_ms": to_ms(desk.fed.clock.now())}
    desk.store.database.write_now(lambda c: c.execute(RECEIPT.insert(), [row]))


def urgent(desk: PictureDesk, **more: Any) -> int:
    (index,) = desk.admit([desk.fed.publish("beanr", **{"handling": "act", **more})])
    return index


def test_after_ten_minutes_the_author_and_the_coordinator_read_who_has_not_seen_it(desk: PictureDesk) -> None:
    index = urgent(desk)
    desk.fed.clock.advance(TEN_MINUTES_S - 1)
    assert missing(desk, "beanr") == missing(desk, "belgg", COORDINATOR) == {}
    desk.fed.clock.advance(1)
    everybody = {index: ("belgg", "north-sea-port")}
    assert missing(desk, "beanr") == everybody
    assert missing(desk, "belgg", COORDINATOR) == everybody
    says(desk, "belgg", index, "delivered")
    assert missing(desk, "beanr") == everybody
    says(desk, "belgg", index)
    assert missing(desk, "beanr") == missing(desk, "north-sea-port", COORDINATOR) == {index: ("north-sea-port",)}
    says(desk, "north-sea-port", index)
    assert missing(desk, "beanr") == {}


def test_another_member_knows_its_own_answer_alone(desk: PictureDesk) -> None:
    index = urgent(desk)
    desk.fed.clock.advance(TEN_MINUTES_S)
    assert missing(desk, "belgg") == {index: ("belgg",)}
    says(desk, "north-sea-port", index)
    assert missing(desk, "belgg") == {index: ("belgg",)}
    says(desk, "belgg", index)
    assert missing(desk, "belgg") == {}


@pytest.mark.parametrize("more", [{"handling": None}, {"handling": "observe_only"}, {"realm": "exercise:x1"}], ids=str)
def test_what_asks_nothing_of_an_officer_is_not_waited_for(desk: PictureDesk, more: dict[str, Any]) -> None:
    urgent(desk, **more)
    desk.fed.clock.advance(TEN_MINUTES_S)
    assert missing(desk, "beanr", COORDINATOR) == {}


def test_only_who_may_read_it_is_waited_for_and_only_its_readers_know(desk: PictureDesk) -> None:
    fed = desk.fed
    index = urgent(desk, tlp=Tlp.AMBER, recipients=("belgg",), objects=[fed.indicator("beanr", tlp=Tlp.AMBER)])
    fed.clock.advance(TEN_MINUTES_S)
    assert missing(desk, "beanr") == {index: ("belgg",)}
    assert missing(desk, "north-sea-port", COORDINATOR) == {}


def test_a_change_of_the_level_is_waited_for(desk: PictureDesk) -> None:
    fed = desk.fed
    body = Level(locode="BEANR", level=2, effective=fed.clock.now(), reason="test").to_body()
    desk.admit([fed.control("roster", [{"op": "set-level-authority", "locode": "BEANR", "member": "beanr"}])])
    (index,) = desk.admit([fed.content("beanr", "level", two_officers=True, tlp=Tlp.GREEN, body=body)])
    fed.clock.advance(TEN_MINUTES_S)
    assert missing(desk, "belgg", COORDINATOR) == {index: ("belgg", "north-sea-port")}


def test_what_was_taken_back_or_is_a_day_old_is_no_longer_waited_for(desk: PictureDesk) -> None:
    shown = desk.fed.indicator("beanr")
    urgent(desk, objects=[shown])
    later = urgent(desk)
    desk.fed.clock.advance(TEN_MINUTES_S)
    desk.admit([desk.fed.retract("beanr", [stix_id_of(shown)])])
    assert set(missing(desk, "beanr")) == {later}
    desk.fed.clock.advance(24 * 3_600)
    assert missing(desk, "beanr") == {}


def test_who_joined_later_owes_no_answer(desk: PictureDesk) -> None:
    index = urgent(desk)
    desk.fed.clock.advance(TEN_MINUTES_S)
    roster = desk.store.database.read_now(fold_roster).roster
    assert roster is not None
    assert [belonged(roster, "belgg", at) for at in (1, index)] == [False, True]


def test_the_detail_says_it_of_each_recipient(desk: PictureDesk) -> None:
    index = urgent(desk)
    desk.fed.clock.advance(TEN_MINUTES_S)
    says(desk, "belgg", index)

    def named(member: str, roles: frozenset[str]) -> dict[str, tuple[bool, bool]]:
        opened = ask(desk, member, picture.detail, desk.checks, index, roles=roles)
        return {one.member: (one.known, one.late) for one in opened.recipients}

    everything = {"beanr": (True, False), "belgg": (True, False), "north-sea-port": (True, True)}
    assert named("beanr", OFFICER) == everything
    assert named("belgg", COORDINATOR) == everything
    assert named("belgg", OFFICER) == {
        "beanr": (False, False),
        "belgg": (True, False),
        "north-sea-port": (False, False),
    }


def test_how_many_each_member_has_not_seen(desk: PictureDesk) -> None:
    urgent(desk)
    says(desk, "belgg", urgent(desk))
    desk.fed.clock.advance(TEN_MINUTES_S)
    found = ask(desk, "beanr", picture.not_seen, desk.audiences)
    assert picture.by_member(found) == {"belgg": 1, "north-sea-port": 2}


def test_another_ones_receipts_change_nothing_for_who_may_not_know_them(desk: PictureDesk) -> None:
    index = urgent(desk)
    desk.fed.clock.advance(TEN_MINUTES_S)

    def known() -> str:
        waits = ask(desk, "belgg", picture.not_seen, desk.audiences)
        opened = ask(desk, "belgg", picture.detail, desk.checks, index)
        return repr((waits, opened))

    before = known()
    for state in ("delivered", "seen", "retracted"):
        says(desk, "north-sea-port", index, state)
    assert known() == before
    says(desk, "belgg", index)
    assert known() != before


def test_who_asks_much_hides_nothing_that_another_asks(desk: PictureDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unseen, "MOST_OF_ONE", 3)
    index = urgent(desk)
    loud = desk.admit([desk.fed.publish("belgg", handling="act") for _ in range(5)], "belgg")
    desk.fed.clock.advance(TEN_MINUTES_S)
    assert sorted(missing(desk, "north-sea-port", COORDINATOR)) == [index, *loud[-3:]]
