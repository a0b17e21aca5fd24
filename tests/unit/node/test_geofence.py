from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from node.detectors import Geofence, Scene
from node.detectors.geofence import FenceSettings
from node.findings import Finding, FindingKind
from node.places import Places
from tests.fakes.ais import report, static
from tests.fakes.maps import fence

if TYPE_CHECKING:
    from node.observations import Observation

SHIP = 205_123_456
IN, EDGE, OUT = (51.21, 4.21), (51.21, 4.2003), (51.21, 4.195)  # the edge is 20 m inside


def detect(
    rules: dict[str, Any], *seen: Observation, level: int = 1, detector: Geofence | None = None
) -> list[Finding]:
    return (detector or Geofence()).detect(seen, Scene(places=fence(**rules), security_level=level))


def course(*where: tuple[float, float], every: float = 30, speed_kn: float = 8.0) -> list[Observation]:
    return [report(SHIP, every * turn, *place, speed_kn=speed_kn) for turn, place in enumerate(where)]


def test_two_reports_inside_are_an_entry() -> None:
    (finding,) = detect({}, *course(OUT, IN, IN, IN))
    assert (finding.kind, finding.subjects, finding.places) == (FindingKind.GEOFENCE, ("mmsi:205123456",), ("dock",))
    assert finding.confidence == 50
    assert "entered" in finding.reason
    assert len(finding.evidence) == 2


@pytest.mark.parametrize("where", [(OUT, IN, OUT, IN, OUT), (OUT, EDGE, EDGE, EDGE), (OUT, OUT)])
def test_a_single_report_or_the_outer_fifty_metres_are_no_entry(where: tuple[tuple[float, float], ...]) -> None:
    assert detect({}, *course(*where)) == []


def test_at_the_edge_a_ship_inside_stays_inside() -> None:
    findings = detect({"alert_on": ["enter", "leave"]}, *course(IN, IN, *[EDGE] * 10, IN, IN))
    assert len(findings) == 1


def test_leaving_is_found_where_asked_for() -> None:
    findings = detect({"alert_on": ["leave"]}, *course(IN, IN, IN, OUT, OUT))
    assert ["left" in finding.reason for finding in findings] == [True]


def test_a_second_crossing_within_a_minute_does_not_count() -> None:
    rules = {"alert_on": ["enter", "leave"]}
    assert len(detect(rules, *course(IN, IN, OUT, OUT, every=10))) == 1
    assert len(detect(rules, *course(IN, IN, OUT, OUT, every=40))) == 2


def test_a_ship_that_comes_back_is_found_again() -> None:
    assert len(detect({}, *course(IN, IN, OUT, OUT, OUT, IN, IN, IN, every=40))) == 2


def test_a_stay_is_one_finding() -> None:
    assert len(detect({}, *course(*[IN] * 100))) == 1


def test_allowed_types_pass_and_others_do_not() -> None:
    rules = {"allowed_ship_types": ["50-59"]}
    assert detect(rules, static(SHIP, 0, ship_type=52), *course(IN, IN, IN)) == []
    (finding,) = detect(rules, static(SHIP, 0, ship_type=70), *course(IN, IN, IN))
    assert finding.numbers["ship_type"].value == 70
    assert any(b"static" in line.line for line in finding.evidence)


def test_a_ship_that_has_not_said_what_it_is_gets_seven_minutes() -> None:
    rules = {"allowed_ship_types": ["50-59"]}
    assert detect(rules, *course(*[IN] * 14)) == []
    assert len(detect(rules, *course(*[IN] * 17))) == 1
    in_time = [
        *course(*[IN] * 5),
        static(SHIP, 130, ship_type=52),
        *[report(SHIP, 150 + 30 * n, *IN) for n in range(30)],
    ]
    assert detect(rules, *in_time) == []


def test_where_nobody_is_allowed_there_is_nothing_to_wait_for() -> None:
    assert len(detect({"allowed_ship_types": []}, *course(IN, IN))) == 1


def test_too_fast_inside_takes_two_reports_and_names_the_limit() -> None:
    rules = {"max_speed_kn": 6}
    assert detect(rules, *course(*[IN] * 5, speed_kn=5.9)) == []
    (finding,) = detect(rules, *course(*[IN] * 5, speed_kn=8.5))
    assert (finding.numbers["speed"].value, finding.numbers["speed"].limit) == (8.5, 6.0)
    once = [*course(IN, IN, speed_kn=5.0), report(SHIP, 60, *IN, speed_kn=9.0), report(SHIP, 90, *IN, speed_kn=5.0)]
    assert detect(rules, *once) == []


def test_a_fence_that_goes_up_finds_who_is_inside() -> None:
    rules = {"active_utc": [["12:10", "13:00"]]}
    assert detect(rules, *course(*[IN] * 10, every=50)) == []
    assert len(detect(rules, *course(*[IN] * 20, every=50))) == 1


def test_the_security_level_raises_fences() -> None:
    rules = {"min_security_level": 2}
    assert detect(rules, *course(IN, IN, IN)) == []
    assert len(detect(rules, *course(IN, IN, IN), level=2)) == 1


def test_reports_from_far_away_under_the_same_number_do_not_hide_a_ship() -> None:
    seen: list[Observation] = []
    for turn in range(5):
        seen += [report(SHIP, 20 * turn, *IN), report(SHIP, 20 * turn + 10, 10.0, 10.0)]
    assert len(detect({}, *seen)) == 1


def test_reports_out_of_order_are_passed_over() -> None:
    seen = [report(SHIP, second, *place) for second, place in ((60, IN), (30, OUT), (90, IN))]
    assert len(detect({}, *seen)) == 1


def test_a_place_taken_off_the_map_takes_its_stays_along() -> None:
    detector = Geofence()
    detect({}, *course(IN, IN), detector=detector)
    other = fence(alert_on=["leave"])
    moved = Places([])
    assert detector.detect(course(IN), Scene(places=moved)) == []
    assert len(other.fences) == 1


def test_what_is_remembered_is_bounded() -> None:
    detector = Geofence(FenceSettings(ships=5))
    detect({}, *[report(SHIP + number, number, *IN) for number in range(20)], detector=detector)
    assert len(detector.state.ships) == 5
    quiet = Geofence()
    detect({}, *[report(SHIP + number, number, *OUT) for number in range(20)], detector=quiet)
    assert len(quiet.state.ships) == 0
