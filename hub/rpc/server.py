"""The two ports: one for nodes with a certificate, one for enrolment and renewal with the hub's certificate alone.

The hub's own certificate is replaced at half its life: the credentials ask for the newest at each new connection,
and connections do not outlive an hour. Bounds on messages and pings are those of ``port2port.tls``; a message of up
to twice the limit is read, so that it is refused with our code, beyond that grpc refuses it by itself.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import grpc

from hub.ca import CertificateAuthority, ServerIdentity
from port2port.clock import Clock
from port2port.errors import ConfigurationError
from port2port.limits import LIMITS
from port2port.tls import SERVER_OPTIONS

Configuration = grpc.ServerCertificateConfiguration
logger = logging.getLogger(__name__)
_RECEIVE: Final = ("grpc.max_receive_message_length", 2 * LIMITS.message_bytes)
_OPTIONS: Final = (*(item for item in SERVER_OPTIONS if item[0] != _RECEIVE[0]), _RECEIVE)
# Calls on the enrolment port are bounded by address (hub.rpc.strangers). A bound of grpc's own would count answers
# that a stranger refuses to read, and keep members out.
_ENROLMENT_OPTIONS: Final = (*_OPTIONS, ("grpc.max_concurrent_streams", 16))


class OwnCertificate:
    """The hub's current certificate. Asked from threads of the grpc core."""

    def __init__(self, *, ca: CertificateAuthority, names: tuple[str, ...], clock: Clock) -> None:
        self._ca = ca
        self._names = names
        self._clock = clock
        self._lock = threading.Lock()
        self._identity: ServerIdentity | None = None

    def current(self) -> ServerIdentity:
        """The newest, made anew once half its life is over."""
        with self._lock:
            now = self._clock.now()
            if self._identity is None or now >= self._identity.half_life:
                self._identity = self._ca.issue_hub(self._names, now)
                logger.info("own certificate issued", extra={"not_after": self._identity.not_after})
            return self._identity

    def credentials(self, *, mutual: bool) -> grpc.ServerCredentials:
        """For one port; ``mutual`` asks for a client certificate of our CA."""
        first, newer = self.watched(mutual=mutual)
        return grpc.dynamic_ssl_server_credentials(
            first,
            newer,  # type: ignore[arg-type]  # None says "no change", which the stubs leave out
            require_client_authentication=mutual,
        )

    def watched(self, *, mutual: bool) -> tuple[Configuration, Callable[[], Configuration | None]]:
        """The current one, and what answers at each new connection: a newer one once, else None.

        The grpc core puts each answer in the place of the one before, which a handshake of the same moment may still
        be using, and that ends the process: so it hears only of what is new.
        """
        roots = self._ca.root_pem if mutual else None
        given = self.current()

        def configured(identity: ServerIdentity) -> Configuration:
            return grpc.ssl_server_certificate_configuration([(identity.key, identity.chain)], roots)

        def newer() -> Configuration | None:
            nonlocal given
            identity = self.current()
            if identity is given:
                return None
            given = identity
            return configured(identity)

        return configured(given), newer


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundPorts:
    """Where the hub listens, after any port 0 was chosen."""

    mutual: int
    enrolment: int


class Servers:
    """Both grpc servers. Make it inside the event loop that runs them."""

    def __init__(
        self,
        *,
        certificate: OwnCertificate,
        mutual: Sequence[grpc.GenericRpcHandler],
        enrolment: Sequence[grpc.GenericRpcHandler],
    ) -> None:
        self._certificate = certificate
        self._mutual = grpc.aio.server(handlers=list(mutual), options=_OPTIONS)
        self._enrolment = grpc.aio.server(handlers=list(enrolment), options=_ENROLMENT_OPTIONS)

    async def start(self, *, listen: str, enrolment_listen: str) -> BoundPorts:
        """Bind both addresses and serve. Raises ConfigurationError where one is taken or cannot be bound."""
        ports = BoundPorts(
            mutual=_bind(self._mutual, listen, self._certificate.credentials(mutual=True)),
            enrolment=_bind(self._enrolment, enrolment_listen, self._certificate.credentials(mutual=False)),
        )
        await self._mutual.start()
        await self._enrolment.start()
        return ports

    async def stop(self, grace_s: float) -> None:
        """Take no new calls, let the open ones finish for ``grace_s``, then end them."""
        await self._enrolment.stop(0)
        await self._mutual.stop(grace_s)


def _bind(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials) -> int:
    try:
        port = server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise ConfigurationError(f"cannot listen on {address}: is the port taken by another process?") from error
    if port == 0:
        raise ConfigurationError(f"cannot listen on {address}")
    return port
