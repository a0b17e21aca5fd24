"""The members as the coordinators' pages show them, and decisions prepared for the coordinators' own machines.

Coordinators' keys are not here: a page prepares an unsigned proposal (``propose_*``), the coordinators sign it at home
with ``port2port coordinator``, and what comes back is taken in by ``hub.intake.admit``, as from the command line.
What a revocation would do is counted before it is proposed, over the entries that its reader may read.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.contacts import Contact, read_contacts
from hub.enrolment import join_requests, key_requests, pending, pending_keys
from hub.picture import Reading
from hub.picture.reading import rows
from hub.store import read_head
from hub.tables import AUDIT, BODY, CONTROL, ENTRY, PICTURE_ITEM, TLS_CERTIFICATE
from port2port import coordination
from port2port.canonical import Json
from port2port.clock import from_ms
from port2port.coordination import Proposal
from port2port.errors import NotFoundError, PolicyError
from port2port.join_request import JoinRequest
from port2port.key_request import KeyRequest
from port2port.roster import Roster, RosterKey

DAY_MS: Final = 86_400_000
SILENT_AFTER_MS: Final = 60_000
AUDIT_ROWS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A signing key; ``state`` is active, expired or revoked. ``days_left`` may be negative."""

    key_id: str
    key_class: str
    pseudonym: str | None
    added_index: int
    until: datetime
    days_left: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A TLS certificate in force. ``hours_left`` because it lives a day."""

    serial: str
    node: int
    until: datetime
    hours_left: int
    denied: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node as last seen; ``backlog`` is how many leaves of the log it has not been given."""

    node: int
    version: str
    contact: datetime
    silent: bool
    cursor: int
    backlog: int
    outdated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRow:
    """One member with everything of it that lists and tabs show."""

    member: str
    name: str
    kind: str
    organisation: str
    status: str
    locodes: tuple[str, ...]
    witness: bool
    nodes: tuple[Node, ...]
    keys: tuple[Key, ...]
    certificates: tuple[Certificate, ...]
    groups: tuple[tuple[str, int], ...]

    @property
    def contact(self) -> datetime | None:
        """When one of its nodes was last seen."""
        return max((node.contact for node in self.nodes), default=None)

    @property
    def key_days_left(self) -> int | None:
        """Days until the first active key ends."""
        return min((key.days_left for key in self.keys if key.state == "active"), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A request that coordinators have not approved. ``fingerprint`` is read back by telephone before they do."""

    request: JoinRequest | KeyRequest
    asked_at: datetime

    @property
    def fingerprint(self) -> str:
        """Groups of hexadecimal digits."""
        return self.request.fingerprint

    def file(self) -> bytes:
        """What the coordinator's ``port2port coordinator approve`` takes."""
        return self.request.encode(self.asked_at) + b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequences:
    """What revoking a key, or removing a member, would do. Entries are those that the reader may read.

    ``stay`` stay valid; ``disputed`` were logged since the time from which the key is declared invalid.
    """

    stay: int
    disputed: int
    open_streams: int
    keys_left: int
    is_last_key: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One row of the trail."""

    at: datetime
    event: str
    member: str | None
    facts: Mapping[str, Json]


def members(connection: Connection, reading: Reading) -> tuple[MemberRow, ...]:
    """Every member that ever was in the roster: those in force first, then by name."""
    contacts: dict[str, list[Contact]] = defaultdict(list)
    for contact in read_contacts(connection):
        contacts[contact.member].append(contact)
    certificates = _certificates(connection, reading)
    size = read_head(connection).next
    found = []
    for entry in reading.roster.member_table.values():
        nodes = tuple(_node(contact, reading, size) for contact in contacts[entry.id] if contact.at_ms)
        row = MemberRow(
            member=entry.id,
            name=entry.name,
            kind=entry.kind,
            organisation=entry.organisation,
            status=entry.status,
            locodes=entry.locodes,
            witness=entry.witness,
            nodes=nodes,
            keys=_keys(reading, entry.id),
            certificates=tuple(certificates[entry.id]),
            groups=_groups(reading.roster, entry.id),
        )
        found.append(row)
    return tuple(sorted(found, key=lambda row: (row.status != "active", row.name, row.member)))


def one_member(connection: Connection, reading: Reading, member: str) -> MemberRow:
    """One of them. Raises NotFoundError."""
    for row in members(connection, reading):
        if row.member == member:
            return row
    raise NotFoundError("there is no such member")


def by_version(rows_: Sequence[MemberRow]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(version, members whose nodes run it), newest first as text; an unknown version is empty."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows_:
        for node in row.nodes:
            found[node.version].add(row.member)
    return tuple((version, tuple(sorted(found[version]))) for version in sorted(found, reverse=True))


def sharing_groups(roster: Roster) -> tuple[tuple[str, int, tuple[str, ...]], ...]:
    """The newest version of each sharing group with its members."""
    names = sorted({name for name, _ in roster.groups})
    versions = [(name, roster.latest_group(name) or 0) for name in names]
    return tuple((name, version, tuple(sorted(roster.groups[name, version]))) for name, version in versions)


def waiting(connection: Connection, reading: Reading) -> tuple[Waiting, ...]:
    """What nodes and members offered and coordinators have not approved, oldest first."""
    joining = pending(join_requests(connection), reading.roster)
    further = pending_keys(key_requests(connection), reading.roster)
    offered: list[tuple[JoinRequest | KeyRequest, int]] = [*joining, *further]
    made = [Waiting(request=request, asked_at=from_ms(ms)) for request, ms in offered]
    return tuple(sorted(made, key=lambda item: item.asked_at))


def consequences(
    connection: Connection,
    reading: Reading,
    *,
    key_id: str | None = None,
    member: str | None = None,
    invalid_since_ms: int | None = None,
    open_streams: int = 0,
) -> Consequences:
    """What revoking one key, or removing a member, would do; ``open_streams`` is what this process counts of it.

    Raises NotFoundError for a key or member that the roster does not have.
    """
    key = None if key_id is None else reading.roster.keys.get(key_id)
    owner = (member or "") if key is None else key.member
    if owner not in reading.roster.member_table or (key_id is not None and key is None):
        raise NotFoundError("the roster has no such key or member")
    said_by = _said_by(owner, key)
    count = sa.select(sa.func.count()).select_from(PICTURE_ITEM)
    count = count.join(ENTRY, ENTRY.c.index == PICTURE_ITEM.c.index)
    count = count.where(said_by, reading.sees(PICTURE_ITEM.c.visibility))
    total = connection.execute(count).scalar_one()
    disputed = 0
    if invalid_since_ms is not None:
        disputed = connection.execute(count.where(ENTRY.c.received_ms >= invalid_since_ms)).scalar_one()
    left = [one for one in reading.roster.keys_of(owner) if one is not key]
    same = [one for one in left if key is not None and one.public.key_class == key.public.key_class]
    return Consequences(
        stay=total - disputed,
        disputed=disputed,
        open_streams=open_streams,
        keys_left=len(left) if key is not None else 0,
        is_last_key=not same,
    )


def propose_revocation(
    connection: Connection,
    reading: Reading,
    genesis_hash: str,
    *,
    key_id: str,
    reason: str,
    invalid_since_ms: int | None,
) -> Proposal:
    """A proposal to revoke a key, for the coordinators to sign. Raises RosterError or RosterConflictError."""
    op: dict[str, Json] = {
        "invalid_since_ms": invalid_since_ms,
        "key_id": key_id,
        "op": "revoke-key",
        "reason": reason,
    }
    return propose(connection, reading, genesis_hash, "revoke-key", [op])


def propose_status(
    connection: Connection, reading: Reading, genesis_hash: str, *, operation: str, member: str, reason: str
) -> Proposal:
    """``operation``: remove-member, suspend-member or reinstate-member. Raises as ``propose_revocation``."""
    op: dict[str, Json] = {"member": member, "op": operation, "reason": reason}
    return propose(connection, reading, genesis_hash, "roster", [op])


def propose_group(
    connection: Connection, reading: Reading, genesis_hash: str, *, group: str, members_: Sequence[str]
) -> Proposal:
    """The next version of a sharing group. Raises as ``propose_revocation``."""
    version = (reading.roster.latest_group(group) or 0) + 1
    listed: list[Json] = [*sorted(set(members_))]
    op: dict[str, Json] = {"group": group, "members": listed, "op": "set-group", "version": version}
    return propose(connection, reading, genesis_hash, "group", [op])


def propose_level_authority(
    connection: Connection, reading: Reading, genesis_hash: str, *, locode: str, member: str
) -> Proposal:
    """Which member sets the security level of a LOCODE. Raises as ``propose_revocation``."""
    op: dict[str, Json] = {"locode": locode, "member": member, "op": "set-level-authority"}
    return propose(connection, reading, genesis_hash, "roster", [op])


def propose(
    connection: Connection, reading: Reading, genesis_hash: str, kind: str, ops: Sequence[Mapping[str, Json]]
) -> Proposal:
    """The next statement of the coordinators' chain, unsigned; the first coordinator's key counts it.

    Raises RosterError or RosterConflictError where it would not apply, PolicyError without a coordinator.
    """
    head = read_head(connection)
    control = coordination.read_control_log(
        coordination.encode_control_log(_control(connection), head.note.decode()), genesis_hash
    )
    key = next(iter(sorted(control.roster.coordinators.values(), key=lambda one: one.key_id)), None)
    if key is None:
        raise PolicyError("the roster has no coordinator")
    return coordination.propose(
        control,
        kind,
        ops,
        key=key,
        seq=control.last_seq.get(key.key_id, 0) + 1,
        issued=reading.now,
        new_id=uuid.uuid4(),
    )


def audit_trail(
    connection: Connection, *, member: str = "", event: str = "", before: int | None = None, limit: int = AUDIT_ROWS
) -> tuple[AuditRow, ...]:
    """The hub's own trail, newest first: for auditors and admins, whose pages ask for that role."""
    query = sa.select(AUDIT).order_by(AUDIT.c.id.desc()).limit(min(limit, AUDIT_ROWS))
    if member:
        query = query.where(AUDIT.c.member == member)
    if event:
        query = query.where(AUDIT.c.event == event)
    if before is not None:
        query = query.where(AUDIT.c.id < before)
    return tuple(
        AuditRow(at=from_ms(row.at_ms), event=row.event, member=row.member, facts=orjson.loads(row.facts))
        for row in rows(connection, query)
    )


def _said_by(owner: str, key: RosterKey | None) -> sa.ColumnElement[bool]:
    """An officer's key signs beside a machine's: what he decided is his."""
    if key is not None and key.pseudonym is not None:
        decided = PICTURE_ITEM.c.decided_by == f"officer:{key.pseudonym}"
        return sa.and_(PICTURE_ITEM.c.issuer == key.member, decided)
    return PICTURE_ITEM.c.issuer == owner if key is None else ENTRY.c.signer == key.public.key_id


def _keys(reading: Reading, member: str) -> tuple[Key, ...]:
    owned = [key for key in reading.roster.keys.values() if key.member == member]
    return tuple(
        Key(
            key_id=key.public.key_id,
            key_class=key.public.key_class,
            pseudonym=key.pseudonym,
            added_index=key.added_index,
            until=from_ms(key.not_after_ms),
            days_left=(key.not_after_ms - reading.now_ms) // DAY_MS,
            state=_state(key, reading.now_ms),
        )
        for key in sorted(owned, key=lambda key: (key.revoked_index is not None, -key.added_index, key.public.key_id))
    )


def _state(key: RosterKey, now_ms: int) -> str:
    if key.revoked_index is not None:
        return "revoked"
    return "expired" if key.not_after_ms < now_ms else "active"


def _certificates(connection: Connection, reading: Reading) -> dict[str, list[Certificate]]:
    query = sa.select(TLS_CERTIFICATE).where(TLS_CERTIFICATE.c.not_after_ms > reading.now_ms)
    found: dict[str, list[Certificate]] = defaultdict(list)
    for row in rows(connection, query.order_by(TLS_CERTIFICATE.c.not_after_ms.desc(), TLS_CERTIFICATE.c.serial)):
        made = Certificate(
            serial=row.serial,
            node=row.node,
            until=from_ms(row.not_after_ms),
            hours_left=(row.not_after_ms - reading.now_ms) // 3_600_000,
            denied=row.denied_ms is not None,
        )
        found[row.member].append(made)
    return found


def _node(contact: Contact, reading: Reading, size: int) -> Node:
    return Node(
        node=contact.node,
        version=contact.version,
        contact=from_ms(contact.at_ms),
        silent=reading.now_ms - contact.at_ms > SILENT_AFTER_MS,
        cursor=contact.cursor,
        backlog=max(0, size - contact.cursor),
        outdated=bool(contact.version) and not reading.roster.admits(contact.version),
    )


def _groups(roster: Roster, member: str) -> tuple[tuple[str, int], ...]:
    return tuple((name, version) for name, version, names in sharing_groups(roster) if member in names)


def _control(connection: Connection) -> list[tuple[int, int, bytes]]:
    query = (
        sa.select(ENTRY.c.index, ENTRY.c.received_ms, BODY.c.envelope)
        .join(CONTROL, CONTROL.c.index == ENTRY.c.index)
        .join(BODY, BODY.c.index == ENTRY.c.index)
        .order_by(CONTROL.c.version)
    )
    return [(index, ms, bytes(raw)) for index, ms, raw in rows(connection, query)]
