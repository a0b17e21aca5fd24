"""The desk in a real browser: passkeys, two officers at two desks, keyboard alone, the map, and every page accessible."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from playwright.sync_api import expect

from node import act_store, drafts, photos, progress, receipts, store
from node.console.feeds import Feeds
from node.findings import Severity
from node.observations import AisPosition, SourceClass
from node.receipts import Receipt
from port2port.clock import to_ms
from port2port.console import accounts, passkeys
from port2port.geo import Position
from tests.fakes.browser import Watched, opened
from tests.fakes.console import published, running
from tests.fakes.desk_console import PASSPHRASE, DeskConsole, apart, served_desk
from tests.fakes.desks import a_finding, evidence_line

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
PAGES = ("/", "/drafts/D1", "/acts", "/acts/A1", "/acts/A1/seen-by/north-sea-port", "/sent", "/sent/D3", "/map", "/status", "/suppressions")  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[DeskConsole]:
    with served_desk(tmp_path) as made:
        yield made


def sign_in(watched: Watched, who: str) -> None:
    watched.go("/sign-in")
    watched.page.get_by_role("button", name=re.compile(rf"^{who}\b")).click()
    watched.page.wait_for_url(lambda url: "/sign-in" not in url)
    watched.ready()


def enrol_passkey(watched: Watched, desk: DeskConsole, who: str) -> None:
    """A device of this officer: made and offered on his page, then approved by the coordinators."""
    session = watched.context.new_cdp_session(watched.page)
    session.send("WebAuthn.enable")
    session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    watched.go("/me")
    watched.page.get_by_label("Name of the new passkey").fill("desk 3")
    watched.page.get_by_role("button", name="Add a passkey").click()
    expect(watched.page.locator("main")).to_contain_text("desk 3")  # the next page is there: it cannot overtake a visit
    watched.page.get_by_role("button", name="Let it sign for this port").click()
    expect(watched.page.locator("main")).to_contain_text("waiting for the coordinators")
    account = desk.do(lambda c: accounts.by_pseudonym(c, who))
    assert account is not None
    [made] = desk.do(lambda c: passkeys.of_account(c, account.id))
    assert desk.hub.offered[-1].keys[0].public == made.record
    desk.to_roster(made, who)
    watched.go("/me")
    expect(watched.page.locator("main")).to_contain_text("in force until")


def recent(**changes: Any) -> Any:
    return a_finding(at=datetime.now(UTC).replace(microsecond=0), **changes)


def heading(watched: Watched) -> Any:
    return watched.page.get_by_role("heading", level=1)


def test_a_draft_is_published_with_one_touch_of_a_passkey(chromium: Browser, desk: DeskConsole, tmp_path: Path) -> None:
    desk.draft(recent())
    with running(desk.parts) as origin, opened(chromium, origin) as watched:
        sign_in(watched, "o1")
        enrol_passkey(watched, desk, "o1")
        watched.go("/")
        watched.screenshot("desk-queue", tmp_path)
        watched.page.get_by_role("link", name=re.compile("Cloned identity")).click()
        watched.ready()
        expect(watched.page.get_by_text("Port north-sea-port").first).to_be_visible()
        watched.screenshot("desk-draft", tmp_path)
        watched.page.get_by_role("button", name="Freeze and sign").click()
        watched.ready()
        watched.screenshot("desk-act", tmp_path)
        watched.page.get_by_role("button", name="Sign and publish").click()
        expect(heading(watched)).to_contain_text("Sent")
        watched.screenshot("desk-sent", tmp_path)
    assert desk.do(lambda c: drafts.get(c, "D1")).state == drafts.PUBLISHED
    [given] = desk.do(lambda c: act_store.signatures(c, "A1"))
    assert given.key_id in desk.fed.roster.keys


def test_two_officers_at_two_desks_publish_personal_data_by_passkey(chromium: Browser, desk: DeskConsole) -> None:
    desk.draft(recent())
    with running(desk.parts) as origin, opened(chromium, origin) as first, opened(chromium, origin) as second:
        for watched, who in ((first, "o1"), (second, "o2")):
            sign_in(watched, who)
            enrol_passkey(watched, desk, who)
        first.go("/drafts/D1")
        first.page.get_by_label("It holds personal data: two officers sign").check()
        first.page.get_by_role("button", name="Freeze and sign").click()
        first.ready()
        first.page.get_by_role("button", name="Sign").click()
        expect(first.page.get_by_text("You have signed.")).to_be_visible()
        second.go("/")
        second.page.get_by_role("link", name=re.compile("Signature wanted")).click()
        second.ready()
        expect(second.page.get_by_text("it holds personal data")).to_be_visible()
        second.page.get_by_role("button", name="Sign and publish").click()
        expect(heading(second)).to_contain_text("Sent")
    assert desk.do(lambda c: drafts.get(c, "D1")).state == drafts.PUBLISHED
    given = [desk.fed.roster.keys[one.key_id] for one in desk.do(lambda c: act_store.signatures(c, "A1"))]
    assert {(key.pseudonym, key.public.scheme) for key in given} == {("o1", "webauthn-es256"), ("o2", "webauthn-es256")}


def test_readers_follow_what_is_ticked_and_nobody_cannot_be_published_to(chromium: Browser, desk: DeskConsole) -> None:
    desk.draft(recent())
    with running(desk.parts) as origin, opened(chromium, origin) as watched:
        sign_in(watched, "o1")
        watched.go("/drafts/D1")
        watched.page.get_by_label(re.compile("seaports")).uncheck()
        expect(watched.page.get_by_text("Nobody would read this")).to_be_visible()
        expect(watched.page.get_by_role("button", name="Freeze and sign")).to_be_disabled()
        watched.page.get_by_text("Single recipients").first.click()
        watched.page.get_by_label("Port belgg").check()
        expect(watched.page.get_by_text("new: not among the readers")).to_be_visible()
        expect(watched.page.get_by_role("button", name="Freeze and sign")).to_be_enabled()


def test_triage_goes_by_keyboard_alone(chromium: Browser, desk: DeskConsole) -> None:
    desk.draft(recent(mmsi="205000001"))
    desk.draft(recent(mmsi="205000002"))
    with running(desk.parts) as origin, opened(chromium, origin) as watched:
        sign_in(watched, "o1")
        watched.go("/")
        press = watched.page.keyboard.press
        press("j")
        press("j")
        expect(watched.page.locator('li[data-row="draft-D2"]')).to_have_attribute("aria-current", "true")
        press("Enter")
        expect(heading(watched)).to_contain_text("D2")
        watched.ready()
        press("2")
        expect(heading(watched)).to_contain_text("Reject")
        watched.ready()
        watched.page.get_by_label("Passphrase of your key file").focus()
        watched.page.keyboard.type(PASSPHRASE)
        press("Enter")
        expect(watched.page.get_by_text("You have signed.")).to_be_visible()


def test_the_queue_fills_by_itself(chromium: Browser, desk: DeskConsole) -> None:
    with running(desk.parts) as origin, opened(chromium, origin) as watched:
        sign_in(watched, "o1")
        watched.go("/")
        expect(watched.page.get_by_text("Nothing waits for a decision")).to_be_visible()
        desk.draft(recent())
        published(desk.parts, "desk", {})
        expect(watched.page.locator('li[data-row="draft-D1"]')).to_be_visible()


def test_traffic_moves_on_the_live_map_and_stands_in_the_table(
    chromium: Browser, desk: DeskConsole, tmp_path: Path
) -> None:
    desk.context.tracks.fold([_position(205000001, 51.28), _position(205000002, 51.30)])
    feeds = Feeds(desk.context)
    feeds.sail_once()
    with running(desk.parts) as origin, opened(chromium, origin) as watched:
        sign_in(watched, "o1")
        watched.go("/map")
        watched.page.wait_for_selector("#live-map[data-taken]")
        expect(watched.page.locator("#in-view tbody")).to_contain_text("205000002")
        expect(watched.page.locator("#in-view tbody")).to_contain_text("under way")
        watched.screenshot("desk-map", tmp_path)
        assert watched.axe() == []


def test_every_page_is_accessible_and_fits_a_narrow_screen(chromium: Browser, desk: DeskConsole) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    heard = evidence_line(b"!AIVDM,1,1,,A,13u?etPv2;0n:dDPwUM1U1Cb069D,0*24", now)
    desk.draft(recent(evidence=(heard,)))
    desk.draft(recent(mmsi="205000002"))
    desk.desk.publish(desk.draft(recent(mmsi="205000003")))
    desk.desk.send()
    with running(desk.parts) as origin, opened(chromium, origin) as watched:
        sign_in(watched, "o1")
        watched.go("/drafts/D2")
        watched.page.get_by_role("button", name="Freeze and sign").click()
        watched.ready()
        prepared = watched.page.url.rpartition("/")[2]
        for path in PAGES:
            watched.go(path.replace("A1", prepared))
            if path == "/drafts/D1":
                watched.page.wait_for_selector("#evidence-map[data-drawn='1']")
            assert watched.page.locator("h1").count() == 1, path
            assert watched.axe() == [], path
            assert watched.overflow() == [], path
            watched.page.set_viewport_size({"width": 1280, "height": 800})


def test_the_decision_works_without_any_script(chromium: Browser, desk: DeskConsole) -> None:
    desk.draft(recent())
    with running(desk.parts) as origin, opened(chromium, origin, java_script_enabled=False) as watched:
        page = watched.page
        page.goto(f"{origin}/sign-in")
        page.get_by_role("button", name=re.compile(r"^o1\b")).click()
        page.goto(f"{origin}/drafts/D1")
        page.get_by_role("button", name="Freeze and sign").click()
        page.get_by_label("Passphrase of your key file").fill(PASSPHRASE)
        page.get_by_role("button", name="Sign and publish").click()
        expect(heading(watched)).to_contain_text("Sent")
    assert desk.do(lambda c: drafts.get(c, "D1")).state == drafts.PUBLISHED


def test_a_report_written_by_hand_goes_from_photo_to_published(
    chromium: Browser, desk: DeskConsole, tmp_path: Path
) -> None:
    shot = tmp_path / "seal.jpg"
    Image.new("RGB", (800, 600), "navy").save(shot)
    with running(desk.parts) as origin, opened(chromium, origin) as watched:
        page = watched.page
        sign_in(watched, "o1")
        watched.go("/report/container")
        page.get_by_label("What you saw").fill("seal cut, door ajar")
        page.get_by_label("Container number").fill("CSQU3054383")
        page.get_by_label("Picture", exact=True).set_input_files(shot)
        page.get_by_label("What it shows").fill("the door")
        page.get_by_role("button", name="Put it on the desk").click()
        expect(heading(watched)).to_contain_text("D1")
        watched.ready()
        page.wait_for_function("() => document.querySelector('.photos img')?.naturalWidth > 0")
        tick = page.get_by_label("Tell the readers of photo 1")
        expect(tick).not_to_be_checked()
        assert watched.axe() == []
        watched.screenshot("desk-draft-photo", tmp_path)
        tick.check()
        page.get_by_role("button", name="Freeze and sign").click()
        watched.ready()
        page.get_by_label("Passphrase of your key file").fill(PASSPHRASE)
        page.get_by_role("button", name="Sign and publish").click()
        expect(heading(watched)).to_contain_text("Sent")
    draft = desk.do(lambda c: drafts.get(c, "D1"))
    [kept] = desk.do(lambda c: photos.of_draft(c, "D1"))
    assert draft.state == drafts.PUBLISHED
    assert kept.photo.digest.hex().encode() in b"".join(draft.proposal.objects)


def test_each_officer_sees_the_others_signature_without_reloading(chromium: Browser, desk: DeskConsole) -> None:
    desk.draft(recent())
    with running(desk.parts) as origin, opened(chromium, origin) as first, opened(chromium, origin) as second:
        sign_in(first, "o1")
        sign_in(second, "o2")
        first.go("/drafts/D1")
        first.page.get_by_label("It holds personal data: two officers sign").check()
        first.page.get_by_role("button", name="Freeze and sign").click()
        first.ready()
        address = "/" + first.page.url.partition("//")[2].partition("/")[2]
        second.go(address)
        second.page.evaluate("window.sameDocument = true")
        expect(second.page.get_by_text("o1 prepared this and signs it first.")).to_be_visible()
        expect(second.page.get_by_role("timer")).to_have_text(re.compile(r"^3:59:\d\d left$"))
        first.page.get_by_label("Passphrase of your key file").fill(PASSPHRASE)
        first.page.get_by_role("button", name="Sign").click()
        expect(first.page.get_by_text("You have signed.")).to_be_visible()
        first.ready()
        first.page.evaluate("window.sameDocument = true")
        second.page.get_by_label("Passphrase of your key file").fill(PASSPHRASE)
        assert second.page.evaluate("window.sameDocument"), "the form came by itself"
        second.page.get_by_role("button", name="Sign and publish").click()
        expect(heading(second)).to_contain_text("Sent")
        expect(first.page.get_by_text("Done.")).to_be_visible()
        assert first.page.evaluate("window.sameDocument"), "so did the end"


def test_drafts_are_rejected_together_by_keyboard_and_the_severe_one_stays(
    chromium: Browser, desk: DeskConsole
) -> None:
    for number, severity in enumerate((Severity.HIGH, Severity.MEDIUM, Severity.LOW)):
        desk.draft(recent(mmsi=f"20500000{number}", severity=severity))
    with running(desk.parts) as origin, opened(chromium, origin) as watched:
        sign_in(watched, "o1")
        watched.go("/")
        press = watched.page.keyboard.press
        for _ in range(3):
            press("j")
            press("x")
        expect(watched.page.locator("[data-bulk-count]")).to_have_text("3")
        assert watched.axe() == []
        press("2")
        expect(heading(watched)).to_contain_text("Reject several")
        watched.ready()
        expect(watched.page.get_by_text("1 stays on the desk")).to_be_visible()
        watched.page.get_by_label("Passphrase of your key file").focus()
        watched.page.keyboard.type(PASSPHRASE)
        press("Enter")
        expect(watched.page.get_by_text("Done.")).to_be_visible()
    assert [one.id for one in desk.do(drafts.listed)] == ["D1"]


def test_an_emergency_counts_down_on_the_desk(chromium: Browser, desk: DeskConsole) -> None:
    desk.draft(recent())
    with running(desk.parts) as origin, opened(chromium, origin) as watched:
        sign_in(watched, "o1")
        watched.go("/drafts/D1")
        watched.page.get_by_label("GREEN").check()
        watched.page.get_by_text("Emergency: publish with one signature").click()
        watched.page.get_by_label("Why it cannot wait").fill("tanker at the lock now")
        watched.page.get_by_role("button", name="Freeze and sign").click()
        watched.ready()
        watched.page.get_by_label("Passphrase of your key file").fill(PASSPHRASE)
        watched.page.get_by_role("button", name="Sign and publish").click()
        expect(heading(watched)).to_contain_text("Sent")
        watched.go("/")
        timer = watched.page.locator('li[data-row^="check-"]').get_by_role("timer")
        expect(timer).to_have_text(re.compile(r"^29:\d\d left$"))
        before = timer.text_content() or ""
        expect(timer).not_to_have_text(before)
        assert watched.axe() == []


def test_what_was_sent_is_followed_live_until_each_reader_has_seen_it(chromium: Browser, desk: DeskConsole) -> None:
    desk.desk.publish(desk.draft(recent()))
    with running(desk.parts) as origin, opened(chromium, origin) as watched:
        sign_in(watched, "o1")
        watched.go("/sent/D1")
        watched.page.evaluate("window.sameDocument = true")
        expect(watched.page.get_by_text("Each member appears here")).to_be_visible()
        desk.desk.send()
        apart(desk.harbour.pull)
        published(desk.parts, "sent", {})
        row = watched.page.get_by_role("row", name=re.compile("north-sea-port"))
        expect(row).to_contain_text("not acknowledged")
        for state, words in (("delivered", "delivered"), ("seen", "seen by an officer")):
            receive(desk, state)
            published(desk.parts, "sent", {})
            expect(row).to_contain_text(words)
        assert watched.page.evaluate("window.sameDocument")


def receive(desk: DeskConsole, state: str) -> None:
    """A receipt of the port that reads our one statement."""
    now_ms = to_ms(desk.context.now)
    [item] = desk.do(lambda c: progress.recent(c, desk.context.member, desk.fed.roster))
    assert item.index is not None
    index = item.index
    found = desk.do(lambda c: store.entry_at(c, index))
    assert found is not None
    told = Receipt(index=index, digest=found.digest, member="north-sea-port", state=state, at_ms=now_ms)
    desk.do(lambda c: receipts.take(c, [told], desk.fed.roster, now_ms))


def test_a_report_is_written_by_keyboard_alone(chromium: Browser, desk: DeskConsole) -> None:
    with running(desk.parts) as origin, opened(chromium, origin) as watched:
        sign_in(watched, "o1")
        watched.go("/report/diver")
        keyboard = watched.page.keyboard
        expect(watched.page.get_by_label("What you saw")).to_be_focused()
        keyboard.type("bubbles by the wall")
        keyboard.press("Tab")
        keyboard.type("51.34, 4.28")
        keyboard.press("Enter")
        expect(heading(watched)).to_contain_text("D1")
    assert b"bubbles by the wall" in b"".join(desk.do(lambda c: drafts.get(c, "D1")).proposal.objects)


def _position(mmsi: int, latitude: float) -> AisPosition:
    now = datetime.now(UTC)
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
