"""Each numbered step alone, with both outcomes; what is kept, what is late, what is disputed."""

from __future__ import annotations

import dataclasses
import inspect
import random

import pytest

from port2port import verify
from port2port.clock import from_ms, to_ms, to_text
from port2port.errors import InvariantError
from port2port.verify import STEPS, RefusedError, Work
from tests.fakes.mutants import MUTANTS
from tests.fakes.trust import DAY_MS, Case, World


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def case_of(world: World, kind: str, /, **changes) -> Case:
    made = world.draft(random.Random(kind), kind)
    made.data.update(changes)
    return world.case(made)


def work_before(number: int, case: Case) -> Work:
    """A work with every step before this one done, where they can be done."""
    work = Work(raw=case.raw, context=case.context)
    verify.run(STEPS[: number - 1], work)
    return work


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_step_alone_lets_a_valid_entry_through(step, world):
    for kind in ("publish", "level", "roster", "rekey", "retract", "suspend"):
        step.check(work_before(step.number, case_of(world, kind)))


@pytest.mark.parametrize(("number", "name"), sorted(MUTANTS), ids=str)
def test_a_step_alone_refuses_what_breaks_its_rule(number, name, world):
    work = work_before(number, MUTANTS[number, name](world, random.Random(name)))
    with pytest.raises(RefusedError) as caught:
        verify.run([STEPS[number - 1]], work)
    assert (caught.value.number, caught.value.name) == (number, STEPS[number - 1].name)
    assert caught.value.text.endswith(tuple("abcdefghijklmnopqrstuvwxyz0123456789)E"))
    assert caught.value.retryable is False


def test_steps_are_numbered_as_the_story_says():
    story = inspect.getdoc(verify) or ""
    told = [line.split()[:2] for line in story.splitlines() if line[:2].strip().isdigit()]
    assert told == [[str(step.number), step.name] for step in STEPS]
    assert verify.SEQUENCE_STEP.name == "SEQUENCE"
    assert [step.name for step in verify.ROSTER_STEPS] == ["ISSUER", "KEYS", "AUTHORITY", "AUDIENCE"]
    assert {step.name for step in STEPS} - {step.name for step in verify.CONTROL_LOG_STEPS} == {
        "SEQUENCE", "TIME", "INCLUSION", "CHECKPOINT",
    }  # fmt: skip


@pytest.mark.parametrize("number", [3, 7, 10])
def test_a_step_out_of_turn_is_our_fault_and_accepts_nothing(number, world):
    case = case_of(world, "publish")
    with pytest.raises(InvariantError):
        STEPS[number - 1].check(Work(raw=case.raw, context=case.context))


def test_an_entry_holds_what_was_verified(world):
    entry = verify.verify(*_both(case_of(world, "level")))
    assert (entry.index, entry.received_ms, entry.understood, entry.machine_only) == (100, world.now_ms, True, False)
    assert len(entry.leaf_hash) == len(entry.digest) == 32
    assert [voice.key_class for voice in entry.voices].count("officer") == 2


def _both(case: Case):
    return case.raw, case.context


# --- what is not understood -------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{"v": 2}, {"kind": "weather"}, {"crit": ["seal"], "seal": 1}])
def test_a_receiver_keeps_what_it_does_not_understand(changes, world):
    case = case_of(world, "note", **changes)
    kept = verify.verify(case.raw, dataclasses.replace(case.context, keep_unknown=True))
    assert not kept.understood
    with pytest.raises(RefusedError, match="upgrade") as caught:
        verify.verify(case.raw, case.context)
    assert caught.value.cause_code == "UPGRADE_NEEDED"


def test_what_is_not_understood_is_judged_by_signature_and_place_only(world):
    """Its marking, audience and objects may follow rules that this version cannot know."""
    made = world.draft(random.Random(4), "publish")
    made.data.update(v=2, tlp="red", recipients=["atlantis"], groups=[])
    made.objects = []
    case = world.case(made)
    assert not verify.verify(case.raw, dataclasses.replace(case.context, keep_unknown=True)).understood


@pytest.mark.parametrize(
    ("kind", "changes"),
    [("roster", {"v": 2}), ("group", {"crit": ["quorum"]}), ("suspend", {"kind": "constitution", "tlp": None})],
)
def test_an_unknown_control_entry_stops_a_receiver_too(kind, changes, world):
    case = case_of(world, kind, **changes)
    with pytest.raises(RefusedError, match="upgrade") as caught:
        verify.verify(case.raw, dataclasses.replace(case.context, keep_unknown=True))
    assert (caught.value.number, caught.value.cause_code) == (7, "UPGRADE_NEEDED")


# --- erased objects ---------------------------------------------------------------------------------------------


def test_a_statement_verifies_without_its_erased_objects_for_readers_only(world):
    made = world.draft(random.Random(8), "publish")
    made.objects = []
    case = world.case(made)
    entry = verify.verify(case.raw, dataclasses.replace(case.context, objects_required=False))
    assert entry.objects == ()
    assert entry.statement.objects != ()
    with pytest.raises(RefusedError) as caught:
        verify.verify(case.raw, case.context)
    assert caught.value.number == 15


# --- long absence -----------------------------------------------------------------------------------------------


def queued(world: World, days_away: int, *, expires_day: int, kind: str = "publish", issued_day: int = 0):
    """A statement issued on ``issued_day`` with a key that expires on ``expires_day``, handed in on ``days_away``."""
    made = world.draft(random.Random(kind), kind)
    port, start_ms = world.fed.ports[made.data["issuer"]], world.now_ms
    made.data["issued"] = to_text(from_ms(start_ms + issued_day * DAY_MS))
    roster = world.fed.roster
    limited = {
        key_id: dataclasses.replace(key, not_after_ms=start_ms + expires_day * DAY_MS) if key.member == port.id else key
        for key_id, key in roster.keys.items()
    }
    received = start_ms + days_away * DAY_MS
    return world.case(made, received_ms=received, roster=dataclasses.replace(roster, keys=limited))


@pytest.mark.parametrize("days_away", [2, 3, 40, 90])
def test_what_was_validly_issued_before_an_absence_is_accepted_and_flagged_late(days_away, world):
    entry = verify.verify(*_both(queued(world, days_away, expires_day=1)))
    assert entry.late


def test_what_arrives_within_a_day_is_not_late(world):
    assert not verify.verify(*_both(queued(world, 1, expires_day=90))).late
    assert not verify.verify(*_both(queued(world, 0, expires_day=90))).late


@pytest.mark.parametrize(
    ("days_away", "expires_day", "number", "text"),
    [
        pytest.param(95, 300, 14, "more than 90 days ago: look at it again", id="95 days with a valid key"),
        pytest.param(95, 30, 14, "more than 90 days ago: look at it again", id="95 days, key expired on the way"),
        pytest.param(95, 1, 9, "expired on 2026-11-23: renew the key", id="95 days, key expired at once"),
    ],
)
def test_after_ninety_days_it_goes_back_to_the_officer_with_a_reason(days_away, expires_day, number, text, world):
    with pytest.raises(RefusedError, match=text) as caught:
        verify.verify(*_both(queued(world, days_away, expires_day=expires_day)))
    assert caught.value.number == number


def test_an_expired_key_signs_nothing_new(world):
    with pytest.raises(RefusedError, match="expired") as caught:
        verify.verify(*_both(queued(world, 40, expires_day=30, issued_day=39)))
    assert caught.value.number == 9


@pytest.mark.parametrize(("days_away", "passes"), [(40, True), (91, True), (121, False)])
def test_a_node_that_was_away_replaces_its_expired_key_without_a_human_for_ninety_days(days_away, passes, world):
    case = queued(world, days_away, expires_day=30, kind="rekey", issued_day=days_away)
    if passes:
        assert verify.verify(*_both(case)).statement.kind == "rekey"
        return
    with pytest.raises(RefusedError, match="expired"):
        verify.verify(*_both(case))


# --- disputes ---------------------------------------------------------------------------------------------------


def test_a_back_dated_revocation_disputes_the_entries_after_that_moment(world):
    entry = verify.verify(*_both(case_of(world, "level")))
    now = world.fed.roster
    key = now.keys[entry.statement.signer]
    for since, disputed in ((None, False), (entry.received_ms + 1, False), (entry.received_ms, True)):
        later = dataclasses.replace(key, revoked_index=200, invalid_since_ms=since)
        roster = dataclasses.replace(now, keys={**now.keys, key.public.key_id: later})
        assert verify.is_disputed(entry.received_ms, entry.voices, roster) is disputed


def test_a_dispute_of_any_key_that_signed_counts(world):
    entry = verify.verify(*_both(case_of(world, "level")))
    now = world.fed.roster
    for voice in entry.voices:
        key = dataclasses.replace(now.keys[voice.key_id], invalid_since_ms=1)
        assert verify.is_disputed(
            entry.received_ms, entry.voices, dataclasses.replace(now, keys={**now.keys, voice.key_id: key})
        )


def test_the_roster_after_a_control_entry_is_given(world):
    case = case_of(world, "group")
    work = verify.run(STEPS, Work(raw=case.raw, context=case.context))
    after = verify.next_roster(world.fed.roster, work)
    assert after.latest_group("seaports") == 2
    assert world.fed.roster.latest_group("seaports") == 1


def test_the_clock_may_differ_by_two_minutes(world):
    soon = to_text(from_ms(to_ms(world.fed.clock.now()) + 120_000))
    verify.verify(*_both(case_of(world, "note", issued=soon)))
