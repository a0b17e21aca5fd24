"""Joining, renewing and being cut off, over real mutual TLS on loopback."""

from __future__ import annotations

import asyncio
from hashlib import sha256

import grpc
import pytest

from hub.enrolment import ENROL_TAG, RENEW_TAG, deny, invite
from hub.rpc.strangers import CALLS_PER_ADDRESS
from hub.tables import TLS_CERTIFICATE
from port2port.clock import SystemClock, to_ms
from port2port.limits import MemberQuota
from port2port.tls import key_to_pem, make_csr, make_key, read_csr
from port2port.v1 import (
    enrolment_pb2,
    enrolment_pb2_grpc,
    exchange_pb2,
    exchange_pb2_grpc,
    transparency_pb2,
    transparency_pb2_grpc,
)
from tests.fakes.live_hub import (
    DEADLINE_S,
    LiveFederation,
    LiveHub,
    describe,
    ended,
    live_hub,
    pem_of,
    refused,
    run,
    submit,
    told,
    until,
)

ACCEPTED = exchange_pb2.SubmitResult.ACCEPTED


@pytest.fixture
def live() -> LiveFederation:
    return LiveFederation.make()


def test_a_node_enrols_waits_for_its_approval_and_then_has_a_voice(tmp_path, live):
    fed = live.fed

    async def story() -> None:
        async with live_hub(tmp_path, live) as hub:
            port = fed.make_port("ghent")
            fed.ports["ghent"] = port
            identity, reply = await enrol(hub, port)
            assert (reply.node, reply.ca) == (1, live.ca.root_der)
            assert len(reply.fingerprint.split()) == 16
            async with hub.channel(identity=identity) as channel:
                assert (await describe(channel)).member == "ghent"
                for work in (
                    submit(channel, fed.publish("ghent")),
                    exchange_pb2_grpc.ExchangeStub(channel).Fetch(exchange_pb2.FetchRequest(), timeout=DEADLINE_S),
                    transparency_pb2_grpc.TransparencyStub(channel).GetCheckpoint(
                        transparency_pb2.GetCheckpointRequest(), timeout=DEADLINE_S
                    ),
                    exchange_pb2_grpc.ExchangeStub(channel).Follow(exchange_pb2.FollowRequest()).read(),
                ):
                    answer = await refused(work)
                    assert (answer.status, answer.code) == ("PERMISSION_DENIED", "NOT_MEMBER")
                await hub.admit(fed.join("ghent"))
                await until(lambda: hub.hub.members.roster.is_member("ghent"), deadline_s=5)
                (result,) = await submit(channel, fed.publish("ghent"))
                assert result.outcome == ACCEPTED

    run(story())


async def enrol(hub: LiveHub, port):
    now_ms = to_ms(SystemClock().now())
    invited = hub.store.database.write_now(lambda c: invite(c, member=port.id, now_ms=now_ms))
    message = ENROL_TAG + sha256(invited.token).digest()
    key = make_key()
    request = enrolment_pb2.EnrolRequest(token=invited.token, csr=make_csr(key), witness_key=port.witness.public)
    for signer, role, pseudonym in ((port.machine, "machine", ""), (port.officer, "officer", "o1")):
        request.keys.add(
            key_class=role,
            scheme="ed25519",
            public_key=signer.public,
            pseudonym=pseudonym,
            proof=signer.sign(message),
        )
    async with hub.channel(enrolment=True) as channel:
        reply = await enrolment_pb2_grpc.EnrolmentStub(channel).Enrol(request, timeout=DEADLINE_S)
    return (pem_of(reply.certificate), key_to_pem(key), ""), reply


def test_a_rostered_node_renews_without_any_certificate(tmp_path, live):
    async def story() -> None:
        async with live_hub(tmp_path, live) as hub, hub.channel(enrolment=True) as channel:
            stub = enrolment_pb2_grpc.EnrolmentStub(channel)
            machine, key = live.fed.ports["beanr"].machine, make_key()
            nonce = (await stub.Challenge(enrolment_pb2.ChallengeRequest(), timeout=DEADLINE_S)).nonce
            csr = make_csr(key)
            request = enrolment_pb2.RenewRequest(
                nonce=nonce,
                csr=csr,
                keyid=bytes.fromhex(machine.key_id),
                node=1,
                sig=machine.sign(RENEW_TAG + nonce + sha256(csr).digest() + (1).to_bytes(4, "big")),
            )
            reply = await stub.Renew(request, timeout=DEADLINE_S)
            answer = await refused(stub.Renew(request, timeout=DEADLINE_S))
            assert answer.code == "CHALLENGE_USED"
            async with hub.channel(identity=(pem_of(reply.certificate), key_to_pem(key), "")) as mutual:
                assert (await describe(mutual)).member == "beanr"

    run(story())


@pytest.mark.parametrize("operation", ["remove-member", "suspend-member", "revoke-key", "deny"])
def test_who_no_longer_belongs_is_cut_off_within_five_seconds_open_streams_too(tmp_path, live, operation):
    fed = live.fed

    async def story() -> None:
        async with live_hub(tmp_path, live) as hub:
            identity = hub.certificate("beanr")
            now_ms = to_ms(SystemClock().now())
            async with hub.channel(identity=identity) as channel, hub.channel("belgg") as other:
                stub = exchange_pb2_grpc.ExchangeStub(channel)
                follow, sending = stub.Follow(exchange_pb2.FollowRequest(cursor=2)), stub.Submit()
                kept = exchange_pb2_grpc.ExchangeStub(other).Follow(exchange_pb2.FollowRequest(cursor=2))
                await sending.write(exchange_pb2.SubmitRequest(batch_id=1, envelopes=[fed.publish("beanr")]))
                assert [item.outcome for item in (await sending.read()).results] == [ACCEPTED]
                await follow.read()
                await kept.read()
                began = asyncio.get_running_loop().time()
                if operation == "revoke-key":
                    await hub.admit(fed.revoke_key(fed.ports["beanr"].machine.key_id))
                elif operation == "deny":
                    hub.store.database.write_now(lambda c: keep_and_deny(c, identity[2], now_ms))
                else:
                    await hub.admit(fed.set_status(operation, "beanr"))
                answers = await asyncio.gather(ended(follow), ended(sending))
                assert asyncio.get_running_loop().time() - began < 5
                wanted = "CERTIFICATE_DENIED" if operation == "deny" else "NOT_MEMBER"
                assert {(item.status, item.code) for item in answers} == {("PERMISSION_DENIED", wanted)}
                answer = await refused(describe(channel))
                assert answer.code == wanted
                (result,) = await submit(other, fed.publish("belgg"))
                assert result.outcome == ACCEPTED
                assert not kept.done()
                kept.cancel()

    run(story())


def keep_and_deny(connection, serial: str, now_ms: int) -> None:
    row = {
        "serial": serial,
        "member": "beanr",
        "node": 1,
        "key_id": "k",
        "not_before_ms": now_ms,
        "not_after_ms": now_ms,
    }
    connection.execute(TLS_CERTIFICATE.insert().values(**row))
    deny(connection, serial=serial, now_ms=now_ms)


def test_without_a_certificate_of_our_authority_nobody_connects(tmp_path, live):
    stranger = LiveFederation.make()

    async def story() -> None:
        async with live_hub(tmp_path, live) as hub:
            async with hub.channel() as channel:
                assert (await refused(describe(channel))).status == "UNAVAILABLE"
            key = make_key()
            issued = stranger.ca.issue_node(
                read_csr(make_csr(key)),
                member="beanr",
                node=1,
                key_id=live.fed.ports["beanr"].machine.key_id,
                now=SystemClock().now(),
            )
            async with hub.channel(identity=(pem_of(issued.der), key_to_pem(key), "")) as channel:
                assert (await refused(describe(channel))).status == "UNAVAILABLE"

    run(story())


def test_the_enrolment_port_serves_nothing_else(tmp_path, live):
    async def story() -> None:
        async with live_hub(tmp_path, live) as hub, hub.channel(enrolment=True) as channel:
            assert (await refused(describe(channel))).status == "UNIMPLEMENTED"

    run(story())


def test_a_rekey_keeps_the_connection(tmp_path, live):
    fed = live.fed

    async def story() -> None:
        async with live_hub(tmp_path, live) as hub, hub.channel("beanr") as channel:
            (result,) = await submit(channel, fed.rekey("beanr"))
            assert result.outcome == ACCEPTED
            (result,) = await submit(channel, fed.publish("beanr"))
            assert result.outcome == ACCEPTED

    run(story())


def test_a_member_that_calls_without_end_is_told_to_wait_and_the_others_are_served(tmp_path, live):
    quota = MemberQuota(calls_per_minute=5, receipts_per_minute=2)

    async def story() -> None:
        async with live_hub(tmp_path, live, quota=quota) as hub:
            async with hub.channel("beanr") as channel:
                for _ in range(5):
                    await describe(channel)
                answer = await refused(describe(channel))
                assert (answer.status, answer.code) == ("RESOURCE_EXHAUSTED", "QUOTA")
                assert 0 < int(answer.retry_ms or 0) <= 12_000
            async with hub.channel("belgg") as channel:
                stub = exchange_pb2_grpc.ExchangeStub(channel)
                many = exchange_pb2.ReceiptsRequest(mine=[exchange_pb2.SignedReceipt()] * 100)
                answers = [await refused(stub.Receipts(many, timeout=DEADLINE_S)) for _ in range(2)]
                assert [item.code for item in answers] == ["NOT_CANONICAL", "QUOTA"]

    run(story())


@pytest.mark.slow
def test_a_stranger_who_holds_calls_open_holds_few_and_not_for_long(tmp_path, live):
    async def silent():
        await asyncio.Event().wait()
        yield b""

    async def story() -> None:
        async with live_hub(tmp_path, live) as hub, hub.channel(enrolment=True) as channel:
            held = [
                channel.stream_unary("/port2port.v1.Enrolment/Renew")(silent(), timeout=4 * DEADLINE_S)
                for _ in range(CALLS_PER_ADDRESS)
            ]
            stub = enrolment_pb2_grpc.EnrolmentStub(channel)

            async def challenge() -> str:
                try:
                    await stub.Challenge(enrolment_pb2.ChallengeRequest(), timeout=DEADLINE_S)
                except grpc.aio.AioRpcError as error:
                    return told(error).status
                return "OK"

            while (said := await challenge()) == "OK":
                pass
            assert said == "RESOURCE_EXHAUSTED"
            for call in held:
                answer = await refused(call)
                assert (answer.status, answer.code) == ("INVALID_ARGUMENT", "REQUEST")
            assert await challenge() == "OK"

    run(story())
