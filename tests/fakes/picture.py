"""A log with a few ports' entries, folded into the picture, on one database without a wire."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy.engine import Connection

from hub.audience import Audiences
from hub.intake import Checker, IntakeJudge
from hub.picture import Checks, Reading, fold, read_as
from hub.store import Store
from hub.transparency import NO_ROSTER, Appended, Log, RosterAt, fold_roster
from port2port.sharing import Outlet, member_reader
from tests.fakes.federation import Federation
from tests.fakes.prepared import hub_store

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class PictureDesk:
    """The hub's log and read models; entries are admitted as intake would, one after the other."""

    fed: Federation
    store: Store
    log: Log
    checker: Checker
    judge: IntakeJudge
    audiences: Audiences
    _known: RosterAt = field(default=NO_ROSTER, init=False)

    def admit(self, raws: Sequence[bytes], member: str = "beanr") -> list[int]:
        """Log entries and fold them; their indices."""
        indices = []
        for raw in raws:
            at = self.store.database.read_now(self._roster_at)
            checked = self.checker.check(raw, member, at)
            assert checked.candidate is not None, checked
            (outcome,) = self.log.append([checked.candidate], self.judge)
            assert isinstance(outcome, Appended), outcome
            indices.append(outcome.index)
        while self.store.database.write_now(fold):
            pass
        return indices

    def reading(self, connection: Connection, member: str, **more: Any) -> Reading:
        """What a member's officer may read now."""
        roster = self._roster_at(connection).roster
        assert roster is not None
        given = {"purpose": None, "outlet": Outlet.LIVE_PAGE, **more}
        reader = member_reader(member, roles=frozenset({"officer"}))
        return read_as(connection, self.audiences, reader, roster, self.fed.clock.now(), **given)

    def ask(self, member: str, query: Callable[..., T], /, *given: Any, **more: Any) -> T:
        """The answer of a query of the picture to a member."""
        return self.store.database.read_now(lambda c: query(c, self.reading(c, member), *given, **more))

    def act(self, member: str, change: Callable[..., T], /, *given: Any, **more: Any) -> T:
        """The same in a writing transaction."""
        return self.store.database.write_now(lambda c: change(c, self.reading(c, member), *given, **more))

    def _roster_at(self, connection: Connection) -> RosterAt:
        self._known = fold_roster(connection, self._known)
        return self._known

    @property
    def checks(self) -> Checks:
        return Checks(genesis_hash=self.fed.genesis_hash, tree=self.log, validate=self.fed.validate)


def picture_desk(fed: Federation, url: str, founding: Sequence[bytes] | None = None) -> PictureDesk:
    """A hub with the federation's founding entries in its log."""
    opened = hub_store(url)
    log = Log(opened, origin=fed.origin, key=fed.log_key, clock=fed.clock)
    checker = Checker(
        federation=fed.name, genesis_hash=fed.genesis_hash, log=log, validate=fed.validate, clock=fed.clock
    )
    desk = PictureDesk(
        fed=fed, store=opened, log=log, checker=checker, judge=IntakeJudge(Audiences()), audiences=Audiences()
    )
    desk.admit(fed.founding() if founding is None else founding)
    return desk
