"""The traps of real feeds, one test each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pyais import encode_dict
from pyais.messages import TagBlock

from node.observations import AisPosition, AisStatic, SourceClass
from node.sensors.parsers.ais import DUPLICATE_WINDOW, STATICS_REMEMBERED, AisParser, line_time
from node.sensors.parsers.assembler import GROUPS_PER_STATION, STATIONS
from node.sensors.parsers.nmea import CACHE_ENTRIES, LINE_BYTES, Fate
from node.sensors.transports.lines import ReceivedLine
from tests.fakes.ais import NOON, NOT_AVAILABLE, received, sentences

PLAIN = b"!AIVDM,1,1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0*23"
SHIP = {"mmsi": 205_123_456, "lat": 51.3, "lon": 4.3, "speed": 7.5, "course": 123.4, "heading": 120, "status": 0}
VOYAGE = {"type": 5, "mmsi": 205_111_111, "shipname": "ALPHA", "imo": 9_074_729, "destination": "ANTWERP 730 QUAY"}


def bare(fields: dict[str, object], seq_id: int = 3) -> list[bytes]:
    message = {**NOT_AVAILABLE, **fields}
    return [part.encode() for part in encode_dict(message, sentence_type="VDM", radio_channel="A", seq_id=seq_id)]


def block(content: bytes) -> bytes:
    check = 0
    for byte in content:
        check ^= byte
    return b"\\" + content + b"*%02X\\" % check


def checked(body: bytes) -> bytes:
    check = 0
    for byte in body:
        check ^= byte
    return b"!" + body + b"*%02X" % check


def parse(
    *lines: bytes, source: str = "test", moment: datetime = NOON
) -> tuple[AisParser, list[AisPosition | AisStatic]]:
    parser = AisParser()
    found = parser.parse([ReceivedLine(source, moment, line) for line in lines])
    return parser, found


def fates(parser: AisParser) -> dict[Fate, int]:
    counters = parser.counters()
    assert sum(counters.fates.values()) == counters.lines
    return {fate: count for fate, count in counters.fates.items() if count}


def test_a_tagged_position_is_read_with_station_time_and_raw_line() -> None:
    (line,) = sentences(SHIP)
    _, (seen,) = parse(line, moment=NOON + timedelta(seconds=2))
    assert isinstance(seen, AisPosition)
    assert (seen.mmsi, seen.position.latitude_deg, seen.position.longitude_deg) == (205_123_456, 51.3, 4.3)
    assert (seen.speed_kn, seen.course_deg, seen.heading_deg, seen.nav_status) == (7.5, 123.4, 120, 0)
    assert (seen.station, seen.observed_at, seen.raw) == ("test:S1", NOON, (line,))
    assert seen.received_at == NOON + timedelta(seconds=2)
    assert seen.source_class is SourceClass.OPEN_RADIO


def test_the_codes_for_not_available_become_none() -> None:
    _, (seen,) = parse(*bare({"mmsi": 205_123_456, "lat": 51.0, "lon": 4.0}))
    assert isinstance(seen, AisPosition)
    assert (seen.speed_kn, seen.course_deg, seen.heading_deg) == (None, None, None)


def test_the_coarse_codes_of_long_range_reports_become_none() -> None:
    _, (seen,) = parse(
        *bare({"type": 27, "mmsi": 205_123_456, "lat": 51.0, "lon": 4.0, "speed": 63.0, "course": 511.0})
    )
    assert isinstance(seen, AisPosition)
    assert (seen.speed_kn, seen.course_deg, seen.heading_deg) == (None, None, None)


def test_class_b_reports_have_no_status() -> None:
    _, (seen,) = parse(*bare({**SHIP, "type": 18}))
    assert isinstance(seen, AisPosition)
    assert seen.nav_status is None


@pytest.mark.parametrize("interleaved_by", ["tag block", "connection", "$PGHP"])
def test_two_stations_interleaved_give_no_chimera(interleaved_by: str) -> None:
    one = bare(VOYAGE)
    other = bare({**VOYAGE, "mmsi": 205_222_222, "shipname": "BRAVO", "destination": "GENT SIFFER DOK 42"})
    lines = []
    for part in range(2):
        for name, message in (("s1", one), ("s2", other)):
            if interleaved_by == "tag block":
                lines.append(ReceivedLine("test", NOON, block(b"s:" + name.encode()) + message[part]))
            elif interleaved_by == "connection":
                lines.append(ReceivedLine(f"test/{name}", NOON, message[part]))
            else:
                wrapper = f"$PGHP,1,2010,6,11,11,46,11,390,231,45,99219093{name[1]},1,2B".encode()
                check = 0
                for byte in wrapper[1:]:
                    check ^= byte
                lines += [ReceivedLine("test", NOON, wrapper + b"*%02X" % check)]
                lines += [ReceivedLine("test", NOON, message[part])]
    found = AisParser().parse(lines)
    assert {(seen.mmsi, seen.destination) for seen in found if isinstance(seen, AisStatic)} == {
        (205_111_111, "ANTWERP 730 QUAY"),
        (205_222_222, "GENT SIFFER DOK 42"),
    }


def test_a_wrong_checksum_is_counted_and_not_decoded() -> None:
    parser, found = parse(PLAIN.replace(b"VOHL", b"VOHM"))
    assert (found, fates(parser)) == ([], {Fate.BAD_CHECKSUM: 1})


def test_a_sentence_that_fails_does_not_end_the_stream() -> None:
    part_three = "H" + "1" * 5 + "<" + "0" * 20  # message 24 with part number 3
    lines = [checked(f"AIVDM,1,1,,A,{payload},0".encode()) for payload in (part_three, "t1111111111111111111")]
    parser, found = parse(*lines, PLAIN)
    assert len(found) == 1
    assert fates(parser)[Fate.OBSERVED] == 1
    assert fates(parser)[Fate.UNDECODABLE] == 1


def test_a_truncated_position_gives_nothing() -> None:
    body = b"AIVDM,1,1,,A,13HOI:0P0000,0"
    parser, found = parse(checked(body))
    assert (found, fates(parser)) == ([], {Fate.TRUNCATED: 1})


@pytest.mark.parametrize(
    ("before", "after", "stamp"),
    [
        (b"2024-01-02T03:04:05Z ", b"", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (b"[2024-01-02 03:04:05.250] ", b"", datetime(2024, 1, 2, 3, 4, 5, 250_000, tzinfo=UTC)),
        (b"2024-01-02T04:04:05+01:00 ", b"", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (b"", b",1704164645", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (b"", b",1704164645250", datetime(2024, 1, 2, 3, 4, 5, 250_000, tzinfo=UTC)),
        (b"", b",d-080,S2118,r003669946,1325394060", datetime(2012, 1, 1, 5, 1, tzinfo=UTC)),
        (b"log: ", b"\r", NOON),
        (b"", b",99-99-99", NOON),
    ],
)
def test_prefixes_and_suffixes_are_taken_off_and_tell_the_time(before: bytes, after: bytes, stamp: datetime) -> None:
    parser, (seen,) = parse(before + PLAIN + after)
    assert fates(parser) == {Fate.OBSERVED: 1}
    assert seen.observed_at == stamp
    assert seen.raw == (before + PLAIN + after,)


def test_an_impossible_time_in_a_prefix_is_ignored() -> None:
    _, (seen,) = parse(b"2024-13-45T99:00:00Z " + PLAIN)
    assert seen.observed_at == NOON


def test_a_gatehouse_wrapper_gives_time_and_station_and_is_kept_as_evidence() -> None:
    wrapper = b"$PGHP,1,2014,9,28,16,0,4,684,219,21,992190921,1,14*22"
    parser, (seen,) = parse(wrapper, b"!AIVDM,1,1,,A,1815:?Pu@SPl2`LQ4kaeRr0400SS,0*14")
    assert seen.observed_at == datetime(2014, 9, 28, 16, 0, 4, 684_000, tzinfo=UTC)
    assert (seen.station, seen.raw[0]) == ("test:992190921", wrapper)
    assert fates(parser) == {Fate.WRAPPER: 1, Fate.OBSERVED: 1}


def test_a_wrapper_speaks_for_its_own_sentence_only() -> None:
    wrapper = b"$PGHP,1,2014,9,28,16,0,4,684,219,21,992190921,1,14*22"
    _, (_, later) = parse(wrapper, b"!AIVDM,1,1,,A,1815:?Pu@SPl2`LQ4kaeRr0400SS,0*14", PLAIN)
    assert (later.station, later.observed_at) == ("test", NOON)


def test_a_wrapper_with_a_wrong_checksum_is_dropped() -> None:
    parser, (seen,) = parse(b"$PGHP,1,2014,9,28,16,0,4,684,219,21,992190921,1,14*23", PLAIN)
    assert seen.observed_at == NOON
    assert fates(parser) == {Fate.BAD_CHECKSUM: 1, Fate.OBSERVED: 1}


def test_a_group_gives_its_station_to_the_parts_that_do_not_name_it() -> None:
    first, second = bare(VOYAGE)
    lines = (block(b"g:1-2-77,s:r1,c:1700000000") + first, block(b"g:2-2-77") + second)
    _, (seen,) = parse(*lines)
    assert (seen.station, seen.observed_at) == ("test:r1", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC))
    assert seen.raw == lines


def test_the_norwegian_way_of_writing_groups_is_understood() -> None:
    first, second = bare(VOYAGE)
    lines = (block(b"1G2:58944,s:2573225,c:1733782037") + first, block(b"2G2:58944") + second)
    _, (seen,) = parse(*lines)
    assert seen.station == "test:2573225"


def test_a_tag_block_whose_checksum_fails_says_nothing_but_the_sentence_counts() -> None:
    (line,) = sentences(SHIP)
    parser, (seen,) = parse(line.replace(b"s:S1", b"s:S2"))
    assert (seen.station, seen.observed_at) == ("test", NOON)
    assert parser.counters().bad_tag_blocks == 1


def test_times_in_milliseconds_are_told_from_seconds() -> None:
    _, (seen,) = parse(block(b"c:1700000000500") + PLAIN)
    assert seen.observed_at == datetime(2023, 11, 14, 22, 13, 20, 500_000, tzinfo=UTC)


def test_a_time_beyond_all_calendars_is_ignored() -> None:
    _, (seen,) = parse(block(b"c:" + b"9" * 30) + PLAIN)
    assert seen.observed_at == NOON


def test_an_exclamation_mark_inside_a_tag_block_does_not_begin_a_sentence() -> None:
    _, (seen,) = parse(block(b"s:r1,t:hello!") + PLAIN)
    assert seen.station == "test:r1"


@pytest.mark.parametrize(
    ("line", "fate"),
    [
        (b"", Fate.COMMENT),
        (b"# a remark", Fate.COMMENT),
        (b"\\si:AISD*3F\\", Fate.COMMENT),
        (b"$GPGGA,123519,4807.038,N*47", Fate.NOT_AIS),
        (b"!ABXYZ,1,1,,A,x,0*00", Fate.NOT_AIS),
        (b"no sentence at all", Fate.NOT_AIS),
        (b"\\s:open,c:1", Fate.MALFORMED),
        (PLAIN[:-3], Fate.NO_CHECKSUM),
        (b"x" * (LINE_BYTES + 1), Fate.TOO_LONG),
        (b"!AIVDM,2,2,5,A,53mp88888888880,2*3A", Fate.ORPHAN),
    ],
)
def test_every_line_has_one_fate(line: bytes, fate: Fate) -> None:
    parser, found = parse(line)
    assert (found, fates(parser)) == ([], {fate: 1})


@pytest.mark.parametrize("numbers", [b"0,1", b"1,0", b"2,3", b"x,1", b"99,1", b",", b"\xb2,1"])
def test_impossible_part_numbers_are_malformed(numbers: bytes) -> None:
    body = b"AIVDM," + numbers + b",,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0"
    parser, found = parse(checked(body))
    assert found == []
    assert set(fates(parser)) <= {Fate.MALFORMED, Fate.UNDECODABLE}


def test_one_transmission_heard_by_two_sources_is_one_observation() -> None:
    parser = AisParser()
    found = parser.parse([ReceivedLine("a", NOON, PLAIN), ReceivedLine("b", NOON + timedelta(seconds=29), PLAIN)])
    assert len(found) == 1
    assert fates(parser)[Fate.DUPLICATE] == 1


def test_the_same_payload_later_is_a_new_report() -> None:
    parser = AisParser()
    later = NOON + DUPLICATE_WINDOW + timedelta(seconds=1)
    assert len(parser.parse([ReceivedLine("a", NOON, PLAIN), ReceivedLine("a", later, PLAIN)])) == 2


def test_a_ship_at_rest_that_repeats_itself_is_heard_once_per_window() -> None:
    lines = [ReceivedLine("a", NOON + timedelta(seconds=second), PLAIN) for second in range(0, 300, 10)]
    assert len(AisParser().parse(lines)) == 8


def test_long_messages_heard_twice_are_one() -> None:
    lines = bare(VOYAGE)
    parser, found = parse(*lines, *lines)
    assert len(found) == 1
    assert fates(parser) == {Fate.HELD: 2, Fate.OBSERVED: 1, Fate.DUPLICATE: 1}


def test_message_types_nobody_uses_are_not_decoded() -> None:
    parser, found = parse(b"!AIVDM,1,1,,B,402=481uaUcf;OQ55JS9ITi025Jp,0*2B")
    assert (found, fates(parser)) == ([], {Fate.NOT_WANTED: 1})


def test_an_inland_ship_gives_its_european_number() -> None:
    inland = {
        "type": 8, "mmsi": 244_700_001, "dac": 200, "fid": 10, "vin": "02312345", "length": 110.0, "beam": 11.4,
        "shiptype": 8010, "hazard": 5, "draught": 2.5, "loaded": 1, "speed_q": 0, "course_q": 0, "heading_q": 0,
    }  # fmt: skip
    _, (seen,) = parse(*bare(inland))
    assert isinstance(seen, AisStatic)
    assert (seen.eni, seen.length_m, seen.beam_m, seen.draught_m, seen.eri_type) == ("02312345", 110.0, 11.4, 2.5, 8010)


@pytest.mark.parametrize("number", ["", "00000000", "1234567", "ABCDEFGH"])
def test_what_is_no_european_number_is_left_out(number: str) -> None:
    inland = {"type": 8, "mmsi": 244_700_001, "dac": 200, "fid": 10, "vin": number, "length": 110.0, "shiptype": 8010}
    _, (seen,) = parse(*bare(inland))
    assert isinstance(seen, AisStatic)
    assert seen.eni is None


def test_other_binary_broadcasts_are_not_decoded() -> None:
    parser, found = parse(*bare({"type": 8, "mmsi": 244_700_001, "dac": 1, "fid": 31, "data": b"\x00" * 20}))
    assert (found, fates(parser)) == ([], {Fate.NOT_WANTED: 1})


def test_imo_zero_and_blank_names_are_silence() -> None:
    _, (seen,) = parse(*bare({**VOYAGE, "imo": 0, "shipname": "", "ship_type": 0}))
    assert isinstance(seen, AisStatic)
    assert (seen.imo, seen.name, seen.ship_type) == (None, None, 0)


def test_class_b_statics_come_in_two_parts() -> None:
    name = bare({"type": 24, "mmsi": 205_123_456, "partno": 0, "shipname": "SMALL CRAFT"})
    rest = bare({"type": 24, "mmsi": 205_123_456, "partno": 1, "ship_type": 37, "callsign": "OR1", "to_bow": 9})
    _, found = parse(*name, *rest)
    assert [
        (seen.name, seen.callsign, seen.ship_type, seen.length_m) for seen in found if isinstance(seen, AisStatic)
    ] == [
        ("SMALL CRAFT", None, None, None),
        (None, "OR1", 37, 9.0),
    ]


def test_message_nineteen_is_a_position_and_a_static() -> None:
    _, found = parse(*bare({**SHIP, "type": 19, "shipname": "BOTH", "ship_type": 37}))
    assert [type(seen) for seen in found] == [AisPosition, AisStatic]


def test_remembered_statics_get_the_time_and_station_of_the_new_line() -> None:
    first = sentences(VOYAGE, station="S1")
    second = sentences(VOYAGE, station="S2", moment=NOON + timedelta(minutes=6))
    found = AisParser().parse(received([*first, *second]))
    assert [(seen.station, seen.observed_at) for seen in found] == [
        ("test:S1", NOON),
        ("test:S2", NOON + timedelta(minutes=6)),
    ]
    assert found[1].raw == tuple(second)


def test_parts_that_wait_too_long_are_forgotten() -> None:
    first, second = bare(VOYAGE)
    parser = AisParser()
    found = parser.parse([ReceivedLine("a", NOON, first), ReceivedLine("a", NOON + timedelta(seconds=6), second)])
    assert found == []
    assert fates(parser) == {Fate.HELD: 1, Fate.ORPHAN: 1}
    assert parser.counters().expired_groups == 1


def test_parts_out_of_order_are_dropped_because_they_may_be_of_two_messages() -> None:
    lines = [checked(b"AIVDM,3,%d,7,A,%s,0" % (number, b"5" * 20)) for number in (1, 3, 2)]
    parser, found = parse(*lines)
    assert (found, fates(parser)) == ([], {Fate.HELD: 2, Fate.ORPHAN: 1})


def test_a_lost_second_part_is_not_replaced_by_the_next_message() -> None:
    one = bare(VOYAGE)
    other = bare({**VOYAGE, "mmsi": 205_222_222, "destination": "GENT SIFFER DOK 42"})
    parser, (seen,) = parse(one[0], *other)
    assert isinstance(seen, AisStatic)
    assert (seen.mmsi, seen.destination) == (205_222_222, "GENT SIFFER DOK 42")
    assert parser.counters().expired_groups == 1


def test_a_wrapper_of_an_orphan_is_gone_with_it() -> None:
    wrapper = b"$PGHP,1,2014,9,28,16,0,4,684,219,21,992190921,1,14*22"
    _, (seen,) = parse(wrapper, b"!AIVDM,2,2,5,A,53mp88888888880,2*3A", PLAIN)
    assert seen.observed_at == NOON


def test_everything_held_is_bounded() -> None:
    first = bare(VOYAGE)[0]
    parser = AisParser()
    parser.parse(ReceivedLine(f"a/{n}", NOON, first) for n in range(STATIONS + 50))
    assert parser._assembler.held() == STATIONS
    groups = [block(b"g:1-2-%d,s:x" % n) + first for n in range(GROUPS_PER_STATION + 9)]
    parser.parse(ReceivedLine("b", NOON, line) for line in groups)
    assert parser._assembler.held() <= STATIONS + GROUPS_PER_STATION
    parser.parse(ReceivedLine("c", NOON, block(b"s:z,c:%d" % n) + PLAIN) for n in range(CACHE_ENTRIES + 10))
    assert len(parser._framer._tags) <= CACHE_ENTRIES
    assert STATICS_REMEMBERED < 10_000


def test_the_source_class_comes_from_the_configured_source() -> None:
    parser = AisParser(source_classes={"pilot": SourceClass.AUTHENTICATED})
    (seen,) = parser.parse([ReceivedLine("pilot/127.0.0.1:4000", NOON, PLAIN)])
    assert (seen.source_class, seen.station) == (SourceClass.AUTHENTICATED, "pilot")


def test_a_replay_reads_the_time_of_tag_blocks_wrappers_and_suffixes() -> None:
    assert line_time(block(b"c:1700000000") + PLAIN) == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert line_time(PLAIN + b",1704164645") == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert line_time(b"$PGHP,1,2014,9,28,16,0,4,684,219,21,992190921,1,14*22") is not None
    assert line_time(PLAIN) is None
    assert line_time(b"junk") is None


def test_tag_blocks_made_by_pyais_are_understood() -> None:
    made = TagBlock.create(source_station="BE1", receiver_timestamp=1_700_000_000)  # type: ignore[arg-type]
    _, (seen,) = parse(b"\\" + made + b"\\" + PLAIN)
    assert seen.station == "test:BE1"
