"""Exercise and real never mix: what is said in one realm touches nothing of another, whatever the hub lets through."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from node import publish, receipts, sightings, store
from node.drafts import Proposal
from node.indicators import Indicator
from node.watch import Decision
from port2port.sharing import OtherRealmError
from port2port.stix import objects as stix
from port2port.tlp import Tlp
from tests.fakes.desks import A, B, C, Desk, Harbour
from tests.fakes.federation import refs_body, statement_of, stix_id_of
from tests.fakes.feed import digest_in

IDENT = uuid.UUID("11111111-2222-4333-8444-555555555555")
STIX_ID = f"indicator--{IDENT}"
REAL, EXERCISE = "real", "exercise:scheldt-26"
REALMS = pytest.mark.parametrize(("ours", "other"), [(REAL, EXERCISE), (EXERCISE, REAL), (EXERCISE, "exercise:b")])
Said = Callable[[Harbour, bytes, str], bytes]


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    made = Harbour(tmp_path)
    yield made
    made.close()


@pytest.fixture
def desk(harbour: Harbour) -> Desk:
    return harbour.desks[A]


def version(harbour: Harbour, modified: int = 0) -> bytes:
    return harbour.fed.indicator(B, ident=IDENT, modified=modified)


def found(desk: Desk, realm: str) -> Indicator:
    one = desk.indicator(STIX_ID, realm=realm)
    assert one is not None
    return one


def retraction(harbour: Harbour, raw: bytes, realm: str) -> bytes:
    gone = stix.revoked(raw, harbour.fed.clock.now() + timedelta(seconds=1))
    return harbour.fed.retract(B, [STIX_ID], objects=[gone], realm=realm)


def bare_retraction(harbour: Harbour, _raw: bytes, realm: str) -> bytes:
    return harbour.fed.retract(B, [STIX_ID], realm=realm)


def revoked_version(harbour: Harbour, raw: bytes, realm: str) -> bytes:
    gone = stix.revoked(raw, harbour.fed.clock.now() + timedelta(seconds=1))
    return harbour.fed.publish(B, objects=[gone], realm=realm)


def newer_version(harbour: Harbour, _raw: bytes, realm: str) -> bytes:
    return harbour.fed.publish(B, objects=[version(harbour, 5_000)], realm=realm)


def suspension(harbour: Harbour, _raw: bytes, realm: str) -> bytes:
    return harbour.fed.suspend((B, STIX_ID), realm=realm)


ACTS: list[Said] = [retraction, bare_retraction, revoked_version, newer_version, suspension]


@REALMS
@pytest.mark.parametrize("act", ACTS)
def test_what_is_said_in_one_realm_is_refused_about_an_object_of_another_and_changes_nothing(
    harbour: Harbour, desk: Desk, act: Said, ours: str, other: str
) -> None:
    raw = version(harbour)
    harbour.feed.log(harbour.fed.publish(B, objects=[raw], realm=ours))
    desk.pull()
    before = found(desk, ours)
    index = harbour.feed.log(act(harbour, raw, other))
    desk.pull()
    assert found(desk, ours) == before
    assert desk.indicator(STIX_ID, realm=other) is None
    (row,) = desk.node.store.read_now(store.quarantined)
    assert (row["index"], row["step"], row["code"]) == (index, 17, "OTHER_REALM")
    assert not [one for one in desk.node.store.read_now(lambda c: receipts.owed(c, A, limit=9)) if one.index == index]


@REALMS
@pytest.mark.parametrize("act", ACTS)
def test_a_reader_that_did_not_see_the_object_first_keeps_the_realms_apart_too(
    harbour: Harbour, desk: Desk, act: Said, ours: str, other: str
) -> None:
    """The hub let an act through before the object came: only the key of the state keeps them apart."""
    raw = version(harbour)
    said = act(harbour, raw, other)
    if statement_of(said).objects:
        return
    harbour.feed.log(said, harbour.fed.publish(B, objects=[raw], realm=ours))
    desk.pull()
    one = found(desk, ours)
    assert (one.revoked, one.suspended, one.stix, one.may_match) == (False, False, raw, ours == REAL)


def test_one_batch_that_brings_object_and_act_is_judged_in_log_order(harbour: Harbour, desk: Desk) -> None:
    raw = version(harbour)
    harbour.feed.log(harbour.fed.publish(B, objects=[raw]), retraction(harbour, raw, EXERCISE))
    desk.pull()
    assert found(desk, REAL).may_match
    assert desk.node.store.read_now(store.quarantined_count) == 1


def test_a_reference_across_realms_is_refused(harbour: Harbour, desk: Desk) -> None:
    harbour.feed.log(harbour.fed.publish(B, objects=[version(harbour)]))
    note = harbour.fed.content(C, "note", tlp=Tlp.GREEN, body=refs_body([(B, STIX_ID)]), realm=EXERCISE)
    harbour.feed.log(note, harbour.fed.sighting(C, of=(B, STIX_ID), realm=EXERCISE))
    desk.pull()
    codes = [row["code"] for row in desk.node.store.read_now(store.quarantined)]
    assert codes == ["OTHER_REALM"] * 2


def test_what_a_retraction_of_an_exercise_ends_is_of_the_exercise(harbour: Harbour, desk: Desk) -> None:
    index = harbour.feed.log(harbour.fed.publish(B, objects=[version(harbour)], realm=EXERCISE))
    harbour.feed.log(bare_retraction(harbour, b"", EXERCISE))
    desk.pull()
    owed = desk.node.store.read_now(lambda c: receipts.owed(c, A, limit=9))
    assert [one.index for one in owed if one.state == "retracted"] == [index]


def test_a_stolen_key_disputes_both_realms_and_a_reaffirmation_clears_its_own(harbour: Harbour, desk: Desk) -> None:
    fed, other = harbour.fed, harbour.fed.indicator(B)
    fed.clock.advance(60)
    raws = [
        fed.publish(B, objects=[version(harbour)]),
        fed.publish(B, objects=[other], realm=EXERCISE),
    ]
    first = harbour.feed.log(*raws) - 1
    fed.clock.advance(60)
    key = fed.ports[B].officer.key_id
    harbour.feed.log(fed.revoke_key(key, invalid_since=fed.clock.now() - timedelta(seconds=90)))
    desk.pull()
    names = [(REAL, STIX_ID), (EXERCISE, stix_id_of(other))]
    assert [desk.indicator(name, realm=realm).disputed for realm, name in names] == [True, True]
    fed.ports[B].officer, fed.ports[B].pseudonym = fed.ports[B].second_officer, "o2"
    digests = [digest_in(raw).hex() for raw in raws]
    harbour.feed.log(fed.content(B, "reaffirm", tlp=Tlp.GREEN, realm=EXERCISE, body={"digests": digests}))
    desk.pull()
    assert [desk.indicator(name, realm=realm).disputed for realm, name in names] == [True, False]
    entries = [desk.node.store.read_now(lambda c, n=first + at: store.entry_at(c, n)) for at in (0, 1)]
    assert [entry.disputed for entry in entries] == [True, False]


def test_no_sighting_is_told_under_an_exercises_indicator(harbour: Harbour, desk: Desk) -> None:
    harbour.feed.log(harbour.fed.publish(B, objects=[version(harbour)], realm=EXERCISE))
    desk.pull()
    one, now = found(desk, EXERCISE), desk.fed.clock.now()
    assert not one.may_match
    seen = sightings.Sighted(
        indicator=one,
        subject="vessel:mmsi=205123400",
        track=None,
        looking="live",
        handling="act",
        window=sightings.SightingWindow(first_seen=now, last_seen=now, count=1),
        sighting_id=uuid.uuid4(),
        created=now,
    )
    state = desk.node.store.write_now(
        lambda c: sightings.tell(c, desk.author, seen, roster=desk.roster, now=now, decision=Decision.SIGHT)
    )
    assert state == ""
    assert desk.send() == []


def test_what_an_exercise_says_it_saw_is_not_shown_among_what_was_seen(harbour: Harbour) -> None:
    desk, fed = harbour.desks[B], harbour.fed
    raw = version(harbour)
    mine = fed.publish(B, objects=[raw], realm=EXERCISE)
    desk.node.note_own(mine)
    harbour.feed.log(mine, fed.sighting(C, of=(B, STIX_ID), realm=EXERCISE))
    desk.pull()
    assert desk.node.store.read_now(store.quarantined_count) == 0
    assert desk.node.store.read_now(lambda c: sightings.seen_of(c, STIX_ID)) == []


@pytest.mark.parametrize("realm", [REAL, EXERCISE])
def test_an_officer_is_told_before_signing_that_an_object_is_of_another_realm(
    harbour: Harbour, desk: Desk, realm: str
) -> None:
    harbour.feed.log(harbour.fed.publish(B, objects=[version(harbour)], realm=EXERCISE))
    desk.pull()
    proposal = Proposal(kind="note", objects=(), tlp=Tlp.GREEN, body=refs_body([(B, STIX_ID)]))
    act = replace(desk.act(), realm=realm)

    def say() -> int:
        return len(desk.node.store.write_now(lambda c: publish.publish(c, desk.author, proposal, act)))

    if realm == EXERCISE:
        assert say() == 1
        return
    with pytest.raises(OtherRealmError):
        say()


def test_a_batch_after_a_restart_still_knows_the_realms(harbour: Harbour, desk: Desk) -> None:
    harbour.feed.log(harbour.fed.publish(B, objects=[version(harbour)]))
    desk.pull()
    names = [(B, STIX_ID), (C, STIX_ID)]
    assert desk.node.store.read_now(lambda c: store.realm_of(c, names)) == {(B, STIX_ID): REAL}
