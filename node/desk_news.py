"""What an officer should know and need not decide: who saw what this port published, and quiet hits on what others did.

Computed from sightings that were received and verified, and from our own hits; nothing is kept here. News of a port
that sees the same again is new news.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from node import hits, indicators, sightings, tables
from node.hits import Hit
from node.watch import Handling
from port2port.limits import LIMITS

_SIGHTING: Final = tables.SightingRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
NEWS_FOR: Final = timedelta(hours=24)
MOST: Final = 50  # of one port: whoever sees much hides nothing that others saw
AHEAD: Final = timedelta(milliseconds=LIMITS.clock_ahead_ms)  # what is written later than now would stay news for ever
_ID_CHARS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenElsewhere:
    """Another port (``by``, a member) saw what we published: title and STIX id of ours, and since when we know."""

    id: str
    by: str
    title: str
    stix_id: str
    at: datetime


def seen_elsewhere(connection: Connection, now: datetime) -> Iterator[SeenElsewhere]:
    """Each port once for each of our indicators, by its latest sighting; those of the last day, the newest first.

    When it was seen, and when that was written, are the other port's own words.
    """
    query = sa.select(_SIGHTING).where(_SIGHTING.c.state == sightings.INCOMING)
    told: set[tuple[str, str]] = set()
    shown: Counter[str] = Counter()
    for row in connection.execute(query.order_by(_SIGHTING.c.last_ms.desc(), _SIGHTING.c.stix_id)):
        ours = (row.issuer, row.subject)
        if ours in told or not row._mapping["count"]:  # noqa: SLF001  # a row's own ``count`` is the tuple method
            continue
        told.add(ours)
        at = datetime.fromisoformat(orjson.loads(row.body)["created"])
        if -AHEAD <= now - at <= NEWS_FOR and shown[row.issuer] < MOST:
            shown[row.issuer] += 1
            name = sha256(f"{row.issuer}/{row.stix_id}".encode()).hexdigest()[:_ID_CHARS]
            yield SeenElsewhere(
                id=name, by=row.issuer, title=_title(connection, row.subject), stix_id=row.subject, at=at
            )


def quiet_hits(connection: Connection, now: datetime) -> list[Hit]:
    """Our own hits that nobody asks about: to be looked at, and not answered."""
    found = hits.listed(connection, now, limit=MOST)
    return [one for one in found if one.handling == Handling.OBSERVE_ONLY.value and one.answer is None]


def _title(connection: Connection, stix_id: str) -> str:
    ours = next((one for one in indicators.by_stix_id(connection, stix_id) if one.stix), None)
    return stix_id if ours is None else str(orjson.loads(ours.stix).get("name", stix_id))
