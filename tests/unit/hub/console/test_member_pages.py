"""The members' pages: who may look, who may prepare, and that nothing is decided without the coordinators' keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hub.console.member_pages import same_groups
from hub.desk_members import Waiting
from hub.enrolment import FURTHER_KEYS
from hub.recovery.opening import LEASE_MS
from hub.tables import AUDIT, JOIN_REQUEST, OPEN
from port2port import canonical, key_request
from port2port.cli import coordinator
from port2port.clock import to_ms
from port2port.console.roles import Role
from port2port.coordination import decode_proposal
from port2port.join_request import JoiningKey, JoinRequest
from port2port.keys import generate
from tests.fakes.passkey import Passkey
from tests.fakes.picture_console import PictureConsole, picture_console


@pytest.fixture
def console(tmp_path: Path) -> Iterator[PictureConsole]:
    with picture_console(tmp_path) as made:
        yield made


def actions(console: PictureConsole) -> list[str]:
    query = sa.select(AUDIT.c.event).order_by(AUDIT.c.id)
    return list(console.desk.store.database.read_now(lambda c: c.execute(query).scalars().all()))


def test_members_are_listed_and_one_is_shown_whole(console: PictureConsole) -> None:
    visitor = console.visitor("belgg", Role.VIEWER)
    listed = visitor.get("/members").text
    assert '<a href="/members/beanr">' in listed
    assert "/members/invite" not in listed
    one = visitor.get("/members/beanr").text
    for words in ("Identity", "Signing keys", "Certificates in force", "Delivery", "365"):
        assert words in one
    assert "Audit trail" not in one
    assert visitor.get("/members/nobody").status_code == 404
    assert "member.open" in actions(console)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OFFICER, Role.APPROVER, Role.AUDITOR])
def test_only_coordinators_and_admins_prepare(console: PictureConsole, role: Role) -> None:
    visitor = console.visitor("beanr", role)
    key = console.desk.fed.ports["beanr"].machine.key_id
    assert visitor.get(f"/members/beanr/revoke?key={key}").status_code == 404
    assert visitor.send("/members/invite", page="/me", member="x").status_code == 404


def test_an_invitation_is_a_file_for_one_node(console: PictureConsole) -> None:
    visitor = console.visitor()
    answer = visitor.send("/members/invite", page="/members", member="port-of-ghent")
    made = canonical.loads_object(answer.content.rstrip(b"\n"), limit=100_000)
    assert (made["member"], made["node"], made["genesis"]) == ("port-of-ghent", 1, console.context.genesis_hash)
    assert answer.headers["cache-control"] == "no-store"
    assert "member.invited" in actions(console)
    wrong = visitor.send("/members/invite", page="/members", member="Port of Ghent")
    assert wrong.status_code == 422
    assert 'id="f-member-error"' in wrong.text


def joining(console: PictureConsole) -> Waiting:
    fed = console.desk.fed
    key, witness = generate(), generate()
    request = JoinRequest(
        federation=fed.name,
        member="port-of-ghent",
        node=1,
        keys=(JoiningKey(public=key.record("machine")),),
        witness_key=witness.public,
    )
    now = fed.clock.now()
    row: dict[str, Any] = {
        "key_id": request.machine_key.key_id,
        "member": request.member,
        "node": 1,
        "offered": request.encode(now),
        "created_ms": to_ms(now),
    }
    console.desk.store.database.write_now(lambda c: c.execute(JOIN_REQUEST.insert().values(row)) and None)
    return Waiting(request=request, asked_at=now)


def test_an_approval_is_prepared_once_the_hidden_groups_were_typed(console: PictureConsole) -> None:
    waiting, visitor = joining(console), console.visitor()
    groups = waiting.fingerprint.split()
    shown = visitor.get("/members").text
    assert " ".join(groups[:-4]) in shown
    assert " ".join(groups[-4:]) not in shown
    named = "".join(groups[:3])
    wrong = visitor.send("/members/approve", page="/members", request=named, groups="0000 0000 0000 0000")
    assert wrong.status_code == 422
    assert "do not approve" in wrong.text
    right = visitor.send("/members/approve", page="/members", request=named, groups=" ".join(groups[-4:]).upper())
    assert right.content == waiting.file()
    assert actions(console)[-2:] == ["member.fingerprint.refused", "member.fingerprint.compared"]
    assert visitor.send("/members/approve", page="/members", request="f" * 12, groups="").status_code == 404
    assert not same_groups(waiting, "")


def test_an_offered_passkey_stands_on_its_members_page_with_the_next_step(console: PictureConsole) -> None:
    fed, device = console.desk.fed, Passkey(rp_id="desk.example")
    joining_key = JoiningKey(public=device.record("officer"), pseudonym="o7")
    request = key_request.offer(fed.name, "beanr", [joining_key], fed.ports["beanr"].machine)
    row = {
        "key_id": device.key_id,
        "member": "beanr",
        "node": FURTHER_KEYS,
        "offered": request.encode(fed.clock.now()),
        "created_ms": to_ms(fed.clock.now()),
    }
    console.desk.store.database.write_now(lambda c: c.execute(JOIN_REQUEST.insert().values(row)) and None)
    visitor, groups = console.visitor(), request.fingerprint.split()
    shown = visitor.get("/members/beanr").text
    assert "passkey of officer o7" in shown
    assert " ".join(groups[:-4]) in shown
    assert " ".join(groups[-2:]) not in shown
    named = "".join(groups[:3])
    assert f"port2port coordinator approve beanr-{named}.p2p-request" in shown
    assert "o7" not in visitor.get("/members/north-sea-port").text
    assert "passkey of officer" not in console.visitor("beanr", Role.VIEWER).get("/members/beanr").text
    answer = visitor.send("/members/approve", page="/members/beanr", request=named, groups=" ".join(groups[-4:]))
    assert key_request.decode(answer.content) == request
    console.desk.admit([fed.control("roster", [coordinator._added("beanr", joining_key, fed.clock)])])
    assert "passkey of officer o7" not in visitor.get("/members/beanr").text


def test_a_revocation_is_counted_prepared_signed_elsewhere_and_taken_in(console: PictureConsole) -> None:
    desk, fed, visitor = console.desk, console.desk.fed, console.visitor()
    desk.admit([fed.publish("beanr")])
    key = fed.ports["beanr"].machine.key_id
    path = f"/members/beanr/revoke?key={key}"
    text = visitor.get(path).text
    assert "1 entry that you may read stays valid." in text
    assert "last key of its class" in text
    assert "1 entry would be disputed." in visitor.get(f"{path}&day=2020-01-01&time=00:00").text
    no_reason = visitor.send("/members/beanr/revoke", page=path, key=key, reason="")
    assert no_reason.status_code == 422
    assert 'id="f-reason-error"' in no_reason.text
    answer = visitor.send("/members/beanr/revoke", page=path, key=key, reason="lost")
    assert "member.revoke-key.proposed" in actions(console)
    unsigned = admitted(console, visitor, answer.content)
    assert unsigned.status_code == 422
    assert "still needs signatures" in unsigned.text
    signed = decode_proposal(answer.content).signed_by(fed.coordinator_keys[0]).envelope()
    assert "no hub serves this log" in admitted(console, visitor, signed).text
    until = to_ms(fed.clock.now()) + LEASE_MS
    desk.store.database.write_now(lambda c: c.execute(OPEN.insert().values(process="test", until_ms=until)) and None)
    assert "It is in the log as entry 3." in admitted(console, visitor, signed).text


def admitted(console: PictureConsole, visitor: Any, raw: bytes) -> Any:
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', visitor.get("/members").text)
    assert found
    return visitor.client.post(
        "/members/admit", data={"form_token": found.group(1)}, files={"file": ("decision.p2p", raw)}
    )


def test_a_suspension_and_a_group_are_prepared_and_what_would_not_apply_is_said(console: PictureConsole) -> None:
    visitor = console.visitor()
    path = "/members/belgg/status?operation=suspend-member"
    made = visitor.send("/members/belgg/status", page=path, operation="suspend-member", reason="test")
    assert decode_proposal(made.content).parsed.kind == "roster"
    wrong = visitor.send("/members/group", page="/members", group="Sea Ports", members=["beanr"])
    assert wrong.status_code == 422
    assert "It would not apply" in wrong.text
    assert visitor.get("/members/belgg/status?operation=promote").status_code == 404
    group = visitor.send("/members/group", page="/members", group="seaports", members=["beanr", "belgg"])
    assert decode_proposal(group.content).parsed.kind == "group"
    empty = visitor.send("/members/group", page="/members", group="")
    assert empty.status_code == 422
    assert 'id="f-group-error"' in empty.text


def test_auditors_read_the_trail_and_leave_one(console: PictureConsole) -> None:
    console.visitor().get("/members/beanr")
    auditor = console.visitor("beanr", Role.AUDITOR)
    assert "member.open" in auditor.get("/audit").text
    assert "member.open" not in auditor.get("/audit?event=audit.read").text
    assert auditor.get(f"/audit?event={'x' * 200}").status_code == 400
    assert console.visitor("beanr", Role.COORDINATOR).get("/audit").status_code == 404
    assert actions(console).count("audit.read") == 2
