"""Security levels as the picture shows them: in force, coming, replaced, or disputed and then never in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.picture.reading import Reading, rows
from hub.picture.values import LevelNow
from hub.tables import BODY, ENTRY, PICTURE_FACT, PICTURE_ITEM
from port2port.clock import from_ms
from port2port.levels import Level, Standing, standings
from port2port.statement import decode
from port2port.wire import decode_envelope

ITEM: Final = PICTURE_ITEM
FACT: Final = PICTURE_FACT


def level_changes(connection: Connection, reading: Reading, locode: str | None = None) -> list[LevelNow]:
    """All level changes that the reader may read, in log order, each with where it stands now."""
    query = (
        sa.select(ITEM.c.index, ITEM.c.issuer, ITEM.c.facts, ITEM.c.received_ms)
        .where(ITEM.c.kind == "level", reading.sees(ITEM.c.visibility))
        .order_by(ITEM.c.index)
    )
    if locode is not None:
        named = sa.select(FACT.c.index).where(FACT.c.name == "level", FACT.c.value == locode)
        query = query.where(ITEM.c.index.in_(named))
    found = rows(connection, query)
    said = [_level_of(orjson.loads(row.facts)["level"]) for row in found]
    disputed = _disputed(connection, reading, {row.index: row.received_ms for row in found})
    logged = [(level, row.index in disputed) for level, row in zip(said, found, strict=True)]
    return [
        LevelNow(
            locode=level.locode,
            level=level.level,
            since=level.effective,
            set_by=row.issuer,
            reason=level.reason,
            index=row.index,
            standing=standing,
        )
        for row, level, standing in zip(found, said, standings(logged, reading.now), strict=True)
    ]


def levels_now(connection: Connection, reading: Reading) -> dict[str, LevelNow]:
    """The level in force at each LOCODE: of the changes in effect by now, the one logged last; no disputed one."""
    found = level_changes(connection, reading)
    return {one.locode: one for one in found if one.standing is Standing.IN_FORCE}


def _level_of(said: Mapping[str, Any]) -> Level:
    return Level(
        locode=said["port"], level=said["level"], effective=from_ms(said["effective_ms"]), reason=said["reason"]
    )


def _disputed(connection: Connection, reading: Reading, received: Mapping[int, int]) -> set[int]:
    """Of these entries (by index, with when they were logged): signed by a key that was stolen by then, as is known
    today, and not reaffirmed since.
    """
    stolen = {
        key_id: key.invalid_since_ms for key_id, key in reading.roster.keys.items() if key.invalid_since_ms is not None
    }
    if not stolen:
        return set()
    suspects = [index for index, at_ms in received.items() if at_ms >= min(stolen.values())]
    query = sa.select(ENTRY.c.index, ENTRY.c.issuer, ENTRY.c.digest, BODY.c.envelope)
    query = query.join(BODY, BODY.c.index == ENTRY.c.index).where(ENTRY.c.index.in_(suspects))
    found: dict[tuple[str, str], int] = {}
    for row in rows(connection, query):
        keys = [one.key_id for one in decode_envelope(bytes(row.envelope)).signatures]
        if any(key in stolen and received[row.index] >= stolen[key] for key in keys):
            found[row.issuer, bytes(row.digest).hex()] = row.index
    return set(found.values()) - {found[named] for named in _reaffirmed(connection, reading) if named in found}


def _reaffirmed(connection: Connection, reading: Reading) -> set[tuple[str, str]]:
    """What its issuer has said again under another key: (issuer, digest in hex)."""
    query = sa.select(ITEM.c.issuer, BODY.c.envelope).join(BODY, BODY.c.index == ITEM.c.index)
    query = query.where(ITEM.c.kind == "reaffirm", reading.sees(ITEM.c.visibility))
    found: set[tuple[str, str]] = set()
    for row in rows(connection, query):
        digests = decode(decode_envelope(bytes(row.envelope)).statement).body.get("digests")
        found |= {(row.issuer, str(one)) for one in digests} if isinstance(digests, list) else set()
    return found
