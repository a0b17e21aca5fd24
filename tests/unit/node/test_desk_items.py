"""What waits at the desk, in two classes, with who looks at it and who acknowledged it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from node import alarms, desk_items, drafts, receipts, sightings, tables
from node.alarms import Alarm, Code
from node.desk_items import Item, Items, ItemTakenError, NoItemError
from node.findings import FindingKind, Severity
from port2port import canonical
from port2port.clock import to_ms, to_text
from tests.fakes.desks import NOW, B, Desk, Harbour, a_finding


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Harbour(tmp_path)
    yield made.desks[B]
    made.close()


def load(desk: Desk) -> Items:
    return desk.node.store.read_now(lambda c: desk_items.items(c, desk.fed.clock.now()))


def alarm(desk: Desk, code: Code, subject: str = "") -> None:
    made, at_ms = Alarm(code=code, subject=subject, text="something"), to_ms(desk.fed.clock.now())
    desk.node.store.write_now(lambda c: alarms.raise_alarm(c, made, at_ms))


def look(desk: Desk, item: Item, officer: str, *, take_over: bool = False) -> Item:
    now = desk.fed.clock.now()
    return desk.node.store.write_now(lambda c: desk_items.look(c, item.id, officer, now, take_over=take_over))


def acknowledge(desk: Desk, item_id: str, officer: str = "o1") -> Item:
    now = desk.fed.clock.now()
    return desk.node.store.write_now(lambda c: desk_items.acknowledge(c, item_id, officer, now))


def heard(desk: Desk, *, index: int, realm: str = "real", kind: str = "level") -> None:
    """An entry of another port, as the inbox has stored it."""
    row = {
        "index": index, "digest": bytes([index]) * 32, "statement_id": f"s{index}", "kind": kind, "issuer": "beanr",
        "signer": "k", "seq": index, "realm": realm, "issued_ms": 0, "received_ms": to_ms(NOW), "envelope": b"",
        "control": False, "understood": True, "late": False, "machine_only": False, "own": False, "disputed": False,
        "reaffirmed": False,
    }  # fmt: skip
    desk.node.store.write_now(lambda c: c.execute(sa.insert(tables.Entry), [row]))


def test_the_worst_comes_first_and_then_the_oldest(desk: Desk) -> None:
    for number, severity in enumerate((Severity.LOW, Severity.HIGH, Severity.HIGH)):
        desk.draft(a_finding(mmsi=f"20512345{number}", severity=severity))
        desk.fed.clock.advance(60)
    alarm(desk, Code.SPLIT_VIEW)
    alarm(desk, Code.QUARANTINED)
    found = load(desk)
    assert [(item.kind, item.severity) for item in found.needs_decision] == [
        ("alarm", "critical"), ("draft", "high"), ("draft", "high"), ("draft", "low"),
    ]  # fmt: skip
    assert found.needs_decision[1].since < found.needs_decision[2].since
    assert [item.kind for item in found.for_information] == ["alarm"]


def test_items_of_one_cause_share_it_whatever_ship_they_are_about(desk: Desk) -> None:
    for number in range(3):
        desk.draft(a_finding(mmsi=f"20512345{number}"))
    desk.draft(a_finding(kind=FindingKind.GEOFENCE, places=("dock-7",)))
    assert len({item.cause for item in load(desk).needs_decision}) == 2


def test_looking_locks_until_somebody_takes_over_or_ten_minutes_pass(desk: Desk) -> None:
    desk.draft()
    (item,) = load(desk).needs_decision
    assert look(desk, item, "o1").looking == "o1"
    with pytest.raises(ItemTakenError, match="o1"):
        look(desk, item, "o2")
    assert look(desk, item, "o2", take_over=True).looking == "o2"
    desk.node.store.write_now(lambda c: desk_items.let_go(c, item.id, "o1"))
    assert load(desk).needs_decision[0].looking == "o2"
    desk.fed.clock.advance(600)
    assert load(desk).needs_decision[0].looking == ""
    assert look(desk, item, "o1").looking == "o1"


def test_an_acknowledged_item_is_silent_and_stays(desk: Desk) -> None:
    desk.draft()
    (item,) = load(desk).needs_decision
    assert item.sounds
    assert acknowledge(desk, item.id).seen_by == "o1"
    assert acknowledge(desk, item.id, "o2").seen_by == "o1"
    (seen,) = load(desk).needs_decision
    assert (seen.sounds, seen.seen_by, seen.seen_at) == (False, "o1", desk.fed.clock.now())
    assert desk.count(tables.Audit) == 1


def test_an_alarm_raised_anew_sounds_again(desk: Desk) -> None:
    alarm(desk, Code.SPLIT_VIEW)
    (item,) = load(desk).needs_decision
    acknowledge(desk, item.id)
    assert load(desk).needs_decision == ()
    desk.node.store.write_now(lambda c: alarms.clear_alarm(c, Code.SPLIT_VIEW, "", 1))
    desk.fed.clock.advance(1)
    alarm(desk, Code.SPLIT_VIEW)
    (again,) = load(desk).needs_decision
    assert again.sounds
    assert again.id != item.id


def test_what_the_hub_returned_needs_a_decision(desk: Desk) -> None:
    alarm(desk, Code.RETURNED, "s1")
    (item,) = load(desk).needs_decision
    assert (item.kind, item.severity) == ("returned", "high")


def test_a_level_change_is_acknowledged_to_its_author(desk: Desk) -> None:
    heard(desk, index=90)
    heard(desk, index=91, realm="exercise-1")
    heard(desk, index=92, kind="note")
    found = load(desk)
    assert [item.id for item in found.needs_decision] == ["level-90"]
    assert [item.id for item in found.for_information] == ["level-91"]
    acknowledge(desk, "level-90")
    assert load(desk).needs_decision == ()
    (owed,) = desk.node.store.read_now(lambda c: receipts.owed(c, B, limit=500))
    assert (owed.index, owed.state) == (90, "seen")


def test_what_was_decided_waits_no_longer(desk: Desk) -> None:
    made = desk.draft()
    desk.node.store.write_now(
        lambda c: drafts.decide(c, made, state=drafts.REJECTED, officer="o1", reason="no", now=NOW)
    )
    assert load(desk) == Items(needs_decision=(), for_information=())
    with pytest.raises(NoItemError):
        acknowledge(desk, f"draft-{made.id}")


def test_severity_and_kind_of_a_draft_of_unknown_severity(desk: Desk) -> None:
    made = desk.draft(a_finding(severity=Severity.INFO))
    (item,) = load(desk).needs_decision
    assert (item.severity, item.subject, item.since) == ("low", made.id, made.made_at)


def test_who_saw_what_we_published_is_told_once_and_asks_for_nothing(desk: Desk) -> None:
    rows = [incoming("beanr", number, count=count) for number, count in ((1, 40), (2, 3))]
    desk.node.store.write_now(
        lambda c: c.execute(sa.insert(tables.SightingRow), [*rows, incoming("belgg", 3, count=0)])
    )
    found = load(desk)
    assert found.needs_decision == ()
    assert [(item.kind, item.by, item.decide) for item in found.for_information] == [("news", "beanr", False)]
    assert not found.for_information[0].sounds
    assert acknowledge(desk, found.for_information[0].id).seen_by == "o1"
    desk.fed.clock.advance(25 * 3600)
    assert load(desk).for_information == ()


def incoming(issuer: str, number: int, *, count: int) -> dict[str, object]:
    """A sighting of our indicator by another port, as ``node.sightings`` keeps it."""
    body = canonical.dumps({"created": to_text(NOW), "type": "sighting"})
    return {
        "issuer": issuer, "stix_id": f"sighting--{number}", "subject": "indicator--1", "state": sightings.INCOMING,
        "first_ms": to_ms(NOW), "last_ms": to_ms(NOW) + number, "published_ms": None, "count": count, "body": body,
    }  # fmt: skip
