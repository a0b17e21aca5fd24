from __future__ import annotations

import json
from datetime import time, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from node.data import starter_places
from node.places import FEATURES, PlacesError, load_places
from port2port.errors import MalformedError
from port2port.geo import from_local_metres, haversine_m
from port2port.limits import LIMITS
from tests.fakes.ais import NOON, at
from tests.fakes.maps import SQUARE, feature, fence, geojson
from tests.fakes.shared_data import shared_path
from tests.vectors import build_places

if TYPE_CHECKING:
    from node.places import Rules

POINT = {"type": "Point", "coordinates": [4.32, 51.28]}


def rules_of(**rules: Any) -> Rules:
    (place,) = fence(**rules).places
    assert place.rules is not None
    return place.rules


def test_the_most_specific_place_comes_first() -> None:
    places = load_places(geojson(feature("port", geometry=POINT, radius_m=20_000, port="x"), feature("dock")))
    inside, beside, far = places.locate([at(51.21, 4.21), at(51.28, 4.32), at(50.0, 4.0)])
    assert [place.id for place in inside] == ["dock", "port"]
    assert [place.id for place in beside] == ["port"]
    assert far == ()


def test_an_empty_map_finds_nothing() -> None:
    places = load_places(geojson())
    assert places.locate([at(51.21, 4.21)]) == [()]
    assert places.locate_fences([at(51.21, 4.21)]) == [()]
    assert len(places) == 0


def test_a_point_becomes_a_circle_of_its_radius_in_metres() -> None:
    places = load_places(geojson(feature("p", geometry=POINT, radius_m=500)))
    centre = at(51.28, 4.32)
    for bearing_m in ((490, 0), (0, 490), (-340, 340)):
        assert places.locate([from_local_metres(centre, *bearing_m)])[0], bearing_m
    for bearing_m in ((505, 0), (0, -505), (-360, 360)):
        assert not places.locate([from_local_metres(centre, *bearing_m)])[0], bearing_m


def test_corners_closer_than_any_survey_do_not_upset_the_loader() -> None:
    ring = [[-2.0, 0.0], [0.0, -1.0], [-1.0, -3.60694804363006e-214], [0.0, 0.0], [-1.0, 0.0], [-2.0, 0.0]]
    with pytest.raises(PlacesError):
        load_places(geojson(feature(geometry={"type": "Polygon", "coordinates": [ring]})))


def test_a_hole_is_outside() -> None:
    hole = [[4.209, 51.209], [4.211, 51.209], [4.211, 51.211], [4.209, 51.211], [4.209, 51.209]]
    places = load_places(geojson(feature(geometry={"type": "Polygon", "coordinates": [*SQUARE, hole]})))
    assert places.locate([at(51.21, 4.21)]) == [()]


def test_several_polygons_are_one_place() -> None:
    other = [[[lon + 1, lat] for lon, lat in SQUARE[0]]]
    places = load_places(geojson(feature(geometry={"type": "MultiPolygon", "coordinates": [SQUARE, other]})))
    assert all(places.locate([at(51.21, 4.21), at(51.21, 5.21)]))


def test_the_inner_buffer_is_fifty_metres() -> None:
    places = fence(allowed_ship_types=[])
    edge = at(51.21, 4.20)
    for east_m, deep in ((40.0, False), (60.0, True)):
        (((_, found),),) = places.locate_fences([from_local_metres(edge, east_m, 0.0)])
        assert found is deep


def test_a_place_too_small_for_the_buffer_keeps_its_outline() -> None:
    places = load_places(geojson(feature("p", geometry=POINT, radius_m=30, rules={})))
    assert places.locate_fences([at(51.28, 4.32)])[0][0][1] is True


def test_rules_name_types_ranges_times_speeds_and_level() -> None:
    rules = rules_of(
        allowed_ship_types=[52, "70-79"],
        active_utc=[["22:00", "05:30"]],
        max_speed_kn=8,
        min_security_level=2,
        alert_on=["enter", "leave"],
    )
    assert rules.allows(52)
    assert rules.allows(79)
    assert not rules.allows(80)
    assert rules.active_utc == ((time(22), time(5, 30)),)
    assert rules.max_speed_kn == 8.0
    assert rules.alert_on == {"enter", "leave"}


def test_without_a_list_nobody_is_allowed() -> None:
    assert not rules_of().allows(70)


@pytest.mark.parametrize(
    ("hour", "level", "stands"), [(23, 2, True), (3, 2, True), (12, 2, False), (6, 2, False), (23, 1, False)]
)
def test_a_fence_stands_over_midnight_and_from_its_level(hour: int, level: int, stands: bool) -> None:
    rules = rules_of(active_utc=[["22:00", "05:30"]], min_security_level=2)
    assert rules.stands(NOON - timedelta(hours=12) + timedelta(hours=hour), level) is stands


def bad_geometry(coordinates: object) -> dict[str, Any]:
    return feature(geometry={"type": "Polygon", "coordinates": coordinates})


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "FeatureCollection"),
        (b'{"type": "Feature", "features": []}', "FeatureCollection"),
        (b'{"type": "FeatureCollection", "features": {}}', "FeatureCollection"),
        (geojson(feature(), 7), "feature 1: is not a GeoJSON Feature"),
        (geojson({"type": "Feature", "properties": None}), "feature 0: has no properties"),
        (geojson({"type": "Feature", "properties": {}}), "has no geometry"),
        (geojson(feature(), feature()), "feature 1: the id dock is used twice"),
        (geojson(feature("no blanks")), "id must be"),
        (geojson(feature("")), "id must be"),
        (geojson(feature(name="")), "name must be"),
        (geojson(feature(name="line\nbreak")), "name must be"),
        (geojson(feature(kind="Dock!")), "kind must be"),
        (geojson(feature(port=7)), "port must be"),
        (geojson(feature(geometry={"type": "LineString", "coordinates": []})), "geometry must be"),
        (geojson(feature(geometry=POINT)), "radius_m must be"),
        (geojson(feature(geometry=POINT, radius_m=True)), "radius_m must be"),
        (geojson(feature(geometry=POINT, radius_m=1e9)), "radius_m must be"),
        (geojson(feature(radius_m=50)), "belongs to a Point only"),
        (geojson(feature(geometry={"type": "Point", "coordinates": [4.3]}, radius_m=50)), "[longitude, latitude]"),
        (geojson(feature(geometry={"type": "Point", "coordinates": [4.3, 91]}, radius_m=50)), "latitude must be"),
        (geojson(bad_geometry([])), "polygon"),
        (geojson(bad_geometry([[[4, 51], [5, 51]]])), "not those of a polygon"),
        (geojson(bad_geometry([[[4, 51], [5, 51], "x"]])), "not those of a polygon"),
        (geojson(bad_geometry([[[4, 51], [5, 52], [5, 51], [4, 52], [4, 51]]])), "crosses itself"),
        (geojson(bad_geometry([[[51, 400], [52, 400], [52, 401], [51, 400]]])), "[longitude, latitude]"),
        (geojson(feature(rules=[])), "rules must be an object"),
        (geojson(feature(rules={"max_sped": 1})), "unknown rule 'max_sped'"),
        (geojson(feature(rules={"max_speed_kn": "8"})), "max_speed_kn must be"),
        (geojson(feature(rules={"min_security_level": 4})), "1, 2 or 3"),
        (geojson(feature(rules={"min_security_level": True})), "1, 2 or 3"),
        (geojson(feature(rules={"min_security_level": []})), "1, 2 or 3"),
        (geojson(feature(rules={"allowed_ship_types": "70"})), "must be a list"),
        (geojson(feature(rules={"allowed_ship_types": [256]})), "AIS type codes"),
        (geojson(feature(rules={"allowed_ship_types": ["70-"]})), "AIS type codes"),
        (geojson(feature(rules={"active_utc": "22:00"})), "list of pairs"),
        (geojson(feature(rules={"active_utc": [["22:00"]]})), "list of pairs"),
        (geojson(feature(rules={"active_utc": [["24:00", "01:00"]]})), "list of pairs"),
        (geojson(feature(rules={"active_utc": [["22:00", 5]]})), "list of pairs"),
        (geojson(feature(rules={"alert_on": ["stay"]})), "alert_on"),
        (geojson(feature(rules={"alert_on": [[]]})), "alert_on"),
        (geojson(*[0] * (FEATURES + 1)), "more than"),
        (b" " * (LIMITS.geojson_bytes + 1), "too large"),
    ],
)
def test_a_bad_file_is_refused_with_the_place_of_the_mistake(data: bytes, says: str) -> None:
    with pytest.raises(PlacesError) as caught:
        load_places(data)
    assert says in str(caught.value)
    assert isinstance(caught.value, MalformedError)


def test_the_error_carries_the_number_of_the_feature() -> None:
    with pytest.raises(PlacesError) as caught:
        load_places(geojson(feature(), feature("b", kind=1)))
    assert caught.value.facts["feature"] == 1


def test_the_starter_map_loads_and_warns_and_fences_nothing() -> None:
    places = load_places(starter_places())
    assert len(places) == 79
    assert places.fences == ()
    document = json.loads(starter_places())
    assert "NEVER FOR NAVIGATION" in document["disclaimer"]
    assert {feature["properties"]["confidence"] for feature in document["features"]} == set(document["confidence"])
    assert places.locate([at(51.289, 4.2545)])[0][0].id == "t-deurganck"


def test_the_starter_map_is_what_its_builder_makes() -> None:
    ports = json.loads(shared_path("ports.json").read_text(encoding="utf-8"))
    assert build_places.render(build_places.build(ports)).encode() == starter_places()


def test_the_circles_of_the_starter_map_have_their_radius() -> None:
    places = load_places(starter_places())
    outline = next(place.outline for place in places.places if place.id == "t-noordzee")
    centre = at(51.3345, 4.2785)
    for longitude, latitude in outline.exterior.coords:
        assert haversine_m(centre, at(latitude, longitude)) == pytest.approx(600, rel=0.005)
