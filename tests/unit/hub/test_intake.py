"""What becomes of envelopes that members hand in."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.intake import IntakeLimits, Outcome, Result, admit
from hub.store import audit_rows, open_store
from port2port.clock import to_ms
from port2port.database import sqlite_url
from port2port.errors import BackpressureError, LogBehindError, TooLargeError
from port2port.limits import MemberQuota
from port2port.statement import LogSeen
from port2port.tlp import Tlp
from tests.fakes.federation import Federation, refs_body, stix_id_of
from tests.fakes.flaky_store import flaky_store
from tests.fakes.hub_core import HubCore, make_core, running_core

ACCEPTED, DUPLICATE, REFUSED, RETRY = Outcome.ACCEPTED, Outcome.DUPLICATE, Outcome.REFUSED, Outcome.RETRY


@pytest.fixture
def fed() -> Federation:
    return Federation()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return sqlite_url(tmp_path / "hub.db")


def outcomes(results: Iterable[Result]) -> list[Outcome]:
    return [item.outcome for item in results]


def note(fed: Federation, member: str = "beanr", **more: Any) -> bytes:
    return fed.content(member, "note", **{"tlp": Tlp.GREEN, **more})


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 60))


async def one(core: HubCore, raw: bytes, member: str = "beanr") -> Result:
    return (await core.intake.submit(member, [raw]))[0]


def with_core(fed: Federation, url: str, story: Any, **more: Any) -> None:
    async def go() -> None:
        async with running_core(fed, url, **more) as core:
            await core.admit_all([*fed.founding(), fed.group("seaports", "beanr", "north-sea-port")])
            await core.feed.catch_up()
            await story(core)

    run(go())


def test_valid_envelopes_are_accepted_in_order_and_copies_are_duplicates(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        raws = [note(fed) for _ in range(5)]
        results = await core.intake.submit("beanr", [*raws, raws[2]])
        assert outcomes(results) == [ACCEPTED] * 5 + [DUPLICATE]
        assert [item.index for item in results] == [3, 4, 5, 6, 7, 5]
        again = await core.intake.submit("beanr", raws)
        assert outcomes(again) == [DUPLICATE] * 5
        assert [(item.index, item.received_ms) for item in again] == [
            (item.index, item.received_ms) for item in results[:5]
        ]

    with_core(fed, url, story)


def test_another_members_statement_is_refused_logged_or_not(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        raw = note(fed)
        fresh = await one(core, raw, "belgg")
        await one(core, raw)
        logged = await one(core, raw, "belgg")
        assert fresh == logged
        assert (fresh.outcome, fresh.code) == (REFUSED, "FOREIGN_ISSUER")

    with_core(fed, url, story)


def test_control_entries_of_the_coordinators_may_be_carried_by_any_member(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        raw = fed.group("rivers", "belgg")
        assert (await one(core, raw, "belgg")).outcome is ACCEPTED
        assert (await one(core, raw, "beanr")).outcome is DUPLICATE

    with_core(fed, url, story)


def test_a_refusal_names_step_and_code_and_concerns_that_envelope_alone(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        future = note(fed, issued=fed.clock.now() + timedelta(hours=1))
        results = await core.intake.submit("beanr", [note(fed), b"\xff\x00 no envelope", future, note(fed)])
        assert outcomes(results) == [ACCEPTED, REFUSED, REFUSED, ACCEPTED]
        assert (results[1].step, results[1].code, results[1].digest) == (2, "ENCODING", b"")
        assert (results[2].step, results[2].code) == (14, "POLICY")
        assert len(results[2].digest) == 32

    with_core(fed, url, story)


def test_a_kind_that_is_not_in_use_is_refused(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        result = await one(core, fed.content("beanr", "hold", tlp=Tlp.GREEN))
        assert (result.outcome, result.code, result.text) == (
            REFUSED,
            "KIND_NOT_IN_USE",
            "this kind is not in use yet",
        )

    with_core(fed, url, story)


def test_a_reused_sequence_number_is_refused_and_equivocation_is_written_down(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        results = await core.intake.submit("beanr", [note(fed, seq=50), note(fed, seq=50), note(fed, seq=49)])
        assert [(item.outcome, item.code) for item in results] == [
            (ACCEPTED, ""),
            (REFUSED, "ISSUER_EQUIVOCATION"),
            (REFUSED, "CONFLICT"),
        ]
        rows = await core.store.database.read(lambda connection: audit_rows(connection, "ISSUER_EQUIVOCATION"))
        assert [row["member"] for row in rows] == ["beanr"]

    with_core(fed, url, story)


def test_a_control_entry_changes_the_roster_for_what_follows_in_the_same_group(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        gone = fed.revoke_key(fed.ports["belgg"].machine.key_id)
        before, after = note(fed, "belgg"), note(fed, "belgg")
        group = [
            core.checker.check(raw, None if raw is gone else "belgg", core.feed.at) for raw in (before, gone, after)
        ]
        candidates = [item.candidate for item in group]
        assert all(candidates), "each is valid under the roster before the group"
        results = core.log.append(candidates, core.judge)
        assert [type(item).__name__ for item in results] == ["Appended", "Appended", "Refused"]
        assert results[2].error.number == 9

    with_core(fed, url, story)


def test_a_roster_change_between_verification_and_commit_is_judged_again(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        checked = core.checker.check(note(fed, "belgg"), "belgg", core.feed.at)
        await one(core, fed.set_status("suspend-member", "belgg"))
        (result,) = core.log.append([checked.candidate], core.judge)
        assert type(result).__name__ == "Refused"
        assert result.error.number == 8

    with_core(fed, url, story)


def test_a_key_that_expires_between_verification_and_commit_does_not_sign(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        fed.clock.advance(timedelta(days=365).total_seconds() - 1)
        raw = note(fed)
        checked = core.checker.check(raw, "beanr", core.feed.at)
        fed.clock.advance(86_400 * 91)
        (result,) = core.log.append([checked.candidate], core.judge)
        assert type(result).__name__ == "Refused"

    with_core(fed, url, story)


def test_what_another_process_admitted_counts_at_once(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        other = open_store(url)
        outside = make_core(fed, other)
        added = fed.join("bebru")
        result = await asyncio.to_thread(
            admit, store=other, log=outside.log, checker=outside.checker, judge=outside.judge, raw=added
        )
        other.close()
        assert result.outcome is ACCEPTED
        assert (await one(core, note(fed, "bebru"), "bebru")).outcome is ACCEPTED

    with_core(fed, url, story)


def test_a_logged_statement_stays_a_duplicate_when_its_key_has_gone(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        raw = fed.rekey("beanr")
        first = await one(core, raw)
        again = await one(core, raw)
        assert (first.outcome, again.outcome, again.index) == (ACCEPTED, DUPLICATE, first.index)

    with_core(fed, url, story)


def test_a_log_seen_that_does_not_fit_is_refused_and_a_true_one_passes(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        head = core.log.head()
        fed.seen = LogSeen(size=head.next, root=head.root)
        assert (await one(core, note(fed))).outcome is ACCEPTED
        for seen in (LogSeen(size=2, root=head.root), LogSeen(size=900, root=head.root)):
            result = await one(core, note(fed, log_seen=seen))
            assert (result.outcome, result.step) == (REFUSED, 14)

    with_core(fed, url, story)


# --- objects: history, references, audience ---------------------------------------------------------------------


def test_a_newer_version_is_accepted_and_an_older_or_equal_one_is_not(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        ident = uuid.uuid4()
        versions = {ms: fed.indicator("beanr", ident=ident, modified=ms) for ms in (0, 10, 20)}
        results = [await one(core, fed.publish("beanr", objects=[versions[ms]])) for ms in (10, 0, 10, 20)]
        assert [(item.outcome, item.code) for item in results] == [
            (ACCEPTED, ""),
            (REFUSED, "OLD_VERSION"),
            (REFUSED, "OLD_VERSION"),
            (ACCEPTED, ""),
        ]

    with_core(fed, url, story)


def test_revoked_is_terminal(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        ident = uuid.uuid4()
        first, later = (fed.indicator("beanr", ident=ident, modified=ms) for ms in (0, 10))
        await one(core, fed.publish("beanr", objects=[first]))
        name = stix_id_of(first)
        assert (await one(core, fed.retract("beanr", [name]))).outcome is ACCEPTED
        assert (await one(core, fed.publish("beanr", objects=[later]))).code == "REVOKED"
        assert (await one(core, fed.retract("beanr", [name]))).code == "REVOKED"
        both = [fed.retract("beanr", [stix_id_of(fed.indicator("beanr"))]), fed.retract("beanr", [])]
        assert [item.code for item in await core.intake.submit("beanr", both)] == ["NOT_FOUND", "POLICY"]

    with_core(fed, url, story)


def test_the_same_object_twice_in_one_group_is_judged_in_log_order(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        ident = uuid.uuid4()
        first, later = (fed.indicator("beanr", ident=ident, modified=ms) for ms in (0, 10))
        raws = [fed.publish("beanr", objects=[later]), fed.publish("beanr", objects=[first])]
        raws += [fed.retract("beanr", [stix_id_of(first)]), fed.publish("beanr", objects=[first])]
        results = await core.intake.submit("beanr", raws)
        assert [item.code for item in results] == ["", "OLD_VERSION", "", "REVOKED"]

    with_core(fed, url, story)


def test_a_hidden_object_and_a_random_one_answer_alike(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        hidden = fed.indicator("north-sea-port", tlp=Tlp.AMBER)
        await one(
            core, fed.publish("north-sea-port", objects=[hidden], tlp=Tlp.AMBER, groups=("seaports",)), "north-sea-port"
        )
        for kind in ("sighting", "note"):
            answers = set()
            for name in (stix_id_of(hidden), f"indicator--{uuid.uuid4()}"):
                body = refs_body([("north-sea-port", name)])
                raw = fed.content("belgg", kind, tlp=Tlp.AMBER_STRICT, recipients=("north-sea-port",), body=body)
                result = await one(core, raw, "belgg")
                answers.add((result.outcome, result.code, result.text, result.step, result.delay_ms))
            assert answers == {(REFUSED, "NOT_FOUND", "there is no such object", 0, 0)}

    with_core(fed, url, story)


def test_a_reference_may_not_be_wider_than_its_object(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        parent = fed.indicator("north-sea-port", tlp=Tlp.AMBER)
        await one(
            core, fed.publish("north-sea-port", objects=[parent], tlp=Tlp.AMBER, groups=("seaports",)), "north-sea-port"
        )
        of = ("north-sea-port", stix_id_of(parent))
        wider = fed.sighting("beanr", of=of, tlp=Tlp.GREEN)
        others = fed.sighting("beanr", of=of, tlp=Tlp.AMBER, recipients=("belgg",))
        fits = fed.sighting("beanr", of=of, tlp=Tlp.AMBER, groups=("seaports",))
        results = await core.intake.submit("beanr", [wider, others, fits])
        assert [item.code for item in results] == ["WIDER_THAN_REFERENCE", "WIDER_THAN_REFERENCE", ""]

    with_core(fed, url, story)


def test_a_coordinator_suspends_an_object_of_any_member(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        parent = fed.indicator("beanr")
        await one(core, fed.publish("beanr", objects=[parent]))
        assert (await one(core, fed.suspend(("beanr", stix_id_of(parent))), "belgg")).outcome is ACCEPTED
        assert (
            await one(core, fed.suspend(("beanr", stix_id_of(fed.indicator("beanr")))), "belgg")
        ).code == "NOT_FOUND"

    with_core(fed, url, story)


# --- failures of the store ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("switch", "second"), [("lose", ACCEPTED), ("lose_answer", DUPLICATE)])
def test_a_failed_write_is_retried_and_logged_once(fed: Federation, url: str, switch: str, second: Outcome) -> None:
    store, flaky = flaky_store(url)

    async def story(core: HubCore) -> None:
        raws = [note(fed), note(fed)]
        setattr(flaky, switch, 1)
        first = await core.intake.submit("beanr", raws)
        assert [(item.outcome, item.code) for item in first] == [(RETRY, "STORAGE")] * 2
        assert outcomes(await core.intake.submit("beanr", raws)) == [second] * 2
        assert core.log.head().next == 5

    with_core(fed, url, story, store=store)


def test_nothing_overtakes_an_envelope_that_must_be_tried_again(fed: Federation, url: str) -> None:
    store, flaky = flaky_store(url)

    async def story(core: HubCore) -> None:
        first, second, third, fourth = ([note(fed)] for _ in range(4))
        flaky.pause = asyncio.Event()
        flaky.lose = 1
        sent = [asyncio.create_task(core.intake.submit("beanr", raws)) for raws in (first, second)]
        other = asyncio.create_task(core.intake.submit("belgg", [note(fed, "belgg")]))
        await asyncio.sleep(0)
        flaky.pause.set()
        results = [(await task)[0].outcome for task in sent]
        assert results == [RETRY, RETRY]
        assert (await other)[0].outcome in {ACCEPTED, RETRY}
        assert (await core.intake.submit("beanr", third))[0].code == "HELD"
        assert outcomes(await core.intake.submit("beanr", first)) == [ACCEPTED]
        assert [(await core.intake.submit("beanr", raws))[0].outcome for raws in (second, third, fourth)] == [
            ACCEPTED
        ] * 3

    with_core(fed, url, story, store=store)


def test_a_hold_ends_by_itself_when_the_envelope_never_comes_back(fed: Federation, url: str) -> None:
    store, flaky = flaky_store(url)

    async def story(core: HubCore) -> None:
        flaky.lose = 1
        await one(core, note(fed))
        assert (await one(core, note(fed))).code == "HELD"
        fed.clock.advance(31)
        assert (await one(core, note(fed))).outcome is ACCEPTED

    with_core(fed, url, story, store=store)


# --- bounds -------------------------------------------------------------------------------------------------------


def test_a_flooding_member_is_throttled_alone(fed: Federation, url: str) -> None:
    quota = MemberQuota(envelopes_per_minute=60, burst_envelopes=20)

    async def story(core: HubCore) -> None:
        flood = [note(fed) for _ in range(30)]
        assert outcomes(await core.intake.submit("beanr", flood)) == [ACCEPTED] * 30
        with pytest.raises(BackpressureError) as caught:
            await one(core, note(fed))
        assert 0 < caught.value.delay_ms <= 15_000
        assert (await one(core, note(fed, "belgg"), "belgg")).outcome is ACCEPTED
        fed.clock.advance(caught.value.delay_ms / 1_000)
        assert (await one(core, note(fed))).code == "HELD", "what was turned away must come back first"

    with_core(fed, url, story, quota=quota)


def test_statements_that_no_officer_saw_have_a_quota_of_their_own(fed: Federation, url: str) -> None:
    quota = MemberQuota(machine_only_per_hour=2)

    async def story(core: HubCore) -> None:
        raws = [fed.publish("beanr", officer=False) for _ in range(4)]
        results = await core.intake.submit("beanr", raws)
        assert [(item.outcome, item.code) for item in results] == [
            (ACCEPTED, ""),
            (ACCEPTED, ""),
            (RETRY, "QUOTA"),
            (RETRY, "HELD"),
        ]
        assert results[2].delay_ms > 60_000
        fed.clock.advance(results[2].delay_ms / 1_000)
        assert outcomes(await core.intake.submit("beanr", raws[2:3])) == [ACCEPTED]

    with_core(fed, url, story, quota=quota)


def test_a_batch_behind_one_that_must_be_tried_again_is_held_too(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        first, second = ([fed.publish("beanr", officer=False)] for _ in range(2))
        behind = [note(fed)]
        batches = (first, second, behind)
        sent = await asyncio.gather(*(core.intake.submit("beanr", raws) for raws in batches))
        assert [item[0].code for item in sent] == ["", "QUOTA", "HELD"]
        fed.clock.advance(sent[1][0].delay_ms / 1_000)
        again = await asyncio.gather(*(core.intake.submit("beanr", raws) for raws in (second, behind)))
        assert [item[0].outcome for item in again] == [ACCEPTED] * 2

    with_core(fed, url, story, quota=MemberQuota(machine_only_per_hour=1))


def test_what_waits_inside_is_bounded_for_each_member(fed: Federation, url: str) -> None:
    store, flaky = flaky_store(url)
    limits = IntakeLimits(inside_per_member=4)

    async def story(core: HubCore) -> None:
        flaky.pause = asyncio.Event()
        waiting = [asyncio.create_task(core.intake.submit("beanr", [note(fed) for _ in range(4)]))]
        await asyncio.sleep(0)
        with pytest.raises(BackpressureError):
            await one(core, note(fed))
        other = asyncio.create_task(core.intake.submit("belgg", [note(fed, "belgg")]))
        flaky.pause.set()
        assert outcomes(await waiting[0]) == [ACCEPTED] * 4
        assert outcomes(await other) == [ACCEPTED]

    with_core(fed, url, story, store=store, limits=limits)


def test_batches_out_of_bounds_are_refused_whole(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        for raws in ([], [b"x"] * 257, [bytes(1024 * 1024)] * 3):
            with pytest.raises(TooLargeError):
                await core.intake.submit("beanr", raws)

    with_core(fed, url, story)


def test_the_gate_keeps_everything_out(fed: Federation, url: str) -> None:
    def shut() -> None:
        raise LogBehindError("behind")

    async def go() -> None:
        async with running_core(fed, url, gate=shut) as core:
            with pytest.raises(LogBehindError):
                await one(core, fed.genesis_envelope)
            assert core.log.head().next == 0

    run(go())


def test_a_member_with_much_waiting_does_not_delay_another(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        flood = [asyncio.create_task(core.intake.submit("beanr", [note(fed) for _ in range(100)])) for _ in range(4)]
        await asyncio.sleep(0)
        quick = await one(core, note(fed, "belgg"), "belgg")
        results = [item for task in flood for item in await task]
        assert quick.outcome is ACCEPTED
        assert quick.index < max(item.index for item in results)

    with_core(fed, url, story, limits=IntakeLimits(chunk=8, group=16))


def test_entries_are_logged_at_the_hubs_time(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        fed.clock.advance(1.5)
        assert (await one(core, note(fed))).received_ms == to_ms(fed.clock.now())

    with_core(fed, url, story)


def test_whoever_waits_when_the_hub_stops_is_told_to_try_again(fed: Federation, url: str) -> None:
    store, flaky = flaky_store(url)

    async def go() -> None:
        async with running_core(fed, url, store=store) as core:
            await core.admit_all(fed.founding())
            flaky.pause = asyncio.Event()
            waiting = asyncio.create_task(one(core, note(fed)))
            await asyncio.sleep(0)
        assert (await waiting).outcome is RETRY

    run(go())
