"""Receipts: what this port owes others for their entries, and what others owe it for its own.

*Delivered* is signed by the receiving node, not by the hub, so a hub that withholds an entry cannot also answer for
it: after fifteen minutes the author's own node says to whom it was not delivered. *Seen* means that an officer
opened it; no receipt names a person. The hub relays receipts to the issuer of the entry alone.

A receipt is canonical JSON, signed with the machine key under a payload type of its own, so that it can never be
taken for a statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from node import store, tables
from node.alarms import Alarm, Code, clear_alarm, raise_alarm
from port2port import canonical, keys, sharing, statement
from port2port import envelope as dsse
from port2port.clock import from_ms, from_text, to_ms, to_text
from port2port.errors import MalformedError, Port2PortError, VerificationError
from port2port.ids import is_member_id
from port2port.keys import SigningKey
from port2port.limits import KIB
from port2port.roster import Roster
from port2port.statement import Statement
from port2port.verify import VerifiedEntry
from port2port.wire import decode_envelope

PAYLOAD_TYPE: Final = "application/vnd.port2port.receipt+json;v=1"
STATES: Final = ("delivered", "seen", "retracted")
OVERDUE_MS: Final = 15 * 60_000
RECEIPT_BYTES: Final = KIB
_DELIVERY: Final = tables.Delivery.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_RECEIPT: Final = tables.Receipt.__table__  # type: ignore[attr-defined]  # as above
_FIELDS: Final = frozenset({"at", "digest", "index", "member", "state", "v"})


class ReceiptError(VerificationError):
    """A receipt that is not one, not signed by whom it names, or not about what it says."""

    code = "RECEIPT"


class ReceiptAheadError(ReceiptError):
    """Signed with a key that our copy of the log does not have yet: to be asked for again."""

    code = "RECEIPT_AHEAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What one member says of one entry; ``at_ms`` is that member's clock."""

    index: int
    digest: bytes
    member: str
    state: str
    at_ms: int

    def to_bytes(self) -> bytes:
        """Canonical JSON: what is signed."""
        return canonical.dumps(
            {
                "at": to_text(from_ms(self.at_ms)),
                "digest": self.digest.hex(),
                "index": self.index,
                "member": self.member,
                "state": self.state,
                "v": 1,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedReceipt:
    """A receipt as it travels; ``key_id`` is hex."""

    receipt: bytes
    key_id: str
    sig: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryState:
    """One own entry and one entitled member; None where no receipt of that state has come."""

    index: int
    member: str
    expected_ms: int
    delivered_ms: int | None
    seen_ms: int | None
    retracted_ms: int | None


def parse(raw: bytes) -> Receipt:
    """The reverse of ``Receipt.to_bytes``. Raises ReceiptError, whatever the bytes."""
    try:
        made = _from_json(canonical.loads_object(raw, limit=RECEIPT_BYTES))
    except (MalformedError, ValueError) as error:
        raise ReceiptError("not a receipt") from error
    if made.to_bytes() != raw:
        raise ReceiptError("a receipt has one spelling only")
    return made


def _from_json(data: dict[str, canonical.Json]) -> Receipt:
    if data.keys() != _FIELDS or data["v"] != 1 or data["state"] not in STATES:
        raise ReceiptError("a receipt has exactly at, digest, index, member, state and v")
    index, digest, at, member = data["index"], data["digest"], data["at"], data["member"]
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise ReceiptError("a receipt's index is a log index")
    if not isinstance(digest, str) or len(digest) != 64 or not isinstance(at, str):
        raise ReceiptError("a receipt's digest is hexadecimal and its time text")
    if not isinstance(member, str) or not is_member_id(member):
        raise ReceiptError("a receipt names a member")
    return Receipt(
        index=index,
        digest=bytes.fromhex(digest),
        member=member,
        state=str(data["state"]),
        at_ms=to_ms(from_text(at)),
    )


def sign(receipt: Receipt, machine: SigningKey) -> SignedReceipt:
    """The receipt under a machine key."""
    raw = receipt.to_bytes()
    return SignedReceipt(receipt=raw, key_id=machine.key_id, sig=machine.sign(dsse.pae(PAYLOAD_TYPE, raw)))


def check(signed: SignedReceipt, roster: Roster) -> Receipt:
    """The receipt, once a machine key of the member it names has signed it. Raises ReceiptError or ReceiptAheadError.

    A key revoked meanwhile still counts here: a receipt says what happened and gives no right.
    """
    receipt = parse(signed.receipt)
    key = roster.keys.get(signed.key_id)
    if key is None:
        raise ReceiptAheadError("signed with a key that is not in the roster", member=receipt.member)
    if key.member != receipt.member or key.public.key_class != "machine":
        raise ReceiptError("not signed with a machine key of the member it names", member=receipt.member)
    try:
        keys.verify(key.public, dsse.pae(PAYLOAD_TYPE, signed.receipt), signed.sig)
    except Port2PortError as error:
        raise ReceiptError("the signature of a receipt does not hold", member=receipt.member) from error
    return receipt


def expected_readers(said: Statement, roster: Roster) -> frozenset[str]:
    """The other members who should get an entry, by the one rule that also the hub applies."""
    resolved = sharing.resolve_readers(sharing.audience_of(said), roster, said.purpose)
    others = roster.members() - {said.issuer}
    return frozenset(member for member, decision in resolved if member in others and decision.allowed)


# --- what others owe us -----------------------------------------------------------------------------------------


def expect(connection: Connection, entry: VerifiedEntry, roster: Roster, now_ms: int) -> None:
    """Remember who should get an own entry, from now on."""
    rows = [
        {"index": entry.index, "member": member, "digest": entry.digest, "expected_ms": now_ms}
        for member in sorted(expected_readers(entry.statement, roster))
    ]
    if rows:
        connection.execute(sa.insert(_DELIVERY), rows)


def take(connection: Connection, receipts: Iterable[Receipt], roster: Roster, now_ms: int) -> int:
    """Note checked receipts for own entries; the first of each state counts. How many were about own entries.

    Who joined, or was reinstated, after an entry was logged is not expected to acknowledge it, and counts once it has.
    """
    known = 0
    for receipt in receipts:
        found = _note(connection, receipt) or (_expect_late(connection, receipt, roster) and _note(connection, receipt))
        if found:
            clear_alarm(connection, Code.NOT_DELIVERED, _subject(receipt.index, receipt.member), now_ms)
        known += found
    return known


def _note(connection: Connection, receipt: Receipt) -> bool:
    column = _DELIVERY.c[f"{receipt.state}_ms"]
    row = (_DELIVERY.c.index == receipt.index, _DELIVERY.c.member == receipt.member)
    about = sa.update(_DELIVERY).where(*row, _DELIVERY.c.digest == receipt.digest)
    return connection.execute(about.values({column: sa.func.coalesce(column, receipt.at_ms)})).rowcount > 0


def _expect_late(connection: Connection, receipt: Receipt, roster: Roster) -> bool:
    """Make room for a reader who was none when the entry was logged; False where it may not read it now either."""
    entry = store.entry_at(connection, receipt.index)
    if entry is None or not entry.own or entry.control or entry.digest != receipt.digest:
        return False
    key = (_DELIVERY.c.index == receipt.index, _DELIVERY.c.member == receipt.member)
    if connection.scalar(sa.select(_DELIVERY.c.index).where(*key)) is not None:
        return False
    said = statement.decode(decode_envelope(entry.envelope).statement)
    if receipt.member not in expected_readers(said, roster):
        return False
    row = {"index": entry.index, "member": receipt.member, "digest": entry.digest, "expected_ms": receipt.at_ms}
    connection.execute(sa.insert(_DELIVERY), [row])
    return True


def raise_overdue(connection: Connection, roster: Roster, now_ms: int) -> list[Alarm]:
    """Raise an alarm for every member to whom something was not delivered for fifteen minutes; those newly so.

    Of who is no member now nothing is expected: its alarms end, and its quarter of an hour begins again once it is
    reinstated. Nothing else ends a right to what is logged, since an audience names versions of groups for ever.
    """
    _excuse(connection, roster, now_ms)
    silent = (_DELIVERY.c[f"{state}_ms"].is_(None) for state in STATES)
    query = sa.select(_DELIVERY.c.index, _DELIVERY.c.member).where(
        *silent, _DELIVERY.c.expected_ms <= now_ms - OVERDUE_MS
    )
    new = []
    for index, member in connection.execute(query).all():
        alarm = Alarm(
            code=Code.NOT_DELIVERED,
            subject=_subject(index, member),
            text=f"entry {index} was not delivered to {member} for 15 min",
        )
        if raise_alarm(connection, alarm, now_ms):
            new.append(alarm)
    return new


def _excuse(connection: Connection, roster: Roster, now_ms: int) -> None:
    """Wait anew for those who do not belong now, and take back what was said of them."""
    silent = [_DELIVERY.c[f"{state}_ms"].is_(None) for state in STATES]
    waiting = set(connection.scalars(sa.select(_DELIVERY.c.member).where(*silent).distinct()))
    for member in sorted(waiting - roster.members()):
        rows = (*silent, _DELIVERY.c.member == member)
        for index in connection.scalars(sa.select(_DELIVERY.c.index).where(*rows)).all():
            clear_alarm(connection, Code.NOT_DELIVERED, _subject(index, member), now_ms)
        connection.execute(sa.update(_DELIVERY).where(*rows).values(expected_ms=now_ms))


def deliveries(connection: Connection, index: int) -> list[DeliveryState]:
    """What is known of one own entry, by member."""
    columns = [column for column in _DELIVERY.c if column.name != "digest"]
    query = sa.select(*columns).where(_DELIVERY.c.index == index).order_by(_DELIVERY.c.member)
    return [DeliveryState(**dict(row._mapping)) for row in connection.execute(query)]  # noqa: SLF001  # a row's view


def _subject(index: int, member: str) -> str:
    return f"{index}:{member}"


# --- what we owe others -----------------------------------------------------------------------------------------


def owe(connection: Connection, entries: Iterable[tuple[int, bytes]], state: str, now_ms: int) -> None:
    """Queue receipts for other members' entries, given as (index, digest); queuing one twice changes nothing."""
    rows = [{"index": index, "digest": digest, "state": state, "at_ms": now_ms} for index, digest in entries]
    known = sa.select(_RECEIPT.c.index).where(_RECEIPT.c.state == state)
    have = set(connection.scalars(known.where(_RECEIPT.c.index.in_([row["index"] for row in rows]))))
    new = [row | {"sent": False} for row in rows if row["index"] not in have]
    if new:
        connection.execute(sa.insert(_RECEIPT), new)


def owed(connection: Connection, member: str, *, limit: int) -> list[Receipt]:
    """Receipts to sign and hand in, oldest first. They are signed when sent: in batches, off the verifying path."""
    query = sa.select(_RECEIPT).where(~_RECEIPT.c.sent).order_by(_RECEIPT.c.index).limit(limit)
    return [
        Receipt(
            index=row._mapping["index"],  # noqa: SLF001  # a row's own ``index`` is the tuple method
            digest=row.digest,
            member=member,
            state=row.state,
            at_ms=row.at_ms,
        )
        for row in connection.execute(query)
    ]


def handed_in(connection: Connection, receipts: Sequence[Receipt]) -> None:
    """The hub has them."""
    for receipt in receipts:
        row = (_RECEIPT.c.index == receipt.index, _RECEIPT.c.state == receipt.state)
        connection.execute(sa.update(_RECEIPT).where(*row).values(sent=True))
