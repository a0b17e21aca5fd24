"""The security levels at the hub: where each change stands, and who has acknowledged it, as far as one may know."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from hub.console import level_pages
from hub.tables import RECEIPT
from port2port.clock import to_ms
from port2port.console.roles import Role
from port2port.levels import Level, Standing
from port2port.tlp import Tlp
from tests.fakes.picture_console import PictureConsole, picture_console

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def console(tmp_path: Path) -> Iterator[PictureConsole]:
    with picture_console(tmp_path) as made:
        yield made


def entitle(console: PictureConsole) -> None:
    op = {"op": "set-level-authority", "locode": "BEANR", "member": "beanr"}
    console.desk.admit([console.desk.fed.control("roster", [op])])


def say(console: PictureConsole, number: int, *, hours: int = 0) -> int:
    fed = console.desk.fed
    effective = fed.clock.now() + timedelta(hours=hours)
    body = Level(locode="BEANR", level=number, effective=effective, reason="gates under watch").to_body()
    (index,) = console.desk.admit([fed.content("beanr", "level", two_officers=True, tlp=Tlp.GREEN, body=body)])
    return index


def seen(console: PictureConsole, index: int, member: str) -> None:
    row = {"issuer": "beanr", "number": index, "index": index, "member": member, "state": "seen", "receipt": b""}
    row |= {"key_id": "", "sig": b"", "received_ms": to_ms(console.desk.fed.clock.now())}
    console.desk.store.database.write_now(lambda c: c.execute(RECEIPT.insert(), [row]))


def test_the_levels_page_says_who_sets_them_and_that_none_is_set(console: PictureConsole) -> None:
    text = console.visitor().get("/levels").text
    assert "No level has been set" in text
    assert "The roster names no authority yet" in text


def test_the_authority_and_a_coordinator_see_the_whole_board_and_others_their_own_answer(
    console: PictureConsole,
) -> None:
    entitle(console)
    index = say(console, 2)
    seen(console, index, "belgg")
    for visitor in (console.visitor("beanr", Role.OFFICER), console.visitor("north-sea-port", Role.COORDINATOR)):
        text = visitor.get("/levels").text
        for words in ("ISPS 2", "gates under watch", "in force", "not acknowledged by", "Port north-sea-port"):
            assert words in text
        assert "acknowledged by 1 of 2" in text
        assert "acknowledged by 1 of 2" in visitor.get("/levels/now").text
    other = console.visitor("north-sea-port", Role.OFFICER).get("/levels").text
    assert "not acknowledged by" in other, "his own answer is missing"
    assert "Port belgg" not in other
    assert "acknowledged by 1 of 2" not in other


def test_a_disputed_change_is_shown_and_never_in_force(console: PictureConsole) -> None:
    entitle(console)
    fed = console.desk.fed
    say(console, 1)
    fed.clock.advance(60)
    since = fed.clock.now()
    say(console, 3)
    console.desk.admit([fed.revoke_key(fed.ports["beanr"].second_officer.key_id, invalid_since=since)])
    text = console.visitor().get("/levels").text
    assert "disputed, never in force" in text
    in_force = text.partition("In force")[2].partition("</section>")[0]
    assert "ISPS 1" in in_force
    assert "ISPS 3" not in in_force


def test_an_announced_change_is_announced_until_it_comes(console: PictureConsole) -> None:
    entitle(console)
    say(console, 1)
    index = say(console, 3, hours=2)
    picture = console.context

    def standing() -> dict[int, Standing]:
        return dict(console.desk.store.database.read_now(lambda c: level_pages.standing(picture, c)))

    assert standing()[index] is Standing.COMING
    assert "announced" in console.visitor().get("/levels").text
    console.desk.fed.clock.advance(2 * 3_600)
    assert standing()[index] is Standing.IN_FORCE
