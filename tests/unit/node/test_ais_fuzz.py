"""Whatever the bytes: a value or one of our errors. Seeded damage for volume, hypothesis for shape; some 17,000 inputs."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.places import Places, PlacesError, load_places
from node.sensors.gate import Gate
from node.sensors.parsers.ais import AisParser, line_time
from node.sensors.parsers.nmea import Fate
from node.sensors.transports.lines import LineSplitter, ReceivedLine
from tests.fakes.ais import NOON, sentences
from tests.fakes.examples import many
from tests.fakes.maps import feature, geojson

ARMOUR = bytes(range(48, 88)) + bytes(range(96, 120))
VALID = [
    *sentences({"mmsi": 205_123_456, "lat": 51.3, "lon": 4.3}),
    *sentences({"type": 5, "mmsi": 205_123_456, "shipname": "ALPHA", "imo": 9_074_729}),
    *sentences({"type": 24, "mmsi": 205_123_456, "partno": 1, "callsign": "OR1"}),
    b"$PGHP,1,2014,9,28,16,0,4,684,219,21,992190921,1,14*22",
    b"2024-01-02T03:04:05Z !AIVDM,1,1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0*23,1704164645",
]


def checked(body: bytes) -> bytes:
    check = 0
    for byte in body:
        check ^= byte
    return b"!" + body + b"*%02X" % check


def tagged(content: bytes) -> bytes:
    check = 0
    for byte in content:
        check ^= byte
    return b"\\" + content + b"*%02X\\" % check


digits = st.sampled_from([b"1", b"2", b"3", b"9", b"0", b"", b"x", b"12", "²".encode("latin-1")])
payloads = st.one_of(
    st.lists(st.sampled_from(ARMOUR), max_size=90).map(bytes),
    st.binary(max_size=60),
)
# Sentences whose checksum holds, so that what lies behind it is reached.
framed = st.builds(
    lambda talker, total, number, seq, channel, payload, fill: checked(
        b",".join([talker, total, number, seq, channel, payload, fill])
    ),
    st.sampled_from([b"AIVDM", b"BSVDO", b"aivdm", b"XXVDM", b"\xff\xffVDM"]),
    digits, digits, digits,
    st.sampled_from([b"A", b"B", b"", b"\xc3"]),
    payloads,
    st.sampled_from([b"0", b"2", b"5", b"6", b"-1", b"x", b""]),
)  # fmt: skip
blocks = st.builds(
    lambda fields: tagged(b",".join(fields)),
    st.lists(
        st.one_of(
            st.sampled_from([b"s:S1", b"c:1700000000", b"c:-1", b"c:" + b"9" * 40, b"g:1-2-7", b"g:2-2-7", b"1G2:7"]),
            st.binary(max_size=12).map(lambda raw: raw.replace(b"\\", b"")),
        ),
        max_size=4,
    ),
)
damaged = st.builds(
    lambda line, where, what: line[: where % len(line)] + what + line[where % len(line) + 1 :],
    st.sampled_from(VALID), st.integers(0, 200), st.binary(max_size=3),
)  # fmt: skip
lines = st.one_of(st.binary(max_size=120), framed, damaged, st.builds(lambda b, f: b + f, blocks, framed))


@given(st.lists(st.tuples(lines, st.integers(-5, 5), st.sampled_from(["a", "b/1"])), max_size=12))
@settings(max_examples=many(400), deadline=None)
def test_any_lines_give_observations_and_every_line_is_accounted_for(taken: list[tuple[bytes, int, str]]) -> None:
    parser, gate = AisParser(), Gate()
    found = parser.parse(ReceivedLine(source, NOON + timedelta(seconds=s), line) for line, s, source in taken)
    admitted = gate.admit(found)
    counters, judged = parser.counters(), gate.counters()
    assert sum(counters.fates.values()) == counters.lines == len(taken)
    assert counters.observations == len(found) == judged.seen
    assert len(admitted) == judged.passed
    assert all(raw in {line for line, _, _ in taken} or raw.startswith(b"$PGHP") for one in found for raw in one.raw)


@given(lines)
@settings(max_examples=many(300), deadline=None)
def test_the_time_of_any_line_is_aware_or_none(line: bytes) -> None:
    at = line_time(line)
    assert at is None or at.tzinfo is not None


@given(st.lists(st.binary(max_size=50), max_size=8), st.integers(1, 40))
@settings(max_examples=many(250), deadline=None)
def test_lines_are_the_same_however_the_stream_is_cut(pieces: list[bytes], limit: int) -> None:
    whole = b"\n".join(pieces)
    at_once, byte_by_byte = LineSplitter(limit=limit), LineSplitter(limit=limit)
    one = [*at_once.feed(whole), *at_once.finish()]
    other = [line for value in whole for line in byte_by_byte.feed(bytes([value]))] + [*byte_by_byte.finish()]
    assert one == other
    assert at_once.too_long == byte_by_byte.too_long
    assert all(0 < len(line) <= limit for line in one)


def loads_or_refuses(data: bytes) -> None:
    with suppress(PlacesError):
        assert isinstance(load_places(data), Places)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
coordinates = st.recursive(
    st.floats(-200, 200) | st.integers(-200, 200) | st.none() | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=6),
    max_leaves=16,
)
geometries = st.fixed_dictionaries(
    {"type": st.sampled_from(["Point", "Polygon", "MultiPolygon", "LineString", 7]), "coordinates": coordinates}
)
rings = st.lists(st.tuples(st.floats(-180, 180), st.floats(-85, 85)), min_size=3, max_size=7).map(
    lambda ring: {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
)
rules = st.dictionaries(
    st.sampled_from(["allowed_ship_types", "active_utc", "max_speed_kn", "min_security_level", "alert_on", "x"]),
    json_values | st.sampled_from([["70-79"], [["22:00", "05:00"]], ["leave"], 2, 8.5]),
    max_size=4,
)


@given(st.binary(max_size=200))
@settings(max_examples=many(250), deadline=None)
def test_any_bytes_are_a_map_or_refused(data: bytes) -> None:
    loads_or_refuses(data)


@given(json_values)
@settings(max_examples=many(250), deadline=None)
def test_any_json_is_a_map_or_refused(document: object) -> None:
    loads_or_refuses(json.dumps(document).encode())
    loads_or_refuses(geojson(document))


@given(geometries | rings, st.none() | json_values | st.floats(1, 1000), st.none() | rules)
@settings(max_examples=many(400), deadline=None)
def test_any_feature_is_a_place_or_refused(geometry: dict[str, object], radius: object, given_rules: object) -> None:
    loads_or_refuses(geojson(feature(geometry=geometry, radius_m=radius, rules=given_rules)))


def damage(data: bytes, chance: random.Random) -> bytes:
    """One to four random edits."""
    edited = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        where = chance.randrange(len(edited) + 1)
        match chance.randrange(4):
            case 0:
                edited[where:where] = bytes([chance.randrange(256)])
            case 1:
                del edited[where : where + chance.randint(1, 8)]
            case 2 if where < len(edited):
                edited[where] ^= 1 << chance.randrange(8)
            case _:
                edited[where : where + 2] = chance.choice(
                    [b",", b"*", b"\\", b"!", b"-", b"1e999", b"null", b"[", b"]"]
                )
    return bytes(edited)


def test_twelve_thousand_damaged_lines_with_and_without_a_new_checksum() -> None:
    chance = random.Random(20)
    parser, gate = AisParser(), Gate()
    taken = []
    for number in range(12_000):
        line = damage(chance.choice(VALID), chance)
        if number % 2 and b"!" in line:
            line = checked(line[line.rfind(b"!") + 1 :].partition(b"*")[0])
        taken.append(ReceivedLine(f"s/{number % 7}", NOON + timedelta(seconds=number), line))
    found = parser.parse(taken)
    counters = parser.counters()
    assert sum(counters.fates.values()) == counters.lines == 12_000
    assert gate.counters().seen + len(gate.admit(found)) <= 2 * len(found)
    reached = {fate for fate, count in counters.fates.items() if count}
    assert len(reached) >= 9, reached


def test_three_thousand_damaged_maps() -> None:
    chance = random.Random(21)
    point = feature("p", geometry={"type": "Point", "coordinates": [4.3, 51.2]}, radius_m=500)
    whole = geojson(feature(rules={"allowed_ship_types": [52, "70-79"], "active_utc": [["22:00", "05:30"]]}), point)
    refused = 0
    for _ in range(3_000):
        try:
            load_places(damage(whole, chance))
        except PlacesError:
            refused += 1
    assert 1_000 < refused < 3_000


MESSAGES = [
    *({"type": number, "mmsi": 205_123_456, "lat": 51.3, "lon": 4.3} for number in (1, 2, 3, 18, 19, 27)),
    {"type": 5, "mmsi": 205_123_456, "shipname": "ALPHA", "imo": 9_074_729, "destination": "ANTWERP"},
    {"type": 24, "mmsi": 205_123_456, "partno": 0, "shipname": "ALPHA"},
    {"type": 24, "mmsi": 205_123_456, "partno": 1, "callsign": "OR1"},
    {"type": 24, "mmsi": 982_051_234, "partno": 1, "callsign": "OR1", "mothership_mmsi": 205_123_456},
    {"type": 8, "mmsi": 244_700_001, "dac": 200, "fid": 10, "vin": "02312345", "length": 110.0, "shiptype": 8010},
]


@pytest.mark.parametrize(
    "message",
    MESSAGES,
    ids=lambda message: "-".join(str(message[key]) for key in ("type", "mmsi", "partno") if key in message),
)
def test_every_message_may_be_cut_off_anywhere(message: dict[str, object]) -> None:
    encoded = sentences(message)
    payload = b"".join(line.split(b",")[-2] for line in encoded)
    parser = AisParser()
    cut = [checked(b"AIVDM,1,1,,A,%s,%d" % (payload[:end], fill)) for end in range(len(payload) + 1) for fill in (0, 5)]
    parser.parse(ReceivedLine("s", NOON, line) for line in cut)
    counters = parser.counters()
    assert sum(counters.fates.values()) == counters.lines == len(cut)
    assert counters.fates[Fate.TRUNCATED] + counters.fates[Fate.UNDECODABLE] > 0
