"""The browser proves an entry to itself, and flags one that was changed in the hub's own database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from hub.tables import BODY
from port2port.tlp import Tlp
from port2port.wire import decode_envelope
from tests.fakes.browser import Watched, opened
from tests.fakes.console import running
from tests.fakes.picture_console import PictureConsole, served_picture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

WITHHELD = {"signature", "objects", "roster", "witnesses", "disputed", "rules"}


@pytest.fixture
def console(tmp_path: Path) -> Iterator[PictureConsole]:
    with served_picture(tmp_path) as made:
        yield made


@pytest.fixture
def page(console: PictureConsole, chromium: Browser) -> Iterator[Watched]:
    with running(console.parts) as origin, opened(chromium, origin) as watched:
        watched.go("/sign-in")
        watched.page.get_by_role("button", name="C-01").click()
        watched.page.wait_for_selector("#map[data-drawn]")
        yield watched


def checked(page: Watched, index: int) -> dict[str, str]:
    """What the browser makes of an entry: outcome by part."""
    page.go(f"/log/{index}")
    page.page.click("#check-here")
    page.page.wait_for_selector("#check[data-checked]")
    lines = page.page.locator("#check-results tbody tr")
    found = lines.evaluate_all("rows => rows.map(row => [row.dataset.part, row.dataset.outcome])")
    return dict(found)


def change_content(console: PictureConsole, index: int) -> None:
    """One bit of the content of a stored entry, as somebody with the database could."""

    def tamper(connection: sa.Connection) -> None:
        raw = bytes(connection.execute(sa.select(BODY.c.envelope).where(BODY.c.index == index)).scalar_one())
        body = decode_envelope(raw).objects[0].body
        at = raw.index(body) + 20
        changed = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        connection.execute(BODY.update().where(BODY.c.index == index).values(envelope=changed))

    console.desk.store.database.write_now(tamper)


def test_an_entry_is_proved_here_and_a_changed_one_is_flagged(console: PictureConsole, page: Watched) -> None:
    desk = console.desk
    (a, b) = desk.admit([desk.fed.publish("beanr"), desk.fed.publish("beanr")])
    found = checked(page, a)
    assert {part for part, outcome in found.items() if outcome != "match"} <= {"witnesses", "rules"}
    assert page.page.locator("#ladder svg.p2p-match").count() == 1
    change_content(console, a)
    assert checked(page, a)["objects"] == "mismatch"
    assert "call the coordinator" in page.page.inner_text("#check-said")
    assert checked(page, b)["objects"] == "match"


def test_a_withheld_entry_is_proved_by_its_hash(console: PictureConsole, page: Watched) -> None:
    desk = console.desk
    (a,) = desk.admit([desk.fed.publish("belgg", tlp=Tlp.AMBER)], "belgg")
    found = checked(page, a)
    assert {part for part, outcome in found.items() if outcome == "cannot"} == WITHHELD
    assert {found[part] for part in ("genesis", "checkpoint", "inclusion")} == {"match"}


def test_the_log_goes_on_from_what_this_browser_saw_last(console: PictureConsole, page: Watched) -> None:
    page.go("/log")
    page.page.wait_for_function("() => document.querySelector('#since').textContent.includes('First visit')")
    console.desk.admit([console.desk.fed.publish("beanr")])
    page.go("/log")
    page.page.wait_for_function("() => document.querySelector('#since').textContent.includes('since size 2')")
    page.page.evaluate("() => localStorage.setItem('p2p.genesis', '00'.repeat(32))")
    page.go("/log")
    page.page.wait_for_function("() => document.querySelector('#since').textContent.includes('another genesis')")


def test_the_pages_of_log_and_members_can_be_used_by_everybody(console: PictureConsole, page: Watched) -> None:
    (a,) = console.desk.admit([console.desk.fed.publish("beanr")])
    key = console.desk.fed.ports["beanr"].machine.key_id
    revoke = f"/members/beanr/revoke?key={key}"
    for path in ("/log", f"/log/{a}", "/log/compare", "/members", "/members/beanr", revoke):
        page.go(path)
        assert page.axe() == [], path
        assert page.overflow() == [], path
        page.page.set_viewport_size({"width": 1280, "height": 800})
