"""The author learns who has it and who not and by which rule; nobody else learns anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from node import explain, outbox, receipts
from node.outbox import Queued
from node.receipts import Receipt
from port2port.clock import to_ms
from port2port.tlp import Tlp
from tests.fakes.desks import A, B, C, Desk, Harbour, amber
from tests.fakes.feed import digest_in


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    made = Harbour(tmp_path)
    yield made
    made.close()


@pytest.fixture
def desk(harbour: Harbour) -> Desk:
    return harbour.desks[B]


@pytest.fixture
def sent(harbour: Harbour, desk: Desk) -> Queued:
    (made,) = desk.publish(desk.draft(), amber())
    desk.send()
    harbour.pull()
    return made


def told(desk: Desk, ident: str) -> list[explain.Told]:
    return desk.node.store.read_now(lambda c: explain.explain(c, desk.member, ident, desk.roster))


def states(desk: Desk, ident: str) -> dict[str, str]:
    (one,) = told(desk, ident)
    return {fate.member: fate.state for fate in one.fates}


def receive(desk: Desk, sent: Queued, state: str) -> None:
    receipt = Receipt(index=3, digest=sent.digest, member=A, state=state, at_ms=to_ms(desk.fed.clock.now()))
    desk.node.store.write_now(lambda c: receipts.take(c, [receipt], desk.roster, receipt.at_ms))


def test_each_member_has_its_fate_and_the_excluded_ones_a_rule(desk: Desk, sent: Queued) -> None:
    assert states(desk, sent.statement_id) == {A: "unacknowledged", C: "not entitled"}
    said = "\n".join(explain.lines(told(desk, sent.statement_id)))
    assert "Port belgg (belgg): not entitled. The reader is in no group that the author named" in said
    assert "Port beanr (beanr): unacknowledged since 2026-11-22 08:00:00 UTC" in said


def test_receipts_move_a_member_from_delivered_to_seen(desk: Desk, sent: Queued) -> None:
    for state in ("delivered", "seen"):
        receive(desk, sent, state)
        assert states(desk, sent.statement_id)[A] == state
    assert "seen by an officer, signed 2026-11-22" in "\n".join(explain.lines(told(desk, sent.statement_id)))


def test_draft_statement_and_object_ids_lead_to_the_same_answer(desk: Desk, sent: Queued) -> None:
    (one,) = told(desk, "D1")
    found = desk.node.store.read_now(lambda c: explain.find_own(c, sent.statement_id))
    idents = [sent.statement_id, sent.statement_id.removeprefix("urn:uuid:"), found[0].statement.objects[0].id]
    assert all(told(desk, ident) == [one] for ident in idents)


def test_what_still_waits_or_came_back_is_said(desk: Desk) -> None:
    (queued,) = desk.publish(desk.draft(), amber())
    assert told(desk, "D1")[0].state == "waits for the hub"
    desk.node.store.write_now(lambda c: outbox.refused(c, queued.digest, code="POLICY", text="issued too long ago"))
    assert told(desk, "D1")[0].state == "refused by the hub: issued too long ago"


def test_the_hubs_word_is_told_from_what_we_verified(desk: Desk) -> None:
    desk.publish(desk.draft(), amber())
    desk.send()
    assert told(desk, "D1")[0].state.endswith("as the hub says, not yet verified by us")
    desk.pull()
    assert told(desk, "D1")[0].state.endswith("verified by us")


def test_for_everybody_else_every_id_gets_one_answer(harbour: Harbour, desk: Desk, sent: Queued) -> None:
    stix_id = desk.node.store.read_now(lambda c: explain.find_own(c, "D1"))[0].statement.objects[0].id
    for member in (A, C):
        other = harbour.desks[member]
        answers = {
            (json.dumps(explain.to_json(found)), *explain.lines(found))
            for ident in (sent.statement_id, stix_id, f"urn:uuid:{'1' * 8}-0000-4000-8000-{'0' * 12}", "D1", "x")
            for found in [told(other, ident)]
        }
        assert len(answers) == 1


def test_a_sighting_is_told_beside_the_readers(harbour: Harbour, desk: Desk, sent: Queued) -> None:
    (one,) = desk.node.store.read_now(lambda c: explain.find_own(c, "D1"))
    of = (B, one.statement.objects[0].id)
    harbour.feed.log(harbour.fed.sighting(A, of=of, tlp=Tlp.AMBER, groups=("seaports",), count=4))
    desk.pull()
    (row,) = explain.to_json(told(desk, "D1"))["sightings"]  # type: ignore[misc]  # a list
    assert (row["member"], row["count"]) == (A, 4)
    assert "seen at Port beanr" in explain.lines(told(desk, "D1"))[-1]


def test_a_preview_names_readers_operators_and_the_age_of_the_roster(desk: Desk) -> None:
    draft = desk.draft()
    desk.fed.clock.advance(3 * 3_600)
    now = desk.fed.clock.now()
    found = desk.node.store.read_now(lambda c: explain.preview(c, B, draft.proposal, desk.roster, now))
    assert {row.member: row.state for row in found.rows} == {
        A: "reads", C: "does not read", "hub operators": "reads",
    }  # fmt: skip
    assert found.roster_age == "roster version 3, verified 3 h ago at 2026-11-22 08:00:00 UTC"


def test_the_preview_agrees_with_who_is_then_expected_to_receive_it(harbour: Harbour, desk: Desk) -> None:
    draft = desk.draft()
    now = desk.fed.clock.now()
    found = desk.node.store.read_now(lambda c: explain.preview(c, B, draft.proposal, desk.roster, now))
    desk.publish(draft, amber())
    (raw,) = desk.send()
    harbour.pull()
    expected = {item.member for item in desk.node.store.read_now(lambda c: receipts.deliveries(c, 3))}
    assert {row.member for row in found.rows if row.state == "reads"} - {"hub operators"} == expected
    assert digest_in(raw)


def test_nobody_named_is_nobody(desk: Desk) -> None:
    proposal = replace(desk.draft().proposal, groups=())
    now = desk.fed.clock.now()
    found = desk.node.store.read_now(lambda c: explain.preview(c, B, proposal, desk.roster, now))
    assert [row.member for row in found.rows if row.state == "reads"] == ["hub operators"]
