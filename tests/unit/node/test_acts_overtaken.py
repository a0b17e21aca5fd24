"""What happens to a draft, or to a key, while an act that rejects or silences waits for its signature."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from node import act_store, acts, desk_items, drafts, suppressions
from node.acts import preparing, silencing
from node.acts.asked import ActWaitsError, Asked
from node.findings import Severity
from node.review import Choice
from node.two_person import TwoPersonRule
from tests.fakes.desks import B, Desk, Harbour, a_finding


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Harbour(tmp_path)
    yield made.desks[B]
    made.close()


def asked(desk: Desk, rule: TwoPersonRule | None = None) -> Asked:
    return Asked(roster=desk.roster, officer="o1", now=desk.fed.clock.now(), rule=rule or TwoPersonRule())


def reject_many(desk: Desk, *names: str) -> acts.Prepared:
    act, _ = desk.node.store.write_now(lambda c: preparing.reject_drafts(c, desk.author, names, "junk", asked(desk)))
    return act


def reject(desk: Desk, name: str) -> acts.Prepared:
    return desk.node.store.write_now(lambda c: preparing.reject_draft(c, desk.author, name, "junk", asked(desk)))


def sign(desk: Desk, act: acts.Prepared, number: int = 1) -> acts.Prepared:
    officer, now = desk.officer(number), desk.fed.clock.now()
    made = tuple(officer.key.sign(message) for message in acts.to_sign(act, officer.pseudonym))
    signed = acts.Signed(officer=officer.pseudonym, key_id=officer.key.key_id, signatures=made)
    return desk.node.store.write_now(
        lambda c: acts.add_signature(c, desk.author, act.id, signed, desk.roster, now=now)
    ).act


def two_quiet_drafts(desk: Desk) -> list[str]:
    return [desk.draft(a_finding(mmsi=one, severity=Severity.INFO)).id for one in ("205123456", "205000001")]


@pytest.mark.parametrize("many", [True, False], ids=["several", "one"])
def test_what_turns_out_severe_meanwhile_is_not_rejected_by_one_officer(desk: Desk, many: bool) -> None:
    names = two_quiet_drafts(desk)
    act = reject_many(desk, *names) if many else reject(desk, names[0])
    assert act.need == 1
    desk.take(a_finding(at=a_finding().found_at + timedelta(minutes=9), severity=Severity.HIGH))
    back = sign(desk, act)
    assert (back.state, back.reason) == (act_store.RETURNED, "the draft was changed after it was signed")
    draft = desk.node.store.read_now(lambda c: drafts.get(c, names[0]))
    assert (draft.state, draft.why["severity"]) == (drafts.OPEN, "high")


def test_more_of_the_same_leaves_a_draft_alone_while_it_is_rejected(desk: Desk) -> None:
    names = two_quiet_drafts(desk)
    act = reject_many(desk, *names)
    desk.take(a_finding(at=a_finding().found_at + timedelta(minutes=9), severity=Severity.INFO))
    assert sign(desk, act).state == act_store.DONE


def test_drafts_that_are_being_rejected_together_are_not_decided_besides(desk: Desk) -> None:
    names = two_quiet_drafts(desk)
    reject_many(desk, *names)
    with pytest.raises(ActWaitsError):
        desk.node.store.write_now(lambda c: preparing.publish_draft(c, desk.author, names[1], Choice(), asked(desk)))
    waiting = {
        one.kind for one in desk.node.store.read_now(lambda c: desk_items.items(c, desk.fed.clock.now())).needs_decision
    }
    assert waiting == {desk_items.SECOND}


def test_a_draft_named_twice_is_rejected_once(desk: Desk) -> None:
    name = two_quiet_drafts(desk)[0]
    assert sign(desk, reject_many(desk, name, name.lower())).state == act_store.DONE


def test_half_a_decision_to_silence_falls_with_the_key_that_gave_it(desk: Desk) -> None:
    rule, until = TwoPersonRule(actions=frozenset({"suppress"})), desk.fed.clock.now() + timedelta(hours=1)
    act = desk.node.store.write_now(
        lambda c: silencing.suppress(
            c, desk.author, asked(desk, rule), kind="mute", what="geofence", reason="tender", until=until
        )
    )
    sign(desk, act)
    desk.feed.log(desk.fed.revoke_key(desk.fed.ports[B].officer.key_id))
    desk.pull()
    back = sign(desk, act, 2)
    assert (back.state, back.reason) == (act_store.RETURNED, "the key of o1 was revoked")
    now = desk.fed.clock.now()
    assert desk.node.store.read_now(lambda c: suppressions.in_force(c, now)) == []
