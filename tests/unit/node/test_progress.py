"""How far a statement has got, stage by stage, and who has not opened it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node import outbox, progress, receipts
from node.outbox import Queued
from node.progress import Progress
from node.receipts import Receipt
from port2port.clock import to_ms
from tests.fakes.desks import A, B, C, Desk, Harbour, a_finding, amber


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    made = Harbour(tmp_path)
    yield made
    made.close()


@pytest.fixture
def desk(harbour: Harbour) -> Desk:
    return harbour.desks[B]


def of(desk: Desk, ident: str) -> Progress:
    (found,) = desk.node.store.read_now(lambda c: progress.progress(c, B, ident, desk.roster))
    return found


def reached(found: Progress) -> list[str]:
    return [step.name for step in found.steps if step.reached]


def tell(desk: Desk, queued: Queued, state: str) -> None:
    """A receipt of port A."""
    now_ms = to_ms(desk.fed.clock.now())
    index = desk.node.store.read_now(lambda c: outbox.by_digest(c, queued.digest)).index
    assert index is not None
    receipt = Receipt(index=index, digest=queued.digest, member=A, state=state, at_ms=now_ms)
    desk.node.store.write_now(lambda c: receipts.take(c, [receipt], desk.roster, now_ms))


def test_a_statement_goes_through_every_stage_until_each_reader_has_seen_it(harbour: Harbour, desk: Desk) -> None:
    (queued,) = desk.publish(desk.draft(), amber())
    at_home = of(desk, "D1")
    assert (reached(at_home), at_home.signatures, at_home.index) == (["signed", "stored"], 2, None)
    desk.send()
    assert reached(of(desk, "D1")) == ["signed", "stored", "sent", "accepted"]
    harbour.pull()
    logged = of(desk, "D1")
    assert reached(logged) == ["signed", "stored", "sent", "accepted", "logged"]
    assert [(step.done, step.of) for step in logged.steps[-2:]] == [(0, 1), (0, 1)]
    assert logged.unseen_by == ("Port beanr (beanr)",)
    tell(desk, queued, "delivered")
    assert reached(of(desk, "D1"))[-1] == "delivered"
    tell(desk, queued, "seen")
    whole = of(desk, "D1")
    assert (reached(whole)[-1], whole.unseen_by) == ("seen", ())
    assert whole.steps[-1].at == desk.fed.clock.now()
    assert all(fate.member != C for fate in whole.recipients), "who may not read it is no recipient"


def test_what_the_hub_refused_stops_with_the_reason(desk: Desk) -> None:
    (queued,) = desk.publish(desk.draft(), amber())
    desk.node.store.write_now(lambda c: outbox.refused(c, queued.digest, code="POLICY", text="not today"))
    found = of(desk, "D1")
    assert (found.refused, found.text, reached(found)) == (True, "not today", ["signed", "stored", "sent"])


def test_the_newest_is_first_and_what_is_not_ours_is_nothing(desk: Desk) -> None:
    made = [desk.publish(desk.draft(a_finding(mmsi=f"20500000{number}")), amber())[0] for number in range(3)]
    found = desk.node.store.read_now(lambda c: progress.recent(c, B, desk.roster, limit=2))
    assert [one.statement_id for one in found] == [made[2].statement_id, made[1].statement_id]
    assert desk.node.store.read_now(lambda c: progress.progress(c, B, "D9", desk.roster)) == []
