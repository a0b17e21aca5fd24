"""How much of the machine verified, durable intake needs, against what cannot be avoided: verifying signatures.

    python benchmarks/intake.py [--json FILE] [--quick]

The production ``serve`` runs with default settings as a process pinned to two cores; ports join by the real
enrolment and send over mutual TLS; STIX profile, roster and policy are all on. Everything is a ratio of figures from
this one run, each the median of three rounds; ``benchmarks/README.md`` says what each means.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
AIMS = {100: 0.6, 10: 0.45, 1: 0.15}


async def measure(bench: Any, cores: tuple[set[int], set[int]]) -> dict[str, Any]:
    """Every figure, the ones to be compared right after each other."""
    from benchmarks.parts import figures as f  # noqa: PLC0415 the repository is on the path only now

    hub, others = cores
    sizes = bench.sizes
    found: dict[str, Any] = {"one_signature": {}, "two_signatures": {}, "transport": {}, "naive": {}}
    for batch in AIMS:
        found["one_signature"][batch] = await bench.rounds(batch)
    found["two_signatures"][100] = await bench.rounds(100, signatures=2)
    async with bench.server("bare", hub) as bare:
        for batch in AIMS:
            found["transport"][batch] = await bench.rounds(batch, to=bare)
        found["latency"] = await latency(bench, bare.address, others)
    async with bench.server("naive", hub) as naive:
        for batch, count in sizes.naive.items():
            pairs = []
            for _ in range(sizes.rounds):
                ours = await bench.intake(sizes.envelopes[batch], batch)
                theirs = await bench.intake(count, batch, to=naive)
                pairs.append(theirs | {"ours_to_naive": ours["envelopes_per_s"] / theirs["envelopes_per_s"]})
            found["naive"][batch] = f.medians(pairs)
    found["stages"] = await bench.stages()
    found["verify_us"] = f.median(bench.verify_us)
    return found


async def latency(bench: Any, address: str, others: set[int]) -> dict[str, Any]:
    """Publish to verified arrival against the bare rpc, and what a subscriber costs the hub."""
    from benchmarks.parts import figures as f  # noqa: PLC0415

    port, rounds = bench.founded.ports[0], range(bench.sizes.rounds)
    alone = [await bench.followed(None) for _ in rounds]
    bare, answered, arrived, watched = [], [], [], []
    with bench.followers(others) as process:
        for _ in rounds:
            bare.append(f.spread_ms(await f.bare_times(address, port, bench.sizes.paced)))
            answers, arrivals = await bench.latency(process)
            answered.append(f.spread_ms(answers))
            arrived.append(f.spread_ms(arrivals))
            watched.append(await bench.followed(process))
    ratios = [
        {name.removesuffix("_ms"): one[name] / other[name] for name in one}
        for one, other in zip(arrived, bare, strict=True)
    ]
    extra_us = (f.median(watched) - f.median(alone)) / f.FOLLOWERS
    return {
        "bare": f.medians(bare),
        "answer": f.medians(answered),
        "verified_arrival": f.medians(arrived),
        "ratio": f.medians(ratios),
        "hub_cpu_us_without_subscribers": f.median(alone),
        "hub_cpu_us_with_five": f.median(watched),
        "extra_us_per_subscriber": extra_us,
        "extra_verifies_per_subscriber": extra_us / f.median(bench.verify_us),
    }


def main() -> None:
    """Found, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--quick", action="store_true", help="one round of a few hundred: to see that it works")
    parser.add_argument("--keep", type=Path, help="work in this directory and leave it there")
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory(prefix="p2p-bench-") as scratch:
        found = run(arguments.keep or Path(scratch), quick=arguments.quick)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def run(root: Path, *, quick: bool) -> dict[str, Any]:
    """The whole bench in one directory."""
    from benchmarks.parts import figures as f  # noqa: PLC0415
    from benchmarks.parts.founding import found as set_up  # noqa: PLC0415
    from benchmarks.parts.measures import two_cores  # noqa: PLC0415
    from benchmarks.parts.report import lines  # noqa: PLC0415
    from port2port.stage import Stage  # noqa: PLC0415

    cores = two_cores()
    before = os.getloadavg()
    with Stage(root=root, federation="bench.port2port.example") as stage:
        founded = set_up(stage, f.FOLLOWERS, cores[0])
        os.sched_setaffinity(0, cores[1])
        bench = f.Bench(founded=founded, sizes=f.QUICK if quick else f.Sizes())
        found = asyncio.run(measure(bench, cores))
    found["load_before"], found["load_after"] = before, os.getloadavg()
    found["cores"] = {"hub": sorted(cores[0]), "others": sorted(cores[1])}
    print("\n".join(lines(found, AIMS)))
    return found


if __name__ == "__main__":
    main()
