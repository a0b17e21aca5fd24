"""Sign-in in a real browser with a virtual authenticator: enrol, sign in, confirm, and what must not work."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from port2port import keys
from port2port.console import accounts, demo, passkeys
from port2port.console.roles import Role
from tests.fakes.browser import Watched, opened
from tests.fakes.console import running
from tests.fakes.signin import SignedConsole, served_console

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[SignedConsole]:
    with served_console(tmp_path) as made:
        yield made


def authenticator(watched: Watched, **changes: Any) -> tuple[Any, str]:
    """A device with a finger on it; gives the way to talk to it and its id."""
    session = watched.context.new_cdp_session(watched.page)
    session.send("WebAuthn.enable")
    made = session.send("WebAuthn.addVirtualAuthenticator", {"options": {**AUTHENTICATOR, **changes}})
    return session, made["authenticatorId"]


def enrol(watched: Watched, link: str) -> None:
    watched.go(f"/enrol#{link}")
    watched.page.get_by_label("Name of this device").fill("desk 3")
    watched.page.get_by_role("button", name="Make a passkey").click()
    expect(watched.page.get_by_role("heading", level=1)).to_have_text("Recovery codes")


def test_an_officer_enrols_signs_out_and_in_with_one_touch(chromium: Browser, desk: SignedConsole) -> None:
    link = desk.link()
    with running(desk.parts) as origin, opened(chromium, origin) as watched:
        authenticator(watched)
        enrol(watched, link)
        assert link not in watched.page.url
        assert watched.page.locator("ol.codes li").count() == 8
        cookie = next(one for one in watched.context.cookies() if one["name"] == "__Host-p2p")
        assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Strict")
        watched.go("/me")
        watched.page.get_by_role("button", name="Sign out").click()
        expect(watched.page.get_by_role("heading", level=1)).to_have_text("Sign in")
        watched.go("/sign-in?next=/me")
        watched.page.keyboard.press("Enter")
        expect(watched.page.get_by_role("heading", level=1)).to_have_text("My page")
    account = desk.do(lambda c: accounts.by_pseudonym(c, "A-17"))
    [passkey] = desk.do(lambda c: passkeys.of_account(c, account.id))
    assert passkey.name == "desk 3"
    assert passkey.record.key_id == keys.key_id_of(passkey.public, scheme="webauthn-es256")


def test_an_admin_confirms_a_link_with_a_touch_and_another_browser_enrols(
    chromium: Browser, desk: SignedConsole
) -> None:
    with running(desk.parts) as origin, opened(chromium, origin) as watched:
        authenticator(watched)
        enrol(watched, desk.link("D-01"))
        watched.go("/accounts")
        watched.page.get_by_label("Pseudonym").fill("B-02")
        watched.page.get_by_role("button", name="Make a one-time link").click()
        shown = watched.page.get_by_text(re.compile(r"/enrol#"))
        expect(shown).to_be_visible()
        link = shown.inner_text().partition("#")[2]
        row = next(row for row in desk.audit.rows if row[1] == "account-link")
        assert row[3]["key_id"]
        with opened(chromium, origin) as other:
            authenticator(other)
            enrol(other, link)
    made = desk.do(lambda c: accounts.by_pseudonym(c, "B-02"))
    assert made.roles == frozenset({Role.VIEWER, Role.OFFICER})


def test_whoever_declines_is_told_what_to_do_and_nothing_changes(chromium: Browser, desk: SignedConsole) -> None:
    with running(desk.parts) as origin, opened(chromium, origin) as watched:
        session, device = authenticator(watched)
        enrol(watched, desk.link("D-01"))
        session.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": False})
        watched.go("/accounts")
        watched.page.get_by_label("Pseudonym").fill("B-02")
        watched.page.get_by_role("button", name="Make a one-time link").click()
        expect(watched.page.get_by_role("alert").filter(has_text="Nothing was sent")).to_be_visible()
        assert watched.page.url.endswith("/accounts")
        session.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": True})
        watched.page.get_by_role("button", name="Make a one-time link").click()
        expect(watched.page.get_by_text(re.compile(r"/enrol#"))).to_be_visible()


def test_a_passkey_of_another_address_is_neither_offered_nor_accepted(chromium: Browser, desk: SignedConsole) -> None:
    with running(desk.parts) as origin, opened(chromium, origin) as watched:
        session, device = authenticator(watched)
        enrol(watched, desk.link())
        found = session.send("WebAuthn.getCredentials", {"authenticatorId": device})["credentials"]
        assert [one["rpId"] for one in found] == ["localhost"]
        session.send("WebAuthn.clearCredentials", {"authenticatorId": device})
        session.send(
            "WebAuthn.addCredential", {"authenticatorId": device, "credential": {**found[0], "rpId": "evil.example"}}
        )
        watched.context.clear_cookies()
        watched.go("/sign-in")
        watched.page.get_by_role("button", name="Sign in with a passkey").click()
        expect(watched.page.get_by_role("alert").filter(has_text="Nothing was sent")).to_be_visible()
        refused = watched.page.evaluate(
            "async () => { try { await navigator.credentials.get({publicKey: {rpId: 'evil.example',"
            " challenge: new Uint8Array(32)}}); return ''; } catch (error) { return error.name; } }"
        )
        assert refused == "SecurityError"


@pytest.mark.parametrize("language", ["nl", "fr", "de", "en"])
def test_every_page_of_sign_in_is_clean_in_every_language(chromium: Browser, tmp_path: Path, language: str) -> None:
    with (
        served_console(tmp_path, demo=True, people=demo.AT_A_NODE) as desk,
        running(desk.parts) as origin,
        opened(chromium, origin, locale=language) as watched,
    ):
        for one in demo.AT_A_NODE:
            desk.account(one.pseudonym, *one.roles)
        for path in ("/sign-in", "/enrol", "/me", "/accounts"):
            if path == "/me":
                watched.go("/sign-in?next=/me")
                watched.page.locator('form:has(input[value="D-01"]) button').click()
                watched.page.wait_for_url("**/me")
            watched.page.set_viewport_size({"width": 1280, "height": 800})
            watched.go(path)
            for closed in watched.page.locator("main details").all():
                closed.evaluate("(each) => { each.open = true; }")
            assert watched.axe() == []
            assert watched.small_targets() == []
            watched.screenshot(f"signin{path.replace('/', '-')}-{language}", tmp_path)
            assert watched.overflow() == []
            watched.screenshot(f"signin{path.replace('/', '-')}-{language}-narrow", tmp_path)


def test_without_scripts_a_password_with_a_code_lets_a_person_in(chromium: Browser, desk: SignedConsole) -> None:
    import pyotp

    link = desk.link()
    with running(desk.parts) as origin:
        context = chromium.new_context(java_script_enabled=False, locale="en-GB")
        page = context.new_page()
        page.goto(f"{origin}/enrol")
        page.get_by_text("This device has no passkey").click()
        form = page.locator('form[action="/enrol/password"]')
        form.get_by_label("Code of the link").fill(link)
        form.get_by_label("Password").fill("a sentence that nobody guesses")
        form.get_by_label("The six digits").fill(pyotp.TOTP(form.locator("code.secret").inner_text()).now())
        form.get_by_role("button", name="Enrol").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Recovery codes")
        context.close()
