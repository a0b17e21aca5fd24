"""How fast the watch is: observations a second against many indicators, and one new indicator against a month.

Run: ``python -m benchmarks.watch --json FILE``. All figures are from one process and one run, CPU time; trust the
ratios. "equality" indicators bind a unique number; the other tenth ("unindexed") runs on every observation and is
limited per issuer, so it is shown apart: with all of them from one issuer, and spread over many issuers.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from node.visits import ANYWHERE, Coverage, MemoryVisits, Visit
from node.watch import Facts, Handling, WatchedIndicator, WatchIndex, WatchLimits, look_back
from port2port.geo import Position
from port2port.patterns import TemplateCache, compile_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SIZES = (1, 1_000, 100_000)
HIT_SHARE = 0.01
OBSERVATIONS = 20_000
ROUNDS = 5
VESSELS = 2_000
DAYS = 30
FIRST_MMSI = 205_000_000
HERE = Position(latitude_deg=51.3, longitude_deg=4.3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Observations a second in the best of the rounds, the matches of one round, and what was watched."""

    indicators: int
    watched_unindexed: int
    observations_per_s: float
    matches: int


def an_indicator(number: int, pattern: str, issuer: str, templates: TemplateCache) -> WatchedIndicator:
    """Indicators are made as the inbox makes them: parsed once, template cached."""
    return WatchedIndicator(
        issuer=issuer,
        stix_id=f"indicator--00000000-0000-4000-8000-{number:012d}",
        entry_index=number,
        pattern=compile_pattern(pattern, templates),
        handling=Handling.OBSERVE_ONLY,
        valid_from=NOW - timedelta(days=1),
        valid_until=NOW + timedelta(days=1),
    )


def equality_patterns(size: int) -> list[str]:
    """Every indicator binds a number of its own."""
    return [f"[vessel:mmsi = '{FIRST_MMSI + number}']" for number in range(size)]


def mixed_patterns(size: int) -> list[str]:
    """A tenth without a unique name."""
    broad = f"[vessel:name LIKE 'NOBODY%' AND vessel:speed_kn > {size}]"
    return [broad if number % 10 == 9 else text for number, text in enumerate(equality_patterns(size))]


def traffic(size: int) -> list[Facts]:
    """Observations of which one in a hundred is of an indicated ship."""
    rng = random.Random(7)
    return [
        Facts(
            facts={
                "vessel:mmsi": str(
                    FIRST_MMSI + rng.randrange(size)
                    if number < OBSERVATIONS * HIT_SHARE
                    else 300_000_000 + rng.randrange(2_000)
                ),
                "vessel:speed_kn": rng.random() * 20,
                "vessel:course_deg": rng.random() * 360,
                "vessel:heading_deg": rng.randrange(360),
                "vessel:nav_status": 0,
            },
            observed_at=NOW,
            position=HERE,
        )
        for number in range(OBSERVATIONS)
    ]


def measure(patterns: Sequence[str], issuers: int) -> Rate:
    """The best of several rounds over the same traffic."""
    templates = TemplateCache()
    limits = WatchLimits()
    watch = WatchIndex(limits, lambda _: False)
    broad = 0
    for number, pattern in enumerate(patterns):
        unindexed = "LIKE" in pattern
        issuer = f"member-{broad % issuers if unindexed else number % 11}"
        broad += unindexed
        watch.add(an_indicator(number, pattern, issuer, templates), lambda _: 0)
    seen = traffic(len(patterns))
    seconds, matches = best(lambda: sum(len(watch.observe(facts, NOW)) for facts in seen))
    return Rate(
        indicators=len(patterns),
        watched_unindexed=min(broad, issuers * limits.unindexed_per_issuer),
        observations_per_s=OBSERVATIONS / seconds,
        matches=matches,
    )


def best(run: Callable[[], int]) -> tuple[float, int]:
    """The least CPU time of the rounds, and what the last one returned; the collector rests meanwhile."""
    taken = []
    result = 0
    gc.collect()
    gc.disable()
    for _ in range(ROUNDS):
        begun = time.process_time()
        result = run()
        taken.append(time.process_time() - begun)
    gc.enable()
    return min(taken), result


def a_month_of_visits() -> MemoryVisits:
    """Every ship in one place in six hours of every day: 360,000 rows, and full coverage."""
    store = MemoryVisits()
    hours = [NOW - timedelta(hours=back) for back in range(1, DAYS * 24 + 1)]
    for ship in range(VESSELS):
        store.add([a_visit(ship, hour) for hour in hours[ship % 4 :: 4]], [])
    full = 2**60 - 1
    store.add([], [Coverage(station="s1", hour=hour, place=ANYWHERE, minutes=full) for hour in hours])
    return store


def a_visit(ship: int, hour: datetime) -> Visit:
    """One row."""
    return Visit(
        identity=f"mmsi:{FIRST_MMSI + ship}",
        hour=hour,
        place=f"dock-{ship % 40}",
        first_seen=hour + timedelta(minutes=1),
        last_seen=hour + timedelta(minutes=59),
        count=300,
        station="s1",
    )


def measure_look_back() -> dict[str, float | int | str]:
    """One new indicator on one ship, asked of the whole month."""
    store = a_month_of_visits()
    indicator = an_indicator(1, equality_patterns(VESSELS)[1_234], "member-1", TemplateCache())
    since = NOW - timedelta(days=DAYS)
    seconds, _ = best(lambda: look_back(indicator, store, since, NOW) is not None)
    past = look_back(indicator, store, since, NOW)
    verdict = "nothing to ask" if past is None else past.answer.verdict.value
    return {"vessels": VESSELS, "days": DAYS, "rows": VESSELS * DAYS * 6, "seconds": seconds, "verdict": verdict}


def as_json(rate: Rate) -> dict[str, float | int]:
    """For the file."""
    return {
        "indicators": rate.indicators,
        "watched_unindexed": rate.watched_unindexed,
        "observations_per_s": round(rate.observations_per_s),
        "matches": rate.matches,
    }


def main() -> None:
    """Measure, print a table, write the file."""
    parser = argparse.ArgumentParser(description="figures of the watch")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    equality = [measure(equality_patterns(size), 1) for size in SIZES]
    one_issuer = [measure(mixed_patterns(size), 1) for size in SIZES]
    many_issuers = [measure(mixed_patterns(size), 11) for size in SIZES]
    rates = [rate.observations_per_s for rate in equality]
    figures = {
        "python": platform.python_version(),
        "observations": OBSERVATIONS,
        "hit_share": HIT_SHARE,
        "equality": [as_json(rate) for rate in equality],
        "equality_flatness": round(max(rates) / min(rates), 3),
        "tenth_unindexed_one_issuer": [as_json(rate) for rate in one_issuer],
        "tenth_unindexed_eleven_issuers": [as_json(rate) for rate in many_issuers],
        "look_back": measure_look_back(),
    }
    print(json.dumps(figures, indent=2))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
