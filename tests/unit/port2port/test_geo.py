from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port2port.geo import (
    METRES_PER_NM,
    Position,
    angle_between_deg,
    bearing_deg,
    cell_of,
    from_local_metres,
    haversine_m,
    local_metres,
    metres_per_second,
)

ANTWERP = Position(latitude_deg=51.28, longitude_deg=4.32)
positions = st.builds(
    Position,
    latitude_deg=st.floats(-90, 90, allow_nan=False),
    longitude_deg=st.floats(-180, 180, allow_nan=False),
)


def test_a_minute_of_latitude_is_a_nautical_mile() -> None:
    north = Position(latitude_deg=51.28 + 1 / 60, longitude_deg=4.32)
    assert haversine_m(ANTWERP, north) == pytest.approx(METRES_PER_NM, rel=0.002)


def test_antwerp_to_vlissingen_is_about_forty_nine_kilometres() -> None:
    vlissingen = Position(latitude_deg=51.447, longitude_deg=3.69)
    assert haversine_m(ANTWERP, vlissingen) == pytest.approx(47_500, rel=0.01)


def test_the_antimeridian_is_no_barrier() -> None:
    east, west = (Position(latitude_deg=-21.0, longitude_deg=lon) for lon in (179.99, -179.99))
    assert haversine_m(east, west) < 2200
    assert local_metres(east, west)[0] == pytest.approx(haversine_m(east, west), rel=1e-3)


def test_antipodes_do_not_overflow_the_arcsine() -> None:
    assert haversine_m(Position(latitude_deg=0, longitude_deg=0), Position(latitude_deg=0, longitude_deg=180)) == (
        pytest.approx(math.pi * 6_371_008.8)
    )


@given(positions, positions)
def test_distance_is_symmetric_and_never_negative(a: Position, b: Position) -> None:
    assert haversine_m(a, b) == pytest.approx(haversine_m(b, a))
    assert haversine_m(a, b) >= 0.0


@given(positions, positions)
def test_bearings_lie_in_the_circle(a: Position, b: Position) -> None:
    assert 0.0 <= bearing_deg(a, b) < 360.0


@pytest.mark.parametrize(("north", "east", "bearing"), [(1000, 0, 0), (0, 1000, 90), (-1000, 0, 180), (0, -1000, 270)])
def test_bearings_go_clockwise_from_north(north: float, east: float, bearing: float) -> None:
    found = bearing_deg(ANTWERP, from_local_metres(ANTWERP, east, north))
    assert angle_between_deg(found, bearing) < 0.1


@given(st.floats(-40_000, 40_000), st.floats(-40_000, 40_000))
def test_local_metres_and_back_is_the_same_place(east: float, north: float) -> None:
    there = from_local_metres(ANTWERP, east, north)
    assert local_metres(ANTWERP, there) == pytest.approx((east, north), abs=0.01)
    assert haversine_m(ANTWERP, there) == pytest.approx(math.hypot(east, north), rel=0.01, abs=0.01)


def test_the_smaller_angle_is_taken_across_north() -> None:
    assert angle_between_deg(350, 10) == 20
    assert angle_between_deg(10, 190) == 180


@pytest.mark.parametrize(
    ("latitude", "longitude", "cell"),
    [
        (51.28, 4.32, "N51.2E004.3"),
        (51.3, 4.2, "N51.3E004.2"),
        (-0.01, -0.01, "S00.1W000.1"),
        (0.0, 0.0, "N00.0E000.0"),
    ],
)
def test_cells_are_named_by_their_south_west_corner(latitude: float, longitude: float, cell: str) -> None:
    assert cell_of(Position(latitude_deg=latitude, longitude_deg=longitude)) == cell


@pytest.mark.parametrize(("latitude", "longitude"), [(91.0, 4.0), (51.0, 181.0), (math.nan, 4.0), (51.0, math.inf)])
def test_what_is_not_on_earth_says_so(latitude: float, longitude: float) -> None:
    assert not Position(latitude_deg=latitude, longitude_deg=longitude).is_on_earth


def test_a_knot_is_about_half_a_metre_a_second() -> None:
    assert metres_per_second(1.0) == pytest.approx(0.5144, abs=1e-4)
