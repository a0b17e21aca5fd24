"""Decide with key files at hand: prepare and sign in one transaction, by the same path as the screen."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from node import drafts
from node.acts import preparing, signing
from node.acts.asked import Asked
from node.drafts import Draft
from node.outbox import Queued
from node.publish import Act, Author
from node.review import Choice
from node.two_person import TwoPersonRule


def publish_draft(
    connection: Connection,
    author: Author,
    draft_id: str,
    choice: Choice,
    act: Act,
    *,
    rule: TwoPersonRule | None = None,
) -> tuple[Draft, list[Queued]]:
    """Publish under the officers' keys and write the decision down: one transaction.

    Raises NoDraftError, DraftDecidedError, TwoPersonError, or the error of the first rule in the way.
    """
    asked = asked_of(act, rule)
    made = preparing.publish_draft(connection, author, draft_id, choice, asked)
    outcome = signing.sign_at_once(connection, author, made, act.officers, act.roster, now=act.now)
    return drafts.get(connection, draft_id), [*outcome.queued]


def reject_draft(
    connection: Connection, author: Author, draft_id: str, reason: str, act: Act, *, rule: TwoPersonRule | None = None
) -> Draft:
    """Close a draft without publishing it.

    Raises ReasonError, NoDraftError, DraftDecidedError, TwoPersonError or OfficerError.
    """
    made = preparing.reject_draft(connection, author, draft_id, reason, asked_of(act, rule))
    signing.sign_at_once(connection, author, made, act.officers, act.roster, now=act.now)
    return drafts.get(connection, draft_id)


def retract(
    connection: Connection, author: Author, ident: str, reason: str, act: Act, *, rule: TwoPersonRule | None = None
) -> list[Queued]:
    """Take back what we published under this id, to the same readers. One transaction.

    Raises ReasonError, NothingToRetractError, TwoPersonError or as ``publish.publish``.
    """
    made = preparing.retract(connection, author, ident, reason, asked_of(act, rule))
    return [*signing.sign_at_once(connection, author, made, act.officers, act.roster, now=act.now).queued]


def asked_of(act: Act, rule: TwoPersonRule | None = None, *, override: str = "") -> Asked:
    """These officers, now; the first of them decides."""
    return Asked(
        roster=act.roster,
        officer=act.officers[0].pseudonym,
        now=act.now,
        rule=rule or TwoPersonRule(),
        officers=act.officers,
        override=override,
        realm=act.realm,
    )
