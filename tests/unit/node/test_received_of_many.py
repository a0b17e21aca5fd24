"""What one port asks of us hides nothing that another asks, however much it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from node import unseen
from tests.fakes.desks import A, B, C, Harbour


def test_a_flood_of_one_member_leaves_what_another_asks_on_the_desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unseen, "RECEIVED_OF_ONE", 3)
    harbour = Harbour(tmp_path)
    desk = harbour.desks[B]
    fed = desk.fed
    wanted = harbour.feed.log(fed.publish(A, handling="act"))
    at_once = harbour.feed.log(fed.publish(C, objects=[fed.indicator(C) for _ in range(7)], handling="act"))
    loud = [harbour.feed.log(fed.publish(C, handling="act")) for _ in range(2)]
    desk.pull()
    found = desk.node.store.read_now(lambda c: unseen.received(c, fed.clock.now()))
    assert sorted(one.index for one in found) == [wanted, at_once, *loud]
    assert [one.issuer for one in found].count(C) == 3
    harbour.close()
