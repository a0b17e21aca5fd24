"""What was said already of the same ship, box or address: an officer sees it before he says it once more.

Another indicator of one and the same thing makes every watch count it twice. Instead of it he may relate his words to
the one there is: what is published then is a note about that indicator, which the same rule guards as everything that
names another port's object (it goes to nobody who may not read that).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from node import indicators, outbox, tables
from node.drafts import Proposal
from node.indicators import Indicator
from port2port import sharing
from port2port import statement as stm
from port2port.errors import MalformedError
from port2port.patterns import IndexKey
from port2port.stix import objects as stix
from port2port.stix.normalise import normalise
from port2port.tlp import UNMARKED, Tlp
from port2port.wire import decode_envelope

_OUTBOX: Final = tables.Outbox.__table__  # type: ignore[attr-defined]  # SQLModel adds it
SHOWN_MOST: Final = 20
_PAST: Final = (outbox.CLEARED, outbox.REFUSED)


class RelatesError(MalformedError):
    """What the words shall relate to was not among what is similar."""

    code = "RELATES"


@dataclass(frozen=True, slots=True, kw_only=True)
class Similar:
    """An indicator in force on the same thing. ``index`` None: it is ours, and the hub has not logged it yet."""

    issuer: str
    stix_id: str
    statement_id: str
    name: str
    value: str
    said_at: datetime
    tlp: Tlp
    index: int | None


def similar(connection: Connection, member: str, objects: Sequence[bytes], now: datetime) -> tuple[Similar, ...]:
    """What stands, by ourselves and by others, on what these objects name; the newest first.

    Only what this port received is here, and everybody at its desk may read that.
    """
    mine = {str(data["id"]) for data in map(orjson.loads, objects)}
    wanted = {key for raw in objects for key in indicators.values_in(raw)}
    if not wanted:
        return ()
    found: dict[tuple[str, str], Similar] = {}
    for one in indicators.naming(connection, wanted, now, most=SHOWN_MOST + len(mine)):
        same = wanted & indicators.values_in(one.stix)
        if same and one.stix_id not in mine:
            found[one.issuer, one.stix_id] = _of(one, min(str(value) for _, value in same))
    for here in _on_their_way(connection, member, wanted):
        if here.stix_id not in mine:
            found.setdefault((here.issuer, here.stix_id), here)
    return tuple(sorted(found.values(), key=lambda one: one.said_at, reverse=True)[:SHOWN_MOST])


def relate(proposal: Proposal, chosen: Sequence[str], known: Sequence[Similar], now: datetime) -> Proposal:
    """The same words about indicators that there are, in place of indicators of our own. Raises RelatesError."""
    if not chosen:
        return proposal
    ids = {one.stix_id for one in known}
    if not set(chosen) <= ids:
        raise RelatesError("this is no longer in force, or about something else: look at the list again")
    every = [(raw, orjson.loads(raw)) for raw in proposal.objects]
    ours = {data["id"] for _, data in every if data["type"] == "indicator"}
    kept = [_about(raw, data, ours, chosen) for raw, data in every if data["id"] not in ours]
    if not any(data["type"] == "note" for _, data in every):
        kept = [_note(data, chosen, now, proposal.tlp) for _, data in every if data["id"] in ours] + kept
    return replace(proposal, kind="report", objects=tuple(kept))


def _about(raw: bytes, data: dict[str, Any], ours: set[str], chosen: Sequence[str]) -> bytes:
    """A note that named our indicator names theirs."""
    refs = data.get("object_refs", [])
    if data["type"] != "note" or not ours.intersection(refs):
        return raw
    return normalise({**data, "object_refs": [*(one for one in refs if one not in ours), *chosen]})


def _note(data: dict[str, Any], chosen: Sequence[str], now: datetime, tlp: Tlp) -> bytes:
    header = stix.Header(
        ident=uuid.uuid5(uuid.UUID(data["id"].partition("--")[2]), "note"),
        issuer=data["created_by_ref"],
        created=now,
        tlp=tlp,
        confidence=data.get("confidence"),
        labels=tuple(data.get("labels", ())),
    )
    content = str(data.get("description") or data.get("name") or data["pattern"])
    return stix.note(header, content=content, abstract=data.get("name"), object_refs=chosen)


def _of(one: Indicator, value: str) -> Similar:
    return Similar(
        issuer=one.issuer,
        stix_id=one.stix_id,
        statement_id=one.statement_id,
        name=str(orjson.loads(one.stix).get("name", "")),
        value=value,
        said_at=one.modified,
        tlp=one.tlp,
        index=one.entry_index,
    )


def _on_their_way(connection: Connection, member: str, wanted: set[IndexKey]) -> Iterator[Similar]:
    """Our own that no checkpoint holds yet, and so no table of what is in force."""
    open_rows = (_OUTBOX.c.kind.in_(sorted(indicators.CARRIERS)), _OUTBOX.c.state.not_in(_PAST))
    for envelope in connection.scalars(sa.select(_OUTBOX.c.envelope).where(*open_rows)):
        opened = decode_envelope(envelope)
        said = stm.decode(opened.statement)
        for item in opened.objects if said.realm == sharing.REAL else ():
            same = wanted & indicators.values_in(item.body)
            if same:
                data = orjson.loads(item.body)
                yield Similar(
                    issuer=member,
                    stix_id=data["id"],
                    statement_id=said.id,
                    name=str(data.get("name", "")),
                    value=min(str(value) for _, value in same),
                    said_at=said.issued,
                    tlp=said.tlp or UNMARKED,
                    index=None,
                )
