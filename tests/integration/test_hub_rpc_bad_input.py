"""Bytes that are no message, to every rpc of a real hub: a coded error, nothing stored, nothing broken, a count."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import grpc
import pytest
import sqlalchemy as sa

from hub.rpc.health import SERVICE
from hub.tables import HubRow
from port2port.limits import LIMITS
from port2port.v1 import enrolment_pb2, exchange_pb2, transparency_pb2
from tests.fakes.live_hub import DEADLINE_S, LiveFederation, LiveHub, live_hub, told

INPUTS_PER_RPC = 110
UNARY = [
    "/port2port.v1.Exchange/Fetch",
    "/port2port.v1.Exchange/Receipts",
    "/port2port.v1.Transparency/GetCheckpoint",
    "/port2port.v1.Transparency/GetInclusion",
    "/port2port.v1.Transparency/GetConsistency",
    "/port2port.v1.Transparency/GetLeaves",
    "/port2port.v1.Transparency/Cosign",
    "/port2port.v1.Directory/Describe",
    f"/{SERVICE}/Check",
]
OPEN = [f"/port2port.v1.Enrolment/{name}" for name in ("Enrol", "Challenge", "Renew")]
SUBMIT, FOLLOW, WATCH = "/port2port.v1.Exchange/Submit", "/port2port.v1.Exchange/Follow", f"/{SERVICE}/Watch"
RECOVER = "/port2port.v1.Transparency/Recover"
NOT_CODED = {"UNKNOWN", "CANCELLED", "DEADLINE_EXCEEDED", "INTERNAL", "UNIMPLEMENTED", "DATA_LOSS"}


def samples(live: LiveFederation) -> list[bytes]:
    """Valid messages of several rpcs, to be cut and bent."""
    envelope = live.fed.publish("beanr")
    kinds = [
        exchange_pb2.SubmitRequest(batch_id=1, envelopes=[envelope]),
        exchange_pb2.FollowRequest(cursor=1, checkpoint="x\n1\ny\n", filter=exchange_pb2.FeedFilter(kinds=["publish"])),
        exchange_pb2.FetchRequest(id="urn:uuid:0"),
        exchange_pb2.ReceiptsRequest(mine=[exchange_pb2.SignedReceipt(receipt=b"{}", keyid=b"k" * 32, sig=b"s")]),
        transparency_pb2.InclusionRequest(index=1, size=2**40),
        transparency_pb2.LeavesRequest(start=2**63, count=5),
        transparency_pb2.CosignRequest(note="nonsense"),
        transparency_pb2.RecoverRequest(first_index=1, leaf_hashes=b"x" * 33, checkpoint="c"),
        enrolment_pb2.EnrolRequest(token=b"t" * 16, csr=b"junk", witness_key=b"w" * 32),
        enrolment_pb2.RenewRequest(nonce=b"n" * 32, csr=b"junk", keyid=b"k" * 32, node=1, sig=b"s" * 64),
    ]
    return [kind.SerializeToString() for kind in kinds]


def bent(dice: random.Random, valid: list[bytes]) -> bytes:
    """Random bytes, or a valid message cut short, with a bit turned, repeated, or with bytes that are no UTF-8."""
    choice = dice.randrange(6)
    raw = bytearray(dice.choice(valid))
    if choice == 0:
        return dice.randbytes(dice.randrange(200))
    if choice == 1:
        return bytes(raw[: dice.randrange(len(raw))])
    if choice == 2:
        raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
    elif choice == 3:
        raw *= dice.randrange(2, 6)
    elif choice == 4:
        return b"\x0a\x04\xff\xfe\xfd\xfc" + bytes(raw)
    else:
        return b"\x0a\xff\xff\xff\xff\x0f" + bytes(raw)
    return bytes(raw)


async def outcome(work) -> str:
    """ "OK", or the code that the peer was told; anything that is no coded answer fails."""
    try:
        await work
    except grpc.aio.AioRpcError as error:
        answer = told(error)
        assert answer.status not in NOT_CODED, answer
        assert answer.code, answer
        return answer.code
    return "OK"


async def first_reply(call) -> None:
    """A server stream: its first message, then go; a refusal raises."""
    await call.read()
    call.cancel()


async def to_the_end(call, raw: bytes) -> None:
    try:
        await call.write(raw)
        await call.done_writing()
    except asyncio.InvalidStateError:
        pass
    while await call.read() is not grpc.aio.EOF:
        pass


async def collected(call, raw: bytes) -> None:
    try:
        await call.write(raw)
        await call.done_writing()
    except asyncio.InvalidStateError:
        pass
    await call


def rows(hub: LiveHub) -> dict[str, int]:
    """How many rows each table has, but for those that say who was there: the audit, and when a node last followed.

    Bytes that happen to ask for the feed are a member following it.
    """
    tables = [table for name, table in HubRow.metadata.tables.items() if name not in {"audit", "node_contact"}]
    return hub.store.database.read_now(
        lambda c: {table.name: c.scalar(sa.select(sa.func.count()).select_from(table)) for table in tables}
    )


@pytest.mark.timeout(240)
def test_random_truncated_and_bent_bytes_to_every_rpc_get_a_coded_answer_and_change_nothing(tmp_path):
    live = LiveFederation.make(("beanr", "belgg"))
    dice = random.Random(20261122)
    codes: Counter[str] = Counter()

    async def story() -> None:
        async with (
            live_hub(tmp_path, live) as hub,
            hub.channel("beanr") as mutual,
            hub.channel(enrolment=True) as enrolment,
        ):
            before = rows(hub)
            # An envelope that comes through unharmed would be logged, and rightly so: none of these is.
            valid = [raw.replace(b"beanr", b"bearn") for raw in samples(live)]
            for _ in range(INPUTS_PER_RPC):
                works = [
                    *(mutual.unary_unary(name)(bent(dice, valid), timeout=DEADLINE_S) for name in UNARY),
                    *(enrolment.unary_unary(name)(bent(dice, valid), timeout=DEADLINE_S) for name in OPEN),
                    first_reply(mutual.unary_stream(FOLLOW)(bent(dice, valid), timeout=DEADLINE_S)),
                    first_reply(mutual.unary_stream(WATCH)(bent(dice, valid), timeout=DEADLINE_S)),
                    to_the_end(mutual.stream_stream(SUBMIT)(timeout=DEADLINE_S), bent(dice, valid)),
                    collected(mutual.stream_unary(RECOVER)(timeout=DEADLINE_S), bent(dice, valid)),
                ]
                codes.update(await asyncio.gather(*map(outcome, works)))
            counted = sum(
                sample.value
                for metric in hub.hub.metrics.registry.collect()
                for sample in metric.samples
                if sample.name == "p2p_hub_rpc_refused_total"
            )
            assert counted == codes.total() - codes["OK"]
            assert rows(hub) == before
            call = mutual.stream_stream(
                SUBMIT,
                request_serializer=exchange_pb2.SubmitRequest.SerializeToString,
                response_deserializer=exchange_pb2.SubmitReply.FromString,
            )(timeout=DEADLINE_S)
            await call.write(exchange_pb2.SubmitRequest(batch_id=1, envelopes=[live.fed.publish("beanr")]))
            reply = await call.read()
            assert [item.outcome for item in reply.results] == [exchange_pb2.SubmitResult.ACCEPTED]
            await call.done_writing()

    asyncio.run(story())
    assert codes.total() >= 1_500
    assert len(codes) >= 8, codes


@pytest.mark.parametrize("size", [LIMITS.message_bytes + 1, 2 * LIMITS.message_bytes + 1])
def test_a_message_that_is_too_large_is_refused_and_the_hub_goes_on(tmp_path, size):
    live = LiveFederation.make(("beanr",))

    async def story() -> None:
        async with live_hub(tmp_path, live) as hub, hub.channel("beanr") as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary("/port2port.v1.Exchange/Fetch")(b"\0" * size, timeout=DEADLINE_S)
            answer = told(caught.value)
            if size <= 2 * LIMITS.message_bytes:
                assert (answer.status, answer.code) == ("INVALID_ARGUMENT", "TOO_LARGE")
            else:
                assert answer.status == "RESOURCE_EXHAUSTED"
            await channel.unary_unary("/port2port.v1.Directory/Describe")(b"", timeout=DEADLINE_S)

    asyncio.run(story())


def test_a_batch_over_its_bounds_ends_the_stream_with_the_reason(tmp_path):
    live = LiveFederation.make(("beanr",))

    async def story() -> None:
        async with live_hub(tmp_path, live) as hub, hub.channel("beanr") as channel:
            for envelopes in ([], [b"x"] * (LIMITS.envelopes_per_batch + 1), [b"x" * 2**20] * 3):
                raw = exchange_pb2.SubmitRequest(batch_id=1, envelopes=envelopes).SerializeToString()
                code = await outcome(to_the_end(channel.stream_stream(SUBMIT)(timeout=DEADLINE_S), raw))
                assert code == "TOO_LARGE"

    asyncio.run(story())
