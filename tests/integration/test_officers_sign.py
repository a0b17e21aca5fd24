"""Officers with passkeys over a real hub: the key gets into the roster, what it signs verifies at another port, and an
act that waits for a second officer neither holds up nor is overtaken by what the machine says meanwhile."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from hub.enrolment import key_requests, pending_keys
from node import act_store, acts, indicators, officers, outbox, publish, sightings, store
from node.acts import preparing
from node.acts.asked import Asked
from node.acts.signing import Outcome, Signed
from node.console.building import parts_of
from node.drafts import Proposal
from node.outbox import Queued
from node.publish import Act
from node.review import Choice
from node.trusted_time import TrustedTime
from node.uplink import Uplink, UplinkParts
from node.uplink.grpc_hub import GrpcHub
from node.witness import Witness, WitnessWatch
from port2port import key_request
from port2port.cli import coordinator
from port2port.clock import SystemClock
from port2port.console import accounts, sessions
from port2port.console.app import build
from port2port.console.roles import Role
from port2port.errors import PolicyError
from port2port.keys import SigningKey
from port2port.metrics import Metrics
from port2port.tlp import Tlp
from port2port.tls import channel_credentials
from port2port.wire import decode_envelope
from tests.fakes.authenticator import Authenticator
from tests.fakes.desk_console import context_of
from tests.fakes.desks import A, B, C, Desk, a_finding, amber
from tests.fakes.federation import stix_id_of
from tests.fakes.feed import FakeFeed
from tests.fakes.live_hub import LiveFederation, LiveHub, live_hub, run, until
from tests.fakes.nodes import make_node
from tests.fakes.passkey import Passkey

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from node.console.context import DeskContext

RP_ID = "desk.north-sea-port.example"


@dataclass(slots=True, kw_only=True)
class Port:
    """A node with a running uplink to the real hub, and the desk on top of it."""

    desk: Desk
    hub: LiveHub
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @classmethod
    def start(cls, hub: LiveHub, member: str, home: Path) -> Port:
        fed, clock = hub.live.fed, SystemClock()
        node = make_node(fed, member, home, handlers=(indicators.handle, sightings.handle_incoming(member)))
        for key in fed.ports[member].desk:
            node.store.write_now(lambda c, k=key: store.remember_own_key(c, k.key_id, "machine", at_ms=0))
        made = cls(desk=Desk(node, FakeFeed(fed)), hub=hub)
        parts = UplinkParts(
            store=node.store,
            inbox=node.inbox,
            witness=Witness(name=member, key=fed.ports[member].witness, clock=clock),
            watch=WitnessWatch(clock, size=0),
            time=TrustedTime(clock),
            machine=fed.ports[member].machine,
            clock=clock,
            metrics=Metrics("node"),
            connect=made.connect,
            dice=random.Random(member),
        )
        made.tasks.append(asyncio.create_task(Uplink(parts).run()))
        return made

    async def connect(self) -> GrpcHub:
        certificate, key, _ = self.hub.certificate(self.desk.member)
        credentials = channel_credentials(ca_pem=self.hub.live.ca.root_pem, certificate_pem=certificate, key_pem=key)
        return GrpcHub(f"localhost:{self.hub.ports.mutual}", credentials)

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks)
        self.desk.node.store.close()

    def prepare(self, officer: str, choice: Choice, number: int) -> acts.Prepared:
        draft = self.desk.draft(a_finding(mmsi=f"20500000{number}", at=self.desk.fed.clock.now()))
        asked = Asked(roster=self.desk.roster, officer=officer, now=self.desk.fed.clock.now())
        return self.desk.node.store.write_now(
            lambda c: preparing.publish_draft(c, self.desk.author, draft.id, choice, asked)
        )

    def sign(self, act: acts.Prepared, officer: str, key: SigningKey) -> Outcome:
        made = tuple(key.sign(message) for message in acts.to_sign(act, officer))
        signed = Signed(officer=officer, key_id=key.key_id, signatures=made)
        now, desk = self.desk.fed.clock.now(), self.desk
        return desk.node.store.write_now(
            lambda c: acts.add_signature(c, desk.author, act.id, signed, desk.roster, now=now)
        )

    def automatic(self) -> Queued:
        """What an approved rule says at once, under the machine key alone."""
        raw = self.desk.fed.indicator(B, tlp=Tlp.AMBER)
        proposal = Proposal(kind="publish", objects=(raw,), groups=("seaports",), handling="call_first")
        act = Act(roster=self.desk.roster, decided_by="rule:test@1", now=self.desk.fed.clock.now())
        (queued,) = self.desk.node.store.write_now(lambda c: publish.publish(c, self.desk.author, proposal, act))
        return queued

    def cleared(self, *queued: Queued) -> Callable[[], bool]:
        return lambda: all(self.desk.node.state_of(one.digest) == outbox.CLEARED for one in queued)

    def knows(self, key_id: str) -> Callable[[], bool]:
        return lambda: self.desk.node.inbox.state.roster is not None and key_id in self.desk.roster.keys

    def has(self, *objects: bytes) -> Callable[[], bool]:
        return lambda: all(self.desk.indicator(stix_id_of(raw)) is not None for raw in objects)


@asynccontextmanager
async def stage(path: Path) -> AsyncIterator[tuple[LiveHub, Port, Port]]:
    """A hub and two ports, in one sharing group, that follow it."""
    live = LiveFederation.make((A, B, C), desk_keys=2)
    async with live_hub(path, live) as hub:
        await hub.admit(live.fed.group("seaports", A, B))
        ports = [Port.start(hub, member, path / member) for member in (B, A)]
        try:
            machine = live.fed.ports[B].machine.key_id
            await until(lambda: all(port.knows(machine)() and port.desk.roster.groups for port in ports))
            yield hub, ports[0], ports[1]
        finally:
            for port in ports:
                await port.stop()


async def enrol(hub: LiveHub, author: Port, reader: Port, passkey: Passkey, pseudonym: str) -> None:
    """From the device into the roster, as node, hub and coordinator do it."""
    fed, now = hub.live.fed, hub.live.fed.clock.now()
    public = officers.passkey(passkey.public, rp_id=passkey.rp_id)
    request = officers.offer_of(fed.name, B, pseudonym, public, fed.ports[B].machine)
    author.desk.node.store.write_now(lambda c: officers.remember(c, request, now=now))
    connection = await author.connect()
    try:
        for _ in range(2):  # a lost answer is asked for again
            fingerprint = await officers.offer(connection, request, [passkey.sign(request.message)])
    finally:
        await connection.close()
    ((waiting, _),) = pending_keys(hub.store.database.read_now(key_requests), fed.roster)
    carried = key_request.decode(waiting.encode(now))
    assert (carried, carried.fingerprint) == (request, fingerprint)
    key_request.require_sound(carried, fed.roster)
    ops = [coordinator._added(carried.member, item, fed.clock) for item in carried.keys]
    await hub.admit(fed.control("roster", ops))
    await until(lambda: author.knows(passkey.key_id)() and reader.knows(passkey.key_id)())
    assert pending_keys(hub.store.database.read_now(key_requests), fed.roster) == []


def test_what_a_passkey_signed_verifies_at_another_port(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (hub, author, reader):
            passkey = Passkey(rp_id=RP_ID)
            await enrol(hub, author, reader, passkey, "o3")
            act = author.prepare("o3", amber(), 1)
            outcome = author.sign(act, "o3", passkey)
            assert outcome.act.state == act_store.DONE
            (queued,) = outcome.queued
            sealed = decode_envelope(queued.envelope)
            assert {item.key_id for item in sealed.signatures} == {passkey.key_id, act.signer}
            await until(reader.has(*(item.body for item in sealed.objects)))
            found = reader.desk.indicator(stix_id_of(sealed.objects[0].body))
            assert found is not None
            assert (found.machine_only, found.may_match) == (False, True)
            await until(author.cleared(queued))
            assert author.desk.node.store.read_now(lambda c: officers.listed(
                c, author.desk.roster, B, now=hub.live.fed.clock.now()
            ))[-1].passkey  # fmt: skip

    run(story())


def test_an_act_waits_for_its_second_officer_while_the_machine_goes_on_speaking(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (hub, author, reader):
            passkey = Passkey(rp_id=RP_ID)
            await enrol(hub, author, reader, passkey, "o3")
            act = author.prepare("o3", Choice(tlp=Tlp.GREEN), 1)
            assert act.need == 2
            assert author.sign(act, "o3", passkey).act.state == act_store.WAITING
            before = [author.automatic() for _ in range(5)]
            await until(author.cleared(*before))
            author.desk.fed.clock.advance(60)  # the second desk, later
            (queued,) = author.sign(act, "o2", author.desk.fed.ports[B].second_officer).queued
            after = [author.automatic() for _ in range(5)]
            await until(author.cleared(queued, *after))
            sealed = decode_envelope(queued.envelope)
            assert len(sealed.signatures) == 3
            await until(reader.has(*(item.body for item in sealed.objects)))
            assert reader.desk.node.store.read_now(store.quarantined_count) == 0
            standing = author.desk.node.store.read_now(outbox.counts)
            assert standing == {outbox.CLEARED: 11}

    run(story())


def test_the_hub_keeps_no_offer_that_the_members_machine_key_did_not_sign(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (hub, author, _):
            fed, passkey = hub.live.fed, Passkey(rp_id=RP_ID)
            public = officers.passkey(passkey.public, rp_id=passkey.rp_id)
            connection = await author.connect()
            for signer in (fed.ports[A].machine, fed.ports[B].officer, fed.key("stranger")):
                request = officers.offer_of(fed.name, B, "o3", public, signer)
                with pytest.raises(PolicyError, match="current machine key of this member"):
                    await officers.offer(connection, request, [passkey.sign(request.message)])
            known = officers.offer_of(fed.name, B, "o1", fed.ports[B].officer.record("officer"), fed.ports[B].machine)
            with pytest.raises(PolicyError, match="knows one of these keys already"):
                await officers.offer(connection, known, [fed.ports[B].officer.sign(known.message)])
            await connection.close()
            assert hub.store.database.read_now(key_requests) == []

    run(story())


class Browser:
    """An officer at the pages of a port's own desk, with a device in his hand."""

    def __init__(self, context: DeskContext, client: httpx2.AsyncClient, number: int) -> None:
        self.device = Authenticator(number, origin=context.console.origin)
        self._context = context
        self._client = client

    def sign_in(self, pseudonym: str) -> None:
        def action(connection: Connection) -> str:
            now, roles = self._context.now, frozenset({Role.OFFICER, Role.APPROVER})
            account = accounts.create(connection, pseudonym=pseudonym, member=B, roles=roles, now=now)
            return sessions.start(connection, account.id, method="password", device="test", address="::1", now=now)

        secret = self._context.store.write_now(action)
        self._client.cookies.set(sessions.COOKIE, secret, domain="console.example", path="/")

    async def page(self, path: str) -> str:
        answer = await self._client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    async def send(self, path: str, page: str, **fields: Any) -> httpx2.Response:
        token = re.search(r'name="form_token" value="([0-9a-f]{64})"', await self.page(page))
        assert token is not None
        headers = {"Sec-Fetch-Site": "same-origin", "Origin": self._context.console.origin}
        return await self._client.post(path, data={"form_token": token[1], **fields}, headers=headers)

    async def enrol(self) -> str:
        """Make a passkey on the person's own page; its key id."""
        made = (await self.send("/me/passkeys/options", "/me")).json()
        answer = self.device.make(made["options"])
        done = await self.send("/me/passkeys/add", "/me", ticket=made["ticket"], assertion=answer, name="desk 3")
        assert done.status_code == 303
        (key_id,) = re.findall(r'name="key" value="([0-9a-f]{64})"', await self.page("/me"))[:1]
        return str(key_id)

    async def offer(self, key_id: str) -> httpx2.Response:
        options = (await self.send("/me/keys/options", "/me", key=key_id)).text
        return await self.send("/me/keys/offer", "/me", key=key_id, assertion=self.device.sign(options))

    async def sign(self, act: acts.Prepared) -> httpx2.Response:
        given = (await self.send(f"/acts/{act.id}/options", f"/acts/{act.id}")).json()["options"]
        answers = [self.device.sign(json.dumps(one)) for one in given]
        return await self.send(f"/acts/{act.id}/sign", f"/acts/{act.id}", assertion=answers)


@asynccontextmanager
async def at_the_desk(home: Path, port: Port) -> AsyncIterator[Browser]:
    """A browser at the console of this port's node, whose hub is the real one."""
    with context_of(home, port.desk, port.connect) as context:
        transport = httpx2.ASGITransport(app=build(parts_of(context)))
        headers = {"Accept-Language": "en"}
        async with httpx2.AsyncClient(transport=transport, base_url=context.console.origin, headers=headers) as client:
            yield Browser(context, client, 23)


def test_an_officer_lets_his_passkey_sign_for_the_port_from_his_own_page(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (hub, author, reader), at_the_desk(tmp_path, author) as officer:
            fed = hub.live.fed
            officer.sign_in("o5")
            key_id = await officer.enrol()
            assert "Let it sign for this port" in await officer.page("/me")
            assert (await officer.offer(key_id)).status_code == 303
            ((waiting, _),) = pending_keys(hub.store.database.read_now(key_requests), fed.roster)
            page = await officer.page("/me")
            assert "waiting for the coordinators" in page
            assert waiting.fingerprint in page
            act = author.prepare("o5", amber(), 1)
            assert (await officer.send(f"/acts/{act.id}/sign", "/me", assertion="")).status_code == 403

            carried = key_request.decode(waiting.encode(fed.clock.now()))
            key_request.require_sound(carried, fed.roster)
            await hub.admit(fed.control("roster", [coordinator._added(B, item, fed.clock) for item in carried.keys]))
            await until(lambda: author.knows(key_id)() and reader.knows(key_id)())
            assert "in force until" in await officer.page("/me")

            assert (await officer.sign(act)).status_code == 303
            (part,) = author.desk.node.store.read_now(lambda c: act_store.get(c, act.id)).parts
            await until(reader.has(*(item.body for item in part.objects)))
            found = reader.desk.indicator(stix_id_of(part.objects[0].body))
            assert found is not None
            assert (found.machine_only, found.may_match) == (False, True)

            assert (await officer.send("/me/keys/lost", "/me", key=key_id)).status_code == 303
            assert f"port2port coordinator revoke --key {key_id}" in await officer.page("/me")
            await hub.admit(fed.revoke_key(key_id))
            await until(lambda: author.desk.roster.keys[key_id].revoked_index is not None)
            assert "revoked" in await officer.page("/me")
            assert reader.desk.indicator(stix_id_of(part.objects[0].body)).may_match

    run(story())
