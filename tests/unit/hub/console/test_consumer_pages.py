"""The pages of systems that read through TAXII: whole for their own member, and no more than their name for others."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import consumers
from hub.consumers import Poll
from hub.consumers.register import until_ms
from hub.taxii.catalogue import collection_id
from hub.taxii.fold import Folding, fold
from hub.taxii.model import Kind
from port2port.clock import to_ms
from port2port.console.roles import Role
from port2port.tlp import Tlp
from tests.fakes.picture_console import PictureConsole, picture_console

ADDRESS = "203.0.113.7"


@pytest.fixture
def console(tmp_path: Path) -> Iterator[PictureConsole]:
    with picture_console(tmp_path) as made:
        made.consumer("ndc-siem", "beanr")
        made.consumer("liege-siem", "belgg")
        yield made


def polled(console: PictureConsole, name: str, collection: str, *, delivered: int = 12) -> None:
    """One poll, as it is noted behind an answer."""
    database = console.desk.store.database
    poll = Poll(
        consumer=database.read_now(lambda c: consumers.find(c, name)),
        address=ipaddress.ip_address(ADDRESS),
        at_ms=to_ms(console.context.now),
        collection=collection,
        polling=True,
        first_us=1_790_000_000_000_000,
        last_us=1_790_000_001_000_000,
        delivered=delivered,
    )
    database.write_now(lambda c: consumers.note_polls(c, [poll], lambda _what, _poll: None))


def test_each_member_lists_its_own_and_the_operators_admin_all(console: PictureConsole) -> None:
    own = console.visitor("belgg", Role.VIEWER).get("/consumers").text
    assert "liege-siem" in own
    assert "ndc-siem" not in own
    everybody = console.visitor("beanr", Role.ADMIN).get("/consumers").text
    assert "liege-siem" in everybody
    assert "ndc-siem" in everybody
    coordinator = console.visitor("beanr", Role.COORDINATOR).get("/consumers").text
    assert "liege-siem" not in coordinator


def test_a_system_of_another_member_answers_as_one_that_does_not_exist(console: PictureConsole) -> None:
    for role in (Role.VIEWER, Role.COORDINATOR, Role.ADMIN):
        visitor = console.visitor("belgg", role)
        hidden, absent = visitor.get("/consumers/ndc-siem"), visitor.get("/consumers/no-such1")
        assert (hidden.status_code, absent.status_code) == (404, 404)


def test_the_page_says_how_far_it_came_from_where_and_what_was_kept_from_it(console: PictureConsole) -> None:
    fed = console.desk.fed
    amber = {"tlp": Tlp.AMBER, "recipients": ("belgg",)}
    console.desk.admit([fed.publish("beanr", **amber), fed.publish("beanr", **amber), fed.publish("beanr")])
    port = collection_id(console.context.genesis_hash, Kind.PORT, "beanr")
    folding = Folding(genesis_hash=console.context.genesis_hash, federation=fed.name)
    now_ms = to_ms(console.context.now)
    while console.desk.store.database.write_now(lambda c: fold(c, folding=folding, now_ms=now_ms)).worked:
        pass
    polled(console, "liege-siem", port, delivered=1_234)
    shown = console.visitor("belgg", Role.VIEWER).get("/consumers/liege-siem").text
    for words in ("Port: Port beanr", "1,234", "203.0.113.0/24", "TLP:GREEN", "Kept from it by marking", "TLP:AMBER"):
        assert words in shown, words
    kept = shown.rpartition("TLP:AMBER")[2]
    assert "2" in kept[:40]


def test_the_operators_admin_sees_that_another_members_system_exists_and_not_what_it_was_given(
    console: PictureConsole,
) -> None:
    polled(console, "liege-siem", collection_id(console.context.genesis_hash, Kind.SIEM, ""), delivered=4_321)
    shown = console.visitor("beanr", Role.ADMIN).get("/consumers/liege-siem").text
    assert "for the people of its own member" in shown
    assert "4,321" not in shown
    assert "203.0.113" not in shown


def test_a_ceiling_above_green_shows_the_word_it_rests_on(console: PictureConsole) -> None:
    now_ms = to_ms(console.context.now)
    wanted = consumers.Consumer(
        name="amber-siem",
        member="belgg",
        ceiling=Tlp.AMBER,
        word="letter of 3 November",
        created_ms=now_ms,
        expires_ms=until_ms(now_ms, 30),
    )
    roster = console.context.known_roster()
    console.desk.store.database.write_now(lambda c: consumers.add(c, wanted, roster))
    shown = console.visitor("belgg", Role.OFFICER).get("/consumers/amber-siem").text
    assert "letter of 3 November" in shown
    assert "in force" in shown
    console.desk.store.database.write_now(lambda c: consumers.revoke(c, "amber-siem", now_ms=now_ms))
    assert "revoked" in console.visitor("belgg", Role.OFFICER).get("/consumers/amber-siem").text
