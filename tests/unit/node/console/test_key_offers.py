"""An officer's passkey on its way into the roster, from his own page; and what becomes of it when it is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from node import officers, store
from node.console import key_offers
from port2port import key_request
from port2port.console import accounts, passkeys
from port2port.console.people import Person
from port2port.console.roles import Role
from tests.fakes.authenticator import Authenticator
from tests.fakes.clock import FakeClock
from tests.fakes.desk_console import DeskConsole, DeskVisitor, desk_console
from tests.fakes.signin import console as plain_console

if TYPE_CHECKING:
    from pathlib import Path

HUB_AWAY = "The hub does not answer"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskConsole]:
    with desk_console(tmp_path_factory.mktemp("desk")) as made:
        yield made


class Newcomer:
    """An officer who has just made a passkey, signed in in a browser."""

    def __init__(self, desk: DeskConsole, pseudonym: str, number: int, *roles: Role) -> None:
        self.desk, self.pseudonym = desk, pseudonym
        self.device = Authenticator(number, origin=desk.context.console.origin)
        self.visitor: DeskVisitor = desk.visitor(pseudonym, *roles)
        made = self.visitor.send("/me/passkeys/options", "/me").json()
        answer = self.device.make(made["options"])
        self.visitor.send("/me/passkeys/add", "/me", ticket=made["ticket"], assertion=answer, name="desk 3")
        account = desk.do(lambda c: accounts.by_pseudonym(c, pseudonym))
        assert account is not None
        self.account = account
        [self.passkey] = desk.do(lambda c: passkeys.of_account(c, account.id))

    def offer(self, **changes: Any) -> Any:
        options = self.visitor.send("/me/keys/options", "/me", key=self.passkey.key_id)
        answer = self.device.sign(json.dumps(options.json()), **changes)
        return self.visitor.send("/me/keys/offer", "/me", key=self.passkey.key_id, assertion=answer)

    def page(self) -> str:
        return str(self.visitor.get("/me").text)

    def state(self) -> str:
        desk = self.desk
        found = desk.do(lambda c: officers.listed(c, desk.context.roster(), desk.context.member, now=desk.context.now))
        return next(one.state for one in found if one.key_id == self.passkey.key_id)


def test_a_passkey_goes_from_its_owners_page_into_the_roster(shared: DeskConsole) -> None:
    officer = Newcomer(shared, "o7", 71)
    assert "Let it sign for this port" in officer.page()
    assert officer.state() == officers.NOT_OFFERED
    assert officer.offer().status_code == 303
    request = shared.hub.offered[-1]
    assert [item.pseudonym for item in request.keys] == ["o7"]
    assert request.keys[0].public == officer.passkey.record
    key_request.require_sound(request, shared.fed.roster)
    page = officer.page()
    assert "waiting for the coordinators" in page
    assert request.fingerprint in page
    assert "Let it sign for this port" not in page
    shared.to_roster(officer.passkey, "o7")
    page = officer.page()
    assert "in force until" in page
    assert request.fingerprint not in page
    assert {"offer-key", "key-offered"} <= set(shared.audit())


def test_a_hub_that_is_away_loses_nothing(shared: DeskConsole) -> None:
    officer = Newcomer(shared, "o8", 72)
    shared.hub.refuse_connections = 1
    answer = officer.offer()
    assert answer.status_code == 503
    assert HUB_AWAY in answer.text
    assert "the hub has not taken the offer yet" in answer.text
    assert officer.passkey.key_id in shared.do(store.own_keys)
    assert "key-not-taken" in shared.audit()
    assert officer.offer().status_code == 303
    assert "waiting for the coordinators" in officer.page()
    offered = [one.fingerprint for one in shared.hub.offered if one.keys[0].public == officer.passkey.record]
    assert len(offered) == 1


def test_only_the_owner_of_a_passkey_offers_it(shared: DeskConsole) -> None:
    officer, other = Newcomer(shared, "o9", 73), Newcomer(shared, "o10", 74)
    theirs = officer.passkey.key_id
    assert other.visitor.send("/me/keys/options", "/me", key=theirs).status_code == 404
    assert other.visitor.send("/me/keys/offer", "/me", key=theirs, assertion="{}").status_code == 404
    assert other.visitor.send("/me/keys/lost", "/me", key=theirs).status_code == 404
    assert theirs not in other.page()
    assert officer.state() == officers.NOT_OFFERED


@pytest.mark.parametrize("lie", ["an answer given before", "another passkey of his", "at another address"])
def test_an_offer_that_the_passkey_itself_did_not_prove_goes_nowhere(shared: DeskConsole, lie: str) -> None:
    number = 80 + len(lie)
    officer = Newcomer(shared, f"o{number}", number)
    before = len(shared.hub.offered)
    send, key_id = officer.visitor.send, officer.passkey.key_id
    options = json.dumps(send("/me/keys/options", "/me", key=key_id).json())
    device, changes = officer.device, {}
    if lie == "another passkey of his":
        device = shared.passkey(officer.pseudonym, number + 50)
    elif lie == "at another address":
        changes = {"origin": "https://elsewhere.example"}
    answer = device.sign(options, **changes)
    if lie == "an answer given before":
        send("/me/keys/offer", "/me", key=key_id, assertion=answer)
        before = len(shared.hub.offered)
    again = send("/me/keys/offer", "/me", key=key_id, assertion=answer)
    assert again.status_code == 400
    assert "nothing was offered" in again.text
    assert len(shared.hub.offered) == before


def test_who_signs_nothing_is_offered_nothing(shared: DeskConsole) -> None:
    admin = Newcomer(shared, "adm", 75, Role.ADMIN)
    page = admin.page()
    assert "Let it sign" not in page
    assert "/accounts/keys" in page
    assert admin.visitor.send("/me/keys/options", "/me", key=admin.passkey.key_id).status_code == 404
    viewer = shared.visitor("looker", Role.VIEWER)
    assert viewer.get("/accounts/keys").status_code == 404


def test_an_account_of_another_member_offers_nothing_for_this_port(shared: DeskConsole) -> None:
    roles = frozenset({Role.OFFICER, Role.APPROVER})
    shared.do(lambda c: accounts.create(c, pseudonym="guest", member="belgg", roles=roles, now=shared.context.now))
    guest = Newcomer(shared, "guest", 78)
    assert "Let it sign" not in guest.page()
    assert guest.visitor.send("/me/keys/options", "/me", key=guest.passkey.key_id).status_code == 404


def test_a_lost_key_signs_and_opens_nothing_more_here(shared: DeskConsole) -> None:
    officer = Newcomer(shared, "o11", 76)
    officer.offer()
    shared.to_roster(officer.passkey, "o11")
    member, roster, now = shared.context.member, shared.context.known_roster(), shared.context.now
    assert shared.do(lambda c: officers.usable(c, roster, member, "o11", now=now))
    assert officer.visitor.send("/me/keys/lost", "/me", key=officer.passkey.key_id).status_code == 303
    page = officer.page()
    assert "reported lost, not revoked yet" in page
    assert f"port2port coordinator revoke --key {officer.passkey.key_id}" in page
    assert shared.do(lambda c: officers.usable(c, roster, member, "o11", now=now)) == []
    assert shared.do(lambda c: passkeys.of_account(c, officer.account.id)) == []
    assert "key-lost" in shared.audit()
    shared.harbour.feed.log(shared.fed.revoke_key(officer.passkey.key_id))
    shared.pull()
    assert officer.state() == officers.REVOKED


def test_open_pages_are_told_when_a_key_comes_into_force_and_only_those_who_have_such_a_page(
    shared: DeskConsole,
) -> None:
    officer = Newcomer(shared, "o13", 79)
    officer.offer()
    desk, clock = shared.context, shared.fed.clock

    def heard() -> list[Any]:
        return [one.to for one in desk.live._ring if one.topic == key_offers.TOPIC]

    async def story() -> None:
        task = asyncio.create_task(key_offers.feed(desk))
        for _ in range(3):
            await settled(clock)
        assert heard() == []
        await asyncio.to_thread(shared.to_roster, officer.passkey, "o13")
        for _ in range(3):
            await settled(clock)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def settled(clock: FakeClock) -> None:
        clock.advance(2)
        for _ in range(40):
            await asyncio.sleep(0.002)

    desk.live.readers += 1
    asyncio.run(story())
    desk.live.readers -= 1
    [to] = heard()
    people = {role: officer_as(role) for role in Role}
    assert {role for role, person in people.items() if to(person)} == {Role.OFFICER, Role.APPROVER, Role.ADMIN}


def officer_as(role: Role) -> Person:
    return Person(account="x", pseudonym="x", member="beanr", roles=frozenset({role}), session="x")


def test_an_admin_reports_the_key_of_an_officer_who_cannot_come_in(shared: DeskConsole) -> None:
    officer = Newcomer(shared, "o12", 77)
    officer.offer()
    shared.to_roster(officer.passkey, "o12")
    admin = shared.visitor("adm2", Role.ADMIN)
    assert "o12" in admin.get("/accounts/keys").text
    assert admin.send("/accounts/keys/lost", "/accounts/keys", key="0" * 64).status_code == 404
    answer = admin.send("/accounts/keys/lost", "/accounts/keys", key=officer.passkey.key_id)
    assert answer.status_code == 303
    assert officer.state() == officers.LOST
    assert officer.visitor.get("/me").status_code == 303  # his sessions have ended


def test_a_session_of_long_ago_reports_nothing_lost(tmp_path: Path) -> None:
    with desk_console(tmp_path) as desk:
        visitor, admin = desk.visitor("o1"), desk.visitor("adm", Role.ADMIN)
        key_id = desk.fed.ports[desk.context.member].officer.key_id
        desk.fed.clock.advance(11 * 60)
        for who, page, path in ((visitor, "/me", "/me/keys/lost"), (admin, "/accounts/keys", "/accounts/keys/lost")):
            answer = who.send(path, page, key=key_id)
            assert answer.status_code == 403
            assert "Sign out and in again" in answer.text
        assert "key file" in visitor.get("/me").text
        assert officers.LOST not in {
            one.state
            for one in desk.do(
                lambda c: officers.listed(c, desk.context.roster(), desk.context.member, now=desk.context.now)
            )
        }


def test_a_console_that_signs_for_nobody_shows_nothing_of_it() -> None:
    with plain_console() as hub:
        visitor, device = hub.browser(), Authenticator()
        visitor.enrol(hub.link(), device)
        assert "sign for this port" not in visitor.get("/me").text
        assert visitor.get("/accounts/keys").status_code == 404
        assert visitor.post("/me/keys/offer", {"key": "x"}, page="/me").status_code == 404
