"""Shift, expected works and look-ups: handed over and accepted by name, silenced for a while, asked for a case."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from node import shifts, store, works
from node.lookups import ACTION
from port2port.console.people import Role
from tests.fakes.desk_console import PASSPHRASE, DeskConsole, desk_console
from tests.fakes.watching import a_hit

WORKS = {
    "kind": "diving",
    "what": "Hull inspection by Acme Divers",
    "ships": "mmsi:205123400",
    "from_day": "2026-11-22",
    "from_at": "08:00",
    "until_day": "2026-11-23",
    "until_at": "16:00",
}


@pytest.fixture
def console(tmp_path: Path) -> Iterator[DeskConsole]:
    with desk_console(tmp_path) as made:
        yield made


def announce(console: DeskConsole, **changes: str) -> Any:
    return console.visitor().send("/works", "/works", **{**WORKS, **changes})


def announced(console: DeskConsole, **changes: str) -> Any:
    """Announced and signed."""
    answer = announce(console, **changes)
    assert answer.status_code == 303, answer.text
    onward = answer.headers["location"]
    return console.visitor().send(f"{onward}/sign", onward, passphrase=PASSPHRASE)


def standing(console: DeskConsole) -> list[works.Standing]:
    return console.do(lambda c: works.listed(c, console.context.now))


def test_the_page_of_a_shift_lists_what_waits(console: DeskConsole) -> None:
    console.draft()
    hit = a_hit(console.harbour, console.desk)
    text = console.visitor().get("/shift").text
    assert "Shift of o1" in text
    assert 'href="/drafts/D1"' in text
    assert f'href="/watch/hits/{hit.id}"' in text


def test_one_officer_hands_over_and_another_accepts(console: DeskConsole) -> None:
    first, second = console.visitor("o1"), console.visitor("o2")
    assert first.send("/shift/hand-over", "/shift", lines="Crane 4 is dark.\n\nTug Zeus waits.").status_code == 303
    text = second.get("/shift").text
    assert "o1 handed over at" in text
    assert "Crane 4 is dark." in text
    assert "I have read it and take over" not in first.get("/shift").text
    refused = first.send("/shift/accept", "/shift", handover="1")
    assert refused.status_code == 403
    assert "Another officer accepts" in refused.text
    assert second.send("/shift/accept", "/shift", handover="1").status_code == 303
    assert console.do(lambda c: shifts.get(c, 1)).incoming == "o2"
    assert console.visitor("b2").send("/shift/accept", "/shift", handover="1").status_code == 409
    assert second.send("/shift/accept", "/shift", handover="nine").status_code == 400
    assert {"shift-hand-over", "shift-accept"} <= set(console.audit())


def test_lines_that_are_too_long_come_back(console: DeskConsole) -> None:
    answer = console.visitor().send("/shift/hand-over", "/shift", lines="x" * 501)
    assert answer.status_code == 422
    assert "Nothing was handed over." in answer.text
    assert "x" * 501 in answer.text


def test_works_are_announced_by_name_and_stand_on_the_shift(console: DeskConsole) -> None:
    place = console.context.places.places[0]
    announced(console, where=place.name.lower())
    (made,) = standing(console)
    assert (made.work.owner, made.work.places) == ("o1", (place.id,))
    assert "Hull inspection by Acme Divers" in console.visitor().get("/shift").text
    assert "Hull inspection by Acme Divers" in console.visitor().get("/works").text
    assert {"act-prepared", "suppress", "announce-works"} <= set(console.audit())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"until_at": "soon"}, "Give a day and a time"),
        ({"where": "Atlantis"}, "Choose a place of the list"),
        ({"ships": ""}, "Choose a place of the list"),
        ({"ships": "mmsi:123"}, "This cannot be announced like this:"),
        ({"until_day": "2026-11-20"}, "This cannot be announced like this:"),
    ],
)
def test_works_that_cannot_be_are_said_at_the_form(console: DeskConsole, changes: dict[str, str], words: str) -> None:
    answer = announce(console, **changes)
    assert answer.status_code == 422
    assert words in answer.text
    assert "Hull inspection by Acme Divers" in answer.text
    assert standing(console) == []


def test_works_are_called_off_with_a_reason(console: DeskConsole) -> None:
    announced(console)
    (made,) = standing(console)
    visitor = console.visitor()
    assert visitor.send("/works/call-off", "/works", id=made.work.id, reason=" ").status_code == 422
    assert visitor.send("/works/call-off", "/works", id="W-none", reason="x").status_code == 404
    assert visitor.send("/works/call-off", "/works", id=made.work.id, reason="too windy").status_code == 303
    assert standing(console) == []


def test_calling_works_off_is_confirmed_by_whoever_has_a_passkey(console: DeskConsole) -> None:
    announced(console)
    device, (made,) = console.passkey("o1"), standing(console)
    visitor, given = console.visitor(), {"id": made.work.id, "reason": "too windy", "at": "/works/call-off"}
    assert visitor.send("/works/call-off", "/works", **given).status_code == 422
    answer = device.sign(visitor.send("/confirm", "/works", **given).text)
    other = visitor.send("/works/call-off", "/works", **{**given, "reason": "no reason"}, assertion=answer)
    assert other.status_code == 422
    assert len(standing(console)) == 1
    answer = device.sign(visitor.send("/confirm", "/works", **given).text)
    assert visitor.send("/works/call-off", "/works", **given, assertion=answer).status_code == 303
    assert standing(console) == []


ASK = {"kind": "container", "value": "CSQU3054383", "case": "2026/0417", "reason": "seal found open"}


def test_a_look_up_without_a_case_answers_the_same_and_is_written_down(console: DeskConsole) -> None:
    visitor = console.visitor()
    answer = visitor.send("/lookup", "/lookup", **{**ASK, "case": ""})
    assert "nothing is searched without" in answer.text
    assert "Not listed in any" not in answer.text
    answer = visitor.send("/lookup", "/lookup", **ASK)
    assert "Not listed in any indicator" in answer.text
    lines = console.do(lambda c: [line for line in store.audit_lines(c) if line.action == ACTION])
    assert len(lines) == 2
    facts = [orjson.loads(line.facts) for line in lines]
    assert {fact["value"] for fact in facts} == {"CSQU3054383"}
    assert all(fact["where"] for fact in facts)


@pytest.mark.parametrize("value", ["CSQU*", "CSQU3054384", "' or 1=1"])
def test_no_wildcard_and_no_wrong_digit_is_searched(console: DeskConsole, value: str) -> None:
    answer = console.visitor().send("/lookup", "/lookup", **{**ASK, "value": value})
    assert "This cannot be looked up" in answer.text


def test_each_role_opens_what_is_its_own(console: DeskConsole) -> None:
    viewer, admin = console.visitor("v1", Role.VIEWER), console.visitor("d1", Role.ADMIN, Role.AUDITOR)
    assert [viewer.get(path).status_code for path in ("/shift", "/works", "/lookup")] == [200, 200, 404]
    assert [admin.get(path).status_code for path in ("/shift", "/works", "/lookup")] == [404, 404, 404]
    assert (
        re.search(r'action="/(works|shift/hand-over)"', viewer.get("/shift").text + viewer.get("/works").text) is None
    )
    for path in ("/shift/hand-over", "/shift/accept", "/works", "/works/call-off", "/lookup", "/confirm"):
        assert viewer.send(path, "/watch", reason="x").status_code == 404
