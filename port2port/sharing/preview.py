"""What is told before publishing and afterwards: who would read it, who may ask why, who may refer to it."""

from __future__ import annotations

from typing import Final

from port2port.sharing.readers import OPERATOR, Audience, Reader, ReaderKind, RosterView, member_reader
from port2port.sharing.reasons import Decision, Reason, because
from port2port.sharing.rule import permits
from port2port.sharing.table import Outlet
from port2port.tlp import Tlp, at_least_as_strict

# Stands for the people who run the hub in a preview; the space keeps it from being anybody's member id.
HUB_OPERATORS: Final = "hub operators"


def explain(entry: Audience, member: str, roster: RosterView, outlet: Outlet = Outlet.FEED) -> Decision:
    """Why this member does, or does not, get the entry: for those for whom ``may_ask_why`` holds."""
    return permits(entry, member_reader(member), None, outlet, roster)


def may_ask_why(entry: Audience, reader: Reader, roster: RosterView) -> bool:
    """Whether ``explain`` answers: to the author, and to the federation's auditor at the hub.

    For everybody else a hidden id and a random id must answer alike; a role that a member gave does not count.
    """
    if reader.kind is ReaderKind.OPERATOR:
        return "auditor" in reader.roles
    return reader.kind is ReaderKind.MEMBER and reader.member == entry.issuer and roster.is_member(entry.issuer)


def resolve_readers(entry: Audience, roster: RosterView, purpose: str | None) -> tuple[tuple[str, Decision], ...]:
    """What a preview lists: every member by name, then ``HUB_OPERATORS``, each with its decision."""
    rows = [
        (member, permits(entry, member_reader(member), purpose, Outlet.FEED, roster))
        for member in sorted(roster.members())
    ]
    return (*rows, (HUB_OPERATORS, permits(entry, OPERATOR, purpose, Outlet.HUB_OPERATOR, roster)))


def no_wider_than(child: Audience, parent: Audience, roster: RosterView) -> Decision:
    """Whether an entry may refer to another's: same realm, as strict a marking, at most its audience.

    Judged by who is named, not by who is a member today: a member that is reinstated must not widen it later.
    The child's own issuer is not counted: it reads what it wrote.
    """
    floor = Tlp.GREEN if parent.control else parent.marking
    if child.realm != parent.realm:
        return because(Reason.OTHER_REALM)
    if child.control or not at_least_as_strict(child.marking, floor):
        return because(Reason.LESS_STRICT)
    allowed = None if parent.control else _audience_set(parent, roster)
    if allowed is None:
        return because(Reason.NO_WIDER)
    if any(roster.group(name, version) is None for name, version in child.groups):
        return because(Reason.WIDER_AUDIENCE)
    reached = _audience_set(child, roster)
    inside = reached is not None and reached <= allowed | {child.issuer, parent.issuer}
    return because(Reason.NO_WIDER if inside else Reason.WIDER_AUDIENCE)


def _audience_set(entry: Audience, roster: RosterView) -> frozenset[str] | None:
    """Everybody whom the entry names, members now or not; None where open to all. A group alone is nobody in RED."""
    recipients = frozenset(entry.recipients)
    if not entry.groups:
        open_to_all = not recipients and not at_least_as_strict(entry.marking, Tlp.AMBER)
        return None if open_to_all else recipients
    listed = frozenset().union(*(roster.group(name, version) or () for name, version in entry.groups))
    return listed & recipients if recipients or entry.marking is Tlp.RED else listed
