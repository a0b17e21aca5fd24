"""What the node's database must do on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from node import store, tables
from node.store import AuditLine, Head, NodeStore, open_store
from port2port.console.tables import console_metadata
from port2port.database import sqlite_url
from port2port.errors import ConfigurationError, ConflictError
from port2port.merkle import Frontier, extend_with_roots
from tests.fakes.prepared import node_store


@pytest.fixture(params=["sqlite-file", "sqlite-memory"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NodeStore]:
    made = node_store(tmp_path / "n.db") if request.param == "sqlite-file" else open_store("sqlite:///:memory:")
    yield made
    made.close()


def test_the_migrations_give_exactly_the_tables(opened: NodeStore) -> None:
    def differences(connection: sa.Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, [tables.metadata, console_metadata]))

    assert opened.read_now(differences) == []


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "n.db")
    first = open_store(url)
    first.write_now(lambda c: store.mark(c, "x", "1", 5))
    first.close()
    again = open_store(url)
    assert again.read_now(lambda c: (store.marked(c, "x"), store.marked_at(c, "x"))) == ("1", 5)
    again.close()


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "n.db")
    made = open_store(url)
    made.write_now(lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    made.close()
    with pytest.raises(ConfigurationError, match="another version"):
        open_store(url)


def test_a_head_moves_only_from_where_it_was(opened: NodeStore) -> None:
    after = Head(frontier=Frontier().append(b"a" * 32), note="n")
    opened.write_now(lambda c: store.advance_head(c, 0, after))
    assert opened.read_now(store.head) == after
    further = Head(frontier=after.frontier.append(b"b" * 32), note="m", last_received_ms=3)
    for wrong in (0, 2):
        with pytest.raises(ConflictError):
            opened.write_now(lambda c, w=wrong: store.advance_head(c, w, further))
    opened.write_now(lambda c: store.advance_head(c, 1, further))
    assert opened.read_now(store.head).size == 2


def test_roots_are_known_at_every_size_up_to_the_head(opened: NodeStore) -> None:
    leaves = [bytes([n]) * 32 for n in range(5)]
    _, roots = extend_with_roots(Frontier(), leaves)
    opened.write_now(lambda c: store.insert_leaves(c, 0, leaves, roots))
    assert [opened.read_now(lambda c, s=size: store.root_at(c, s)) for size in range(1, 6)] == roots
    assert opened.read_now(lambda c: store.root_at(c, 6)) is None
    assert opened.read_now(lambda c: store.root_at(c, 0)) == Frontier().root()
    assert opened.read_now(lambda c: store.leaf_hashes(c, 1, 3)) == leaves[1:3]


def test_decisions_are_kept_in_order_and_found_by_subject(opened: NodeStore) -> None:
    for number in range(3):
        line = AuditLine(at_ms=number, officer="o1", action="reject", subject=f"d{number % 2}", facts=b"{}")
        opened.write_now(lambda c, one=line: store.audit(c, one))
    assert [line.at_ms for line in opened.read_now(store.audit_lines)] == [2, 1, 0]
    assert [line.at_ms for line in opened.read_now(lambda c: store.audit_lines(c, subject="d0"))] == [2, 0]


def test_own_keys_are_noted_once(opened: NodeStore) -> None:
    for _ in range(2):
        opened.write_now(lambda c: store.remember_own_key(c, "a" * 64, "machine", at_ms=1))
    assert opened.read_now(store.own_keys) == {"a" * 64}
