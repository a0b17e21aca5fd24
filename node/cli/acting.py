"""``review publish``, ``reject``, ``approve``, ``waiting``, ``override``, ``withdraw`` and ``retract``: officers' acts.

With enough officers at this terminal an act is done at once. With one where two are needed it is prepared and signed by
the first, and waits until another, at any desk of this port, types ``review approve``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy.engine import Connection

from node import act_store, acts
from node.acts import preparing, silencing
from node.acts.asked import Asked
from node.acts.signing import Outcome
from node.cli.desk import Desk, show
from node.drafts import Draft
from node.publish import Author, Officer
from node.review import Choice
from node.two_person import Reason, TwoPersonError
from port2port import canonical
from port2port.authority import AuthorityError
from port2port.clock import to_text
from port2port.errors import MalformedError
from port2port.levels import Level
from port2port.tlp import parse as tlp_of
from port2port.verify import RefusedError

Prepare = Callable[[Connection, Author, Asked], acts.Prepared]


def publish(args: argparse.Namespace, desk: Desk, choice: Choice) -> None:
    """Sign a draft and send it."""
    outcome = _act(args, desk, lambda c, author, asked: preparing.publish_draft(c, author, args.id, choice, asked))
    show(args, _answer(outcome), _lines(outcome))


def publish_report(args: argparse.Namespace, desk: Desk, add: Callable[[Connection], Draft]) -> None:
    """Make a draft of a report and publish it as it is, in one transaction."""

    def prepare(connection: Connection, author: Author, asked: Asked) -> acts.Prepared:
        return preparing.publish_draft(connection, author, add(connection).id, Choice(), asked)

    outcome = _act(args, desk, prepare)
    show(args, {"id": outcome.act.subject, **_answer(outcome)}, _lines(outcome))


def reject(args: argparse.Namespace, desk: Desk) -> None:
    """Close a draft without sending anything."""
    outcome = _act(args, desk, lambda c, author, asked: preparing.reject_draft(c, author, args.id, args.reason, asked))
    done = outcome.act.state == acts.DONE
    lines = [f"{outcome.act.subject} rejected; nothing was sent"] if done else _lines(outcome)
    show(args, {"id": outcome.act.subject, "state": "rejected" if done else "open", **_answer(outcome)}, lines)


def retract(args: argparse.Namespace, desk: Desk) -> None:
    """Take back what was published."""
    outcome = _act(args, desk, lambda c, author, asked: preparing.retract(c, author, args.id, args.reason, asked))
    lines = [f"retracted: {item.statement_id} goes to the same readers" for item in outcome.queued]
    show(args, _answer(outcome), lines or _lines(outcome))


def suppress(args: argparse.Namespace, desk: Desk, until: timedelta) -> bool:
    """Silence something, once as many officers as the port's rule asks for have signed: False while it waits."""

    def prepare(connection: Connection, author: Author, asked: Asked) -> acts.Prepared:
        return silencing.suppress(
            connection,
            author,
            asked,
            kind=args.kind,
            what=args.subject,
            reason=args.reason,
            until=asked.now + until,
        )

    outcome = _act(args, desk, prepare)
    if outcome.act.state == acts.DONE:
        return True
    show(args, _answer(outcome), _lines(outcome))
    return False


def end_suppression(args: argparse.Namespace, desk: Desk) -> None:
    """Stop silencing: the port sees more then, so one officer is enough whatever its rule."""
    _act(args, desk, lambda c, author, asked: silencing.end(c, author, asked, args.id, args.reason))


def set_levels(args: argparse.Namespace, desk: Desk) -> None:
    """Set the security level of ports, by two officers; with an end, also what follows it. Raises MalformedError."""
    starts = _moment(args.starts) if args.starts else desk.clock.now()

    def change(port: str, number: int, effective: datetime) -> Level:
        return Level(locode=port.upper(), level=number, effective=effective, reason=args.reason)

    levels = [change(port, args.level, starts) for port in args.port]
    if args.until:
        levels += [change(port, args.then, _moment(args.until)) for port in args.port]
    tlp = tlp_of(args.tlp)
    outcome = _act(args, desk, lambda c, author, asked: preparing.set_levels(c, author, levels, tlp, asked))
    show(args, _answer(outcome), _lines(outcome))


def waiting(args: argparse.Namespace, desk: Desk) -> None:
    """What waits for an officer's signature, and which overrides for their second check."""

    def look(connection: Connection) -> list[tuple[acts.Prepared, int]]:
        found = [(act, acts.missing(connection, act)) for act in act_store.listed(connection)]
        return [*found, *((act, 1) for act in act_store.unchecked(connection))]

    rows = [
        {
            "id": act.id,
            "kind": act.kind,
            "about": act.subject,
            "author": act.author,
            "made": to_text(act.made_at),
            "until": to_text(act.check_by or act.closes_at),
            "missing": number,
            "rules": [*act.reasons],
            "readers": canonical.loads_object(act.document, limit=canonical.SAFE_INTEGER).get("readers", []),
            "second_check": act.check_by is not None,
        }
        for act, number in desk.read(look)
    ]
    lines = [
        f"{row['id']:<5} {'second check of ' if row['second_check'] else ''}{row['kind']} {row['about']}, by "
        f"{row['author']} at {row['made']}, until {row['until']}: {row['missing']} to sign"
        for row in rows
    ]
    show(args, rows, lines or ["nothing waits for a signature"])


def approve(args: argparse.Namespace, desk: Desk) -> None:
    """Sign an act that another officer prepared, or confirm his override."""
    author, roster, officers = desk.author(), desk.roster(), desk.officers(args)
    now = desk.clock.now()

    def action(connection: Connection) -> Outcome:
        act = act_store.get(connection, args.act)
        if act.state == acts.DONE and act.check_by is not None:
            asked = _asked(desk, officers, override="")
            act = acts.confirm_override(connection, author, act.id, args.reason or "confirmed", asked)
        return acts.sign_at_once(connection, author, act, officers, roster, now=now)

    outcome = desk.write(action)
    show(args, _answer(outcome), _lines(outcome))


def withdraw(args: argparse.Namespace, desk: Desk) -> None:
    """Give up what waits, or send it back: the draft is open again."""
    (officer,) = desk.officers(args)
    now = desk.clock.now()
    act = desk.write(lambda c: acts.withdraw(c, args.act, by=officer.pseudonym, reason=args.reason, now=now))
    show(args, {"act": act.id, "state": act.state}, [f"act {act.id} is given up; {act.subject} is open as before"])


def override(args: argparse.Namespace, desk: Desk) -> None:
    """Publish at once with one signature in an emergency, or show the share of overrides."""
    outcome = _act(
        args,
        desk,
        lambda c, author, asked: preparing.publish_draft(c, author, args.id, Choice(), asked),
        emergency=args.reason,
    )
    show(args, _answer(outcome), _lines(outcome))


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise MalformedError("a time looks like 2026-11-22T18:00+01:00") from error
    if found.tzinfo is None:
        raise MalformedError("a time says its offset, as in 2026-11-22T18:00+01:00")
    return found.astimezone(UTC)


def _asked(desk: Desk, officers: tuple[Officer, ...], *, override: str) -> Asked:
    return Asked(
        roster=desk.roster(),
        officer=officers[0].pseudonym,
        now=desk.clock.now(),
        rule=desk.rules.two_person.rule(),
        officers=officers,
        override=override,
    )


def _act(args: argparse.Namespace, desk: Desk, prepare: Prepare, *, emergency: str = "") -> Outcome:
    """At once where enough officers are here; else the first signs, and it waits for another."""
    author, officers = desk.author(), desk.officers(args)
    asked = _asked(desk, officers, override=emergency)

    def action(connection: Connection, by: Asked) -> Outcome:
        act = prepare(connection, author, by)
        return acts.sign_at_once(connection, author, act, officers, by.roster, now=by.now)

    try:
        return desk.write(lambda connection: action(connection, asked))
    except (TwoPersonError, RefusedError) as error:
        too_few = isinstance(error, TwoPersonError) or error.cause_code == AuthorityError.code
        if not too_few or not author.desk or len(officers) > 1 or emergency:
            raise
    return desk.write(lambda connection: action(connection, replace(asked, officers=())))


def _answer(outcome: Outcome) -> dict[str, object]:
    return {
        "act": outcome.act.id,
        "act_state": outcome.act.state,
        "statements": [
            {"id": item.statement_id, "digest": item.digest.hex(), "state": item.state} for item in outcome.queued
        ],
    }


def _why(act: acts.Prepared) -> str:
    """Which rules ask for two officers."""
    return ": " + ", and ".join(Reason(one).sentence for one in act.reasons) if act.reasons else ""


def _lines(outcome: Outcome) -> list[str]:
    act = outcome.act
    if act.state == acts.WAITING:
        return [
            f"signed by you, and waits for another officer until {act.closes_at:%H:%M} UTC{_why(act)}",
            f"he types: port2port-node review approve {act.id}",
        ]
    lines = [f"published as {item.statement_id}" for item in outcome.queued]
    lines += ["it leaves as soon as the hub is reached; who got it: explain ID"] if lines else [f"act {act.id} is done"]
    if act.check_by is not None:
        lines.append(f"another officer checks it by {act.check_by:%H:%M} UTC: review approve {act.id}")
    return lines
