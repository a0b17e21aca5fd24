"""The checker of every fault test: is the log whole, is what was acknowledged in it, are the copies equal?"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from hub.store import Store, read_head
from hub.tables import BODY, ENTRY, LEAF
from node import store as node_store
from port2port import merkle
from port2port.merkle import Frontier
from tests.fakes.nodes import TestNode
from tests.fakes.publisher import Publisher


def require_whole(store: Store, publishers: Sequence[Publisher]) -> bytes:
    """The log verifies on its own, and holds exactly what was said; its root."""
    head = store.database.read_now(read_head)
    with store.engine.connect() as connection:
        leaves = connection.execute(sa.select(LEAF).order_by(LEAF.c.index)).mappings().all()
        entries = connection.execute(sa.select(ENTRY.c.index, ENTRY.c.digest, ENTRY.c.received_ms)).all()
        bodies = connection.scalar(sa.select(sa.func.count()).select_from(BODY))
    assert [leaf["index"] for leaf in leaves] == list(range(head.next)), "the indices have a gap"
    _, roots = merkle.extend_with_roots(Frontier(), [bytes(leaf["leaf_hash"]) for leaf in leaves])
    assert [bytes(leaf["root"]) for leaf in leaves] == list(roots)
    assert roots[-1] == head.root
    stored = {bytes(digest): (index, received_ms) for index, digest, received_ms in entries}
    assert len(stored) == len(entries) == bodies == head.next, "something is stored twice or in part"
    for publisher in publishers:
        assert publisher.contradictions == []
        for digest, place in publisher.acknowledged.items():
            assert stored.get(digest) == place, "acknowledged and lost, or moved"
    said = set().union(*(publisher.said for publisher in publishers))
    assert {digest for digest, (index, _) in stored.items() if index >= 2} <= said
    return head.root


def require_same_copy(node: TestNode, root: bytes) -> None:
    """This node's copy has the same root, holds every entry (all are for everybody), and refused none."""
    assert node.inbox.state.frontier.root() == root
    assert node.store.read_now(node_store.quarantined_count) == 0
    held = node.store.read_now(lambda c: node_store.entries_from(c, 0, limit=10**6))
    assert [entry.index for entry in held] == list(range(node.inbox.state.size))
