"""What this port has said and wants to say: durable before anything is promised.

The story of one statement. An officer approves; in one transaction the next sequence of the machine key is taken,
the statement is signed with it and its envelope queued. The uplink hands it in, in order, as often as it takes; the
hub's answer makes it *accepted*. That is a promise only: it is *cleared* when this node sees its own leaf under a
checkpoint it verified itself. A final refusal makes it *refused*: it goes back to the officer with the reason.

A sequence must never be used twice: the same key and sequence with other content convicts this port of
equivocation. A database restored from a backup, or a cloned machine, would do just that. So a file beside the key
also records the sequences taken, and is on disk before the transaction commits: ``high`` was committed when
``taken`` was taken. A database behind ``high`` is not the one that signed last, and the node refuses to sign until
it has made a new key (rekey). A crash between file and commit leaves a gap, which is allowed.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RootTransaction, Row

from node import store, tables
from port2port import canonical, merkle
from port2port import envelope as dsse
from port2port import statement as stm
from port2port.clock import to_ms
from port2port.envelope import SaltedObject, Signature, Signer
from port2port.errors import ConfigurationError, InvariantError, MalformedError, NotFoundError, PolicyError
from port2port.keys import Ed25519Key, SigningKey
from port2port.limits import LIMITS
from port2port.statement import LogSeen, Statement
from port2port.wire import decode_envelope, encode_envelope, encode_signed

QUEUED: Final = "queued"
ACCEPTED: Final = "accepted"
CLEARED: Final = "cleared"
REFUSED: Final = "refused"
_OUTBOX: Final = tables.Outbox.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_SEQUENCE: Final = tables.Sequence.__table__  # type: ignore[attr-defined]  # as above
REKEY_JUMP: Final = 1_000_000
_FILE_BYTES: Final = 1_000
_TEXT_MAX: Final = 1_000


class SequenceBehindError(PolicyError):
    """The database is older than the last signature of this key: restored or cloned. Only a new key may sign."""

    code = "SEQUENCE_BEHIND"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """A row of the outbox. ``index`` and ``received_ms`` are the hub's; ``code`` and ``text`` why it refused."""

    id: int
    digest: bytes
    statement_id: str
    kind: str
    signer: str
    seq: int
    envelope: bytes
    state: str
    queued_ms: int
    not_before_ms: int
    index: int | None
    received_ms: int | None
    code: str
    text: str
    step: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rekey:
    """What a rekey says besides the keys; ``not_after`` is bounded by the roster's own rule."""

    member: str
    issued: datetime
    not_after: datetime
    log_seen: LogSeen


class SequenceFile:
    """The sequences a key has taken, beside the key file. Whoever can write it can stop the key from signing."""

    def __init__(self, path: Path, key_id: str) -> None:
        self._path = path
        self._key_id = key_id

    @classmethod
    def beside(cls, key_path: Path, key_id: str) -> SequenceFile:
        """The file that belongs to a key file."""
        return cls(key_path.with_name(f"{key_path.name}.seq"), key_id)

    def read(self) -> tuple[int, int] | None:
        """(high, taken), or None where no sequence was ever taken. Raises ConfigurationError."""
        try:
            raw = self._path.read_bytes()[:_FILE_BYTES]
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigurationError(f"cannot read {self._path.name}: {error.strerror}") from error
        try:
            value = canonical.loads_object(raw, limit=_FILE_BYTES)
        except MalformedError as error:
            raise ConfigurationError(f"{self._path.name} is damaged: make a new key") from error
        high, taken = value.get("high"), value.get("taken")
        if value.get("key_id") != self._key_id or not isinstance(high, int) or not isinstance(taken, int):
            raise ConfigurationError(f"{self._path.name} belongs to another key")
        return high, taken

    def write(self, high: int, taken: int) -> None:
        """On disk when this returns. Raises ConfigurationError."""
        raw = canonical.dumps({"high": high, "key_id": self._key_id, "taken": taken})
        draft = self._path.with_name(f".{self._path.name}.new")
        try:
            with draft.open("wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
            directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise ConfigurationError(f"cannot write {self._path.name}: {error.strerror}") from error


class Outbox:
    """The outbox of one machine key. Methods work inside the caller's transaction, on the one writer thread."""

    def __init__(self, machine: SigningKey, sequence_file: SequenceFile) -> None:
        self._machine = machine
        self._file = sequence_file
        self._transaction: RootTransaction | None = None  # the one that took a sequence last

    @property
    def key_id(self) -> str:
        """The machine key whose sequence is counted."""
        return self._machine.key_id

    def require_current(self, connection: Connection) -> int:
        """The highest sequence taken. Raises SequenceBehindError where database, file and log do not agree."""
        known = connection.scalar(sa.select(_SEQUENCE.c.seq).where(_SEQUENCE.c.key_id == self.key_id)) or 0
        noted = self._file.read()
        if (noted is None and known) or (noted is not None and known < noted[0]):
            raise SequenceBehindError(
                "this database and the file beside the machine key do not belong together: one was restored or "
                "copied. Nothing is signed with this key any more; make a new one: port2port-node rekey",
                database=known,
                file=None if noted is None else noted[0],
            )
        logged = store.last_sequence(connection, self.key_id)
        taken = max(known, 0 if noted is None else noted[1])
        if logged is not None and logged[0] > taken:
            raise SequenceBehindError(
                "the log holds a newer statement of the machine key than this node made: another node uses a copy. "
                "Revoke the key and make a new one: port2port-node rekey",
                database=known,
                log=logged[0],
            )
        return taken

    def take_sequence(self, connection: Connection) -> int:
        """The next sequence, taken for ever; gaps are allowed. Raises SequenceBehindError."""
        seq = self.require_current(connection) + 1
        row = _SEQUENCE.c.key_id == self.key_id
        known = connection.scalar(sa.select(_SEQUENCE.c.seq).where(row))
        self._file.write(self._committed(connection, known or 0), seq)
        if known is None:
            connection.execute(sa.insert(_SEQUENCE).values(key_id=self.key_id, seq=seq))
        else:
            connection.execute(sa.update(_SEQUENCE).where(row).values(seq=seq))
        return seq

    def _committed(self, connection: Connection, known: int) -> int:
        """The sequence before this transaction: what it has taken itself may yet be undone with it."""
        transaction, noted = connection.get_transaction(), self._file.read()
        if transaction is None or transaction is not self._transaction or noted is None:
            self._transaction = transaction
            return known
        return noted[0]

    def sign(
        self,
        connection: Connection,
        statement: Statement,
        *,
        officers: Sequence[Signer] = (),
        objects: Sequence[SaltedObject] = (),
        at_ms: int,
    ) -> Queued:
        """Take the next sequence, sign with the machine key and the officers', and queue: one transaction.

        ``statement.seq`` and ``signer`` are filled in here. Raises SequenceBehindError, StatementError or
        UnavailableError (a signing device).
        """
        raw = self.number(connection, statement)
        message = dsse.pae(dsse.PAYLOAD_TYPE, raw)
        made = [Signature(key_id=officer.key_id, sig=officer.sign(message)) for officer in officers]
        return self.enqueue(connection, raw, self.seal(raw, made, objects), at_ms=at_ms)

    def number(self, connection: Connection, statement: Statement) -> bytes:
        """The exact bytes to sign: ``statement`` under this key, with its next sequence, which is taken for ever.

        Raises SequenceBehindError or StatementError.
        """
        return stm.encode(replace(statement, signer=self.key_id, seq=self.take_sequence(connection)))

    def seal(self, raw: bytes, officers: Sequence[Signature], objects: Sequence[SaltedObject]) -> bytes:
        """The serialised envelope of numbered bytes: the officers' signatures, and this key's own."""
        signatures = (*dsse.sign(raw, (self._machine,)), *officers)
        ordered = tuple(sorted(signatures, key=lambda item: item.key_id))
        return encode_envelope(encode_signed(dsse.PAYLOAD_TYPE, raw, ordered), tuple(objects))

    def rekey(self, connection: Connection, fresh: Ed25519Key, rekeying: Rekey, *, at_ms: int) -> Queued:
        """Queue the statement by which ``fresh`` takes over: signed by the old and the new key.

        It is the one statement that a key may still sign when its sequence is in doubt (``SequenceBehindError``): it
        jumps far beyond every sequence that anybody can have used meanwhile.
        """
        noted, logged = self._file.read(), store.last_sequence(connection, self.key_id)
        known = connection.scalar(sa.select(_SEQUENCE.c.seq).where(_SEQUENCE.c.key_id == self.key_id)) or 0
        seq = max(known, 0 if noted is None else noted[1], 0 if logged is None else logged[0]) + REKEY_JUMP
        self._file.write(seq, seq)
        body: dict[str, canonical.Json] = {
            "key": fresh.record("machine").to_json(),
            "not_after_ms": to_ms(rekeying.not_after),
            "old": self.key_id,
        }
        statement = Statement(
            kind="rekey",
            issuer=rekeying.member,
            signer=self.key_id,
            seq=seq,
            id=f"urn:uuid:{uuid.uuid4()}",
            issued=rekeying.issued,
            log_seen=rekeying.log_seen,
            decided_by="rule:rekey@1",
            body=body,
        )
        raw = stm.encode(statement)
        signed = encode_signed(dsse.PAYLOAD_TYPE, raw, dsse.sign(raw, (self._machine, fresh)))
        return self.enqueue(connection, raw, encode_envelope(signed, ()), at_ms=at_ms)

    def enqueue(self, connection: Connection, statement: bytes, envelope: bytes, *, at_ms: int) -> Queued:
        """Queue a signed envelope whose sequence was taken with ``take_sequence``. Raises InvariantError."""
        said = stm.decode(statement)
        if len(envelope) > LIMITS.envelope_bytes:
            raise InvariantError("an envelope over the bound was about to be queued", size=len(envelope))
        digest = dsse.digest_of(statement)
        connection.execute(
            sa.insert(_OUTBOX).values(
                digest=digest,
                statement_id=said.id,
                kind=said.kind,
                signer=said.signer,
                seq=said.seq,
                envelope=envelope,
                state=QUEUED,
                queued_ms=at_ms,
            )
        )
        return by_digest(connection, digest)


def by_digest(connection: Connection, digest: bytes) -> Queued:
    """One row of the outbox. Raises NotFoundError."""
    row = connection.execute(sa.select(_OUTBOX).where(_OUTBOX.c.digest == digest)).one_or_none()
    if row is None:
        raise NotFoundError("nothing of this digest was ever in the outbox")
    return _queued(row)


def pending(
    connection: Connection,
    *,
    now_ms: int,
    limit: int,
    in_flight: frozenset[bytes] = frozenset(),
    max_bytes: int = LIMITS.batch_bytes,
) -> list[Queued]:
    """What to hand in next, in order, at most ``limit`` rows and ``max_bytes``.

    A row that has to wait makes all later ones of its signer wait too, so that order per key is kept. Rows in
    flight are skipped: their answers are still to come, and the hub keeps their order.
    """
    query = sa.select(_OUTBOX).where(_OUTBOX.c.state == QUEUED).order_by(_OUTBOX.c.id)
    waiting: set[str] = set()
    found: list[Queued] = []
    size = 0
    for row in connection.execute(query.limit(limit + len(in_flight) + _LOOK_PAST)):
        if row.not_before_ms > now_ms or row.signer in waiting:
            waiting.add(row.signer)
        elif row.digest not in in_flight:
            size += len(row.envelope)
            if len(found) == limit or (found and size > max_bytes):
                break
            found.append(_queued(row))
    return found


_LOOK_PAST: Final = 500  # rows of a waiting signer that another signer's may overtake


def accepted(connection: Connection, digest: bytes, *, index: int, received_ms: int) -> None:
    """The hub's promise: logged, or logged before. The row stays until our own leaf is seen."""
    connection.execute(
        sa.update(_OUTBOX)
        .where(_OUTBOX.c.digest == digest, _OUTBOX.c.state == QUEUED)
        .values(state=ACCEPTED, index=index, received_ms=received_ms)
    )


def cleared(connection: Connection, digest: bytes, *, index: int, received_ms: int) -> bool:
    """Our own leaf stands under a checkpoint that this node verified: nothing is left to do for this row.

    True where the row was not cleared before; also clears a row that the hub claimed to refuse.
    """
    done = connection.execute(
        sa.update(_OUTBOX)
        .where(_OUTBOX.c.digest == digest, _OUTBOX.c.state != CLEARED)
        .values(state=CLEARED, index=index, received_ms=received_ms, code="", text="")
    )
    return done.rowcount > 0


def refused(connection: Connection, digest: bytes, *, code: str, text: str, step: int = 0) -> bool:
    """The hub's final no: back to the officer with the reason. True where this is news."""
    values = {"state": REFUSED, "code": code[:40], "text": text[:_TEXT_MAX], "step": step}
    done = connection.execute(
        sa.update(_OUTBOX).where(_OUTBOX.c.digest == digest, _OUTBOX.c.state == QUEUED).values(**values)
    )
    return done.rowcount > 0


def retry_after(connection: Connection, digest: bytes, *, not_before_ms: int, code: str, text: str) -> None:
    """The hub's "not now"."""
    connection.execute(
        sa.update(_OUTBOX)
        .where(_OUTBOX.c.digest == digest, _OUTBOX.c.state == QUEUED)
        .values(not_before_ms=not_before_ms, code=code[:40], text=text[:_TEXT_MAX], attempts=_OUTBOX.c.attempts + 1)
    )


def settle(connection: Connection, size: int) -> list[bytes]:
    """Compare what the hub promised with the verified leaves below ``size``; digests of broken promises.

    A row whose own leaf stands at the promised index is cleared, also where the entry itself was filtered away. One
    with another leaf there was lost by the hub after its promise: it is queued again.
    """
    promised = sa.select(_OUTBOX).where(_OUTBOX.c.state == ACCEPTED, _OUTBOX.c.index < size)
    broken = []
    for row in [_queued(row) for row in connection.execute(promised)]:
        index, received_ms = row.index or 0, row.received_ms or 0
        sealed = decode_envelope(row.envelope)
        data = dsse.leaf_data(kind=row.kind, received_ms=received_ms, digest=row.digest, signatures=sealed.signatures)
        if store.leaf_hashes(connection, index, index + 1) == [merkle.leaf_hash(data)]:
            cleared(connection, row.digest, index=index, received_ms=received_ms)
        else:
            again = sa.update(_OUTBOX).where(_OUTBOX.c.digest == row.digest)
            connection.execute(again.values(state=QUEUED, index=None, received_ms=None))
            broken.append(row.digest)
    return broken


def reopen_accepted(connection: Connection, *, from_index: int = 0) -> int:
    """Hand in again what was accepted from an index on but never seen: after a hub lost the end of its log."""
    again = connection.execute(
        sa.update(_OUTBOX)
        .where(_OUTBOX.c.state == ACCEPTED, _OUTBOX.c.index >= from_index)
        .values(state=QUEUED, index=None, received_ms=None)
    )
    return again.rowcount


def returned(connection: Connection, *, limit: int = 100) -> list[Queued]:
    """What the hub refused, newest first: for the officer."""
    query = sa.select(_OUTBOX).where(_OUTBOX.c.state == REFUSED).order_by(_OUTBOX.c.id.desc()).limit(limit)
    return [_queued(row) for row in connection.execute(query)]


def counts(connection: Connection) -> dict[str, int]:
    """How many rows are in each state."""
    query = sa.select(_OUTBOX.c.state, sa.func.count()).group_by(_OUTBOX.c.state)
    return {state: number for state, number in connection.execute(query)}  # noqa: C416  # rows are not tuples to mypy


def oldest_waiting_ms(connection: Connection) -> int | None:
    """Since when the oldest row not yet accepted waits."""
    return connection.scalar(sa.select(sa.func.min(_OUTBOX.c.queued_ms)).where(_OUTBOX.c.state == QUEUED))


def made_here(connection: Connection, digests: Sequence[bytes]) -> frozenset[bytes]:
    """Which of these statements this node made itself."""
    if not digests:
        return frozenset()
    return frozenset(connection.scalars(sa.select(_OUTBOX.c.digest).where(_OUTBOX.c.digest.in_(list(digests)))))


def _queued(row: Row[Any]) -> Queued:
    values = dict(row._mapping)  # noqa: SLF001  # the documented name-to-value view; a row's own ``index`` is a method
    return Queued(**values)
