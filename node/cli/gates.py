"""``passages``: which gates ask about passages. What they found is not here: officers see it at their desk."""

from __future__ import annotations

import argparse
from functools import partial

from node.cli.desk import Desk, show
from node.passages import ledger
from node.passages.draw import WINDOW_DAYS
from port2port.clock import from_ms, to_text


def run(args: argparse.Namespace) -> int:
    """Counts for each gate of the settings, and of any that asked before."""
    with Desk.open(args.config) as desk:
        settings = desk.settings.passages
        named = [] if settings is None else [gate.name for gate in settings.gates]
        counts = desk.read(partial(ledger.counts, now=desk.clock.now()))
        rows = [
            {
                "gate": name,
                "asked": found.asked,
                "checked": found.checks,
                "last_question": None if found.last_ms is None else to_text(from_ms(found.last_ms)),
            }
            for name in sorted({*named, *counts})
            for found in (counts.get(name, ledger.Counts()),)
        ]
        lines = [
            f"{row['gate']:<20} {row['asked']} questions in {WINDOW_DAYS} days, {row['checked']} routine checks; "
            f"last {row['last_question'] or 'never'}"
            for row in rows
        ]
        show(args, rows, lines or ["no gate may ask: add [passages] to the settings"])
    return 0
