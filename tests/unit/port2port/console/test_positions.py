"""Frames and deltas of the live map: whatever happened, frame and newest delta give the picture of now."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port2port.console.positions import (
    PER_DEGREE,
    Frame,
    PositionError,
    Vessel,
    VesselState,
    encode_delta,
    encode_frame,
)

AT = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)
AT_MS = 1_795_348_800_250
PILOT = Vessel("205000001", 51.30001, 4.28002, 271.6, 12.34, VesselState.ACTIVATED, "PILOT 1")
MOORED = Vessel("205000002", 51.2, 4.4)

vessels = st.lists(
    st.builds(
        Vessel,
        st.sampled_from([f"2050000{n:02}" for n in range(30)]),
        st.floats(-90, 90),
        st.floats(-180, 180),
        st.none() | st.floats(0, 360),
        st.none() | st.floats(0, 102),
        st.sampled_from(VesselState),
        st.sampled_from(["", "Ā é \u202e", "MSC ANTWERPEN"]),
    ),
    unique_by=lambda vessel: vessel.key,
    max_size=20,
)


def picture(data: bytes, delta: bytes | None = None) -> dict[str, list[object]]:
    """What a reader makes of a frame and the newest delta, in the fewest words."""
    frame = json.loads(data)
    rows = [list(row) for row in frame["vessels"]]
    change = json.loads(delta) if delta else {"moved": [], "state": [], "come": [], "gone": []}
    for slot, dlat, dlon, course, speed in change["moved"]:
        rows[slot][1:5] = [rows[slot][1] + dlat, rows[slot][2] + dlon, course, speed]
    for slot, state in change["state"]:
        rows[slot][5] = state
    gone = set(change["gone"])
    shown = {row[0]: row[1:] for slot, row in enumerate(rows) if slot not in gone}
    return shown | {row[0]: row[1:] for row in change["come"]}


def frame_of(*shown: Vessel) -> Frame:
    return encode_frame(shown, number=7, at=AT)


def test_a_frame_holds_whole_numbers_of_a_metre_a_degree_and_a_tenth_of_a_knot() -> None:
    assert json.loads(frame_of(PILOT, MOORED).data) == {
        "v": 1,
        "frame": 7,
        "at": AT_MS,
        "vessels": [
            ["205000001", 5130001, 428002, 272, 123, 1, "PILOT 1"],
            ["205000002", 5120000, 440000, -1, -1, 0, ""],
        ],
    }


def test_a_delta_names_only_what_changed_since_its_frame() -> None:
    base = frame_of(PILOT, MOORED)
    onward = PILOT._replace(longitude_deg=4.2799, state=VesselState.DANGEROUS)
    assert json.loads(encode_delta(base, [onward, MOORED], at=AT)) == {
        "v": 1,
        "base": 7,
        "at": AT_MS,
        "moved": [[0, 0, -12, 272, 123]],
        "state": [[0, 3]],
        "come": [],
        "gone": [],
    }


def test_vessels_come_and_go() -> None:
    delta = json.loads(encode_delta(frame_of(PILOT), [MOORED], at=AT))
    assert delta["gone"] == [0]
    assert [row[0] for row in delta["come"]] == ["205000002"]


def test_a_new_name_reaches_the_map() -> None:
    base = frame_of(PILOT)
    renamed = encode_delta(base, [PILOT._replace(name="PILOT 2")], at=AT)
    assert picture(base.data, renamed)["205000001"][-1] == "PILOT 2"


@given(before=vessels, now=vessels)
def test_frame_and_newest_delta_give_the_same_picture_as_a_new_frame(before: list[Vessel], now: list[Vessel]) -> None:
    base = encode_frame(before, number=1, at=AT)
    fresh = encode_frame(now, number=2, at=AT)
    assert picture(base.data, encode_delta(base, now, at=AT)) == picture(fresh.data)


@given(now=vessels)
def test_rounding_never_moves_a_vessel_by_more_than_a_metre(now: list[Vessel]) -> None:
    shown = picture(encode_frame(now, number=1, at=AT).data)
    for vessel in now:
        row = shown[vessel.key]
        assert abs(float(str(row[0])) / PER_DEGREE - vessel.latitude_deg) <= 0.51 / PER_DEGREE
        assert abs(float(str(row[1])) / PER_DEGREE - vessel.longitude_deg) <= 0.51 / PER_DEGREE


@pytest.mark.parametrize(
    "vessel",
    [
        PILOT._replace(latitude_deg=91),
        PILOT._replace(longitude_deg=float("nan")),
        PILOT._replace(course_deg=float("inf")),
        PILOT._replace(speed_kn=float("nan")),
        PILOT._replace(key=""),
    ],
    ids=["too far north", "no number", "endless course", "no speed", "nobody"],
)
def test_what_cannot_be_a_position_is_refused(vessel: Vessel) -> None:
    with pytest.raises(PositionError):
        frame_of(vessel)
    with pytest.raises(PositionError):
        encode_delta(frame_of(MOORED), [vessel], at=AT)


def test_one_vessel_stands_in_one_place() -> None:
    with pytest.raises(PositionError):
        frame_of(PILOT, PILOT)
    with pytest.raises(PositionError):
        encode_delta(frame_of(), [PILOT, PILOT], at=AT)


def test_two_thousand_vessels_fit_a_slow_line() -> None:
    fleet = [Vessel(f"{205_000_000 + n}", 51 + n / 9_000, 3 + n / 2_000, n % 360, n % 20) for n in range(2_000)]
    onward = [vessel._replace(latitude_deg=vessel.latitude_deg + 0.00021) for vessel in fleet]
    base = frame_of(*fleet)
    assert len(base.data) < 120_000
    assert len(encode_delta(base, onward, at=AT)) < 50_000
