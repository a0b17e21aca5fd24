"""Fold anew what is folded from the log."""

from __future__ import annotations

import argparse

from hub import picture
from hub.cli.desk import Desk


def run(args: argparse.Namespace) -> int:
    """Make the picture's tables again from the log, in one transaction; a hub may serve meanwhile."""
    with Desk.open(args.config) as desk:
        entries = desk.store.database.write_now(picture.rebuild)
    print(f"folded {entries} entries")
    return 0
