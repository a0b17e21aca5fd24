"""What is confirmed with a passkey, who may make accounts, and the persons of the demo."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from port2port import keys
from port2port.console import accounts, demo, passkeys, sessions, stepup
from port2port.console.challenges import ChallengeError
from port2port.console.passkeys import PasskeyError
from port2port.console.people import Person
from port2port.console.roles import Role
from port2port.console.stepup import NoPasskeyError
from tests.fakes.authenticator import Authenticator
from tests.fakes.signin import ALL_ROLES, SignedConsole, Visitor, console

MESSAGE = b"DSSEv1 the exact bytes that were shown"


@pytest.fixture
def desk() -> Iterator[SignedConsole]:
    with console() as made:
        yield made


def enrolled(desk: SignedConsole, pseudonym: str, key: Authenticator, roles: frozenset[Role] = ALL_ROLES) -> Visitor:
    visitor = desk.browser()
    assert visitor.enrol(desk.link(pseudonym, roles), key).status_code == 200
    return visitor


def person(desk: SignedConsole, pseudonym: str) -> Person:
    account = desk.do(lambda c: accounts.by_pseudonym(c, pseudonym))
    return Person(account=account.id, pseudonym=pseudonym, member="port-a", roles=account.roles, session="s")


def ask(desk: SignedConsole, who: Person, purpose: str = "publish", message: bytes = MESSAGE) -> str:
    digest = sha256(message).digest()
    signin = desk.signin
    return desk.do(
        lambda c: stepup.challenge(c, who, purpose=purpose, digest=digest, relying=signin.relying, now=desk.clock.now())
    )


def redeem(
    desk: SignedConsole, who: Person, answer: str, purpose: str = "publish", message: bytes = MESSAGE
) -> stepup.StepUp:
    return desk.do(
        lambda c: stepup.redeem(
            c,
            who,
            purpose=purpose,
            message=message,
            answer=answer,
            relying=desk.signin.relying,
            now=desk.clock.now(),
        )
    )


def test_a_step_up_signs_exactly_the_digest_and_everybody_can_check_it_later(desk: SignedConsole) -> None:
    key = Authenticator()
    enrolled(desk, "A-17", key)
    who = person(desk, "A-17")
    options = ask(desk, who)
    challenge = json.loads(options)["challenge"]
    assert challenge == keys.challenge_of(MESSAGE)
    done = redeem(desk, who, key.sign(options))
    record = keys.PublicKey.from_json(done.key.to_json())
    assert (record.scheme, record.key_class, record.rp_id) == ("webauthn-es256", "officer", "console.example")
    keys.verify(record, MESSAGE, done.signature)
    with pytest.raises(keys.SignatureError):
        keys.verify(record, MESSAGE + b".", done.signature)


@pytest.mark.parametrize(
    "lie", ["other message", "other purpose", "other person", "used before", "too late", "never asked"]
)
def test_a_step_up_is_bound_to_person_purpose_digest_and_moment(desk: SignedConsole, lie: str) -> None:
    key, other = Authenticator(), Authenticator(12)
    enrolled(desk, "A-17", key)
    enrolled(desk, "B-02", other)
    who = person(desk, "A-17")
    options = ask(desk, who)
    answer = key.sign(options)
    given: dict[str, Any] = {"who": who}
    if lie == "other message":
        given["message"] = MESSAGE + b" and one more recipient"
    elif lie == "other purpose":
        given["purpose"] = "retract"
    elif lie == "other person":
        given["who"] = person(desk, "B-02")
    elif lie == "used before":
        redeem(desk, who, answer)
    elif lie == "too late":
        desk.clock.advance(300)
    else:
        desk.do(lambda c: c.exec_driver_sql("DELETE FROM console_challenge"))
    with pytest.raises(ChallengeError):
        redeem(desk, given.pop("who"), answer, **given)


def test_a_step_up_with_somebody_elses_passkey_is_refused_and_stays_open(desk: SignedConsole) -> None:
    key, other = Authenticator(), Authenticator(12)
    enrolled(desk, "A-17", key)
    enrolled(desk, "B-02", other)
    who = person(desk, "A-17")
    options = ask(desk, who)
    with pytest.raises(PasskeyError, match="not yours"):
        redeem(desk, who, other.sign(options))
    redeem(desk, who, key.sign(options))


def test_a_step_up_at_another_relying_party_is_refused(desk: SignedConsole) -> None:
    key = Authenticator()
    enrolled(desk, "A-17", key)
    who = person(desk, "A-17")
    options = ask(desk, who)
    key.rp_id = "evil.example"
    with pytest.raises(PasskeyError):
        redeem(desk, who, key.sign(options))


def test_without_a_passkey_nothing_is_confirmed(desk: SignedConsole) -> None:
    desk.account("A-17")
    with pytest.raises(NoPasskeyError):
        ask(desk, person(desk, "A-17"))


def test_a_failing_act_uses_nothing_up(desk: SignedConsole) -> None:
    key = Authenticator()
    enrolled(desk, "A-17", key)
    who = person(desk, "A-17")
    answer = key.sign(ask(desk, who))

    def act(connection: Any) -> None:
        stepup.redeem(
            connection,
            who,
            purpose="publish",
            message=MESSAGE,
            answer=answer,
            relying=desk.signin.relying,
            now=desk.clock.now(),
        )
        raise KeyError("the act failed")

    with pytest.raises(KeyError):
        desk.do(act)
    redeem(desk, who, answer)


def change(visitor: Visitor, key: Authenticator, shown: dict[str, Any], sent: dict[str, Any] | None = None) -> Any:
    """An admin confirms what he was shown; ``sent`` is what then reaches the server."""
    options = visitor.post("/accounts/confirm", shown, page="/accounts").text
    form = {**(sent or shown), "assertion": key.sign(options)}
    return visitor.post("/accounts/change", form, page="/accounts")


def test_an_admin_makes_a_link_that_enrols_what_he_confirmed(desk: SignedConsole) -> None:
    key = Authenticator()
    visitor = enrolled(desk, "D-01", key)
    wanted = {"act": "link", "pseudonym": "A-17", "member": "port-a", "roles": ["officer", "viewer"]}
    answer = change(visitor, key, wanted)
    assert answer.status_code == 200
    secret = re.search(r"https://console\.example/enrol#([\w-]{43})", answer.text).group(1)
    assert desk.browser().enrol(secret, Authenticator(12)).status_code == 200
    assert person(desk, "A-17").roles == frozenset({Role.OFFICER, Role.VIEWER})
    who, action, subject, facts, _ = next(row for row in desk.audit.rows if row[1] == "account-link")
    assert (who, subject, facts["roles"]) == ("D-01", "A-17", "viewer officer")
    assert facts["key_id"]
    assert action


@pytest.mark.parametrize("field", ["pseudonym", "member", "roles", "act"])
def test_a_form_that_differs_from_what_was_confirmed_changes_nothing(desk: SignedConsole, field: str) -> None:
    key = Authenticator()
    visitor = enrolled(desk, "D-01", key)
    shown = {"act": "link", "pseudonym": "A-17", "member": "port-a", "roles": "officer"}
    other = {"pseudonym": "B-02", "member": "port-b", "roles": "admin", "act": "withdraw"}
    answer = change(visitor, key, shown, {**shown, field: other[field]})
    assert answer.status_code == 403
    assert "Not confirmed" in answer.text
    assert "enrol#" not in answer.text


def test_a_confirmation_is_not_good_for_the_same_act_later(desk: SignedConsole) -> None:
    key = Authenticator()
    visitor = enrolled(desk, "D-01", key)
    form = {"act": "link", "pseudonym": "A-17", "member": "port-a", "roles": "officer"}
    old = key.sign(visitor.post("/accounts/confirm", form, page="/accounts").text)
    assert visitor.post("/accounts/change", {**form, "assertion": old}, page="/accounts").status_code == 200
    visitor.post("/accounts/confirm", form, page="/accounts")
    again = visitor.post("/accounts/change", {**form, "assertion": old}, page="/accounts")
    assert again.status_code == 403


def test_new_roles_end_the_sessions_that_had_the_old_ones(desk: SignedConsole) -> None:
    key = Authenticator()
    admin = enrolled(desk, "D-01", key)
    account = desk.account("A-17", Role.APPROVER)
    officer = desk.browser().as_(desk.session(account.id))
    assert officer.get("/approve").status_code == 200
    assert change(admin, key, {"act": "roles", "account": account.id, "roles": "viewer"}).status_code == 303
    assert officer.get("/approve").status_code == 303


def test_an_admin_who_changes_his_own_roles_goes_on_under_a_new_id(desk: SignedConsole) -> None:
    key = Authenticator()
    admin = enrolled(desk, "D-01", key)
    before = admin.secret
    mine = person(desk, "D-01").account
    assert change(admin, key, {"act": "roles", "account": mine, "roles": "admin viewer"}).status_code == 303
    assert admin.secret not in {"", before}
    assert admin.get("/accounts").status_code == 200
    assert desk.browser().as_(before).get("/accounts").status_code == 303


def test_changing_ones_own_roles_is_no_sign_in(desk: SignedConsole) -> None:
    account = desk.account("D-01", Role.ADMIN, Role.VIEWER)
    visitor = desk.browser().as_(desk.session(account.id))
    form = {"act": "roles", "account": account.id, "roles": "admin viewer"}
    for _ in range(3):
        desk.clock.advance(190)
        assert visitor.post("/accounts/change", form, page="/accounts").status_code == 303
    desk.clock.advance(40)
    assert visitor.post("/accounts/change", form, page="/accounts").status_code == 403
    for _ in range(29):
        desk.clock.advance(1_470)
        visitor.get("/accounts")
    assert visitor.get("/accounts").status_code == 303


def test_changing_ones_own_roles_gives_a_bounded_session_no_more_than_it_had(desk: SignedConsole) -> None:
    account = desk.account("D-01", Role.ADMIN, Role.APPROVER)
    capped = desk.session(account.id, roles=frozenset({Role.ADMIN}))
    visitor = desk.browser().as_(capped)
    form = {"act": "roles", "account": account.id, "roles": "admin approver"}
    assert visitor.post("/accounts/change", form, page="/accounts").status_code == 303
    assert visitor.secret != capped
    assert visitor.get("/accounts").status_code == 200
    assert visitor.get("/approve").status_code == 404


def test_the_last_admin_stays_one(desk: SignedConsole) -> None:
    key = Authenticator()
    admin = enrolled(desk, "D-01", key)
    mine = person(desk, "D-01").account
    for form in ({"act": "roles", "account": mine, "roles": "viewer"}, {"act": "disable", "account": mine}):
        answer = change(admin, key, form)
        assert answer.status_code == 403
        assert "last account" in answer.text


def test_a_closed_account_opens_again_and_a_link_lets_it_enrol_another_device(desk: SignedConsole) -> None:
    key = Authenticator()
    admin = enrolled(desk, "D-01", key)
    account = desk.account("A-17", Role.OFFICER)
    assert change(admin, key, {"act": "disable", "account": account.id}).status_code == 303
    assert "closed" in admin.get("/accounts").text
    assert change(admin, key, {"act": "enable", "account": account.id}).status_code == 303
    answer = change(admin, key, {"act": "link", "account": account.id})
    secret = re.search(r"enrol#([\w-]{43})", answer.text).group(1)
    assert desk.browser().enrol(secret, Authenticator(13)).status_code == 200
    assert len(desk.do(lambda c: passkeys.of_account(c, account.id))) == 1
    assert change(admin, key, {"act": "end-sessions", "account": account.id}).status_code == 303
    assert desk.do(lambda c: sessions.of_account(c, account.id, desk.clock.now())) == []


def test_a_link_is_withdrawn(desk: SignedConsole) -> None:
    key = Authenticator()
    admin = enrolled(desk, "D-01", key)
    link = desk.link("A-17")
    digest = sessions.digest_of(link).hex()
    assert change(admin, key, {"act": "withdraw", "link": digest}).status_code == 303
    assert desk.browser().post("/enrol/options", {"link": link}, page="/enrol").status_code == 404


def test_an_admin_without_a_passkey_signs_in_again_first(desk: SignedConsole) -> None:
    account = desk.account("D-01", Role.ADMIN)
    visitor = desk.browser().as_(desk.session(account.id))
    form = {"act": "link", "pseudonym": "A-17", "member": "port-a", "roles": "officer"}
    assert visitor.post("/accounts/confirm", form, page="/accounts").text == "{}"
    assert visitor.post("/accounts/change", form, page="/accounts").status_code == 200
    desk.clock.advance(601)
    assert visitor.post("/accounts/change", form, page="/accounts").status_code == 403


def test_the_demo_offers_its_four_persons_on_this_machine_only() -> None:
    local = {"origin": "http://localhost:8443", "listen": "127.0.0.1:8443", "demo": True}
    with console(people=demo.AT_A_NODE, **local) as desk:
        for account in demo.AT_A_NODE:
            desk.do(
                lambda c, one=account: accounts.create(
                    c, pseudonym=one.pseudonym, member="port-a", roles=one.roles, now=desk.clock.now()
                )
            )
        here, elsewhere = desk.browser(), desk.browser()
        here.client._transport.client = ("127.0.0.1", 50_000)
        elsewhere.client._transport.client = ("192.0.2.7", 50_000)
        assert [here.get("/sign-in").text.count(f">{one.pseudonym}:") for one in demo.AT_A_NODE] == [1] * 4
        assert "/sign-in/demo" not in elsewhere.get("/sign-in").text
        assert elsewhere.post("/sign-in/demo", {"pseudonym": "A-17"}).status_code == 404
        assert here.post("/sign-in/demo", {"pseudonym": "Z-99"}).status_code == 404
        assert here.post("/sign-in/demo", {"pseudonym": "A-17"}).status_code == 303


def test_preparing_the_demo_twice_makes_each_person_once() -> None:
    import asyncio

    local = {"origin": "http://localhost:8443", "listen": "127.0.0.1:8443", "demo": True}
    with console(people=demo.AT_THE_HUB, **local) as desk:
        asyncio.run(desk.signin.prepare())
        asyncio.run(desk.signin.prepare())
        assert [one.pseudonym for one in desk.do(accounts.everybody)] == ["C-01", "C-02", "D-01", "R-05"]


def test_a_session_that_is_ended_is_told_to_the_live_stream_once_it_is_committed(desk: SignedConsole) -> None:
    told: list[set[str]] = []
    desk.signin.endings.tell = lambda names: told.append(set(names))
    admin_key = Authenticator()
    admin = enrolled(desk, "A-1", admin_key)
    account, other = desk.account("A-2"), desk.browser()
    other.as_(desk.session(account.id))
    names = {one.name for one in desk.do(lambda c: sessions.of_account(c, account.id, desk.clock.now()))}
    told.clear()
    change(admin, admin_key, {"act": "roles", "account": account.id, "roles": "viewer"})
    assert told == [names]
    assert other.get("/").status_code != 200
