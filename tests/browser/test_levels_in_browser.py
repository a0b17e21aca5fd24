"""A security level in real browsers: two officers of the authority set it, another port's officer reads it, and the
hub's board shows that he has. Three consoles over one log: what the authority's node sends, hub and ports take in."""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from hub.receipts import SignedReceipt
from node import receipts
from node.console.building import parts_of
from port2port.clock import SystemClock
from port2port.console import demo
from tests.fakes.browser import Watched, opened
from tests.fakes.console import free_port, published, running
from tests.fakes.desk_console import PASSPHRASE, PEOPLE, DeskConsole, apart, context_of, desk_console
from tests.fakes.desks import A, B
from tests.fakes.federation import Federation
from tests.fakes.picture_console import PictureConsole, picture_console

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from playwright.sync_api import Browser

    from port2port.console.app import Parts

pytestmark = pytest.mark.slow


class HeldClock(SystemClock):
    """The real time, or for a moment one that stands still: hub and ports then log an entry at the same millisecond."""

    def __init__(self) -> None:
        self._at: datetime | None = None

    def now(self) -> datetime:
        return self._at or super().now()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        self._at = self.now()
        try:
            yield
        finally:
            self._at = None


class OneLog(Federation):
    """A federation that is founded once, however many logs begin with it."""

    def founding(self) -> list[bytes]:
        if not hasattr(self, "_founded"):
            self._founded = super().founding()
        return self._founded


@dataclass(kw_only=True)
class World:
    """The authority's desk, another port's desk and the hub's console."""

    clock: HeldClock
    authority: DeskConsole
    hub: PictureConsole
    port: Parts

    def log(self, *raws: bytes) -> None:
        """As the hub would: logged there, and handed on to every port."""
        with self.clock.held():
            self.authority.harbour.feed.log(*raws)
            self.hub.desk.admit(raws, member=A)
        apart(self.authority.harbour.pull)

    def send(self) -> None:
        """What the authority's node has queued."""
        with self.clock.held():
            self.hub.desk.admit(self.authority.desk.send(), member=A)
        apart(self.authority.harbour.pull)

    def acknowledge(self) -> list[str]:
        """Hand in what the other port owes, as its uplink would; the states."""
        desk, fed = self.authority.harbour.desks[B], self.authority.fed
        owed = desk.node.store.read_now(lambda c: receipts.owed(c, B, limit=100))
        signed = [receipts.sign(one, fed.ports[B].machine) for one in owed]
        given = [SignedReceipt(receipt=one.receipt, key_id=one.key_id, sig=one.sig) for one in signed]
        apart(lambda: asyncio.run(self.hub.context.receipts.exchange(B, given, 0)))
        return [one.state for one in owed]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clock = HeldClock()
    fed = OneLog(members=(A, B, "belgg"), desk_keys=3, clock=clock)  # type: ignore[arg-type]  # the present is all that is asked of it
    with contextlib.ExitStack() as stack:
        with clock.held():
            hub = stack.enter_context(picture_console(tmp_path, fed=fed, **_on(free_port())))
            authority = stack.enter_context(desk_console(tmp_path, fed=fed, **_on(free_port())))
            hub.desk.admit([entry.raw for entry in authority.harbour.feed.entries[2:]])
        authority.do(lambda c: demo.seed(c, PEOPLE, member=A, now=clock.now()))
        hub.desk.store.database.write_now(lambda c: demo.seed(c, demo.AT_THE_HUB, member=A, now=clock.now()))
        desk, home = apart(lambda: authority.harbour.desks[B]), tmp_path / "port"
        home.mkdir()
        port = stack.enter_context(context_of(home, desk, lambda: authority.hub.connect(B), **_on(free_port())))
        desk.node.store.write_now(lambda c: demo.seed(c, PEOPLE, member=B, now=clock.now()))
        made = World(clock=clock, authority=authority, hub=hub, port=parts_of(port))
        entitled = [{"op": "set-level-authority", "locode": one, "member": A} for one in ("BEANR", "BEZEE")]
        made.log(fed.control("roster", entitled))
        yield made


def _on(port: int) -> dict[str, Any]:
    return {"demo": True, "listen": f"127.0.0.1:{port}", "origin": f"http://localhost:{port}"}


def sign_in(watched: Watched, who: str) -> None:
    watched.go("/sign-in")
    watched.page.get_by_role("button", name=re.compile(rf"^{who}\b")).click()
    watched.page.wait_for_url(lambda url: "/sign-in" not in url)
    watched.ready()


def sign(watched: Watched, act: str) -> None:
    watched.go(f"/acts/{act}")
    watched.page.get_by_label("Passphrase of your key file").fill(PASSPHRASE)
    watched.page.get_by_role("button", name=re.compile("^Sign")).click()


def looked_at(watched: Watched, name: str, folder: Path) -> None:
    watched.screenshot(name, folder)
    assert watched.page.locator("h1").count() == 1
    assert watched.axe() == []
    assert watched.overflow() == []
    watched.page.set_viewport_size({"width": 1280, "height": 800})


def test_a_level_goes_from_two_officers_of_the_authority_to_every_desk_and_back_to_the_board(
    chromium: Browser, world: World, tmp_path: Path
) -> None:
    with (
        running(world.authority.parts) as origin,
        opened(chromium, origin) as first,
        opened(chromium, origin) as second,
    ):
        sign_in(first, "o1")
        sign_in(second, "o2")
        first.go("/levels")
        first.page.get_by_role("link", name="Set a level").click()
        first.ready()
        looked_at(first, "level-set", tmp_path)
        first.page.get_by_label("BEANR").check()
        first.page.get_by_label("heightened").check()
        first.page.get_by_label("Reason and measures").fill("Drones over the lock. Patrols doubled.")
        first.page.get_by_role("button", name="Freeze and sign").click()
        first.page.wait_for_url(re.compile("/acts/A1$"))
        expect(first.page.get_by_text("it sets a security level")).to_be_visible()
        looked_at(first, "level-act", tmp_path)
        sign(first, "A1")
        expect(first.page.get_by_text("You have signed.")).to_be_visible()
        assert world.authority.desk.send() == [], "one officer never sets a level"
        sign(second, "A1")
        second.page.wait_for_url(re.compile("/levels$"))
        world.send()
        published(world.authority.parts, "levels", {})
        expect(second.page.locator("#change-3, #change-4").first).to_contain_text("in force")
        looked_at(second, "level-authority", tmp_path)
    _read_at_the_other_port(chromium, world, tmp_path)


def _read_at_the_other_port(chromium: Browser, world: World, tmp_path: Path) -> None:
    with running(world.port) as origin, running(world.hub.parts) as hub, contextlib.ExitStack() as stack:
        port = stack.enter_context(opened(chromium, origin))
        board = stack.enter_context(opened(chromium, hub))
        sign_in(board, "C-01")
        board.go("/levels")
        expect(board.page.locator("main")).to_contain_text("acknowledged by 0 of 2")
        looked_at(board, "level-board", tmp_path)
        sign_in(port, "o1")
        port.go("/")
        banner = port.page.locator("#isps")
        expect(banner).to_contain_text("ISPS 2")
        expect(banner).to_contain_text("heightened")
        expect(port.page.locator('a[href^="/levels#change-"]').first).to_contain_text("ISPS 2 BEANR")
        expect(port.page.locator("#alarm [data-alarm]")).to_be_visible()
        banner.get_by_role("link", name=re.compile("1 change of level to read")).click()
        port.ready()
        looked_at(port, "levels-desk", tmp_path)
        assert port.page.request.get(f"{origin}/levels/set").status == 404, "only the authority's desk has the form"
        port.page.get_by_role("button", name="I have read it").click()
        expect(port.page.locator("main")).to_contain_text(re.compile(r"not read by\s+b2\s+o2"))
        expect(banner).not_to_contain_text("to read")
        assert "seen" in world.acknowledge()
        published(world.hub.parts, "picture", {})
        expect(board.page.locator("main")).to_contain_text("acknowledged by 1 of 2")
        expect(board.page.locator("main")).to_contain_text("Port north-sea-port")
