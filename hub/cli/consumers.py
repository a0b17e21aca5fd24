"""``port2port-hub consumer``: systems that read through TAXII with a secret, which is shown once and never again."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Final

from hub import consumers
from hub.cli.desk import Desk
from hub.consumers import Consumer
from hub.consumers.register import networks_from, until_ms
from hub.taxii.places import DISCOVERY_PATH
from port2port import tlp
from port2port.clock import from_ms, to_text
from port2port.errors import ConfigurationError
from port2port.statement import PURPOSES

_MINUTE: Final = len("2026-11-22T00:00")


def run_add(args: argparse.Namespace) -> int:
    """Take a system in and show its secret."""
    if args.purpose is not None and args.purpose not in PURPOSES:
        raise ConfigurationError(f"--purpose is one of {', '.join(sorted(PURPOSES))}")
    with Desk.open(args.config) as desk:
        roster = desk.roster()
        if roster is None:
            raise ConfigurationError("the log has no genesis yet, so nobody is a member")
        wanted = Consumer(
            name=args.name,
            member=args.member,
            affiliate=args.affiliate,
            ceiling=tlp.parse(args.ceiling),
            purpose=args.purpose,
            networks=networks_from(args.network or ()),
            word=args.i_have_their_word,
            created_ms=desk.now_ms,
            expires_ms=until_ms(desk.now_ms, args.days),
        )
        secret = desk.store.database.write_now(partial(consumers.add, wanted=wanted, roster=roster))
        _show(desk, args.name, secret, wanted.expires_ms)
    return 0


def run_renew(args: argparse.Namespace) -> int:
    """Another secret for further days; the old one ends now."""
    with Desk.open(args.config) as desk:
        now_ms, days = desk.now_ms, args.days
        made = partial(consumers.renew, name=args.name, days=days, now_ms=now_ms)
        secret = desk.store.database.write_now(made)
        _show(desk, args.name, secret, until_ms(now_ms, days))
    return 0


def run_revoke(args: argparse.Namespace) -> int:
    """Refuse a system from now on."""
    with Desk.open(args.config) as desk:
        gone = desk.store.database.write_now(partial(consumers.revoke, name=args.name, now_ms=desk.now_ms))
    print(f"revoked: {gone.name} of {gone.member} reads nothing any more")
    return 0


def run_list(args: argparse.Namespace) -> int:
    """Who reads with a secret, and until when."""
    with Desk.open(args.config) as desk:
        found = desk.store.database.read_now(consumers.consumers)
        for one in found:
            print(_line(one, desk.now_ms))
    if not found:
        print("no consumers")
    return 0


def _line(one: Consumer, now_ms: int) -> str:
    if one.revoked_ms is not None:
        state = f"revoked {to_text(from_ms(one.revoked_ms))[:_MINUTE]}Z"
    else:
        state = f"{'until' if one.in_force(now_ms) else 'ended'} {to_text(from_ms(one.expires_ms))[:_MINUTE]}Z"
    networks = ", ".join(map(str, one.networks)) or "any network"
    whose = one.member if one.affiliate is None else f"{one.affiliate} of {one.member}"
    word = f"  by their word: {one.word}" if one.word else ""
    return f"{one.name:24} {whose}  {one.ceiling.label}  {state}  {networks}{word}"


def _show(desk: Desk, name: str, secret: str, expires_ms: int) -> None:
    taxii = desk.settings.taxii
    base = taxii.consumer_public_url or f"https://{taxii.consumer_listen or 'HOST:PORT'}"
    print(f"discovery  {base}{DISCOVERY_PATH}")
    print(f"Basic      user {name}  password {secret}")
    print(f"Bearer     {name}.{secret}")
    print(f"good until {to_text(from_ms(expires_ms))}; this is the only time that it is shown")
    if taxii.consumer_listen is None:
        print("taxii.consumer_listen is not set: nobody can use it yet")
