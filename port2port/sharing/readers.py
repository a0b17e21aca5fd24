"""What a decision is about: the audience of an entry, the reader who asks, the roster that knows both."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, Protocol

from port2port.statement import Statement
from port2port.tlp import UNMARKED, Tlp, strictest

REAL: Final = "real"


class ReaderKind(enum.Enum):
    """What sort of reader asks."""

    MEMBER = "member"
    AFFILIATE = "affiliate"
    CONSUMER = "consumer"
    PUBLIC = "public"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who asks; make it with ``member_reader`` and its siblings.

    ``member`` is the member itself or the member behind a consumer; an affiliate's comes from the roster.
    ``realm`` is the view the reader is in. ``roles`` are those of the person, as its own member gave them:
    they can never open what the member may not read.
    """

    kind: ReaderKind
    member: str | None = None
    affiliate: str | None = None
    ceiling: Tlp | None = None
    roles: frozenset[str] = frozenset()
    realm: str = REAL


def member_reader(member: str, *, roles: frozenset[str] = frozenset(), realm: str = REAL) -> Reader:
    """A member, or a person at its desk."""
    return Reader(kind=ReaderKind.MEMBER, member=member, roles=roles, realm=realm)


def affiliate_reader(
    affiliate: str, *, ceiling: Tlp | None = None, roles: frozenset[str] = frozenset(), realm: str = REAL
) -> Reader:
    """A terminal or other facility; its member and its ceiling are the roster's.

    ``ceiling`` is a further one, for a single system of it: the lower of the two counts.
    """
    return Reader(kind=ReaderKind.AFFILIATE, affiliate=affiliate, ceiling=ceiling, roles=roles, realm=realm)


def consumer_reader(member: str, *, ceiling: Tlp, realm: str = REAL) -> Reader:
    """A member's own system, such as its SIEM, with the ceiling that the member set for it."""
    return Reader(kind=ReaderKind.CONSUMER, member=member, ceiling=ceiling, realm=realm)


PUBLIC: Final = Reader(kind=ReaderKind.PUBLIC)
OPERATOR: Final = Reader(kind=ReaderKind.OPERATOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """All that a decision depends on in an entry.

    ``tlp`` None is unmarked. ``markings`` are further markings, of its objects or their source: together a
    conjunction. Groups and recipients that are both non-empty are both conditions. ``held`` is not in the
    statement: a later hold puts it there.
    """

    issuer: str
    kind: str
    control: bool = False
    tlp: Tlp | None = None
    markings: tuple[Tlp, ...] = ()
    groups: tuple[tuple[str, int], ...] = ()
    recipients: tuple[str, ...] = ()
    handling: str | None = None
    purpose: str | None = None
    personal_data: bool = False
    realm: str = REAL
    held: bool = False

    @property
    def marking(self) -> Tlp:
        """The one effective marking."""
        if self.markings:
            return strictest(self.tlp, *self.markings)
        return UNMARKED if self.tlp is None else self.tlp


def audience_of(statement: Statement, *, markings: tuple[Tlp, ...] = (), held: bool = False) -> Audience:
    """The audience that a statement states, with what is known beside it."""
    return Audience(
        issuer=statement.issuer,
        kind=statement.kind,
        control=statement.is_control,
        tlp=statement.tlp,
        markings=markings,
        groups=statement.groups,
        recipients=statement.recipients,
        handling=statement.handling,
        purpose=statement.purpose,
        personal_data=statement.personal_data,
        realm=statement.realm,
        held=held,
    )


class RosterView(Protocol):
    """What a decision asks of a roster, as folded up to the moment of deciding."""

    def is_member(self, member: str, /) -> bool:
        """Whether this is a member now: known, and neither suspended nor revoked."""
        ...

    def members(self) -> frozenset[str]:
        """All for whom ``is_member`` is true."""
        ...

    def group(self, name: str, version: int, /) -> frozenset[str] | None:
        """The members as that version listed them; None where the roster knows no such version."""
        ...

    def affiliate(self, affiliate: str, /) -> tuple[str, Tlp] | None:
        """The member behind an affiliate, and its ceiling; None where unknown."""
        ...


def visibility_key(entry: Audience) -> tuple[object, ...]:
    """Entries with equal keys get equal decisions, for every reader, purpose, outlet and roster."""
    if entry.control:
        return ("control", entry.issuer)
    return (
        entry.issuer,
        entry.marking,
        tuple(sorted(set(entry.groups))),
        tuple(sorted(set(entry.recipients))),
        entry.realm,
        entry.held,
        entry.handling == "observe_only",
        entry.personal_data,
        entry.purpose if entry.personal_data else None,
    )
