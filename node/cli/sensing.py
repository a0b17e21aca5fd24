"""``sensors``: what was read of each log of a network sensor, what is wrong with it, which lines were no records."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Final

from node import sensor_health, tail_places
from node.cli.desk import Desk, show
from node.tail_places import BadLine, Counted
from port2port.canonical import Json
from port2port.clock import to_text

SHOWN: Final = 20


def run(args: argparse.Namespace) -> int:
    """Every log of the settings, those nothing was read of too."""
    with Desk.open(args.config) as desk:
        counted = desk.read(tail_places.counted)
        bad = desk.read(partial(tail_places.bad_lines, limit=SHOWN))
        wrong = desk.read(sensor_health.standing)
        logs = [source.name for source in desk.settings.sources if source.is_network_sensor]
        value: dict[str, Json] = {
            "logs": [_log(name, counted.get(name)) for name in (*logs, *(sorted(counted.keys() - {*logs})))],
            "bad_lines": [_bad(one) for one in bad],
            "alarms": [{"name": one.subject, "code": one.code.value, "text": one.text} for one in wrong],
        }
        lines = [_line(name, counted.get(name)) for name in logs] or ["no network sensor in the settings"]
        lines += [f"alarm: {one.text}" for one in wrong]
        lines += [f"no record: {one.source} {to_text(one.at)}  {one.why}  {_head(one)}" for one in bad]
        show(args, value, lines)
    return 0


def _log(name: str, known: tuple[Counted, datetime] | None) -> dict[str, Json]:
    if known is None:
        return {"name": name, "read_at": None}
    return {"name": name, "read_at": to_text(known[1]), **asdict(known[0])}


def _line(name: str, known: tuple[Counted, datetime] | None) -> str:
    if known is None:
        return f"{name}: nothing read yet"
    counts, at = known
    odd = {
        "read before": counts.repeated,
        "no records": counts.bad,
        "too long": counts.too_long,
        "times the log went away": counts.lost,
    }
    more = "".join(f", {count:,} {word}" for word, count in odd.items() if count)
    return f"{name}: {counts.records:,} records of {counts.lines:,} lines{more}; last read {to_text(at)}"


def _bad(one: BadLine) -> dict[str, Json]:
    return {"source": one.source, "at": to_text(one.at), "why": one.why, "sha256": one.digest.hex(), "head": _head(one)}


def _head(one: BadLine) -> str:
    """The beginning of a line that anybody may have written: nothing in it reaches the terminal as such."""
    return ascii(one.head.decode(errors="replace"))[1:-1]
