"""The detectors on real recordings, and changes to a recording that must not change what is found."""

from __future__ import annotations

import random
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from node.sensors.parsers.nmea import Fate
from tests.fakes.ais import Outcome, pipeline, received
from tests.fakes.gfw import sentences_of
from tests.fakes.shared_data import shared_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.sensors.transports.lines import ReceivedLine

CLONED = ("412331088", "416241500", "567000000", "412588888")
SINGLE = ("209515000", "244020394", "372768000", "574574574", "600014098")
SMALL = ("412588888", "574574574")
BENELUX = "aishub_20120314_benelux_tagged.nmea"


@cache
def recording(mmsi: str) -> tuple[ReceivedLine, ...]:
    return tuple(received(sentences_of(shared_path(f"ais/gfw_segment/{mmsi}.jsonl.gz"))))


@cache
def benelux() -> tuple[ReceivedLine, ...]:
    return tuple(received(shared_path(f"ais/{BENELUX}").read_bytes().splitlines()))


def adds_up(outcome: Outcome) -> bool:
    parsed, judged = outcome.parser.counters(), outcome.gate.counters()
    return (
        sum(parsed.fates.values()) == parsed.lines
        and parsed.observations == judged.seen == judged.passed + sum(judged.refusals.values())
        and judged.passed == len(outcome.observations)
    )


@pytest.mark.parametrize("mmsi", CLONED)
def test_numbers_that_several_ships_share_are_found(mmsi: str) -> None:
    outcome = pipeline(recording(mmsi))
    assert outcome.kinds() == {("IDENTITY_CLONE", f"mmsi:{mmsi}")}
    assert adds_up(outcome)


@pytest.mark.parametrize(
    "mmsi",
    [pytest.param(mmsi, marks=pytest.mark.slow) if mmsi in ("209515000", "372768000") else mmsi for mmsi in SINGLE],
)
def test_numbers_of_one_ship_are_left_alone(mmsi: str) -> None:
    outcome = pipeline(recording(mmsi))
    assert outcome.findings == []
    assert adds_up(outcome)


def test_a_number_of_net_markers_and_test_sets_is_a_matter_of_data_quality() -> None:
    assert pipeline(recording("666000001")).kinds() == {("DATA_QUALITY", "mmsi:666000001")}


def test_a_clone_is_found_at_most_once_a_day() -> None:
    for mmsi in ("412588888", "567000000"):
        found_at = [finding.found_at for finding in pipeline(recording(mmsi)).findings]
        assert all((later - earlier).days >= 1 for earlier, later in pairwise(found_at))


def test_three_minutes_of_the_benelux_run_through_and_the_counters_add_up() -> None:
    outcome = pipeline(benelux())
    assert adds_up(outcome)
    fates = outcome.parser.counters().fates
    assert fates[Fate.OBSERVED] > 20_000
    assert fates[Fate.BAD_CHECKSUM] == fates[Fate.UNDECODABLE] == fates[Fate.ORPHAN] == 0
    # Two inland numbers with two positions eleven and fourteen miles apart in turns, and one factory default.
    assert outcome.kinds() == {
        ("IDENTITY_CLONE", "mmsi:244645890"),
        ("IDENTITY_CLONE", "mmsi:244711426"),
        ("DATA_QUALITY", "mmsi:123456789"),
    }


def doubled(lines: tuple[ReceivedLine, ...]) -> list[ReceivedLine]:
    return [line for line in lines for _ in range(2)]


def over_two_receivers(lines: tuple[ReceivedLine, ...]) -> list[ReceivedLine]:
    chance = random.Random(3)
    return [line._replace(source=chance.choice(("north", "south"))) for line in lines]


def with_corrupt_lines(lines: tuple[ReceivedLine, ...]) -> list[ReceivedLine]:
    chance = random.Random(4)
    mixed = []
    for line in lines:
        if chance.random() < 0.05:
            body = bytearray(line.data)
            body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
            mixed.append(line._replace(data=bytes(body)))
        mixed.append(line)
    return mixed


def permuted(lines: tuple[ReceivedLine, ...]) -> list[ReceivedLine]:
    chance = random.Random(5)
    keyed = [(line.received_at.timestamp() + chance.uniform(0, 30), number, line) for number, line in enumerate(lines)]
    return [line for _, _, line in sorted(keyed)]


@cache
def found(mmsi: str) -> set[tuple[str, str]]:
    return pipeline(recording(mmsi)).kinds()


LARGE = tuple(
    pytest.param(mmsi, marks=pytest.mark.slow) for mmsi in (*CLONED, *SINGLE, "666000001") if mmsi not in SMALL
)


@pytest.mark.parametrize("mmsi", [*SMALL, *LARGE])
@pytest.mark.parametrize("changed", [doubled, over_two_receivers, with_corrupt_lines, permuted])
def test_what_is_found_does_not_depend_on_how_it_was_received(
    mmsi: str, changed: Callable[[tuple[ReceivedLine, ...]], list[ReceivedLine]]
) -> None:
    assert pipeline(changed(recording(mmsi))).kinds() == found(mmsi)


@pytest.mark.slow
@pytest.mark.parametrize("changed", [doubled, over_two_receivers, with_corrupt_lines, permuted])
def test_nor_in_dense_traffic(changed: Callable[[tuple[ReceivedLine, ...]], list[ReceivedLine]]) -> None:
    assert pipeline(changed(benelux())).kinds() == pipeline(benelux()).kinds()


@pytest.mark.parametrize("batch", [1, 7, 100_000])
def test_nor_on_how_it_was_cut_into_batches(batch: int) -> None:
    lines = recording("412588888")
    assert pipeline(lines, batch=batch).findings == pipeline(lines).findings
