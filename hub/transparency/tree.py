"""Reading the log as an RFC 6962 tree: roots, checkpoints, proofs."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store import Head, Lookup, Store, read_head
from hub.tables import ENTRY, LEAF
from port2port import merkle
from port2port.checkpoint import Checkpoint, SignedCheckpoint, sign
from port2port.errors import NotFoundError
from port2port.keys import SigningKey
from port2port.merkle import SubtreeCache

T = TypeVar("T")
LEAVES_PER_CALL: Final = 10_000
_REMEMBERED: Final = 4_096  # roots and notes kept in memory


class Tree:
    """The committed log of one database, with the key that signs its checkpoints. Safe to use from any thread."""

    def __init__(self, store: Store, *, origin: str, key: SigningKey) -> None:
        self._store = store
        self._origin = origin
        self._key = key
        self._cache = SubtreeCache()
        self._roots: OrderedDict[int, bytes] = OrderedDict()
        self._notes: OrderedDict[int, SignedCheckpoint] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def origin(self) -> str:
        """The log's name in its checkpoints."""
        return self._origin

    def head(self) -> Head:
        """The committed head."""
        return self._store.database.read_now(read_head)

    @staticmethod
    def head_in(connection: Connection) -> Head:
        """The head as a transaction sees it."""
        return read_head(connection)

    def find(self, digest: bytes) -> tuple[int, int] | None:
        """(index, received_ms) of the entry with this digest, if it is logged."""
        return self._store.database.read_now(lambda connection: logged(connection, [digest]).get(digest))

    def root_at(self, size: int) -> bytes | None:
        """The root of the first ``size`` leaves; None where the log is shorter. Blocks on the database at times."""
        if size == 0:
            return merkle.EMPTY_ROOT
        known = self._roots.get(size)
        if known is None:
            known = self._store.database.read_now(lambda connection: stored_root(connection, size))
            if known is not None:
                with self._lock:
                    _remember(self._roots, size, known)
        return known

    def checkpoint(self, size: int | None = None) -> SignedCheckpoint:
        """The log's checkpoint of a size, by default its newest, signed by the log alone. Raises NotFoundError."""
        wanted = self.head().next if size is None else size
        root = self.root_at(wanted)
        if root is None:
            raise NotFoundError("the log is not that long", size=wanted)
        return self.sign_at(wanted, root)

    def sign_at(self, size: int, root: bytes) -> SignedCheckpoint:
        """The signed checkpoint of a committed size, whose root the caller read from the database."""
        known = self._notes.get(size)
        if known is not None and known.checkpoint.root == root:
            return known
        signed = sign(Checkpoint(origin=self._origin, size=size, root=root), self._key)
        self.remember(signed)
        return signed

    def remember(self, signed: SignedCheckpoint) -> None:
        """Keep a checkpoint of a committed size, to sign it once only."""
        with self._lock:
            _remember(self._notes, signed.checkpoint.size, signed)

    def leaves(self, start: int, count: int) -> list[bytes]:
        """Up to ``count`` leaf hashes, at most ``LEAVES_PER_CALL``, from ``start`` on."""
        end = start + min(count, LEAVES_PER_CALL)
        return self._store.database.read_now(lambda connection: leaf_hashes(connection, start, end))

    def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        """RFC 6962 audit path. Raises ProofError where there is no such leaf, NotFoundError beyond the log."""
        self._require(size)
        return self._store.database.read_now(
            lambda connection: merkle.inclusion_proof(_source(connection), index=index, size=size, cache=self._cache)
        )

    def consistency(self, first: int, second: int) -> tuple[bytes, ...]:
        """RFC 6962 consistency proof. Raises as ``inclusion``."""
        self._require(second)
        return self._store.database.read_now(
            lambda connection: merkle.consistency_proof(
                _source(connection), first=first, second=second, cache=self._cache
            )
        )

    def _require(self, size: int) -> None:
        if self.root_at(size) is None:
            raise NotFoundError("the log is not that long", size=size)


def stored_root(connection: Connection, size: int) -> bytes | None:
    """The root of the first ``size`` leaves as stored."""
    found = connection.execute(sa.select(LEAF.c.root).where(LEAF.c.index == size - 1)).scalar()
    return None if found is None else bytes(found)


def leaf_hashes(connection: Connection, start: int, end: int) -> list[bytes]:
    """The leaf hashes start, start + 1, ... end - 1, as far as there are any."""
    query = sa.select(LEAF.c.leaf_hash).where(LEAF.c.index >= start, LEAF.c.index < end).order_by(LEAF.c.index)
    return [bytes(found) for found in connection.execute(query).scalars()]


_LOGGED: Final = Lookup(sa.select(ENTRY.c.digest, ENTRY.c.index, ENTRY.c.received_ms), ENTRY.c.digest)


def logged(connection: Connection, digests: list[bytes]) -> dict[bytes, tuple[int, int]]:
    """(index, received_ms) of those of the digests that are logged."""
    return {bytes(digest): (index, received_ms) for digest, index, received_ms in _LOGGED(connection, digests)}


def _source(connection: Connection) -> merkle.LeafSource:
    return lambda start, end: leaf_hashes(connection, start, end)


def _remember(cache: OrderedDict[int, T], key: int, value: T) -> None:
    cache[key] = value
    if len(cache) > _REMEMBERED:
        cache.popitem(last=False)
