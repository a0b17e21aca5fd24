"""The frame of both consoles in a real browser."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from port2port.console.live import Live
from port2port.console.pages import Ribbon
from tests.fakes.browser import opened, watch
from tests.fakes.console import OFFICER, published, running, served
from tests.fakes.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("path", ["/", "/gallery", "/nowhere"])
def test_a_page_is_clean_in_both_themes(chromium: Browser, tmp_path: Path, theme: str, path: str) -> None:
    with running(served()) as origin, opened(chromium, origin, color_scheme=theme) as watched:
        watched.allowed.append("status of 404")
        watched.go(path)
        assert watched.axe() == []
        assert watched.small_targets() == []
        watched.screenshot(f"frame-{path.strip('/') or 'desk'}-{theme}", tmp_path)
        assert watched.overflow() == []
        watched.screenshot(f"frame-{path.strip('/') or 'desk'}-{theme}-narrow", tmp_path)


@pytest.mark.parametrize("language", ["nl", "fr", "de", "en"])
def test_every_language_fits_and_is_declared(chromium: Browser, tmp_path: Path, language: str) -> None:
    whole = served(ribbon=lambda _request: Ribbon(kind="exercise", name="Berchem"))
    with running(whole) as origin, opened(chromium, origin, locale=language) as watched:
        watched.go("/gallery")
        assert watched.page.get_attribute("html", "lang") == language
        watched.screenshot(f"frame-{language}", tmp_path)
        watched.page.keyboard.press("?")
        expect(watched.page.locator("#keys")).to_be_visible()
        assert watched.axe() == []
        assert watched.overflow() == []


@pytest.mark.parametrize("how", [{"forced_colors": "active"}, {"media": "print"}, {"reduced_motion": "reduce"}])
def test_other_ways_to_look_at_a_page(chromium: Browser, tmp_path: Path, how: dict[str, str]) -> None:
    with running(served()) as origin, opened(chromium, origin) as watched:
        watched.go("/gallery")
        watched.page.emulate_media(**how)
        assert watched.axe() == []
        watched.screenshot(f"frame-{'-'.join(how)}", tmp_path)
        moving = "() => document.getAnimations().filter((each) => each.playState === 'running').length"
        assert watched.page.evaluate(moving) == 0


def test_fragments_are_swapped_twice_and_carry_the_form_token(chromium: Browser) -> None:
    with running(served()) as origin, opened(chromium, origin) as watched:
        watched.allowed.append("status of 403")
        page = watched.page
        watched.go("/gallery")
        page.get_by_role("button", name="Fetch").click()
        expect(page.locator("#arrived")).to_contain_text("Piece 1")
        page.click("#again")
        expect(page.locator("#arrived")).to_contain_text("Piece 2")
        page.get_by_role("button", name="Try").click()
        expect(page.locator("#alerts .toast")).to_contain_text("the author cannot approve")


def test_an_element_that_a_stranger_slipped_in_does_nothing(chromium: Browser) -> None:
    with running(served()) as origin, opened(chromium, origin) as watched:
        watched.allowed += ["hx-csp", "TrustedHTML", "trusted"]
        page = watched.page
        watched.go("/gallery")
        refused = page.evaluate(
            "() => { try { document.body.innerHTML = '<b>'; return ''; } catch (e) { return e.name; } }"
        )
        assert refused == "TypeError"
        page.evaluate(
            """() => { const evil = document.createElement('button'); evil.id = 'evil'; evil.textContent = 'evil';
            evil.setAttribute('hx-get', '/piece'); evil.setAttribute('hx-target', '#piece');
            document.querySelector('main').prepend(evil); htmx.process(evil); }"""
        )
        page.click("#evil")
        page.get_by_role("button", name="Fetch").click()
        expect(page.locator("#arrived")).to_contain_text("Piece 1")
        violations = page.evaluate("() => window.violations")
        assert all("require-trusted-types-for" in each for each in violations)


def test_triage_needs_no_mouse(chromium: Browser) -> None:
    with running(served()) as origin, opened(chromium, origin) as watched:
        page = watched.page
        watched.go("/gallery")
        page.keyboard.press("j")
        page.keyboard.press("j")
        expect(page.locator("[data-row='2']")).to_have_attribute("aria-current", "true")
        assert page.evaluate("() => document.activeElement.closest('[data-row]').dataset.row") == "2"
        page.keyboard.press("x")
        expect(page.locator("[data-bulk]")).to_be_visible()
        page.keyboard.press("Shift+ArrowDown")
        expect(page.locator("[data-bulk-count]")).to_have_text("2")
        page.evaluate(
            "() => document.querySelector('[data-test=ack]').addEventListener('click', () => { window.acked = 1; })"
        )
        page.keyboard.press("a")
        assert page.evaluate("() => window.acked") == 1
        page.keyboard.press("/")
        assert page.evaluate("() => document.activeElement.id") == "q"
        page.keyboard.type("jkx?")
        assert page.input_value("#q") == "jkx?"
        page.keyboard.press("Escape")
        page.locator("[data-row='2'] a").focus()
        page.keyboard.press("n")
        expect(page.locator("#sample")).to_be_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("g")
        page.keyboard.press("d")
        page.wait_for_url(f"{origin}/")


@pytest.mark.parametrize(
    ("keyboard", "press", "moved"),
    [("off", "j", False), ("alt", "j", False), ("alt", "Alt+j", True), ("single", "j", True)],
)
def test_single_keys_can_be_switched_off_or_moved(chromium: Browser, keyboard: str, press: str, moved: bool) -> None:
    with running(served(replace(OFFICER, keyboard=keyboard))) as origin, opened(chromium, origin) as watched:
        watched.go("/gallery")
        watched.page.keyboard.press(press)
        assert watched.page.locator("[aria-current='true']").count() == moved


def test_two_tabs_share_one_stream_and_the_second_takes_over(chromium: Browser) -> None:
    whole = served()
    with running(whole) as origin, opened(chromium, origin) as first:
        first.go("/gallery")
        second = watch(first.context, origin)
        second.go("/gallery")
        wait_until(lambda: whole.live.readers == 1, what="one stream for two tabs")
        published(whole, "piece", 1)
        for tab in (first, second):
            expect(tab.page.locator("#arrived")).to_be_visible()
        first.page.goto("about:blank")
        wait_until(lambda: whole.live.readers == 1, what="the second tab's stream")
        before = second.page.locator("#arrived").inner_text()
        published(whole, "piece", 2)
        expect(second.page.locator("#arrived")).not_to_have_text(before)
        assert second.problems() == []
        first.go("/")


def test_paused_counts_what_waits_and_live_hands_it_over(chromium: Browser) -> None:
    whole = served()
    with running(whole) as origin, opened(chromium, origin) as watched:
        page = watched.page
        watched.go("/gallery")
        wait_until(lambda: whole.live.readers == 1, what="the stream")
        page.keyboard.press("p")
        expect(page.locator("#live-switch")).to_have_attribute("aria-pressed", "false")
        for n in range(3):
            published(whole, "piece", n)
        expect(page.locator("#live-switch .waiting")).to_have_text("3 new")
        assert page.locator("#arrived").count() == 0
        page.keyboard.press("p")
        expect(page.locator("#arrived")).to_be_visible()
        expect(page.locator("#live-switch .waiting")).to_have_text("")


def test_a_lost_stream_shows_the_age_of_the_picture_until_it_is_back(chromium: Browser, tmp_path: Path) -> None:
    whole = served()
    with running(whole) as origin, opened(chromium, origin) as watched:
        page = watched.page
        page.clock.install()
        watched.go("/gallery")
        wait_until(lambda: whole.live.readers == 1, what="the stream")
        expect(page.locator("#age-bar")).to_be_hidden()
        page.clock.fast_forward(20_000)
        expect(page.locator("#age-bar")).to_contain_text("The picture is 2")
        watched.screenshot("frame-age", tmp_path)
        published(whole, "piece", 1)
        page.clock.run_for(1_100)
        expect(page.locator("#age-bar")).to_be_hidden()


def test_the_stream_comes_back_after_a_restart_of_the_console(chromium: Browser) -> None:
    whole = served()
    with opened(chromium, whole.settings.origin) as watched:
        watched.allowed += ["ERR_", "404"]
        with running(whole):
            watched.go("/gallery")
            wait_until(lambda: whole.live.readers == 1, what="the stream")
        again = replace(whole, live=Live(whole.clock))
        with running(again):
            wait_until(lambda: again.live.readers == 1, what="the stream of the new process", deadline_s=20)
            watched.page.wait_for_selector("html[data-ready]", state="attached")
            published(again, "piece", 1)
            expect(watched.page.locator("#arrived")).to_be_visible()


def test_a_choice_of_language_needs_no_script(chromium: Browser) -> None:
    with running(served()) as origin, opened(chromium, origin, java_script_enabled=False) as watched:
        page = watched.page
        page.goto(f"{origin}/gallery")
        page.click("details.menu summary")
        page.select_option("select[name=language]", "fr")
        page.click("details.menu button")
        expect(page.locator("html")).to_have_attribute("lang", "fr")
