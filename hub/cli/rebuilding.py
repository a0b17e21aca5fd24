"""Fold anew what is folded from the log."""

from __future__ import annotations

import argparse
from functools import partial

from hub import picture
from hub.cli.desk import Desk
from hub.taxii import fold as collections
from hub.taxii.attesting import Attestor
from hub.taxii.fold import Folding
from hub.transparency import Log


def run(args: argparse.Namespace) -> int:
    """Make the picture's tables again from the log, and the TAXII collections where there are any, each in one
    transaction; a hub may serve meanwhile.
    """
    with Desk.open(args.config) as desk:
        database = desk.store.database
        entries = database.write_now(picture.rebuild)
        print(f"folded {entries} entries")
        if database.read_now(collections.folded_to):
            made = partial(collections.rebuild, folding=_folding(desk), now_ms=desk.now_ms)
            print(f"folded {database.write_now(made)} entries into collections; dates stay as they were")
    return 0


def _folding(desk: Desk) -> Folding:
    genesis, anchor = desk.genesis()
    log = Log(desk.store, origin=genesis.origin, key=desk.keyring.log, clock=desk.clock)
    roster = desk.roster()
    return Folding(
        genesis_hash=anchor,
        federation=genesis.federation,
        attests=Attestor(log, federation=genesis.federation),
        roster=lambda: roster,
    )
