"""An officer confirms what was seen, says it is not the same, or mutes a pair; what goes back is what he was shown."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa

from node import acts, hits, outbox, sightings, store, suppressions, tables
from node.acts.asked import Asked
from node.hits import Confirmation, Hit, HitAnsweredError, HitAnswerError, HitChangedError, NoHitError, Preview
from node.indicators import Indicator
from node.review import ReasonError
from node.sightings import Sighted, Sighter
from node.suppressions import SuppressionError
from node.watch import Decision, Handling, Match, WatchedIndicator
from port2port.geo import Position
from port2port.patterns import TemplateCache, compile_pattern
from port2port.tlp import Tlp
from port2port.wire import decode_envelope
from tests.fakes.desks import A, B, Desk, Harbour
from tests.fakes.federation import statement_of, stix_id_of

TEMPLATES = TemplateCache()
SHIP = ("vessel:mmsi", "205123400")
OTHER = "indicator--6f0b9a2e-6c4f-4a63-9c53-0a4a3d3a2c11"


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    made = Harbour(tmp_path)
    made.fed.clock.step(17 * 60 + 31)
    yield made
    made.close()


@pytest.fixture
def desk(harbour: Harbour) -> Desk:
    return harbour.desks[A]


def target(harbour: Harbour) -> Indicator:
    """An indicator of B that A has received."""
    raw = harbour.fed.indicator(B, tlp=Tlp.AMBER)
    harbour.feed.log(harbour.fed.publish(B, objects=[raw], tlp=Tlp.AMBER, groups=("seaports",)))
    harbour.desks[A].pull()
    found = harbour.desks[A].indicator(stix_id_of(raw))
    assert found is not None
    return found


def seen(desk: Desk, one: Indicator, sighter: Sighter, handling: Handling = Handling.ACT) -> Sighted | None:
    """The ship is in view now; what is told of it without an officer is told."""
    now = desk.fed.clock.now()
    watched = WatchedIndicator(
        issuer=one.issuer,
        stix_id=one.stix_id,
        entry_index=one.index,
        pattern=compile_pattern("[vessel:mmsi = '205123400']", TEMPLATES),
        handling=handling,
        valid_from=now,
    )
    found = sighter.note(
        Match(indicator=watched, handling=handling, track=None, decision=Decision.SIGHT, subject=SHIP, observed_at=now),
        one,
        now,
    )
    if found is not None:
        desk.node.store.write_now(
            lambda c: sightings.tell(c, desk.author, found, roster=desk.roster, now=now, decision=Decision.SIGHT)
        )
        sighter.told(found, now)
    return found


def the_hit(desk: Desk) -> Hit:
    (found,) = desk.node.store.read_now(lambda c: hits.listed(c, desk.fed.clock.now()))
    return found


def asked(desk: Desk) -> Asked:
    return Asked(roster=desk.roster, officer="o1", now=desk.fed.clock.now(), officers=(desk.officer(),))


def look(desk: Desk, hit: Hit, said: Confirmation) -> Preview:
    at = desk.fed.clock.now()
    return desk.node.store.read_now(lambda c: hits.preview(c, desk.author, hit, said, roster=desk.roster, at=at))


def confirm(desk: Desk, hit: Hit, said: Confirmation, shown: Preview) -> acts.Outcome:
    by = asked(desk)

    def action(connection: object) -> acts.Outcome:
        act = hits.confirm(
            connection,
            desk.author,
            hit.id,
            said,
            by,
            shown_at=shown.at,
            digest=shown.digest,  # type: ignore[arg-type]
        )
        return acts.sign_at_once(connection, desk.author, act, by.officers, desk.roster, now=by.now)  # type: ignore[arg-type]

    return desk.node.store.write_now(action)


def test_a_hit_asks_for_a_decision_until_an_officer_confirms_it(harbour: Harbour, desk: Desk) -> None:
    seen(desk, target(harbour), Sighter())
    hit = the_hit(desk)
    assert (hit.subject, hit.handling, hit.state, hit.needs_decision) == (SHIP, "act", sightings.SENT, True)
    shown = look(desk, hit, Confirmation())
    confirm(desk, hit, Confirmation(), shown)
    answered = the_hit(desk)
    assert answered.answer is not None
    assert (answered.answer.what, answered.answer.officer, answered.needs_decision) == (hits.CONFIRMED, "o1", False)
    with pytest.raises(HitAnsweredError):
        confirm(desk, hit, Confirmation(), shown)


def test_what_goes_back_is_exactly_what_was_shown(harbour: Harbour, desk: Desk) -> None:
    seen(desk, target(harbour), Sighter())
    said = Confirmation(
        exact_times=True,
        place="Zandvliet lock",
        position=Position(latitude_deg=51.34, longitude_deg=4.28),
        words="two men on deck",
    )
    hit = the_hit(desk)
    shown = look(desk, hit, said)
    (queued,) = confirm(desk, hit, said, shown).queued
    sealed = decode_envelope(queued.envelope)
    assert tuple(item.body for item in sealed.objects) == shown.proposal.objects
    made = orjson.loads(shown.proposal.objects[0])
    assert made["description"] == "two men on deck Seen at Zandvliet lock."
    assert made["first_seen"] == "2026-11-22T08:17:31Z"
    assert made["labels"] == [hits.OFFICER_CONFIRMED]
    assert [row.member for row in shown.readers.rows if row.state == "reads" and row.member == B] == [B]
    desk.send()
    harbour.pull()
    told = harbour.desks[B].node.store.read_now(lambda c: sightings.seen_of(c, hit.indicator.stix_id))
    assert {one.by for one in told} == {A}
    assert len(told) == 2, "the automatic one, to the hour, and the officer's"


def test_without_his_choice_an_officers_word_is_to_the_hour_and_says_no_place(harbour: Harbour, desk: Desk) -> None:
    seen(desk, target(harbour), Sighter())
    (raw,) = look(desk, the_hit(desk), Confirmation()).proposal.objects
    made = orjson.loads(raw)
    assert (made["first_seen"], made.get("description"), made.get("where_sighted_refs")) == (
        "2026-11-22T08:00:00Z", None, None,
    )  # fmt: skip


def test_a_count_of_none_says_that_somebody_looked(harbour: Harbour, desk: Desk) -> None:
    seen(desk, target(harbour), Sighter())
    made = orjson.loads(look(desk, the_hit(desk), Confirmation(count=0)).proposal.objects[0])
    assert made["count"] == 0
    assert "looked and not seen" in str(made["extensions"])


def test_what_was_seen_again_since_the_preview_is_not_signed_unseen(harbour: Harbour, desk: Desk) -> None:
    one, sighter = target(harbour), Sighter()
    seen(desk, one, sighter)
    hit = the_hit(desk)
    shown = look(desk, hit, Confirmation())
    desk.fed.clock.advance(900)
    seen(desk, one, sighter)
    with pytest.raises(HitChangedError):
        confirm(desk, hit, Confirmation(), shown)
    assert the_hit(desk).answer is None


def test_an_answer_whose_act_was_given_up_is_none(harbour: Harbour, desk: Desk) -> None:
    seen(desk, target(harbour), Sighter())
    hit = the_hit(desk)
    shown = look(desk, hit, Confirmation())
    by = Asked(roster=desk.roster, officer="o1", now=desk.fed.clock.now())
    act = desk.node.store.write_now(
        lambda c: hits.confirm(c, desk.author, hit.id, Confirmation(), by, shown_at=shown.at, digest=shown.digest)
    )
    assert not the_hit(desk).needs_decision
    desk.node.store.write_now(lambda c: acts.withdraw(c, act.id, by="o1", reason="wrong ship", now=by.now))
    assert the_hit(desk).needs_decision


def test_not_the_same_takes_back_what_was_sent_and_stops_the_rest_of_the_stay(harbour: Harbour, desk: Desk) -> None:
    one, sighter = target(harbour), Sighter()
    seen(desk, one, sighter)
    desk.send()
    harbour.pull()
    hit, by = the_hit(desk), asked(desk)

    def action(connection: object) -> None:
        (act,) = hits.not_the_same(connection, desk.author, hit.id, "another hull", by)  # type: ignore[arg-type]
        acts.sign_at_once(connection, desk.author, act, by.officers, desk.roster, now=by.now)  # type: ignore[arg-type]

    desk.node.store.write_now(action)
    assert not the_hit(desk).needs_decision
    sent = [statement_of(raw).kind for raw in desk.send()]
    assert sent == ["retract"]
    harbour.pull()
    assert harbour.desks[B].node.store.read_now(lambda c: sightings.seen_of(c, one.stix_id)) == []
    desk.fed.clock.advance(900)
    assert seen(desk, one, sighter) is not None
    assert desk.node.store.read_now(lambda c: outbox.pending(c, now_ms=2**62, limit=9)) == []
    assert the_hit(desk).state == sightings.NOT_THE_SAME
    with pytest.raises(HitAnsweredError):
        desk.node.store.write_now(lambda c: hits.not_the_same(c, desk.author, hit.id, "again", asked(desk)))


def test_a_later_stay_in_view_asks_again(harbour: Harbour, desk: Desk) -> None:
    one, sighter = target(harbour), Sighter()
    seen(desk, one, sighter)
    hit = the_hit(desk)
    desk.node.store.write_now(lambda c: hits.not_the_same(c, desk.author, hit.id, "another hull", asked(desk)))
    desk.fed.clock.advance(2 * 3_600)
    seen(desk, one, sighter)
    assert the_hit(desk).needs_decision
    with pytest.raises(NoHitError):
        desk.node.store.read_now(lambda c: hits.get(c, hit.id, desk.fed.clock.now()))


def mute(desk: Desk, hit: Hit, *, reason: str, lasts: timedelta) -> acts.Prepared:
    until = desk.fed.clock.now() + lasts
    return desk.node.store.write_now(
        lambda c: hits.mute(c, desk.author, hit.id, reason=reason, until=until, asked=asked(desk))
    )


def test_a_muted_pair_is_counted_and_not_sent_and_other_ships_are(harbour: Harbour, desk: Desk) -> None:
    one, sighter = target(harbour), Sighter()
    seen(desk, one, sighter)
    desk.send()
    hit, now = the_hit(desk), desk.fed.clock.now()
    act = mute(desk, hit, reason="pilot tender", lasts=timedelta(hours=1))
    assert the_hit(desk).mute is None, "nobody has signed it"
    desk.node.store.write_now(lambda c: acts.sign_at_once(c, desk.author, act, (desk.officer(),), desk.roster, now=now))
    desk.fed.clock.advance(1_000)
    seen(desk, one, sighter)
    muted = the_hit(desk)
    assert (muted.state, muted.sighted.window.count, muted.needs_decision) == (sightings.MUTED, 2, False)
    assert muted.mute is not None
    assert (muted.mute.owner, muted.mute.reason) == ("o1", "pilot tender")
    assert desk.send() == []
    desk.fed.clock.advance(3_000)
    seen(desk, one, sighter)
    assert len(desk.send()) == 1
    lines = desk.node.store.read_now(lambda c: store.audit_lines(c, subject=f"pair:{hit.sighted.pair}"))
    assert [(line.officer, line.action) for line in lines] == [("o1", "suppress")]


def test_a_mute_has_a_reason_and_ends_within_a_week(harbour: Harbour, desk: Desk) -> None:
    seen(desk, target(harbour), Sighter())
    hit, now = the_hit(desk), desk.fed.clock.now()
    for reason, days, error in (("", 1, ReasonError), ("tender", 8, HitAnswerError), ("tender", 0, SuppressionError)):
        with pytest.raises(error):
            mute(desk, hit, reason=reason, lasts=timedelta(days=days))
    assert desk.node.store.read_now(lambda c: suppressions.in_force(c, now)) == []


def test_only_what_asks_for_action_and_still_stands_needs_a_decision(harbour: Harbour, desk: Desk) -> None:
    seen(desk, target(harbour), Sighter(), Handling.OBSERVE_ONLY)
    assert not the_hit(desk).needs_decision
    assert desk.node.store.read_now(lambda c: hits.undecided(c, desk.fed.clock.now())) == []


def test_an_answer_needs_a_reason_and_a_hit(harbour: Harbour, desk: Desk) -> None:
    seen(desk, target(harbour), Sighter())
    hit = the_hit(desk)
    with pytest.raises(ReasonError):
        desk.node.store.write_now(lambda c: hits.not_the_same(c, desk.author, hit.id, " ", asked(desk)))
    for ident in ("", "x", "00000000-0000-4000-8000-000000000000", hit.id[:-1], "%"):
        with pytest.raises(NoHitError):
            desk.node.store.read_now(lambda c, i=ident: hits.get(c, i, desk.fed.clock.now()))
    for wrong in ({"count": -1}, {"count": 10**9}, {"words": "x" * 1_001}):
        with pytest.raises(HitAnswerError):
            Confirmation(**wrong)  # type: ignore[arg-type]


def test_an_unanswered_hit_outlives_a_hundred_newer_ones_that_ask_nothing(harbour: Harbour, desk: Desk) -> None:
    seen(desk, target(harbour), Sighter())
    hit, now = the_hit(desk), desk.fed.clock.now()
    quiet = tables.IndicatorRow.__table__
    table = tables.SightingRow.__table__

    def crowd(connection: sa.Connection) -> None:
        row = dict(connection.execute(sa.select(quiet)).mappings().one())
        connection.execute(sa.insert(quiet).values({**row, "stix_id": OTHER, "handling": "observe_only"}))
        row = dict(connection.execute(sa.select(table)).mappings().one())
        body = row["body"].replace(b'"act"', b'"observe_only"').replace(hit.id.encode(), str(uuid.uuid4()).encode())
        newer = {**row, "stix_id": OTHER, "last_ms": row["last_ms"] + 1, "body": body}
        connection.execute(sa.insert(table), [{**newer, "subject": f"s{number}"} for number in range(150)])

    desk.node.store.write_now(crowd)
    assert hit.id not in {one.id for one in desk.node.store.read_now(lambda c: hits.listed(c, now))}
    assert [one.id for one in desk.node.store.read_now(lambda c: hits.undecided(c, now))] == [hit.id]
