"""Who may see what: the steps of the decision, in order.

``permits`` answers for one entry, one reader and one outlet, and says which rule decided. In this order:

1. standing: a member, and the member behind an affiliate or a system, is in force now;
2. control entries are readable by every member, and by nobody else;
3. realm: exercise and real never mix;
4. quiet items (observe only, held) reach no machine that acts;
5. the marking table, ``TABLE``, with the named audience as a condition: naming narrows, it never widens;
6. onward: systems and affiliates read what their member may read, up to their ceiling;
7. personal data needs the purpose for which it was shared.

What is refused does not exist for that reader: derived views are computed from what is permitted, never
filtered afterwards. Reasons are for the author and the auditor (``may_ask_why``), never for the one refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from port2port.sharing.readers import REAL, Audience, Reader, ReaderKind, RosterView
from port2port.sharing.reasons import Decision, Reason, because
from port2port.sharing.table import CLASS_OF, TABLE, Outlet, OutletClass, Reach, Table
from port2port.tlp import Tlp, at_least_as_strict

# Nodes and operators separate the realms themselves: the realm stands in the signed statement.
_BOTH_REALMS: Final = frozenset({Outlet.FEED, Outlet.RECEIPT, Outlet.HUB_OPERATOR})
# Somebody or something may act on these at once: no exercise ever, whatever view the reader is in.
_LIVE: Final = frozenset({Outlet.LIVE_PAGE, Outlet.SIEM, Outlet.RULE_EXPORT, Outlet.HOT_LIST, Outlet.GREEN_OUTLET})
_ACTING: Final = frozenset({Outlet.SIEM, Outlet.RULE_EXPORT, Outlet.HOT_LIST})


def permits(entry: Audience, reader: Reader, purpose: str | None, outlet: Outlet, roster: RosterView) -> Decision:
    """Whether ``reader`` may see ``entry`` in ``outlet`` for ``purpose``, and by which rule.

    ``purpose`` matters for personal data alone; on the feed, where None is usual, the statement's own travels
    with it. Test the answer with ``if permits(...)``.
    """
    return _decide(TABLE, entry, reader, purpose=purpose, outlet=outlet, roster=roster)


def _decide(
    table: Table, entry: Audience, reader: Reader, *, purpose: str | None, outlet: Outlet, roster: RosterView
) -> Decision:
    standing = _standing(reader, roster)
    if standing is None:
        return because(Reason.NOT_A_MEMBER)
    home, ceiling = standing
    cls = CLASS_OF[outlet]
    if entry.control:
        return because(_control(entry, reader, cls))
    refusal = _realm(entry, reader, outlet) or _quiet(entry, reader, outlet)
    if refusal is not None:
        return because(refusal)
    marking = entry.marking
    reach = table[marking, cls]
    reason = _closed(reach, entry, home, reader, cls) or _open(reach, entry, home, roster)
    decision = _onward(reach, reason, marking, reader.kind, ceiling)
    if entry.personal_data and decision.allowed and cls is not OutletClass.OPERATOR:
        refusal = _personal(entry, home, reader, purpose, outlet)
    return decision if refusal is None else because(refusal)


def _standing(reader: Reader, roster: RosterView) -> tuple[str | None, Tlp | None] | None:
    """Step 1: (member behind the reader, ceiling), or None where it has no standing."""
    home, ceiling = reader.member, reader.ceiling
    if reader.kind is ReaderKind.PUBLIC or reader.kind is ReaderKind.OPERATOR:
        return None, None
    if reader.kind is ReaderKind.AFFILIATE:
        known = roster.affiliate(reader.affiliate or "")
        if known is None:
            return None
        home, given = known
        ceiling = given if ceiling is None or at_least_as_strict(ceiling, given) else ceiling
    return (home, ceiling) if home is not None and roster.is_member(home) else None


def _control(entry: Audience, reader: Reader, cls: OutletClass) -> Reason:
    """Step 2. Its marking, audience and realm do not matter; receipts stay with whoever issued it."""
    if cls is OutletClass.OPERATOR:
        return Reason.HUB_OPERATOR if reader.kind is ReaderKind.OPERATOR else Reason.OPERATORS_ONLY
    if reader.kind is not ReaderKind.MEMBER:
        return Reason.CONTROL_FOR_MEMBERS
    if cls is not OutletClass.RECEIPT:
        return Reason.CONTROL
    return Reason.OWN if reader.member == entry.issuer else Reason.RECEIPTS_TO_ISSUER


def _realm(entry: Audience, reader: Reader, outlet: Outlet) -> Reason | None:
    """Step 3."""
    if outlet in _BOTH_REALMS:
        return None
    mixed = entry.realm != reader.realm or (entry.realm != REAL and outlet in _LIVE)
    return Reason.OTHER_REALM if mixed else None


def _quiet(entry: Audience, reader: Reader, outlet: Outlet) -> Reason | None:
    """Step 4. A consumer is a machine, whatever it reads through."""
    quiet = entry.held or entry.handling == "observe_only"
    if not quiet or (outlet not in _ACTING and reader.kind is not ReaderKind.CONSUMER):
        return None
    return Reason.HELD if entry.held else Reason.OBSERVE_ONLY


_NOBODY_BECAUSE: Final[Mapping[OutletClass, Reason]] = {
    OutletClass.OUTSIDE: Reason.OUTLET_TOO_OPEN,
    OutletClass.OPERATOR: Reason.NOT_BEFORE_SEALED,
}


def _closed(reach: Reach, entry: Audience, home: str | None, reader: Reader, cls: OutletClass) -> Reason | None:
    """Step 5, first half: what needs no audience. None where the audience decides."""
    if reach is Reach.NOBODY:
        return _NOBODY_BECAUSE.get(cls, Reason.RED_ABSENT)
    if reach is Reach.OPERATORS:
        return Reason.HUB_OPERATOR if reader.kind is ReaderKind.OPERATOR else Reason.OPERATORS_ONLY
    if home == entry.issuer:
        return Reason.OWN
    if reach is Reach.ISSUER:
        return Reason.RECEIPTS_TO_ISSUER if cls is OutletClass.RECEIPT else Reason.NOT_BEFORE_SEALED
    return None


def _open(reach: Reach, entry: Audience, home: str | None, roster: RosterView) -> Reason:
    """Step 5, second half: the audience decides for the member behind the reader, or for nobody behind it."""
    if entry.groups or entry.recipients:
        return _named(entry, home, roster)
    if reach is Reach.EVERYBODY:
        return Reason.GREEN_OUTLET if entry.marking is Tlp.GREEN else Reason.CLEAR_TO_ALL
    if reach is not Reach.MEMBERS:
        return Reason.NOBODY_NAMED
    return Reason.MEMBERS_ONLY if home is None else Reason.GREEN_TO_MEMBERS


def _named(entry: Audience, home: str | None, roster: RosterView) -> Reason:
    """Whether the named audience holds ``home``, which is a member now or None."""
    recipient = home in entry.recipients
    if not entry.groups:
        return Reason.RECIPIENT if recipient else Reason.NOT_NAMED
    inside, why_not = _in_groups(entry.groups, home, roster)
    if not entry.recipients:
        return Reason.IN_GROUP if inside else why_not
    if inside and recipient:
        return Reason.IN_BOTH
    return Reason.NOT_IN_BOTH if inside or recipient else why_not


def _in_groups(groups: tuple[tuple[str, int], ...], home: str | None, roster: RosterView) -> tuple[bool, Reason]:
    """Whether one of the groups lists ``home``; if not, the most telling reason."""
    why_not = Reason.EMPTY_GROUP
    for name, version in groups:
        listed = roster.group(name, version)
        if listed is None:
            why_not = Reason.UNKNOWN_GROUP
        elif home in listed:
            return True, Reason.IN_GROUP
        elif listed and why_not is Reason.EMPTY_GROUP:
            why_not = Reason.NOT_NAMED
    return False, why_not


def _onward(reach: Reach, reason: Reason, marking: Tlp, kind: ReaderKind, ceiling: Tlp | None) -> Decision:
    """Step 6: from the member to its systems and affiliates. What everybody may read knows no ceilings."""
    affiliate = kind is ReaderKind.AFFILIATE
    if not (affiliate or kind is ReaderKind.CONSUMER) or reach is Reach.EVERYBODY or not reason.allows:
        return because(reason)
    if reach is Reach.ISSUER or (affiliate and reach is Reach.NAMED_INSIDE):
        return because(Reason.STAYS_INSIDE)
    if ceiling is None or not at_least_as_strict(ceiling, marking):
        return because(Reason.CEILING)
    return because(reason, Reason.OWN_CLIENT if affiliate else Reason.OWN_SYSTEM)


def _personal(entry: Audience, home: str | None, reader: Reader, purpose: str | None, outlet: Outlet) -> Reason | None:
    """Step 7. The issuer's own officers read what they published."""
    if home == entry.issuer and reader.kind is ReaderKind.MEMBER:
        return None
    if entry.purpose is None:
        return Reason.NO_PURPOSE
    stated = entry.purpose if purpose is None and outlet is Outlet.FEED else purpose
    if stated is None:
        return Reason.PURPOSE_NEEDED
    return None if stated == entry.purpose else Reason.OTHER_PURPOSE
