"""Receipts in transit: what a receiving member says of an entry, on its way to the issuer and to nobody else.

*delivered*, *seen* and *retracted* are signed by the receiving node's machine key; the hub checks and relays them
and can at worst withhold one. A receipt is taken once for each (entry, member, state). An entry that its signer may
not read does not exist for it, and the cursor counts an issuer's own receipts only, so that it tells nothing of
others'.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.audience import Audiences
from hub.store import Store, lock_head
from hub.tables import ENTRY, RECEIPT
from hub.transparency import RosterAt
from port2port import canonical
from port2port.canonical import Json
from port2port.clock import Clock, from_text, to_ms
from port2port.envelope import pae
from port2port.errors import MalformedError, NotFoundError, NotMemberError, PolicyError, TooLargeError
from port2port.keys import verify
from port2port.limits import LIMITS
from port2port.roster import Roster

PAYLOAD_TYPE: Final = "application/vnd.port2port.receipt+json;v=1"
STATES: Final = frozenset({"delivered", "seen", "retracted"})
RECEIPT_BYTES: Final = 1_024
_FIELDS: Final = frozenset({"at", "digest", "index", "member", "state", "v"})
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


class ReceiptError(MalformedError):
    """Not a receipt of version 1."""

    code = "BAD_RECEIPT"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedReceipt:
    """A receipt as it travels; ``key_id`` is lower-case hex."""

    receipt: bytes
    key_id: str
    sig: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a receipt says, parsed."""

    index: int
    digest: bytes
    member: str
    state: str


def parse(raw: bytes) -> Said:
    """The receipt in canonical JSON. Raises ReceiptError or another MalformedError."""
    data = canonical.loads_object(raw, limit=RECEIPT_BYTES)
    if data.keys() != _FIELDS or data["v"] != 1 or isinstance(data["v"], bool):
        raise ReceiptError("a receipt has exactly at, digest, index, member, state and v 1")
    from_text(_text(data, "at"))
    index, digest, state = data["index"], _text(data, "digest"), _text(data, "state")
    if not isinstance(index, int) or isinstance(index, bool) or index < 0 or not _DIGEST.fullmatch(digest):
        raise ReceiptError("a receipt names its entry by index and digest")
    if state not in STATES:
        raise ReceiptError("a receipt says delivered, seen or retracted")
    return Said(index=index, digest=bytes.fromhex(digest), member=_text(data, "member"), state=state)


class Receipts:
    """Taking receipts in and handing them on."""

    def __init__(self, *, store: Store, audiences: Audiences, roster: Callable[[], RosterAt], clock: Clock) -> None:
        self._store = store
        self._audiences = audiences
        self._roster = roster
        self._clock = clock

    async def exchange(self, member: str, mine: Sequence[SignedReceipt], after: int) -> tuple[list[SignedReceipt], int]:
        """Store this member's receipts, all or none; return those for its own entries after ``after``, and the cursor.

        Raises TooLargeError, ReceiptError, SignatureError, PolicyError, NotMemberError, or NotFoundError for an
        entry that is not there or not for this member.
        """
        if len(mine) > LIMITS.receipts_per_call:
            raise TooLargeError(f"at most {LIMITS.receipts_per_call} receipts at a time")
        roster = self._roster().roster
        if roster is None or not roster.is_member(member):
            raise NotMemberError("not a current member")
        if mine:
            # A thousand signatures take longer than the event loop may be kept from everybody else.
            said = await asyncio.to_thread(lambda: [self._verified(member, item, roster) for item in mine])
            await self._store.database.write(
                lambda connection: self._keep(connection, list(zip(said, mine, strict=True)), roster)
            )
        return await self._store.database.read(lambda connection: _theirs(connection, member, after))

    def _verified(self, member: str, item: SignedReceipt, roster: Roster) -> Said:
        said = parse(item.receipt)
        key = roster.keys.get(item.key_id)
        known = key is not None and key.member == member and key.public.key_class == "machine"
        if said.member != member or key is None or not known or key.revoked_index is not None:
            raise PolicyError("a receipt is signed by a current machine key of the member that hands it in")
        verify(key.public, pae(PAYLOAD_TYPE, item.receipt), item.sig)
        return said

    def _keep(self, connection: Connection, items: list[tuple[Said, SignedReceipt]], roster: Roster) -> None:
        lock_head(connection)  # the numbers of an issuer's receipts must have no gap that fills up later
        entries = self._entries(connection, [said.index for said, _ in items])
        known = self._known(connection, [said.index for said, _ in items])
        now_ms = to_ms(self._clock.now())
        counters: dict[str, int] = {}
        rows = []
        for said, item in items:
            issuer = self._issuer(entries, said, roster)
            name = (said.index, said.member, said.state)
            if name in known:
                continue
            known.add(name)
            if issuer not in counters:
                last = sa.select(sa.func.max(RECEIPT.c.number)).where(RECEIPT.c.issuer == issuer)
                counters[issuer] = connection.execute(last).scalar() or 0
            counters[issuer] += 1
            rows.append(
                {
                    "issuer": issuer,
                    "number": counters[issuer],
                    "index": said.index,
                    "member": said.member,
                    "state": said.state,
                    "receipt": item.receipt,
                    "key_id": item.key_id,
                    "sig": item.sig,
                    "received_ms": now_ms,
                }
            )
        if rows:
            connection.execute(RECEIPT.insert(), rows)

    def _entries(self, connection: Connection, indices: list[int]) -> dict[int, tuple[bytes, str, int]]:
        query = sa.select(ENTRY.c.index, ENTRY.c.digest, ENTRY.c.issuer, ENTRY.c.visibility)
        rows = connection.execute(query.where(ENTRY.c.index.in_(indices))).all()
        found = {index: (bytes(digest), issuer, visibility) for index, digest, issuer, visibility in rows}
        self._audiences.load(connection, {visibility for _, _, visibility in found.values()})
        return found

    @staticmethod
    def _known(connection: Connection, indices: list[int]) -> set[tuple[int, str, str]]:
        query = sa.select(RECEIPT.c.index, RECEIPT.c.member, RECEIPT.c.state).where(RECEIPT.c.index.in_(indices))
        return {(index, member, state) for index, member, state in connection.execute(query)}

    def _issuer(self, entries: dict[int, tuple[bytes, str, int]], said: Said, roster: Roster) -> str:
        digest, issuer, visibility = entries.get(said.index, (b"", "", 0))
        if digest != said.digest or not self._audiences.visible(visibility, said.member, roster):
            raise NotFoundError("there is no such entry")
        return issuer


def _theirs(connection: Connection, issuer: str, after: int) -> tuple[list[SignedReceipt], int]:
    query = (
        sa.select(RECEIPT.c.number, RECEIPT.c.receipt, RECEIPT.c.key_id, RECEIPT.c.sig)
        .where(RECEIPT.c.issuer == issuer, RECEIPT.c.number > after)
        .order_by(RECEIPT.c.number)
        .limit(LIMITS.receipts_per_call)
    )
    rows = connection.execute(query).all()
    cursor = rows[-1].number if rows else after
    found = [SignedReceipt(receipt=bytes(row.receipt), key_id=row.key_id, sig=bytes(row.sig)) for row in rows]
    return found, cursor


def _text(data: dict[str, Json], name: str) -> str:
    value = data[name]
    if not isinstance(value, str):
        raise ReceiptError(f"{name} must be text")
    return value
