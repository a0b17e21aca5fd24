from __future__ import annotations

import pytest

from node.detectors import Detector, IdentityClone, Scene, all_detectors, label
from node.detectors.identity_clone import CloneSettings
from node.findings import EVIDENCE_LINES, Finding, FindingKind, Severity, which_track
from node.observations import Observation, SourceClass
from node.places import Places
from tests.fakes.ais import after, report, static

SHIP = 205_123_456
HERE, FAR = (51.30, 4.30), (51.42, 3.56)  # 28 nm apart
SCENE = Scene(places=Places(()))


def detect(*seen: Observation, detector: IdentityClone | None = None) -> list[Finding]:
    return (detector or IdentityClone()).detect(seen, SCENE)


def in_turns(reports: int, **given: object) -> list[Observation]:
    """A ship here and another there, every ten seconds each, under one number."""
    seen: list[Observation] = []
    for turn in range(reports):
        seen.append(report(SHIP, 20 * turn, *HERE, **given))  # type: ignore[arg-type]  # keyword table of the caller
        seen.append(report(SHIP, 20 * turn + 10, *FAR, **given))  # type: ignore[arg-type]  # keyword table of the caller
    return seen


def test_two_ships_taking_turns_under_one_number_are_a_clone() -> None:
    (finding,) = detect(*in_turns(3))
    assert finding.kind is FindingKind.IDENTITY_CLONE
    assert finding.subjects == ("mmsi:205123456",)
    assert finding.severity is Severity.HIGH
    assert finding.detector == "identity-clone@1"
    assert finding.numbers["separation"].value == pytest.approx(28.7, abs=1.5)
    assert finding.numbers["separation"].limit == 10.0
    assert "two transmitters" in finding.reason


@pytest.mark.parametrize("reports", [1, 2])
def test_fewer_than_three_reports_of_the_newer_are_noise(reports: int) -> None:
    assert detect(*in_turns(reports)) == []


def test_a_ship_whose_position_jumps_for_good_is_no_clone() -> None:
    before = [report(SHIP, second, *HERE) for second in range(0, 100, 10)]
    assert detect(*before, *[report(SHIP, second, *FAR) for second in range(100, 300, 10)]) == []


def test_one_answer_of_the_older_is_not_enough() -> None:
    seen = [report(SHIP, 0, *HERE), report(SHIP, 10, *FAR), report(SHIP, 20, *HERE)]
    assert detect(*seen, report(SHIP, 30, *FAR), report(SHIP, 40, *FAR), report(SHIP, 50, *FAR)) == []


def test_tracks_closer_than_ten_miles_are_two_clocks_not_two_ships() -> None:
    near = (51.30, 4.50)  # 7.5 nm
    seen = [report(SHIP, 10 * turn, *(HERE if turn % 2 else near)) for turn in range(20)]
    assert detect(*seen) == []


def test_a_fast_ship_is_one_ship() -> None:
    # 45 knots eastwards for an hour with reports every half minute
    degrees = 45 * 1852 / 3600 / 69_500
    assert detect(*[report(SHIP, second, 51.3, 3.0 + degrees * second) for second in range(0, 3600, 30)]) == []


def test_a_track_unheard_for_half_a_day_is_forgotten() -> None:
    old = [report(SHIP, second, *HERE) for second in (0, 10)]
    hours = 13 * 3600
    new = [report(SHIP, hours + second, 10.0, -40.0) for second in range(0, 100, 10)]
    assert detect(*old, *new) == []


def test_one_finding_per_number_and_day() -> None:
    detector = IdentityClone()
    assert len(detect(*in_turns(50), detector=detector)) == 1
    tomorrow = 24 * 3600 + 60
    again = [report(SHIP, tomorrow + 10 * turn, *(HERE if turn % 2 else FAR)) for turn in range(20)]
    (finding,) = detect(*again, detector=detector)
    assert finding.found_at > after(24 * 3600)


def test_the_same_occasion_has_the_same_id_and_another_number_another() -> None:
    one, same = detect(*in_turns(3))[0], detect(*in_turns(3))[0]
    other = detect(*[report(SHIP + 1, 10 * turn, *(HERE if turn % 2 else FAR)) for turn in range(8)])[0]
    assert one.id == same.id
    assert one.id != other.id


def test_open_radio_alone_is_worth_fifty() -> None:
    (finding,) = detect(*in_turns(3))
    assert (finding.confidence, finding.single_open_source) == (50, True)
    (finding,) = detect(*in_turns(3, source_class=SourceClass.LOCAL))
    assert (finding.confidence, finding.single_open_source) == (75, False)


def test_default_numbers_are_listed_as_data_quality() -> None:
    seen = [report(123_456_789, 10 * turn, *(HERE if turn % 2 else FAR)) for turn in range(8)]
    (finding,) = detect(*seen)
    assert (finding.kind, finding.severity) == (FindingKind.DATA_QUALITY, Severity.INFO)


def test_discriminators_tell_the_two_ships_apart() -> None:
    seen: list[Observation] = []
    for turn in range(3):
        seen.append(report(SHIP, 20 * turn, *HERE, station="east"))
        seen.append(report(SHIP, 20 * turn + 10, *FAR, station="west"))
        if turn == 0:
            seen.append(static(SHIP, 11, station="east", name="HONEST", callsign="OR1", imo=9_074_729, ship_type=70))
            seen.append(static(SHIP, 12, station="west", name="FALSE", length_m=90.0))
    (finding,) = detect(*seen)
    older, newer = finding.discriminators
    assert (older.track, older.names, older.callsigns, older.imos, older.stations) == (
        "older", ("HONEST",), ("OR1",), (9_074_729,), ("east",),
    )  # fmt: skip
    assert (newer.track, newer.names, newer.lengths_m, newer.cell) == ("newer", ("FALSE",), (90.0,), "N51.4E003.5")


def test_a_static_heard_by_a_station_that_hears_both_belongs_to_neither() -> None:
    seen = in_turns(2)
    (finding,) = detect(*seen, static(SHIP, 35, name="WHOSE"), *in_turns(4)[4:])
    assert [mark.names for mark in finding.discriminators] == [(), ()]


def test_which_track_a_sighting_means() -> None:
    (finding,) = detect(*in_turns(3))
    marks = finding.discriminators
    assert which_track(marks, report(SHIP, 120, 51.31, 4.31)) == "older"
    assert which_track(marks, report(SHIP, 120, 51.41, 3.57)) == "newer"
    assert which_track(marks, report(SHIP, 120, 10.0, 10.0)) is None
    assert which_track(marks, report(SHIP, 12 * 3600, 51.36, 3.9)) is None


def test_the_raw_lines_of_both_ships_are_evidence_and_capped() -> None:
    (finding,) = detect(*in_turns(3))
    lines = [line.line for line in finding.evidence]
    assert len(lines) == 6 == len(set(lines))
    assert any(b"51.42" in line for line in lines)
    assert any(b"4.3" in line for line in lines)
    assert len(lines) <= EVIDENCE_LINES


def test_random_positions_do_not_push_a_confirmed_ship_out() -> None:
    detector = IdentityClone()
    detect(*[report(SHIP, 10 * turn, *HERE) for turn in range(5)], detector=detector)
    noise = [report(SHIP, 50 + number / 10, -60.0 + 6 * number, -170.0) for number in range(20)]
    assert detect(*noise, detector=detector) == []
    tracks = detector.state.numbers[SHIP].tracks
    assert len(tracks) == CloneSettings().tracks_per_number
    assert [track.count for track in tracks if track.count > 1] == [5]
    later = [report(SHIP, 60 + 10 * turn, *(FAR if turn % 2 else HERE)) for turn in range(8)]
    assert len(detect(*later, detector=detector)) == 1


def test_the_number_of_ships_remembered_is_bounded() -> None:
    detector = IdentityClone(CloneSettings(numbers=10))
    detect(*[report(SHIP + number, number, *HERE) for number in range(50)], detector=detector)
    assert len(detector.state.numbers) == 10


def test_high_speed_craft_may_be_faster() -> None:
    degrees = 65 * 1852 / 3600 / 69_500
    seen = [report(SHIP, second, 51.3, 3.0 + degrees * second) for second in range(0, 3600, 600)]
    detector = IdentityClone()
    detect(seen[0], static(SHIP, 1, ship_type=41), *seen[1:], detector=detector)
    assert len(detector.state.numbers[SHIP].tracks) == 1


def test_every_detector_has_a_name_and_a_version() -> None:
    detectors: tuple[Detector, ...] = all_detectors()
    assert {label(detector) for detector in detectors} == {"identity-clone@1", "geofence@1"}
    assert all_detectors()[0] is not detectors[0]
