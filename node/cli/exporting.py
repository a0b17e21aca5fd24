"""What leaves the node as a file: rules and values for machines that act, and statements with their proofs."""

from __future__ import annotations

import argparse
import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Final

from node import rule_export, store
from node.cli.desk import Desk, show, write_new
from node.console import export_view
from node.rule_export import Chosen
from node.rule_export import Wanted as WantedValues
from node.store import AuditLine
from node.warning_lists.gate import Gate
from port2port import canonical
from port2port.canonical import Json
from port2port.clock import to_ms, to_text
from port2port.console import spreadsheet
from port2port.errors import ConfigurationError, NotFoundError
from port2port.sharing import member_reader
from port2port.tlp import Tlp

RULES, VALUES, STATEMENTS = "export-rules", "export-values", "export-statements"
_DAY: Final = timedelta(days=1)


def run(args: argparse.Namespace) -> int:
    """One of the three files, written once, with a line in the audit trail."""
    with Desk.open(args.config) as desk:
        return _RUNS[args.what](desk, args)


def run_suricata(desk: Desk, args: argparse.Namespace) -> int:
    """The rules, and beside them the list files that some name."""
    chosen = chosen_of(desk, args)
    made = rule_export.rules_of(chosen.values)
    for name, text in made.lists.items():
        write_new(args.out.parent / name, text.encode())
    write_new(args.out, made.text.encode())
    facts: dict[str, Json] = {"rules": made.count, "lists": len(made.lists), "no_rule": made.no_rule}
    return _written(desk, args, RULES, made.text.encode(), {**facts, **_left_out(chosen)})


def run_values(desk: Desk, args: argparse.Namespace) -> int:
    """The same values as a table."""
    chosen = chosen_of(desk, args)
    raw = spreadsheet.MARK + spreadsheet.lines(list(rule_export.rows_of(chosen.values)))
    write_new(args.out, raw)
    return _written(desk, args, VALUES, raw, {"values": len(chosen.values), **_left_out(chosen)})


def run_statements(desk: Desk, args: argparse.Namespace) -> int:
    """The ZIP of a period, as the desk's page makes it."""
    first, last = day_of(args.first), day_of(args.last)
    wanted = export_view.Wanted(start=first, end=last + _DAY, whose=args.whose, purpose=args.purpose or "")
    roster, reader = desk.roster(), member_reader(desk.member)
    chosen = desk.read(lambda connection: export_view.choose(connection, reader, roster, wanted))
    if chosen is None:
        raise NotFoundError("there is nothing of this period that may be taken away")
    raw = asyncio.run(_joined(export_view.statements(desk, chosen, wanted)))
    write_new(args.out, raw)
    facts: dict[str, Json] = {"statements": len(chosen.indices), "first": args.first, "last": args.last}
    return _written(desk, args, STATEMENTS, raw, facts)


def chosen_of(desk: Desk, args: argparse.Namespace) -> Chosen:
    """What may go to a machine of this member."""
    gate, roster, now = Gate(desk.settings.warning_lists_dir, desk.rules.protected), desk.roster(), desk.clock.now()
    wanted = WantedValues(member=desk.member, ceiling=Tlp(args.ceiling), purposes=tuple(args.purpose or ()))
    with closing(gate):
        return desk.read(partial(rule_export.choose, roster=roster, wanted=wanted, now=now, gate=gate))


def day_of(text: str) -> datetime:
    """The beginning of a day in UTC. Raises ConfigurationError."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise ConfigurationError("write a day as 2026-11-22") from error


def _left_out(chosen: Chosen) -> dict[str, Json]:
    return {"left_out": {why.value: count for why, count in sorted(chosen.left_out.items())}}


def _written(desk: Desk, args: argparse.Namespace, action: str, raw: bytes, facts: Mapping[str, Json]) -> int:
    now, digest = desk.clock.now(), sha256(raw).hexdigest()
    line = AuditLine(
        at_ms=to_ms(now),
        officer="",
        action=action,
        subject=desk.member,
        facts=canonical.dumps({**facts, "at": to_text(now), "sha256": digest}),
    )
    desk.write(partial(store.audit, line=line))
    said = [f"{args.out} written, SHA-256 {digest}"]
    said += [f"{name.replace('_', ' ')}: {count}" for name, count in facts.items() if isinstance(count, int)]
    left_out = facts.get("left_out")
    said += [f"left out, {why}: {count}" for why, count in (left_out if isinstance(left_out, dict) else {}).items()]
    show(args, {"file": str(args.out), "sha256": digest, **facts}, said)
    return 0


async def _joined(chunks: AsyncIterator[bytes]) -> bytes:
    out = io.BytesIO()
    async for chunk in chunks:
        out.write(chunk)
    return out.getvalue()


_RUNS: Final = {"suricata": run_suricata, "csv": run_values, "bundle": run_statements}
