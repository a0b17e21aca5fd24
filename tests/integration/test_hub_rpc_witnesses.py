"""Witnesses, receipts and recovery over real mutual TLS on loopback."""

from __future__ import annotations

import asyncio
import shutil

import orjson

from hub.receipts import PAYLOAD_TYPE
from port2port.checkpoint import Checkpoint, SignedCheckpoint, cosign, sign, verify_cosignatures
from port2port.clock import SystemClock, to_text
from port2port.envelope import digest_of, pae
from port2port.v1 import exchange_pb2, exchange_pb2_grpc, transparency_pb2, transparency_pb2_grpc
from port2port.wire import decode_envelope
from tests.fakes.live_hub import DEADLINE_S, LiveFederation, ended, live_hub, refused, run, submit, until

ACCEPTED = exchange_pb2.SubmitResult.ACCEPTED


def exchange(channel):
    return exchange_pb2_grpc.ExchangeStub(channel)


def transparency(channel):
    return transparency_pb2_grpc.TransparencyStub(channel)


async def newest(channel) -> str:
    reply = await transparency(channel).GetCheckpoint(transparency_pb2.GetCheckpointRequest(), timeout=DEADLINE_S)
    return reply.note


def cosigned(live: LiveFederation, member: str, note: str) -> str:
    signed = SignedCheckpoint.parse(note.encode())
    time = int(SystemClock().now().timestamp())
    line = cosign(signed.checkpoint, witness=member, key=live.fed.ports[member].witness, time=time)
    return signed.with_signatures([line]).note.decode()


def test_a_hub_with_witnesses_accepts_nothing_until_a_majority_has_shown_what_it_remembers(tmp_path):
    live = LiveFederation.make(witnesses=("beanr", "belgg", "north-sea-port"))

    async def story() -> None:
        async with live_hub(tmp_path, live) as hub, hub.channel("beanr") as one, hub.channel("belgg") as two:
            raw = live.fed.publish("beanr")
            answer = await refused(submit(one, raw))
            assert (answer.status, answer.code) == ("UNAVAILABLE", "WAITING_FOR_WITNESSES")
            calls = []
            for channel in (one, two):
                calls.append(exchange(channel).Follow(exchange_pb2.FollowRequest(checkpoint=await newest(channel))))
                await calls[-1].read()
            (result,) = await submit(one, raw)
            assert result.outcome == ACCEPTED

    run(story())


async def submit_new(channel, live: LiveFederation):
    return await submit(channel, live.fed.publish("beanr"))


def test_cosignatures_are_taken_from_witnesses_alone_and_shown_to_followers(tmp_path):
    live = LiveFederation.make(witnesses=("beanr",))

    async def story() -> None:
        async with live_hub(tmp_path, live) as hub, hub.channel("beanr") as one, hub.channel("belgg") as two:
            follow = exchange(two).Follow(exchange_pb2.FollowRequest())
            await follow.read()
            note = cosigned(live, "beanr", await newest(one))
            reply = await transparency(one).Cosign(transparency_pb2.CosignRequest(note=note), timeout=DEADLINE_S)
            keys = {"beanr": (live.fed.ports["beanr"].witness.public,)}
            assert verify_cosignatures(SignedCheckpoint.parse(reply.note.encode()), keys)
            batch = await asyncio.wait_for(follow.read(), DEADLINE_S)
            assert verify_cosignatures(SignedCheckpoint.parse(batch.cosigned.encode()), keys)
            call = transparency(two).Cosign(transparency_pb2.CosignRequest(note=note), timeout=DEADLINE_S)
            assert (await refused(call)).code == "NOT_A_WITNESS"

    run(story())


def receipt(live: LiveFederation, member: str, raw: bytes, index: int) -> exchange_pb2.SignedReceipt:
    said = {
        "at": to_text(SystemClock().now()),
        "digest": digest_of(decode_envelope(raw).statement).hex(),
        "index": index,
        "member": member,
        "state": "delivered",
        "v": 1,
    }
    body = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
    machine = live.fed.ports[member].machine
    return exchange_pb2.SignedReceipt(
        receipt=body, keyid=bytes.fromhex(machine.key_id), sig=machine.sign(pae(PAYLOAD_TYPE, body))
    )


def test_a_receipt_goes_to_the_issuer_of_the_entry_and_to_nobody_else(tmp_path):
    live = LiveFederation.make()

    async def story() -> None:
        async with (
            live_hub(tmp_path, live) as hub,
            hub.channel("beanr") as issuer,
            hub.channel("belgg") as reader,
            hub.channel("north-sea-port") as other,
        ):
            raw = live.fed.publish("beanr")
            (result,) = await submit(issuer, raw)
            await until(lambda: hub.hub.feed.next > result.index)
            mine = receipt(live, "belgg", raw, result.index)
            given = await exchange(reader).Receipts(exchange_pb2.ReceiptsRequest(mine=[mine]), timeout=DEADLINE_S)
            assert list(given.theirs) == []
            got = await exchange(issuer).Receipts(exchange_pb2.ReceiptsRequest(), timeout=DEADLINE_S)
            assert list(got.theirs) == [mine]
            again = exchange_pb2.ReceiptsRequest(after=got.cursor)
            assert list((await exchange(issuer).Receipts(again, timeout=DEADLINE_S)).theirs) == []
            assert list((await exchange(other).Receipts(again, timeout=DEADLINE_S)).theirs) == []
            stolen = exchange(other).Receipts(exchange_pb2.ReceiptsRequest(mine=[mine]), timeout=DEADLINE_S)
            assert (await refused(stolen)).status == "PERMISSION_DENIED"

    run(story())


def test_a_hub_restored_from_yesterday_refuses_to_serve_and_recovers_to_the_same_root(tmp_path):
    live = LiveFederation.make(witnesses=("beanr",))
    today, restored = tmp_path / "today", tmp_path / "restored"
    today.mkdir()

    async def before() -> tuple[str, list[exchange_pb2.FeedBatch]]:
        async with live_hub(today, live) as hub, hub.channel("beanr") as channel:
            follow = exchange(channel).Follow(exchange_pb2.FollowRequest())
            batches = [await follow.read()]
            shutil.copytree(today, restored)
            (result,) = await submit_new(channel, live)
            while batches[-1].first_index + len(batches[-1].leaf_hashes) // 32 <= result.index:
                batches.append(await follow.read())
            return batches[-1].checkpoint, batches

    async def story() -> None:
        checkpoint, batches = await before()
        async with live_hub(restored, live, found=()) as hub, hub.channel("beanr") as channel:
            assert SignedCheckpoint.parse((await newest(channel)).encode()).checkpoint.size == 2
            answer = await ended(exchange(channel).Follow(exchange_pb2.FollowRequest(cursor=3, checkpoint=checkpoint)))
            assert (answer.status, answer.code) == ("UNAVAILABLE", "LOG_BEHIND")
            raw = live.fed.publish("beanr")
            assert (await refused(submit(channel, raw))).code == "LOG_BEHIND"
            await until(lambda: not hub.hub.health.serving)
            call = transparency(channel).Recover(timeout=DEADLINE_S)
            for batch in batches:
                entries = [
                    transparency_pb2.RecoveredEntry(
                        index=item.index, received_ms=item.received_ms, envelope=item.envelope
                    )
                    for item in batch.entries
                ]
                await call.write(
                    transparency_pb2.RecoverRequest(
                        first_index=batch.first_index,
                        leaf_hashes=batch.leaf_hashes,
                        entries=entries,
                        checkpoint=checkpoint if batch is batches[0] else "",
                    )
                )
            await call.done_writing()
            reply = await call
            assert (reply.size, reply.wanted) == (3, 3)
            now = SignedCheckpoint.parse((await newest(channel)).encode()).checkpoint
            assert now == SignedCheckpoint.parse(checkpoint.encode()).checkpoint
            follow = exchange(channel).Follow(exchange_pb2.FollowRequest(cursor=0, checkpoint=checkpoint))
            assert (await follow.read()).first_index == 0
            await until(lambda: hub.hub.health.serving)
            assert [item.outcome for item in await submit(channel, raw)] == [ACCEPTED]

    run(story())


def test_a_checkpoint_that_the_log_never_signed_frightens_nobody(tmp_path):
    live = LiveFederation.make()
    stranger = LiveFederation.make(seed="stranger")

    async def story() -> None:
        async with live_hub(tmp_path, live) as hub, hub.channel("beanr") as channel:
            made = sign(Checkpoint(origin=live.fed.origin, size=99, root=b"r" * 32), stranger.fed.log_key)
            for note in (made.note.decode(), "nonsense"):
                answer = await ended(exchange(channel).Follow(exchange_pb2.FollowRequest(checkpoint=note)))
                assert answer.status == "INVALID_ARGUMENT"
            assert [item.outcome for item in await submit_new(channel, live)] == [ACCEPTED]

    run(story())
