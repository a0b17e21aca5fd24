"""``status``: one screen for a person, ``--json`` for machines, ``--check`` for monitoring."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from node import app
from node.cli.desk import Desk, show
from node.status import Status


def run(args: argparse.Namespace) -> int:
    """Print the health. With ``--check`` the exit code is 0 well, 1 look soon, 2 look now; else always 0."""
    with Desk.open(args.config) as desk:
        found = app.status_of(desk.settings, desk.store, clock=desk.clock)
    if args.check and not args.json:
        worst = [line.text for line in found.lines if line.level is found.level]
        print(f"{found.level.value.upper()} {found.member}: {'; '.join(worst[:3]) or 'well'}")
    else:
        show(args, found.to_json(), lines(found))
    return found.level.exit_code if args.check else 0


def lines(found: Status) -> Iterator[str]:
    """For a person: the worst first is not needed, everything fits on one screen."""
    if found.demo:
        yield "DEMO FEDERATION: one machine founded it alone"
    yield f"{found.member}: {found.level.value}"
    for line in found.lines:
        yield f"  {line.level.value:<9} {line.name}: {line.text}"
    picture = "never" if found.picture_at is None else f"{found.picture_at:%Y-%m-%d %H:%M:%S} UTC"
    yield f"  picture of   {picture}, {found.size} entries, roster version {found.roster_version}, {found.testimony}"
    since = "" if found.waiting_since is None else f", the oldest since {found.waiting_since:%Y-%m-%d %H:%M:%S} UTC"
    yield f"  waiting      {found.waiting} to be sent{since}"
    if found.returned:
        yield f"  returned     {found.returned} refused by the hub: see explain ID for the reason"
    if found.quarantined:
        yield f"  quarantined  {found.quarantined} entries that this node refused to believe"
