"""Who is asking: a member by the certificate of its node, or a consumer by its secret.

Both are asked anew at every request, in the transaction that answers it: who was suspended, denied or revoked a
moment ago reads nothing more, on whatever connection.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import ssl
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from sqlalchemy.engine import Connection
from starlette.datastructures import Headers
from starlette.types import Scope

from hub import consumers
from hub.consumers import Consumer
from hub.consumers.register import Address
from hub.members import Members
from hub.quota import Bucket, QuotaError, Quotas
from hub.rpc.peers import peer_of
from hub.taxii.errors import TaxiiRequestError
from hub.taxii.model import Collection, Kind, Principal
from port2port.clock import Clock, to_ms
from port2port.console.serving import PEER_CERTIFICATE
from port2port.errors import NotMemberError
from port2port.roster import Roster
from port2port.sharing import Outlet, affiliate_reader, consumer_reader, member_reader
from port2port.tls import TLS_VERSION

_CREDENTIAL_CHARS: Final = 1_024
_CALLS: Final = 600  # of a consumer at once, and in a minute
_TRIES: Final = 20  # of one network at once
_TRIES_PER_S: Final = 1 / 6
_NETWORKS: Final = 4_096
_CHALLENGE: Final = 'Basic realm="Port 2 Port", charset="UTF-8", Bearer realm="Port 2 Port"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """Who asks; ``consumer`` is set where it came with a secret."""

    principal: Principal
    consumer: Consumer | None = None


Admit = Callable[[Connection], Admitted]


class Door(Protocol):
    """One listener's way of telling who asks."""

    def knock(self, scope: Scope) -> Admit:
        """What lets the caller in within a transaction; raises what refuses him before one is begun."""
        ...

    def refused(self, scope: Scope) -> None:
        """Told of a caller without a right secret. Raises QuotaError once there are too many from his network."""
        ...


def address_of(scope: Scope) -> Address:
    """Where the caller is; no header is believed. An IPv4 address in IPv6's clothes is an IPv4 address."""
    client = scope.get("client")
    try:
        found = ipaddress.ip_address(client[0] if client else "::")
    except ValueError:
        return ipaddress.IPv6Address("::")
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return found if mapped is None else mapped


def for_collection(principal: Principal, collection: Collection) -> Principal:
    """The principal as a reader of this collection: what gathers for machines that act is judged as such."""
    if collection.kind is Kind.SIEM or principal.outlet is Outlet.SIEM:
        return replace(principal, outlet=Outlet.SIEM)
    return principal


class MemberDoor:
    """By client certificate: in force now, of the federation, its member active and its serial not denied."""

    def __init__(self, *, federation: str, members: Members, quotas: Quotas, clock: Clock) -> None:
        self._federation = federation
        self._members = members
        self._quotas = quotas
        self._clock = clock

    def knock(self, scope: Scope) -> Admit:
        """Raises NotMemberError or QuotaError."""
        der = scope.get("state", {}).get(PEER_CERTIFICATE)
        if not der:
            raise NotMemberError("a client certificate is required")
        shown = {  # the listener's TLS speaks 1.3 alone
            "ssl_tls_version": [TLS_VERSION],
            "x509_pem_cert": [ssl.DER_cert_to_PEM_cert(der).encode()],
        }
        peer = peer_of(shown, federation=self._federation, now=self._clock.now())
        self._members.require(peer)
        self._quotas.charge_call(peer.member)
        reader = member_reader(peer.member)
        principal = Principal(name=peer.member, member=peer.member, reader=reader, outlet=Outlet.TAXII)

        def admit(_connection: Connection) -> Admitted:
            self._members.require(peer)
            return Admitted(principal=principal)

        return admit

    def refused(self, scope: Scope) -> None:
        """Nobody guesses certificates."""


class ConsumerDoor:
    """By HTTP Basic (name and secret) or Bearer (name, a dot, secret). Used on the loop and in reading threads."""

    def __init__(self, *, roster: Callable[[], Roster], clock: Clock) -> None:
        self._roster = roster
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: dict[str, Bucket] = {}
        self._tries: OrderedDict[str, Bucket] = OrderedDict()
        self._wrong: dict[str, int] = {}

    def knock(self, scope: Scope) -> Admit:
        """Raises TaxiiRequestError (401)."""
        name, secret = credentials(Headers(scope=scope).get("authorization"))
        address = address_of(scope)
        charged = False

        def admit(connection: Connection) -> Admitted:
            nonlocal charged
            now_ms = to_ms(self._clock.now())
            found = consumers.admit(connection, name=name, secret=secret, address=address, now_ms=now_ms)
            if found is None:
                raise unauthenticated()
            if not charged:  # a request is let in twice, and counts once
                self._charge(found.name)
                charged = True
            return Admitted(principal=principal_of(found, self._roster()), consumer=found)

        return admit

    def refused(self, scope: Scope) -> None:
        """Counted, and slowed down; who has the right secret is let in all the same. Raises QuotaError."""
        network = _site(address_of(scope))
        with self._lock:
            self._wrong[network] = self._wrong.get(network, 0) + 1
            while len(self._wrong) > _NETWORKS:
                self._wrong.pop(next(iter(self._wrong)))
            bucket = self._tries.setdefault(network, self._full(_TRIES, _TRIES_PER_S))
            self._tries.move_to_end(network)
            while len(self._tries) > _NETWORKS:
                self._tries.popitem(last=False)
            delay_ms = bucket.delay_ms(self._clock.monotonic())
            bucket.pay(0 if delay_ms else 1)
        if delay_ms:
            raise QuotaError("too many requests without a right secret from your network", delay_ms=delay_ms)

    def take_refused(self) -> dict[str, int]:
        """How many were refused from each network since the last time it was asked."""
        with self._lock:
            taken, self._wrong = self._wrong, {}
            return taken

    def _charge(self, name: str) -> None:
        with self._lock:
            bucket = self._calls.setdefault(name, self._full(_CALLS, _CALLS / 60))
            delay_ms = bucket.delay_ms(self._clock.monotonic())
            bucket.pay(0 if delay_ms else 1)
        if delay_ms:
            raise QuotaError("this consumer asks too often", delay_ms=delay_ms)

    def _full(self, capacity: float, per_s: float) -> Bucket:
        return Bucket(capacity=capacity, per_s=per_s, level=capacity, at=self._clock.monotonic())


def principal_of(consumer: Consumer, roster: Roster) -> Principal:
    """What a consumer is to ``sharing``. Raises NotMemberError where its member is none any more.

    An affiliate's system is a machine like any other consumer: it is judged as one that acts.
    """
    if not roster.is_member(consumer.member):
        raise NotMemberError("the member of this system is none now")
    ceiling, affiliate = consumer.ceiling, consumer.affiliate
    if affiliate is None:
        reader, outlet = consumer_reader(consumer.member, ceiling=ceiling), Outlet.TAXII
    else:
        reader, outlet = affiliate_reader(affiliate, ceiling=ceiling), Outlet.SIEM
        known = roster.affiliate(affiliate)
        if known is None or known[0] != consumer.member:
            raise NotMemberError("the affiliate of this system is none now")
    return Principal(
        name=f"consumer:{consumer.name}",
        member=consumer.member,
        reader=reader,
        outlet=outlet,
        purpose=consumer.purpose,
        affiliate=affiliate,
    )


def credentials(header: str | None) -> tuple[str, str]:
    """(name, secret) of an Authorization header. Raises TaxiiRequestError (401)."""
    if header is None or len(header) > _CREDENTIAL_CHARS:
        raise unauthenticated()
    scheme, _, given = header.strip().partition(" ")
    if scheme.lower() == "bearer":
        name, dot, secret = given.strip().partition(".")
    elif scheme.lower() == "basic":
        name, dot, secret = _basic(given.strip()).partition(":")
    else:
        raise unauthenticated()
    if not dot or not name or not secret:
        raise unauthenticated()
    return name, secret


def unauthenticated() -> TaxiiRequestError:
    """The same for no secret, a wrong one, an unknown name, another network, and one that ended."""
    return TaxiiRequestError(
        "say who you are: HTTP Basic, or Bearer", status=401, headers={"WWW-Authenticate": _CHALLENGE}
    )


def _basic(given: str) -> str:
    try:
        return base64.b64decode(given, validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise unauthenticated() from error


def _site(address: Address) -> str:
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))
