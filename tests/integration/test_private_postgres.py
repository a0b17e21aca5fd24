"""The private PostgreSQL that other tests stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa

from tests.fakes.postgres import PostgresCluster, postgres_cluster, postgres_server, postgres_url

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["postgres_server", "postgres_url"]  # fixtures

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    with postgres_cluster() as running:
        yield running


def _libpq(url: str) -> str:
    return url.replace("+psycopg", "")


def test_each_test_gets_an_empty_database_of_its_own(cluster: PostgresCluster) -> None:
    with cluster.server.database() as first, cluster.server.database() as second:
        engine = sa.create_engine(first)
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE t (n int)"))
        engine.dispose()
        assert first != second
        with psycopg.connect(_libpq(second)) as connection:
            assert connection.execute("SELECT to_regclass('t')").fetchone() == (None,)


def test_the_cluster_is_durable_and_has_checksums(cluster: PostgresCluster) -> None:
    with psycopg.connect(_libpq(cluster.server.url)) as connection:
        shown = [
            connection.execute(f"SHOW {name}").fetchone()
            for name in ("data_checksums", "fsync", "synchronous_commit", "listen_addresses")
        ]
    assert shown == [("on",), ("on",), ("on",), ("127.0.0.1",)]


def test_what_was_committed_survives_sigkill_of_every_process(cluster: PostgresCluster) -> None:
    with cluster.server.database() as url:
        survivor = psycopg.connect(_libpq(url))
        try:
            survivor.execute("CREATE TABLE t AS SELECT generate_series(1, 1000) AS n")
            survivor.commit()
            survivor.execute("INSERT INTO t VALUES (0)")
            cluster.kill9()
            with pytest.raises(psycopg.OperationalError):
                survivor.execute("SELECT 1")
        finally:
            survivor.close()
        cluster.start()
        with psycopg.connect(_libpq(url)) as connection:
            assert connection.execute("SELECT count(*), min(n) FROM t").fetchone() == (1000, 1)


def test_it_stops_and_starts_on_the_same_port(cluster: PostgresCluster) -> None:
    cluster.stop()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(_libpq(cluster.server.url))
    cluster.start()
    with psycopg.connect(_libpq(cluster.server.url)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_the_fixture_hands_out_a_url_that_sqlalchemy_takes(postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT current_database()")).scalar_one().startswith("p2p_")
    engine.dispose()


def test_nothing_is_left_behind() -> None:
    with postgres_cluster() as short_lived:
        directory, url = short_lived.directory, _libpq(short_lived.server.url)
        assert directory.exists()
    assert not directory.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
