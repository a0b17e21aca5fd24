"""Rows of the officer's desk: what silences, acts in hand, answers, works, duty and notices."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import Field

from node.tables.base import NodeRow, big, big_or_none, given_key


class SuppressionRow(NodeRow, table=True):
    """Whatever silences: with owner, reason and expiry."""

    __tablename__ = "suppression"
    id: str = Field(primary_key=True)
    kind: str
    subject: str = Field(index=True)
    owner: str
    reason: str
    made_ms: int = big()
    expires_ms: int = big()
    ended_ms: int | None = big_or_none()


class ActRow(NodeRow, table=True):
    """What an officer prepared and others sign: frozen bytes. ``signer`` is the key that numbered them, "" for none.

    Whoever can write here can make an act wait, vanish or miss its second check; an act with other bytes than the
    officers signed is refused by every reader.
    """

    __tablename__ = "act"
    id: str = Field(primary_key=True)
    kind: str
    subject: str = Field(index=True)
    state: str = Field(index=True)
    author: str
    need: int
    signer: str
    made_ms: int = big()
    closes_ms: int = big()
    closed_ms: int | None = big_or_none()
    reason: str = ""
    override: bool = False
    check_by_ms: int | None = big_or_none()
    checked_ms: int | None = big_or_none()
    checked_by: str = ""
    body: bytes


class ActSignatureRow(NodeRow, table=True):
    """One officer's signature over one part of an act, checked before it was stored."""

    __tablename__ = "act_signature"
    act: str = Field(primary_key=True)
    officer: str = Field(primary_key=True)
    part: int = Field(sa_column=sa.Column(sa.Integer, primary_key=True, autoincrement=False))
    key_id: str
    signature: bytes
    at_ms: int = big()


class HitAnswerRow(NodeRow, table=True):
    """What an officer answered to a hit; ``sighting_id`` is the stay in view it was about: a later stay asks again."""

    __tablename__ = "hit_answer"
    sighting_id: str = Field(primary_key=True)
    what: str
    officer: str
    at_ms: int = big()
    reason: str = ""
    act: str = ""


class WorkRow(NodeRow, table=True):
    """Expected works: a permit, divers, a tow. They silence by suppressions of their own, which end with them."""

    __tablename__ = "expected_work"
    id: str = Field(primary_key=True)
    kind: str
    from_ms: int = big()
    until_ms: int = big(index=True)
    ended_ms: int | None = big_or_none()
    body: bytes


class HandoverRow(NodeRow, table=True):
    """A shift handed over: what stood on the page, the lines the outgoing officer added, and who took it."""

    __tablename__ = "handover"
    id: int | None = Field(default=None, primary_key=True)
    outgoing: str = Field(index=True)
    incoming: str = Field(default="", index=True)
    made_ms: int = big()
    accepted_ms: int | None = big_or_none()
    body: bytes


class PhotoRow(NodeRow, table=True):
    """A picture behind a report, without its metadata; stays in the port. ``shared``: its digest is told."""

    __tablename__ = "photo"
    digest: bytes = Field(primary_key=True)
    draft: str = Field(primary_key=True, index=True)
    officer: str
    at_ms: int = big()
    description: str = ""
    shared: bool = False
    width: int
    height: int
    jpeg: bytes


class DeskItemRow(NodeRow, table=True):
    """Who looks at an item of the desk, and who acknowledged it first."""

    __tablename__ = "desk_item"
    id: str = Field(primary_key=True)
    looking: str = ""
    looking_ms: int | None = big_or_none()
    seen_by: str = ""
    seen_ms: int | None = big_or_none()


class LevelReadingRow(NodeRow, table=True):
    """That an officer of this port has read a change of the security level; ``index`` is its place in the log."""

    __tablename__ = "level_reading"
    index: int = given_key()
    officer: str = Field(primary_key=True)
    at_ms: int = big()


class NoticeRow(NodeRow, table=True):
    """One cause of items that nobody acknowledged: it counts them, and ``rung`` is how far it was escalated."""

    __tablename__ = "notice"
    id: int | None = Field(default=None, primary_key=True)
    cause: str = Field(index=True)
    severity: str
    opened_ms: int = big()
    closed_ms: int | None = Field(default=None, sa_type=sa.BigInteger, nullable=True, index=True)
    items: int
    rung: int = 0


class NoticeDeliveryRow(NodeRow, table=True):
    """One message of a notice by one channel to one receiver: queued, sent, failed, held back or over."""

    __tablename__ = "notice_delivery"
    id: int | None = Field(default=None, primary_key=True)
    notice: int = Field(index=True)
    channel: str
    receiver: str = ""
    severity: str
    made_ms: int = big(index=True)
    not_before_ms: int = big()
    attempts: int = 0
    state: str = Field(index=True)
    done_ms: int | None = big_or_none()
    code: str = ""


class DutySwapRow(NodeRow, table=True):
    """Two turns of the rota: who has the first asked to exchange them, who has the second agrees or declines."""

    __tablename__ = "duty_swap"
    id: int | None = Field(default=None, primary_key=True)
    first_shift: str
    first_on: str
    first_person: str
    second_shift: str
    second_on: str
    second_person: str
    state: str = Field(index=True)
    asked_ms: int = big()
    answered_ms: int | None = big_or_none()
