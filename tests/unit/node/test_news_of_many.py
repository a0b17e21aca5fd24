"""What one port says it saw crowds out nothing that another saw, whatever time it writes."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa

from node import desk_news, sightings, tables
from port2port.clock import to_ms, to_text
from tests.fakes.desks import A, B, C, Harbour


def test_sightings_that_are_dated_ahead_hide_no_other_ports_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_news, "MOST", 2)
    harbour = Harbour(tmp_path)
    store, now = harbour.desks[B].node.store, harbour.desks[B].fed.clock.now()

    def row(issuer: str, number: int, at: datetime, written: datetime) -> dict[str, object]:
        times = {"first_ms": to_ms(at), "last_ms": to_ms(at), "published_ms": None}
        name = {"issuer": issuer, "stix_id": f"sighting--{number}", "subject": f"indicator--{number}"}
        return {
            **name,
            **times,
            "state": sightings.INCOMING,
            "count": 1,
            "body": orjson.dumps({"created": to_text(written)}),
        }

    ahead = now + timedelta(days=30)
    rows = [row(A, 0, now, now)]
    rows += [row(C, number, ahead, now) for number in range(1, 5)]
    rows += [row(C, 9, ahead, ahead)]
    store.write_now(lambda c: c.execute(sa.insert(tables.SightingRow), rows))
    found = store.read_now(lambda c: list(desk_news.seen_elsewhere(c, now)))
    assert sorted((one.by, one.stix_id) for one in found) == [
        (A, "indicator--0"), (C, "indicator--1"), (C, "indicator--2"),
    ]  # fmt: skip
    harbour.close()
