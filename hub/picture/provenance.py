"""How an entry came here, in five lines, each with what its own check says now; nothing is believed for being stored.

observed (objects are those committed to, and valid), reviewed (the keys that the act needs, and whether an officer is
among them), signed (every signature), logged (the leaf is in the tree whose checkpoint the log signed), delivered (the
receivers' signed receipts, as far as the reader may know of them).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.picture.reading import Reading, rows
from hub.picture.unseen import answers_known
from hub.picture.values import Line, Recipient
from hub.receipts import PAYLOAD_TYPE
from hub.tables import BODY, CONTROL, ENTRY, RECEIPT
from hub.transparency import RosterAt, Tree, next_roster
from port2port import keys, merkle
from port2port.authority import is_machine_only
from port2port.checkpoint import log_key as log_verifier
from port2port.checkpoint import verify_log
from port2port.clock import from_ms
from port2port.envelope import pae
from port2port.errors import Port2PortError, ProofError
from port2port.roster import Roster
from port2port.statement import decode
from port2port.stix.validate import ValidObject
from port2port.verify import STEPS, Context, RefusedError, Step, Work, run
from port2port.wire import decode_envelope

HOLDS: Final = "holds"
FAILS: Final = "fails"
UNKNOWN: Final = "unknown"
_OBSERVED: Final = frozenset({1, 2, 3, 5, 6, 7, 13, 15, 16, 17, 18})
_REVIEWED: Final = frozenset({8, 12, 14})
_SIGNED: Final = frozenset({4, 9, 10, 11})
_LOGGED: Final = frozenset({19, 20})
_ORDER: Final = STEPS


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """What a check needs beside the database: the pinned genesis, the log's tree, and the STIX validator."""

    genesis_hash: str
    tree: Tree
    validate: Callable[[bytes], ValidObject]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The work as far as it came, and the step that refused it, with its words."""

    work: Work
    failed: int | None
    text: str


def lines(
    connection: Connection, reading: Reading, checks: Checks, row: Any, receivers: Sequence[Recipient]
) -> tuple[Line, ...]:
    """The five lines of an entry (a row of ``log_entry`` with its envelope) that the reader may read."""
    checked = check(connection, checks, row)
    work = checked.work
    said = None if work.statement is None else work.said
    issued = None if said is None else said.issued
    logged = from_ms(row.received_ms)
    return (
        _line("observed", observed_at(work), row.issuer, checked, _OBSERVED),
        _reviewed(checked, issued, "" if said is None else said.decided_by),
        _line("signed", issued, row.signer, checked, _SIGNED),
        _line("logged", logged, checks.tree.origin, checked, _LOGGED),
        _delivered(connection, reading, row, receivers),
    )


def check(connection: Connection, checks: Checks, row: Any) -> Checked:
    """Every numbered step over the stored bytes, under the roster before the entry."""
    roster = roster_before(connection, row.index)
    context = Context(
        federation=checks.tree.origin.partition("/")[0] if roster is None else roster.genesis.federation,
        genesis_hash=checks.genesis_hash,
        roster=roster,
        index=row.index,
        received_ms=row.received_ms,
        last_seq=lambda signer: _last_seq(connection, signer, row.index),
        root_at=checks.tree.root_at,
        validate=checks.validate,
        inclusion=lambda leaf: _included(checks.tree, leaf, row.index),
        checkpoint=lambda: _checkpoint(checks.tree, roster),
        objects_required=False,
        keep_unknown=True,
    )
    work = Work(raw=bytes(row.envelope), context=context)
    try:
        run(_ORDER, work)
    except RefusedError as error:
        return Checked(work=work, failed=error.number, text=error.text)
    return Checked(work=work, failed=None, text="")


def roster_before(connection: Connection, index: int) -> Roster | None:
    """The roster that judges the entry at ``index``; None for the genesis."""
    at = RosterAt()
    for row in rows(connection, _CONTROLS, {"before": index}):
        said = decode(decode_envelope(bytes(row.envelope)).statement)
        folded = next_roster(at.roster, said, digest=bytes(row.digest), index=row.index, received_ms=row.received_ms)
        at = RosterAt(roster=folded)
    return at.roster


def observed_at(work: Work) -> datetime | None:
    """When the earliest thing that its objects tell of happened, as they say; None where none says so."""
    names = ("first_observed", "first_seen", "valid_from")
    told = [item.data.get(name) for item in work.objects for name in names]
    return min((datetime.fromisoformat(one) for one in told if isinstance(one, str)), default=None)


_CONTROLS: Final = (
    sa.select(ENTRY.c.index, ENTRY.c.digest, ENTRY.c.received_ms, BODY.c.envelope)
    .join(CONTROL, CONTROL.c.index == ENTRY.c.index)
    .join(BODY, BODY.c.index == ENTRY.c.index)
    .where(CONTROL.c.index < sa.bindparam("before"))
    .order_by(CONTROL.c.version)
)


def _last_seq(connection: Connection, signer: str, index: int) -> tuple[int, bytes] | None:
    query = sa.select(ENTRY.c.seq, ENTRY.c.digest).where(ENTRY.c.signer == signer, ENTRY.c.index < index)
    row = connection.execute(query.order_by(ENTRY.c.seq.desc()).limit(1)).first()
    return None if row is None else (row.seq, bytes(row.digest))


def _included(tree: Tree, leaf: bytes, index: int) -> None:
    head = tree.head()
    proof = tree.inclusion(index, head.next)
    merkle.verify_inclusion(leaf, index=index, size=head.next, proof=proof, root=head.root)


def _checkpoint(tree: Tree, roster: Roster | None) -> None:
    head = tree.head()
    signed = tree.checkpoint(head.next)
    if roster is not None:
        verify_log(signed, log_verifier(roster.genesis.origin, roster.genesis.log_key))
    if signed.checkpoint.root != head.root:
        raise ProofError("the checkpoint is of another tree")


def _line(step: str, at: datetime | None, actor: str, checked: Checked, steps: frozenset[int]) -> Line:
    failed = checked.failed
    if failed in steps:
        return Line(step=step, at=at, actor=actor, result=FAILS, why=checked.text)
    done = failed is None or all(number < failed for number in steps)
    return Line(step=step, at=at, actor=actor, result=HOLDS if done else UNKNOWN, why="")


def _reviewed(checked: Checked, at: datetime | None, decided_by: str) -> Line:
    line = _line("reviewed", at, decided_by, checked, _REVIEWED)
    if line.result == HOLDS and is_machine_only(checked.work.voices):
        return Line(step=line.step, at=at, actor=decided_by, result=UNKNOWN, why="no officer has seen this")
    return line


def _delivered(connection: Connection, reading: Reading, row: Any, receivers: Sequence[Recipient]) -> Line:
    """The receipts that the reader may know of: as ``hub.picture.unseen`` says."""
    receipts = connection.execute(
        sa.select(RECEIPT)
        .where(RECEIPT.c.index == row.index)
        .where(answers_known(reading))
        .order_by(RECEIPT.c.received_ms)
    ).all()
    if not receipts:
        return Line(step="delivered", at=None, actor="", result=UNKNOWN, why="")
    others = {one.member for one in receivers if one.member != row.issuer}
    arrived = {one.member for one in receipts}
    bad = next((one.member for one in receipts if not _receipt_holds(reading.roster, one)), None)
    return Line(
        step="delivered",
        at=from_ms(receipts[-1].received_ms),
        actor=", ".join(sorted(arrived)),
        result=HOLDS if bad is None else FAILS,
        why=f"{len(arrived & others)}/{len(others)}" if bad is None else f"the receipt of {bad} is not signed by it",
    )


def _receipt_holds(roster: Roster, receipt: Any) -> bool:
    key = roster.keys.get(receipt.key_id)
    if key is None or key.member != receipt.member:
        return False
    try:
        keys.verify(key.public, pae(PAYLOAD_TYPE, bytes(receipt.receipt)), bytes(receipt.sig))
    except Port2PortError:
        return False
    return True


def steps_of(line: str) -> tuple[Step, ...]:
    """The numbered steps behind a line, for the page's small print."""
    numbers = {"observed": _OBSERVED, "reviewed": _REVIEWED, "signed": _SIGNED, "logged": _LOGGED}.get(
        line, frozenset()
    )
    return tuple(step for step in STEPS if step.number in numbers)
