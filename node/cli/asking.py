"""What a desk asks: ``preview``, ``explain``, ``seen``, ``hits``, ``indicators``, and ``evidence`` that proves it."""

from __future__ import annotations

import argparse
from functools import partial
from hashlib import sha256

from sqlalchemy.engine import Connection

from node import drafts, evidence, explain, indicators, receipts, review, sightings, store
from node.cli.desk import Desk, show, write_new
from node.cli.reviewing import choice_of
from node.indicators import Indicator
from node.store import AuditLine
from port2port import canonical
from port2port.clock import to_ms, to_text
from port2port.errors import NotFoundError
from port2port.ids import is_stix_id
from port2port.limits import LIMITS


def run_preview(args: argparse.Namespace) -> int:
    """Who would read a draft, as proposed or as changed on the command line."""
    with Desk.open(args.config) as desk:
        roster, now = desk.roster(), desk.clock.now()
        draft = desk.read(partial(drafts.get, draft_id=args.id))
        proposal = review.chosen(draft.proposal, choice_of(args))
        found = desk.read(lambda connection: explain.preview(connection, desk.member, proposal, roster, now))
        show(args, found.to_json(), found.lines())
    return 0


def run_explain(args: argparse.Namespace) -> int:
    """Who received it, who did not, and by which rule."""
    with Desk.open(args.config) as desk:
        roster = desk.roster()
        told = desk.read(lambda connection: explain.explain(connection, desk.member, args.id, roster))
        show(args, explain.to_json(told), explain.lines(told))
    return 0


def run_evidence(args: argparse.Namespace) -> int:
    """Write the ZIP, and its digest into the audit trail."""
    with Desk.open(args.config) as desk:
        own = desk.read(partial(explain.find_own, ident=args.id))
        if not own:
            raise evidence.NoEvidenceError("this port has published nothing of this id")
        statement_id = own[0].statement.id
        raw = desk.read(lambda connection: evidence.collect(connection, statement_id, desk.settings.genesis))
        write_new(args.out, raw)
        digest, now = sha256(raw).hexdigest(), desk.clock.now()
        facts = canonical.dumps({"at": to_text(now), "sha256": digest})
        line = AuditLine(at_ms=to_ms(now), officer="", action="evidence", subject=statement_id, facts=facts)
        desk.write(partial(store.audit, line=line))
        value = {"file": str(args.out), "sha256": digest, "statement": statement_id, "others": len(own) - 1}
        show(args, value, [f"{args.out} written, SHA-256 {digest}", "HOW-TO-CHECK.txt in it says how to check it"])
    return 0


def run_seen(args: argparse.Namespace) -> int:
    """Tell the author that an officer has opened it; no name goes out."""
    with Desk.open(args.config) as desk:
        now_ms = to_ms(desk.clock.now())

        def action(connection: Connection) -> int:
            entries = [
                entry
                for statement_id in _statements(connection, args.id)
                if (entry := store.entry_by_statement(connection, statement_id)) is not None and not entry.own
            ]
            receipts.owe(connection, [(entry.index, entry.digest) for entry in entries], "seen", now_ms)
            return len(entries)

        if not desk.write(action):
            raise NotFoundError("nothing of this id was received from another port")
        show(args, {"seen": args.id}, ["the author is told that an officer here has seen it"])
    return 0


def run_hits(args: argparse.Namespace) -> int:
    """What we have seen under others' indicators; handling is the first thing in each line."""
    with Desk.open(args.config) as desk:
        rows = desk.read(sightings.hits)
        lines = [
            f"{row['handling'].upper():<12} {row['subject']}  {row['first_seen']:%Y-%m-%d %H:%M} to "
            f"{row['last_seen']:%Y-%m-%d %H:%M} UTC, {sightings.times(row['count'])}"
            f"{', ' + sightings.which_ship(row['track']) if row['track'] else ''}; {row['issuer']} asked; "
            f"sighting {row['state']}"
            for row in rows
        ]
        for row in rows:
            row |= {"first_seen": to_text(row["first_seen"]), "last_seen": to_text(row["last_seen"])}
        show(args, rows, lines or ["no hits"])
    return 0


def run_indicators(args: argparse.Namespace) -> int:
    """What this port looks for, the newest first, and what its own past says of each."""
    with Desk.open(args.config) as desk:
        found = desk.read(lambda connection: indicators.changed_since(connection, -1))[::-1]
        rows = [_looked_for(one) for one in found]
        lines = [
            f"{str(row['handling']).upper():<12} {row['name']}  {row['pattern']}  from {row['issuer']}, "
            f"{row['tlp']}; {row['state']}{'; past: ' + str(row['past']) if row['past'] else ''}"
            for row in rows
        ]
        show(args, rows, lines or ["no indicators yet"])
    return 0


def _looked_for(one: Indicator) -> dict[str, object]:
    """``state`` says why it is not watched where it is not; own indicators are not, they are for others."""
    data = canonical.loads_object(one.stix, limit=LIMITS.object_bytes) if one.stix else {}
    flags = [name for name in ("revoked", "suspended", "disputed") if getattr(one, name)]
    return {
        "handling": one.handling,
        "issuer": one.issuer,
        "id": one.stix_id,
        "statement": one.statement_id,
        "name": data.get("name", ""),
        "pattern": data.get("pattern", ""),
        "tlp": one.tlp.label,
        "realm": one.realm,
        "valid_until": None if one.valid_until is None else to_text(one.valid_until),
        "state": ", ".join([*flags, *filter(None, (one.state, one.reason))]) or "not watched",
        "past": None if one.past is None else one.past.get("verdict"),
    }


def _statements(connection: Connection, ident: str) -> list[str]:
    if is_stix_id(ident):
        return [one.statement_id for one in indicators.by_stix_id(connection, ident)]
    return [ident if ident.startswith("urn:uuid:") else f"urn:uuid:{ident}"]
