"""``report``: what an officer saw himself becomes a draft, and with ``--publish`` at once a statement."""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from sqlalchemy.engine import Connection

from node import drafts, report, review
from node.cli import acting
from node.cli.desk import Desk, show
from node.cli.reviewing import choice_of
from node.drafts import Draft, Proposal
from node.report import Sight
from port2port.errors import ConfigurationError
from port2port.geo import Position
from port2port.patterns import TemplateCache
from port2port.stix.validate import StixValidator


def run(args: argparse.Namespace) -> int:
    """One report. Raises ConfigurationError, IdentifierError (with the right digit) or ReportError."""
    if args.publish and args.officer is None:
        raise ConfigurationError("--publish needs --officer: somebody must sign")
    with Desk.open(args.config) as desk:
        now = desk.clock.now()
        sight = Sight(text=args.text, at=moment(args.at, now), place=args.place or "", position=position(args.position))
        validator = StixValidator(TemplateCache())
        maker = report.Desk(defaults=desk.defaults(), now=now, new_id=uuid.uuid4, validate=validator.validate)
        # Who saw it himself proposes its marking too: there is nothing that he could widen.
        proposal = review.chosen(_MAKERS[args.what](args, maker, sight), choice_of(args))
        why = report.why_of(sight) | ({"author": args.officer} if args.officer else {})

        def add(connection: Connection) -> Draft:
            return drafts.add(connection, report.SOURCE, proposal, why, now=now)

        if args.publish:
            acting.publish_report(args, desk, add)
            return 0
        draft = desk.write(add)
        lines = [
            *review.describe(draft),
            "nothing is sent yet; publish it with:",
            f"  port2port-node review publish {draft.id} --config {args.config} --officer YOU",
        ]
        show(args, {"id": draft.id, "statements": []}, lines)
    return 0


def moment(text: str | None, now: datetime) -> datetime:
    """An ISO time, UTC unless it says otherwise; now where none is given. Raises ConfigurationError."""
    if text is None:
        return now
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError("a time looks like 2026-11-22T03:15, in UTC") from error
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    if found > now:
        raise ConfigurationError("this time lies in the future: times are UTC")
    return found


def position(text: str | None) -> Position | None:
    """``51.23,4.40``: latitude, longitude in degrees. Raises ConfigurationError."""
    if text is None:
        return None
    try:
        latitude, longitude = map(float, text.split(","))
    except ValueError as error:
        raise ConfigurationError("a position looks like 51.2345,4.4012: latitude, longitude in degrees") from error
    return Position(latitude_deg=latitude, longitude_deg=longitude)


def _vessel(args: argparse.Namespace, desk: report.Desk, sight: Sight) -> Proposal:
    return report.vessel(
        desk, sight, mmsi=args.mmsi, imo=args.imo, eni=args.eni, name=args.name, call_sign=args.call_sign
    )


_MAKERS: Final[dict[str, Callable[[argparse.Namespace, report.Desk, Sight], Proposal]]] = {
    "vessel": _vessel,
    "no-ais": lambda args, desk, sight: report.no_ais(desk, sight, name=args.name),
    "container": lambda args, desk, sight: report.container(desk, sight, number=args.value),
    "domain": lambda args, desk, sight: report.domain(desk, sight, value=args.value),
    "address": lambda args, desk, sight: report.address(desk, sight, value=args.value),
    "note": lambda _args, desk, sight: report.note(desk, sight),
}
