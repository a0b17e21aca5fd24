"""The pages of keys that sign, in a real browser: in every state they are accessible, fit, and say what to do next."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from node.console import key_offers
from port2port.console import accounts, passkeys
from tests.fakes.browser import Watched, opened
from tests.fakes.console import published, running
from tests.fakes.desk_console import served_desk

if TYPE_CHECKING:
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


def sign_in(watched: Watched, who: str, onward: str) -> None:
    watched.go(f"/sign-in?next={onward}")
    watched.page.get_by_role("button", name=re.compile(rf"^{who}\b")).click()
    watched.page.wait_for_url(lambda url: "/sign-in" not in url)
    watched.ready()


def main(watched: Watched) -> Any:
    return watched.page.locator("main")


def fits(watched: Watched) -> None:
    assert watched.axe() == []
    assert watched.overflow() == []
    watched.page.set_viewport_size({"width": 1280, "height": 800})


def test_an_officer_offers_his_passkey_sees_it_in_force_and_reports_it_lost(chromium: Browser, tmp_path: Path) -> None:
    with (
        served_desk(tmp_path) as desk,
        running(desk.parts) as origin,
        opened(chromium, origin) as watched,
        opened(chromium, origin) as admin,
    ):
        session = watched.context.new_cdp_session(watched.page)
        session.send("WebAuthn.enable")
        session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        sign_in(watched, "o1", "/me")
        watched.page.get_by_label("Name of the new passkey").fill("desk 3")
        watched.page.get_by_role("button", name="Add a passkey").click()
        expect(main(watched)).to_contain_text("not offered: it signs in, and signs nothing for this port")
        watched.ready()
        fits(watched)

        desk.hub.refuse_connections = 1
        watched.allowed.append("503")  # the hub is away: said on the page, and the browser notes the status
        watched.page.get_by_role("button", name="Let it sign for this port").click()
        expect(main(watched)).to_contain_text("The hub does not answer. Nothing is lost")
        expect(main(watched)).to_contain_text("the hub has not taken the offer yet")
        watched.ready()
        watched.page.get_by_role("button", name="Offer it again").click()
        expect(main(watched)).to_contain_text("waiting for the coordinators")
        expect(main(watched)).to_contain_text(desk.hub.offered[-1].fingerprint)
        watched.ready()
        watched.screenshot("my-key-waits", tmp_path)
        fits(watched)

        account = desk.do(lambda c: accounts.by_pseudonym(c, "o1"))
        assert account is not None
        [made] = desk.do(lambda c: passkeys.of_account(c, account.id))
        sign_in(admin, "d1", "/accounts/keys")
        expect(main(admin)).to_contain_text("o2")
        expect(main(admin)).to_contain_text("waiting for the coordinators")
        fits(admin)

        watched.go("/me")  # what axe has left on elements is gone
        for page in (watched, admin):
            page.page.evaluate("window.sameDocument = true")
        desk.to_roster(made, "o1")
        published(desk.parts, key_offers.TOPIC, {}, to=key_offers.may_hear)
        expect(main(watched)).to_contain_text("in force until")
        expect(main(watched)).not_to_contain_text("waiting for the coordinators")
        expect(main(admin)).not_to_contain_text("waiting for the coordinators")
        assert all(page.page.evaluate("window.sameDocument") for page in (watched, admin))
        fits(watched)

        watched.page.get_by_text("It is lost, or somebody else may have it").first.click()
        watched.page.get_by_role("button", name="Report it lost").first.click()
        expect(main(watched)).to_contain_text("reported lost, not revoked yet")
        expect(main(watched)).to_contain_text(f"port2port coordinator revoke --key {made.key_id}")
        watched.ready()
        watched.screenshot("my-key-lost", tmp_path)
        fits(watched)
