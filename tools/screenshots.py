"""Take the pictures of the screens that README.md shows, from the demo: made-up persons on simulated ships.

Starts `port2port demo --stay` in a scratch directory, waits for the addresses that it prints, signs in through the
demo's list with Playwright and Debian's Chromium, writes PNG files of 1440 x 900, or of one part of a page, and ends
the demo.

    python tools/screenshots.py [--out DIR] [--every]

Without `--every` only those that the documents show are written; with it, every page in both themes.
A page that is not there is named, and the exit code is 1. Needs `apt-get install chromium`.
"""

# ruff: noqa: INP001  (a developer's script, not a package)

import argparse
import contextlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright
from playwright.sync_api import Error as BrowserError

REPOSITORY = Path(__file__).resolve().parent.parent
OUT = REPOSITORY / "docs" / "screenshots"
SIZE: ViewportSize = {"width": 1440, "height": 900}
THEMES = ("dark", "light")
COLOURS = (256, 128, 64, 32)
LIMIT_BYTES = 200_000
START_S, STOP_S, PAGE_MS = 600, 60, 30_000
SETTLED_MS = 1_500  # for map tiles and the first positions
_ADDRESS = re.compile(r"^  (http://localhost:\d+)\S*\n      (.+?): choose (\S+)$", re.MULTILINE)


class ScreenshotError(Exception):
    """The demo or one of its pages is not what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """One console of the demo, as its last lines name it."""

    origin: str
    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One picture: at which screen, which page, what must be seen first, and in which themes README shows it.

    ``only`` is the part of the page that it shows; without it, what fits the window.
    """

    name: str
    screen: str
    path: str
    go: Callable[[Page], None]
    shown: tuple[str, ...] = ()
    only: str = ""


def picture(page: Page) -> None:
    """The national picture once map and feed are drawn."""
    page.wait_for_selector("#map[data-drawn]")
    page.wait_for_selector("#feed [data-row]")


def detail(page: Page) -> None:
    """The published finding, with who knows it and why it can be trusted."""
    picture(page)
    page.locator("#feed [data-row] a.title", has_text=re.compile("identity|clone", re.IGNORECASE)).last.click()
    picture(page)
    expect(page.locator("#detail .provenance li")).to_have_count(5)


def desk(page: Page) -> None:
    """The queue in its two classes."""
    page.wait_for_selector("#decide [data-row]")
    page.wait_for_selector("#live-map canvas")


def traffic(page: Page) -> None:
    """The port's own ships."""
    page.wait_for_selector("#live-map canvas")
    expect(page.locator("#in-view tbody tr").first).to_be_attached()


def watch(page: Page) -> None:
    """A hit on what another port shared."""
    page.wait_for_selector("#watch [data-row]")


def board(page: Page) -> None:
    """The incident board with its clocks."""
    page.wait_for_selector("tr[data-row] .clocks")


def entry(page: Page) -> None:
    """An entry of the log, checked by the browser itself."""
    page.locator("table a[href^='/log/']").first.click()
    page.locator("#check-here").click()
    page.wait_for_selector("#check-results:not([hidden]) tbody tr")
    expect(page.locator("#check-said")).not_to_be_empty()


SHOTS = (
    Shot(name="national-picture", screen="national picture", path="/", go=detail, shown=("dark",)),
    Shot(name="item", screen="national picture", path="/", go=detail, shown=("light",), only="#detail"),
    Shot(name="incidents", screen="national picture", path="/incidents", go=board),
    Shot(name="desk", screen="north-sea-port", path="/", go=desk, shown=("dark",)),
    Shot(name="live-map", screen="north-sea-port", path="/map", go=traffic, shown=("light",)),
    Shot(name="watch", screen="port-of-antwerp-bruges", path="/watch", go=watch, shown=("dark",)),
    Shot(name="log-entry", screen="national picture", path="/log?kind=publish", go=entry, shown=("light",)),
)


@contextlib.contextmanager
def demo(scratch: Path) -> Iterator[dict[str, Screen]]:
    """The running demo's screens by name. Raises ScreenshotError if it ends or never says them."""
    said = scratch / "said.txt"
    command = [sys.executable, "-m", "port2port", "demo", "--stay", "--dir", str(scratch / "run")]
    with said.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603  # our own module
            command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        yield screens(process, said)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_S)


def screens(process: subprocess.Popen[bytes], said: Path) -> dict[str, Screen]:
    """What the demo's last lines list, as soon as it has said all."""
    deadline = time.monotonic() + START_S
    while "Ctrl-C ends everything" not in (text := said.read_text(encoding="utf-8")):
        if process.poll() is not None or time.monotonic() > deadline:
            raise ScreenshotError(f"the demo did not come up:\n{text}")
        time.sleep(0.5)
    return {name: Screen(origin=origin, person=person) for origin, name, person in _ADDRESS.findall(text)}


def take(browser: Browser, found: dict[str, Screen], shot: Shot, theme: str) -> bytes:
    """One picture in a fresh profile. Raises ScreenshotError, which names the page."""
    if shot.screen not in found:
        raise ScreenshotError(f"{shot.name}: the demo names no screen of {shot.screen}")
    screen, dark = found[shot.screen], theme == "dark"
    context = browser.new_context(viewport=SIZE, locale="en-GB", color_scheme="dark" if dark else "light")
    context.set_default_timeout(PAGE_MS)
    try:
        page = context.new_page()
        page.goto(f"{screen.origin}/sign-in")
        page.get_by_role("button", name=screen.person).click()
        page.wait_for_selector("a.me")
        _open(page, screen, shot)
        shot.go(page)
        page.wait_for_timeout(SETTLED_MS)
        return page.locator(shot.only).screenshot() if shot.only else page.screenshot()
    except (BrowserError, AssertionError) as error:
        raise ScreenshotError(f"{shot.name}: {shot.path} at {shot.screen}: {error}") from error
    finally:
        context.close()


def _open(page: Page, screen: Screen, shot: Shot) -> None:
    answer = page.goto(f"{screen.origin}{shot.path}")
    if answer is None or not answer.ok:
        raise ScreenshotError(f"{shot.name}: there is no page {shot.path} at {shot.screen}")
    page.wait_for_selector("html[data-ready]", state="attached")


def packed(png: bytes) -> bytes:
    """The same picture with as many colours as fit the limit. Raises ScreenshotError."""
    with Image.open(BytesIO(png)) as image:
        whole = image.convert("RGB")
    for colours in COLOURS:
        small = BytesIO()
        whole.quantize(colours, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
        if small.tell() < LIMIT_BYTES:
            return small.getvalue()
    raise ScreenshotError(f"a picture does not fit into {LIMIT_BYTES} bytes")


def wanted(*, every: bool) -> Iterator[tuple[Shot, str]]:
    """Which pictures, in which themes."""
    for shot in SHOTS:
        for theme in THEMES if every else shot.shown:
            yield shot, theme


def run(out: Path, *, every: bool) -> list[str]:
    """Write the pictures; what could not be taken, in words."""
    failed = []
    out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="port2port-screens-") as scratch,
        demo(Path(scratch)) as found,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for shot, theme in wanted(every=every):
            path = out / f"{shot.name}-{theme}.png"
            try:
                path.write_bytes(packed(take(browser, found, shot, theme)))
                print(f"{path}  {path.stat().st_size // 1000} kB", flush=True)
            except ScreenshotError as error:
                failed.append(str(error))
        browser.close()
    return failed


def main() -> int:
    """Take them, and say what is missing."""
    parser = argparse.ArgumentParser(description="pictures of the screens, from the demo")
    parser.add_argument("--out", type=Path, default=OUT, help="where to (default: %(default)s)")
    parser.add_argument("--every", action="store_true", help="every page in both themes")
    arguments = parser.parse_args()
    failed = run(arguments.out, every=arguments.every)
    for words in failed:
        print(words, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
