"""Whole journeys in a real browser: a member is let in, a line breaks, and what is done at night without a mouse."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from hub.desk_members import Waiting
from hub.recovery.opening import LEASE_MS
from hub.tables import JOIN_REQUEST, OPEN
from node import drafts
from port2port.clock import to_ms
from port2port.join_request import JoiningKey, JoinRequest
from port2port.keys import generate
from tests.fakes.browser import Watched, opened
from tests.fakes.console import cut, running, served
from tests.fakes.desk_console import PASSPHRASE, DeskConsole, served_desk
from tests.fakes.picture_console import PictureConsole, served_picture
from tests.fakes.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator

pytestmark = pytest.mark.slow
MOST_TABS = 120


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[DeskConsole]:
    with served_desk(tmp_path) as made:
        yield made


@pytest.fixture
def picture(tmp_path: Path) -> Iterator[PictureConsole]:
    with served_picture(tmp_path) as made:
        yield made


def sign_in(watched: Watched, who: str) -> None:
    """With the keyboard: the person's button is reached by tabs."""
    watched.go("/sign-in")
    press(watched, watched.page.locator(f'form:has(input[value="{who}"]) button'))
    watched.page.wait_for_url(lambda url: "/sign-in" not in url)
    watched.ready()


def reach(watched: Watched, wanted: Locator) -> None:
    """Press Tab until this has the focus."""
    expect(wanted).to_be_visible()
    for _ in range(MOST_TABS):
        if wanted.evaluate("(each) => each === document.activeElement"):
            return
        watched.page.keyboard.press("Tab")
    raise AssertionError(f"{wanted} is not reached by {MOST_TABS} tabs")


def press(watched: Watched, wanted: Locator) -> None:
    """Reach it and press Enter."""
    reach(watched, wanted)
    watched.page.keyboard.press("Enter")


def heading(watched: Watched) -> Locator:
    return watched.page.get_by_role("heading", level=1)


def button(watched: Watched, name: str) -> Locator:
    return watched.page.get_by_role("button", name=name)


def test_a_draft_is_published_by_keyboard_alone(chromium: Browser, desk: DeskConsole) -> None:
    desk.draft()
    with running(desk.parts) as origin, opened(chromium, origin) as watched:
        sign_in(watched, "o1")
        watched.page.keyboard.press("j")
        watched.page.keyboard.press("Enter")
        expect(heading(watched)).to_contain_text("D1")
        watched.ready()
        press(watched, button(watched, "Freeze and sign"))
        field = watched.page.get_by_label("Passphrase of your key file")
        reach(watched, field)
        watched.page.keyboard.type(PASSPHRASE)
        watched.page.keyboard.press("Enter")
        expect(heading(watched)).to_contain_text("Sent")
    assert desk.do(lambda c: drafts.get(c, "D1")).state == drafts.PUBLISHED


def test_a_shift_is_handed_over_and_accepted_by_keyboard_alone(chromium: Browser, desk: DeskConsole) -> None:
    with running(desk.parts) as origin, opened(chromium, origin) as first, opened(chromium, origin) as second:
        for watched, who in ((first, "o1"), (second, "o2")):
            sign_in(watched, who)
        first.page.keyboard.press("g")
        first.page.keyboard.press("h")
        first.page.wait_for_url("**/shift")
        first.ready()
        reach(first, first.page.get_by_label("What no list shows, one line each"))
        first.page.keyboard.type("Crane 4 is dark.")
        press(first, button(first, "Hand over"))
        expect(first.page.get_by_text("It waits for the next officer.")).to_be_visible()
        second.page.keyboard.press("g")
        second.page.keyboard.press("h")
        second.page.wait_for_url("**/shift")
        second.ready()
        expect(second.page.get_by_text("Crane 4 is dark.")).to_be_visible()
        second.page.keyboard.press("a")
        expect(second.page.locator("#before-title + ul")).to_contain_text("o1 → o2")


def test_an_incident_is_opened_and_acknowledged_by_keyboard_alone(chromium: Browser, picture: PictureConsole) -> None:
    picture.desk.admit([picture.desk.fed.publish("beanr", handling="act")])
    with running(picture.parts) as origin, opened(chromium, origin) as watched:
        sign_in(watched, "C-01")
        watched.page.wait_for_selector("#map[data-drawn]")
        watched.page.keyboard.press("j")
        watched.page.keyboard.press("Enter")
        watched.page.wait_for_url(re.compile("item="))
        watched.page.wait_for_selector("#map[data-drawn]")
        press(watched, button(watched, "Open an incident"))
        watched.page.wait_for_url("**/incidents/*")
        watched.ready()
        press(watched, button(watched, "Take it on"))
        expect(watched.page.get_by_text("Taken on")).to_be_visible()


def asks_to_join(picture: PictureConsole) -> str:
    """A node asks, as it does over the wire; gives its fingerprint."""
    fed, key, witness = picture.desk.fed, generate(), generate()
    keys = (JoiningKey(public=key.record("machine")),)
    request = JoinRequest(federation=fed.name, member="port-of-ghent", node=1, keys=keys, witness_key=witness.public)
    now = fed.clock.now()
    row: dict[str, Any] = {"key_id": request.machine_key.key_id, "member": request.member, "node": 1}
    row |= {"offered": request.encode(now), "created_ms": to_ms(now)}
    lease = {"process": "t", "until_ms": to_ms(now) + LEASE_MS}

    def write(connection: Any) -> None:
        connection.execute(JOIN_REQUEST.insert().values(row))
        connection.execute(OPEN.insert().values(lease))

    picture.desk.store.database.write_now(write)
    return Waiting(request=request, asked_at=now).fingerprint


def test_a_member_is_invited_compared_approved_and_taken_in(
    chromium: Browser, picture: PictureConsole, tmp_path: Path
) -> None:
    fed = picture.desk.fed
    with running(picture.parts) as origin, opened(chromium, origin) as watched:
        page = watched.page
        watched.allowed.append("422")  # the wrong groups
        sign_in(watched, "C-01")
        watched.go("/members")
        page.get_by_label("Member to be").fill("port-of-ghent")
        with page.expect_download() as invitation:
            button(watched, "Make an invitation").click()
        assert b"port-of-ghent" in invitation.value.path().read_bytes()
        groups = asks_to_join(picture).split()
        watched.go("/members")
        expect(page.get_by_text(" ".join(groups[:-4]))).to_be_visible()
        page.get_by_label("Last four groups").fill("0000 0000 0000 0000")
        button(watched, "They are the same").click()
        expect(page.get_by_role("alert").filter(has_text="do not approve")).to_be_visible()
        watched.go("/members")
        page.get_by_label("Last four groups").fill(" ".join(groups[-4:]))
        with page.expect_download() as prepared:
            button(watched, "They are the same").click()
        assert prepared.value.suggested_filename.startswith("port-of-ghent")
        signed = tmp_path / "signed.p2p"
        signed.write_bytes(fed.join("port-of-ghent"))
        watched.go("/members")
        page.get_by_label("Signed file").set_input_files(signed)
        button(watched, "Check and log").click()
        expect(page.get_by_role("status").filter(has_text="It is in the log as entry")).to_be_visible()
        watched.screenshot("members-joined", tmp_path)
        assert watched.axe() == []


def test_a_broken_line_loses_no_alert(chromium: Browser) -> None:
    whole = served()
    with running(whole) as origin, opened(chromium, origin) as watched:
        watched.go("/gallery")
        wait_until(lambda: whole.live.readers == 1, what="the stream")
        cut(whole, "piece", 1)
        wait_until(lambda: whole.live.readers == 0, what="the end of the stream")
        expect(watched.page.locator("#arrived")).to_be_visible()
        assert whole.live.readers == 1
