"""Passkeys of this desk on their way into the roster, and those reported lost: ``SigningKeys`` for the sign-in pages.

The proof is an assertion over the offer's message, as prepared acts are signed: the hub, and every coordinator after
it, checks that the device was there, without asking this node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from sqlalchemy.engine import Connection

from node import officers
from node.console.context import DeskContext
from node.officers import OfficerKey
from port2port.console.passkeys import Passkey
from port2port.console.people import Person
from port2port.console.roles import Role
from port2port.console.signin.standing import SIGNERS, KnownKey, Standing
from port2port.errors import NotFoundError, UnavailableError
from port2port.join_request import JoiningKey
from port2port.key_request import KeyRequest, message_of

TOPIC: Final = "keys"
LOOK_S: Final = 2.0
PATIENCE_S: Final = 8.0  # a person waits before the page; he can press again
_STANDINGS: Final = {
    officers.NOT_OFFERED: Standing.NOT_OFFERED,
    officers.NOT_TAKEN: Standing.NOT_TAKEN,
    officers.OFFERED: Standing.WAITING,
    officers.IN_FORCE: Standing.IN_FORCE,
    officers.LOST: Standing.LOST,
    officers.REVOKED: Standing.REVOKED,
    officers.EXPIRED: Standing.EXPIRED,
}


def may_hear(person: Person) -> bool:
    """Whether the pages of keys are this person's."""
    return person.has(*SIGNERS, Role.ADMIN)


async def feed(desk: DeskContext) -> None:
    """Tell open pages when a key is offered, comes into force, is lost or revoked; until cancelled."""
    offers, before = KeyOffers(desk), None
    while True:
        if desk.live.readers:
            now = await desk.store.read(offers.listed)
            if before not in {None, tuple(now)}:
                desk.live.publish(TOPIC, "changed", {}, to=may_hear)
            before = tuple(now)
        await desk.clock.sleep(LOOK_S)


class KeyOffers:
    """The keys of this port as its officers' own pages see them."""

    def __init__(self, desk: DeskContext) -> None:
        self._desk = desk

    def listed(self, connection: Connection) -> Sequence[KnownKey]:
        """As in the roster, else as offered here."""
        desk = self._desk
        return [_known(one) for one in officers.listed(connection, desk.roster(), desk.member, now=desk.now)]

    def proof_of(self, person: Person, key: Passkey) -> bytes:
        """The message of the offer, which is the same each time. Raises NotFoundError or JoinRequestError."""
        desk = self._desk
        if person.member != desk.member:
            raise NotFoundError("there is no such passkey")  # of this member
        joining = JoiningKey(public=key.record, pseudonym=person.pseudonym)
        return message_of(desk.settings.federation, desk.member, [joining])

    def remember(self, connection: Connection, person: Person, key: Passkey) -> None:
        """As made here, or the log would seem to name a foreign key."""
        officers.remember(connection, self._request(person, key), now=self._desk.now)

    async def hand_in(self, person: Person, key: Passkey, proof: bytes) -> None:
        """Raises UnavailableError or ConfigurationError while the hub cannot be reached, else as ``officers.offer``."""
        desk, request = self._desk, self._request(person, key)
        try:
            async with asyncio.timeout(PATIENCE_S):
                hub = await desk.connect()
                try:
                    await officers.offer(hub, request, [proof])
                finally:
                    await hub.close()
        except TimeoutError as error:
            raise UnavailableError("the hub did not answer in time") from error
        await desk.store.write(lambda c: officers.taken(c, request, now=desk.now))

    def lost(self, connection: Connection, key_id: str) -> None:
        """At this port at once; everywhere else when the coordinators revoke it."""
        officers.lost(connection, key_id, now=self._desk.now)

    def _request(self, person: Person, key: Passkey) -> KeyRequest:
        desk = self._desk
        return officers.offer_of(desk.settings.federation, desk.member, person.pseudonym, key.record, desk.machine)


def _known(one: OfficerKey) -> KnownKey:
    return KnownKey(
        key_id=one.key_id,
        pseudonym=one.pseudonym,
        standing=_STANDINGS[one.state],
        passkey=one.passkey,
        until=one.not_after,
        fingerprint=one.fingerprint,
    )
