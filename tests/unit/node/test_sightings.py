"""A match becomes a sighting that says no more, and to no more readers, than it may."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from node import drafts, sightings, store
from node.acts import at_once
from node.indicators import Indicator
from node.publish import WiderError
from node.review import Choice
from node.sightings import Sighted, Sighter
from node.watch import Decision, Handling, Match, Track, WatchedIndicator
from port2port.patterns import TemplateCache, compile_pattern
from port2port.sharing import audience_of, no_wider_than
from port2port.stix import objects as stix
from port2port.stix.normalise import normalise
from port2port.tlp import Tlp
from port2port.wire import decode_envelope
from tests.fakes.desks import A, B, C, Desk, Harbour
from tests.fakes.federation import statement_of, stix_id_of

T0 = datetime(2026, 11, 22, 8, 17, 31, tzinfo=UTC)
TEMPLATES = TemplateCache()
SHIP = ("vessel:mmsi", "205123400")


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    made = Harbour(tmp_path)
    made.fed.clock.step(17 * 60 + 31)
    yield made
    made.close()


@pytest.fixture
def desk(harbour: Harbour) -> Desk:
    return harbour.desks[A]


def target(harbour: Harbour, **more: Any) -> Indicator:
    """An indicator of B that A has received."""
    given = {"tlp": Tlp.AMBER, "groups": ("seaports",), **more}
    raw = harbour.fed.indicator(B, tlp=given["tlp"])
    harbour.feed.log(harbour.fed.publish(B, objects=[raw], **given))
    harbour.desks[A].pull()
    found = harbour.desks[A].indicator(stix_id_of(raw))
    assert found is not None
    return found


def match(one: Indicator, at: datetime = T0, track: Track | None = None, subject: tuple[str, str] = SHIP) -> Match:
    watched = WatchedIndicator(
        issuer=one.issuer,
        stix_id=one.stix_id,
        entry_index=one.index,
        pattern=compile_pattern("[vessel:mmsi = '205123400']", TEMPLATES),
        handling=Handling.ACT,
        valid_from=T0,
    )
    return Match(
        indicator=watched, handling=Handling.ACT, track=track, decision=Decision.SIGHT, subject=subject, observed_at=at
    )


def sighted(one: Indicator, **more: Any) -> Sighted:
    found = Sighter().note(match(one, **more), one, T0)
    assert found is not None
    return found


def tell(desk: Desk, one: Sighted, decision: Decision = Decision.SIGHT) -> str:
    now = desk.fed.clock.now()
    return desk.node.store.write_now(
        lambda c: sightings.tell(c, desk.author, one, roster=desk.roster, now=now, decision=decision)
    )


def test_a_sighting_goes_back_with_port_and_hour_only(harbour: Harbour, desk: Desk) -> None:
    one = target(harbour)
    assert tell(desk, sighted(one)) == sightings.SENT
    (raw,) = desk.send()
    said = statement_of(raw)
    assert (said.kind, said.tlp, said.groups, said.decided_by) == (
        "sighting", Tlp.AMBER, (("seaports", 1),), "rule:auto-sighting@1",
    )  # fmt: skip
    assert said.refs() == (one.key[1:],)
    assert [item.key_id for item in decode_envelope(raw).signatures] == [desk.fed.ports[A].machine.key_id]
    data = orjson.loads(decode_envelope(raw).objects[0].body)
    assert (data["first_seen"], data["last_seen"]) == ("2026-11-22T08:00:00Z", "2026-11-22T08:00:00Z")
    assert data["sighting_of_ref"] == one.stix_id
    assert "where_sighted_refs" not in data
    assert "205123400" not in raw.decode("latin-1")


def test_the_author_learns_who_saw_it_and_when(harbour: Harbour, desk: Desk) -> None:
    one = target(harbour)
    tell(desk, sighted(one, track=Track.CLONED))
    desk.send()
    harbour.pull()
    (seen,) = harbour.desks[B].node.store.read_now(lambda c: sightings.seen_of(c, one.stix_id))
    assert (seen.by, seen.count, seen.track) == (A, 1, "cloned track")
    line = sightings.describe(seen, harbour.fed.roster)
    assert line.startswith("seen at Port beanr, first 2026-11-22 08:00, last 2026-11-22 08:00 UTC, once, cloned track")
    assert harbour.desks[C].node.store.read_now(lambda c: sightings.seen_of(c, one.stix_id)) == []


def test_the_port_named_is_the_first_locode_of_the_member(harbour: Harbour) -> None:
    roster = harbour.fed.roster
    two = replace(roster.member_table[A], locodes=("BEANR", "BEZEE"))
    assert sightings.port_of(A, replace(roster, member_table={A: two})) == "BEANR"
    assert sightings.port_of(C, roster) is None


def test_a_ship_in_view_for_an_hour_is_one_sighting_told_every_fifteen_minutes(harbour: Harbour) -> None:
    one, keeper, told = target(harbour), Sighter(), []
    for second in range(0, 3_600, 10):
        now = T0 + timedelta(seconds=second)
        due = keeper.note(match(one, at=now), one, now)
        if due is not None:
            keeper.told(due, now)
            told.append((second, due.sighting_id, due.window.count))
    assert [second for second, _, _ in told] == [0, 900, 1800, 2700]
    assert len({ident for _, ident, _ in told}) == 1
    assert told[-1][2] == 271


def test_a_ship_that_comes_back_after_more_than_an_hour_is_another_sighting(harbour: Harbour) -> None:
    one, keeper = target(harbour), Sighter()
    first = keeper.note(match(one), one, T0)
    assert first is not None
    keeper.told(first, T0)
    later = T0 + timedelta(minutes=61)
    second = keeper.note(match(one, at=later), one, later)
    assert second is not None
    assert second.sighting_id != first.sighting_id


def test_both_tracks_of_a_cloned_identity_are_sighted_apart(harbour: Harbour) -> None:
    one, keeper = target(harbour), Sighter()
    due = [keeper.note(match(one, track=track), one, T0) for track in (Track.CLONED, Track.OTHER)]
    assert [None if item is None else item.track for item in due] == ["cloned track", "other track of same identity"]


def test_an_update_is_a_later_version_of_the_same_object(harbour: Harbour, desk: Desk) -> None:
    one, keeper = target(harbour), Sighter()
    first = keeper.note(match(one), one, desk.fed.clock.now())
    assert first is not None
    tell(desk, first)
    keeper.told(first, desk.fed.clock.now())
    desk.fed.clock.advance(960)
    later = keeper.note(match(one, at=T0 + timedelta(seconds=960)), one, desk.fed.clock.now())
    assert later is not None
    tell(desk, later)
    bodies = [orjson.loads(decode_envelope(raw).objects[0].body) for raw in desk.send()]
    assert bodies[0]["id"] == bodies[1]["id"]
    assert bodies[0]["created"] == bodies[1]["created"]
    assert bodies[0]["modified"] < bodies[1]["modified"]
    harbour.pull()
    (seen,) = harbour.desks[B].node.store.read_now(lambda c: sightings.seen_of(c, one.stix_id))
    assert seen.count == 2


def test_after_a_restart_the_same_stay_is_not_a_new_sighting(harbour: Harbour, desk: Desk) -> None:
    one, keeper = target(harbour), Sighter()
    first = keeper.note(match(one), one, T0)
    assert first is not None
    tell(desk, first)
    again = Sighter()
    desk.node.store.read_now(again.load)
    assert again.note(match(one, at=T0 + timedelta(minutes=5)), one, T0 + timedelta(minutes=5)) is None
    due = again.note(match(one, at=T0 + timedelta(minutes=20)), one, T0 + timedelta(minutes=20))
    assert due is not None
    assert due.sighting_id == first.sighting_id


@pytest.mark.parametrize("state", ["revoked", "suspended"])
def test_what_was_taken_back_meanwhile_is_not_answered(harbour: Harbour, desk: Desk, state: str) -> None:
    one = target(harbour)
    due = sighted(one)
    taken = harbour.fed.retract(B, [one.stix_id]) if state == "revoked" else harbour.fed.suspend(one.key[1:])
    harbour.feed.log(taken)
    desk.pull()
    assert tell(desk, due) == ""
    assert desk.send() == []


def test_protected_identities_go_to_the_duty_officer_and_send_nothing(harbour: Harbour, desk: Desk) -> None:
    assert tell(desk, sighted(target(harbour)), Decision.DUTY_OFFICER_ONLY) == sightings.DUTY_OFFICER
    assert desk.send() == []
    (hit,) = desk.node.store.read_now(sightings.hits)
    assert next(iter(hit)) == "handling"
    assert (hit["handling"], hit["state"]) == ("act", "duty officer only")


def test_a_disputed_indicator_is_matched_quietly(harbour: Harbour, desk: Desk) -> None:
    harbour.fed.clock.advance(60)
    one = target(harbour)
    key = harbour.fed.ports[B].officer.key_id
    harbour.fed.clock.advance(60)
    harbour.feed.log(harbour.fed.revoke_key(key, invalid_since=harbour.fed.clock.now() - timedelta(seconds=90)))
    desk.pull()
    assert tell(desk, sighted(one)) == sightings.QUIET
    assert desk.send() == []


def test_observe_only_is_answered_like_any_other(harbour: Harbour, desk: Desk) -> None:
    one = target(harbour, handling="observe_only")
    assert tell(desk, sighted(one)) == sightings.SENT
    (raw,) = desk.send()
    assert statement_of(raw).handling == "observe_only"


def test_a_sighting_about_personal_data_waits_for_two_officers(harbour: Harbour, desk: Desk) -> None:
    one = target(harbour, personal_data=True, purpose="isps", two_officers=True)
    assert tell(desk, sighted(one)) == sightings.NEEDS_OFFICERS
    assert desk.send() == []
    (draft,) = desk.node.store.read_now(drafts.listed)
    assert (draft.proposal.kind, draft.proposal.personal_data) == ("sighting", True)


def test_a_stay_that_waits_for_two_officers_is_one_draft_brought_up_to_date(harbour: Harbour, desk: Desk) -> None:
    one = target(harbour, personal_data=True, purpose="isps", two_officers=True)
    for minutes in (0, 15, 30):
        due = sighted(one)
        window = replace(due.window, last_seen=T0 + timedelta(minutes=60 + minutes), count=minutes + 1)
        tell(desk, replace(due, window=window, sighting_id=uuid.UUID(int=7 << 76 | 2 << 62)))
        desk.fed.clock.advance(900)
    (draft,) = desk.node.store.read_now(drafts.listed)
    (raw,) = draft.proposal.objects
    assert orjson.loads(raw)["count"] == 31
    other = target(harbour, personal_data=True, purpose="isps", two_officers=True)
    tell(desk, sighted(other))
    assert len(desk.node.store.read_now(drafts.listed)) == 2
    desk.node.store.write_now(lambda c: at_once.reject_draft(c, desk.author, draft.id, "not ours to say", desk.both()))
    tell(desk, sighted(one))
    assert len(desk.node.store.read_now(drafts.listed)) == 1


def test_an_officer_cannot_make_a_sighting_wider_than_its_indicator(harbour: Harbour, desk: Desk) -> None:
    one = target(harbour, personal_data=True, purpose="isps", two_officers=True)
    tell(desk, sighted(one))
    (draft,) = desk.node.store.read_now(drafts.listed)
    both = desk.act(desk.officer(1), desk.officer(2))
    for wider in (Choice(tlp=Tlp.GREEN), Choice(groups=(), recipients=(B, C))):
        with pytest.raises(WiderError):
            desk.publish(draft, wider, both)
    assert desk.send() == []
    desk.publish(draft, Choice(), both)
    assert len(desk.send()) == 1


def test_an_author_cannot_use_us_as_its_radar(harbour: Harbour, desk: Desk) -> None:
    one = target(harbour)
    states = [
        tell(desk, sighted(one, subject=("vessel:mmsi", str(205_000_000 + number))))
        for number in range(sightings.PER_AUTHOR_AND_HOUR + 2)
    ]
    assert states.count(sightings.SENT) == sightings.PER_AUTHOR_AND_HOUR
    assert states[-1] == sightings.OVER_QUOTA
    desk.fed.clock.advance(3_601)
    assert tell(desk, sighted(one)) == sightings.SENT


def test_our_own_indicator_sends_no_sighting(harbour: Harbour, desk: Desk) -> None:
    one = replace(target(harbour), issuer=B)
    mine = harbour.desks[B]
    mine.pull()
    assert tell(mine, sighted(one)) == "own"
    assert mine.send() == []


AUDIENCES = [
    pytest.param({"tlp": Tlp.GREEN, "groups": ()}, ((), ()), id="green to all"),
    pytest.param({"groups": ("seaports",)}, ((("seaports", 1),), ()), id="a group with its author"),
    pytest.param({"groups": (), "recipients": (A, C)}, ((), (C, B)), id="recipients"),
    pytest.param({"groups": ("seaports",), "recipients": (A,)}, ((("seaports", 1),), (B,)), id="a conjunction"),
]


@pytest.mark.parametrize(("given", "expected"), AUDIENCES)
def test_the_readers_of_a_sighting_are_its_targets_and_the_author_is_one(
    harbour: Harbour, desk: Desk, given: dict[str, Any], expected: tuple[tuple[tuple[str, int], ...], tuple[str, ...]]
) -> None:
    one = target(harbour, **given)
    groups, recipients = sightings.readers_of(one, A, desk.roster)
    assert (groups, set(recipients)) == (expected[0], set(expected[1]))
    tell(desk, sighted(one))
    (raw,) = desk.send()
    assert no_wider_than(audience_of(statement_of(raw)), one.audience, desk.roster)
    harbour.pull()
    assert harbour.desks[B].node.store.read_now(lambda c: sightings.seen_of(c, one.stix_id))


def test_members_that_joined_the_group_later_get_nothing_about_an_older_indicator(harbour: Harbour, desk: Desk) -> None:
    one = target(harbour)
    harbour.feed.log(harbour.fed.group("seaports", A, B, C))
    desk.pull()
    assert sightings.readers_of(one, A, desk.roster) == ((("seaports", 1),), ())


def test_an_author_outside_the_group_it_named_is_told_alone(harbour: Harbour, desk: Desk) -> None:
    harbour.feed.log(harbour.fed.group("others", A, C))
    assert sightings.readers_of(target(harbour, groups=("others",)), A, desk.roster) == ((), (B,))


@pytest.mark.parametrize("by_reference", [True, False])
def test_a_sighting_that_its_author_took_back_is_not_shown_and_does_not_come_back(
    harbour: Harbour, desk: Desk, by_reference: bool
) -> None:
    one = target(harbour)
    tell(desk, sighted(one))
    (raw,) = desk.send()
    harbour.pull()
    mine = harbour.desks[B]
    (seen,) = mine.node.store.read_now(lambda c: sightings.seen_of(c, one.stix_id))
    (item,) = decode_envelope(raw).objects
    desk.fed.clock.advance(60)
    given: dict[str, Any] = {"tlp": Tlp.AMBER, "groups": ("seaports",)}
    stranger = harbour.fed.retract(C, [seen.stix_id], **given)
    harbour.feed.log(stranger)
    mine.pull()
    assert mine.node.store.read_now(lambda c: sightings.seen_of(c, one.stix_id)) == [seen]
    body = {"refs": [{"id": one.stix_id, "issuer": B}]}
    last = stix.revoked(item.body, desk.fed.clock.now())
    back = (
        harbour.fed.retract(A, [seen.stix_id], seq=100, **given)
        if by_reference
        else harbour.fed.content(A, "sighting", objects=[last], body=body, seq=100, **given)
    )
    harbour.feed.log(back)
    mine.pull()
    assert mine.node.store.read_now(lambda c: sightings.seen_of(c, one.stix_id)) == []
    data = {**orjson.loads(item.body), "modified": "2030-01-01T00:00:00.000Z", "count": 9}
    harbour.feed.log(harbour.fed.content(A, "sighting", objects=[normalise(data)], body=body, seq=101, **given))
    mine.pull()
    assert mine.node.store.read_now(store.quarantined_count) == 0
    assert mine.node.store.read_now(lambda c: sightings.seen_of(c, one.stix_id)) == []


def test_somebody_elses_sighting_of_somebody_elses_indicator_is_not_ours(harbour: Harbour) -> None:
    one = target(harbour, tlp=Tlp.GREEN, groups=())
    harbour.feed.log(harbour.fed.sighting(A, of=one.key[1:]))
    harbour.pull()
    assert harbour.desks[C].node.store.read_now(lambda c: sightings.seen_of(c, one.stix_id)) == []
