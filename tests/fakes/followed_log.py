"""A process that follows one log into a database until it is killed: ``python -m tests.fakes.followed_log DB LOG``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from node.cyber import CyberFlow
from node.observations import SourceClass
from node.sensors.logs import LogSource
from node.store import NodeStore, open_store
from port2port.clock import SystemClock
from port2port.database import sqlite_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from node.cyber import Due
    from node.findings import Finding
    from node.watch import Match, WatchIndex


class EmptyDesk:
    """A desk that looks for nothing; what belongs to a batch is stored."""

    def __init__(self, store: NodeStore) -> None:
        self.busy = asyncio.Lock()
        self._store = store

    def met(self, _find: Callable[[WatchIndex, datetime], Iterable[Match]]) -> list[Due]:
        """Nothing is looked for."""
        return []

    async def keep(
        self, findings: Sequence[Finding], due: Sequence[Due], also: Callable[[Connection], None] | None = None
    ) -> None:
        """One transaction."""
        assert not findings
        assert not due
        if also is not None:
            await self._store.write(also)


def main(database: str, log: str) -> None:
    """Follow for ever."""
    store = open_store(sqlite_url(Path(database)))
    source = LogSource("ids", "zeek", Path(log), SourceClass.LOCAL)
    asyncio.run(CyberFlow(store, EmptyDesk(store), [source], clock=SystemClock()).run())


if __name__ == "__main__":
    main(*sys.argv[1:3])
