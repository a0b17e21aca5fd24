"""Who may see what, written a second time from the table in the design, as one set per question.

Nothing here calls the rule under test; only its vocabulary (names of fields and outlets) is shared.
Where the rule walks through steps, the oracle builds, for each entry, the set of all who may read it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from port2port.sharing import (
    OPERATOR,
    PUBLIC,
    Audience,
    Outlet,
    Reader,
    affiliate_reader,
    consumer_reader,
    member_reader,
)
from port2port.tlp import Tlp

ORDER = ["clear", "green", "amber", "amber+strict", "red"]
ACTS = {"hot-list", "rule-export", "siem"}
LIVE = ACTS | {"live-page", "green-outlet"}
NEVER_RED = ACTS | {"taxii", "search", "count", "map", "correlation", "green-outlet", "hub-operator"}


@dataclass
class FakeRoster:
    """A roster as plain tables; ``suspended`` stay in their groups and are no members."""

    now: set[str]
    suspended: set[str] = field(default_factory=set)
    groups: dict[tuple[str, int], frozenset[str]] = field(default_factory=dict)
    affiliates: dict[str, tuple[str, Tlp]] = field(default_factory=dict)

    def is_member(self, member: str, /) -> bool:
        return member in self.now

    def members(self) -> frozenset[str]:
        return frozenset(self.now)

    def group(self, name: str, version: int, /) -> frozenset[str] | None:
        return self.groups.get((name, version))

    def affiliate(self, affiliate: str, /) -> tuple[str, Tlp] | None:
        return self.affiliates.get(affiliate)


def effective(entry: Audience) -> str:
    given = [tlp.value for tlp in (entry.tlp, *entry.markings) if tlp]
    return ORDER[max(map(ORDER.index, given))] if given else "amber+strict"


def may_read(entry: Audience, reader: Reader, purpose: str | None, outlet: Outlet, roster: FakeRoster) -> bool:
    """The design's table, read aloud."""
    who, where, marking = reader.kind.value, outlet.value, effective(entry)
    member, ceiling = reader.member, reader.ceiling
    if who == "affiliate":
        member, ceiling = roster.affiliates.get(reader.affiliate, (None, None))
    if who in {"member", "affiliate", "consumer"} and member not in roster.now:
        return False
    author = who == "member" and member == entry.issuer
    if where == "receipt":
        return author
    if entry.control:
        return who == ("operator" if where == "hub-operator" else "member")
    if where == "hub-operator":
        return who == "operator" and marking != "red"
    if _kept_out(entry, reader, where, marking, author=author):
        return False
    if entry.personal_data and not author and not _purpose_fits(entry, purpose, where):
        return False
    return author or _in_set(entry, who, member, ceiling, marking, roster, everybody=_everybody(marking, where))


def _kept_out(entry: Audience, reader: Reader, where: str, marking: str, *, author: bool) -> bool:
    """What no audience can open."""
    machine = where in ACTS or reader.kind.value == "consumer"
    return (
        (marking == "red" and (where in NEVER_RED or not author))
        or (where == "green-outlet" and marking not in {"clear", "green"})
        or (entry.realm != reader.realm and where != "feed")
        or (entry.realm != "real" and where in LIVE)
        or ((entry.held or entry.handling == "observe_only") and machine)
    )


def _everybody(marking: str, where: str) -> bool:
    return marking == "clear" or (marking == "green" and where == "green-outlet")


def _purpose_fits(entry: Audience, purpose: str | None, where: str) -> bool:
    asked = {purpose} if purpose else ({entry.purpose} if where == "feed" else set())
    return entry.purpose is not None and asked == {entry.purpose}


def _in_set(entry, who, member, ceiling, marking, roster, *, everybody) -> bool:
    by_group = set().union(*(roster.groups.get(group, ()) for group in entry.groups)) if entry.groups else None
    by_name = set(entry.recipients) if entry.recipients else None
    conditions = [allowed for allowed in (by_group, by_name) if allowed is not None]
    readers = set.intersection(*conditions) if conditions else set()
    if not conditions and (everybody or marking in {"clear", "green"}):
        readers = set(roster.now)
    readers = (readers & roster.now) | ({entry.issuer} & roster.now)
    if everybody:
        return not conditions or member in readers
    if member not in readers:
        return False
    reads_onward = {"member": marking != "red", "consumer": marking != "red"}
    reads_onward["affiliate"] = marking in {"clear", "green", "amber"}
    if who == "member":
        return True
    return bool(reads_onward.get(who) and ceiling and ORDER.index(ceiling.value) >= ORDER.index(marking))


MEMBERS = ["beanr", "belgg", "nlvli", "police-antwerp"]
EVERYBODY = [*MEMBERS, "beost", "stranger"]
USUALLY = [*MEMBERS * 4, "beost", "stranger"]
PURPOSES = ["isps", "customs"]


def a_roster() -> FakeRoster:
    return FakeRoster(
        now=set(MEMBERS),
        suspended={"beost"},
        groups={
            ("seaports", 1): frozenset({"beanr", "beost", "nlvli"}),
            ("seaports", 2): frozenset({"beanr", "belgg", "beost", "nlvli"}),
            ("empty", 1): frozenset(),
            ("lcmb", 1): frozenset({"police-antwerp"}),
        },
        affiliates={f"{member}-{tlp.name}": (member, tlp) for member in ("beanr", "belgg", "beost") for tlp in Tlp},
    )


def random_case(rng: random.Random) -> tuple[Audience, Reader, str | None, Outlet]:
    """One case; the rarer conditions are rare enough that most cases reach the table."""
    groups = [("seaports", 1), ("seaports", 2), ("empty", 1), ("lcmb", 1), ("seaports", 9)]
    entry = Audience(
        issuer=rng.choice(USUALLY),
        kind="publish",
        control=rng.random() < 0.03,
        tlp=rng.choice([*Tlp, None]),
        markings=tuple(rng.sample(list(Tlp), rng.choice([0] * 8 + [1, 2]))),
        groups=tuple(sorted(rng.sample(groups, rng.choice([0, 0, 1, 1, 2])))),
        recipients=tuple(sorted(rng.sample(EVERYBODY, rng.choice([0, 0, 0, 1, 2, 3])))),
        handling=rng.choice([None, "act", "call_first", "act", "call_first", "observe_only"]),
        purpose=rng.choice([None, *PURPOSES]),
        personal_data=rng.random() < 0.15,
        realm=rng.choice(["real"] * 8 + ["exercise:x1", "exercise:x2"]),
        held=rng.random() < 0.05,
    )
    return entry, random_reader(rng), rng.choice([None, *PURPOSES]), rng.choice(list(Outlet))


def random_reader(rng: random.Random) -> Reader:
    realm = rng.choice(["real"] * 8 + ["exercise:x1"])
    draw = rng.random()
    if draw < 0.5:
        return member_reader(rng.choice(USUALLY), realm=realm)
    if draw < 0.7:
        place = rng.choice(["beanr", "belgg", "beost", "nowhere"])
        return affiliate_reader(f"{place}-{rng.choice(list(Tlp)).name}", realm=realm)
    if draw < 0.85:
        return consumer_reader(rng.choice(USUALLY), ceiling=rng.choice(list(Tlp)), realm=realm)
    return PUBLIC if draw < 0.92 else OPERATOR
