"""A feed batch as it came over the wire, without any protobuf: nothing in it is believed yet."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchEntry:
    """One entry of a batch; ``raw`` is a serialised Envelope, ``received_ms`` part of its leaf."""

    index: int
    received_ms: int
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Leaf hashes from ``first_index`` on, the entries among them that we may read, and checkpoints as notes.

    ``checkpoint`` is of the size after the last leaf; ``cosigned`` of any size, empty where there is none.
    """

    first_index: int
    leaf_hashes: tuple[bytes, ...]
    entries: tuple[BatchEntry, ...]
    checkpoint: bytes
    cosigned: bytes = b""

    @property
    def end(self) -> int:
        """The tree size after this batch."""
        return self.first_index + len(self.leaf_hashes)
