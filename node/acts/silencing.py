"""Silence: what silences at this port is decided like everything else, and silences from the last signature on.

A mute, an exception or expected works is frozen as a decision first; the port's rule (``[two_person]``, action
``suppress``) says how many officers sign it. What takes effect is read from the signed decision itself. Silence that
would have ended by itself while its act waited never begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy.engine import Connection

from node import suppressions, works
from node.act_store import Prepared
from node.acts import preparing
from node.acts.asked import Asked
from node.publish import Author
from node.review import require_reason
from node.works import Work
from port2port import canonical
from port2port.canonical import Json
from port2port.clock import from_text, to_text

SUPPRESS: Final = "suppress"
END: Final = "end-suppression"


def suppress(
    connection: Connection, author: Author, asked: Asked, *, kind: str, what: str, reason: str, until: datetime
) -> Prepared:
    """An act that silences ``what`` until a time. Raises SuppressionError, ReasonError or ActWaitsError."""
    require_reason(reason)
    suppressions.require_right(
        kind=kind, subject=what, owner=asked.officer, reason=reason, now=asked.now, expires_at=until
    )
    facts: dict[str, Json] = {"kind": kind, "reason": reason, "until": to_text(until), "what": what}
    return preparing.decide(connection, author, asked, action=SUPPRESS, subject=f"{kind}:{what}", facts=facts)


def expect(connection: Connection, author: Author, asked: Asked, work: Work) -> Prepared:
    """An act that announces works (``works.planned``), which silence while they last. Raises WorkError."""
    facts: dict[str, Json] = {
        "identities": [*work.identities],
        "kind": work.kind,
        "places": [*work.places],
        "starts": to_text(work.starts_at),
        "until": to_text(work.ends_at),
        "what": work.what,
        "where": work.where,
        "works": work.id,
    }
    return preparing.decide(connection, author, asked, action=SUPPRESS, subject=work.id, facts=facts)


def end(connection: Connection, author: Author, asked: Asked, ident: str, reason: str) -> Prepared:
    """An act that ends a suppression before its time, by one officer: the port sees more then, not less.

    Raises NoSuppressionError or ReasonError.
    """
    if all(one.id != ident for one in suppressions.in_force(connection, asked.now)):
        raise suppressions.NoSuppressionError("no such suppression is in force")
    require_reason(reason)
    return preparing.decide(connection, author, asked, action=END, subject=ident, facts={"reason": reason})


def take_effect(connection: Connection, act: Prepared, now: datetime) -> None:
    """What follows from such a decision, in the transaction that completes it; nothing from any other."""
    if act.kind == END:
        if any(one.id == act.subject for one in suppressions.in_force(connection, now)):
            suppressions.end(connection, act.subject, now)
    elif act.kind == SUPPRESS:
        said = canonical.loads_object(act.document, limit=canonical.SAFE_INTEGER)
        if from_text(str(said["until"])) > now:
            (_announce if "works" in said else _add)(connection, act, said, now)


def _add(connection: Connection, act: Prepared, said: Mapping[str, Any], now: datetime) -> None:
    suppressions.add(
        connection,
        kind=str(said["kind"]),
        subject=str(said["what"]),
        owner=act.author,
        reason=str(said["reason"]),
        now=now,
        expires_at=from_text(str(said["until"])),
    )


def _announce(connection: Connection, act: Prepared, said: Mapping[str, Any], now: datetime) -> None:
    works.announce(
        connection,
        kind=str(said["kind"]),
        what=str(said["what"]),
        where=str(said["where"]),
        owner=act.author,
        starts_at=from_text(str(said["starts"])),
        ends_at=from_text(str(said["until"])),
        now=now,
        places=[str(one) for one in said["places"]],
        identities=[str(one) for one in said["identities"]],
        ident=str(said["works"]),
    )
