"""What may enter the log, who decides, and what can become of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.engine import Connection

from hub.store import Head
from hub.transparency.rosters import RosterAt
from port2port import envelope as dsse
from port2port import merkle
from port2port.errors import Port2PortError
from port2port.statement import Statement
from port2port.verify import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A statement on its way into the log. ``revokes`` are the ids of its objects that say revoked, ``names`` those of
    the objects that its own objects name.

    It was verified under the roster of ``version`` control entries, and that judgement holds where it is logged at a
    time within ``good_ms``. The work's context asks the log itself for the last sequence (``Log.last_seq``).
    """

    work: Work
    revokes: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    version: int = 0
    good_ms: tuple[int, int] = (0, 0)

    def leaf_hash(self, received_ms: int) -> bytes:
        """The leaf it becomes when logged at that time."""
        work = self.work
        data = dsse.leaf_data(
            kind=work.said.kind, received_ms=received_ms, digest=work.digest, signatures=work.sealed.signatures
        )
        return merkle.leaf_hash(data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """Newly logged."""

    index: int
    received_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """Logged before; index and time are those of the first copy."""

    index: int
    received_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Not logged."""

    error: Port2PortError


Outcome = Appended | Duplicate | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One place of the log as the feed needs it. ``envelope`` is None where it must still be read."""

    index: int
    leaf_hash: bytes
    root: bytes
    kind: str
    issuer: str
    visibility: int
    received_ms: int
    size: int
    envelope: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """The end of the log: what follows on what was known, the head behind it and the roster there."""

    head: Head
    leaves: Sequence[Leaf]
    at: RosterAt


class Judge(Protocol):
    """Who decides about each entry, inside the transaction that would log it."""

    def begin(self, connection: Connection, head: Head, group: Sequence[Candidate]) -> None:
        """Look up whatever the group needs; what was known for another head than ``head`` may be wrong."""
        ...

    def judge(self, candidate: Candidate, index: int, received_ms: int) -> None:
        """Raises to refuse. What passes is logged at that place, and changes what is judged after it."""
        ...

    def end(self, stamp: tuple[int, bytes]) -> None:
        """The group is decided; if it commits, the head has this stamp."""
        ...


def object_rows(said: Statement, index: int, revokes: frozenset[str]) -> list[dict[str, object]]:
    """What an entry says of objects that have versions: the new ones, and those it retracts."""
    made = [
        {
            "stix_id": ref.id,
            "issuer": said.issuer,
            "index": index,
            "modified": ref.modified,
            "revoked": ref.id in revokes,
        }
        for ref in said.objects
        if ref.modified is not None
    ]
    if said.kind == "retract":
        there = {ref.id for ref in said.objects}
        made += [
            {"stix_id": stix_id, "issuer": issuer, "index": index, "modified": None, "revoked": True}
            for issuer, stix_id in dict.fromkeys(said.refs())
            if stix_id not in there
        ]
    return made
