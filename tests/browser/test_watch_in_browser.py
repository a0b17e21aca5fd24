"""Watch, report, shift and alarm in a real browser: keyboard alone, the sound, the map, narrow and accessible."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from node import drafts, hits
from tests.fakes.browser import Watched, opened
from tests.fakes.console import published, running
from tests.fakes.desk_console import DeskConsole, apart, served_desk
from tests.fakes.watching import a_hit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from node.hits import Hit

pytestmark = pytest.mark.slow
PAGES = ("/watch", "/report", "/report/container", "/report/intruder", "/shift", "/works", "/lookup", "/duty")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[DeskConsole]:
    with served_desk(tmp_path) as made:
        yield made


def hit_at(desk: DeskConsole) -> Hit:
    return apart(lambda: a_hit(desk.harbour, desk.desk))


def sign_in(watched: Watched, who: str) -> None:
    watched.go("/sign-in")
    watched.page.get_by_role("button", name=re.compile(rf"^{who}\b")).click()
    watched.page.wait_for_url(lambda url: "/sign-in" not in url)
    watched.ready()


def test_every_page_is_accessible_and_fits_a_narrow_screen(
    chromium: Browser, desk: DeskConsole, tmp_path: Path
) -> None:
    hit = hit_at(desk)
    desk.draft()
    indicator = f"/watch/indicators/{hit.indicator.issuer}/{hit.indicator.stix_id}"
    with running(desk.parts) as origin, opened(chromium, origin) as watched:
        sign_in(watched, "o1")
        for path in (*PAGES, f"/watch/hits/{hit.id}", indicator):
            watched.page.set_viewport_size({"width": 1280, "height": 900})
            watched.go(path)
            expect(watched.page.locator("#alarm [data-alarm]")).to_be_visible()
            watched.screenshot(f"node{path.split(':')[0].replace('/', '-')[:24]}", tmp_path)
            assert watched.axe() == [], path
            assert watched.overflow() == [], path
            assert watched.small_targets() == [], path


def test_a_hit_is_confirmed_by_keyboard_alone(chromium: Browser, desk: DeskConsole) -> None:
    hit = hit_at(desk)
    with running(desk.parts) as origin, opened(chromium, origin) as watched:
        sign_in(watched, "o1")
        press = watched.page.keyboard.press
        press("g")
        press("w")
        expect(watched.page.get_by_role("heading", level=1)).to_have_text("Watch")
        watched.ready()
        press("j")
        press("Enter")
        expect(watched.page.get_by_role("heading", level=1)).to_contain_text("205123400")
        watched.ready()
        press("c")
        expect(watched.page.get_by_role("heading", name="This goes back, and nothing else")).to_be_visible()
        watched.ready()
        watched.page.get_by_role("button", name="Confirm and sign").focus()
        press("Enter")
        watched.page.wait_for_url(re.compile(r"/acts/A1"))
    answered = desk.do(lambda c: hits.get(c, hit.id, desk.context.now)).answer
    assert answered is not None
    assert answered.what == hits.CONFIRMED


def test_a_report_starts_with_n_on_every_page_and_takes_its_place_from_the_map(
    chromium: Browser, desk: DeskConsole
) -> None:
    with running(desk.parts) as origin, opened(chromium, origin) as watched:
        sign_in(watched, "o1")
        watched.go("/shift")
        watched.page.keyboard.press("n")
        expect(watched.page.get_by_role("heading", level=1)).to_have_text("New report")
        watched.ready()
        watched.page.get_by_role("link", name="Drone", exact=True).click()
        watched.ready()
        watched.page.get_by_label("What you saw").fill("A drone over the lock, third night")
        watched.page.get_by_role("button", name="Click it on the map").click()
        watched.page.wait_for_selector("#pick-map[data-ready]")
        watched.page.locator("#pick-map").click(position={"x": 200, "y": 150})
        expect(watched.page.get_by_label("Where")).to_have_value(re.compile(r"^5\d\.\d+, \d\.\d+$"))
        watched.page.get_by_role("button", name="Put it on the desk").click()
        watched.page.wait_for_url(re.compile(r"/drafts/D1"))
    assert b'"location"' in b"".join(desk.do(lambda c: drafts.get(c, "D1")).proposal.objects)


def test_a_report_is_written_without_any_script(chromium: Browser, desk: DeskConsole) -> None:
    with running(desk.parts) as origin, opened(chromium, origin, java_script_enabled=False) as watched:
        page = watched.page
        page.goto(f"{origin}/sign-in")
        page.get_by_role("button", name=re.compile(r"^o1\b")).click()
        page.goto(f"{origin}/report/diver")
        page.get_by_label("What you saw").fill("bubbles by the wall")
        page.get_by_role("button", name="Put it on the desk").click()
        page.wait_for_url(re.compile(r"/drafts/D1"))


def test_the_desk_sounds_until_somebody_has_it(chromium: Browser, desk: DeskConsole) -> None:
    desk.draft()
    with running(desk.parts) as origin, opened(chromium, origin) as watched:
        sign_in(watched, "o1")
        watched.go("/watch")
        bar, sound = watched.page.locator("#alarm"), watched.page.locator("#sound")
        expect(bar).to_contain_text("1 item waits")
        expect(bar).not_to_have_attribute("data-sounded", re.compile(r"\d"))
        sound.click()
        expect(sound).to_have_attribute("aria-pressed", "true")
        expect(bar).to_have_attribute("data-sounded", re.compile(r"[2-9]"))
        watched.page.get_by_role("button", name="I have it").click()
        expect(bar).to_contain_text("1 item waits, acknowledged")
        hit_at(desk)
        published(desk.parts, "alarm", {})
        expect(watched.page.get_by_role("button", name="I have it")).to_be_visible()


@pytest.mark.parametrize("language", ["nl", "fr", "de"])
def test_the_watch_speaks_each_language(chromium: Browser, desk: DeskConsole, language: str, tmp_path: Path) -> None:
    hit = hit_at(desk)
    with running(desk.parts) as origin, opened(chromium, origin, locale=language, color_scheme="light") as watched:
        sign_in(watched, "o1")
        watched.go(f"/watch/hits/{hit.id}")
        assert watched.page.locator("html").get_attribute("lang") == language
        expect(watched.page.get_by_text("Why this is a hit")).to_have_count(0)
        watched.screenshot(f"node-hit-{language}", tmp_path)
        assert watched.axe() == []


def test_a_shift_is_handed_over_at_two_desks(chromium: Browser, desk: DeskConsole) -> None:
    with running(desk.parts) as origin, opened(chromium, origin) as first, opened(chromium, origin) as second:
        sign_in(first, "o1")
        sign_in(second, "o2")
        first.go("/shift")
        first.page.get_by_label("What no list shows, one line each").fill("Crane 4 is dark.")
        first.page.get_by_role("button", name="Hand over").click()
        expect(first.page.get_by_text("It waits for the next officer.")).to_be_visible()
        second.go("/shift")
        expect(second.page.get_by_text("Crane 4 is dark.")).to_be_visible()
        second.page.keyboard.press("a")
        expect(second.page.get_by_text("It waits for the next officer.")).to_have_count(0)
        expect(second.page.locator("#before-title + ul")).to_contain_text("o1 → o2")
