from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from node.observations import AisPosition, MmsiClass, mmsi_class
from node.sensors import gate as gate_module
from node.sensors.gate import Correction, Gate, Refusal
from tests.fakes.ais import after, report, static

SHIP = 205_123_456


def refusal_of(seen: AisPosition) -> Refusal | None:
    gate = Gate()
    passed = gate.admit([seen])
    counters = gate.counters()
    assert counters.seen == counters.passed + sum(counters.refusals.values())
    assert len(passed) == counters.passed
    return next((why for why, count in counters.refusals.items() if count), None)


@pytest.mark.parametrize(
    ("mmsi", "named"),
    [
        (205_123_456, MmsiClass.SHIP),
        (775_999_999, MmsiClass.SHIP),
        (200_999_999, MmsiClass.MALFORMED),
        (776_000_000, MmsiClass.MALFORMED),
        (982_051_234, MmsiClass.CRAFT),
        (812_345_678, MmsiClass.HANDHELD),
        (2_050_001, MmsiClass.COAST),
        (20_500_001, MmsiClass.GROUP),
        (111_205_001, MmsiClass.AIRCRAFT),
        (992_051_234, MmsiClass.AID),
        (970_123_456, MmsiClass.DISTRESS),
        (972_123_456, MmsiClass.DISTRESS),
        (974_123_456, MmsiClass.DISTRESS),
        (0, MmsiClass.MALFORMED),
        (999_999_999, MmsiClass.MALFORMED),
        (1_073_741_823, MmsiClass.MALFORMED),
        (111_111_111, MmsiClass.JUNK),
        (123_456_789, MmsiClass.JUNK),
        (666_000_001, MmsiClass.JUNK),
        (574_574_574, MmsiClass.SHIP),
    ],
)
def test_numbers_are_classed_by_their_digits(mmsi: int, named: MmsiClass) -> None:
    assert mmsi_class(mmsi) is named


@pytest.mark.parametrize(
    ("mmsi", "why"),
    [
        (205_123_456, None),
        (982_051_234, None),
        (2_050_001, Refusal.NOT_A_SHIP),
        (111_205_001, Refusal.NOT_A_SHIP),
        (992_051_234, Refusal.NOT_A_SHIP),
        (0, Refusal.BAD_MMSI),
    ],
)
def test_only_ships_and_craft_pass(mmsi: int, why: Refusal | None) -> None:
    assert refusal_of(report(mmsi, 0, 51.3, 4.3)) is why


@pytest.mark.parametrize(
    ("latitude", "longitude", "why"),
    [
        (51.3, 4.3, None),
        (0.0, 4.3, None),
        (-90.0, 180.0, None),
        (91.0, 181.0, Refusal.NO_POSITION),
        (91.0, 4.3, Refusal.NO_POSITION),
        (51.3, 181.0, Refusal.NO_POSITION),
        (95.5, 4.3, Refusal.OFF_EARTH),
        (51.3, -200.0, Refusal.OFF_EARTH),
        (float("nan"), 4.3, Refusal.OFF_EARTH),
        (0.0, 0.0, Refusal.NULL_ISLAND),
    ],
)
def test_positions_that_cannot_be_are_refused(latitude: float, longitude: float, why: Refusal | None) -> None:
    assert refusal_of(report(SHIP, 0, latitude, longitude)) is why


@pytest.mark.parametrize(
    ("change", "correction"),
    [
        ({"speed_kn": 102.2}, Correction.SPEED),
        ({"course_deg": 360.1}, Correction.COURSE),
        ({"heading_deg": 400.0}, Correction.HEADING),
    ],
)
def test_impossible_values_are_taken_out_and_the_position_kept(
    change: dict[str, float], correction: Correction
) -> None:
    gate = Gate()
    (seen,) = gate.admit([replace(report(SHIP, 0, 51.3, 4.3), **change)])
    assert getattr(seen, next(iter(change))) is None
    assert gate.counters().corrections[correction] == 1


def test_what_needs_no_correction_is_passed_on_as_it_is() -> None:
    seen = report(SHIP, 0, 51.3, 4.3, speed_kn=102.1)
    assert Gate().admit([seen])[0] is seen


@pytest.mark.parametrize(
    ("lag", "correction"),
    [
        (timedelta(hours=23), None),
        (timedelta(days=2), Correction.CLOCK_BEHIND),
        (timedelta(days=20_000), Correction.CLOCK_BEHIND),
        (timedelta(seconds=-60), None),
        (timedelta(seconds=-100), Correction.CLOCK_AHEAD),
    ],
)
def test_times_that_a_receiver_cannot_mean_become_the_time_of_receipt(
    lag: timedelta, correction: Correction | None
) -> None:
    for seen in (report(SHIP, 0, 51.3, 4.3), static(SHIP, 0, name="X")):
        gate = Gate()
        (passed,) = gate.admit([replace(seen, observed_at=seen.received_at - lag)])
        expected = seen.received_at if correction else seen.received_at - lag
        assert passed.observed_at == expected
        assert sum(gate.counters().corrections.values()) == (correction is not None)


def test_reports_out_of_order_pass_within_ninety_seconds_only() -> None:
    gate = Gate()
    order = [100, 11, 9]
    passed = gate.admit([report(SHIP, second, 51.3, 4.3) for second in order])
    assert [seen.observed_at for seen in passed] == [after(100), after(11)]
    assert gate.counters().refusals[Refusal.TOO_LATE] == 1


def test_each_station_has_its_own_order() -> None:
    gate = Gate()
    seen = [report(SHIP, 500, 51.3, 4.3), report(SHIP, 0, 51.3, 4.3, station="other")]
    assert len(gate.admit(seen)) == 2


def test_a_report_late_by_force_does_not_move_the_newest_time_back() -> None:
    gate = Gate()
    gate.admit([report(SHIP, second, 51.3, 4.3) for second in (100, 20)])
    assert gate.admit([report(SHIP, 5, 51.3, 4.3)]) == []


def test_the_memory_of_newest_times_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "STREAMS", 10)
    gate = Gate()
    gate.admit([report(SHIP + number, 0, 51.3, 4.3) for number in range(50)])
    assert len(gate._newest) == 10
