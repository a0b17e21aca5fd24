"""The contract of the log: in memory, on SQLite, on PostgreSQL; and what only databases can do."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.store import Store, audit_rows, open_store
from hub.transparency import Appended, Duplicate, Log, fold_roster
from port2port import merkle
from port2port.database import StorageError, sqlite_url
from port2port.verify import EquivocationError
from tests.contract.log_store_suite import LogStoreSuite, append, candidate, notes
from tests.fakes.federation import Federation
from tests.fakes.memory_log import MemoryLog
from tests.fakes.prepared import hub_store


class TestMemoryLog(LogStoreSuite):
    @pytest.fixture
    def log(self, fed: Federation) -> MemoryLog:
        return MemoryLog(origin=fed.origin, key=fed.log_key, clock=fed.clock)

    def test_an_append_that_was_lost_is_new_when_tried_again(self, log: MemoryLog, fed: Federation) -> None:
        raws = notes(fed, 2)
        log.fail_before = True
        with pytest.raises(StorageError):
            append(log, raws)
        assert all(isinstance(item, Appended) for item in append(log, raws))

    def test_an_append_that_was_done_and_reported_lost_is_a_duplicate(self, log: MemoryLog, fed: Federation) -> None:
        raws = notes(fed, 2)
        log.fail_after = True
        with pytest.raises(StorageError):
            append(log, raws)
        assert all(isinstance(item, Duplicate) for item in append(log, raws))


class _RolledBackError(Exception):
    """Raised inside a transaction to undo it."""


def _log(store: Store, fed: Federation) -> Log:
    return Log(store, origin=fed.origin, key=fed.log_key, clock=fed.clock)


class DatabaseLogSuite(LogStoreSuite):
    """On top of the contract: restarts, several processes, transactions that are undone. Needs a ``url``."""

    @pytest.fixture
    def store(self, url: str) -> Iterator[Store]:
        opened = hub_store(url)
        yield opened
        opened.close()

    @pytest.fixture
    def log(self, store: Store, fed: Federation) -> Log:
        return _log(store, fed)

    def test_a_restart_goes_on_from_the_same_root(self, url: str, fed: Federation) -> None:
        raws = notes(fed, 20)
        first = open_store(url)
        append(_log(first, fed), raws[:13])
        before = _log(first, fed).head()
        first.close()
        second = open_store(url)
        log = _log(second, fed)
        assert log.head() == before
        outcomes = append(log, raws)
        assert [type(item) for item in outcomes] == [Duplicate] * 13 + [Appended] * 7
        assert log.head().root == merkle.root_of(log.leaves(0, 100))
        second.close()

    def test_what_another_process_appended_is_seen_at_once(self, url: str, fed: Federation) -> None:
        raws = [fed.content("beanr", "note", seq=seq) for seq in (1, 2, 3, 4, 5)]
        stores = [open_store(url) for _ in range(2)]
        here, there = (_log(store, fed) for store in stores)
        append(here, raws[:2])
        append(there, raws[2:4])
        outcomes = append(here, [raws[3], raws[4], fed.content("beanr", "note", seq=4)])
        assert [type(item).__name__ for item in outcomes] == ["Duplicate", "Appended", "Refused"]
        assert here.head().root == merkle.root_of(there.leaves(0, 10))
        for store in stores:
            store.close()

    def test_an_undone_transaction_leaves_nothing_in_memory_either(
        self, store: Store, log: Log, fed: Federation
    ) -> None:
        raws = [fed.content("beanr", "note", seq=seq, tlp=None, recipients=("belgg",)) for seq in (1, 2)]

        def undone(connection: Any) -> None:
            log.append_in(connection, [candidate(log, raw) for raw in raws], None)
            raise _RolledBackError

        with pytest.raises(_RolledBackError):
            store.database.write_now(undone)
        assert log.head().next == 0
        assert all(isinstance(item, Appended) for item in append(log, raws))

    def test_equivocation_is_written_down(self, store: Store, log: Log, fed: Federation) -> None:
        append(log, [fed.content("beanr", "note", seq=5)])
        append(log, [fed.content("beanr", "note", seq=5)])
        rows = store.database.read_now(lambda connection: audit_rows(connection, EquivocationError.code))
        assert [(row["member"], '"seq":5' in row["facts"]) for row in rows] == [("beanr", True)]

    def test_the_roster_is_folded_from_what_is_logged_and_again_after_more(
        self, store: Store, log: Log, fed: Federation
    ) -> None:
        append(log, fed.founding())
        at = store.database.read_now(fold_roster)
        assert at.roster is not None
        assert (at.version, at.roster.members()) == (2, frozenset(fed.members))
        append(log, [fed.group("seaports", "beanr")])
        again = store.database.read_now(lambda connection: fold_roster(connection, at))
        assert again.version == 3
        assert again.roster == store.database.read_now(fold_roster).roster

    def test_three_writers_with_transactions_undone_leave_no_gap_and_readers_miss_nothing(
        self, url: str, fed: Federation
    ) -> None:
        writers = [_Writer(url, fed, member, seed) for seed, member in enumerate(fed.members)]
        reader = open_store(url)
        tail = _log(reader, fed)
        for writer in writers:
            writer.thread.start()
        seen: list[bytes] = []
        while any(writer.thread.is_alive() for writer in writers):
            seen += tail.leaves(len(seen), 1_000)
        for writer in writers:
            writer.thread.join()
        seen += tail.leaves(len(seen), 1_000)
        assert [writer.failure for writer in writers] == [None] * 3
        assert sum(writer.undone for writer in writers) > 0
        assert tail.head().next == len(seen) == sum(len(writer.raws) for writer in writers)
        assert tail.head().root == merkle.root_of(seen)
        indices = sorted(index for writer in writers for index in writer.indices)
        assert indices == list(range(len(seen)))
        reader.close()


class _Writer:
    """One process's worth of appending, in a thread with its own engine; about one transaction in twenty is undone."""

    def __init__(self, url: str, fed: Federation, member: str, seed: int) -> None:
        self.raws = notes(fed, 60, member)
        self.indices: list[int] = []
        self.undone = 0
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run)
        self._url, self._fed, self._dice = url, fed, random.Random(seed)

    def _run(self) -> None:
        try:
            store = open_store(self._url)
            self._append(store, _log(store, self._fed))
            store.close()
        except BaseException as error:  # noqa: BLE001  # handed to the test's own thread
            self.failure = error

    def _append(self, store: Store, log: Log) -> None:
        at = 0
        while at < len(self.raws):
            group = self.raws[at : at + self._dice.randint(1, 5)]
            try:
                outcomes = store.database.write_now(lambda connection, group=group: self._write(connection, log, group))
            except _RolledBackError:
                self.undone += 1
                continue
            self.indices += [item.index for item in outcomes if isinstance(item, Appended)]
            at += len(group)

    def _write(self, connection: Any, log: Log, group: list[bytes]) -> Any:
        outcomes = log.append_in(connection, [candidate(log, raw) for raw in group], None)
        if self._dice.random() < 0.05:
            raise _RolledBackError
        return outcomes


class TestSqliteLog(DatabaseLogSuite):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return sqlite_url(tmp_path / "hub.db")


@pytest.mark.slow
class TestPostgresLog(DatabaseLogSuite):
    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return postgres_url
