"""The hub over real mutual TLS on loopback: who gets in, what is answered, who is cut off."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hub.members import Members
from hub.quota import Quotas
from hub.revocation import Streams
from hub.rpc.gate import Gate, generic
from hub.rpc.server import OwnCertificate, Servers
from port2port import merkle
from port2port.checkpoint import SignedCheckpoint, log_key, verify_log
from port2port.clock import SystemClock
from port2port.envelope import digest_of
from port2port.errors import ConfigurationError
from port2port.keys import verify_ed25519
from port2port.limits import QUOTA
from port2port.metrics import Metrics
from port2port.tlp import Tlp
from port2port.v1 import (
    directory_pb2,
    exchange_pb2,
    exchange_pb2_grpc,
    transparency_pb2,
    transparency_pb2_grpc,
)
from port2port.wire import ACCEPTED_TAG, decode_envelope
from tests.fakes.clock import FakeClock
from tests.fakes.federation import statement_of
from tests.fakes.live_hub import (
    DEADLINE_S,
    LiveFederation,
    describe,
    ended,
    live_hub,
    refused,
    run,
    submit,
    until,
)

ACCEPTED = exchange_pb2.SubmitResult.ACCEPTED
DUPLICATE = exchange_pb2.SubmitResult.DUPLICATE
RETRY = exchange_pb2.SubmitResult.RETRY


@pytest.fixture
def live() -> LiveFederation:
    return LiveFederation.make()


def test_an_envelope_travels_to_another_member_who_recomputes_the_root(tmp_path, live):
    async def story() -> None:
        async with live_hub(tmp_path, live) as hub, hub.channel("beanr") as one, hub.channel("belgg") as two:
            raw = live.fed.publish("beanr")
            (result,) = await submit(one, raw)
            assert result.outcome == ACCEPTED
            assert result.index == 2
            call = exchange_pb2_grpc.ExchangeStub(two).Follow(exchange_pb2.FollowRequest(cursor=0))
            frontier, entries = merkle.EMPTY_FRONTIER, []
            while frontier.size < 3:
                batch = await call.read()
                leaves = [batch.leaf_hashes[at : at + 32] for at in range(0, len(batch.leaf_hashes), 32)]
                frontier, roots = merkle.extend_with_roots(frontier, leaves)
                signed = SignedCheckpoint.parse(batch.checkpoint.encode())
                head = verify_log(signed, log_key(live.fed.origin, live.fed.log_key.public))
                assert (head.size, head.root) == (frontier.size, roots[-1])
                entries += batch.entries
            assert [item.index for item in entries] == [0, 1, 2]
            assert entries[2].envelope == raw
            call.cancel()

    run(story())


def test_the_receipt_accepted_is_signed_by_the_hub_key_over_what_is_durable(tmp_path, live):
    async def story() -> None:
        async with live_hub(tmp_path, live) as hub, hub.channel("beanr") as channel:
            good, junk = live.fed.publish("beanr"), b"junk"
            call = exchange_pb2_grpc.ExchangeStub(channel).Submit(timeout=DEADLINE_S)
            await call.write(exchange_pb2.SubmitRequest(batch_id=1, envelopes=[good, junk, good]))
            reply = await call.read()
            first, bad, again = reply.results
            assert (first.outcome, again.outcome) == (ACCEPTED, DUPLICATE)
            assert bad.outcome == exchange_pb2.SubmitResult.REFUSED
            assert (bad.step, bad.digest) == (2, b"")
            assert (again.index, again.received_ms) == (first.index, first.received_ms)
            one = first.digest + first.index.to_bytes(8, "big") + first.received_ms.to_bytes(8, "big")
            verify_ed25519(live.fed.hub_key.public, ACCEPTED_TAG + one + one, reply.accepted_sig)
            await call.done_writing()
            assert await call.read() is grpc.aio.EOF

    run(story())


def test_pipelined_batches_are_answered_in_order_and_cumulatively(tmp_path, live):
    async def story() -> None:
        async with live_hub(tmp_path, live) as hub, hub.channel("beanr") as channel:
            call = exchange_pb2_grpc.ExchangeStub(channel).Submit(timeout=DEADLINE_S)
            batches = {number: [live.fed.publish("beanr") for _ in range(3)] for number in range(5, 45)}
            writing = asyncio.create_task(_write_all(call, batches))
            digests, up_to, replies = [], [], 0
            while not up_to or up_to[-1] < 44:
                reply = await call.read()
                replies += 1
                up_to.append(reply.up_to_batch)
                assert all(item.outcome == ACCEPTED for item in reply.results)
                digests += [item.digest for item in reply.results]
            await writing
            assert up_to == sorted(set(up_to))
            assert replies < len(batches)
            assert len(digests) == 120
            sent = [sha256_of(raw) for raws in batches.values() for raw in raws]
            assert digests == sent

    run(story())


async def _write_all(call, batches) -> None:
    for number, raws in batches.items():
        await call.write(exchange_pb2.SubmitRequest(batch_id=number, envelopes=raws))
    await call.done_writing()


def sha256_of(raw: bytes) -> bytes:
    return digest_of(decode_envelope(raw).statement)


def test_a_batch_id_that_does_not_increase_ends_the_stream_after_what_came_before_is_answered(tmp_path, live):
    async def story() -> None:
        async with live_hub(tmp_path, live) as hub, hub.channel("beanr") as channel:
            call = exchange_pb2_grpc.ExchangeStub(channel).Submit(timeout=DEADLINE_S)
            await call.write(exchange_pb2.SubmitRequest(batch_id=7, envelopes=[live.fed.publish("beanr")]))
            await call.write(exchange_pb2.SubmitRequest(batch_id=7, envelopes=[live.fed.publish("beanr")]))
            reply = await call.read()
            assert [item.outcome for item in reply.results] == [ACCEPTED]
            answer = await ended(call)
            assert (answer.status, answer.code) == ("INVALID_ARGUMENT", "REQUEST")

    run(story())


def test_over_its_quota_a_member_is_told_to_retry_and_the_stream_goes_on(tmp_path, live):
    quota = replace(QUOTA, envelopes_per_minute=1, burst_envelopes=1)

    async def story() -> None:
        async with live_hub(tmp_path, live, quota=quota) as hub, hub.channel("beanr") as channel:
            call = exchange_pb2_grpc.ExchangeStub(channel).Submit(timeout=DEADLINE_S)
            await call.write(exchange_pb2.SubmitRequest(batch_id=1, envelopes=[live.fed.publish("beanr")] * 2))
            first = await call.read()
            await call.write(exchange_pb2.SubmitRequest(batch_id=2, envelopes=[live.fed.publish("beanr")] * 3))
            second = await call.read()
            assert [item.outcome for item in first.results] == [ACCEPTED, DUPLICATE]
            assert [item.outcome for item in second.results] == [RETRY] * 3
            assert all(item.delay_ms > 0 and item.code == "QUOTA" for item in second.results)
            async with hub.channel("belgg") as other:
                assert [item.outcome for item in await submit(other, live.fed.publish("belgg"))] == [ACCEPTED]

    run(story())


def test_a_hidden_entry_and_one_that_never_was_are_answered_byte_for_byte_alike(tmp_path, live):
    async def story() -> None:
        async with live_hub(tmp_path, live) as hub, hub.channel("beanr") as one, hub.channel("belgg") as two:
            hidden = live.fed.publish("beanr", tlp=Tlp.AMBER, recipients=("north-sea-port",))
            (result,) = await submit(one, hidden)
            assert result.outcome == ACCEPTED
            name = statement_of(hidden).id
            stub = exchange_pb2_grpc.ExchangeStub(two)
            answers = [
                await refused(stub.Fetch(exchange_pb2.FetchRequest(id=asked), timeout=DEADLINE_S))
                for asked in (name, name[:-4] + "0000", "nonsense", "")
            ]
            assert len(set(answers)) == 1
            assert answers[0].code == "NOT_FOUND"
            assert answers[0].error_id is None
            own = await exchange_pb2_grpc.ExchangeStub(one).Fetch(exchange_pb2.FetchRequest(id=name))
            assert own.entry.envelope == hidden

    run(story())


def test_a_member_has_so_many_streams_and_another_is_not_affected(tmp_path, live):
    quota = replace(QUOTA, open_follow_streams=2)

    async def story() -> None:
        async with (
            live_hub(tmp_path, live, quota=quota) as hub,
            hub.channel("beanr") as one,
            hub.channel("belgg") as two,
        ):
            stub = exchange_pb2_grpc.ExchangeStub(one)
            calls = [stub.Follow(exchange_pb2.FollowRequest()) for _ in range(2)]
            for call in calls:
                await call.read()
            answer = await ended(stub.Follow(exchange_pb2.FollowRequest()))
            assert (answer.status, answer.code) == ("RESOURCE_EXHAUSTED", "TOO_MANY_STREAMS")
            assert int(answer.retry_ms) > 0
            other = exchange_pb2_grpc.ExchangeStub(two).Follow(exchange_pb2.FollowRequest())
            await other.read()
            calls[0].cancel()
            await until(lambda: len(hub.hub.streams) <= 2)
            await stub.Follow(exchange_pb2.FollowRequest()).read()

    run(story())


def test_proofs_are_given_and_impossible_ones_refused(tmp_path, live):
    async def story() -> None:
        async with live_hub(tmp_path, live) as hub, hub.channel("beanr") as channel:
            stub = transparency_pb2_grpc.TransparencyStub(channel)
            note = (await stub.GetCheckpoint(transparency_pb2.GetCheckpointRequest())).note
            head = SignedCheckpoint.parse(note.encode()).checkpoint
            leaves = (await stub.GetLeaves(transparency_pb2.LeavesRequest(start=0, count=10))).leaf_hashes
            assert len(leaves) == 32 * head.size
            path = (await stub.GetInclusion(transparency_pb2.InclusionRequest(index=1, size=2))).path
            merkle.verify_inclusion(leaves[32:64], index=1, size=2, proof=tuple(path), root=head.root)
            assert (await stub.GetConsistency(transparency_pb2.ConsistencyRequest(old_size=1, new_size=2))).path
            for work, code in (
                (stub.GetInclusion(transparency_pb2.InclusionRequest(index=2, size=2)), "REQUEST"),
                (stub.GetInclusion(transparency_pb2.InclusionRequest(index=0, size=9)), "NOT_FOUND"),
                (stub.GetInclusion(transparency_pb2.InclusionRequest(index=0, size=2**63)), "REQUEST"),
                (stub.GetConsistency(transparency_pb2.ConsistencyRequest(old_size=3, new_size=2)), "REQUEST"),
                (stub.GetLeaves(transparency_pb2.LeavesRequest(start=2**64 - 1, count=1)), "REQUEST"),
                (stub.GetLeaves(transparency_pb2.LeavesRequest(start=0, count=10_001)), "REQUEST"),
            ):
                assert (await refused(work)).code == code

    run(story())


def test_a_stop_tells_followers_and_health_and_leaves_no_task_behind(tmp_path, live):
    async def story() -> None:
        before = asyncio.all_tasks()
        async with live_hub(tmp_path, live) as hub, hub.channel("beanr") as channel:
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
            follow = exchange_pb2_grpc.ExchangeStub(channel).Follow(exchange_pb2.FollowRequest())
            await follow.read()
            hub.stop.set()
            answer = await ended(follow)
            assert (answer.status, answer.code) == ("UNAVAILABLE", "HUB_STOPPING")
            await asyncio.wait_for(asyncio.shield(hub.done), DEADLINE_S)
            assert (await refused(describe(channel))).status == "UNAVAILABLE"
        left = {task for task in asyncio.all_tasks() - before if "hub" in repr(task.get_coro())}
        assert not left

    run(story())


def test_health_answers_for_each_service_and_not_for_unknown_ones(tmp_path, live):
    async def story() -> None:
        async with live_hub(tmp_path, live) as hub, hub.channel("beanr") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            for name in ("", "port2port.v1.Exchange", "port2port.v1.Transparency", "port2port.v1.Directory"):
                reply = await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=DEADLINE_S)
                assert reply.status == health_pb2.HealthCheckResponse.SERVING
            answer = await refused(stub.Check(health_pb2.HealthCheckRequest(service="x"), timeout=DEADLINE_S))
            assert answer.status == "NOT_FOUND"

    run(story())


def test_what_nobody_foresaw_tells_the_peer_an_id_and_nothing_of_its_cause(live, caplog):
    clock = SystemClock()
    members = Members()
    gate = Gate(
        federation="p2p.test",
        members=members,
        streams=Streams(members),
        quotas=Quotas(QUOTA, clock),
        clock=clock,
        metrics=Metrics("p2p_test"),
    )

    async def boom(_request: directory_pb2.DescribeRequest) -> directory_pb2.DescribeReply:
        raise ValueError("the secret cause")

    async def story() -> None:
        handlers = {"Boom": gate.open_unary("Test.Boom", directory_pb2.DescribeRequest, boom)}
        servers = Servers(
            certificate=OwnCertificate(ca=live.ca, names=("localhost",), clock=clock),
            mutual=[],
            enrolment=[generic("test.Test", handlers)],
        )
        ports = await servers.start(listen="127.0.0.1:0", enrolment_listen="127.0.0.1:0")
        credentials = grpc.ssl_channel_credentials(live.ca.root_pem)
        async with grpc.aio.secure_channel(f"localhost:{ports.enrolment}", credentials) as channel:
            answer = await refused(channel.unary_unary("/test.Test/Boom")(b"", timeout=DEADLINE_S))
        await servers.stop(0)
        assert (answer.status, answer.code) == ("INTERNAL", "INTERNAL")
        assert "secret" not in str(answer)
        assert [item.error_id for item in caplog.records if hasattr(item, "error_id")] == [answer.error_id]
        assert "the secret cause" in caplog.text

    run(story())


def test_a_port_that_is_taken_is_a_wrong_setting(tmp_path, live):
    async def story() -> None:
        async with live_hub(tmp_path, live) as hub:
            servers = Servers(certificate=hub.hub.certificate, mutual=[], enrolment=[])
            with pytest.raises(ConfigurationError, match="taken"):
                await servers.start(listen=f"127.0.0.1:{hub.ports.mutual}", enrolment_listen="127.0.0.1:0")
            await servers.stop(0)

    run(story())


def test_the_hubs_own_certificate_is_exchanged_at_half_its_life_without_a_restart(tmp_path, live):
    clock = FakeClock(SystemClock().now())
    own = OwnCertificate(ca=live.ca, names=("localhost",), clock=clock)

    async def story() -> None:
        servers = Servers(certificate=own, mutual=[], enrolment=[])
        ports = await servers.start(listen="127.0.0.1:0", enrolment_listen="127.0.0.1:0")
        first = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", ports.enrolment))
        again = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", ports.enrolment))
        clock.advance(13 * 3600)
        later = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", ports.enrolment))
        await servers.stop(0)
        assert first == again != later

    run(story())


def test_a_new_connection_hears_of_a_certificate_only_when_it_is_new(live):
    clock = FakeClock(SystemClock().now())
    _, newer = OwnCertificate(ca=live.ca, names=("localhost",), clock=clock).watched(mutual=True)
    assert [newer(), newer()] == [None, None]
    clock.advance(13 * 3600)
    assert newer() is not None
    assert newer() is None
