"""Looking up boxes, badges and people: for a case, in full, and never unseen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node import lookups, store
from node.lookups import NEEDS_CASE, Answer, Question, look_up
from port2port.stix import objects as stix
from tests.fakes.desks import A, B, Desk, Harbour
from tests.fakes.examples import many

BOX = "CSQU3054383"
ASKED = Question(kind="container", value=BOX, who="o1", case="2026/114", reason="seal found broken", where="10.0.0.7")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    harbour = Harbour(tmp_path)
    fed = harbour.fed
    for path, value in (("freight-container:number", BOX), ("email-addr:value", "x@example.com")):
        raw = fed.indicator(A, name=f"about {path}", pattern=stix.pattern_equals(path, [value]))
        harbour.feed.log(fed.publish(A, objects=[raw], personal_data=False))
    yield harbour.desks[B]
    harbour.close()


def ask(desk: Desk, question: Question) -> Answer:
    now = desk.fed.clock.now()
    return desk.node.store.write_now(lambda c: look_up(c, question, now=now))


def trail(desk: Desk) -> list[dict[str, object]]:
    return [
        {"who": line.officer, "action": line.action, "subject": line.subject, **orjson.loads(line.facts)}
        for line in desk.node.store.read_now(store.audit_lines)
    ]


def test_a_box_is_found_by_its_whole_number_and_the_asking_is_written_down(desk: Desk) -> None:
    answer = ask(desk, ASKED)
    (hit,) = answer.hits
    assert (answer.searched, hit.issuer, hit.name) == (True, A, "about freight-container:number")
    (line,) = trail(desk)
    assert line == {
        "action": "look-up",
        "at": "2026-11-22T08:00:00.000Z",
        "case": "2026/114",
        "has_case": True,
        "kind": "container",
        "reason": "seal found broken",
        "subject": "container",
        "value": BOX,
        "where": "10.0.0.7",
        "who": "o1",
    }


@pytest.mark.parametrize(
    "change", [{"case": ""}, {"case": "  "}, {"reason": " "}, {"case": "!"}, {"reason": "x" * 301}]
)
def test_without_a_case_listed_and_unlisted_get_one_answer_and_both_are_written_down(
    desk: Desk, change: dict[str, str]
) -> None:
    bare = replace(ASKED, **change)
    answers = {ask(desk, replace(bare, value=value)) for value in (BOX, "MSKU1234565", "nonsense", "*")}
    assert answers == {Answer(searched=False, text=NEEDS_CASE)}
    assert len(trail(desk)) == 4
    assert not any(line["has_case"] for line in trail(desk))


@pytest.mark.parametrize("value", ["CSQU*", "CSQU305438?", "%", "[", "", " ", "a\x00b", "x" * 201, 'a"b'])
def test_wildcards_and_pieces_find_nothing_and_are_written_down(desk: Desk, value: str) -> None:
    answer = ask(desk, replace(ASKED, kind="badge", value=value))
    assert (answer.searched, answer.hits, len(trail(desk))) == (False, (), 1)


def test_a_piece_of_a_number_is_no_number(desk: Desk) -> None:
    answer = ask(desk, replace(ASKED, value="CSQU305438"))
    assert (answer.searched, answer.hits) == (False, ())
    assert ask(desk, replace(ASKED, kind="person", value="example.com")).hits == ()


def test_a_person_is_found_by_the_whole_address_whatever_its_case(desk: Desk) -> None:
    (hit,) = ask(desk, replace(ASKED, kind="person", value="X@Example.com")).hits
    assert hit.name == "about email-addr:value"
    assert ask(desk, replace(ASKED, kind="badge", value="x@example.com")).hits == ()


def test_a_kind_that_nobody_knows_is_named_with_those_there_are(desk: Desk) -> None:
    answer = ask(desk, replace(ASKED, kind="ship"))
    assert (answer.searched, answer.text) == (False, "Look up one of badge, container, person, vehicle.")
    assert trail(desk)[0]["subject"] == "unknown"


@settings(max_examples=many(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from([*lookups.KINDS, "x"]), value=st.text(max_size=60), case=st.text(max_size=20))
def test_whatever_is_typed_is_answered_and_written_down(desk: Desk, kind: str, value: str, case: str) -> None:
    before = len(desk.node.store.read_now(lambda c: store.audit_lines(c, limit=10_000)))
    ask(desk, replace(ASKED, kind=kind, value=value, case=case))
    assert len(desk.node.store.read_now(lambda c: store.audit_lines(c, limit=10_000))) == before + 1
