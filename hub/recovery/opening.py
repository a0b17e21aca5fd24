"""Who must be heard before the log may grow, and how ``admit``, another process, knows that they were.

A database cannot tell that it was restored: a mark in it that says "open" was restored with it. So the mark is a
lease. A hub that serves an open log renews it every few seconds, and takes it back when it stops or learns that
entries were lost; ``admit`` writes only beside a hub whose lease runs. A lease that was in a backup has run out.

Nobody need be heard before there is anybody: the genesis, and the first members, are admitted to a log that no node
has seen. And an operator who has compared may say so, with the checkpoint that he obtained by another way: what he
shows must be signed by this log and lie within it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store import Head
from hub.tables import OPEN
from hub.transparency import Candidate, Judge, Tree, fold_roster
from port2port.checkpoint import SignedCheckpoint, VerifierKey, verify_log
from port2port.clock import Clock, to_ms
from port2port.errors import LogBehindError, MalformedError, SplitViewError, UnavailableError
from port2port.roster import Roster

LEASE_MS: Final = 15_000


class NotOpenError(UnavailableError):
    """No hub serves this log that has heard from its members since it started."""

    code = "HUB_NOT_OPEN"


def voices(roster: Roster | None) -> dict[str, str]:
    """Of whom a majority must be heard after a start, each with the organisation it counts for.

    The witnesses; where the roster names none, all members. Nobody while nobody is in the roster.
    """
    if roster is None:
        return {}
    members = roster.member_table.values()
    return roster.witnesses() or {item.id: item.organisation for item in members if roster.is_member(item.id)}


def require_compared(tree: Tree, log: VerifierKey, note: bytes) -> int:
    """That a checkpoint an operator obtained from the members lies within this log; its size.

    Raises MalformedError, SignatureError (another log's), LogBehindError (members hold more: entries were lost) or
    SplitViewError (members hold something else).
    """
    seen = verify_log(SignedCheckpoint.parse(note), log)
    size = tree.head().next
    if not seen.size:
        raise MalformedError("the checkpoint of an empty log says nothing")
    if seen.size > size:
        raise LogBehindError(
            f"the members hold {seen.size} entries and this database {size}: entries were lost; start the hub "
            "without --i-have-compared and let the members give them back"
        )
    if tree.root_at(seen.size) != seen.root:
        raise SplitViewError("the checkpoint is of another history than this database holds: do not go on with it")
    return seen.size


def renew(connection: Connection, process: str, now_ms: int) -> None:
    """This process serves an open log, for a while."""
    release(connection, process)
    connection.execute(OPEN.delete().where(OPEN.c.until_ms < now_ms))
    connection.execute(OPEN.insert(), [{"process": process, "until_ms": now_ms + LEASE_MS}])


def release(connection: Connection, process: str) -> None:
    """It no longer does."""
    connection.execute(OPEN.delete().where(OPEN.c.process == process))


def is_open(connection: Connection, now_ms: int) -> bool:
    """Whether some process serves an open log now; a lease far in the future is none of ours."""
    held = sa.select(sa.func.count()).where(OPEN.c.until_ms >= now_ms, OPEN.c.until_ms <= now_ms + LEASE_MS)
    return bool(connection.scalar(held))


class Admission:
    """The judge of ``admit``: nothing new enters a log that may lack entries. ``compared``: an operator said so."""

    def __init__(self, judge: Judge, clock: Clock, *, compared: bool = False) -> None:
        self._judge = judge
        self._clock = clock
        self._compared = compared
        self._allowed = False

    def begin(self, connection: Connection, head: Head, group: Sequence[Candidate]) -> None:
        """Ask within the very transaction that would log it."""
        now_ms = to_ms(self._clock.now())
        self._allowed = self._compared or not voices(fold_roster(connection).roster) or is_open(connection, now_ms)
        self._judge.begin(connection, head, group)

    def judge(self, candidate: Candidate, index: int, received_ms: int) -> None:
        """Raises NotOpenError, and what the judge behind it raises."""
        if not self._allowed:
            raise NotOpenError(
                "no hub serves this log that has heard from its members since it started, and a database that was "
                "restored would sign a second history; start `port2port-hub serve`, wait until it is open (see "
                "`port2port-hub status`) and try again; if the members cannot be reached, compare with them by "
                "another way and give their newest checkpoint with --i-have-compared"
            )
        self._judge.judge(candidate, index, received_ms)

    def end(self, stamp: tuple[int, bytes]) -> None:
        """As the judge behind it."""
        self._judge.end(stamp)
