"""The consumers of this hub: made, renewed and revoked by an operator, admitted by their secret.

A secret is 256 random bits, shown once; only its SHA-256 is kept, which needs no stretching, since nobody can guess
through 2^256. A consumer is admitted while four things hold: the secret is its, it is not revoked, its days are not
over, and it comes from one of its networks. What is missing is not told: a thief who has the secret and sits in the
wrong network learns no more than one who guesses.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final, TypeAlias

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store import audit
from hub.taxii_tables import CONSUMER
from port2port import canonical, tlp
from port2port.errors import ConflictError, NotFoundError, PolicyError
from port2port.roster import Roster
from port2port.tlp import Tlp, at_least_as_strict

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

MOST_DAYS: Final = 90
MOST_NETWORKS: Final = 32
_NAME: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_NAME_CHARS: Final = 64
_WORD_CHARS: Final = 200
_DAY_MS: Final = timedelta(days=1) // timedelta(milliseconds=1)
_NOBODYS: Final = bytes(32)


class ConsumerError(PolicyError):
    """This consumer cannot be as it was asked for."""

    code = "CONSUMER"


class ConsumerExistsError(ConflictError):
    """There is a consumer of this name, perhaps revoked: names are never used twice."""

    code = "CONSUMER_EXISTS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """One system. ``word`` refers to what its member granted a ceiling above GREEN by; empty where none was."""

    name: str
    member: str
    affiliate: str | None = None
    ceiling: Tlp = Tlp.GREEN
    purpose: str | None = None
    networks: tuple[Network, ...] = ()
    word: str = ""
    created_ms: int
    expires_ms: int
    revoked_ms: int | None = None

    def in_force(self, now_ms: int) -> bool:
        """Neither revoked nor past its days."""
        return self.revoked_ms is None and now_ms < self.expires_ms

    def welcomes(self, address: Address) -> bool:
        """Whether it may come from there."""
        return not self.networks or any(address in network for network in self.networks)


def add(connection: Connection, wanted: Consumer, roster: Roster) -> str:
    """Take it in, and say its secret, which nobody can say again. Raises ConsumerError or ConsumerExistsError."""
    _require_sound(wanted, roster)
    if connection.scalar(sa.select(CONSUMER.c.name).where(CONSUMER.c.name == wanted.name)) is not None:
        raise ConsumerExistsError(f"there is a consumer {wanted.name}: a name is never given to another system")
    secret = secrets.token_urlsafe(32)
    connection.execute(CONSUMER.insert(), [{**_row(wanted), "secret_sha256": _digest(secret)}])
    facts = {"ceiling": wanted.ceiling.value, "consumer": wanted.name, "word": wanted.word}
    audit(connection, at_ms=wanted.created_ms, event="consumer-added", member=wanted.member, facts=facts)
    return secret


def renew(connection: Connection, name: str, *, days: int, now_ms: int) -> str:
    """Another secret for further days; the old one ends with this transaction. Raises NotFoundError, ConsumerError."""
    known = find(connection, name)
    if known.revoked_ms is not None:
        raise ConsumerError(f"{name} was revoked: add another consumer")
    _require_days(days)
    secret = secrets.token_urlsafe(32)
    change = CONSUMER.update().where(CONSUMER.c.name == name)
    connection.execute(change.values(secret_sha256=_digest(secret), expires_ms=now_ms + days * _DAY_MS))
    audit(connection, at_ms=now_ms, event="consumer-renewed", member=known.member, facts={"consumer": name})
    return secret


def revoke(connection: Connection, name: str, *, now_ms: int) -> Consumer:
    """Refuse it from now on, for ever. Raises NotFoundError."""
    known = find(connection, name)
    if known.revoked_ms is None:
        connection.execute(CONSUMER.update().where(CONSUMER.c.name == name).values(revoked_ms=now_ms))
        audit(connection, at_ms=now_ms, event="consumer-revoked", member=known.member, facts={"consumer": name})
    return known


def admit(connection: Connection, *, name: str, secret: str, address: Address, now_ms: int) -> Consumer | None:
    """The consumer, if the secret is its own and nothing stands against it; the same work whoever asks."""
    row = _row_of(connection, name)
    kept = _NOBODYS if row is None else bytes(row["secret_sha256"])
    right = hmac.compare_digest(_digest(secret), kept)
    if row is None or not right:
        return None
    found = _consumer(row)
    return found if found.in_force(now_ms) and found.welcomes(address) else None


def find(connection: Connection, name: str) -> Consumer:
    """By name. Raises NotFoundError."""
    row = _row_of(connection, name)
    if row is None:
        raise NotFoundError("there is no such consumer")
    return _consumer(row)


def _row_of(connection: Connection, name: str) -> sa.RowMapping | None:
    """What cannot be a name is asked for all the same, as none: not every database takes every text."""
    asked = name if _NAME.fullmatch(name) else ""
    return connection.execute(sa.select(CONSUMER).where(CONSUMER.c.name == asked)).mappings().first()


def consumers(connection: Connection, member: str | None = None) -> tuple[Consumer, ...]:
    """All, or those of one member, by name."""
    query = sa.select(CONSUMER).order_by(CONSUMER.c.name)
    if member is not None:
        query = query.where(CONSUMER.c.member == member)
    return tuple(_consumer(row) for row in connection.execute(query).mappings())


def networks_from(texts: Sequence[str]) -> tuple[Network, ...]:
    """Source networks as an operator spells them. Raises ConsumerError."""
    try:
        found = tuple(dict.fromkeys(ipaddress.ip_network(text) for text in texts))
    except ValueError as error:
        raise ConsumerError("a network must look like 192.0.2.0/24 or 2001:db8::/32, without host bits") from error
    if len(found) > MOST_NETWORKS:
        raise ConsumerError(f"a consumer comes from at most {MOST_NETWORKS} networks")
    return found


def until_ms(created_ms: int, days: int) -> int:
    """When a secret made now ends. Raises ConsumerError."""
    _require_days(days)
    return created_ms + days * _DAY_MS


def _require_days(days: int) -> None:
    if not 1 <= days <= MOST_DAYS:
        raise ConsumerError(f"a secret is good for 1 to {MOST_DAYS} days")


def _require_sound(wanted: Consumer, roster: Roster) -> None:
    if not _NAME.fullmatch(wanted.name) or len(wanted.name) > _NAME_CHARS:
        raise ConsumerError("the name of a consumer is lower-case words joined by '-'")
    if not roster.is_member(wanted.member):
        raise ConsumerError(f"{wanted.member} is no member now")
    if wanted.affiliate is not None:
        known = roster.affiliate(wanted.affiliate)
        if known is None or known[0] != wanted.member:
            raise ConsumerError(f"{wanted.affiliate} is no affiliate of {wanted.member}")
    if wanted.ceiling is Tlp.RED:
        raise ConsumerError("TLP:RED goes to no machine")
    if len(wanted.word) > _WORD_CHARS:
        raise ConsumerError(f"say in at most {_WORD_CHARS} characters where the member's word is kept")
    if not at_least_as_strict(Tlp.GREEN, wanted.ceiling) and not wanted.word.strip():
        raise ConsumerError("a ceiling above TLP:GREEN is the owning member's to grant: --i-have-their-word REFERENCE")


def _digest(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _row(consumer: Consumer) -> dict[str, Any]:
    return {
        "name": consumer.name,
        "member": consumer.member,
        "affiliate": consumer.affiliate,
        "ceiling": consumer.ceiling.value,
        "purpose": consumer.purpose,
        "networks": canonical.dumps([str(network) for network in consumer.networks]).decode(),
        "word": consumer.word,
        "created_ms": consumer.created_ms,
        "expires_ms": consumer.expires_ms,
        "revoked_ms": consumer.revoked_ms,
    }


def _consumer(row: sa.RowMapping) -> Consumer:
    return Consumer(
        name=row["name"],
        member=row["member"],
        affiliate=row["affiliate"],
        ceiling=tlp.parse(row["ceiling"]),
        purpose=row["purpose"],
        networks=networks_from(orjson.loads(row["networks"])),
        word=row["word"],
        created_ms=row["created_ms"],
        expires_ms=row["expires_ms"],
        revoked_ms=row["revoked_ms"],
    )
