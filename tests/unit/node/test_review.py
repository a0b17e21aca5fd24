"""Officers decide under their own keys, and what they decided can be checked next year."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from node import drafts, outbox, review, store
from node.acts import at_once
from node.review import Choice, DecisionError, NothingToRetractError, ReasonError
from node.store import AuditLine
from port2port import canonical
from port2port import statement as stm
from port2port.keys import SignatureError
from port2port.stix.discriminators import of_indicator
from port2port.tlp import Tlp
from tests.fakes.desks import A, B, Desk, Harbour, a_finding, amber
from tests.fakes.federation import statement_of, stix_id_of


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Harbour(tmp_path)
    yield made.desks[B]
    made.close()


def trail(desk: Desk) -> list[AuditLine]:
    return desk.node.store.read_now(store.audit_lines)


def decided(facts: Mapping[str, canonical.Json]) -> str:
    """How a statement must name the decision of a line of the trail."""
    document = {name: value for name, value in facts.items() if name not in {"officer", "statement"}}
    return review.decision_context(canonical.dumps(document))


def reject(desk: Desk, draft_id: str, reason: str = "our own tug") -> None:
    desk.node.store.write_now(lambda c: at_once.reject_draft(c, desk.author, draft_id, reason, desk.both()))


def test_a_decision_is_written_down_under_the_officers_key(desk: Desk) -> None:
    (queued,) = desk.publish(desk.draft(), amber())
    (line,) = trail(desk)
    assert (line.officer, line.action, line.subject) == ("o1", "publish", "D1")
    facts = canonical.loads_object(line.facts, limit=10_000)
    assert (facts["readers"], facts["tlp"], facts["groups"]) == ([A], "amber", ["seaports"])
    said = statement_of(queued.envelope)
    assert (stm.encode(said).decode(), said.context) == (facts["statement"], decided(facts))
    review.verify_line(line, desk.roster)


def test_both_officers_of_a_two_officer_act_sign_the_decision(desk: Desk) -> None:
    choice = amber(personal_data=True, purpose="isps")
    desk.publish(desk.draft(), choice, desk.act(desk.officer(), desk.officer(2)))
    assert sorted(line.officer for line in trail(desk)) == ["o1", "o2"]
    for line in trail(desk):
        review.verify_line(line, desk.roster)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param({"facts": b'{"a":1}'}, SignatureError, id="other facts"),
        pytest.param({"officer": "o2"}, DecisionError, id="another officer"),
        pytest.param({"action": "publish"}, DecisionError, id="another action"),
        pytest.param({"subject": "D2"}, DecisionError, id="another draft"),
        pytest.param({"key_id": "00" * 32}, DecisionError, id="an unknown key"),
    ],
)
def test_a_changed_line_of_the_trail_is_found_out(
    desk: Desk, change: dict[str, object], error: type[Exception]
) -> None:
    reject(desk, desk.draft().id)
    (line,) = [one for one in trail(desk) if one.officer == "o1"]
    with pytest.raises(error):
        review.verify_line(replace(line, **change), desk.roster)  # type: ignore[arg-type]  # columns by name


def test_a_rejected_draft_sends_nothing_and_says_why(desk: Desk) -> None:
    draft = desk.draft()
    reject(desk, draft.id)
    assert desk.send() == []
    closed = desk.node.store.read_now(lambda c: drafts.get(c, draft.id))
    assert (closed.state, closed.officer, closed.reason) == ("rejected", "o1", "our own tug")
    assert "state      rejected by o1: our own tug" in review.describe(closed)


@pytest.mark.parametrize("reason", ["", "   ", "x" * 301])
def test_a_rejection_needs_a_readable_reason(desk: Desk, reason: str) -> None:
    draft = desk.draft()
    with pytest.raises(ReasonError):
        reject(desk, draft.id, reason)


def test_a_choice_leaves_alone_what_it_does_not_name(desk: Desk) -> None:
    proposal = desk.draft().proposal
    assert review.chosen(proposal, Choice()) == proposal


def test_green_drops_the_proposed_groups_because_it_goes_to_all(desk: Desk) -> None:
    made = review.chosen(desk.draft().proposal, Choice(tlp=Tlp.GREEN))
    assert (made.groups, made.recipients) == ((), ())


def test_personal_data_can_be_added_and_never_taken_away(desk: Desk) -> None:
    proposal = desk.draft(a_finding(ship_types=(37,))).proposal
    assert review.chosen(proposal, Choice(personal_data=False)).personal_data


def test_the_officer_may_think_the_older_track_the_false_one(desk: Desk) -> None:
    proposal = desk.draft().proposal
    names = {}
    for track in ("newer", "older"):
        found = of_indicator(orjson.loads(review.chosen(proposal, Choice(suspect=track)).objects[0]))
        assert found is not None
        names[track] = found.suspect.facts["vessel:name"]
    assert names == {"newer": "LIAR", "older": "HONEST"}
    fence = desk.fed.indicator(B, tlp=Tlp.AMBER)
    plain = replace(proposal, objects=(fence,))
    assert review.chosen(plain, Choice(suspect="older")) == plain


def test_the_screen_says_the_handling_the_numbers_and_the_caution(desk: Desk) -> None:
    said = review.describe(desk.draft())
    assert said[:3] == [
        "D1   Cloned identity: MMSI 205123456",
        "handling   call_first",
        "marking    TLP:AMBER, to group seaports",
    ]
    assert "number     separation: 28 nm (limit 10 nm)" in said
    assert "confidence 50 of 100, from open radio" in said
    assert any(line.startswith("caution    single open source") for line in said)
    assert "evidence   raw lines: 1, findings of the same cause: 1" in said
    assert sum(line.startswith("track ") for line in said) == 2
    assert any(line.startswith("object     indicator--") and "  [vessel:" in line for line in said), said


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"tlp": Tlp.GREEN, "groups": ()}, "all members"),
        ({"tlp": Tlp.CLEAR, "groups": ()}, "everybody"),
        ({"groups": ()}, "nobody but ourselves: name a group or a recipient"),
        ({"groups": (), "recipients": (A,)}, "beanr"),
        ({"recipients": (A,)}, "those of group seaports who are also among beanr"),
    ],
)
def test_the_audience_is_said_in_words(desk: Desk, changes: dict[str, object], text: str) -> None:
    proposal = replace(desk.draft().proposal, **changes)  # type: ignore[arg-type]  # fields by name
    assert review.audience_text(proposal) == text


def test_a_retraction_by_object_takes_back_that_object_alone(desk: Desk) -> None:
    first, second = desk.draft(), desk.draft(a_finding(mmsi="205000001"))
    for draft in (first, second):
        desk.publish(draft, amber())
    desk.send()
    stix_id = stix_id_of(first.proposal.objects[0])
    (queued,) = desk.node.store.write_now(lambda c: at_once.retract(c, desk.author, stix_id, "mistake", desk.act()))
    said = statement_of(queued.envelope)
    assert (said.kind, said.refs(), said.tlp, said.body["reason"]) == ("retract", ((B, stix_id),), Tlp.AMBER, "mistake")
    assert trail(desk)[0].action == "retract"


def test_what_was_taken_back_is_not_taken_back_again(desk: Desk) -> None:
    draft = desk.draft()
    desk.publish(draft, amber())
    stix_id = stix_id_of(draft.proposal.objects[0])
    desk.node.store.write_now(lambda c: at_once.retract(c, desk.author, draft.id, "mistake", desk.act()))
    for ident in (draft.id, stix_id):
        with pytest.raises(NothingToRetractError, match="taken back already"):
            desk.node.store.write_now(lambda c, i=ident: at_once.retract(c, desk.author, i, "again", desk.act()))
    assert [statement_of(raw).kind for raw in desk.send()] == ["publish", "retract"]


def test_what_the_hub_refused_is_not_taken_back(desk: Desk) -> None:
    draft = desk.draft()
    (queued,) = desk.publish(draft, amber())
    desk.node.store.write_now(lambda c: outbox.refused(c, queued.digest, code="POLICY", text="no"))
    with pytest.raises(NothingToRetractError):
        desk.node.store.write_now(lambda c: at_once.retract(c, desk.author, draft.id, "mistake", desk.act()))


def test_what_we_never_said_cannot_be_taken_back(desk: Desk) -> None:
    with pytest.raises(NothingToRetractError):
        desk.node.store.write_now(lambda c: at_once.retract(c, desk.author, "D1", "mistake", desk.act()))
