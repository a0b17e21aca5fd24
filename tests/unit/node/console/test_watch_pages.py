"""The watch: hits with their handling first, exact answers, and a page that works while the hub is away."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from node import act_store, hits, indicators, receipts, suppressions
from node.hits import Hit
from node.watch import Admission
from port2port.console.people import Role
from tests.fakes.desk_console import PASSPHRASE, DeskConsole, desk_console
from tests.fakes.watching import a_hit, wanted

READERS = ("o1", "b2")


@pytest.fixture
def console(tmp_path: Path) -> Iterator[DeskConsole]:
    with desk_console(tmp_path) as made:
        yield made


@pytest.fixture
def hit(console: DeskConsole) -> Hit:
    return a_hit(console.harbour, console.desk)


def hidden(text: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', text)
    assert found is not None
    return html.unescape(found.group(1))


def test_the_watch_says_that_the_hub_is_away_and_goes_on(console: DeskConsole) -> None:
    wanted(console.harbour, console.desk)
    text = console.visitor().get("/watch").text
    assert "The hub is away." in text
    assert "The watch goes on with 1 indicator." in text
    assert "205123400" not in text, "nothing was seen yet"


def test_a_hit_starts_with_what_its_author_asks(console: DeskConsole, hit: Hit) -> None:
    text = console.visitor().get(f"/watch/hits/{hit.id}").text
    main = text[text.index("<main") :]
    assert main.index("Act: do what your port") < main.index("Why this is a hit")
    assert "vessel:mmsi" in main
    assert "Act now. Vessel, MMSI Too Zero Fife Wun Too Tree Fower Zero Zero." in main


def test_confirming_sends_exactly_what_was_shown(console: DeskConsole, hit: Hit) -> None:
    visitor, address = console.visitor(), f"/watch/hits/{hit.id}"
    shown = visitor.send(f"{address}/preview", address, words="two men on deck", count="", exact_times="yes")
    assert shown.status_code == 200
    assert "This goes back, and nothing else" in shown.text
    assert "two men on deck" in shown.text
    assert "north-sea-port" in shown.text or "North Sea Port" in shown.text
    fields = {name: hidden(shown.text, name) for name in ("digest", "shown_at", "words", "count", "exact_times")}
    answer = visitor.send(f"{address}/confirm", address, **fields)
    assert answer.status_code == 303
    act_id = answer.headers["location"].removeprefix("/acts/")
    act = console.do(lambda c: act_store.get(c, act_id))
    assert act.state == act_store.WAITING
    assert b"two men on deck" in act.parts[0].objects[0].body
    assert "confirmed" in visitor.get(address).text
    assert console.audit()[-1] == "hit-confirm"


def test_a_number_that_is_none_comes_back_with_words(console: DeskConsole, hit: Hit) -> None:
    address = f"/watch/hits/{hit.id}"
    for wrong in ({"count": "many"}, {"position": "behind the crane", "exact_place": "yes"}):
        answer = console.visitor().send(f"{address}/preview", address, words="x", **wrong)
        assert answer.status_code == 422
        assert "Nothing can go back like this" in answer.text


def test_the_place_goes_out_only_where_the_officer_ticked_it(console: DeskConsole, hit: Hit) -> None:
    visitor, address = console.visitor(), f"/watch/hits/{hit.id}"
    kept = visitor.send(f"{address}/preview", address, place="Zandvliet lock", position="51.34, 4.28")
    told = visitor.send(
        f"{address}/preview", address, place="Zandvliet lock", position="51.34, 4.28", exact_place="yes"
    )
    assert "Seen at Zandvliet lock." not in kept.text
    assert "Seen at Zandvliet lock." in told.text
    assert "51.34" in told.text


def test_not_the_same_needs_a_reason_and_takes_back_what_was_sent(console: DeskConsole, hit: Hit) -> None:
    visitor, address = console.visitor(), f"/watch/hits/{hit.id}"
    refused = visitor.send(f"{address}/not-the-same", address, reason="  ")
    assert refused.status_code == 422
    assert "Say in at most 300 characters how you know." in refused.text
    answer = visitor.send(f"{address}/not-the-same", address, reason="another ship, seen by eye")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/acts/")
    assert "not the same" in visitor.get(address).text


def test_a_mute_has_owner_reason_and_end(console: DeskConsole, hit: Hit) -> None:
    visitor, address = console.visitor(), f"/watch/hits/{hit.id}"
    assert visitor.send(f"{address}/mute", address, mute_reason=" ", hours="8").status_code == 422
    assert visitor.send(f"{address}/mute", address, mute_reason="x", hours="9999").status_code == 400
    answer = visitor.send(f"{address}/mute", address, mute_reason="our own tug", hours="8")
    assert answer.headers["location"] == "/acts/A1"
    assert console.do(lambda c: suppressions.muted_pairs(c, console.context.now)) == {}
    visitor.send("/acts/A1/sign", "/acts/A1", passphrase=PASSPHRASE)
    (made,) = console.do(lambda c: list(suppressions.muted_pairs(c, console.context.now).values()))
    assert (made.owner, made.reason) == ("o1", "our own tug")
    assert "o1 muted this pair until" in visitor.get(address).text


def test_a_viewer_reads_and_answers_nothing(console: DeskConsole, hit: Hit) -> None:
    visitor, address = console.visitor("v1", Role.VIEWER), f"/watch/hits/{hit.id}"
    assert visitor.get("/watch").status_code == 200
    page = visitor.get(address)
    assert page.status_code == 200
    assert "Confirm the sighting" not in page.text
    for name in ("preview", "confirm", "not-the-same", "mute"):
        assert visitor.send(f"{address}/{name}", "/watch", reason="x").status_code == 404


def test_who_may_not_sign_prepares_nothing_that_waits_for_him(console: DeskConsole, hit: Hit) -> None:
    visitor, address = console.visitor("b9", Role.OFFICER), f"/watch/hits/{hit.id}"
    assert "Confirm the sighting" not in visitor.get(address).text
    for name in ("preview", "confirm", "not-the-same", "mute"):
        assert visitor.send(f"{address}/{name}", "/watch", reason="x").status_code == 404
    assert console.do(act_store.listed) == []


def test_an_admin_sees_nothing_of_the_watch(console: DeskConsole, hit: Hit) -> None:
    visitor = console.visitor("d1", Role.ADMIN, Role.AUDITOR)
    for address in ("/watch", "/watch/now", f"/watch/hits/{hit.id}"):
        assert visitor.get(address).status_code == 404


def test_who_is_signed_out_goes_to_sign_in(console: DeskConsole, hit: Hit) -> None:
    answer = console.stranger().get(f"/watch/hits/{hit.id}")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in")


def test_a_hit_that_is_not_there_is_a_page_that_is_not_there(console: DeskConsole) -> None:
    for ident in ("nothing", "00000000-0000-4000-8000-000000000000"):
        assert console.visitor().get(f"/watch/hits/{ident}").status_code == 404


def test_an_indicator_is_shown_with_its_exact_bytes(console: DeskConsole) -> None:
    one = wanted(console.harbour, console.desk)
    text = console.visitor().get(f"/watch/indicators/{one.issuer}/{one.stix_id}").text
    assert one.stix.decode() in html.unescape(text)
    assert console.visitor().get(f"/watch/indicators/{one.issuer}/indicator--nothing").status_code == 404


def test_an_indicator_on_a_warning_list_is_not_watched_and_names_the_list(console: DeskConsole) -> None:
    one = wanted(console.harbour, console.desk)
    address = f"/watch/indicators/{one.issuer}/{one.stix_id}"
    assert "on a warning list" not in console.visitor().get(address).text
    console.do(lambda c: indicators.note_state(c, one.key, Admission.LISTED.value, index=one.index))
    console.do(lambda c: indicators.note_listed(c, one.key, ["top <sites>", "resolvers"]))
    text = console.visitor().get(address).text
    assert "not watched: on a warning list" in text
    assert "top &lt;sites&gt;" in text
    assert "resolvers" in text
    assert "not watched: on a warning list" in console.visitor().get("/watch/now").text


def test_hits_that_ask_stand_before_those_that_do_not(console: DeskConsole, hit: Hit) -> None:
    text = console.visitor().get("/watch/now").text
    assert text.index("Hits that need your answer") < text.index(hit.id) < text.index("Other hits")
    console.do(
        lambda c: suppressions.add(
            c,
            kind=suppressions.PAIR,
            subject=hit.sighted.pair,
            owner="o1",
            reason="x",
            now=console.context.now,
            expires_at=console.context.now + hits.MUTE_LONGEST,
        )
    )
    text = console.visitor().get("/watch/now").text
    assert text.index("Other hits") < text.index(hit.id)


def test_what_another_port_asks_waits_until_an_officer_has_read_it(console: DeskConsole) -> None:
    one = wanted(console.harbour, console.desk)
    address, visitor = f"/watch/indicators/{one.issuer}/{one.stix_id}", console.visitor()
    assert f'href="{address}"' in visitor.get("/").text
    assert f'value="received-{one.index}"' in visitor.get("/alarm").text
    viewer = console.visitor("v1", Role.VIEWER)
    assert "I have read it" not in viewer.get(address).text
    assert viewer.send(f"{address}/read", "/watch").status_code == 404
    assert "I have read it" in visitor.get(address).text
    assert visitor.send(f"{address}/read", address).status_code == 303
    assert "read by o1" in visitor.get(address).text
    assert "data-alarm" not in visitor.get("/alarm").text
    owed = console.do(lambda c: receipts.owed(c, console.context.member, limit=20))
    assert [said.state for said in owed if said.index == one.index][-1:] == ["seen"]
