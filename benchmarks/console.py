"""The consoles in headless Chromium: how smooth the map is with live traffic, and how heavy a page.

    python benchmarks/console.py [--json FILE] [--rounds N] [--seconds S] [--quick] [--only PART]

Frame times with 2,000 moving vessels stand beside those of the same page without them, measured in turns in the same
run; what counts is the ratio of the 95th percentiles (aim: under 2). Weight is what the network carried for one page
of the frame, and all of the consoles' own files but map and basemap, packed as they are served (aim: under 200 KB).
The hub's part opens 1, 20 and 100 signed-in consoles over loopback while entries arrive at a steady rate, and says how
many cores the hub process used (aim: 100 under one).
Each entry of ``MEASURES`` adds one part to the figures.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

REPOSITORY = Path(__file__).resolve().parents[1]
VESSELS, HERTZ = 2_000, 2
CONSOLES, QUICK_CONSOLES = (1, 20, 100), (1, 5)
FRAME_RATIO_AIM, WEIGHT_AIM_KB, CORES_AIM = 2, 200, 1
MAP_FILES = ("basemap/", "vendor/leaflet", "vendor/protomaps", "map.mjs", "vessels.mjs", "marks.mjs", "labels.mjs")
NOT_LOADED = (".toml", ".txt", ".md")


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long to measure."""

    rounds: int
    seconds: float
    consoles: tuple[int, ...] = CONSOLES


def percentile(times_ms: list[float], rank: int) -> float:
    """The value that ``rank`` per cent of the times do not exceed."""
    return quantiles(times_ms, n=100)[rank - 1]


def frame_times(page: Page, seconds: float) -> list[float]:
    """Milliseconds between the frames of the next ``seconds``."""
    page.evaluate("() => { globalThis.p2p.frames.length = 0; }")
    page.wait_for_timeout(seconds * 1_000)
    found: list[float] = page.evaluate("() => globalThis.p2p.frames")
    return found


def measure_frames(browser: Browser, effort: Effort) -> dict[str, float]:
    """The same page without and with traffic, in turns."""
    from tests.fakes.map_page import map_page, served  # noqa: PLC0415  # the repository is on the path only now

    alone: list[float] = []
    moving: list[float] = []
    with served() as address, map_page(browser, address, viewport={"width": 1440, "height": 900}) as shown:
        shown.open()
        shown.run("() => { p2p.chart.map.setView([51.1, 3.9], 9, {animate: false}); }")
        for _ in range(effort.rounds):
            alone += frame_times(shown.page, effort.seconds)
            shown.run("([n, hz]) => { p2p.timer = p2p.sail(n, hz); }", [VESSELS, HERTZ])
            moving += frame_times(shown.page, effort.seconds)
            shown.run(
                "() => { clearInterval(p2p.timer); p2p.vessels.at = -Infinity; "
                "p2p.vessels.take({v: 1, frame: 0, at: -1, vessels: []}); p2p.vessels.at = -Infinity; }"
            )
    return {
        "vessels": VESSELS,
        "updates_per_s": HERTZ,
        "p95_ms_without": round(percentile(alone, 95), 1),
        "p95_ms_with": round(percentile(moving, 95), 1),
        "p99_ms_without": round(percentile(alone, 99), 1),
        "p99_ms_with": round(percentile(moving, 99), 1),
        "frames_per_s_with": round(1_000 * len(moving) / sum(moving), 1),
        "p95_ratio": round(percentile(moving, 95) / percentile(alone, 95), 2),
        "aim_under": FRAME_RATIO_AIM,
    }


def measure_weight(browser: Browser, _effort: Effort) -> dict[str, float]:
    """One page of the frame over the network, and every file of the consoles that is not the map's."""
    from port2port.console.assets import load_assets  # noqa: PLC0415
    from tests.fakes.browser import opened  # noqa: PLC0415
    from tests.fakes.console import running, served  # noqa: PLC0415

    carried: list[float] = []
    with running(served()) as origin, opened(browser, origin) as watched:
        network = watched.context.new_cdp_session(watched.page)
        network.on("Network.loadingFinished", lambda event: carried.append(event["encodedDataLength"]))
        network.send("Network.enable")
        watched.go("/")
    assets = load_assets({"": "port2port.console"})
    names = [name for name in assets.names() if not name.startswith(MAP_FILES) and not name.endswith(NOT_LOADED)]
    files = sum(len(gzip.compress(assets.content(name), 6)) for name in names)
    return {
        "page_kb": round(sum(carried) / 1_000, 1),
        "requests": len(carried),
        "all_files_but_map_kb": round(files / 1_000, 1),
        "aim_under_kb": WEIGHT_AIM_KB,
    }


def measure_hub(_browser: Browser, effort: Effort) -> dict[str, float]:
    """Cores of the hub process with open consoles; in a thread, since the browser's driver keeps a loop in this one."""
    from benchmarks.parts.consoles import hub_figures  # noqa: PLC0415

    with ThreadPoolExecutor(max_workers=1) as pool:
        found = pool.submit(hub_figures, effort.consoles, effort.rounds * effort.seconds).result()
    return {**found, "aim_cores_under": CORES_AIM}


MEASURES: dict[str, Callable[[Browser, Effort], dict[str, float]]] = {
    "frames": measure_frames,
    "weight": measure_weight,
    "hub": measure_hub,
}


def measured(effort: Effort, parts: Sequence[str]) -> dict[str, Any]:
    """The figures of these parts, by measure, with the browser that they are of."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    with ExitStack() as stack:
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        stack.callback(browser.close)
        figures: dict[str, Any] = {"browser": f"Chromium {browser.version}"}
        for name in parts:
            figures[name] = MEASURES[name](browser, effort)
    return figures


def main() -> None:
    """Measure, print, write the file."""
    parser = argparse.ArgumentParser(description="figures of the consoles")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--rounds", type=int, default=3, help="turns without and with traffic")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of each turn")
    parser.add_argument("--quick", action="store_true", help="seconds of each: to see that it works")
    parser.add_argument("--only", choices=sorted(MEASURES), help="this part alone")
    arguments = parser.parse_args()
    sys.path.insert(0, str(REPOSITORY))
    effort = Effort(rounds=arguments.rounds, seconds=arguments.seconds)
    if arguments.quick:
        effort = Effort(rounds=1, seconds=4.0, consoles=QUICK_CONSOLES)
    figures = measured(effort, [arguments.only] if arguments.only else list(MEASURES))
    print(json.dumps(figures, indent=2))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
