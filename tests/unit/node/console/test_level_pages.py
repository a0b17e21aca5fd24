"""Security levels at the desk: set by two officers of the authority, in the frame everywhere, read by each officer."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from node import act_store, desk_items, levels, receipts
from node.acts import preparing
from node.console import level_view
from node.two_person import Facts, TwoPersonRule, weigh
from port2port.console.roles import Role
from port2port.levels import Level, Standing
from port2port.tlp import Tlp
from tests.fakes.desk_console import PASSPHRASE, DeskConsole, apart, desk_console

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROW = re.compile(r'class="title"[^>]*>([^<]+?) <.*?class="state \w+">(.*?)<span class="under">', re.DOTALL)
TAG = re.compile("<[^>]*>")
AUTHORITY, OTHER = "beanr", "belgg"
FORM = {"port": ["BEANR"], "level": "2", "reason": "Drones over the lock. Patrols doubled.", "tlp": "green"}


@pytest.fixture
def console(tmp_path: Path) -> Iterator[DeskConsole]:
    with desk_console(tmp_path) as made:
        yield made


def entitle(console: DeskConsole, member: str = AUTHORITY, *places: str) -> None:
    """The coordinators name the authority of these places."""
    ops = [{"op": "set-level-authority", "locode": one, "member": member} for one in places or ("BEANR", "BEZEE")]
    console.harbour.feed.log(console.fed.control("roster", ops))
    apart(console.harbour.pull)


def say(console: DeskConsole, number: int, *, member: str = OTHER, place: str = "BELGG", hours: int = 0) -> int:
    """A change by an authority elsewhere, as it arrives."""
    effective = console.fed.clock.now() + timedelta(hours=hours)
    body = Level(locode=place, level=number, effective=effective, reason="gates under watch").to_body()
    index = console.harbour.feed.log(
        console.fed.content(member, "level", two_officers=True, tlp=Tlp.GREEN, body=body, handling="act")
    )
    apart(console.harbour.pull)
    return int(index)


def freeze(console: DeskConsole, who: str = "o1", **fields: Any) -> Any:
    return console.visitor(who).send("/levels/set", "/levels/set", **{**FORM, **fields})


def sign(console: DeskConsole, who: str, act: str = "A1") -> Any:
    return console.visitor(who).send(f"/acts/{act}/sign", f"/acts/{act}", passphrase=PASSPHRASE)


def arrive(console: DeskConsole) -> None:
    console.desk.send()
    apart(console.harbour.pull)


def sent(console: DeskConsole) -> list[str]:
    """What the list of what was sent says of each statement, the newest first."""
    rows = console.visitor().get("/sent").text.partition('class="rows"')[2].partition("</ol>")[0].split("<li ")[1:]
    return [f"{found[1]}: {TAG.sub('', found[2]).strip()}" for row in rows if (found := ROW.search(row))]


def test_two_officers_of_the_authority_set_a_level_and_one_never_does(console: DeskConsole) -> None:
    entitle(console)
    frozen = freeze(console, start="now", end="at", until_day="2026-11-23", until_at="06:00", after="1")
    assert frozen.headers["location"] == "/acts/A1", frozen.text
    shown = console.visitor("o2").get("/acts/A1").text
    for words in ("ISPS 2", "ISPS 1", "Port belgg", "Port north-sea-port", "it sets a security level"):
        assert words in shown
    assert sign(console, "o1").headers["location"] == "/acts/A1"
    assert sign(console, "o1").status_code == 403, "the same officer is not a second one"
    assert console.desk.send() == [], "nothing has left yet"
    assert "Nothing was sent yet" in console.visitor().get("/sent").text
    assert sign(console, "o2").headers["location"] == "/levels"
    assert sent(console) == 2 * ["Security level: stored"]
    arrive(console)
    assert sent(console) == 2 * ["Security level: in the log, proof checked"]
    now = console.fed.clock.now()
    found = console.do(lambda c: levels.changes(c, now))
    assert [(one.level.level, one.standing) for one in found] == [(2, Standing.IN_FORCE), (1, Standing.COMING)]
    text = console.visitor("o1").get("/levels").text
    assert "signed it" in text
    assert "Port belgg" in text.partition("not read at")[2]
    assert "Read this" not in text, "who signed it has read it"
    assert {"act-prepared", "act-signed", "level"} <= set(console.audit())


def test_no_emergency_and_no_port_rule_lets_one_officer_set_a_level(console: DeskConsole) -> None:
    need = weigh(Facts(action=preparing.LEVEL, tlp=Tlp.GREEN), TwoPersonRule(overrides=True))
    assert (need.officers, need.may_override) == (2, False)
    entitle(console)
    freeze(console, emergency="there is no time")
    act = console.do(lambda c: act_store.get(c, "A1"))
    assert (act.need, act.override) == (2, False)


def test_no_other_desk_has_the_page_and_nobody_but_an_approver(console: DeskConsole) -> None:
    visitor = console.visitor()
    assert visitor.get("/levels/set").status_code == 404
    assert visitor.send("/levels/set", "/report", **FORM).status_code == 404
    assert "/levels/set" not in visitor.get("/levels").text
    entitle(console, OTHER)
    assert visitor.get("/levels/set").status_code == 404
    entitle(console)
    assert visitor.get("/levels/set").status_code == 200
    assert "/levels/set" in visitor.get("/levels").text
    assert console.visitor("b2", Role.OFFICER).get("/levels/set").status_code == 404
    assert freeze(console, port=["BELGG"]).status_code == 422, "a place of another authority is none of ours"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"port": []}, level_view.NO_PLACE),
        ({"level": ""}, level_view.NO_LEVEL),
        ({"level": "4"}, level_view.NO_LEVEL),
        ({"reason": " "}, level_view.NO_REASON),
        ({"reason": "x" * 501}, level_view.NO_REASON),
        ({"tlp": "amber"}, level_view.NO_MARKING),
        ({"tlp": "nonsense"}, level_view.NO_MARKING),
        ({"start": "at", "from_day": "2026-11-22", "from_at": "25:00"}, level_view.BAD_TIME),
        ({"start": "at", "from_day": "2026-11-20", "from_at": "08:00"}, level_view.TOO_EARLY),
        ({"start": "at", "from_day": "2027-11-20", "from_at": "08:00"}, level_view.TOO_LATE),
        ({"end": "at", "until_day": "2026-11-22", "until_at": "06:00", "after": "1"}, level_view.WRONG_END),
        ({"end": "at", "until_day": "2026-11-24", "until_at": "06:00", "after": "2"}, level_view.SAME_LEVEL),
    ],
)
def test_what_is_wrong_stands_beside_its_field(authority: DeskConsole, fields: dict[str, Any], words: str) -> None:
    answer = freeze(authority, **fields)
    assert answer.status_code == 422
    assert words in answer.text
    assert authority.do(act_store.listed) == []


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskConsole]:
    """One desk of an authority for the tests that change nothing."""
    with desk_console(tmp_path_factory.mktemp("authority")) as made:
        entitle(made)
        yield made


def test_a_second_act_about_a_port_waits_for_the_first(console: DeskConsole) -> None:
    entitle(console)
    freeze(console, port=["BEANR", "BEZEE"])
    assert freeze(console, port=["BEZEE"]).status_code == 409


def test_a_change_elsewhere_is_a_decision_item_until_read_and_each_officer_reads_it(console: DeskConsole) -> None:
    entitle(console, OTHER, "BELGG")
    index = say(console, 2)
    first, second = console.visitor("o1"), console.visitor("o2")
    assert f"/levels#change-{index}" in first.get("/").text
    assert "ISPS 2 BELGG" in first.get("/").text
    assert f'value="level-{index}"' in first.get("/alarm").text, "it sounds"
    assert "1 change of level to read" in first.get("/levels/banner").text
    answer = first.send("/levels/read", "/levels", entry=str(index))
    assert answer.headers["location"] == "/levels"
    assert f'value="level-{index}"' not in first.get("/alarm").text
    owed = console.do(lambda c: receipts.owed(c, AUTHORITY, limit=100))
    assert (index, "seen") in {(one.index, one.state) for one in owed}
    assert "to read" not in first.get("/levels/banner").text
    assert "1 change of level to read" in second.get("/levels/banner").text, "the other officer has not"
    text = second.get("/levels").text
    missing = text.partition("Changes, newest first")[2].partition("not read by")[2].partition("</li>")[0]
    assert "o2" in missing
    assert "o1" not in missing
    assert {"acknowledge", "levels-read"} <= set(console.audit())
    assert first.send("/levels/read", "/levels", entry="999").status_code == 404
    assert first.send("/levels/read", "/levels", entry="x").status_code == 400


def test_a_viewer_sees_the_level_and_is_asked_nothing(console: DeskConsole) -> None:
    entitle(console, OTHER, "BELGG")
    index = say(console, 3)
    viewer = console.visitor("v1", Role.VIEWER)
    banner = viewer.get("/levels/banner").text
    assert "ISPS 3" in banner
    assert "exceptional" in banner
    assert "to read" not in banner
    assert "Read this" not in viewer.get("/levels").text
    assert viewer.send("/levels/read", "/watch", entry=str(index)).status_code == 404
    assert console.visitor("d9", Role.AUDITOR).get("/levels").status_code == 404


def test_what_is_announced_is_shown_as_coming_and_then_comes(console: DeskConsole) -> None:
    entitle(console, OTHER, "BELGG")
    say(console, 1)
    say(console, 3, hours=2)
    before = console.visitor().get("/levels/banner").text
    assert "ISPS 1" in before
    assert "ISPS 3" in before
    now = console.fed.clock.now()
    was = console.do(lambda c: level_view.fingerprint(c, now))
    assert console.do(lambda c: level_view.fingerprint(c, now + timedelta(hours=2))) != was, "open pages are told"
    console.fed.clock.advance(2 * 3_600)
    after = console.visitor().get("/levels/banner").text
    assert "exceptional" in after
    assert "ISPS 1" not in after


def test_where_no_level_was_set_the_banner_says_none(console: DeskConsole) -> None:
    text = console.visitor().get("/levels/banner").text
    assert "Security level" in text
    assert "ISPS" not in text


def test_a_level_item_is_gone_from_the_queue_once_seen(console: DeskConsole) -> None:
    entitle(console, OTHER, "BELGG")
    index = say(console, 2)
    now = console.fed.clock.now()
    console.do(lambda c: levels.read(c, [index], "o1", now))
    console.do(lambda c: desk_items.acknowledge(c, f"level-{index}", "o1", now))
    assert console.do(lambda c: desk_items.items(c, now)).needs_decision == ()
