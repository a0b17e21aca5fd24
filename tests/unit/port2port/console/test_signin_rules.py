"""The rules of sign-in by themselves: tries, sessions, settings of a person, passwords, codes, where a link leads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from port2port.console import accounts, attempts, challenges, links, local, passkeys, sessions
from port2port.console.attempts import TooManyTriesError
from port2port.console.local import Passwords
from port2port.console.passkeys import Answer
from port2port.console.people import safe_next
from port2port.console.roles import Role, parse_roles, spell_roles
from port2port.console.signin.visitors import Visitors
from port2port.errors import BackpressureError, MalformedError
from tests.fakes.signin import MEMBER, SignedConsole, cheap_passwords, code_of, console

DESK = "192.0.2.7"


@pytest.fixture
def desk() -> Iterator[SignedConsole]:
    with console() as made:
        yield made


def test_each_failure_doubles_the_delay_up_to_a_quarter_of_an_hour() -> None:
    assert [attempts.delay_s(n) for n in range(1, 15)] == [0, 0, 0, 0, 5, 10, 20, 40, 80, 160, 320, 640, 900, 900]
    assert attempts.delay_s(10**9) == 900


def test_a_name_is_remembered_for_a_day_and_then_forgotten(desk: SignedConsole) -> None:
    for _ in range(5):
        desk.do(lambda c: attempts.charge_account(c, "A-17", DESK, desk.clock.now()))
    assert desk.do(lambda c: attempts.sweep(c, desk.clock.now())) == 0
    desk.clock.advance(24 * 3600)
    assert desk.do(lambda c: attempts.sweep(c, desk.clock.now())) == 1


def test_a_try_that_succeeds_forgets_the_failures_before(desk: SignedConsole) -> None:
    for _ in range(3):
        for _ in range(4):
            desk.do(lambda c: attempts.charge_account(c, "A-17", DESK, desk.clock.now()))
        desk.do(lambda c: attempts.clear(c, "a-17", DESK, desk.clock.now()))


def tried(desk: SignedConsole, address: str, name: str = "A-17") -> None:
    desk.do(lambda c: attempts.charge_account(c, name, address, desk.clock.now()))


def test_who_tries_a_name_elsewhere_does_not_lock_it_out_at_its_own_desk(desk: SignedConsole) -> None:
    desk.do(lambda c: attempts.clear(c, "A-17", DESK, desk.clock.now()))
    for at in range(5):
        tried(desk, f"192.0.2.{at}")
    with pytest.raises(TooManyTriesError):
        tried(desk, "192.0.2.99")
    for _ in range(5):
        tried(desk, DESK, "a-17")
    with pytest.raises(TooManyTriesError):
        tried(desk, DESK)


def test_an_address_is_a_names_own_for_thirty_days(desk: SignedConsole) -> None:
    desk.do(lambda c: attempts.clear(c, "A-17", DESK, desk.clock.now()))
    desk.clock.advance(30 * 24 * 3600 - 1)
    assert desk.do(lambda c: attempts.sweep(c, desk.clock.now())) == 0
    desk.clock.advance(1)
    for _ in range(5):
        tried(desk, "192.0.2.1")
    with pytest.raises(TooManyTriesError):
        tried(desk, DESK)
    assert desk.do(lambda c: attempts.sweep(c, desk.clock.now())) == 1


@pytest.mark.parametrize("path", ["/live", "/static/x/y.css"])
def test_neither_a_stream_nor_a_file_keeps_a_session_alive(desk: SignedConsole, path: str) -> None:
    account = desk.account()
    secret = desk.session(account.id)
    client = TestClient(Visitors(PlainTextResponse("ok"), signin=desk.signin))
    client.cookies.set(sessions.COOKIE, secret)
    desk.clock.advance(20 * 60)
    client.get(path)
    desk.clock.advance(10 * 60)
    assert desk.do(lambda c: sessions.find(c, secret, desk.clock.now())) is None


def test_what_is_over_is_swept(desk: SignedConsole) -> None:
    account = desk.account()
    desk.session(account.id)
    desk.session(account.id, display=True)
    desk.do(lambda c: challenges.give(c, name="n", purpose="p", account="", challenge=b"x", now=desk.clock.now()))
    desk.clock.advance(1_800)
    assert desk.do(lambda c: sessions.sweep(c, desk.clock.now())) == 1
    assert desk.do(lambda c: challenges.sweep(c, desk.clock.now())) == 1


def test_a_session_never_moves_back_in_time(desk: SignedConsole) -> None:
    account = desk.account()
    desk.session(account.id)
    [mine] = desk.do(lambda c: sessions.of_account(c, account.id, desk.clock.now()))
    desk.clock.step(-60)
    desk.do(lambda c: sessions.touch(c, mine.name, desk.clock.now()))
    [after] = desk.do(lambda c: sessions.of_account(c, account.id, desk.clock.now()))
    assert after.seen_ms == mine.seen_ms


@pytest.mark.parametrize("pseudonym", ["", " ", "Jan Peeters", "-a", "a-", "x" * 41, "é", "A\n17", "a/b"])
def test_a_pseudonym_has_a_plain_spelling(desk: SignedConsole, pseudonym: str) -> None:
    with pytest.raises(MalformedError):
        desk.do(
            lambda c: accounts.create(
                c, pseudonym=pseudonym, member=MEMBER, roles=frozenset({Role.VIEWER}), now=desk.clock.now()
            )
        )


def test_two_accounts_do_not_differ_by_capitals_alone(desk: SignedConsole) -> None:
    desk.account("A-17")
    with pytest.raises(accounts.PseudonymTakenError):
        desk.account("a-17")
    with pytest.raises(accounts.PseudonymTakenError):
        desk.link("a-17")


def test_a_person_keeps_a_bounded_number_of_settings(desk: SignedConsole) -> None:
    account = desk.account()
    desk.do(lambda c: [accounts.prefer(c, account.id, f"view.{n}", "x") for n in range(100)])
    desk.do(lambda c: accounts.prefer(c, account.id, "view.7", "y"))
    with pytest.raises(MalformedError):
        desk.do(lambda c: accounts.prefer(c, account.id, "one.more", "x"))
    with pytest.raises(MalformedError):
        desk.do(lambda c: accounts.prefer(c, account.id, "view.1", "x" * 8_001))
    with pytest.raises(MalformedError):
        desk.do(lambda c: accounts.prefer(c, account.id, "theme", "pink"))
    desk.do(lambda c: accounts.prefer(c, account.id, "view.7", ""))
    assert len(desk.do(lambda c: accounts.preferences(c, account.id))) == 99


def test_passwords_are_argon2id_with_the_librarys_own_defaults() -> None:
    passwords = Passwords()
    try:
        stored = asyncio.run(passwords.hash("a sentence that nobody guesses"))
    finally:
        passwords.close()
    assert stored.startswith("$argon2id$v=19$")
    assert not PasswordHasher().check_needs_rehash(stored)


def test_few_may_wait_for_the_one_thread_that_hashes() -> None:
    passwords = cheap_passwords()

    async def crowd() -> list[object]:
        tries = [passwords.verify("", "x" * 20) for _ in range(local.WAITING_MAX + 4)]
        return await asyncio.gather(*tries, return_exceptions=True)

    answers = asyncio.run(crowd())
    passwords.close()
    assert sum(isinstance(answer, BackpressureError) for answer in answers) == 4
    assert answers.count(False) == local.WAITING_MAX


@pytest.mark.parametrize("length", [0, 14, 201])
def test_a_password_is_long_and_not_endless(length: int) -> None:
    passwords = cheap_passwords()
    with pytest.raises(MalformedError):
        asyncio.run(passwords.hash("x" * length))
    passwords.close()


@pytest.mark.parametrize(("late_s", "fits"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_a_code_is_good_for_its_step_and_the_neighbours(desk: SignedConsole, late_s: int, fits: bool) -> None:
    secret = local.new_totp_secret()
    code = code_of(secret, desk.clock)
    desk.clock.advance(late_s) if late_s > 0 else desk.clock.step(late_s)
    assert (local.totp_step(secret, f" {code[:3]} {code[3:]}", desk.clock.now()) is not None) is fits


@given(st.text(max_size=60))
def test_any_text_is_a_code_that_fits_or_does_not(text: str) -> None:
    from tests.fakes.clock import FakeClock

    assert local.totp_step("", text, FakeClock().now()) is None


def test_the_picture_of_a_secret_is_an_image_and_nothing_else() -> None:
    assert local.totp_picture("A" * 32, pseudonym="A-17", issuer="x").startswith("data:image/svg+xml")


def test_new_recovery_codes_replace_the_old_ones(desk: SignedConsole) -> None:
    account = desk.account()
    old = desk.do(lambda c: local.new_recovery_codes(c, account.id))
    new = desk.do(lambda c: local.new_recovery_codes(c, account.id))
    assert desk.do(lambda c: local.use_recovery_code(c, account.id, old[0])) is False
    assert desk.do(lambda c: local.use_recovery_code(c, "another", new[0])) is False
    assert desk.do(lambda c: local.use_recovery_code(c, account.id, new[0])) is True
    assert desk.do(lambda c: local.recovery_codes_left(c, account.id)) == 7


@given(st.text(max_size=200))
def test_a_page_to_go_on_to_is_always_our_own(text: str) -> None:
    where = safe_next(text)
    assert where.startswith("/")
    assert not where.startswith(("//", "/\\"))
    assert "\\" not in where


@given(st.sets(st.sampled_from(list(Role))))
def test_roles_are_spelled_and_read_back(roles: set[Role]) -> None:
    assert parse_roles(spell_roles(frozenset(roles))) == roles


@given(st.text(max_size=300) | st.recursive(st.none() | st.text(), st.lists).map(str))
def test_any_text_is_a_passkeys_answer_or_malformed(text: str) -> None:
    with contextlib.suppress(MalformedError):
        assert isinstance(passkeys.parse_answer(text), Answer)


def test_a_links_secret_is_in_the_part_of_the_address_that_browsers_send_to_nobody() -> None:
    assert links.address("https://console.example", "s3cret") == "https://console.example/enrol#s3cret"
