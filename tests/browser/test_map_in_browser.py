"""The map, its vessels and the timeline in a real Chromium under the product's own content security policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from starlette.responses import FileResponse
from starlette.routing import Route

from tests.fakes.map_page import MapPage, map_page, served
from tests.fakes.shared_data import shared_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser
    from starlette.requests import Request

pytestmark = pytest.mark.slow

SEA, LAND = (60, 60), (700, 480)
PICTURE = "() => { p2p.vessels.redraw(); return p2p.vessels.canvas.toDataURL(); }"
HOUR = 3_600
FROM = 1_795_300_000 - 1_795_300_000 % HOUR


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served() as found:
        yield found


@pytest.fixture
def shown(chromium: Browser, address: str) -> Iterator[MapPage]:
    with map_page(chromium, address) as found:
        yield found.open()


def put(shown: MapPage, *vessels: list[object], at: int = 1) -> None:
    shown.run(
        "([rows, at]) => p2p.vessels.take({v: 1, frame: at, at, vessels: rows})",
        [list(vessels), at],
    )


def point(shown: MapPage, latitude: float, longitude: float) -> dict[str, float]:
    return shown.run(
        "(place) => { const {x, y} = p2p.chart.map.latLngToContainerPoint(place); return {x, y}; }",
        [latitude, longitude],
    )


def timed(shown: MapPage) -> None:
    """A day of hours with a bar in each, and two ports."""
    shown.run(
        """(from) => p2p.timeline.set({from, step: 3600,
             counts: {low: Array(24).fill(3), medium: Array(24).fill(2), high: Array(24).fill(1), critical: Array(24).fill(1)},
             lanes: [{id: "beanr", label: "Antwerp", events: [{id: "e1", at: from + 7200, severity: "high", label: "Drone"}]},
                     {id: "bezee", label: "Zeebrugge", events: []}]})""",
        FROM,
    )


def test_land_and_sea_are_drawn_in_both_themes(shown: MapPage) -> None:
    colours = {}
    for theme in ("dark", "light"):
        shown.run("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
        shown.page.wait_for_function(
            "(land) => p2p.chart.palette.land === land && p2p.colour(700, 480)[3] > 0",
            arg={"dark": "rgb(27, 42, 51)", "light": "rgb(243, 239, 230)"}[theme],
        )
        shown.page.wait_for_function(
            "([x, y, red]) => p2p.colour(x, y)[0] === red", arg=[*LAND, {"dark": 27, "light": 243}[theme]]
        )
        colours[theme] = (shown.run("(at) => p2p.colour(...at)", LAND), shown.run("(at) => p2p.colour(...at)", SEA))
    assert colours["dark"][0] == [27, 42, 51, 255]
    assert colours["light"][0] == [243, 239, 230, 255]
    assert colours["dark"][1][3] == 0
    assert colours["dark"][0] != colours["light"][0]


def test_forced_colours_reach_the_canvas(chromium: Browser, address: str) -> None:
    with map_page(chromium, address, forced_colors="active") as shown:
        shown.open()
        palette = shown.run("() => p2p.chart.palette")
        assert palette["land"] == palette["water"] == palette["halo"]
        assert palette["vessel"] not in (palette["land"], "rgb(124, 196, 245)")


def test_the_map_says_its_sources_and_that_it_is_not_for_navigation(shown: MapPage) -> None:
    region = shown.page.get_by_role("region", name="Map of the port")
    expect(region).to_contain_text(
        "OpenStreetMap contributors (ODbL), Natural Earth. Schematic waterways, not for navigation."
    )


def test_a_click_finds_the_vessel_under_it_and_none_beside_it(shown: MapPage) -> None:
    put(shown, ["205000001", 5120000, 410000, 45, 120, 1, "PILOT 1"], ["205000002", 5140000, 410000, -1, -1, 0, ""])
    at = point(shown, 51.2, 4.1)
    shown.page.locator("#map").click(position=at)
    shown.page.locator("#map").click(position={"x": at["x"] + 60, "y": at["y"]})
    assert shown.events("vessel") == [{"key": "205000001"}, {"key": None}]
    assert shown.run("() => p2p.vessels.get('205000001')") == {
        "key": "205000001", "name": "PILOT 1", "lat": 51.2, "lon": 4.1, "course": 45, "speed": 12, "state": "activated",
    }  # fmt: skip


def test_each_state_is_drawn_in_its_own_way(shown: MapPage) -> None:
    drawn = []
    for state in range(4):
        put(shown, ["205000001", 5120000, 410000, 0, 0, state, ""], at=state + 1)
        drawn.append(shown.run(PICTURE))
    shown.run("() => p2p.vessels.select('205000001')")
    drawn.append(shown.run(PICTURE))
    assert len(set(drawn)) == 5


def test_the_newest_delta_wins_and_unknown_ones_ask_for_a_frame(shown: MapPage) -> None:
    put(shown, ["a", 5120000, 410000, 0, 10, 1, "A"], ["b", 5130000, 410000, 0, 10, 1, "B"], at=10)
    take = "(m) => p2p.vessels.take({v: 1, state: [], come: [], gone: [], moved: [], ...m})"
    newest = {"base": 10, "at": 13, "moved": [[0, 30, 30, 90, 20]], "gone": [1], "state": [[0, 3]]}
    assert shown.run(take, newest)
    assert not shown.run(take, {"base": 10, "at": 12, "moved": [[0, 1, 1, 0, 0]]})
    assert not shown.run(take, {"base": 9, "at": 14})
    vessel = shown.run("() => p2p.vessels.get('a')")
    assert (vessel["lat"], vessel["lon"], vessel["state"]) == (51.2003, 4.1003, "dangerous")
    assert shown.run("() => p2p.vessels.get('b')") is None
    assert len(shown.events("resync")) == 1


def test_two_thousand_vessels_move(shown: MapPage) -> None:
    shown.run("() => { p2p.chart.map.setView([51.1, 3.9], 10, {animate: false}); p2p.sail(2000, 4); }")
    before = shown.run("() => p2p.vessels.get('205000077').lat")
    shown.page.wait_for_function("(lat) => p2p.vessels.get('205000077').lat > lat + 0.0005", arg=before)
    assert shown.run("() => p2p.vessels.shown.size") == 2_000
    assert shown.run("() => p2p.vessels.inView().length") > 500


def test_vessels_glide_between_two_messages(shown: MapPage) -> None:
    put(shown, ["a", 5120000, 410000, 0, 10, 1, "A"], at=1)
    put(shown, ["a", 5130000, 410000, 0, 10, 1, "A"], at=2)
    where = "() => p2p.vessels.place(p2p.vessels.shown.get('a'), p2p.vessels.arrived + p2p.vessels.glide / 2)[1]"
    start, end = shown.run("() => { const v = p2p.vessels.shown.get('a'); return [v.fromY, v.y]; }")
    assert min(start, end) < shown.run(where) < max(start, end)


def test_marks_of_every_kind_are_drawn_and_answer_clicks(shown: MapPage) -> None:
    shown.run(
        """() => { const set = (kind, item) => p2p.marked.set(kind, [{id: kind, label: "<b>x</b>", ...item}]);
          set("indicators", {lat: 51.2, lon: 4.1, severity: "high", radius_m: 4000});
          set("sightings", {lat: 51.3, lon: 3.9}); set("links", {from: [51.3, 3.2], to: [51.3, 4.3]});
          set("forecasts", {south: 51, west: 3.5, north: 51.1, east: 3.7});
          set("tracks", {points: [[51, 3.9], [51.02, 4]]}); set("places", {ring: [[50.9, 4], [50.9, 4.1], [51, 4.1]]});
          p2p.chart.show("forecasts", true); }"""
    )
    shown.page.locator("#map").click(position=point(shown, 51.2, 4.1))
    assert shown.events("mark") == [{"kind": "indicators", "id": "indicators"}]
    expect(shown.page.locator(".p2p-map-tip", has_text="<b>x</b>").first).to_be_visible()
    assert "forecasts" not in shown.run("() => new URLSearchParams(location.search).get('hide') ?? ''")


def test_the_choice_of_layers_and_the_view_survive_a_reload(shown: MapPage) -> None:
    shown.page.get_by_text("Layers", exact=True).click()
    shown.page.get_by_role("checkbox", name="Waterways").uncheck()
    shown.run("() => { p2p.chart.map.setView([51.3, 3.2], 12, {animate: false}); }")
    shown.page.wait_for_function("() => location.search.includes('at=51.3000')")
    shown.page.reload()
    shown.page.wait_for_function("() => document.documentElement.dataset.ready === 'yes'")
    assert shown.run("() => [p2p.chart.map.getZoom(), p2p.chart.switches.get('waterways').on]") == [12, False]
    assert shown.run("() => p2p.chart.map.getCenter().lng") == pytest.approx(3.2, abs=0.001)


def test_a_position_is_picked_by_click_by_keyboard_or_not_at_all(shown: MapPage) -> None:
    pick = "() => { p2p.picked = undefined; p2p.chart.pick().then((place) => { p2p.picked = place; }); }"
    got = "() => p2p.picked !== undefined"
    shown.run(pick)
    shown.page.locator("#map").click(position=point(shown, 51.25, 4.25))
    shown.page.wait_for_function(got)
    assert shown.run("() => p2p.picked.lat") == pytest.approx(51.25, abs=0.005)
    shown.run(pick)
    shown.page.keyboard.press("Enter")
    shown.page.wait_for_function(got)
    assert shown.run("() => p2p.picked.lat") == pytest.approx(51.1, abs=0.005)
    shown.run(pick)
    shown.page.keyboard.press("Escape")
    shown.page.wait_for_function(got)
    assert shown.run("() => p2p.picked") is None


def test_the_arrow_keys_move_the_map_and_plus_zooms(shown: MapPage) -> None:
    shown.page.locator("#map").focus()
    shown.page.keyboard.press("ArrowRight")
    shown.page.wait_for_function("() => p2p.chart.map.getCenter().lng > 4.06")
    zoom = shown.run("() => p2p.chart.map.getZoom()")
    shown.page.keyboard.press("+")
    shown.page.wait_for_function("(zoom) => p2p.chart.map.getZoom() > zoom", arg=zoom)


def test_a_brush_across_the_timeline_gives_the_window(shown: MapPage) -> None:
    timed(shown)
    over = shown.page.locator(".p2p-timeline-plot .u-over")
    box = over.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    shown.page.mouse.move(box["x"] + box["width"] * 6 / 24, y)
    shown.page.mouse.down()
    shown.page.mouse.move(box["x"] + box["width"] * 10 / 24, y, steps=4)
    shown.page.mouse.up()
    assert shown.events("window") == [{"from": FROM + 6 * HOUR, "to": FROM + 10 * HOUR, "live": False}]
    shown.page.get_by_role("button", name="Back to now").click()
    assert shown.events("window")[-1] == {"from": None, "to": None, "live": True}


def test_the_timeline_works_by_keyboard_alone(shown: MapPage) -> None:
    timed(shown)
    slider = shown.page.get_by_role("slider", name="Timeline: choose a period")
    slider.focus()
    for key in ("ArrowLeft", "Shift+ArrowRight", "Home", "n"):
        shown.page.keyboard.press(key)
    assert [(item["from"], item["to"]) for item in shown.events("window")] == [
        (FROM + 22 * HOUR, FROM + 23 * HOUR),
        (FROM + 22 * HOUR, FROM + 24 * HOUR),
        (FROM, FROM + 2 * HOUR),
        (None, None),
    ]
    assert int(slider.get_attribute("aria-valuemax") or 0) == FROM + 24 * HOUR


def test_playing_moves_the_window_on_and_the_lanes_name_their_events(shown: MapPage) -> None:
    timed(shown)
    shown.page.get_by_role("button", name="Play").click()
    shown.page.wait_for_function("(from) => p2p.timeline.chosen.from > from", arg=FROM)
    shown.page.get_by_role("button", name="Pause").click()
    shown.page.locator("#timeline > div > svg path").first.click()
    assert shown.events("event") == [{"lane": "beanr", "id": "e1"}]
    expect(shown.page.locator("#timeline > div > svg")).to_contain_text("Zeebrugge")


def test_the_timeline_follows_the_theme(shown: MapPage) -> None:
    timed(shown)
    before = shown.run("() => document.querySelector('#timeline canvas').toDataURL()")
    shown.run("() => { document.documentElement.dataset.theme = 'light'; }")
    shown.page.wait_for_function(
        "(before) => document.querySelector('#timeline canvas').toDataURL() !== before", arg=before
    )


def test_the_policy_stops_html_that_is_made_of_text(chromium: Browser, address: str) -> None:
    with map_page(chromium, address) as shown:
        shown.open()
        shown.watched.allowed += ["require-trusted-types-for", "TrustedHTML"]
        blocked = shown.run(
            "() => { try { document.querySelector('h1').innerHTML = '<img src=x>'; return 'done'; } catch (e) { return e.name; } }"
        )
        assert blocked == "TypeError"
        assert shown.run("() => violations.length") == 1


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_map_timeline_and_ladder_are_accessible(shown: MapPage, tmp_path: Path, theme: str) -> None:
    shown.run("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
    timed(shown)
    shown.run("() => { p2p.chart.map.setView([51.1, 3.9], 10, {animate: false}); p2p.sail(400, 1); }")
    shown.run(
        """() => p2p.ladders.drawLadder(document.querySelector("#ladder"), {index: 2, size: 4, leaf: "ab".repeat(32),
             root: "ef".repeat(32), steps: [{sibling: "cd".repeat(32), left: true, hash: "12".repeat(32)},
                                            {sibling: "34".repeat(32), left: false, hash: "ef".repeat(32)}]})"""
    )
    shown.page.get_by_text("Layers", exact=True).click()
    assert shown.watched.axe() == []
    assert shown.watched.small_targets() == []
    shown.watched.screenshot(f"map-{theme}", tmp_path)
    assert shown.watched.overflow() == []


def test_an_operators_own_tiles_take_the_place_of_the_basemap(chromium: Browser, tmp_path: Path) -> None:
    tiles = shared_path("../basemap/basemap.pmtiles")

    async def file(_request: Request) -> FileResponse:
        return FileResponse(tiles, media_type="application/vnd.pmtiles")

    with served(Route("/basemap.pmtiles", file)) as address, map_page(chromium, address) as shown:
        shown.open("?basemap=/basemap.pmtiles&at=51.25,4.2,11")
        land = "() => p2p.colour(700, 480)[0] === 27 && document.querySelectorAll('canvas.leaflet-tile').length > 4"
        shown.page.wait_for_function(land)
        shown.watched.screenshot("map-tiles", tmp_path)
