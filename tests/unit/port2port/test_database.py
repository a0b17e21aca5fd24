"""The database of two engines: durable settings, one writer, and errors that say what became of a transaction."""

from __future__ import annotations

import asyncio
import threading

import pytest
import sqlalchemy as sa

from port2port import database
from port2port.database import Database, StorageError, make_engine, read, sqlite_url, write
from port2port.errors import ConfigurationError

TABLE = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))


@pytest.fixture
def engine(tmp_path):
    made = make_engine(sqlite_url(tmp_path / "test.db"))
    write(made, TABLE.metadata.create_all)
    yield made
    made.dispose()


def insert(number):
    return lambda connection: connection.execute(TABLE.insert().values(id=number))


def count(connection):
    return connection.scalar(sa.select(sa.func.count()).select_from(TABLE))


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 30_000)]
)
def test_sqlite_is_set_to_keep_what_it_acknowledged(pragma, value, engine):
    assert read(engine, lambda c: c.exec_driver_sql(f"PRAGMA {pragma}").scalar()) == value


def test_what_was_written_is_read(engine):
    write(engine, insert(1))
    assert read(engine, count) == 1


def test_an_action_that_fails_writes_nothing(engine):
    def half(connection):
        insert(1)(connection)
        raise KeyError("half")

    with pytest.raises(KeyError):
        write(engine, half)
    assert read(engine, count) == 0


def test_a_broken_constraint_is_for_the_caller_to_explain(engine):
    write(engine, insert(1))
    with pytest.raises(sa.exc.IntegrityError):
        write(engine, insert(1))


def test_a_writer_takes_the_lock_before_it_reads(engine):
    """BEGIN IMMEDIATE: the other writer is refused at its first statement, not at its commit."""
    with engine.connect().execution_options(port2port_writes=True) as first, first.begin():
        other = make_engine(str(engine.url))
        with other.connect() as second:
            second.exec_driver_sql("PRAGMA busy_timeout=1")
        with pytest.raises(StorageError):
            write(other, count)
        other.dispose()


def test_a_database_that_is_gone_is_unavailable(tmp_path):
    gone = make_engine(sqlite_url(tmp_path / "no" / "where.db"))
    for attempt in (read, write):
        with pytest.raises(StorageError) as caught:
            attempt(gone, count)
        assert caught.value.retryable
    gone.dispose()


@pytest.mark.parametrize("url", ["mysql://x/y", "sqllite:///x", "", "postgresql+nodriver://x/y"])
def test_another_url_is_a_mistake_in_the_settings(url):
    with pytest.raises(ConfigurationError):
        make_engine(url)


def test_a_commit_that_the_standby_did_not_confirm_is_not_acknowledged(engine):
    """PostgreSQL says so with a mere notice; the notice handler leaves this mark."""

    def cancelled(connection):
        insert(1)(connection)
        connection.info[database._CANCELLED] = True

    with pytest.raises(StorageError, match="standby"):
        write(engine, cancelled)
    write(engine, insert(2))


def test_one_thread_writes_and_none_of_it_is_the_loop_s(tmp_path):
    store = Database(make_engine(sqlite_url(tmp_path / "threads.db")))
    writers, readers = set(), set()

    def note(seen):
        return lambda _connection: seen.add(threading.current_thread().name)

    async def scene():
        await store.write(TABLE.metadata.create_all)
        await asyncio.gather(*(store.write(note(writers)) for _ in range(20)))
        await asyncio.gather(*(store.read(note(readers)) for _ in range(20)))

    asyncio.run(scene())
    store.write_now(note(writers))
    assert len(writers) == 1
    assert all(name.startswith("db-write") for name in writers)
    assert all(name.startswith("db-read") for name in readers)
    store.write_now(insert(5))
    assert store.read_now(count) == 1
    store.close()


def test_a_database_in_memory_is_one_for_all_threads():
    store = Database(make_engine("sqlite://"))
    store.write_now(TABLE.metadata.create_all)
    store.write_now(insert(1))
    assert store.read_now(count) == 1
    store.close()
