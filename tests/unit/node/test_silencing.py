"""What silences is decided by as many officers as the port's rule asks for, and begins with the last signature."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from node import act_store, acts, store, suppressions, works
from node.acts import silencing
from node.acts.asked import ActWaitsError, Asked
from node.review import ReasonError, verify_line
from node.suppressions import NoSuppressionError, Suppression, SuppressionError
from node.two_person import TwoPersonRule
from tests.fakes.desks import B, Desk, Harbour

HOUR = timedelta(hours=1)
TWO = TwoPersonRule(actions=frozenset({"suppress"}))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Harbour(tmp_path)
    yield made.desks[B]
    made.close()


def asked(desk: Desk, rule: TwoPersonRule | None = None) -> Asked:
    return Asked(roster=desk.roster, officer="o1", now=desk.fed.clock.now(), rule=rule or TwoPersonRule())


def mute(desk: Desk, rule: TwoPersonRule | None = None, *, reason: str = "tender") -> acts.Prepared:
    until = desk.fed.clock.now() + HOUR
    return desk.node.store.write_now(
        lambda c: silencing.suppress(
            c, desk.author, asked(desk, rule), kind="mute", what="geofence", reason=reason, until=until
        )
    )


def expect(desk: Desk, rule: TwoPersonRule | None = None) -> acts.Prepared:
    now = desk.fed.clock.now()
    work = works.planned(
        kind="tow", what="the old lightship", owner="o1", starts_at=now, ends_at=now + HOUR, now=now,
        identities=("mmsi:205123456",),
    )  # fmt: skip
    return desk.node.store.write_now(lambda c: silencing.expect(c, desk.author, asked(desk, rule), work))


def sign(desk: Desk, act: acts.Prepared, number: int = 1) -> str:
    outcome = desk.node.store.write_now(
        lambda c: acts.sign_at_once(c, desk.author, act, (desk.officer(number),), desk.roster, now=desk.fed.clock.now())
    )
    return outcome.act.state


def standing(desk: Desk) -> list[Suppression]:
    return desk.node.store.read_now(lambda c: suppressions.in_force(c, desk.fed.clock.now()))


@pytest.mark.parametrize("prepare", [mute, expect])
def test_one_officer_silences_where_the_rule_leaves_it_to_one(desk: Desk, prepare: object) -> None:
    act = prepare(desk)  # type: ignore[operator]  # one of two functions of the same form
    assert (act.need, standing(desk)) == (1, [])
    assert sign(desk, act) == act_store.DONE
    (made,) = standing(desk)
    assert (made.owner, made.expires_at) == ("o1", desk.fed.clock.now() + HOUR)


@pytest.mark.parametrize("prepare", [mute, expect])
def test_two_officers_silence_where_the_port_asks_for_two(desk: Desk, prepare: object) -> None:
    act = prepare(desk, TWO)  # type: ignore[operator]  # as above
    assert (act.need, act.reasons) == (2, ("port-rule",))
    assert sign(desk, act) == act_store.WAITING
    assert standing(desk) == [], "half a decision silences nothing"
    assert sign(desk, act, 2) == act_store.DONE
    assert len(standing(desk)) == 1


def test_each_signature_over_what_silences_can_be_checked_next_year(desk: Desk) -> None:
    act = mute(desk, TWO)
    sign(desk, act)
    sign(desk, act, 2)
    lines = desk.node.store.read_now(store.audit_lines)
    assert [(line.officer, line.action, line.subject) for line in lines] == [
        ("o2", "suppress", "mute:geofence"), ("o1", "suppress", "mute:geofence"),
    ]  # fmt: skip
    for line in lines:
        verify_line(line, desk.roster)


@pytest.mark.parametrize("prepare", [mute, expect])
def test_silence_that_is_over_before_its_last_signature_never_begins(desk: Desk, prepare: object) -> None:
    act = prepare(desk)  # type: ignore[operator]  # as above
    desk.fed.clock.advance(3_601)
    assert sign(desk, act) == act_store.DONE
    assert standing(desk) == []
    assert desk.node.store.read_now(lambda c: works.listed(c, desk.fed.clock.now() - 2 * HOUR)) == []


def test_what_could_not_silence_is_refused_before_anybody_signs(desk: Desk) -> None:
    with pytest.raises(ReasonError):
        mute(desk, reason=" ")
    until = desk.fed.clock.now() - HOUR
    with pytest.raises(SuppressionError):
        desk.node.store.write_now(
            lambda c: silencing.suppress(
                c, desk.author, asked(desk), kind="mute", what="geofence", reason="x", until=until
            )
        )
    mute(desk)
    with pytest.raises(ActWaitsError):
        mute(desk)


def test_silence_is_ended_by_a_decision_too(desk: Desk) -> None:
    sign(desk, mute(desk))
    (made,) = standing(desk)
    with pytest.raises(ReasonError):
        desk.node.store.write_now(lambda c: silencing.end(c, desk.author, asked(desk), made.id, ""))
    act = desk.node.store.write_now(lambda c: silencing.end(c, desk.author, asked(desk), made.id, "she left"))
    assert standing(desk) == [made]
    sign(desk, act)
    assert standing(desk) == []
    with pytest.raises(NoSuppressionError):
        desk.node.store.write_now(lambda c: silencing.end(c, desk.author, asked(desk), made.id, "again"))
