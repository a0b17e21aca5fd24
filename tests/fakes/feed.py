"""A hub without a socket: it logs envelopes in memory and gives feed batches, honestly or not.

Switches: ``withhold`` ((member, digest) pairs that this reader does not get), ``tamper`` (a function over the batch). ``fork`` gives a
second history that begins alike and is signed with the same log key: what a lying hub shows to the other half.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from node.inbox import Batch, BatchEntry
from port2port import checkpoint as cp
from port2port import envelope as dsse
from port2port import merkle
from port2port.checkpoint import Checkpoint, NoteSignature, SignedCheckpoint
from port2port.clock import to_ms
from port2port.merkle import Frontier
from port2port.statement import LogSeen
from port2port.wire import decode_envelope
from tests.fakes.federation import Federation, statement_of


@dataclass(slots=True)
class FakeFeed:
    """The log of one federation as a hub would serve it."""

    fed: Federation
    leaves: list[bytes] = field(default_factory=list)
    entries: list[BatchEntry] = field(default_factory=list)
    cosignatures: dict[int, list[NoteSignature]] = field(default_factory=dict)
    withhold: set[tuple[str, bytes]] = field(default_factory=set)
    tamper: Callable[[Batch], Batch] = field(default=lambda batch: batch)
    relay: bytes | None = None

    def log(self, *raws: bytes) -> int:
        """Append envelopes at the time of the federation's clock; the index of the last one."""
        for raw in raws:
            received_ms = to_ms(self.fed.clock.now())
            sealed = decode_envelope(raw)
            data = dsse.leaf_data(
                kind=statement_of(raw).kind,
                received_ms=received_ms,
                digest=dsse.digest_of(sealed.statement),
                signatures=sealed.signatures,
            )
            self.entries.append(BatchEntry(index=len(self.leaves), received_ms=received_ms, raw=raw))
            self.leaves.append(merkle.leaf_hash(data))
        self.fed.seen = LogSeen(size=len(self.leaves), root=self.root_at(len(self.leaves)))
        return len(self.leaves) - 1

    def root_at(self, size: int) -> bytes:
        return Frontier().extend(self.leaves[:size]).root()

    def checkpoint(self, size: int | None = None) -> SignedCheckpoint:
        """Log-signed, without cosignatures."""
        size = len(self.leaves) if size is None else size
        return cp.sign(Checkpoint(origin=self.fed.origin, size=size, root=self.root_at(size)), self.fed.log_key)

    def cosign(self, *witnesses: str, size: int | None = None) -> bytes:
        """Members co-sign a checkpoint; the note with all lines so far."""
        signed = self.checkpoint(size)
        at = signed.checkpoint.size
        for name in witnesses:
            key = self.fed.ports[name].witness
            line = cp.cosign(signed.checkpoint, witness=name, key=key, time=to_ms(self.fed.clock.now()) // 1000)
            self.cosignatures.setdefault(at, []).append(line)
        return self.cosigned(at)

    def cosigned(self, size: int | None = None) -> bytes:
        """The checkpoint of a size (of the newest co-signed one) with its cosignatures."""
        if size is None:
            size = max(self.cosignatures, default=0)
        return self.checkpoint(size).with_signatures(self.cosignatures.get(size, [])).note if size else b""

    def batch(self, cursor: int, end: int | None = None, *, kinds: Sequence[str] = (), reader: str = "") -> Batch:
        """What a follower at ``cursor`` gets; ``kinds`` is its filter (control entries always come)."""
        end = len(self.leaves) if end is None else end
        chosen = [entry for entry in self.entries[cursor:end] if self._shown(entry, kinds, reader)]
        made = Batch(
            first_index=cursor,
            leaf_hashes=tuple(self.leaves[cursor:end]),
            entries=tuple(chosen),
            checkpoint=self.checkpoint(end).note,
            cosigned=self.cosigned() if self.relay is None else self.relay,
        )
        return self.tamper(made)

    def fork(self) -> FakeFeed:
        """Another history from here on."""
        twin = replace(self, leaves=list(self.leaves), entries=list(self.entries))
        twin.cosignatures = copy.deepcopy(self.cosignatures)
        twin.withhold = set(self.withhold)
        return twin

    def _shown(self, entry: BatchEntry, kinds: Sequence[str], reader: str) -> bool:
        said = statement_of(entry.raw)
        if (reader, digest_in(entry.raw)) in self.withhold:
            return False
        return said.is_control or not kinds or said.kind in kinds


@lru_cache(maxsize=4_096)
def digest_in(raw: bytes) -> bytes:
    """The digest of a serialised Envelope's statement."""
    return dsse.digest_of(decode_envelope(raw).statement)
