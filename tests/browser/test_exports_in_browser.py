"""Rules and files to take away, in a real browser: accessible, narrow, and a file that arrives."""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.fakes.browser import Watched, opened
from tests.fakes.console import running
from tests.fakes.desk_console import DeskConsole, apart, served_desk
from tests.fakes.picture_console import PictureConsole, served_picture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow
NARROW = {"width": 320, "height": 800}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[DeskConsole]:
    with served_desk(tmp_path) as made:
        yield made


@pytest.fixture
def picture(tmp_path: Path) -> Iterator[PictureConsole]:
    with served_picture(tmp_path) as made:
        yield made


def sign_in(watched: Watched, who: str) -> None:
    watched.go("/sign-in")
    watched.page.get_by_role("button", name=re.compile(rf"^{who}\b")).click()
    watched.page.wait_for_url(lambda url: "/sign-in" not in url)
    watched.ready()


def look_at(watched: Watched, path: str, tmp_path: Path) -> None:
    """A page as axe, a narrow screen and a picture of it see it."""
    watched.page.set_viewport_size({"width": 1280, "height": 900})
    watched.go(path)
    watched.screenshot(f"away{path.replace('/', '-')}", tmp_path)
    assert watched.axe() == [], path
    watched.page.set_viewport_size(NARROW)
    watched.go(path)
    assert watched.overflow() == [], path


def test_rules_and_files_of_a_desk(chromium: Browser, desk: DeskConsole, tmp_path: Path) -> None:
    apart(lambda: (desk.desk.publish(desk.draft()), desk.desk.send(), desk.harbour.pull()))
    with running(desk.parts) as origin, opened(chromium, origin) as watched:
        sign_in(watched, "o1")
        for path in ("/rules", "/exports"):
            look_at(watched, path, tmp_path)
        with watched.page.expect_download() as started:
            watched.page.get_by_role("button", name="Take away").first.click()
        with zipfile.ZipFile(started.value.path()) as file:
            assert {"bundle.json", "manifest.json", "HOW-TO-CHECK.txt"} < set(file.namelist())


def test_files_of_the_hub(chromium: Browser, picture: PictureConsole, tmp_path: Path) -> None:
    picture.desk.admit([picture.desk.fed.publish("beanr")])
    with running(picture.parts) as origin, opened(chromium, origin) as watched:
        sign_in(watched, "C-01")
        look_at(watched, "/exports", tmp_path)
        with watched.page.expect_download() as started:
            watched.page.get_by_role("button", name="Take away").first.click()
        assert b"entry" in started.value.path().read_bytes()
        watched.page.set_viewport_size({"width": 1280, "height": 900})
        watched.go("/log/2")
        with watched.page.expect_download() as proof:
            watched.page.get_by_role("button", name="Download the proof").click()
        assert proof.value.suggested_filename == "entry-2.p2p-bundle"
