"""Acts in any order: officers, clocks and automatic statements mixed at random never break what must always hold."""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from pathlib import Path

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from node import act_store, acts, drafts, tables
from node.acts import preparing
from node.acts.asked import Asked, DeskKeysTakenError
from node.acts.signing import Signed
from node.review import Choice
from node.two_person import TwoPersonError, TwoPersonRule
from port2port.tlp import Tlp
from port2port.wire import decode_envelope
from tests.fakes.desks import B, Harbour, a_finding, amber
from tests.fakes.examples import many

RULE = TwoPersonRule()


class Desk(RuleBasedStateMachine):
    """One desk. ``ended`` are the acts that were seen closed, with how."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.harbour = Harbour(self.home)
        self.desk = self.harbour.desks[B]
        self.drafts = 0
        self.ended: dict[str, str] = {}

    def teardown(self) -> None:
        self.harbour.close()
        shutil.rmtree(self.home)

    def waiting(self) -> list[acts.Prepared]:
        return self.desk.node.store.read_now(act_store.listed)

    @rule(choice=st.sampled_from([amber(), Choice(tlp=Tlp.GREEN)]), override=st.sampled_from(["", "now"]))
    def prepare(self, choice: Choice, override: str) -> None:
        self.drafts += 1
        draft = self.desk.draft(a_finding(mmsi=f"2050{self.drafts:05d}"))
        asked = Asked(
            roster=self.desk.roster, officer="o1", now=self.desk.fed.clock.now(), override=override, rule=RULE
        )
        full = len(self.waiting()) == len(self.desk.author.desk)
        try:
            self.desk.node.store.write_now(
                lambda c: preparing.publish_draft(c, self.desk.author, draft.id, choice, asked)
            )
        except DeskKeysTakenError:
            assert full
        else:
            assert not full

    @precondition(lambda self: self.waiting())
    @rule(data=st.data(), number=st.sampled_from([1, 2]))
    def sign(self, data: st.DataObject, number: int) -> None:
        act = data.draw(st.sampled_from(self.waiting()))
        officer, now = self.desk.officer(number), self.desk.fed.clock.now()
        made = tuple(officer.key.sign(message) for message in acts.to_sign(act, officer.pseudonym))
        signed = Signed(officer=officer.pseudonym, key_id=officer.key.key_id, signatures=made)
        before = {given.officer for given in self.desk.node.store.read_now(lambda c: act_store.signatures(c, act.id))}
        try:
            outcome = self.desk.node.store.write_now(
                lambda c: acts.add_signature(c, self.desk.author, act.id, signed, self.desk.roster, now=now)
            )
        except TwoPersonError:
            assert officer.pseudonym in before or (not before and number == 2)
            return
        if now > act.closes_at:
            assert outcome.act.state == act_store.RETURNED
        else:
            done = len(before) + 1 >= act.need
            assert outcome.act.state == (act_store.DONE if done else act_store.WAITING)
            assert bool(outcome.queued) == done

    @precondition(lambda self: self.waiting())
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        act = data.draw(st.sampled_from(self.waiting()))
        now = self.desk.fed.clock.now()
        self.desk.node.store.write_now(lambda c: acts.withdraw(c, act.id, by="o2", reason="no", now=now))

    @rule(hours=st.sampled_from([0.1, 3.0]))
    def time_passes(self, hours: float) -> None:
        self.desk.fed.clock.advance(hours * 3_600)
        now = self.desk.fed.clock.now()
        self.desk.node.store.write_now(lambda c: acts.sweep(c, now=now))

    @rule()
    def published_at_once(self) -> None:
        self.drafts += 1
        self.desk.publish(self.desk.draft(a_finding(mmsi=f"2050{self.drafts:05d}")), amber())

    @invariant()
    def each_waiting_act_holds_its_own_desk_key(self) -> None:
        held = [act.signer for act in self.waiting()]
        assert len(set(held)) == len(held)
        assert set(held) <= {outbox.key_id for outbox in self.desk.author.desk}

    @invariant()
    def what_ended_never_comes_back(self) -> None:
        for state in act_store.STATES:
            for act in self.desk.node.store.read_now(lambda c, s=state: act_store.listed(c, s)):
                assert self.ended.get(act.id, state) == state
                if state != act_store.WAITING:
                    self.ended[act.id] = state

    @invariant()
    def sequences_grow_for_each_key_in_the_order_of_the_outbox(self) -> None:
        rows = self.desk.node.store.read_now(
            lambda c: c.execute(sa.text("SELECT signer, seq, envelope FROM outbox ORDER BY id")).all()
        )
        seqs: dict[str, list[int]] = defaultdict(list)
        for row in rows:
            seqs[row.signer].append(row.seq)
        assert all(found == sorted(set(found)) for found in seqs.values())
        done = self.desk.node.store.read_now(lambda c: act_store.listed(c, act_store.DONE))
        statements = {part.statement: act for act in done for part in act.parts}
        for row in rows:
            sealed = decode_envelope(row.envelope)
            assert len(sealed.signatures) == 1 + statements.pop(sealed.statement).need
        assert statements == {}, "done and not queued"

    @invariant()
    def a_draft_is_closed_by_its_done_act_alone(self) -> None:
        done = {act.subject for act in self.desk.node.store.read_now(lambda c: act_store.listed(c, act_store.DONE))}
        closed = self.desk.node.store.read_now(lambda c: drafts.listed(c, drafts.PUBLISHED))
        assert {one.id for one in closed} == done
        assert self.desk.count(tables.DraftRow) == self.drafts


Desk.TestCase.settings = settings(
    max_examples=many(20, fewest=4),
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestActs = Desk.TestCase
