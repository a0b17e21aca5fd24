"""Looking up a container, a badge or a person: only for a case, only one at a time, and never unseen.

Who asks says which case it is for and why; both stand in the audit trail with what was asked, whatever the answer. No
wildcard is taken. Without a case the answer is one and the same for what is listed and what is not, and is given
before anything is searched, so that neither its words nor its time tell them apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from node import indicators, store, tables
from node.indicators import Indicator
from node.store import AuditLine
from port2port import canonical
from port2port.clock import to_ms, to_text
from port2port.errors import MalformedError, Port2PortError
from port2port.identifiers import check_container
from port2port.patterns import TemplateCache, compile_pattern

_TABLE: Final = tables.IndicatorRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
ACTION: Final = "look-up"
CASE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ./_-]{2,59}", re.ASCII)
REASON_CHARS: Final = 300
VALUE_CHARS: Final = 200
NEEDS_CASE: Final = "Say which case this is for, and why: nothing is searched without."


class LookupValueError(MalformedError):
    """What is looked up is no value of its kind, or has a wildcard."""

    code = "LOOKUP_VALUE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One look-up. ``who`` is a pseudonym, ``where`` the desk or address it was asked from."""

    kind: str
    value: str
    who: str
    case: str = ""
    reason: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """An indicator in which the very value stands."""

    issuer: str
    stix_id: str
    name: str
    handling: str
    tlp: str
    valid_until: datetime | None
    revoked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """``searched`` is False where no case was given, or no value that can be looked up: then nothing was looked at."""

    searched: bool
    text: str
    hits: tuple[Hit, ...] = ()


def look_up(connection: Connection, question: Question, *, now: datetime) -> Answer:
    """The indicators that name exactly this, with a line in the audit trail for the asking.

    It raises nothing for what was typed: the line is kept whatever it was.
    """
    has_case = bool(CASE.fullmatch(question.case.strip())) and 0 < len(question.reason.strip()) <= REASON_CHARS
    _write_down(connection, question, now, has_case=has_case)
    if not has_case:
        return Answer(searched=False, text=NEEDS_CASE)
    kind = KINDS.get(question.kind)
    if kind is None:
        return Answer(searched=False, text=f"Look up one of {', '.join(sorted(KINDS))}.")
    try:
        value = kind.read(_plain(question.value))
    except Port2PortError as error:
        return Answer(searched=False, text=error.text)
    hits = tuple(_hit(one) for one in _naming(connection, kind.paths, value))
    text = f"Listed in {len(hits)}." if hits else "Not listed in any indicator this port has received."
    return Answer(searched=True, text=text, hits=hits)


def _write_down(connection: Connection, question: Question, now: datetime, *, has_case: bool) -> None:
    facts: dict[str, canonical.Json] = {
        "at": to_text(now),
        "case": question.case[:VALUE_CHARS],
        "kind": question.kind[:VALUE_CHARS],
        "reason": question.reason[:REASON_CHARS],
        "has_case": has_case,
        "value": question.value[:VALUE_CHARS],
        "where": question.where[:VALUE_CHARS],
    }
    raw = canonical.dumps({name: _safe(value) for name, value in facts.items()})
    subject = question.kind if question.kind in KINDS else "unknown"
    store.audit(
        connection, AuditLine(at_ms=to_ms(now), officer=question.who, action=ACTION, subject=subject, facts=raw)
    )


def _safe(value: canonical.Json) -> canonical.Json:
    """Text that can be written down, whatever was typed: lone surrogates become question marks."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _plain(text: str) -> str:
    value = text.strip()
    if not value or len(value) > VALUE_CHARS or not value.isprintable():
        raise LookupValueError(f"say what to look up, in at most {VALUE_CHARS} characters")
    if any(char in value for char in "*?%[]\\\"'"):
        raise LookupValueError("no wildcards: look up one at a time, in full")
    return value


def _naming(connection: Connection, paths: tuple[str, ...], value: str) -> list[Indicator]:
    """The indicators whose pattern the value alone satisfies at one of the paths."""
    inside = sa.func.instr(_TABLE.c.body, value.encode()) > 0
    query = sa.select(_TABLE.c.stix_id).where(inside).order_by(_TABLE.c.issuer, _TABLE.c.stix_id)
    templates = TemplateCache()
    return [
        one
        for stix_id in dict.fromkeys(connection.scalars(query))
        for one in indicators.by_stix_id(connection, stix_id)
        if one.realm == indicators.REAL and _names(one, paths, value, templates)
    ]


def _names(one: Indicator, paths: tuple[str, ...], value: str, templates: TemplateCache) -> bool:
    if not one.stix:
        return False
    try:
        pattern = compile_pattern(str(orjson.loads(one.stix).get("pattern", "")), templates)
    except Port2PortError:
        return False
    return any(pattern.touches({path: value}) for path in paths)


def _hit(one: Indicator) -> Hit:
    data = orjson.loads(one.stix)
    return Hit(
        issuer=one.issuer,
        stix_id=one.stix_id,
        name=str(data.get("name", "")),
        handling=one.handling,
        tlp=one.tlp.label,
        valid_until=one.valid_until,
        revoked=one.revoked,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """Where a kind of thing stands in patterns, and how its value is read."""

    paths: tuple[str, ...]
    read: Callable[[str], str]


def _lower(value: str) -> str:
    return value.lower()


def _as_it_is(value: str) -> str:
    return value


KINDS: Final[Mapping[str, _Kind]] = {
    "container": _Kind(paths=("freight-container:number",), read=check_container),
    "badge": _Kind(paths=("badge:pseudonym",), read=_as_it_is),
    "vehicle": _Kind(paths=("vehicle:pseudonym",), read=_as_it_is),
    "person": _Kind(paths=("email-addr:value", "user-account:user_id", "user-account:account_login"), read=_lower),
}
