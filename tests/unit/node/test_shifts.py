"""A shift is handed over on one page, with all that waits on it, and accepted by another officer."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa

from node import receipts, report, report_kinds, review, shifts, store, suppressions, tables, works
from node.acts import at_once
from node.review import Choice
from node.shifts import Handover, HandoverTakenError, NoHandoverError, Page, SensorOut, ShiftError
from node.visits import ANYWHERE
from port2port.clock import to_ms
from port2port.stix import objects as stix
from port2port.tlp import Tlp
from tests.fakes.desks import A, B, Desk, Harbour
from tests.fakes.federation import stix_id_of


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    made = Harbour(tmp_path)
    yield made
    made.close()


@pytest.fixture
def desk(harbour: Harbour) -> Desk:
    return harbour.desks[B]


def page(desk: Desk, officer: str = "o1") -> Page:
    now = desk.fed.clock.now()
    return desk.node.store.read_now(lambda c: shifts.page(c, officer, desk.roster, now))


def hand_over(desk: Desk, *lines: str, officer: str = "o1") -> Handover:
    shown, now = page(desk, officer), desk.fed.clock.now()
    key = desk.officer(1 if officer == "o1" else 2)
    return desk.node.store.write_now(lambda c: shifts.hand_over(c, shown, lines, now=now, key=key))


def accept(desk: Desk, given: Handover, officer: str = "o2") -> Handover:
    now = desk.fed.clock.now()
    return desk.node.store.write_now(lambda c: shifts.accept(c, given.id, incoming=officer, now=now))


def heard(desk: Desk, station: str, minutes_ago: int) -> None:
    at = desk.fed.clock.now() - timedelta(minutes=minutes_ago)
    hour = at.replace(minute=0, second=0, microsecond=0)
    row = {"hour_ms": to_ms(hour), "station": station, "place": ANYWHERE, "minutes": 1 << at.minute}
    desk.node.store.write_now(lambda c: c.execute(sa.insert(tables.CoverageRow).values(**row)))


def test_an_empty_port_has_an_empty_page(desk: Desk) -> None:
    shown = page(desk)
    assert shown.since == desk.fed.clock.now() - shifts.FIRST_LOOK
    rooms = (shown.drafts, shown.acts, shown.hits, shown.works, shown.led, shown.sensors)
    assert not any(rooms)
    assert shown.waiting is None


def test_the_page_has_all_that_waits(harbour: Harbour, desk: Desk) -> None:
    draft, now = desk.draft(), desk.fed.clock.now()
    raw = harbour.fed.indicator(A, tlp=Tlp.GREEN)
    harbour.feed.log(harbour.fed.publish(A, objects=[raw], tlp=Tlp.GREEN))
    desk.pull()
    desk.node.store.write_now(
        lambda c: works.announce(
            c,
            kind="tow",
            what="barge",
            owner="o1",
            starts_at=now,
            ends_at=now + timedelta(hours=2),
            now=now,
            places=("d",),
        )
    )
    late, soon = (
        desk.node.store.write_now(
            lambda c, days=days: suppressions.add(
                c, kind="zone", subject="dock", owner="o1", reason="r", now=now, expires_at=now + timedelta(days=days)
            )
        )
        for days in (2, 1)
    )
    heard(desk, "mast", 21)
    heard(desk, "quay", 5)
    shown = page(desk)
    assert [one.id for one in shown.drafts] == [draft.id]
    assert [(one.issuer, one.kind) for one in shown.unseen] == [(A, "publish")]
    assert [one.work.what for one in shown.works] == ["barge"]
    assert [one.id for one, _ in shown.suppressions][-2:] == [soon.id, late.id]
    assert shown.sensors == (SensorOut(station="mast", last_heard=now - timedelta(minutes=21)),)


def test_what_an_officer_opened_is_not_unseen(harbour: Harbour, desk: Desk) -> None:
    raw = harbour.fed.indicator(A, tlp=Tlp.GREEN)
    harbour.feed.log(harbour.fed.publish(A, objects=[raw], tlp=Tlp.GREEN))
    desk.pull()
    found = desk.indicator(stix_id_of(raw), issuer=A)
    assert found is not None
    entry = desk.node.store.read_now(lambda c: store.entry_by_statement(c, found.statement_id))
    assert entry is not None
    desk.node.store.write_now(lambda c: receipts.owe(c, [(entry.index, entry.digest)], "seen", 1))
    assert page(desk).unseen == ()


def test_both_officers_sign_off_the_same_page(desk: Desk) -> None:
    draft = desk.draft()
    given = hand_over(desk, "pilot boat 3 is at the yard", " ")
    assert page(desk, "o2").waiting == given
    assert (given.lines, given.page["drafts"]) == (("pilot boat 3 is at the yard",), [draft.id])
    taken = accept(desk, given)
    assert (taken.incoming, taken.accepted_at, taken.digest) == ("o2", desk.fed.clock.now(), given.digest)
    assert page(desk, "o2").waiting is None
    accepted, handed = desk.node.store.read_now(lambda c: store.audit_lines(c, subject=f"shift:{given.id}"))
    assert (handed.officer, handed.action) == ("o1", "shift-handed-over")
    assert (accepted.officer, accepted.action) == ("o2", "shift-accepted")
    assert orjson.loads(handed.facts)["digest"] == orjson.loads(accepted.facts)["digest"] == given.digest
    review.verify_line(handed, desk.roster)


def test_nobody_accepts_his_own_page_or_one_that_was_taken(desk: Desk) -> None:
    given = hand_over(desk)
    with pytest.raises(ShiftError):
        accept(desk, given, "o1")
    accept(desk, given)
    with pytest.raises(HandoverTakenError, match="accepted"):
        accept(desk, given, "o3")
    with pytest.raises(NoHandoverError):
        desk.node.store.read_now(lambda c: shifts.get(c, 99))


def test_nobody_signs_off_with_anothers_key(desk: Desk) -> None:
    shown, now = page(desk, "o2"), desk.fed.clock.now()
    with pytest.raises(ShiftError, match="own key"):
        desk.node.store.write_now(lambda c: shifts.hand_over(c, shown, (), now=now, key=desk.officer(1)))
    assert desk.node.store.read_now(shifts.handovers) == []


@pytest.mark.parametrize("lines", [["x" * 501], ["x"] * 21])
def test_a_page_stays_one_page(desk: Desk, lines: list[str]) -> None:
    with pytest.raises(ShiftError):
        hand_over(desk, *lines)


def test_the_next_page_begins_where_the_last_shift_of_this_officer_ended(desk: Desk) -> None:
    ended = desk.fed.clock.now()
    hand_over(desk)
    desk.fed.clock.advance(8 * 3_600)
    hand_over(desk, officer="o2")
    assert page(desk).since == ended
    desk.fed.clock.advance(30 * 86_400)
    assert page(desk).since == desk.fed.clock.now() - shifts.FARTHEST


def sighted(harbour: Harbour, desk: Desk, target: str, count: int) -> None:
    """A says at this minute that it has seen it."""
    now = harbour.fed.clock.now()
    raw = stix.sighting(
        stix.Header(ident=uuid.uuid4(), issuer=harbour.fed.identity(A), created=now, tlp=Tlp.AMBER),
        indicator_id=target, first_seen=now, last_seen=now, count=count, looking="live", outcome="seen",
    )  # fmt: skip
    body = {"refs": [{"id": target, "issuer": B}]}
    said = harbour.fed.content(A, "sighting", objects=[raw], tlp=Tlp.AMBER, groups=("seaports",), body=body)
    harbour.feed.log(said)
    desk.pull()


def test_an_author_reads_what_his_report_led_to(harbour: Harbour, desk: Desk) -> None:
    now = desk.fed.clock.now()
    maker = report.Desk(defaults=desk.defaults, now=now, new_id=uuid.uuid4, validate=desk.fed.validate)
    reported = report_kinds.build(maker, "vessel", {"number": "205123456"}, report.Sight(text="dark", at=now))
    draft = desk.node.store.write_now(lambda c: report_kinds.submit(c, reported, officer="o1", now=now))
    desk.node.store.write_now(
        lambda c: at_once.publish_draft(c, desk.author, draft.id, Choice(), desk.act(desk.officer(2)))
    )
    desk.send()
    harbour.pull()
    target = next(orjson.loads(raw)["id"] for raw in reported.proposal.objects if b'"type":"indicator"' in raw)
    harbour.fed.clock.advance(600)
    sighted(harbour, desk, target, 0)
    assert page(desk).led == ()
    harbour.fed.clock.advance(31 * 60)
    sighted(harbour, desk, target, 1)
    harbour.fed.clock.advance(60)
    sighted(harbour, desk, target, 1)
    (led,) = page(desk).led
    assert (led.draft, led.by, led.minutes, led.looked_back) == (draft.id, A, 41, False)
    assert page(desk, "o2").led == ()
