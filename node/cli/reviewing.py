"""``review``, ``retract``, ``suppress``, ``approve-rule``: what an officer decides, signed with his key."""

from __future__ import annotations

import argparse
from datetime import timedelta
from functools import partial
from hashlib import sha256

from node import drafts, review, rules, suppressions
from node.cli import acting
from node.cli.desk import Desk, show
from node.drafts import Draft
from node.review import Choice
from port2port.canonical import Json
from port2port.clock import to_text
from port2port.errors import NotFoundError
from port2port.tlp import parse as tlp_of


def run(args: argparse.Namespace) -> int:
    """One of the sub-commands of ``review``."""
    actions = {
        "list": _list,
        "show": _show,
        "publish": _publish,
        "reject": _reject,
        "waiting": acting.waiting,
        "approve": acting.approve,
        "withdraw": acting.withdraw,
        "override": acting.override,
    }
    with Desk.open(args.config) as desk:
        actions[args.action](args, desk)
    return 0


def run_retract(args: argparse.Namespace) -> int:
    """Take back what was published."""
    with Desk.open(args.config) as desk:
        acting.retract(args, desk)
    return 0


def run_level(args: argparse.Namespace) -> int:
    """Set a security level, at the node of its authority."""
    with Desk.open(args.config) as desk:
        acting.set_levels(args, desk)
    return 0


def run_suppress(args: argparse.Namespace) -> int:
    """List, add or end what silences findings."""
    with Desk.open(args.config) as desk:
        if args.action == "add" and not acting.suppress(args, desk, timedelta(days=args.days)):
            return 0
        if args.action == "end":
            acting.end_suppression(args, desk)
        now = desk.clock.now()
        standing = desk.read(partial(suppressions.in_force, now=now))
        counts = desk.read(partial(drafts.suppressed_count, since=now - timedelta(days=30)))
        value = [
            {
                "id": one.id,
                "kind": one.kind,
                "subject": one.subject,
                "owner": one.owner,
                "reason": one.reason,
                "until": to_text(one.expires_at),
                "silenced_30_days": counts.get(one.id, 0),
            }
            for one in standing
        ]
        show(
            args,
            value,
            [
                f"{row['id']}  {row['kind']} {row['subject']} until {row['until']}, by {row['owner']}: {row['reason']} "
                f"({row['silenced_30_days']} findings in 30 days)"
                for row in value
            ]
            or ["nothing is silenced"],
        )
    return 0


def run_approve_rule(args: argparse.Namespace) -> int:
    """Sign a rule of the rules file; the signature goes into that file."""
    with Desk.open(args.config) as desk:
        act = desk.act(desk.officers(args), desk.roster())
        (officer,) = act.officers
        rule = next((one for one in desk.rules.automatic() if one.id == args.id), None)
        if rule is None:
            raise NotFoundError(f"the rules file has no rule {args.id}")
        signature = rules.approval(rule, officer)
        digest = sha256(rule.to_bytes()).hexdigest()
        facts: dict[str, Json] = {"at": to_text(act.now), "digest": digest, "version": rule.version}
        desk.write(
            lambda connection: review.record(
                connection, officer, act.now, action="approve-rule", subject=rule.id, facts=facts
            )
        )
        show(args, {"id": rule.id, "signature": signature}, [f'signature = "{signature}"'])
    return 0


def choice_of(args: argparse.Namespace) -> Choice:
    """What an officer changed on the command line."""
    return Choice(
        tlp=None if args.tlp is None else tlp_of(args.tlp),
        groups=None if args.group is None else tuple(args.group),
        recipients=None if args.recipient is None else tuple(args.recipient),
        handling=args.handling,
        purpose=args.purpose,
        personal_data=args.personal_data,
        suspect=args.suspect,
    )


def summary(draft: Draft) -> dict[str, object]:
    """One row of the list, for machines."""
    said = draft.proposal
    return {
        "id": draft.id,
        "kind": draft.why.get("kind") or said.kind,
        "title": review.headline(draft),
        "state": draft.state,
        "made": to_text(draft.made_at),
        "handling": said.handling,
        "tlp": said.tlp.value,
        "confidence": draft.why.get("confidence"),
        "single_open_source": draft.why.get("single_open_source"),
        "personal_data": said.personal_data,
        "findings": len(draft.findings),
        "evidence": len(draft.evidence),
        "statements": [*draft.statements],
    }


def _list(args: argparse.Namespace, desk: Desk) -> None:
    found = desk.read(partial(drafts.listed, state=args.state))
    lines = [
        f"{one.id:<5} {one.proposal.handling or '-':<12} {one.made_at:%d %b %H:%M}  {review.headline(one)}"
        for one in found
    ]
    show(args, [summary(one) for one in found], lines or [f"no draft is {args.state}"])


def _show(args: argparse.Namespace, desk: Desk) -> None:
    draft = desk.read(partial(drafts.get, draft_id=args.id))
    value = {
        **summary(draft),
        "why": dict(draft.why),
        "objects": [raw.decode() for raw in draft.proposal.objects],
        "groups": [*draft.proposal.groups],
        "recipients": [*draft.proposal.recipients],
    }
    show(args, value, review.describe(draft))


def _publish(args: argparse.Namespace, desk: Desk) -> None:
    acting.publish(args, desk, choice_of(args))


def _reject(args: argparse.Namespace, desk: Desk) -> None:
    acting.reject(args, desk)
