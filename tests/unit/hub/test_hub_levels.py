"""A level change from the authority's signature to the strip, and who has acknowledged it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from hub import levels, picture
from hub.tables import RECEIPT
from port2port.clock import to_ms
from port2port.database import sqlite_url
from port2port.envelope import digest_of
from port2port.errors import NotFoundError
from port2port.levels import Level
from port2port.tlp import Tlp
from port2port.wire import decode_envelope
from tests.fakes.federation import Federation, refs_body, stix_id_of
from tests.fakes.picture import PictureDesk, picture_desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[PictureDesk]:
    made = picture_desk(Federation(), sqlite_url(tmp_path / "hub.db"))
    made.admit([made.fed.control("roster", [{"op": "set-level-authority", "locode": "BEANR", "member": "beanr"}])])
    yield made
    made.store.close()


def change(desk: PictureDesk, number: int, hours: int = 0, **more: object) -> bytes:
    effective = desk.fed.clock.now() + timedelta(hours=hours)
    body = Level(locode="BEANR", level=number, effective=effective, reason="test").to_body()
    given = {"two_officers": True, "tlp": Tlp.GREEN, "body": body, **more}
    return desk.fed.content("beanr", "level", **given)


def test_a_level_is_in_force_from_its_effective_time(desk: PictureDesk) -> None:
    desk.admit([change(desk, 2), change(desk, 3, hours=2)])
    now = desk.ask("belgg", picture.levels_now)["BEANR"]
    assert (now.level, now.set_by) == (2, "beanr")
    desk.fed.clock.advance(2 * 3_600)
    assert desk.ask("belgg", picture.levels_now)["BEANR"].level == 3
    assert len(desk.ask("belgg", picture.level_changes, "BEANR")) == 2
    assert desk.ask("belgg", picture.level_changes, "BELGG") == []


@pytest.mark.parametrize("more", [{"two_officers": False}, {"tlp": Tlp.AMBER}])
def test_a_level_by_one_officer_or_for_some_is_refused(desk: PictureDesk, more: dict[str, object]) -> None:
    with pytest.raises(AssertionError, match="REFUSED"):
        desk.admit([change(desk, 2, **more)])


def test_the_authority_sees_who_has_not_acknowledged_and_others_their_own_answer(desk: PictureDesk) -> None:
    (index,) = desk.admit([change(desk, 2)])
    row = {"issuer": "beanr", "number": 1, "index": index, "member": "belgg", "state": "seen", "receipt": b""}
    row |= {"key_id": "", "sig": b"", "received_ms": to_ms(desk.fed.clock.now())}
    desk.store.database.write_now(lambda c: c.execute(RECEIPT.insert(), [row]))
    board = desk.ask("beanr", levels.acknowledgements, index)
    assert [(one.member, one.seen is not None) for one in board] == [("belgg", True), ("north-sea-port", False)]
    assert [one.member for one in levels.missing(board)] == ["north-sea-port"]
    other = desk.ask("north-sea-port", levels.acknowledgements, index)
    assert [(one.member, one.seen, one.known) for one in other] == [
        ("belgg", None, False),
        ("north-sea-port", None, True),
    ]
    with pytest.raises(NotFoundError):
        desk.ask("beanr", levels.acknowledgements, 0)


def test_a_member_that_is_not_the_authority_of_the_place_is_refused(desk: PictureDesk) -> None:
    body = Level(locode="BEANR", level=2, effective=desk.fed.clock.now(), reason="test").to_body()
    said = desk.fed.content("belgg", "level", two_officers=True, tlp=Tlp.GREEN, body=body)
    with pytest.raises(AssertionError, match="LEVEL"):
        desk.admit([said], member="belgg")
    elsewhere = Level(locode="BELGG", level=2, effective=desk.fed.clock.now(), reason="test").to_body()
    with pytest.raises(AssertionError, match="LEVEL"):
        desk.admit([desk.fed.content("beanr", "level", two_officers=True, tlp=Tlp.GREEN, body=elsewhere)])


def test_what_a_stolen_key_signed_is_in_force_again_once_it_is_reaffirmed(desk: PictureDesk) -> None:
    desk.admit([change(desk, 1)])
    desk.fed.clock.advance(60)
    since, raw = desk.fed.clock.now(), change(desk, 3)
    desk.admit([raw])
    assert desk.ask("belgg", picture.levels_now)["BEANR"].level == 3
    desk.admit([desk.fed.revoke_key(desk.fed.ports["beanr"].second_officer.key_id, invalid_since=since)])
    assert desk.ask("belgg", picture.levels_now)["BEANR"].level == 1
    assert [one.standing.value for one in desk.ask("belgg", picture.level_changes)] == ["in-force", "disputed"]
    indicator = desk.fed.indicator("beanr")
    desk.admit([desk.fed.publish("beanr", objects=[indicator])])
    named = refs_body([("beanr", stix_id_of(indicator))])
    again = {**named, "digests": [digest_of(decode_envelope(raw).statement).hex()]}
    desk.admit([desk.fed.content("beanr", "reaffirm", tlp=Tlp.GREEN, body=again)])
    assert desk.ask("belgg", picture.levels_now)["BEANR"].level == 3
