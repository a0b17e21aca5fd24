"""The desk's pages over a real node's database: the queue, a draft, freezing, signing, refusing."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from node import act_store, desk_items, drafts, review, store
from node.findings import Severity
from port2port.console.roles import Role
from tests.fakes.desk_console import PASSPHRASE, DeskConsole, desk_console
from tests.fakes.desks import NOW, a_finding, evidence_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def console(tmp_path: Path) -> Iterator[DeskConsole]:
    with desk_console(tmp_path) as made:
        yield made


CHOICE = {"tlp": "amber", "handling": "call_first", "group": "seaports"}


def version(console: DeskConsole, ident: str = "D1") -> str:
    return console.do(lambda c: drafts.version(drafts.get(c, ident)))


def freeze(console: DeskConsole, who: str = "o1", ident: str = "D1", **fields: Any) -> Any:
    visitor = console.visitor(who)
    sent = {**CHOICE, "version": version(console, ident), **fields}
    return visitor.send(f"/drafts/{ident}/publish", f"/drafts/{ident}", **sent)


def test_the_queue_is_empty_and_says_so(console: DeskConsole) -> None:
    text = console.visitor().get("/").text
    assert "Nothing waits for a decision" in text


def test_a_draft_waits_in_the_queue_with_its_severity(console: DeskConsole) -> None:
    console.draft()
    text = console.visitor().get("/").text
    assert 'data-row="draft-D1"' in text
    assert "severity high" in text


def test_a_draft_says_why_with_numbers_and_limits_and_who_reads_it(console: DeskConsole) -> None:
    console.draft()
    text = console.visitor().get("/drafts/D1").text
    assert "separation" in text
    assert "28 nm" in text
    assert "10 nm" in text
    assert "Port north-sea-port" in text
    assert "Freeze and sign" in text


def test_an_unknown_draft_is_a_page_that_does_not_exist(console: DeskConsole) -> None:
    assert console.visitor().get("/drafts/D9").status_code == 404


def test_whoever_is_not_signed_in_comes_back_after_signing_in(console: DeskConsole) -> None:
    answer = console.stranger().get("/")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in")


@pytest.mark.parametrize(
    ("path", "roles", "status"),
    [
        ("/", (Role.AUDITOR,), 303),
        ("/drafts/D1", (Role.ADMIN,), 404),
        ("/drafts/D1", (Role.VIEWER,), 200),
        ("/acts", (Role.OFFICER,), 200),
    ],
)
def test_each_role_opens_what_is_its_own(console: DeskConsole, path: str, roles: tuple[Role, ...], status: int) -> None:
    console.draft()
    assert console.visitor("x9", *roles).get(path).status_code == status


def test_an_officer_who_is_no_approver_has_no_decision_to_press(console: DeskConsole) -> None:
    console.draft()
    visitor = console.visitor("b2", Role.OFFICER)
    assert "Freeze and sign" not in visitor.get("/drafts/D1").text
    assert visitor.send("/drafts/D1/publish", "/", **CHOICE, version=version(console)).status_code == 404


def test_publish_with_a_key_file_goes_from_the_draft_to_the_outbox(console: DeskConsole) -> None:
    console.draft()
    frozen = freeze(console)
    assert frozen.headers["location"] == "/acts/A1"
    visitor = console.visitor("o1")
    shown = visitor.get("/acts/A1").text
    assert "Passphrase of your key file" in shown
    done = visitor.send("/acts/A1/sign", "/acts/A1", passphrase=PASSPHRASE)
    assert done.status_code == 303, done.text
    assert console.do(lambda c: drafts.get(c, "D1")).state == drafts.PUBLISHED
    assert {"act-prepared", "act-signed", "publish"} <= set(console.audit())


def test_a_wrong_passphrase_signs_nothing_and_is_written_down(console: DeskConsole) -> None:
    console.draft()
    freeze(console)
    answer = console.visitor("o1").send("/acts/A1/sign", "/acts/A1", passphrase="wrong")
    assert answer.status_code == 403
    assert "none of your key files" in answer.text
    assert console.do(lambda c: drafts.get(c, "D1")).state == drafts.OPEN
    assert "act-not-signed" in console.audit()


def test_publish_with_a_passkey_over_exactly_the_frozen_bytes(console: DeskConsole) -> None:
    console.draft()
    device = console.passkey("o1")
    freeze(console)
    visitor = console.visitor("o1")
    [options] = visitor.send("/acts/A1/options", "/acts/A1").json()["options"]
    done = visitor.send("/acts/A1/sign", "/acts/A1", assertion=device.sign(json.dumps(options)))
    assert done.status_code == 303, done.text
    assert console.do(lambda c: drafts.get(c, "D1")).state == drafts.PUBLISHED


def test_a_passkey_answer_counts_once_and_only_for_its_act(console: DeskConsole) -> None:
    console.draft()
    console.draft(a_finding(mmsi="205000001"))
    device = console.passkey("o1")
    freeze(console, ident="D1")
    freeze(console, ident="D2")
    visitor = console.visitor("o1")
    [options] = visitor.send("/acts/A1/options", "/acts/A1").json()["options"]
    answer = device.sign(json.dumps(options))
    assert visitor.send("/acts/A2/sign", "/acts/A2", assertion=answer).status_code == 403
    assert visitor.send("/acts/A1/sign", "/acts/A1", assertion=answer).status_code == 303
    assert visitor.send("/acts/A1/sign", "/acts/A2", assertion=answer).status_code == 409


def test_personal_data_takes_another_officer_who_sees_the_frozen_page(console: DeskConsole) -> None:
    console.draft()
    freeze(console, personal="yes")
    first = console.visitor("o1")
    assert first.send("/acts/A1/sign", "/acts/A1", passphrase=PASSPHRASE).headers["location"] == "/acts/A1"
    assert "Another officer approves it at his own desk" in first.get("/acts/A1").text
    second = console.visitor("o2")
    shown = second.get("/acts/A1").text
    assert "it holds personal data" in shown
    assert "Digest of the decision" in shown
    assert second.send("/acts/A1/sign", "/acts/A1", passphrase=PASSPHRASE).headers["location"] == "/sent/D1"
    assert console.do(lambda c: drafts.get(c, "D1")).state == drafts.PUBLISHED


def test_the_second_officer_cannot_sign_before_the_first(console: DeskConsole) -> None:
    console.draft()
    freeze(console, personal="yes")
    second = console.visitor("o2")
    assert "o1 prepared this and signs it first" in second.get("/acts/A1").text
    assert second.send("/acts/A1/sign", "/acts/A1", passphrase=PASSPHRASE).status_code == 403


def test_an_act_is_sent_back_with_a_note_and_the_draft_is_open_again(console: DeskConsole) -> None:
    console.draft()
    freeze(console, personal="yes")
    console.visitor("o1").send("/acts/A1/sign", "/acts/A1", passphrase=PASSPHRASE)
    answer = console.visitor("o2").send("/acts/A1/withdraw", "/acts/A1", reason="ask the pilot first")
    assert answer.headers["location"] == "/acts/A1"
    assert console.do(lambda c: act_store.get(c, "A1")).state == act_store.WITHDRAWN
    assert "Freeze and sign" in console.visitor("o1").get("/drafts/D1").text


def test_nobody_to_read_it_disables_publishing_and_says_why(console: DeskConsole) -> None:
    console.draft()
    visitor = console.visitor()
    piece = visitor.send("/drafts/D1/readers", "/drafts/D1", tlp="amber")
    assert "Nobody would read this" in piece.text
    assert "disabled" in piece.text
    answer = visitor.send("/drafts/D1/publish", "/drafts/D1", tlp="amber", version=version(console))
    assert answer.status_code == 403
    assert "nobody would read it" in answer.text
    assert console.do(act_store.listed) == []


def test_a_new_reader_is_named_as_new(console: DeskConsole) -> None:
    console.draft()
    piece = console.visitor().send("/drafts/D1/readers", "/drafts/D1", tlp="amber", recipient="belgg")
    assert "Port belgg" in piece.text
    assert "new: not among the readers" in piece.text


def test_what_is_left_out_never_enters_the_frozen_bytes(console: DeskConsole) -> None:
    draft = console.draft()
    ident = orjson.loads(draft.proposal.objects[0])["id"]
    freeze(console, out=f"field:{ident} /description")
    act = console.do(lambda c: act_store.get(c, "A1"))
    assert b"description" not in act.parts[0].objects[0].body
    assert "sealed at this port" in console.visitor().get("/acts/A1").text


def test_a_draft_that_moved_is_not_decided_by_an_old_page(console: DeskConsole) -> None:
    console.draft()
    answer = freeze(console, version="0" * 64)
    assert answer.status_code == 409
    assert "read it again" in answer.text


def test_a_severe_finding_is_rejected_by_two(console: DeskConsole) -> None:
    console.draft()
    visitor = console.visitor()
    answer = visitor.send(
        "/drafts/D1/reject", "/drafts/D1", reason="Known work or permit", note="dredger", version=version(console)
    )
    assert answer.headers["location"] == "/acts/A1"
    visitor.send("/acts/A1/sign", "/acts/A1", passphrase=PASSPHRASE)
    console.visitor("o2").send("/acts/A1/sign", "/acts/A1", passphrase=PASSPHRASE)
    rejected = console.do(lambda c: drafts.get(c, "D1"))
    assert (rejected.state, rejected.reason) == (drafts.REJECTED, "Known work or permit; dredger")


def test_an_emergency_goes_out_alone_and_another_officer_checks_it(console: DeskConsole) -> None:
    console.draft(a_finding(mmsi="205000009"))
    freeze(console, tlp="green", emergency="tanker at the lock now")
    visitor = console.visitor("o1")
    assert visitor.send("/acts/A1/sign", "/acts/A1", passphrase=PASSPHRASE).headers["location"] == "/sent/D1"
    assert "Second check of an emergency" in console.visitor("o2").get("/").text
    assert "1 of 1 acts, 100 %" in console.visitor("o2").get("/acts").text
    second = console.visitor("o2")
    assert second.send("/acts/A1/check", "/acts/A1", reason="seen on radar").headers["location"] == "/acts/A2"
    assert second.send("/acts/A2/sign", "/acts/A2", passphrase=PASSPHRASE).status_code == 303
    assert console.do(lambda c: act_store.get(c, "A1")).checked_by == "o2"
    assert visitor.send("/acts/A1/check", "/acts/A1", reason="mine").status_code in {403, 409}


def test_whoever_looks_at_a_draft_is_named_and_another_may_take_over(console: DeskConsole) -> None:
    console.draft()
    console.visitor("o1").get("/drafts/D1")
    other = console.visitor("o2")
    assert "o1 is looking" in other.get("/").text
    shown = other.get("/drafts/D1").text
    assert "Take over" in shown
    assert "Freeze and sign" not in shown
    other.send("/drafts/D1/take-over", "/drafts/D1")
    assert "Freeze and sign" in other.get("/drafts/D1").text
    assert "take-over" in console.audit()


def test_each_reader_is_shown_exactly_what_it_would_receive(console: DeskConsole) -> None:
    console.draft()
    freeze(console)
    act = console.do(lambda c: act_store.get(c, "A1"))
    visitor = console.visitor()
    shown = visitor.get("/acts/A1/seen-by/north-sea-port").text
    assert "Cloned identity" in shown
    assert act.parts[0].objects[0].body.decode()[:20].replace('"', "&#34;") in shown
    hidden = visitor.get("/acts/A1/seen-by/belgg").text
    assert "Nothing at all" in hidden
    assert "Cloned identity" not in hidden
    assert visitor.get("/acts/A1/seen-by/nobody").status_code == 404


def test_an_officer_shortens_how_long_it_is_valid(console: DeskConsole) -> None:
    console.draft()
    freeze(console, hours="24")
    act = console.do(lambda c: act_store.get(c, "A1"))
    until = orjson.loads(act.parts[0].objects[0].body)["valid_until"]
    assert datetime.fromisoformat(until) == console.context.now + timedelta(hours=24)
    answer = console.visitor("o1").send("/drafts/D1/readers", "/drafts/D1", **CHOICE, hours="25")
    assert answer.status_code == 400


def test_positions_in_the_evidence_are_drawn_and_stand_in_a_table(console: DeskConsole) -> None:
    finding = a_finding()
    heard = [evidence_line(line, NOW) for line in (b"!AIVDM,1,1,,A,13u?etPv2;0n:dDPwUM1U1Cb069D,0*24", b"no AIS")]
    console.draft(replace(finding, evidence=tuple(heard)))
    text = console.visitor().get("/drafts/D1").text
    assert "Positions in the evidence" in text
    assert 'id="evidence-map"' in text
    assert "265547250" in text


def test_several_drafts_are_rejected_with_one_signature_and_the_severe_one_stays(console: DeskConsole) -> None:
    for number, severity in enumerate((Severity.LOW, Severity.MEDIUM, Severity.HIGH)):
        console.draft(a_finding(mmsi=f"20500000{number}", severity=severity))
    visitor = console.visitor()
    rows = ["draft-D1", "draft-D2", "draft-D3", "alarm-1-1"]
    answer = visitor.send("/queue/reject", "/", row=rows, reason="Known work or permit")
    assert answer.headers["location"] == "/acts/A1?left=D3"
    shown = visitor.get(answer.headers["location"]).text
    assert "1 stays on the desk" in shown
    assert 'href="/drafts/D2"' in shown
    assert len(console.do(drafts.listed)) == 3, "nothing is rejected before it is signed"
    visitor.send("/acts/A1/sign", "/acts/A1", passphrase=PASSPHRASE)
    assert [one.id for one in console.do(drafts.listed)] == ["D3"]
    for ident in ("D1", "D2"):
        lines = console.do(lambda c, i=ident: store.audit_lines(c, subject=i))
        assert [(line.action, line.officer) for line in lines] == [("reject", "o1")]
    (whole,) = [one for one in console.do(lambda c: store.audit_lines(c, subject="D1 D2")) if one.signature]
    review.verify_line(whole, console.fed.roster)


def test_what_two_officers_reject_is_not_rejected_in_a_row(console: DeskConsole) -> None:
    console.draft()
    answer = console.visitor().send("/queue/reject", "/", row="draft-D1", reason="Not ours")
    assert answer.status_code == 409
    assert "two officers reject each on its own page" in answer.text
    assert console.visitor().send("/queue/reject", "/", row="level-4", reason="Not ours").status_code == 409
    assert console.do(act_store.listed) == []


def test_a_draft_that_changed_meanwhile_brings_all_of_a_row_back(console: DeskConsole) -> None:
    for number in (1, 2):
        console.draft(a_finding(mmsi=f"20500000{number}", severity=Severity.LOW))
    visitor = console.visitor()
    visitor.send("/queue/reject", "/", row=["draft-D1", "draft-D2"], reason="Exercise")
    later = a_finding().found_at + timedelta(minutes=9)
    console.draft(a_finding(mmsi="205000002", severity=Severity.HIGH, at=later))
    visitor.send("/acts/A1/sign", "/acts/A1", passphrase=PASSPHRASE)
    assert console.do(lambda c: act_store.get(c, "A1")).state == act_store.RETURNED
    assert console.do(lambda c: drafts.get(c, "D1")).state == drafts.OPEN


def test_a_look_is_kept_over_a_restart_and_ends_with_the_decision(console: DeskConsole) -> None:
    console.draft()
    console.visitor("o1").get("/drafts/D1")
    (item,) = console.do(lambda c: desk_items.items(c, console.context.now)).needs_decision
    assert item.looking == "o1"
    console.visitor("b2").get("/drafts/D1")
    (item,) = console.do(lambda c: desk_items.items(c, console.context.now)).needs_decision
    assert item.looking == "o1", "who may not decide takes no draft"


def test_clocks_of_acts_run_on_the_desk_and_on_their_pages(console: DeskConsole) -> None:
    console.draft(a_finding(mmsi="205000009"))
    freeze(console, tlp="green", emergency="tanker at the lock now")
    visitor = console.visitor("o1")
    for path in ("/", "/acts", "/acts/A1", "/acts/A1/state"):
        assert 'data-left="14400"' in visitor.get(path).text, path
    visitor.send("/acts/A1/sign", "/acts/A1", passphrase=PASSPHRASE)
    console.fed.clock.advance(60)
    for path in ("/", "/acts", "/acts/A1", "/acts/A1/state"):
        assert 'data-left="1740"' in visitor.get(path).text, path
        assert "29:00 left" in visitor.get(path).text, path


def test_what_changes_of_an_act_is_read_again_by_itself(console: DeskConsole) -> None:
    console.draft()
    freeze(console, personal="yes", purpose="isps")
    other = console.visitor("o2")
    assert "o1 prepared this and signs it first." in other.get("/acts/A1/now").text
    console.visitor("o1").send("/acts/A1/sign", "/acts/A1", passphrase=PASSPHRASE)
    piece = other.get("/acts/A1/now").text
    assert "<html" not in piece
    assert "Sign and publish" in piece
    assert "1 officer must still sign" in other.get("/acts/A1/state").text
