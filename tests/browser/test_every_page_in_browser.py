"""Every page of both consoles, from the table of routes: axe in both themes, 320 px, and a picture in each language.

A page that is not in the table fails ``test_table_of_routes.py``; one that is in it is walked here. The pictures are
kept where ``P2P_SCREENSHOTS`` says.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from port2port.console import accounts
from port2port.console.roles import Role
from tests.fakes.browser import Watched, opened
from tests.fakes.busy_consoles import busy_desk, busy_hub
from tests.fakes.console import running
from tests.fakes.desk_console import apart, served_desk
from tests.fakes.picture_console import served_picture
from tests.fakes.routes import DESK, HUB, Kind, Known, of_kind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from playwright.sync_api import Browser
    from sqlalchemy.engine import Connection

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
CHECKED = "en"  # what axe looks at is the same in each language
LANGUAGES = ("en", "nl", "fr", "de")
WIDE = {"width": 1280, "height": 800}


def everything(connection: Connection, pseudonym: str) -> None:
    """Every role for this person, so that one browser may open every page."""
    account = accounts.by_pseudonym(connection, pseudonym)
    assert account is not None
    accounts.set_roles(connection, account.id, frozenset(Role))


def sign_in(watched: Watched, who: str) -> None:
    watched.go("/sign-in")
    watched.page.locator(f'form:has(input[value="{who}"]) button').click()
    watched.page.wait_for_url(lambda url: "/sign-in" not in url)
    watched.ready()


def named(console: str, language: str, address: str) -> str:
    """The name of a page's picture."""
    return "-".join([console, language, re.sub(r"[^a-zA-Z]+", "-", address).strip("-")[:40] or "start"])


def faults(watched: Watched, address: str, mark: str, name: str, folder: Path, *, checked: bool) -> list[str]:
    """What is wrong with one page, in both themes and at both widths; ``checked`` by axe too."""
    watched.page.set_viewport_size(WIDE)
    watched.page.emulate_media(color_scheme="light")
    watched.go(address)
    if mark:
        watched.page.wait_for_selector(mark)
    found = [] if watched.page.locator("h1").count() == 1 else ["not one h1"]
    for theme in ("light", "dark"):
        watched.page.emulate_media(color_scheme=theme)
        watched.screenshot(f"{name}-{theme}", folder)
        found += [f"{theme} {each}" for each in (watched.axe() if checked else [])]
    found += [f"320 px {each}" for each in watched.overflow()]
    found += [f"small {each}" for each in watched.small_targets()]
    return [f"{address} {each}" for each in found]


def walked(
    watched: Watched, table: tuple[Known, ...], values: Mapping[str, str], who: str, how: tuple[str, str, Path]
) -> list[str]:
    """What is wrong with every page, of who is signed out and of who may open everything."""
    console, language, folder = how
    found = []
    for kind in (Kind.DOOR, Kind.PAGE):
        if kind is Kind.PAGE:
            sign_in(watched, who)
        for one in of_kind(table, kind):
            for address in one.addresses(values):
                name = named(console, language, address)
                found += faults(watched, address, one.mark, name, folder, checked=language == CHECKED)
            assert watched.page.locator("html").get_attribute("lang") == language
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_of_a_desk_is_accessible_narrow_and_kept_as_a_picture(
    chromium: Browser, tmp_path: Path, language: str
) -> None:
    with served_desk(tmp_path) as desk:
        values = apart(lambda: busy_desk(desk))
        desk.do(lambda c: everything(c, "o1"))
        with running(desk.parts) as origin, opened(chromium, origin, locale=language) as watched:
            assert walked(watched, DESK, values, "o1", ("desk", language, tmp_path)) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_of_the_hub_is_accessible_narrow_and_kept_as_a_picture(
    chromium: Browser, tmp_path: Path, language: str
) -> None:
    with served_picture(tmp_path) as console:
        values = apart(lambda: busy_hub(console))
        console.desk.store.database.write_now(lambda c: everything(c, "C-01"))
        with running(console.parts) as origin, opened(chromium, origin, locale=language) as watched:
            assert walked(watched, HUB, values, "C-01", ("hub", language, tmp_path)) == []
