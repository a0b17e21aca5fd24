"""Acts are frozen, signed one by one, and done in one transaction or not at all; what moved sends them back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa

from node import act_store, acts, alarms, drafts, evidence, officers, outbox, review, store, tables, two_person
from node.act_store import ActClosedError, NoActError
from node.acts import at_once, preparing
from node.acts.asked import ActWaitsError, Asked, DeskKeysTakenError, NoDeskKeyError
from node.acts.signing import Outcome, SignatureCountError, Signed
from node.drafts import Draft, Proposal
from node.publish import OfficerError
from node.redaction import Choices
from node.review import Choice, ReasonError
from node.two_person import TwoPersonError, TwoPersonRule
from port2port.keys import SignatureError
from port2port.tlp import Tlp
from port2port.verify import RefusedError
from port2port.wire import decode_envelope
from tests.fakes.desks import A, B, C, Desk, Harbour, a_finding, amber
from tests.fakes.federation import statement_of, stix_id_of

GREEN = Choice(tlp=Tlp.GREEN)  # wider than proposed: two officers


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    made = Harbour(tmp_path)
    yield made
    made.close()


@pytest.fixture
def desk(harbour: Harbour) -> Desk:
    return harbour.desks[B]


def asked(desk: Desk, officer: str = "o1", **more: object) -> Asked:
    return Asked(roster=desk.roster, officer=officer, now=desk.fed.clock.now(), **more)  # type: ignore[arg-type]


def prepare(desk: Desk, draft: Draft | None = None, choice: Choice = GREEN, **more: object) -> acts.Prepared:
    made = draft or desk.draft()
    given = asked(desk, **more)
    return desk.node.store.write_now(lambda c: preparing.publish_draft(c, desk.author, made.id, choice, given))


def signed(desk: Desk, act: acts.Prepared, number: int = 1) -> Signed:
    officer = desk.officer(number)
    made = tuple(officer.key.sign(message) for message in acts.to_sign(act, officer.pseudonym))
    return Signed(officer=officer.pseudonym, key_id=officer.key.key_id, signatures=made)


def sign(desk: Desk, act: acts.Prepared, number: int = 1) -> Outcome:
    given, now = signed(desk, act, number), desk.fed.clock.now()
    return desk.node.store.write_now(lambda c: acts.add_signature(c, desk.author, act.id, given, desk.roster, now=now))


def state(desk: Desk, act: acts.Prepared) -> str:
    return desk.node.store.read_now(lambda c: act_store.get(c, act.id)).state


def test_the_second_signature_publishes_what_the_first_officer_saw(harbour: Harbour, desk: Desk) -> None:
    draft = desk.draft()
    act = prepare(desk, draft)
    assert (act.need, act.reasons, act.parts[0].statement.count(b'"seq":1')) == (2, ("wider",), 1)
    assert sign(desk, act).act.state == act_store.WAITING
    assert desk.send() == []
    desk.fed.clock.advance(1_800)
    outcome = sign(desk, act, 2)
    (queued,) = outcome.queued
    sealed = decode_envelope(queued.envelope)
    assert (outcome.act.state, sealed.statement) == (act_store.DONE, act.parts[0].statement)
    desk.send()
    harbour.pull()
    found = harbour.desks[A].indicator(stix_id_of(draft.proposal.objects[0]))
    assert found is not None
    assert found.tlp is Tlp.GREEN
    lines = desk.node.store.read_now(store.audit_lines)
    assert sorted(line.officer for line in lines) == ["o1", "o2"]
    for line in lines:
        review.verify_line(line, desk.roster)
    frozen = desk.node.store.read_now(lambda c: evidence.frozen(c, queued.statement_id))
    assert [line.raw for line in frozen] == [a_finding().evidence[0].line]


def test_automatic_statements_neither_wait_for_an_act_nor_overtake_it(harbour: Harbour, desk: Desk) -> None:
    act = prepare(desk)
    sign(desk, act)
    for mmsi in ("205000001", "205000002"):  # published at once, by the machine key, while the act waits
        desk.publish(desk.draft(a_finding(mmsi=mmsi)), amber())
        desk.send()
    sign(desk, act, 2)
    desk.publish(desk.draft(a_finding(mmsi="205000003")), amber())
    desk.send()
    harbour.pull()
    rows = desk.node.store.read_now(
        lambda c: c.execute(sa.text("SELECT signer, seq, state FROM outbox ORDER BY id")).all()
    )
    machine, held = desk.fed.ports[B].machine.key_id, act.signer
    assert [(row.signer, row.seq, row.state) for row in rows] == [
        (machine, 1, "cleared"), (machine, 2, "cleared"), (held, 1, "cleared"), (machine, 3, "cleared"),
    ]  # fmt: skip
    assert harbour.desks[A].node.store.read_now(store.quarantined_count) == 0
    assert harbour.desks[A].count(tables.IndicatorRow) == 4


def test_each_waiting_act_holds_a_key_of_its_own_and_the_last_key_names_the_oldest(desk: Desk) -> None:
    made = [prepare(desk, desk.draft(a_finding(mmsi=f"20500000{number}"))) for number in range(3)]
    assert len({act.signer for act in made}) == 3
    fourth = desk.draft(a_finding(mmsi="205000009"))
    with pytest.raises(DeskKeysTakenError, match="the oldest act is A1, prepared by o1 about D1"):
        prepare(desk, fourth)
    now = desk.fed.clock.now()
    desk.node.store.write_now(lambda c: acts.withdraw(c, "a1", by="o2", reason="not yet", now=now))
    again = prepare(desk, fourth)
    assert (again.signer, b'"seq":2' in again.parts[0].statement) == (made[0].signer, True)


def test_a_key_whose_database_was_restored_numbers_nothing_more(desk: Desk) -> None:
    first = prepare(desk)
    sign(desk, first)
    sign(desk, first, 2)
    used = next(key for key in desk.fed.ports[B].desk if key.key_id == first.signer)
    number = desk.fed.ports[B].desk.index(used)
    (desk.node.home / f"desk-{number}.key.seq").write_bytes(
        (desk.node.home / f"desk-{number}.key.seq").read_bytes().replace(b'"high":0', b'"high":7')
    )
    assert prepare(desk, desk.draft(a_finding(mmsi="205000001"))).signer != used.key_id


def test_a_node_without_desk_keys_signs_at_once_and_lets_nothing_wait(desk: Desk) -> None:
    bare = replace(desk.author, desk=())
    draft = desk.draft()
    with pytest.raises(NoDeskKeyError, match="officer desk-keys"):
        desk.node.store.write_now(lambda c: preparing.publish_draft(c, bare, draft.id, amber(), asked(desk)))
    _, (queued,) = desk.node.store.write_now(lambda c: at_once.publish_draft(c, bare, draft.id, amber(), desk.act()))
    assert statement_of(queued.envelope).signer == desk.fed.ports[B].machine.key_id


@pytest.mark.parametrize(
    ("error", "change"),
    [
        pytest.param(SignatureError, lambda one: replace(one, signatures=(b"x" * 64,)), id="a false signature"),
        pytest.param(SignatureCountError, lambda one: replace(one, signatures=()), id="no signature"),
        pytest.param(OfficerError, lambda one: replace(one, officer="o2"), id="another's name"),
        pytest.param(OfficerError, lambda one: replace(one, key_id="00" * 32), id="a stranger's key"),
    ],
)
def test_a_signature_that_does_not_hold_changes_nothing(
    desk: Desk, error: type[Exception], change: Callable[[Signed], Signed]
) -> None:
    act = prepare(desk)
    given = change(signed(desk, act))
    now = desk.fed.clock.now()
    with pytest.raises(error):
        desk.node.store.write_now(lambda c: acts.add_signature(c, desk.author, act.id, given, desk.roster, now=now))
    assert (state(desk, act), desk.count(tables.ActSignatureRow)) == (act_store.WAITING, 0)


def test_the_author_signs_first_and_once_and_never_as_the_second(desk: Desk) -> None:
    act = prepare(desk)
    with pytest.raises(TwoPersonError, match="o1 prepared this and signs it first"):
        sign(desk, act, 2)
    sign(desk, act)
    with pytest.raises(TwoPersonError, match="signed this already"):
        sign(desk, act)


def test_who_wrote_the_report_does_not_approve_it(desk: Desk) -> None:
    proposal = desk.draft().proposal
    now = desk.fed.clock.now()
    report = desk.node.store.write_now(lambda c: drafts.add(c, "report", proposal, {"author": "o2"}, now=now))
    act = prepare(desk, report)
    sign(desk, act)
    with pytest.raises(TwoPersonError, match="the author never approves"):
        sign(desk, act, 2)


def test_one_officer_publishes_alone_what_the_rule_lets_him(desk: Desk) -> None:
    act = prepare(desk, choice=amber())
    assert (act.need, sign(desk, act).act.state) == (1, act_store.DONE)


def test_a_high_finding_is_rejected_by_two(desk: Desk) -> None:
    draft = desk.draft()
    act = desk.node.store.write_now(lambda c: preparing.reject_draft(c, desk.author, draft.id, "a test", asked(desk)))
    assert (act.need, act.reasons, act.parts, act.signer) == (2, ("severe",), (), "")
    sign(desk, act)
    assert sign(desk, act, 2).act.state == act_store.DONE
    closed = desk.node.store.read_now(lambda c: drafts.get(c, draft.id))
    assert (closed.state, closed.reason) == ("rejected", "a test")
    for line in desk.node.store.read_now(store.audit_lines):
        review.verify_line(line, desk.roster)


def test_what_others_saw_is_taken_back_by_two(harbour: Harbour, desk: Desk) -> None:
    draft = desk.draft()
    desk.publish(draft, amber())
    desk.send()
    stix_id = stix_id_of(draft.proposal.objects[0])
    harbour.feed.log(desk.fed.sighting(A, of=(B, stix_id), tlp=Tlp.AMBER, groups=("seaports",)))
    harbour.pull()
    with pytest.raises(TwoPersonError, match="others have seen"):
        desk.node.store.write_now(lambda c: at_once.retract(c, desk.author, stix_id, "mistake", desk.act()))
    act = desk.node.store.write_now(lambda c: preparing.retract(c, desk.author, stix_id, "mistake", asked(desk)))
    sign(desk, act)
    (queued,) = sign(desk, act, 2).queued
    assert statement_of(queued.envelope).kind == "retract"


# --- what moves while an act waits ------------------------------------------------------------------------------


def move_group(desk: Desk) -> None:
    desk.feed.log(desk.fed.group("seaports", A, B, C))
    desk.pull()


def move_members(desk: Desk) -> None:
    desk.feed.log(desk.fed.set_status("suspend-member", C))
    desk.pull()


def move_time(desk: Desk) -> None:
    desk.fed.clock.advance(4 * 3_600 + 1)


def move_draft(desk: Desk) -> None:
    def change(c: sa.Connection) -> None:
        one = drafts.get(c, "D1")
        drafts._save(c, replace(one, proposal=replace(one.proposal, handling="act")))

    desk.node.store.write_now(change)


def move_officer(desk: Desk) -> None:
    desk.feed.log(desk.fed.revoke_key(desk.fed.ports[B].officer.key_id))
    desk.pull()


def lose_key(desk: Desk) -> None:
    desk.node.store.write_now(lambda c: officers.lost(c, desk.officer().key.key_id, now=desk.fed.clock.now()))


def move_desk_key(desk: Desk) -> None:
    for key in desk.fed.ports[B].desk:
        desk.feed.log(desk.fed.revoke_key(key.key_id))
    desk.pull()


@pytest.mark.parametrize(
    ("choice", "move", "why"),
    [
        pytest.param(amber(personal_data=True, purpose="isps"), move_group, "sharing group seaports has", id="group"),
        pytest.param(GREEN, move_members, "other members would read it now: -belgg", id="members"),
        pytest.param(GREEN, move_time, "it waited longer than 4 hours", id="time"),
        pytest.param(GREEN, move_draft, "the draft was changed", id="draft"),
        pytest.param(GREEN, move_officer, "the key of o1 was revoked", id="the first officer's key"),
        pytest.param(GREEN, lose_key, "the key of o1 was reported lost", id="the first officer's lost key"),
        pytest.param(GREEN, move_desk_key, "the key that numbered it may not sign", id="the desk key"),
    ],
)
def test_what_no_longer_holds_goes_back_with_the_reason_and_publishes_nothing(
    desk: Desk, choice: Choice, move: Callable[[Desk], None], why: str
) -> None:
    act = prepare(desk, choice=choice)
    sign(desk, act)
    move(desk)
    outcome = sign(desk, act, 2)
    assert outcome.act.state == act_store.RETURNED
    assert why in outcome.act.reason
    assert desk.count(tables.Outbox) == 0
    assert desk.node.store.read_now(lambda c: drafts.get(c, "D1")).state == drafts.OPEN
    assert desk.node.store.read_now(act_store.held) == frozenset()
    with pytest.raises(ActClosedError):
        sign(desk, act, 2)


def test_a_decision_that_leaves_no_statement_goes_back_as_well(desk: Desk) -> None:
    draft, given = desk.draft(), asked(desk, rule=TwoPersonRule(actions=frozenset({"reject"})))
    act = desk.node.store.write_now(lambda c: preparing.reject_draft(c, desk.author, draft.id, "a survey", given))
    sign(desk, act)
    lose_key(desk)
    assert sign(desk, act, 2).act.state == act_store.RETURNED
    assert desk.node.store.read_now(lambda c: drafts.get(c, draft.id)).state == drafts.OPEN


def test_a_key_that_was_reported_lost_signs_nothing_whoever_hands_it_in(desk: Desk) -> None:
    act = prepare(desk)
    lose_key(desk)
    with pytest.raises(OfficerError, match="reported lost"):
        sign(desk, act)


def test_later_findings_of_the_cause_leave_a_draft_alone_while_it_is_signed(desk: Desk) -> None:
    act = prepare(desk)
    sign(desk, act)
    later = desk.take(a_finding(at=a_finding().found_at + timedelta(minutes=9)))
    assert later.draft is not None
    assert len(later.draft.findings) == 2
    assert sign(desk, act, 2).act.state == act_store.DONE


def test_a_draft_that_is_being_signed_is_not_prepared_or_decided_besides(desk: Desk) -> None:
    draft = desk.draft()
    act = prepare(desk, draft)
    with pytest.raises(ActWaitsError, match=f"act {act.id} about D1"):
        prepare(desk, draft, amber())
    with pytest.raises(ActWaitsError):
        desk.publish(draft, amber())


def test_what_receivers_would_refuse_is_refused_when_it_is_prepared(desk: Desk) -> None:
    with pytest.raises(RefusedError, match="goes to all members"):
        prepare(desk, choice=amber(tlp=Tlp.GREEN))
    assert (desk.count(tables.ActRow), desk.count(tables.Sequence)) == (0, 0)


def test_an_act_is_given_up_with_a_reason_and_its_draft_stays_open(desk: Desk) -> None:
    act = prepare(desk)
    now = desk.fed.clock.now()
    with pytest.raises(ReasonError):
        desk.node.store.write_now(lambda c: acts.withdraw(c, act.id, by="o2", reason=" ", now=now))
    ended = desk.node.store.write_now(lambda c: acts.withdraw(c, act.id, by="o2", reason="ask the pilot", now=now))
    assert (ended.state, ended.reason) == (act_store.WITHDRAWN, "o2: ask the pilot")
    (line,) = desk.node.store.read_now(store.audit_lines)
    assert (line.officer, line.action, line.subject) == ("o2", "act-withdrawn", "D1")
    assert prepare(desk, desk.node.store.read_now(lambda c: drafts.get(c, "D1"))).id == "A2"
    with pytest.raises(NoActError):
        desk.node.store.read_now(lambda c: act_store.get(c, "A9"))


# --- left out, reach ---------------------------------------------------------------------------------------------


def test_what_is_left_out_never_enters_the_bytes_and_stays_sealed_with_the_act(desk: Desk) -> None:
    draft = desk.draft()
    stix_id = stix_id_of(draft.proposal.objects[0])
    out = Choices(fields=frozenset({(stix_id, "/description")}), lines=frozenset({0}))
    given = asked(desk)
    act = desk.node.store.write_now(
        lambda c: preparing.publish_draft(c, desk.author, draft.id, amber(), given, left_out=out)
    )
    (queued,) = sign(desk, act).queued
    said = "is shown by two transmitters"
    assert said.encode() not in queued.envelope
    assert said in str(act.sealed["fields"])
    assert desk.node.store.read_now(lambda c: evidence.frozen(c, queued.statement_id)) == []
    document = orjson.loads(act.document)
    assert document["left_out"]["fields"] == document["left_out"]["lines"] == 1
    assert len(document["left_out"]["digest"]) == 64


def test_each_reader_is_shown_its_very_bytes_and_new_names_stand_out(harbour: Harbour, desk: Desk) -> None:
    act = prepare(desk, choice=amber())
    roster = desk.roster
    (shown,) = acts.seen_by(act, A, roster)
    assert (shown.statement, shown.objects) == (
        act.parts[0].statement, tuple(item.body for item in act.parts[0].objects),
    )  # fmt: skip
    (hidden,) = acts.seen_by(act, C, roster)
    assert (hidden.statement, hidden.objects, hidden.decision.allowed) == (b"", (), False)

    def names(usual: tuple[str, ...] = ()) -> list[tuple[str, bool]]:
        found = desk.node.store.read_now(lambda c: acts.readers(c, act, roster, usual=usual))
        return [(one.member, one.is_new) for one in found]

    assert (names(), names(("seaports",))) == ([(A, True)], [(A, False)])
    sign(desk, act)
    assert names() == [(A, False)]


# --- emergencies -------------------------------------------------------------------------------------------------


def test_an_override_publishes_at_once_and_opens_a_check_that_another_officer_ends(desk: Desk) -> None:
    act = prepare(desk, override="drone over the tanker")
    outcome = sign(desk, act)
    assert (outcome.act.state, outcome.act.override, len(outcome.queued)) == (act_store.DONE, True, 1)
    assert orjson.loads(act.document)["override"] == "drone over the tanker"
    assert outcome.act.check_by == desk.fed.clock.now() + timedelta(minutes=30)
    with pytest.raises(TwoPersonError, match="signed this already"):
        desk.node.store.write_now(lambda c: acts.confirm_override(c, desk.author, act.id, "right", asked(desk)))
    confirm = desk.node.store.write_now(
        lambda c: acts.confirm_override(c, desk.author, act.id, "it was right", asked(desk, "o2"))
    )
    sign(desk, confirm, 2)
    checked = desk.node.store.read_now(lambda c: act_store.get(c, act.id))
    assert (checked.checked_by, checked.checked_at) == ("o2", desk.fed.clock.now())
    with pytest.raises(ActClosedError, match="waits for no second check"):
        desk.node.store.write_now(lambda c: acts.confirm_override(c, desk.author, act.id, "x", asked(desk, "o2")))


def test_an_override_nobody_checks_in_time_raises_an_alarm_until_somebody_does(desk: Desk) -> None:
    act = prepare(desk, override="drone over the tanker")
    sign(desk, act)

    def standing() -> list[str]:
        now = desk.fed.clock.now()
        desk.node.store.write_now(lambda c: acts.sweep(c, now=now))
        rows = desk.node.store.read_now(lambda c: c.execute(sa.select(tables.Alarm)).all())
        return [row.subject for row in rows if row.code == alarms.Code.UNCHECKED_OVERRIDE.value and not row.cleared_ms]

    desk.fed.clock.advance(1_800)
    assert standing() == []
    desk.fed.clock.advance(1)
    assert standing() == [act.id]
    confirm = desk.node.store.write_now(
        lambda c: acts.confirm_override(c, desk.author, act.id, "it was right", asked(desk, "o2"))
    )
    sign(desk, confirm, 2)
    assert standing() == []


def test_personal_data_and_a_strict_port_know_no_override(desk: Desk) -> None:
    draft = desk.draft()
    personal = amber(personal_data=True, purpose="isps")
    with pytest.raises(TwoPersonError, match="no emergency overrides this"):
        prepare(desk, draft, personal, override="now")
    with pytest.raises(TwoPersonError, match="no emergency overrides this"):
        prepare(desk, draft, override="now", rule=TwoPersonRule(overrides=False))


def test_an_emergency_gives_a_reason_of_at_most_300_characters(desk: Desk) -> None:
    with pytest.raises(ReasonError, match="at most 300"):
        prepare(desk, override="x" * 301)


def test_the_share_of_overrides_counts_acts_of_a_period(desk: Desk) -> None:
    start = desk.fed.clock.now()
    sign(desk, prepare(desk, override="drone over the tanker"))
    for number in range(3):
        desk.publish(desk.draft(a_finding(mmsi=f"20500000{number}")), amber())
    end = desk.fed.clock.now() + timedelta(seconds=1)
    share = desk.node.store.read_now(lambda c: acts.share(c, since=start, until=end))
    assert (share.overrides, share.acts, share.unchecked, share.percent) == (1, 4, 1, 25.0)
    before = desk.node.store.read_now(lambda c: acts.share(c, since=start - timedelta(days=1), until=start))
    assert before.percent == 0.0


def test_what_waited_too_long_is_swept_back(desk: Desk) -> None:
    act = prepare(desk, rule=TwoPersonRule(waits=timedelta(minutes=10)))
    desk.fed.clock.advance(601)
    now = desk.fed.clock.now()
    (back,) = desk.node.store.write_now(lambda c: acts.sweep(c, now=now))
    assert (back.id, back.state, back.reason) == (
        act.id,
        "returned",
        "it waited longer than 10 minutes: look at it again",
    )


# --- what has no draft --------------------------------------------------------------------------------------------


def test_something_without_a_draft_is_said_by_the_same_path(desk: Desk) -> None:
    raw = desk.fed.indicator(B, tlp=Tlp.AMBER)
    proposal = Proposal(kind="publish", objects=(raw,), groups=("seaports",), handling="act")
    act = desk.node.store.write_now(lambda c: preparing.say(c, desk.author, "hand-made", proposal, asked(desk)))
    (queued,) = sign(desk, act).queued
    assert queued.state == outbox.QUEUED


def test_a_decision_that_leaves_the_port_unsaid_is_signed_over_its_document(desk: Desk) -> None:
    facts = {"what": "geofence", "reason": "too loud"}
    act = desk.node.store.write_now(
        lambda c: preparing.decide(c, desk.author, asked(desk), action="rule", subject="geofence", facts=facts)
    )
    assert sign(desk, act).act.state == act_store.DONE
    (line,) = desk.node.store.read_now(store.audit_lines)
    assert (line.action, line.subject) == ("rule", "geofence")
    review.verify_line(line, desk.roster)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("[vessel:mmsi = '205123456']", {"vessel"}),
        ("[freight-container:number = 'CSQU3054383'] OR [domain-name:value = 'a.example']", {"container", "domain"}),
        ("[uas:serial_number = 'x:y person:z']", {"drone"}),
        (r"[uas:serial_number = 'it\'s badge:x']", {"drone"}),
        ("[(email-addr:value = 'x')]", {"email-addr"}),
    ],
)
def test_what_a_pattern_is_about_is_read_without_its_literals(pattern: str, found: set[str]) -> None:
    raw = orjson.dumps({"type": "indicator", "id": "x", "pattern": pattern})
    assert preparing.subjects_of([raw]) == found


def test_the_second_officers_rule_is_asked_of_facts_alone() -> None:
    assert two_person.weigh(two_person.Facts(action="say"), TwoPersonRule()).officers == 1
