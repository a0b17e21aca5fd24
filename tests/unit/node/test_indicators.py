"""What is in force follows the log, and nothing that was taken back comes again."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from node import indicators, receipts, store
from node.indicators import Indicator
from port2port.stix import objects as stix
from port2port.tlp import Tlp
from tests.fakes.desks import A, B, C, Desk, Harbour
from tests.fakes.federation import stix_id_of
from tests.fakes.feed import digest_in

IDENT = uuid.UUID("11111111-2222-4333-8444-555555555555")
STIX_ID = f"indicator--{IDENT}"
EXERCISE = "exercise:scheldt-26"


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    made = Harbour(tmp_path)
    yield made
    made.close()


@pytest.fixture
def desk(harbour: Harbour) -> Desk:
    return harbour.desks[A]


def version(harbour: Harbour, modified: int = 0, issuer: str = B, **more: object) -> bytes:
    return harbour.fed.indicator(issuer, ident=IDENT, modified=modified, **more)


def publish(harbour: Harbour, *objects: bytes, issuer: str = B, **more: object) -> int:
    index = harbour.feed.log(harbour.fed.publish(issuer, objects=list(objects), **more))
    harbour.desks[A].pull()
    return index


def found(desk: Desk, issuer: str = B) -> Indicator:
    one = desk.indicator(STIX_ID, issuer)
    assert one is not None
    return one


def test_an_indicator_is_kept_as_it_was_sent(harbour: Harbour, desk: Desk) -> None:
    raw = version(harbour)
    index = publish(harbour, raw, handling="observe_only")
    one = found(desk)
    assert (one.stix, one.index, one.entry_index, one.handling) == (raw, index, index, "observe_only")
    assert one.may_match


def test_the_newest_version_wins_whatever_the_order_of_arrival(harbour: Harbour, desk: Desk) -> None:
    newer, older = version(harbour, 2_000), version(harbour, 1_000)
    index = publish(harbour, newer)
    publish(harbour, older)
    assert (found(desk).stix, found(desk).index) == (newer, index)


def test_two_issuers_with_one_id_have_two_indicators(harbour: Harbour, desk: Desk) -> None:
    publish(harbour, version(harbour))
    publish(harbour, version(harbour, issuer=C), issuer=C)
    assert {one.issuer for one in desk.node.store.read_now(lambda c: indicators.by_stix_id(c, STIX_ID))} == {B, C}


def test_a_retraction_is_terminal(harbour: Harbour, desk: Desk) -> None:
    raw = version(harbour)
    publish(harbour, raw)
    gone = stix.revoked(raw, harbour.fed.clock.now() + timedelta(seconds=1))
    harbour.feed.log(harbour.fed.retract(B, [STIX_ID], objects=[gone]))
    desk.pull()
    assert not found(desk).may_match
    publish(harbour, version(harbour, 9_000))
    publish(harbour, raw)
    assert found(desk).revoked


def test_a_retraction_before_its_object_holds_too(harbour: Harbour, desk: Desk) -> None:
    harbour.feed.log(harbour.fed.retract(B, [STIX_ID]))
    publish(harbour, version(harbour))
    assert found(desk).revoked


def test_a_version_that_says_revoked_is_a_retraction(harbour: Harbour, desk: Desk) -> None:
    raw = version(harbour)
    publish(harbour, raw)
    publish(harbour, stix.revoked(raw, harbour.fed.clock.now() + timedelta(seconds=1)))
    assert found(desk).revoked


def test_the_author_is_told_which_of_its_entries_stopped_matching(harbour: Harbour, desk: Desk) -> None:
    raws = [harbour.fed.indicator(B), harbour.fed.indicator(B)]
    ids = [stix_id_of(raw) for raw in raws]
    index = harbour.feed.log(harbour.fed.publish(B, objects=raws))
    harbour.feed.log(harbour.fed.retract(C, ids))
    desk.pull()
    owed = desk.node.store.read_now(lambda c: receipts.owed(c, A, limit=10))
    assert "retracted" not in {one.state for one in owed}
    harbour.feed.log(harbour.fed.retract(B, ids))
    desk.pull()
    owed = desk.node.store.read_now(lambda c: receipts.owed(c, A, limit=10))
    assert [(one.index, one.digest) for one in owed if one.state == "retracted"] == [
        (index, digest_in(harbour.feed.entries[index].raw))
    ]


def test_an_entry_counts_as_retracted_once_all_its_indicators_are(harbour: Harbour, desk: Desk) -> None:
    def ended() -> set[int]:
        desk.pull()
        owed = desk.node.store.read_now(lambda c: receipts.owed(c, A, limit=20))
        return {one.index for one in owed if one.state == "retracted"}

    two = [version(harbour), harbour.fed.indicator(B)]
    ids = [stix_id_of(raw) for raw in two]
    both = publish(harbour, *two)
    newer = publish(harbour, version(harbour, 1_000))
    gone = stix.revoked(version(harbour, 2_000), harbour.fed.clock.now() + timedelta(seconds=3))
    harbour.feed.log(harbour.fed.retract(B, ids[:1], objects=[gone]))
    assert ended() == {newer}
    harbour.feed.log(harbour.fed.retract(B, ids[1:]))
    assert ended() == {newer, both}


def test_nobody_retracts_anothers_object(harbour: Harbour, desk: Desk) -> None:
    publish(harbour, version(harbour))
    harbour.feed.log(harbour.fed.retract(C, [STIX_ID]))
    desk.pull()
    assert found(desk).may_match


@pytest.mark.parametrize("first", [True, False], ids=["after the object", "before the object"])
def test_a_suspension_by_a_coordinator_stops_this_and_every_later_version(
    harbour: Harbour, desk: Desk, *, first: bool
) -> None:
    if first:
        publish(harbour, version(harbour))
    harbour.feed.log(harbour.fed.suspend((B, STIX_ID)))
    publish(harbour, version(harbour, 5_000))
    assert (found(desk).suspended, found(desk).may_match) == (True, False)


def test_an_exercise_is_kept_and_never_watched(harbour: Harbour, desk: Desk) -> None:
    publish(harbour, version(harbour), realm=EXERCISE)
    one = desk.indicator(STIX_ID, realm=EXERCISE)
    assert one is not None
    assert not one.may_match
    assert desk.indicator(STIX_ID) is None


def test_a_back_dated_revocation_flags_what_the_key_signed_and_a_reaffirmation_clears_it(
    harbour: Harbour, desk: Desk
) -> None:
    harbour.fed.clock.advance(60)
    publish(harbour, version(harbour))
    harbour.fed.clock.advance(60)
    since = harbour.fed.clock.now() - timedelta(seconds=90)
    key = harbour.fed.ports[B].officer.key_id
    index = harbour.feed.log(harbour.fed.revoke_key(key, invalid_since=since))
    desk.pull()
    assert (found(desk).disputed, found(desk).may_match, found(desk).index) == (True, True, index)
    entry = desk.node.store.read_now(lambda c: store.entry_at(c, found(desk).entry_index))
    assert entry is not None
    harbour.fed.ports[B].officer, harbour.fed.ports[B].pseudonym = harbour.fed.ports[B].second_officer, "o2"
    harbour.feed.log(harbour.fed.content(B, "reaffirm", tlp=Tlp.GREEN, body={"digests": [entry.digest.hex()]}))
    desk.pull()
    assert not found(desk).disputed


def test_an_earlier_entry_is_not_disputed_by_a_later_theft(harbour: Harbour, desk: Desk) -> None:
    publish(harbour, version(harbour))
    harbour.fed.clock.advance(60)
    key = harbour.fed.ports[B].officer.key_id
    harbour.feed.log(harbour.fed.revoke_key(key, invalid_since=harbour.fed.clock.now()))
    desk.pull()
    assert not found(desk).disputed


def test_what_changed_since_an_index_is_found_in_log_order(harbour: Harbour, desk: Desk) -> None:
    first = publish(harbour, version(harbour))
    other = harbour.fed.indicator(B)
    second = publish(harbour, other)
    third = harbour.feed.log(harbour.fed.retract(B, [STIX_ID]))
    desk.pull()
    changed = desk.node.store.read_now(lambda c: indicators.changed_since(c, first))
    assert [(one.stix_id, one.index) for one in changed] == [(stix_id_of(other), second), (STIX_ID, third)]
    assert desk.node.store.read_now(lambda c: indicators.changed_since(c, third)) == []


def test_an_indicator_inside_a_report_is_watched_too(harbour: Harbour, desk: Desk) -> None:
    harbour.feed.log(harbour.fed.content(B, "report", objects=[version(harbour)], tlp=Tlp.GREEN))
    desk.pull()
    assert found(desk).may_match
