"""What an operator does to keep a node trustworthy: renew its machine key, export checkpoints for comparing."""

from __future__ import annotations

import argparse
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy.engine import Connection

from node import act_store, desk_keys, identity, store
from node.cli.desk import Desk, show
from node.outbox import Outbox, Queued, Rekey, SequenceFile
from port2port import keys, merkle
from port2port.checkpoint import SignedCheckpoint, log_key, parse_number
from port2port.clock import to_ms
from port2port.conflict import PrefixProof
from port2port.errors import ConfigurationError, ConflictError, UnavailableError
from port2port.keys import Ed25519Key
from port2port.statement import LogSeen

MACHINE_KEY_LIFE: Final = timedelta(days=90)


def run_rekey(args: argparse.Namespace) -> int:
    """Make a new machine key, and new desk keys, and queue the statements by which they take over from the old ones."""
    with Desk.open(args.config) as desk:
        current = desk.settings.keys.machine
        if identity.next_key_path(desk.settings).exists():
            raise ConflictError("a rekey is on its way already; restart the node once `status` shows nothing waiting")
        old, fresh, queued = _replace(desk, current)
        free, held = _desk_keys(desk)
        made = [_replace(desk, path) for path in free]
    answer = {
        "old": old.key_id,
        "new": fresh.key_id,
        "statement": queued.statement_id,
        "desk": [{"old": one.key_id, "new": other.key_id} for one, other, _ in made],
        "held": len(held),
    }
    lines = [
        f"new machine key {fresh.key_id[:16]} takes over from {old.key_id[:16]}, with {len(made)} desk keys",
        *([f"{len(held)} desk keys stay: acts wait under them, rekey again later"] if held else []),
        "keep the node running until `status` shows nothing waiting, then restart it; until then it signs nothing",
    ]
    show(args, answer, lines)
    return 0


def _desk_keys(desk: Desk) -> tuple[list[Path], list[Path]]:
    """The files of the desk keys that can be replaced now, and of those that acts hold."""
    roster, waiting = desk.roster(), desk.read(act_store.held)
    free: list[Path] = []
    held: list[Path] = []
    for path in desk_keys.paths(desk.settings.keys.desk):
        key_id = keys.load(path).key_id
        known = roster.keys.get(key_id)
        on_its_way = path.with_name(path.name + identity.NEXT_SUFFIX).exists()
        if known is not None and known.revoked_index is None and not on_its_way:
            (held if key_id in waiting else free).append(path)
    return free, held


def _replace(desk: Desk, current: Path) -> tuple[Ed25519Key, Ed25519Key, Queued]:
    """(old key, new key, the statement that one takes over from the other); the new key waits beside the old one."""
    path = current.with_name(current.name + identity.NEXT_SUFFIX)
    old, fresh = keys.load(current), keys.generate()
    keys.save(fresh, path)
    try:
        queued = desk.write(partial(_queue_rekey, desk=desk, current=current, old=old, fresh=fresh))
    except BaseException:
        path.unlink()  # nothing was queued: the key has never been named to anybody
        raise
    return old, fresh, queued


def _queue_rekey(connection: Connection, *, desk: Desk, current: Path, old: Ed25519Key, fresh: Ed25519Key) -> Queued:
    now = desk.clock.now()
    head = store.head(connection)
    outbox = Outbox(old, SequenceFile.beside(current, old.key_id))
    rekeying = Rekey(
        member=desk.member,
        issued=now,
        not_after=now + MACHINE_KEY_LIFE,
        log_seen=LogSeen(size=head.size, root=head.frontier.root()),
    )
    store.remember_own_key(connection, fresh.key_id, "machine", at_ms=to_ms(now))
    return outbox.rekey(connection, fresh, rekeying, at_ms=to_ms(now))


def run_checkpoint(args: argparse.Namespace) -> int:
    """Write the checkpoint this node verified last, and on request the proof that a smaller one begins it."""
    with Desk.open(args.config) as desk:
        head = desk.read(store.head)
        genesis = desk.roster().genesis
        proof = None if args.prove_from is None else desk.read(partial(prefix_proof, first=_size_in(args.prove_from)))
    if not head.note:
        raise UnavailableError("this node has not verified a checkpoint yet")
    args.out.write_text(head.note)
    vkey = log_key(genesis.origin, genesis.log_key).to_text()
    lines = [f"checkpoint of {head.size} entries written to {args.out}"]
    if proof is not None:
        beside = args.out.with_name(args.out.name + ".prefix")
        beside.write_bytes(proof.to_bytes())
        lines.append(f"proof of what its first {proof.first} entries are written to {beside}")
    lines.append(f"compare it with another port's: port2port checkpoint compare A B --log-key {vkey}")
    show(args, {"size": head.size, "out": str(args.out), "log_key": vkey}, lines)
    return 0


def prefix_proof(connection: Connection, *, first: int) -> PrefixProof:
    """What the first ``first`` leaves are, proven under this node's head. Raises ConfigurationError beyond it."""
    size = store.head(connection).size
    root = store.root_at(connection, first)
    if root is None or first > size:
        raise ConfigurationError(f"this node has verified {size} entries, fewer than {first}")
    path = merkle.consistency_proof(
        lambda start, end: store.leaf_hashes(connection, start, end), first=first, second=size
    )
    return PrefixProof(first=first, second=size, first_root=root, path=path)


def _size_in(path: Path) -> int:
    """A size given as a number, or the checkpoint file of another port."""
    if path.name.isdigit() and not path.exists():
        return parse_number(path.name)
    try:
        return SignedCheckpoint.parse(path.read_bytes()).checkpoint.size
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
