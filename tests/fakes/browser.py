"""A real browser for tests: Debian's Chromium, driven by Playwright, that forgives nothing.

``chromium`` is a fixture (import it into the test module's conftest); ``opened`` gives a page that fails the test for
any console error, policy violation, failed request or foreign address. Screenshots go where ``P2P_SCREENSHOTS`` says.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError
from playwright.sync_api import expect, sync_playwright

from tests.fakes.needs import need

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--mute-audio",
)
_RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
# Collects what the content security policy refuses; runs before anything of the page.
_COLLECT = """
window.violations = [];
document.addEventListener('securitypolicyviolation', (e) => window.violations.push(`${e.violatedDirective} ${e.blockedURI}`));
"""
NARROW = {"width": 320, "height": 800}
DEADLINE_MS = 15_000
SETTLES_MS = 5_000


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for the tests of a module.

    While Playwright is open its event loop counts as running in this thread, and no other test could start one.
    """
    path = shutil.which("chromium")
    need(path, what="Chromium", remedy="apt-get install chromium")
    expect.set_options(timeout=DEADLINE_MS)  # a condition with a deadline: five seconds are few on a busy machine
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=list(_ARGUMENTS))
        yield browser
        browser.close()


@dataclass(kw_only=True)
class Watched:
    """A page under watch. ``allowed`` are texts that a console error may contain because the test provokes it."""

    page: Page
    context: BrowserContext
    origin: str
    errors: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    scripted: bool = True

    def go(self, path: str) -> None:
        """Open a path of the console and wait until its script has run."""
        self.page.goto(f"{self.origin}{path}")
        self.ready()

    def ready(self) -> None:
        """Wait until the frame's script has run."""
        self.page.wait_for_selector("html[data-ready]", state="attached", timeout=DEADLINE_MS)

    def problems(self) -> list[str]:
        """Console errors and policy violations so far that the test does not allow."""
        refused = self.page.evaluate("() => window.violations ?? []") if self.scripted else []
        found = self.errors + [f"policy: {each}" for each in refused]
        return [each for each in found if not any(text in each for text in self.allowed)]

    def axe(self) -> list[str]:
        """What axe finds: rule and element."""
        found = Axe().run(self.page, options=_RULES).response["violations"]
        return [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]

    def overflow(self) -> list[str]:
        """Elements that stick out of the page at 320 px; scrolling boxes may be wider inside.

        Drawings follow the new width a moment later, so what sticks out must do so for some time.
        """
        self.page.set_viewport_size(NARROW)
        with contextlib.suppress(PlaywrightTimeoutError):  # what still sticks out then is the answer
            self.page.wait_for_function(f"() => ({_STICKING_OUT})().length === 0", timeout=SETTLES_MS)
        return list(self.page.evaluate(_STICKING_OUT))

    def small_targets(self) -> list[str]:
        """Things to press that are smaller than 24 x 24 px; links inside sentences are excepted (WCAG 2.5.8)."""
        return list(self.page.evaluate(_SMALL))

    def screenshot(self, name: str, otherwise: Path) -> Path:
        """A picture in the directory of ``P2P_SCREENSHOTS``, or in ``otherwise``."""
        folder = Path(os.environ.get("P2P_SCREENSHOTS") or otherwise)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.png"
        self.page.screenshot(path=path)
        return path


@contextlib.contextmanager
def opened(browser: Browser, origin: str, **options: object) -> Iterator[Watched]:
    """A fresh browser profile with one page; ``options`` go to Playwright's ``new_context``.

    At the end it fails the test for every error that the page did not allow. A profile in which a test failed is left
    to the browser's own end: closing one with a crashed page can hang, and hide what failed.
    """
    settings = {"locale": "en-GB", "viewport": {"width": 1280, "height": 800}, "ignore_https_errors": True, **options}
    context = browser.new_context(**settings)
    context.set_default_timeout(DEADLINE_MS)
    context.add_init_script(_COLLECT)
    watched = watch(context, origin)
    watched.scripted = bool(options.get("java_script_enabled", True))
    yield watched
    assert watched.problems() == []
    context.close()


def watch(context: BrowserContext, origin: str) -> Watched:
    """One more page of a profile, under watch."""
    watched = Watched(page=context.new_page(), context=context, origin=origin)
    page, errors = watched.page, watched.errors
    page.on("console", lambda message: errors.append(f"console: {message.text}") if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(f"script: {error}"))
    page.on("request", lambda request: errors.extend(_foreign(request.url, origin)))
    return watched


def _foreign(url: str, origin: str) -> list[str]:
    own = url.startswith(("data:", "blob:", "about:")) or urlsplit(url).netloc == urlsplit(origin).netloc
    return [] if own else [f"foreign: {url}"]


_STICKING_OUT = """() => {
  const width = document.documentElement.clientWidth;
  const scrolls = (e) => { for (let p = e.parentElement; p; p = p.parentElement)
    if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(p).overflowX)) return true; return false; };
  const out = [...document.body.querySelectorAll('*')].filter((e) => {
    const box = e.getBoundingClientRect();
    return box.width && box.right > width + 1 && !scrolls(e) && !e.closest('.sr, .skip') && e.checkVisibility();
  });
  return out.map((e) => `${e.tagName}.${e.className} ${e.textContent.trim().slice(0, 40)}`);
}"""
_SMALL = """() => [...document.querySelectorAll('a[href], button, summary, select, input:not([type=hidden])')]
  .filter((e) => e.checkVisibility() && !e.closest('p, td, li p, .skip, .sr') && !e.matches('.skip'))
  .filter((e) => { const b = (e.closest('label') ?? e).getBoundingClientRect(); return b.width < 24 || b.height < 24; })
  .map((e) => `${e.tagName} ${e.textContent.trim().slice(0, 40)} ${JSON.stringify(e.getBoundingClientRect())}`)"""
