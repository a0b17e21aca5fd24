"""Nobody misses it: who is called when, how storms fold, and what happens when a message cannot be delivered."""

from __future__ import annotations

import asyncio
import email
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node import alarms, desk_items, notices, receipts, tables, unseen
from node.alarms import Code
from node.desk_items import Item
from node.duty import Person
from node.duty_settings import DutySettings
from node.notice_channels import NoticeDeliveryError
from node.notice_watch import NoticeWatch, RotaKeeper
from node.notices import EMAIL, MESSAGES_MOST, PER_HOUR, SYSLOG, WEBHOOK, Message, Plan
from port2port.clock import to_ms
from tests.fakes import receivers
from tests.fakes.desks import A, B, Desk, Harbour, a_finding, amber
from tests.fakes.examples import many

PEOPLE = tuple(Person(pseudonym=f"o{n}", email=f"o{n}@port.example") for n in (2, 3, 4, 1))
PLAN = Plan(called=PEOPLE, channels=frozenset({EMAIL, WEBHOOK, SYSLOG}))
ROTA = b"""
[[people]]
pseudonym = "o1"
email = "o1@port.example"
[[people]]
pseudonym = "o2"
email = "o2@port.example"
[[shifts]]
name = "day"
from = "00:00"
until = "00:00"
people = ["o1", "o2"]
"""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Harbour(tmp_path)
    yield made.desks[B]
    made.close()


def item(number: int = 0, *, cause: str = "c", severity: str = "high", seen_by: str = "") -> Item:
    since = datetime.fromisoformat("2026-11-22T08:00:00Z")
    return Item(
        id=f"draft-{number}", kind="draft", subject=str(number), title="SECRET NAME", severity=severity, since=since,
        cause=cause, seen_by=seen_by,
    )  # fmt: skip


def sweep(desk: Desk, waiting: Sequence[Item], plan: Plan = PLAN) -> None:
    now = desk.fed.clock.now()
    desk.node.store.write_now(lambda c: notices.sweep(c, waiting, plan, now))


def pass_time(desk: Desk, minutes: float, waiting: Sequence[Item], plan: Plan = PLAN) -> None:
    for _ in range(int(minutes * 2)):
        desk.fed.clock.advance(30)
        sweep(desk, waiting, plan)


def queued(desk: Desk, state: str = "queued") -> list[tuple[str, str]]:
    table = tables.NoticeDeliveryRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
    query = sa.select(table.c.channel, table.c.receiver).where(table.c.state == state).order_by(table.c.id)
    return desk.node.store.read_now(lambda c: [(row.channel, row.receiver) for row in c.execute(query)])


def standing(desk: Desk) -> set[Code]:
    return desk.node.store.read_now(lambda c: {one.code for one in alarms.standing(c)})


def test_after_five_minutes_the_next_is_called_and_then_the_one_after(desk: Desk) -> None:
    sweep(desk, [item()])
    pass_time(desk, 4.5, [item()])
    assert queued(desk) == []
    pass_time(desk, 0.5, [item()])
    assert queued(desk) == [(WEBHOOK, ""), (SYSLOG, ""), (EMAIL, "o2")]
    pass_time(desk, 5, [item()])
    assert queued(desk)[3:] == [(EMAIL, "o3")]
    pass_time(desk, 120, [item()])
    assert queued(desk)[4:] == [(EMAIL, "o4")]


def test_acknowledged_in_time_nobody_is_called(desk: Desk) -> None:
    sweep(desk, [item()])
    pass_time(desk, 4, [item()])
    pass_time(desk, 30, [item(seen_by="o1")])
    assert queued(desk) == []
    assert desk.node.store.read_now(notices.listed) == []


def test_acknowledged_before_it_went_out_it_stays_here(desk: Desk) -> None:
    sweep(desk, [item()])
    pass_time(desk, 5, [item()])
    sweep(desk, [])
    assert queued(desk) == []
    assert len(queued(desk, "over")) == 3


def test_ten_thousand_findings_of_one_cause_give_few_messages_and_a_critical_one_still_arrives(desk: Desk) -> None:
    storm = [item(number) for number in range(10_000)]
    sweep(desk, storm)
    pass_time(desk, 2, storm)
    with_critical = [*storm, item(10_001, cause="other", severity="critical")]
    sweep(desk, with_critical)
    pass_time(desk, 5, with_critical)
    first, second = desk.node.store.read_now(notices.listed)
    assert (first.items, first.severity, second.severity) == (10_000, "high", "critical")
    due = desk.node.store.read_now(lambda c: notices.due(c, EMAIL, desk.fed.clock.now()))
    assert [one.severity for one in due] == ["critical", "high"]
    pass_time(desk, 60, with_critical)
    assert len(queued(desk)) <= 2 * MESSAGES_MOST


def test_a_critical_item_of_the_same_cause_is_a_notice_of_its_own(desk: Desk) -> None:
    sweep(desk, [item(1)])
    pass_time(desk, 60, [item(1)])
    before = len(queued(desk))
    both = [item(1), item(2, severity="critical")]
    sweep(desk, both)
    pass_time(desk, 5, both)
    assert len(queued(desk)) > before


def test_a_receiver_has_a_budget_that_critical_items_do_not_know(desk: Desk) -> None:
    one = Plan(called=PEOPLE[:1], channels=frozenset({EMAIL}))
    many_causes = [item(n, cause=f"c{n}") for n in range(PER_HOUR + 7)]
    critical = [item(900 + n, cause=f"k{n}", severity="critical") for n in range(PER_HOUR + 2)]
    sweep(desk, many_causes, one)
    pass_time(desk, 5, many_causes, one)
    assert (len(queued(desk)), len(queued(desk, "held"))) == (PER_HOUR, 7)
    assert Code.NOTICES_HELD in standing(desk)
    sweep(desk, [*many_causes, *critical], one)
    pass_time(desk, 5, [*many_causes, *critical], one)
    assert len(queued(desk)) == PER_HOUR + len(critical)


@settings(max_examples=many(40, fewest=4), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["low", "high", "critical"])), max_size=6), max_size=10
    )
)
def test_however_items_come_and_go_a_notice_never_makes_more_messages(
    desk: Desk, steps: list[list[tuple[int, str]]]
) -> None:
    for found in steps:
        waiting = [item(n, cause=f"c{cause}", severity=severity) for n, (cause, severity) in enumerate(found)]
        desk.fed.clock.advance(150)
        sweep(desk, waiting)
        open_now = {one.cause for one in desk.node.store.read_now(notices.listed)}
        assert open_now == set(notices.fold(waiting))
    table = tables.NoticeDeliveryRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
    query = sa.select(sa.func.count()).select_from(table).group_by(table.c.notice)
    assert all(count <= MESSAGES_MOST for count in desk.node.store.read_now(lambda c: list(c.scalars(query))))


def test_nobody_on_the_rota_is_an_alarm_until_somebody_is(desk: Desk) -> None:
    sweep(desk, [], Plan(called=(), channels=frozenset({EMAIL})))
    assert standing(desk) == {Code.NOBODY_ON_DUTY}
    sweep(desk, [])
    assert standing(desk) == set()


class Broken:
    """A way out that fails for a while."""

    def __init__(self, failures: int) -> None:
        self.failures, self.sent = failures, list[tuple[Message, str]]()

    def send(self, message: Message, to: str, now: datetime) -> None:
        del now
        if self.failures:
            self.failures -= 1
            raise NoticeDeliveryError("not now")
        self.sent.append((message, to))


def watch_of(desk: Desk, home: Path, channels: dict[str, Any]) -> NoticeWatch:
    (home / "rota.toml").write_bytes(ROTA)
    keeper = RotaKeeper.open(DutySettings(rota=home / "rota.toml"))
    return NoticeWatch(
        store=desk.node.store, clock=desk.fed.clock, keeper=keeper, port="North Sea Port",
        channels=channels,
    )  # fmt: skip


async def run_for(desk: Desk, watch: NoticeWatch, minutes: float) -> None:
    for _ in range(int(minutes * 2) + 1):
        await watch.sweep_once()
        for name in watch.channels:
            await watch.send_once(name)
        desk.fed.clock.advance(30)


def test_a_failed_delivery_is_tried_again_with_an_alarm_that_ends_once_it_is_through(
    desk: Desk, tmp_path: Path
) -> None:
    desk.draft()
    channel = Broken(failures=3)
    watch = watch_of(desk, tmp_path, {WEBHOOK: channel})
    asyncio.run(run_for(desk, watch, 5))
    assert Code.NOTICE_FAILED in standing(desk)
    asyncio.run(run_for(desk, watch, 3))
    assert Code.NOTICE_FAILED not in standing(desk)
    assert len(channel.sent) == 1
    assert len(queued(desk, "sent")) == 1


def test_after_twelve_tries_it_is_given_up_and_the_alarm_stays(desk: Desk, tmp_path: Path) -> None:
    desk.draft()
    asyncio.run(run_for(desk, watch_of(desk, tmp_path, {WEBHOOK: Broken(failures=99)}), 60))
    assert Code.NOTICE_FAILED in standing(desk)
    assert queued(desk, "failed")[:1] == [(WEBHOOK, "")]


def test_a_draft_nobody_looks_at_reaches_a_real_mailbox_without_a_word_of_what_it_is(
    desk: Desk, tmp_path: Path
) -> None:
    desk.draft()
    with receivers.mail_server() as (box, port):
        settings = DutySettings.model_validate({
            "rota": tmp_path / "rota.toml", "port_name": "North Sea Port",
            "smtp": {"host": "localhost", "port": port, "security": "none", "sender": "desk@port.example"},
        })  # fmt: skip
        (tmp_path / "rota.toml").write_bytes(ROTA)
        watch = NoticeWatch.open(settings, desk.node.store, desk.fed.clock, B)
        asyncio.run(run_for(desk, watch, 6))
    (mail,) = box.mails
    assert mail.rcpt_tos == ["o2@port.example"]
    text = email.message_from_bytes(mail.content).get_payload(decode=True)
    assert text == b"Port 2 Port: an item waits at North Sea Port since 09:00, severity high, open the desk\r\n"
    assert b"205123456" not in mail.content
    audit = tables.Audit.__table__  # type: ignore[attr-defined]  # SQLModel adds it
    facts = desk.node.store.read_now(
        lambda c: c.scalar(sa.select(audit.c.facts).where(audit.c.action == "notice-sent"))
    )
    assert orjson.loads(facts)["receiver"] == "o2"


def test_the_service_runs_until_it_is_cancelled(desk: Desk, tmp_path: Path) -> None:
    desk.draft()
    channel = Broken(failures=0)
    watch = watch_of(desk, tmp_path, {SYSLOG: channel})

    async def run() -> None:
        task = asyncio.create_task(watch.run())
        async with asyncio.timeout(10):
            while not channel.sent:
                await asyncio.sleep(0.005)
                if desk.fed.clock.sleepers == 2:
                    desk.fed.clock.advance(30)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    assert channel.sent[0][0].port == "North Sea Port"


def test_the_rota_is_read_again_and_a_wrong_one_leaves_the_old_one_with_an_alarm(desk: Desk, tmp_path: Path) -> None:
    watch = watch_of(desk, tmp_path, {WEBHOOK: Broken(0)})
    (tmp_path / "rota.toml").write_bytes(ROTA + b"nonsense")
    asyncio.run(watch.sweep_once())
    assert standing(desk) == {Code.ROTA_WRONG}
    assert "o1" in watch.keeper.rota.people
    (tmp_path / "rota.toml").write_bytes(ROTA.replace(b"o1", b"o77"))
    asyncio.run(watch.sweep_once())
    assert standing(desk) == set()
    assert "o77" in watch.keeper.rota.people


def test_the_author_reads_who_has_not_seen_it_after_ten_minutes(tmp_path: Path) -> None:
    harbour = Harbour(tmp_path)
    desk, other = harbour.desks[B], harbour.desks[A]
    desk.publish(desk.draft(a_finding()), amber())
    desk.send()
    harbour.pull()
    begin = desk.fed.clock.now()

    def after(minutes: float) -> list[str]:
        at_ms = to_ms(begin + timedelta(minutes=minutes))
        return [one.text for one in desk.node.store.write_now(lambda c: unseen.raise_unseen(c, desk.roster, at_ms))]

    assert after(9.9) == []
    (text,) = after(10)
    assert "not seen by beanr" in text
    assert after(11) == []
    assert Code.NOT_SEEN in standing(desk)
    delivery = tables.Delivery.__table__  # type: ignore[attr-defined]  # SQLModel adds it
    desk.node.store.write_now(lambda c: c.execute(sa.update(delivery).values(seen_ms=to_ms(begin))))
    assert after(12) == []
    assert Code.NOT_SEEN not in standing(desk)
    (waits,) = other.node.store.read_now(lambda c: desk_items.items(c, begin)).needs_decision
    assert (waits.kind, waits.severity, waits.sounds) == (desk_items.RECEIVED, "medium", True)
    other.node.store.write_now(lambda c: desk_items.acknowledge(c, waits.id, "o9", begin))
    owed = other.node.store.read_now(lambda c: receipts.owed(c, A, limit=10))
    assert [one.state for one in owed if one.index == waits.entry[0]][-1:] == ["seen"]  # type: ignore[index]  # it has one
    left = other.node.store.read_now(lambda c: desk_items.items(c, begin))
    assert left.needs_decision == ()
    assert [one.seen_by for one in left.for_information] == ["o9"]
    late = begin + timedelta(days=1)
    assert other.node.store.read_now(lambda c: unseen.received(c, late)) == []
    harbour.close()


@pytest.mark.slow
def test_a_storm_of_ten_thousand_drafts_fills_no_mailbox_and_hides_no_critical_one(desk: Desk, tmp_path: Path) -> None:
    first = desk.draft()
    table = tables.DraftRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it

    def copies(connection: Any, count: int, severity: str) -> None:
        row = dict(connection.execute(sa.select(table).where(table.c.id == first.id)).mappings().one())
        body = orjson.loads(row["body"])
        body["why"]["severity"] = severity
        made = [
            row | {"id": f"S{severity}{n}", "source": f"storm-{severity}/r/{n}/k", "body": orjson.dumps(body)}
            for n in range(count)
        ]
        connection.execute(sa.insert(table), made)

    (tmp_path / "rota.toml").write_bytes(ROTA)
    with receivers.mail_server() as (box, port):
        smtp = {"host": "localhost", "port": port, "security": "none", "sender": "desk@port.example"}
        settings = DutySettings.model_validate({"rota": tmp_path / "rota.toml", "smtp": smtp})
        watch = NoticeWatch.open(settings, desk.node.store, desk.fed.clock, B)
        desk.node.store.write_now(lambda c: copies(c, 10_000, "high"))
        desk.node.store.write_now(lambda c: copies(c, 1, "critical"))

        async def story() -> None:
            for _ in range(6):
                await watch.sweep_once()
                await watch.send_once(EMAIL)
                desk.fed.clock.advance(301)

        asyncio.run(story())
    sent = [email.message_from_bytes(mail.content).get_payload(decode=True) for mail in box.mails]
    assert len(sent) <= 3 * MESSAGES_MOST
    assert b"severity critical" in b"".join(sent[:3]), "the critical one goes first"
    open_now = {one.severity: one.items for one in desk.node.store.read_now(notices.listed)}
    assert open_now["critical"] == 1
    assert 10_000 in [one.items for one in desk.node.store.read_now(notices.listed)]
