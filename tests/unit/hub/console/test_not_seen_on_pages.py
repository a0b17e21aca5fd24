"""Not seen for ten minutes: on the strip, in the feed and in the detail, and told to open pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.console.picture_live import announce_answers, standing
from hub.tables import RECEIPT
from port2port.clock import to_ms
from port2port.console.people import Person
from port2port.console.roles import Role
from port2port.tlp import Tlp
from tests.fakes.picture_console import PictureConsole, PictureVisitor, picture_console


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PictureConsole]:
    """One urgent entry of beanr for everybody (2), one for belgg alone (3); eleven minutes later."""
    with picture_console(Path(tmp_path_factory.mktemp("hub"))) as made:
        fed = made.desk.fed
        made.desk.admit([fed.publish("beanr", handling="act")])
        hidden = [fed.indicator("beanr", tlp=Tlp.AMBER)]
        made.desk.admit([fed.publish("beanr", handling="act", tlp=Tlp.AMBER, recipients=("belgg",), objects=hidden)])
        fed.clock.advance(11 * 60)
        yield made


def says(console: PictureConsole, member: str, index: int) -> None:
    row = {"issuer": "beanr", "number": index, "index": index, "member": member, "state": "seen", "receipt": b""}
    row |= {"key_id": "", "sig": b"", "received_ms": to_ms(console.context.now)}
    console.desk.store.database.write_now(lambda c: c.execute(RECEIPT.insert(), [row]))


def words(visitor: PictureVisitor, path: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", visitor.get(path).text))


def test_the_author_reads_it_everywhere(console: PictureConsole) -> None:
    author = console.visitor("beanr", Role.OFFICER)
    names = "Port belgg, Port north-sea-port"
    assert re.search(rf"not seen by {names} 11 min", words(author, "/picture/feed"))
    assert words(author, "/picture/strip").count("items not seen") == 1
    assert words(author, "/picture/strip").count("1 item not seen") == 1
    assert words(author, "/?item=2").count("not seen yet, logged 11 min") == 2


def test_the_coordinator_reads_it_of_what_he_may_read(console: PictureConsole) -> None:
    coordinator = console.visitor("north-sea-port", Role.COORDINATOR)
    assert words(coordinator, "/picture/feed").count("not seen by") == 1
    assert words(coordinator, "/picture/strip").count("1 item not seen") == 2


def test_others_read_of_themselves_alone(console: PictureConsole) -> None:
    other = console.visitor("north-sea-port", Role.OFFICER)
    assert "not seen by Port north-sea-port" in words(other, "/picture/feed")
    assert "belgg" not in words(other, "/picture/feed")
    assert words(other, "/?item=2").count("not seen yet") == 1


def person(member: str, *roles: Role) -> Person:
    return Person(account="1", pseudonym="x", member=member, roles=frozenset(roles), session="s")


def test_an_answer_is_told_to_who_may_know_it(console: PictureConsole) -> None:
    ring = console.context.live._ring
    picture, database = console.context, console.desk.store.database
    before = database.read_now(lambda c: standing(picture, c))
    assert {index: sorted(one.late) for index, one in before.items()} == {2: ["belgg", "north-sea-port"], 3: ["belgg"]}
    announce_answers(picture, before, before)
    assert not ring
    says(console, "belgg", 3)
    announce_answers(picture, before, database.read_now(lambda c: standing(picture, c)))
    (alert,) = ring
    to = alert.to
    assert to is not None
    hearing = {
        (member, role): to(person(member, role))
        for member in ("beanr", "belgg", "north-sea-port")
        for role in (Role.OFFICER, Role.COORDINATOR)
    }
    assert {who for who, hears in hearing.items() if hears} == {
        ("beanr", Role.OFFICER), ("beanr", Role.COORDINATOR), ("belgg", Role.OFFICER), ("belgg", Role.COORDINATOR),
    }  # fmt: skip
