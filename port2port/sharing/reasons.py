"""Why somebody may, or may not, see an entry: a closed list of rules, with codes and plain sentences."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final


class Reason(enum.Enum):
    """A rule that decided. ``value`` is its stable code; ``sentence`` is for an officer at four at night."""

    OWN = "own"
    CLEAR_TO_ALL = "clear-to-all"
    GREEN_TO_MEMBERS = "green-to-members"
    GREEN_OUTLET = "green-outlet"
    IN_GROUP = "in-group"
    RECIPIENT = "recipient"
    IN_BOTH = "in-both"
    CONTROL = "control"
    HUB_OPERATOR = "hub-operator"
    OWN_SYSTEM = "own-system"
    OWN_CLIENT = "own-client"
    NO_WIDER = "no-wider"
    NOT_A_MEMBER = "not-a-member"
    CONTROL_FOR_MEMBERS = "control-for-members"
    OTHER_REALM = "other-realm"
    OBSERVE_ONLY = "observe-only"
    HELD = "held"
    MEMBERS_ONLY = "members-only"
    NOBODY_NAMED = "nobody-named"
    NOT_NAMED = "not-named"
    NOT_IN_BOTH = "not-in-both"
    EMPTY_GROUP = "empty-group"
    UNKNOWN_GROUP = "unknown-group"
    NOT_BEFORE_SEALED = "not-before-sealed"
    RED_ABSENT = "red-absent"
    RECEIPTS_TO_ISSUER = "receipts-to-issuer"
    OUTLET_TOO_OPEN = "outlet-too-open"
    OPERATORS_ONLY = "operators-only"
    STAYS_INSIDE = "stays-inside"
    CEILING = "ceiling"
    NO_PURPOSE = "no-purpose"
    PURPOSE_NEEDED = "purpose-needed"
    OTHER_PURPOSE = "other-purpose"
    LESS_STRICT = "less-strict"
    WIDER_AUDIENCE = "wider-audience"

    @property
    def allows(self) -> bool:
        """Whether this is a rule that lets the entry through."""
        return self in _ALLOWING

    @property
    def sentence(self) -> str:
        """One plain sentence, complete by itself."""
        return _SENTENCES[self]


_ALLOWING: Final = frozenset(
    {
        Reason.OWN,
        Reason.CLEAR_TO_ALL,
        Reason.GREEN_TO_MEMBERS,
        Reason.GREEN_OUTLET,
        Reason.IN_GROUP,
        Reason.RECIPIENT,
        Reason.IN_BOTH,
        Reason.CONTROL,
        Reason.HUB_OPERATOR,
        Reason.OWN_SYSTEM,
        Reason.OWN_CLIENT,
        Reason.NO_WIDER,
    }
)
_SENTENCES: Final[Mapping[Reason, str]] = {
    Reason.OWN: "The reader published it.",
    Reason.CLEAR_TO_ALL: "TLP:CLEAR may be read by everybody.",
    Reason.GREEN_TO_MEMBERS: "TLP:GREEN may be read by every member.",
    Reason.GREEN_OUTLET: "TLP:GREEN stands in the outlet for private parties.",
    Reason.IN_GROUP: "The reader is in a sharing group that the author named.",
    Reason.RECIPIENT: "The author named the reader as a recipient.",
    Reason.IN_BOTH: "The reader is in a sharing group that the author named, and is a named recipient.",
    Reason.CONTROL: "Entries about members, keys and groups may be read by every member.",
    Reason.HUB_OPERATOR: "The people who run the hub can read it, because delivery is not sealed yet.",
    Reason.OWN_SYSTEM: "The member's own system may read what the member may, up to its ceiling.",
    Reason.OWN_CLIENT: "The member's affiliate may read what the member may, up to its ceiling.",
    Reason.NO_WIDER: "It is marked at least as strictly, for nobody else, as what it refers to.",
    Reason.NOT_A_MEMBER: "The reader is not a member now: not known, suspended or revoked.",
    Reason.CONTROL_FOR_MEMBERS: "Entries about members, keys and groups are for members only.",
    Reason.OTHER_REALM: "Exercise and real never mix, and no exercise is shown live.",
    Reason.OBSERVE_ONLY: "The author asked to observe only, so no list that machines act on may hold it.",
    Reason.HELD: "It is on hold, so no list that machines act on may hold it.",
    Reason.MEMBERS_ONLY: "TLP:GREEN is for members; private parties read it in the GREEN outlet only.",
    Reason.NOBODY_NAMED: "The author named no group and no recipient, so only the author may read it.",
    Reason.NOT_NAMED: "The reader is in no group that the author named, and is not a named recipient.",
    Reason.NOT_IN_BOTH: "The author named groups and recipients, and the reader is not in both.",
    Reason.EMPTY_GROUP: "The sharing group that the author named is empty, and an empty group is nobody.",
    Reason.UNKNOWN_GROUP: "The roster does not know the group version that the author named: nobody.",
    Reason.NOT_BEFORE_SEALED: "TLP:RED is not delivered: not before sealed delivery exists.",
    Reason.RED_ABSENT: "TLP:RED is absent from search, counts, maps, correlation and every machine's list.",
    Reason.RECEIPTS_TO_ISSUER: "Who received and opened it is told to its author only.",
    Reason.OUTLET_TOO_OPEN: "The outlet for private parties carries TLP:CLEAR and TLP:GREEN only.",
    Reason.OPERATORS_ONLY: "This row is about the people who run the hub.",
    Reason.STAYS_INSIDE: "This marking does not leave the member, so affiliates may not read it.",
    Reason.CEILING: "The marking is stricter than the ceiling set for this affiliate or system.",
    Reason.NO_PURPOSE: "It holds personal data, and the author stated no purpose.",
    Reason.PURPOSE_NEEDED: "It holds personal data, and the reader stated no purpose.",
    Reason.OTHER_PURPOSE: "It holds personal data, shared for another purpose than the reader's.",
    Reason.LESS_STRICT: "It is marked less strictly than what it refers to.",
    Reason.WIDER_AUDIENCE: "It would reach somebody who may not read what it refers to.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer, true where allowed. ``reasons``: the rules that allowed together, or the one that refused."""

    allowed: bool
    reasons: tuple[Reason, ...]

    def __bool__(self) -> bool:
        return self.allowed


@cache
def because(*reasons: Reason) -> Decision:
    """One shared object per answer: deciding allocates nothing."""
    return Decision(allowed=all(reason.allows for reason in reasons), reasons=reasons)
