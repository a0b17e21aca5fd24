"""What must be decided under the lock: who belongs now, and how a statement stands to the objects already there.

An object stays in the realm its issuer first used it in, and a reference stays in the realm of its statement.
Ownership and history of objects, in log order, by (realm, issuer, STIX id):
1. no new version of an object that was revoked or retracted: revoked is terminal;
2. a new version is newer than the newest one (a member's identity may ride along unchanged);
3. a retraction needs an object to retract;
4. a reference is to an object that the issuer of the reference may read. A hidden one and none at all answer alike;
5. a reference to another's object is marked at least as strictly, for at most its audience; so is one that stands in
   an object, as far as the issuer of the reference may read what it names.

Of each object the newest version for each audience is enough for all of this, and of the newest
``AUDIENCES_REMEMBERED`` audiences only: what was superseded is dropped when it is next looked at, since nobody may
make the lock that all share expensive by publishing one object ten thousand times.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.audience import Audiences
from hub.store import Head, Lookup
from hub.tables import ENTRY, OBJECT
from hub.transparency import NO_ROSTER, Candidate, RosterAt, fold_roster, next_roster
from port2port.errors import ConflictError, NotFoundError, PolicyError, Port2PortError
from port2port.ids import FEDERATION_ISSUER
from port2port.roster import Roster
from port2port.sharing import (
    Audience,
    Name,
    Outlet,
    WiderError,
    audience_of,
    member_reader,
    no_wider_than,
    permits,
    require_no_wider,
    require_one_realm,
)
from port2port.statement import Statement
from port2port.verify import ROSTER_STEPS, STEPS, run

logger = logging.getLogger(__name__)
_AGAIN: Final = (*ROSTER_STEPS, STEPS[13])
_NEEDS_REFS: Final = frozenset({"sighting", "retract", "suspend", "reaffirm"})
_VERSIONS: Final = Lookup(
    sa.select(
        *(OBJECT.c.issuer, OBJECT.c.stix_id, OBJECT.c.index, OBJECT.c.modified, OBJECT.c.revoked, ENTRY.c.visibility)
    )
    .join(ENTRY, ENTRY.c.index == OBJECT.c.index)
    .order_by(OBJECT.c.index),
    OBJECT.c.stix_id,
)

_FORGET: Final = OBJECT.delete().where(
    OBJECT.c.issuer == sa.bindparam("of"), OBJECT.c.stix_id == sa.bindparam("id"), OBJECT.c.index == sa.bindparam("at")
)
AUDIENCES_REMEMBERED: Final = 32


class RevokedError(ConflictError):
    """The object was revoked or retracted, and stays so."""

    code = "REVOKED"


class OldVersionError(ConflictError):
    """Not newer than the version that is logged already."""

    code = "OLD_VERSION"


class NotJudgedError(PolicyError):
    """The hub failed over this envelope; its log says why."""

    code = "NOT_JUDGED"


class _Version(NamedTuple):
    """One logged version of an object, or its retraction (no ``modified``). ``source`` says who may read it."""

    modified: str | None
    revoked: bool
    source: Audience | Statement

    @property
    def realm(self) -> str:
        return self.source.realm

    @property
    def audience(self) -> Audience:
        return self.source if isinstance(self.source, Audience) else audience_of(self.source)


class _Stored(NamedTuple):
    """A row of the object index with the visibility class of its entry, as ``_VERSIONS`` selects them."""

    issuer: str
    stix_id: str
    place: int
    modified: str | None
    revoked: bool
    visibility: int


class IntakeJudge:
    """The judge of one process. Used inside appending transactions only, on the writer thread."""

    def __init__(self, audiences: Audiences) -> None:
        self._audiences = audiences
        self._at = NO_ROSTER
        self._stamp: tuple[int, bytes] | None = None
        self._objects: dict[Name, list[_Version]] = {}
        self._makers: dict[str, set[str]] = {}

    @property
    def at(self) -> RosterAt:
        """The roster after the last group judged; believe it only once that group has committed."""
        return self._at

    def begin(self, connection: Connection, head: Head, group: Sequence[Candidate]) -> None:
        """Read the roster anew if the head is not where we left it, and what is there of the group's objects."""
        if self._stamp != head.stamp:
            self._at = fold_roster(connection, self._at)
        self._stamp = None
        ids = {stix_id for item in group for stix_id in _touched(item.work.said)}
        ids |= frozenset().union(*(item.names for item in group))
        self._objects, self._makers = {}, {}
        if ids and head.next:
            self._load(connection, ids)

    def judge(self, candidate: Candidate, index: int, received_ms: int) -> None:
        """Raises RefusedError, ConflictError, NotFoundError or PolicyError; otherwise takes note of the entry."""
        try:
            self._judge(candidate, index, received_ms)
        except Port2PortError:
            raise
        except Exception as error:
            # Nothing here asks the database: what nobody foresaw is in the envelope, and refuses it and no other.
            logger.exception("judgement failed unexpectedly", extra={"digest": candidate.work.digest.hex()})
            raise NotJudgedError("the envelope could not be judged") from error

    def _judge(self, candidate: Candidate, index: int, received_ms: int) -> None:
        said = candidate.work.said
        low, high = candidate.good_ms
        if said.is_control or candidate.version != self._at.version or not low <= received_ms <= high:
            self._again(candidate, index, received_ms)
        if said.is_control:
            self._fold(candidate, index, received_ms)
            return
        roster = self._at.roster
        require_one_realm(said, lambda names: self._realms(said.issuer, names, roster))
        self._require_history(said)
        if roster is not None:
            self._require_refs(said, roster)
            require_no_wider(said, self._named(candidate), roster)
        self._note(candidate)

    def end(self, stamp: tuple[int, bytes]) -> None:
        """What is in memory belongs to the head with this stamp."""
        self._stamp = stamp

    def _load(self, connection: Connection, ids: Iterable[str]) -> None:
        rows = [_Stored(*row) for row in _VERSIONS(connection, list(ids))]
        kept, superseded = _newest_of_each_audience(rows)
        if superseded:
            connection.execute(_FORGET, superseded)
        self._audiences.load(connection, (row.visibility for row in kept))
        for row in kept:
            version = _Version(row.modified, bool(row.revoked), self._audiences.audience(row.visibility))
            self._add((row.issuer, row.stix_id), version)

    def _again(self, candidate: Candidate, index: int, received_ms: int) -> None:
        work = candidate.work
        work.context = replace(work.context, roster=self._at.roster, index=index, received_ms=received_ms)
        work.public.clear()
        work.voices.clear()
        run(_AGAIN, work)

    def _fold(self, candidate: Candidate, index: int, received_ms: int) -> None:
        work = candidate.work
        folded = next_roster(self._at.roster, work.said, digest=work.digest, index=index, received_ms=received_ms)
        self._at = RosterAt(roster=folded, version=self._at.version + 1, digest=work.digest)

    def _note(self, candidate: Candidate) -> None:
        said = candidate.work.said
        for ref in said.objects:
            if ref.modified is not None:
                version = _Version(ref.modified, ref.id in candidate.revokes, said)
                self._add((said.issuer, ref.id), version)
        if said.kind == "retract":
            for name in said.refs():
                self._add(name, _Version(None, True, said))

    def _add(self, name: Name, version: _Version) -> None:
        self._objects.setdefault(name, []).append(version)
        self._makers.setdefault(name[1], set()).add(name[0])

    def _realms(self, issuer: str, names: Sequence[Name], roster: Roster | None) -> dict[Name, str]:
        """The realms of those objects that the issuer of a statement may read: others do not exist for it."""
        found = {}
        for name in names:
            for version in self._objects.get(name, ()):
                own = name[0] == issuer
                if own or (roster is not None and _reads(issuer, version.audience, roster)):
                    found[name] = version.realm
                    break
        return found

    def _versions(self, said: Statement, name: Name) -> list[_Version]:
        return [item for item in self._objects.get(name, ()) if item.realm == said.realm]

    def _require_history(self, said: Statement) -> None:
        for ref in said.objects:
            versions = self._versions(said, (said.issuer, ref.id))
            if ref.modified is None or not versions:
                continue
            _require_not_revoked(versions, ref.id)
            newest = max(_moment(item.modified) for item in versions if item.modified is not None)
            same_card = ref.id.startswith("identity--") and _moment(ref.modified) == newest
            if _moment(ref.modified) <= newest and not same_card:
                raise OldVersionError("a version at least as new is logged already", id=ref.id)
        if said.kind == "retract":
            for issuer, stix_id in said.refs():
                _require_not_revoked(self._versions(said, (issuer, stix_id)), stix_id)

    def _require_refs(self, said: Statement, roster: Roster) -> None:
        refs = said.refs() if "refs" in said.body else ()
        if not refs and said.kind in _NEEDS_REFS:
            raise PolicyError(f"a {said.kind} names what it refers to")
        for issuer, stix_id in refs:
            parent = self._newest_readable(said, (issuer, stix_id), roster)
            if said.kind == "reaffirm" and issuer != said.issuer:
                raise PolicyError("only its own issuer reaffirms an object")
            if issuer != said.issuer:
                decision = no_wider_than(audience_of(said), parent, roster)
                if not decision:
                    raise WiderError(decision.reasons[0].sentence, id=stix_id)

    def _named(self, candidate: Candidate) -> list[tuple[str, list[Audience]]]:
        """Others' objects that its objects name, but for those that the statement names with their issuer."""
        said = candidate.work.said
        if not candidate.names:
            return []
        apart = {stix_id for _, stix_id in said.refs()}
        return [
            (stix_id, [item.audience for item in self._objects[issuer, stix_id] if item.modified is not None])
            for stix_id in candidate.names - apart
            for issuer in self._makers.get(stix_id, ())
            if issuer != said.issuer
        ]

    def _newest_readable(self, said: Statement, name: Name, roster: Roster) -> Audience:
        for version in reversed(self._versions(said, name)):
            if version.modified is not None and _reads(said.issuer, version.audience, roster):
                return version.audience
        raise NotFoundError("there is no such object")


def _newest_of_each_audience(rows: Sequence[_Stored]) -> tuple[list[_Stored], list[dict[str, object]]]:
    """Of ``rows`` in log order, those that still count, in that order, and the names of the others.

    A retraction (no ``modified``) always counts: nothing follows it.
    """
    newest: set[tuple[object, ...]] = set()
    audiences: Counter[tuple[str, str]] = Counter()
    kept, superseded = [], []
    for row in reversed(rows):
        name = (row.issuer, row.stix_id)
        known = (*name, row.visibility, row.modified is None)
        if known in newest or audiences[name] >= AUDIENCES_REMEMBERED:
            superseded.append({"of": row.issuer, "id": row.stix_id, "at": row.place})
            continue
        newest.add(known)
        audiences[name] += 1
        kept.append(row)
    return kept[::-1], superseded


def _reads(issuer: str, audience: Audience, roster: Roster) -> bool:
    if issuer == FEDERATION_ISSUER:
        return True
    return bool(permits(audience, member_reader(issuer), None, Outlet.FEED, roster))


def _touched(said: Statement) -> list[str]:
    ids = [ref.id for ref in said.objects if ref.modified is not None]
    return [*ids, *(stix_id for _, stix_id in said.refs())] if "refs" in said.body else ids


def _require_not_revoked(versions: Iterable[_Version], stix_id: str) -> None:
    if any(item.revoked for item in versions):
        raise RevokedError("the object was revoked, which is final: publish a new one", id=stix_id)


def _moment(text: str) -> datetime:
    """Versions are compared as times: they may be written with different precision."""
    return datetime.fromisoformat(text)
