"""Sent, status, audit, suppressions and the live map over a real node's database."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import orjson
import pytest

from node import act_store, alarms, drafts, suppressions
from node.alarms import Alarm, Code
from node.console.feeds import FRAME_EVERY, Feeds
from node.observations import AisPosition, SourceClass
from node.watch import Handling
from port2port.clock import to_ms
from port2port.console.roles import Role
from port2port.geo import Position
from tests.fakes.desk_console import PASSPHRASE, DeskConsole, desk_console
from tests.fakes.desks import B, a_finding
from tests.fakes.watching import sight

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def console(tmp_path: Path) -> Iterator[DeskConsole]:
    with desk_console(tmp_path) as made:
        yield made


def published(console: DeskConsole) -> None:
    draft = console.draft()
    console.desk.publish(draft)


def test_sent_shows_how_far_it_has_got_and_each_reader(console: DeskConsole) -> None:
    published(console)
    visitor = console.visitor()
    assert "stored" in visitor.get("/sent").text
    before = visitor.get("/sent/D1").text
    assert "Each member appears here" in before
    console.desk.send()
    after = visitor.get("/sent/D1").text
    assert "accepted by the hub" in after
    assert "Port north-sea-port (north-sea-port)" in after
    assert "Port belgg" in after


def test_what_nobody_said_is_a_page_that_does_not_exist(console: DeskConsole) -> None:
    assert console.visitor().get("/sent/D1").status_code == 404
    assert console.visitor().get("/sent/indicator--11111111-1111-4111-8111-111111111111").status_code == 404


def test_what_was_sent_is_taken_back_with_a_reason_and_a_signature(console: DeskConsole) -> None:
    published(console)
    console.desk.send()
    visitor = console.visitor()
    answer = visitor.send("/recall", "/sent/D1", ident="D1", reason="it was a survey ship")
    assert answer.headers["location"] == "/acts/A2"
    assert "it was a survey ship" in visitor.get("/acts/A2").text
    signed = visitor.send("/acts/A2/sign", "/acts/A2", passphrase=PASSPHRASE)
    assert signed.headers["location"] == "/sent/D1"
    assert "This was taken back." in visitor.get("/sent/D1").text


def test_taking_back_without_a_reason_is_told_on_the_page(console: DeskConsole) -> None:
    published(console)
    answer = console.visitor().send("/recall", "/sent/D1", ident="D1", reason=" ")
    assert answer.status_code == 403
    assert "say why" in answer.text


def test_status_says_what_stands_and_since_when(console: DeskConsole) -> None:
    alarm = Alarm(code=Code.CUT_OFF, text="no answer from the hub")
    console.do(lambda c: alarms.raise_alarm(c, alarm, to_ms(console.context.now)))
    text = console.visitor("d1", Role.ADMIN).get("/status").text
    assert "not connected" in text
    assert "no answer from the hub" in text


def test_an_alarm_is_acknowledged_from_the_queue_and_that_can_be_undone(console: DeskConsole) -> None:
    alarm = Alarm(code=Code.CUT_OFF, text="no answer from the hub")
    console.do(lambda c: alarms.raise_alarm(c, alarm, to_ms(console.context.now)))
    row = f"alarm-1-{to_ms(console.context.now)}"
    visitor = console.visitor()
    answer = visitor.send("/queue/seen", "/", row=row)
    assert answer.headers["location"] == f"/?row={row}"
    shown = visitor.get(f"/?row={row}").text
    assert "seen by o1" in shown
    assert "Undo" in shown
    visitor.send("/queue/seen", "/", row=row, undo="yes")
    assert "seen by o1" not in visitor.get("/").text
    assert {"items-seen", "items-unseen", "acknowledge", "acknowledge-undone"} <= set(console.audit())


def test_several_rows_are_acknowledged_at_once_and_unknown_ones_are_passed_over(console: DeskConsole) -> None:
    console.draft()
    console.draft(a_finding(mmsi="205000001"))
    visitor = console.visitor()
    answer = visitor.send("/queue/seen", "/", row=["draft-D1", "draft-D2", "draft-D9"])
    assert answer.headers["location"] == "/?row=draft-D1&row=draft-D2"
    assert visitor.get("/").text.count("seen by o1") == 2


def test_the_audit_is_the_auditors_and_checks_each_signature(console: DeskConsole) -> None:
    published(console)
    assert console.visitor("o1").get("/audit").status_code == 404
    text = console.visitor("r5", Role.AUDITOR).get("/audit?subject=D1").text
    assert "publish" in text
    assert "holds" in text
    assert "does not hold" not in text


def test_a_suppression_is_ended_by_an_act_that_an_officer_signs(console: DeskConsole) -> None:
    now = console.context.now
    made = console.do(
        lambda c: suppressions.add(
            c,
            kind="exception",
            subject="mmsi:205123456",
            owner="o2",
            reason="survey until Friday",
            now=now,
            expires_at=now + timedelta(days=2),
        )
    )
    visitor = console.visitor()
    assert "survey until Friday" in visitor.get("/suppressions").text
    answer = visitor.send("/suppressions/end", "/suppressions", id=made.id, reason="she left")
    assert answer.headers["location"] == "/acts/A1"
    assert [one.id for one in console.do(lambda c: suppressions.in_force(c, now))] == [made.id]
    visitor.send("/acts/A1/sign", "/acts/A1", passphrase=PASSPHRASE)
    assert console.do(lambda c: suppressions.in_force(c, now)) == []
    assert visitor.send("/suppressions/end", "/", id=made.id, reason="again").status_code == 404


def test_a_signature_stands_where_the_suppression_ended_by_itself_meanwhile(console: DeskConsole) -> None:
    now = console.context.now
    made = console.do(
        lambda c: suppressions.add(
            c,
            kind="exception",
            subject="mmsi:205123456",
            owner="o2",
            reason="survey",
            now=now,
            expires_at=now + timedelta(days=2),
        )
    )
    visitor = console.visitor()
    visitor.send("/suppressions/end", "/suppressions", id=made.id, reason="she left")
    console.do(lambda c: suppressions.end(c, made.id, now))
    assert visitor.send("/acts/A1/sign", "/acts/A1", passphrase=PASSPHRASE).status_code == 303
    assert console.do(lambda c: act_store.get(c, "A1")).state == act_store.DONE


def position(console: DeskConsole, mmsi: int = 205123456, latitude: float = 51.3) -> AisPosition:
    now = console.context.now
    return AisPosition(
        observed_at=now,
        received_at=now,
        mmsi=mmsi,
        position=Position(latitude_deg=latitude, longitude_deg=4.2),
        speed_kn=7.5,
        course_deg=90.0,
        heading_deg=None,
        nav_status=0,
        message_type=1,
        station="mast",
        source_class=SourceClass.OPEN_RADIO,
        raw=(b"!AIVDM",),
    )


def test_the_live_map_has_its_traffic_as_a_table_too(console: DeskConsole) -> None:
    console.context.tracks.fold([position(console)])
    text = console.visitor().get("/map").text
    assert "205123456" in text
    assert "1 vessel is known" in text


def test_positions_reach_the_stream_of_who_may_see_them_and_nobody_else(console: DeskConsole) -> None:
    desk = console.context
    feeds = Feeds(desk)
    desk.tracks.fold([position(console)])

    async def first(roles: frozenset[Role]) -> bytes:
        from dataclasses import replace

        from tests.fakes.console import OFFICER

        person = replace(OFFICER, roles=roles)

        async def valid() -> bool:
            return True

        stream = desk.live.stream(person, ["positions"], valid=valid)
        try:
            return await anext(stream)
        finally:
            await stream.aclose()

    feeds.sail_once()
    seen = asyncio.run(first(frozenset({Role.VIEWER})))
    assert b'"205123456"' in seen
    assert b'"vessels":[[' in seen
    assert b"205123456" not in asyncio.run(first(frozenset({Role.AUDITOR})))


def test_a_whole_frame_comes_again_after_some_deltas(console: DeskConsole) -> None:
    desk, sent = console.context, []
    desk.live.publish = lambda topic, kind, data, **how: sent.append(how["newest_wins_key"])  # type: ignore[method-assign]  # only counted
    feeds = Feeds(desk)
    for _ in range(FRAME_EVERY + 1):
        feeds.sail_once()
    assert sent.count("frame") == 2
    assert sent.count("delta") == FRAME_EVERY + 1


def test_what_an_open_draft_is_about_is_drawn_as_dangerous(console: DeskConsole) -> None:
    desk, sent = console.context, {}
    console.draft()
    desk.tracks.fold([position(console), position(console, mmsi=205000002)])
    desk.live.publish = lambda topic, kind, data, **how: sent.update({how["newest_wins_key"]: data})  # type: ignore[method-assign]  # only kept
    feeds = Feeds(desk)
    console.do(feeds._look)
    feeds.sail_once()
    rows = orjson.loads(orjson.dumps(sent["frame"]))["vessels"]
    assert {row[0]: row[5] for row in rows} == {"205123456": 3, "205000002": 1}


def test_nothing_of_the_desk_changed_while_a_draft_stays_as_it_is(console: DeskConsole) -> None:
    console.draft()
    feeds = Feeds(console.context)
    assert console.do(feeds._look) == console.do(feeds._look)
    before = console.do(feeds._look)
    console.do(
        lambda c: drafts.decide(
            c, drafts.get(c, "D1"), state="rejected", officer="o1", reason="x", now=console.context.now
        )
    )
    assert console.do(feeds._look)["desk"] != before["desk"]


OPEN_TO_ALL = ("/status",)
OF_THE_AUDITOR = ("/audit", "/suppressions")
OURS = ("/", "/acts", "/acts/A1", "/drafts/D1", "/map", "/queue", "/sent", "/sent-rows", "/sent/D1", *OPEN_TO_ALL, *OF_THE_AUDITOR)  # fmt: skip
POSTS = ("/queue/seen", "/drafts/D1/publish", "/drafts/D1/reject", "/drafts/D1/take-over", "/drafts/D1/readers", "/acts/A1/sign", "/acts/A1/options", "/acts/A1/withdraw", "/acts/A1/check", "/recall", "/suppressions/end")  # fmt: skip


@pytest.mark.parametrize("path", OURS)
def test_nobody_reads_a_page_without_signing_in(console: DeskConsole, path: str) -> None:
    console.draft()
    answer = console.stranger().get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in")


@pytest.mark.parametrize("path", OURS)
def test_who_keeps_accounts_or_audits_sees_no_content(console: DeskConsole, path: str) -> None:
    published(console)
    refused = 303 if path == "/" else 404  # the first page leads on to one that he may read
    assert (console.visitor("d1", Role.ADMIN).get(path).status_code == refused) == (path not in OPEN_TO_ALL)
    allowed = OPEN_TO_ALL + OF_THE_AUDITOR
    assert (console.visitor("r5", Role.AUDITOR).get(path).status_code == refused) == (path not in allowed)


@pytest.mark.parametrize("path", POSTS)
def test_who_only_reads_changes_nothing(console: DeskConsole, path: str) -> None:
    console.draft()
    before = console.audit()
    assert console.visitor("v1", Role.VIEWER).send(path, "/me").status_code == 404
    assert console.audit() == before


@pytest.mark.parametrize("path", POSTS)
def test_a_form_of_another_site_changes_nothing(console: DeskConsole, path: str) -> None:
    console.draft()
    visitor = console.visitor()
    assert visitor.client.post(path, data={"row": "alarm-1"}).status_code == 403
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert visitor.client.post(path, data={}, headers=foreign).status_code == 403


def test_what_another_port_has_seen_is_taken_back_by_two(console: DeskConsole) -> None:
    published(console)
    console.desk.send()
    console.harbour.pull()
    other = console.harbour.desks[B]
    ident = orjson.loads(console.do(lambda c: drafts.get(c, "D1")).proposal.objects[0])["id"]
    said = other.indicator(ident, issuer=console.context.member)
    assert said is not None
    sight(other, said, Handling.CALL_FIRST, ("vessel:mmsi", "205123456"))
    other.send()
    console.harbour.pull()
    visitor = console.visitor()
    assert visitor.send("/recall", "/sent/D1", ident="D1", reason="a survey ship").headers["location"] == "/acts/A2"
    assert "others have seen what is to be taken back" in visitor.get("/acts/A2").text
    assert visitor.send("/acts/A2/sign", "/acts/A2", passphrase=PASSPHRASE).headers["location"] == "/acts/A2"
    assert "This was taken back." not in visitor.get("/sent/D1").text
    second = console.visitor("o2").send("/acts/A2/sign", "/acts/A2", passphrase=PASSPHRASE)
    assert second.headers["location"] == "/sent/D1"
    assert "This was taken back." in visitor.get("/sent/D1").text
    again = visitor.send("/recall", "/", ident="D1", reason="twice")
    assert again.status_code == 403
    assert "taken back already" in again.text
