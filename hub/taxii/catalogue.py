"""Which collections there are for whom. That one exists tells nothing: members are known to all, topics are fixed.

Intakes alone exist for two only: the affiliate whose it is, and the member behind it.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from typing import Final

from hub.taxii.model import Collection, Kind, Principal
from port2port.roster import Affiliate, Roster
from port2port.sharing import ReaderKind

TOPICS: Final = {
    "vessels": "Vessels",
    "containers": "Containers",
    "drones": "Drones",
    "access": "Access: badges, vehicles, gates and cameras",
    "waterways": "Waterways and locks",
    "cyber": "Cyber",
    "levels": "Security levels",
    "other": "Everything else",
}
_SIEM_TEXT: Final = (
    "Plain indicators on addresses, domains, URLs, files and e-mail addresses, for machines that match. Revoked and "
    "expired ones appear again as such. One harmless test indicator stays for ever, to try the path to an alert."
)


@lru_cache(4_096)
def collection_id(genesis_hash: str, kind: Kind, key: str) -> str:
    """A version 4 UUID in form (TAXII 2.1 section 5.2), the same at every hub of the federation."""
    digest = sha256(f"port2port/taxii/{genesis_hash}/{kind.value}/{key}".encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


@lru_cache(4_096)
def number_of(collection: str) -> int:
    """The number of a collection in the tables, which follows from its id."""
    return uuid.UUID(collection).int >> 66


def number(genesis_hash: str, kind: Kind, key: str = "") -> int:
    """As ``number_of``, from what the collection is about."""
    return number_of(collection_id(genesis_hash, kind, key))


def collections(genesis_hash: str, roster: Roster, principal: Principal) -> tuple[Collection, ...]:
    """All that ``principal`` may know of, with unique titles; none for one that does not belong."""
    if not _belongs(roster, principal):
        return ()
    names = Counter(member.name for member in roster.member_table.values())
    found = [_siem(genesis_hash)]
    found += [_topic(genesis_hash, key, title) for key, title in TOPICS.items()]
    for member in roster.member_table.values():
        title = member.name if names[member.name] == 1 else f"{member.name} ({member.id})"
        found.append(_port(genesis_hash, member.id, title))
    return (*found, *_intakes(genesis_hash, roster, principal))


def _belongs(roster: Roster, principal: Principal) -> bool:
    if principal.affiliate is not None:
        known = roster.affiliate(principal.affiliate)
        if known is None or known[0] != principal.member:
            return False
    return roster.is_member(principal.member)


def _siem(genesis_hash: str) -> Collection:
    return _readable(genesis_hash, Kind.SIEM, "", "SIEM: plain cyber indicators", _SIEM_TEXT)


def _topic(genesis_hash: str, key: str, title: str) -> Collection:
    return _readable(genesis_hash, Kind.TOPIC, key, f"Topic: {title}", "What all members said about it, with proofs.")


def _port(genesis_hash: str, key: str, title: str) -> Collection:
    return _readable(genesis_hash, Kind.PORT, key, f"Port: {title}", "What this member said, with proofs.")


def _readable(genesis_hash: str, kind: Kind, key: str, title: str, text: str) -> Collection:
    return Collection(
        id=collection_id(genesis_hash, kind, key),
        kind=kind,
        key=key,
        title=title,
        description=text,
        can_read=True,
        can_write=False,
    )


def _intakes(genesis_hash: str, roster: Roster, principal: Principal) -> Iterator[Collection]:
    for affiliate in roster.affiliates.values():
        theirs = principal.affiliate == affiliate.id
        owner = principal.affiliate is None and principal.reader.kind is ReaderKind.MEMBER
        if theirs or (owner and affiliate.member == principal.member):
            yield _intake(genesis_hash, affiliate, can_read=not theirs)


def _intake(genesis_hash: str, affiliate: Affiliate, *, can_read: bool) -> Collection:
    return Collection(
        id=collection_id(genesis_hash, Kind.INTAKE, affiliate.id),
        kind=Kind.INTAKE,
        key=affiliate.id,
        title=f"Intake: {affiliate.name} ({affiliate.id})",
        description="What this facility tells its port; each object becomes a draft for an officer there.",
        can_read=can_read,
        can_write=True,
    )
