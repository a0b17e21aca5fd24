"""The figures as a page for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def lines(found: Mapping[str, Any], aims: Mapping[int, float]) -> Iterator[str]:
    """Line by line."""
    load = ", ".join(f"{found[when][0]:.1f}" for when in ("load_before", "load_after"))
    verify_us = found["verify_us"]
    yield f"Ed25519 verify {verify_us:.0f} us = {1e6 / verify_us:.0f}/s on one core; load before and after: {load}"
    yield f"hub on cores {found['cores']['hub']}, everybody else on {found['cores']['others']}"
    yield from _intake(found, aims)
    yield from _subscribers(found["latency"])
    yield ""
    for batch, naive in found["naive"].items():
        yield (
            f"against the naive hub, batches of {batch}: {naive['ours_to_naive']:.1f} times its rate "
            f"({naive['envelopes_per_s']:.0f}/s at {naive['hub_cpu_in_verifies']:.1f} verifies)"
        )
    yield from _stages(found)


def _intake(found: Mapping[str, Any], aims: Mapping[int, float]) -> Iterator[str]:
    yield ""
    yield "intake, verified and durable   batch   env/s   of verify rate (aim)   CPU in verifies   cores of hub, others"
    for batch, one in found["one_signature"].items():
        yield _row("one signature", batch, one, f"({aims[batch]})")
    for batch, one in found["two_signatures"].items():
        yield _row("two signatures", batch, one, "      ")
    for batch, one in found["transport"].items():
        yield _row("transport alone", batch, one, "      ")


def _row(name: str, batch: int, one: Mapping[str, float], aim: str) -> str:
    return (
        f"{name:29}  {batch:5}  {one['envelopes_per_s']:6.0f}   {one['of_verify_rate']:14.2f} {aim:6} "
        f"{one['hub_cpu_in_verifies']:17.2f}   {one['hub_cores']:12.2f}, {one['foreign_cores']:.2f}"
    )


def _subscribers(found: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    arrived, bare, ratio = found["verified_arrival"], found["bare"], found["ratio"]
    yield "at 100 envelopes a second, five subscribers                    p50 ms   p99 ms"
    for name, one in (
        ("bare unary rpc", bare),
        ("publish to answer (durable)", found["answer"]),
        ("publish to verified arrival", arrived),
    ):
        yield f"{name:58} {one['p50_ms']:10.1f} {one['p99_ms']:8.1f}"
    yield f"{'verified arrival / bare':58} {ratio['p50']:10.1f} {ratio['p99']:8.1f}"
    yield (
        f"each subscriber costs the hub {found['extra_us_per_subscriber']:.0f} us an envelope = "
        f"{found['extra_verifies_per_subscriber']:.2f} verifies"
    )


def _stages(found: Mapping[str, Any]) -> Iterator[str]:
    """Where the CPU of one envelope goes; benchmarks/README.md says what the last rows are."""
    before, pipeline, groups = (found["stages"][name] for name in ("before_commit", "pipeline", "group"))
    batches = list(found["stages"]["commit"])
    yield ""
    yield "CPU us per envelope     " + "".join(f"   batch {batch:>4}" for batch in batches)
    for stage, cost in before.items():
        yield f"{stage:24}" + f"{cost:13.1f}" * len(batches)
    yield f"{'envelopes in a group':24}" + "".join(f"{groups[batch]:13.0f}" for batch in batches)
    commits = found["stages"]["commit"]
    for stage in commits[batches[0]]:
        yield f"{stage:24}" + "".join(f"{commits[batch][stage]:13.1f}" for batch in batches)
    yield f"{'threads and event loop':24}" + "".join(f"{pipeline[batch]:13.1f}" for batch in batches)
    transport = {batch: found["transport"][batch]["hub_cpu_us"] for batch in batches}
    yield f"{'transport':24}" + "".join(f"{transport[batch]:13.1f}" for batch in batches)
    total = {batch: found["one_signature"][batch]["hub_cpu_us"] for batch in batches}
    known = {
        batch: sum(before.values()) + sum(commits[batch].values()) + pipeline[batch] + transport[batch]
        for batch in batches
    }
    yield f"{'the rest':24}" + "".join(f"{total[batch] - known[batch]:13.1f}" for batch in batches)
    yield f"{'hub, all in all':24}" + "".join(f"{total[batch]:13.1f}" for batch in batches)
