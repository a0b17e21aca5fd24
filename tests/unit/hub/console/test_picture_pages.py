"""The national picture's page: what its reader may read, every view an address, and nothing of the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from hub.console import picture_live, picture_view
from hub.console.harbours import place_of
from hub.correlation import WEIGHTS, Link, Pair
from hub.picture import REASONS, PortTile
from hub.tables import AUDIT
from port2port.console.people import Person
from port2port.console.roles import Role
from port2port.statement import Kind
from port2port.tlp import Tlp
from tests.fakes.federation import stix_id_of
from tests.fakes.picture_console import PictureConsole, picture_console


@pytest.fixture
def console(tmp_path: Path) -> Iterator[PictureConsole]:
    with picture_console(tmp_path) as made:
        yield made


def shown_rows(text: str) -> list[int]:
    return [int(found) for found in re.findall(r'data-row="(\d+)"', text)]


def actions(console: PictureConsole) -> list[str]:
    query = sa.select(AUDIT.c.event).order_by(AUDIT.c.id)
    return list(console.desk.store.database.read_now(lambda c: c.execute(query).scalars().all()))


def test_the_page_lists_what_its_reader_may_read(console: PictureConsole) -> None:
    desk = console.desk
    (a,) = desk.admit([desk.fed.publish("beanr", handling="call_first")])
    (b,) = desk.admit([desk.fed.publish("beanr", tlp=Tlp.AMBER, recipients=("belgg",))])
    assert shown_rows(console.visitor("belgg").get("/").text) == [b, a]
    assert shown_rows(console.visitor("north-sea-port").get("/").text) == [a]


def test_a_hidden_entry_changes_nothing_on_the_page_of_who_may_not_read_it(console: PictureConsole) -> None:
    desk = console.desk
    desk.admit([desk.fed.publish("beanr", handling="call_first")])
    visitor = console.visitor("north-sea-port", Role.VIEWER)
    paths = ("/picture/strip", "/picture/feed", "/picture/drawn")
    before = [visitor.get(path).text for path in paths]
    desk.admit([desk.fed.publish("beanr", tlp=Tlp.AMBER, handling="act", recipients=("belgg",))])
    assert [visitor.get(path).text for path in paths] == before


def test_every_view_is_an_address(console: PictureConsole) -> None:
    desk = console.desk
    (a,) = desk.admit([desk.fed.publish("beanr", handling="call_first")])
    desk.admit([desk.fed.publish("belgg")], "belgg")
    visitor = console.visitor()
    assert shown_rows(visitor.get("/?class=decision").text) == [a]
    assert shown_rows(visitor.get("/?ports=beanr").text) == [a]
    assert shown_rows(visitor.get("/?severity=critical+high").text) == []
    assert visitor.get("/?severity=purple").status_code == 400


def test_an_opened_entry_says_why_how_it_came_and_for_whom(console: PictureConsole) -> None:
    desk = console.desk
    (a,) = desk.admit([desk.fed.publish("beanr", handling="act")])
    text = console.visitor().get(f"/?item={a}").text
    for words in ("What happened", "Why it can be trusted", "in the signed log", "Who knows it", "Related"):
        assert words in text
    assert text.count('class="step"') == 5
    assert "picture.open" in actions(console)


def test_a_hidden_entry_opens_as_one_that_is_not_there(console: PictureConsole) -> None:
    desk = console.desk
    (a,) = desk.admit([desk.fed.publish("beanr", tlp=Tlp.AMBER, recipients=("belgg",))])
    visitor = console.visitor("north-sea-port")
    assert [visitor.get(f"/?item={index}").status_code for index in (a, 10_000)] == [404, 404]
    assert actions(console).count("picture.open") == 2  # looking for what one may not know is a look-up, too


def test_what_is_acknowledged_leaves_the_queue_and_comes_back(console: PictureConsole) -> None:
    desk = console.desk
    (a,) = desk.admit([desk.fed.publish("belgg", handling="call_first")], "belgg")
    visitor = console.visitor()
    answer = visitor.send("/picture/acknowledge", row=str(a), back="class=decision")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/?class=decision&done={a}"
    page = visitor.get(answer.headers["location"]).text
    assert "1 item acknowledged for your organisation." in page
    assert "acknowledged</span>" in page
    visitor.send("/picture/acknowledge", row=str(a), undo="yes")
    assert f'name="row" value="{a}" aria-label' in visitor.get("/").text


def test_who_only_reads_cannot_acknowledge(console: PictureConsole) -> None:
    desk = console.desk
    (a,) = desk.admit([desk.fed.publish("belgg", handling="call_first")], "belgg")
    visitor = console.visitor("beanr", Role.VIEWER)
    assert 'type="checkbox"' not in visitor.get("/").text
    assert visitor.send("/picture/acknowledge", row=str(a)).status_code == 404


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.ADMIN])
def test_who_is_given_no_content_sees_no_picture(console: PictureConsole, role: Role) -> None:
    visitor = console.visitor("beanr", role)
    assert {visitor.get(path).status_code for path in ("/picture/strip", "/picture/drawn")} == {404}
    led = visitor.get("/")
    assert led.status_code == 303, "to a page that he may read"
    assert led.headers["location"] != "/"


def test_who_is_signed_out_goes_to_sign_in(console: PictureConsole) -> None:
    assert console.stranger().get("/?class=decision").headers["location"].startswith("/sign-in")


def test_a_view_is_kept_and_forgotten_under_its_name(console: PictureConsole) -> None:
    visitor = console.visitor()
    visitor.send("/picture/views", name="My ports", query="ports=beanr+belgg&item=0")
    assert '<a class="title" href="/?ports=beanr+belgg">' in visitor.get("/").text
    visitor.send("/picture/views/forget", name="My ports")
    assert "My ports" not in visitor.get("/").text
    assert {"picture.view.saved", "picture.view.forgotten"} <= set(actions(console))


def test_a_sighting_elsewhere_is_told_and_its_title_named(console: PictureConsole) -> None:
    desk, fed = console.desk, console.desk.fed
    indicator = fed.indicator("beanr")
    (a,) = desk.admit([fed.publish("beanr", objects=[indicator])])
    desk.admit([fed.sighting("belgg", of=("beanr", stix_id_of(indicator)))], member="belgg")
    text = console.visitor().get(f"/?item={a}").text
    assert "seen 1 time" in text
    assert "1 sighting<" in text


def test_the_timeline_counts_what_the_list_shows(console: PictureConsole) -> None:
    desk = console.desk
    desk.admit([desk.fed.publish("beanr", handling="call_first"), desk.fed.publish("beanr")])
    drawn = console.visitor().get("/picture/drawn?ports=beanr").json()["timeline"]
    assert {name: sum(row) for name, row in drawn["counts"].items()} == {
        "low": 1,
        "medium": 1,
        "high": 0,
        "critical": 0,
    }
    assert [len(lane["events"]) for lane in drawn["lanes"]] == [2]


def test_an_event_is_heard_by_those_who_may_read_what_is_new(console: PictureConsole) -> None:
    desk = console.desk
    told = desk.store.database.read_now(lambda c: desk.log.head().next)
    desk.admit([desk.fed.publish("beanr", tlp=Tlp.AMBER, recipients=("belgg",))])
    ((end, classes),) = desk.store.database.read_now(lambda c: picture_live.fresh(console.context, told, c))
    assert end == told + 1
    (ident,) = classes

    def person(member: str) -> Person:
        roles = frozenset({Role.VIEWER})
        return Person(account="1", pseudonym="x", member=member, roles=roles, session="s")

    heard = [picture_live.may_hear(console.context, ident, person(name)) for name in ("belgg", "north-sea-port")]
    assert heard == [True, False]


def test_a_harbour_stands_where_the_basemap_draws_it() -> None:
    assert place_of(["ZZZZZ", "BEOST"]) == (51.23, 2.93)
    assert place_of([]) is None


def test_every_kind_and_step_has_words() -> None:
    assert set(picture_view.KINDS) == {kind.value for kind in Kind}
    assert set(picture_view.REASONS) == {*REASONS, *WEIGHTS}
    assert set(picture_view.RESULTS) == set(picture_view.STEPS)


def test_ports_that_share_a_ship_are_linked_until_somebody_calls_it_unrelated(console: PictureConsole) -> None:
    desk = console.desk
    (a,) = desk.admit([desk.fed.publish("beanr")])
    (b,) = desk.admit([desk.fed.publish("belgg")], "belgg")
    visitor = console.visitor()
    text = visitor.get("/picture/spill-over").text
    assert "the same vessel" in text
    assert f'value="{a} {b}"' in text
    visitor.send("/picture/not-related", pair=f"{a} {b}", reason="a ferry with a licence")
    assert "Nothing in this view." in visitor.get("/picture/spill-over").text
    assert "the same vessel" in console.visitor("belgg").get("/picture/spill-over").text


def test_a_link_is_an_arc_between_two_harbours_with_its_reason() -> None:
    pair = Pair(first=3, second=4, reason="vessel", value="x", score=0.9, lag=timedelta(), at=datetime.now(UTC))
    link = Link(source="a", target="b", score=0.9, reasons=("vessel",), pairs=(pair,))
    tiles = [
        PortTile(member=name, name=name, kind="port", locodes=codes, levels=(), open_items=0, contact=None)
        for name, codes in (("a", ("BEOST",)), ("b", ("BEANR",)))
    ]
    (arc,) = picture_view.arcs([link], tiles, str.upper)
    assert arc == {"id": 3, "label": "THE SAME VESSEL", "from": [51.23, 2.93], "to": [51.285, 4.33]}
    assert picture_view.arcs([link], tiles[:1], str.upper) == []
