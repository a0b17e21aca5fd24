"""``officer add``, ``list`` and ``desk-keys``: further keys of this port, on their way into the roster."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

from node import app, desk_keys, officers
from node.cli.desk import Desk, passphrase, show
from node.officers import OfficerKey
from port2port import key_request, keys
from port2port.clock import to_text
from port2port.errors import ConfigurationError
from port2port.join_request import JoiningKey
from port2port.key_request import KeyRequest
from port2port.keys import Ed25519Key


def run(args: argparse.Namespace) -> int:
    """One of the sub-commands of ``officer``."""
    actions = {"add": _add, "list": _list, "desk-keys": _desk_keys}
    with Desk.open(args.config) as desk:
        actions[args.action](args, desk)
    return 0


def _add(args: argparse.Namespace, desk: Desk) -> None:
    """A new key file; one that an earlier attempt made is offered again."""
    path = args.config.parent / f"officer-{args.pseudonym}.key"
    secret = None if args.no_passphrase else passphrase(args.passphrase_file, "new passphrase: ")
    if not path.exists():
        keys.save(keys.generate(), path, secret)
    key = keys.load(path, secret)
    joining = [JoiningKey(public=key.record("officer"), pseudonym=args.pseudonym)]
    fingerprint = _offer(desk, joining, [key])
    named = [f"name it in node.toml, under [keys] officers: {path.name!r}"] if path not in _known(desk) else []
    _say(args, fingerprint, [f"key of {args.pseudonym} in {path}", *named])


def _desk_keys(args: argparse.Namespace, desk: Desk) -> None:
    """Further desk keys: for a node that joined without any, or whose keys will end."""
    made = desk_keys.more(desk.settings.keys.desk, args.count)
    joining = [JoiningKey(public=key.record("machine")) for key in made]
    fingerprint = _offer(desk, joining, made)
    _say(args, fingerprint, [f"{len(made)} desk keys in {desk.settings.keys.desk}"])


def _list(args: argparse.Namespace, desk: Desk) -> None:
    roster, now = desk.roster(), desk.clock.now()
    found = desk.read(lambda connection: officers.listed(connection, roster, desk.member, now=now))
    rows = [
        {
            "pseudonym": one.pseudonym,
            "key": one.key_id,
            "state": one.state,
            "passkey": one.passkey,
            "until": None if one.not_after is None else to_text(one.not_after),
            "fingerprint": one.fingerprint or None,
        }
        for one in found
    ]
    lines = [line for one in found for line in _lines(one)]
    show(args, rows, lines or ["no officer of this port has a key"])


def _lines(one: OfficerKey) -> list[str]:
    """A key as the list shows it; below what waits, what the coordinators are told by telephone."""
    until = "" if one.not_after is None else f", until {one.not_after:%Y-%m-%d}"
    first = f"{one.pseudonym:<12} {one.key_id[:16]}  {'passkey ' if one.passkey else ''}{one.state}{until}"
    if one.state == officers.NOT_OFFERED:
        return [first, "    offered on the officer's own page at the desk: Let it sign for this port"]
    waits = one.state in {officers.NOT_TAKEN, officers.OFFERED} and one.fingerprint
    return [first, f"    fingerprint {one.fingerprint}"] if waits else [first]


def _known(desk: Desk) -> Sequence[object]:
    return desk.settings.keys.officers


def _offer(desk: Desk, joining: Sequence[JoiningKey], own: Sequence[Ed25519Key]) -> str:
    machine = keys.load(desk.settings.keys.machine)
    request = key_request.offer(desk.settings.federation, desk.member, joining, machine)
    now = desk.clock.now()
    desk.write(lambda connection: officers.remember(connection, request, now=now))
    fingerprint = asyncio.run(_hand_in(desk, request, [key.sign(request.message) for key in own]))
    desk.write(lambda connection: officers.taken(connection, request, now=desk.clock.now()))
    return fingerprint


async def _hand_in(desk: Desk, request: KeyRequest, proofs: Sequence[bytes]) -> str:
    if not desk.settings.keys.certificate.exists():
        raise ConfigurationError("this node has no TLS certificate yet: start it with port2port-node run")
    hub = await app.connect(desk.settings)
    try:
        return await officers.offer(hub, request, proofs)
    finally:
        await hub.close()


def _say(args: argparse.Namespace, fingerprint: str, lines: Sequence[str]) -> None:
    telephone = ["read it to a coordinator by telephone; it counts once it is approved"]
    show(args, {"fingerprint": fingerprint}, [*lines, f"fingerprint  {fingerprint}", *telephone])
