"""The national picture in a real browser: axe, 320 px, keyboard, the brush, and what arrives while it is open."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.fakes.browser import Watched, opened
from tests.fakes.console import published, running
from tests.fakes.federation import stix_id_of
from tests.fakes.picture_console import PictureConsole, served_picture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow


@pytest.fixture
def console(tmp_path: Path) -> Iterator[PictureConsole]:
    with served_picture(tmp_path) as made:
        fed = made.desk.fed
        indicator = fed.indicator("beanr")
        made.desk.admit([fed.publish("beanr", objects=[indicator], handling="act")])
        made.desk.admit([fed.sighting("belgg", of=("beanr", stix_id_of(indicator)))], member="belgg")
        yield made


def signed_in(watched: Watched, person: str = "C-01") -> None:
    watched.go("/sign-in")
    watched.page.get_by_role("button", name=person).click()
    watched.page.wait_for_selector("#map[data-drawn]")


def test_the_picture_has_no_fault_that_axe_finds_at_any_width(
    chromium: Browser, console: PictureConsole, tmp_path: Path
) -> None:
    with running(console.parts) as origin, opened(chromium, origin) as watched:
        signed_in(watched)
        watched.screenshot("picture", tmp_path)
        assert watched.axe() == []
        watched.page.get_by_role("link", name="cloned identity").first.click()
        watched.page.wait_for_selector("#map[data-drawn]")
        expect(watched.page.locator("#detail .provenance li")).to_have_count(5)
        watched.screenshot("picture-item", tmp_path)
        assert watched.axe() == []
        assert watched.overflow() == []
        assert watched.small_targets() == []


def test_what_arrives_is_shown_without_loading_and_waits_while_paused(
    chromium: Browser, console: PictureConsole
) -> None:
    with running(console.parts) as origin, opened(chromium, origin) as watched:
        signed_in(watched)
        rows = watched.page.locator("[data-row]")
        before = rows.count()
        watched.page.get_by_role("button", name="Live").click()
        console.desk.admit([console.desk.fed.publish("beanr", handling="call_first")])
        published(console.parts, "picture", {"new": 1})
        expect(watched.page.locator("#live-switch .waiting")).to_have_text("1 new")
        assert rows.count() == before
        watched.page.locator("#live-switch").click()
        expect(rows).to_have_count(before + 1)


def test_a_window_on_the_timeline_filters_the_list_and_is_an_address(
    chromium: Browser, console: PictureConsole
) -> None:
    with running(console.parts) as origin, opened(chromium, origin) as watched:
        signed_in(watched)
        bars = watched.page.get_by_role("slider", name="Timeline: choose a period")
        bars.focus()
        watched.page.keyboard.press("Home")
        expect(watched.page.locator("#feed")).to_contain_text("Nothing here")
        expect(watched.page).to_have_url(re.compile(r"from=\d+&to=\d+"))
        watched.page.keyboard.press("n")
        expect(watched.page.locator("#feed [data-row]").first).to_be_visible()


def test_an_officer_works_through_the_queue_by_keyboard(chromium: Browser, console: PictureConsole) -> None:
    with running(console.parts) as origin, opened(chromium, origin) as watched:
        signed_in(watched)
        watched.page.get_by_role("link", name="Needs a decision").click()
        watched.page.wait_for_selector("#map[data-drawn]")
        watched.page.keyboard.press("j")
        watched.page.keyboard.press("x")
        watched.page.keyboard.press("a")
        expect(watched.page.get_by_role("status").filter(has_text="acknowledged")).to_be_visible()
        watched.page.get_by_role("button", name="Undo").click()
        expect(watched.page.locator("#feed input[type=checkbox]")).to_have_count(1)


@pytest.mark.parametrize("path", ["/incidents", "/levels", "/briefing", "/briefing?first={day}&last={day}"])
def test_the_other_rooms_have_no_fault_that_axe_finds_at_any_width(
    chromium: Browser, console: PictureConsole, path: str, tmp_path: Path
) -> None:
    with running(console.parts) as origin, opened(chromium, origin) as watched:
        signed_in(watched)
        watched.go(path.format(day=console.context.now.date()))
        watched.screenshot(f"picture-{path[1:5]}-{len(path)}", tmp_path)
        assert watched.axe() == []
        assert watched.overflow() == []
        assert watched.small_targets() == []


def test_an_incident_is_opened_from_the_picture_and_taken_on(
    chromium: Browser, console: PictureConsole, tmp_path: Path
) -> None:
    with running(console.parts) as origin, opened(chromium, origin) as watched:
        signed_in(watched)
        watched.page.get_by_role("link", name="cloned identity").first.click()
        watched.page.wait_for_selector("#map[data-drawn]")
        watched.page.get_by_role("button", name="Open an incident").click()
        watched.page.get_by_role("button", name="Take it on").click()
        expect(watched.page.get_by_text("Taken on")).to_be_visible()
        watched.screenshot("incident", tmp_path)
        assert watched.axe() == []
        assert watched.overflow() == []
        assert watched.small_targets() == []
