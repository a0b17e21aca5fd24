"""Letting a node in, and taking in a decision, are confirmed with a passkey over exactly what is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from hub.members import Peer
from hub.recovery.opening import LEASE_MS
from hub.tables import AUDIT, OPEN
from port2port.clock import to_ms
from port2port.console.roles import Role
from port2port.coordination import decode_proposal
from port2port.invitation import parse
from tests.fakes.authenticator import Authenticator
from tests.fakes.console import form_token
from tests.fakes.picture_console import PictureConsole, PictureVisitor, picture_console

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUSPEND = {"operation": "suspend-member", "reason": "left"}


@pytest.fixture
def console(tmp_path: Path) -> Iterator[PictureConsole]:
    with picture_console(tmp_path) as made:
        yield made


def actions(console: PictureConsole) -> list[str]:
    query = sa.select(AUDIT.c.event).order_by(AUDIT.c.id)
    return list(console.desk.store.database.read_now(lambda c: c.execute(query).scalars().all()))


def with_passkey(console: PictureConsole) -> tuple[PictureVisitor, Authenticator]:
    """A coordinator with a passkey at the hub's console."""
    visitor, key = console.visitor("beanr", Role.COORDINATOR, Role.ADMIN), Authenticator(7)
    given = visitor.post("/me/passkeys/options", page="/me").json()
    form = {"ticket": given["ticket"], "assertion": key.make(given["options"]), "name": "k"}
    assert visitor.post("/me/passkeys/add", form, page="/me").status_code == 303
    return visitor, key


def test_an_invitation_is_confirmed_with_a_passkey_over_what_is_sent(console: PictureConsole) -> None:
    visitor, key = with_passkey(console)

    def confirmed(**form: str) -> str:
        return str(key.sign(visitor.send("/members/confirm", "/members", **form).text))

    wanted = {"member": "port-of-ostend", "at": "/members/invite"}
    refused = visitor.send("/members/invite", "/members", **wanted)
    assert refused.status_code == 403
    assert "Not confirmed" in refused.text
    elsewhere = confirmed(**wanted)
    other = visitor.send("/members/invite", "/members", **{**wanted, "member": "belgg", "assertion": elsewhere})
    assert other.status_code == 403
    assert "member.invited" not in actions(console)
    given = visitor.send("/members/invite", "/members", **wanted, assertion=confirmed(**wanted))
    assert given.status_code == 200
    assert parse(given.content).member == "port-of-ostend"
    assert actions(console)[-3:] == ["member.confirmed", "invited", "member.invited"]


def test_what_was_confirmed_for_one_page_is_not_good_for_another(console: PictureConsole) -> None:
    visitor, key = with_passkey(console)
    form = {"member": "belgg", "at": "/members/admit"}
    answer = key.sign(visitor.send("/members/confirm", "/members", **form).text)
    assert visitor.send("/members/invite", "/members", **form, assertion=answer).status_code == 400
    assert "member.invited" not in actions(console)


def test_who_has_no_passkey_signs_in_again_before_letting_anybody_in(console: PictureConsole) -> None:
    visitor = console.visitor("beanr", Role.COORDINATOR)
    assert visitor.send("/members/confirm", "/members", member="belgg").text == "{}"
    console.desk.fed.clock.advance(601)
    refused = visitor.send("/members/invite", "/members", member="belgg", at="/members/invite")
    assert refused.status_code == 403
    assert "Sign out and in again first" in refused.text
    assert "member.invited" not in actions(console)


def test_a_signed_file_is_taken_in_confirmed_over_its_hash(console: PictureConsole) -> None:
    fed, (visitor, key) = console.desk.fed, with_passkey(console)
    until = to_ms(fed.clock.now()) + LEASE_MS
    lease = OPEN.insert().values(process="t", until_ms=until)
    console.desk.store.database.write_now(lambda c: c.execute(lease) and None)
    asked = visitor.send("/members/beanr/status", "/members/beanr/status?operation=suspend-member", **SUSPEND)
    signed = decode_proposal(asked.content).signed_by(fed.coordinator_keys[0]).envelope()
    token = {"form_token": form_token(visitor.get("/members").text), "at": "/members/admit"}

    def sent(path: str, raw: bytes, **more: str) -> Any:
        return visitor.client.post(path, data={**token, **more}, files={"file": ("x.p2p", raw)})

    before = console.desk.log.head().next
    answer = key.sign(sent("/members/confirm", b"another file").text)
    assert sent("/members/admit", signed, assertion=answer).status_code == 403
    assert sent("/members/admit", signed).status_code == 403
    assert console.desk.log.head().next == before
    broken = sa.text(
        "CREATE TRIGGER full BEFORE INSERT ON audit WHEN NEW.event = 'member.admit' BEGIN SELECT RAISE(ABORT, 'x'); END"
    )
    console.desk.store.database.write_now(lambda c: c.execute(broken) and None)
    answer = key.sign(sent("/members/confirm", signed).text)
    assert sent("/members/admit", signed, assertion=answer).status_code >= 500
    assert console.desk.log.head().next == before, "what is not written down is not done"
    console.desk.store.database.write_now(lambda c: c.execute(sa.text("DROP TRIGGER full")) and None)
    answer = key.sign(sent("/members/confirm", signed).text)
    assert "It is in the log as entry" in sent("/members/admit", signed, assertion=answer).text
    assert console.desk.log.head().next == before + 1
    assert "member.confirmed" in actions(console)


def test_a_suspension_counts_the_connections_that_it_would_cut(console: PictureConsole) -> None:
    visitor, path = console.visitor(), "/members/belgg/status?operation=suspend-member"
    assert "0 connections of its nodes are open now" in visitor.get(path).text
    peer = Peer(member="belgg", node=1, key_id=console.desk.fed.ports["belgg"].machine.key_id, serial="1")
    with console.context.streams.opened(peer, "Follow", limit=4):
        assert "1 connection of its nodes is open now" in visitor.get(path).text
        assert "0 connections" in visitor.get(path.replace("belgg", "north-sea-port")).text
