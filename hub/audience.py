"""Which member may read which entry, asked once for each class of entries instead of once for each entry.

Entries of one visibility class get the same decision for every reader under every roster
(``sharing.visibility_key``), so a class is stored once and decided once for each member and roster. The decision
itself is ``sharing.permits`` for the feed and nothing else.
Whoever can write the ``visibility`` table can hand entries to members that may not read them, as whoever runs the
hub can anyway until delivery is sealed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.tables import VISIBILITY
from port2port import canonical
from port2port.roster import Roster
from port2port.sharing import Audience, Outlet, Reader, audience_of, member_reader, permits
from port2port.statement import Statement
from port2port.tlp import parse as tlp_of

_OBSERVE: Final = "observe_only"
_REMEMBERED: Final = 10_000


def class_key(audience: Audience) -> str:
    """The text that names a visibility class; ``audience_from`` reads it back."""
    if audience.control:
        return canonical.dumps({"control": True, "issuer": audience.issuer}).decode()
    return canonical.dumps(
        {
            "groups": [list(group) for group in sorted(set(audience.groups))],
            "held": audience.held,
            "issuer": audience.issuer,
            "observe_only": audience.handling == _OBSERVE,
            "personal_data": audience.personal_data,
            "purpose": audience.purpose if audience.personal_data else None,
            "realm": audience.realm,
            "recipients": sorted(set(audience.recipients)),
            "tlp": audience.marking.value,
        }
    ).decode()


def audience_from(key: str) -> Audience:
    """An audience of the class that ``key`` names; its kind stands for any kind."""
    data = orjson.loads(key)
    if data.get("control"):
        return Audience(issuer=data["issuer"], kind="roster", control=True)
    return Audience(
        issuer=data["issuer"],
        kind="publish",
        tlp=tlp_of(data["tlp"]),
        groups=tuple((name, version) for name, version in data["groups"]),
        recipients=tuple(data["recipients"]),
        handling=_OBSERVE if data["observe_only"] else None,
        purpose=data["purpose"],
        personal_data=data["personal_data"],
        realm=data["realm"],
        held=data["held"],
    )


@dataclass(frozen=True, slots=True)
class _Decided:
    roster: Roster
    visible: dict[tuple[int, str], bool]
    readable: dict[tuple[int, Reader, Outlet, str | None], bool] = field(default_factory=dict)


class Audiences:
    """The classes known so far, and the decisions under one roster. Safe to share between threads.

    Classes are only ever added, so what was read once stays true.
    """

    def __init__(self) -> None:
        self._audiences: dict[int, Audience] = {}
        self._decided: _Decided | None = None
        self._lock = threading.Lock()

    def load(self, connection: Connection, ids: Iterable[int]) -> None:
        """Make these classes known, so that ``visible`` can answer for them."""
        missing = [ident for ident in set(ids) if ident not in self._audiences]
        if not missing:
            return
        rows = connection.execute(sa.select(VISIBILITY).where(VISIBILITY.c.id.in_(missing))).all()
        found = {row.id: audience_from(row.key) for row in rows}
        with self._lock:
            self._audiences.update(found)

    def known(self, ids: Iterable[int]) -> bool:
        """Whether all these classes are known already."""
        return all(ident in self._audiences for ident in ids)

    def audience(self, ident: int) -> Audience:
        """The audience of a class that was loaded."""
        return self._audiences[ident]

    def visible(self, ident: int, member: str, roster: Roster) -> bool:
        """Whether ``member`` may read the entries of a class on the feed, under ``roster``."""
        decided = self._under(roster)
        answer = decided.visible.get((ident, member))
        if answer is None:
            decision = permits(self._audiences[ident], member_reader(member), None, Outlet.FEED, roster)
            answer = decided.visible[ident, member] = bool(decision)
        return answer

    def readable(
        self, connection: Connection, reader: Reader, outlet: Outlet, roster: Roster, *, purpose: str | None = None
    ) -> tuple[int, ...]:
        """All classes that ``reader`` may read in ``outlet``, as of this transaction: what a query is limited to."""
        ids = connection.execute(sa.select(VISIBILITY.c.id).order_by(VISIBILITY.c.id)).scalars().all()
        self.load(connection, ids)
        decided = self._under(roster)
        found = []
        for ident in ids:
            key = (ident, reader, outlet, purpose)
            answer = decided.readable.get(key)
            if answer is None:
                answer = decided.readable[key] = bool(permits(self._audiences[ident], reader, purpose, outlet, roster))
            if answer:
                found.append(ident)
        return tuple(found)

    def _under(self, roster: Roster) -> _Decided:
        decided = self._decided
        if decided is None or decided.roster is not roster:
            decided = self._decided = _Decided(roster, {})
        return decided


class Classes:
    """Class numbers for the one who appends: used in the appending transaction only, under the head's lock.

    The numbers in memory are those of a log that had ``stamp``; ``begin`` forgets them where the head says otherwise.
    """

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._last = 0
        self._keys: dict[tuple[object, ...], str] = {}

    def forget(self) -> None:
        """Read everything anew: another process appended, or a transaction of ours was lost."""
        self._ids.clear()
        self._last = 0

    def number(self, connection: Connection, said: Statement) -> int:
        """The class of a statement, made if it is new."""
        words = (
            *(said.issuer, said.is_control, said.tlp, said.groups, said.recipients, said.handling),
            *(said.purpose, said.personal_data, said.realm),
        )
        key = self._keys.get(words)
        if key is None:
            if len(self._keys) > _REMEMBERED:
                self._keys.clear()
            key = self._keys[words] = class_key(audience_of(said))
        return self._ids.get(key) or self._look_up(connection, key)

    def _look_up(self, connection: Connection, key: str) -> int:
        digest = sha256(key.encode()).digest()
        found = connection.execute(sa.select(VISIBILITY.c.id).where(VISIBILITY.c.digest == digest)).scalar()
        if found is None:
            self._last = self._last or connection.execute(sa.select(sa.func.max(VISIBILITY.c.id))).scalar() or 0
            self._last = found = self._last + 1
            connection.execute(VISIBILITY.insert(), [{"id": found, "digest": digest, "key": key}])
        self._ids[key] = found
        return int(found)
