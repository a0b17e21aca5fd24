"""The hub's answers as the node reads them."""

from __future__ import annotations

import pytest

from node.uplink.grpc_hub import require_receipt
from port2port import keys
from port2port.keys import SignatureError
from port2port.v1 import exchange_pb2
from port2port.wire import accepted_message

HUB = keys.from_seed(b"h" * 32)


def reply(*, index: int = 7, signed_index: int = 7) -> exchange_pb2.SubmitReply:
    made = exchange_pb2.SubmitReply(up_to_batch=1)
    made.results.add(outcome=exchange_pb2.SubmitResult.ACCEPTED, digest=b"d" * 32, index=index, received_ms=9)
    made.results.add(outcome=exchange_pb2.SubmitResult.REFUSED, digest=b"e" * 32, code="POLICY")
    made.accepted_sig = HUB.sign(accepted_message([(b"d" * 32, signed_index, 9)]))
    return made


def test_a_receipt_signed_by_the_hub_key_holds() -> None:
    require_receipt(reply(), HUB.public)


def test_a_receipt_over_another_index_or_by_another_key_does_not() -> None:
    with pytest.raises(SignatureError):
        require_receipt(reply(index=8), HUB.public)
    with pytest.raises(SignatureError):
        require_receipt(reply(), keys.from_seed(b"x" * 32).public)


def test_without_anything_accepted_nothing_need_be_signed() -> None:
    empty = exchange_pb2.SubmitReply(up_to_batch=1)
    empty.results.add(outcome=exchange_pb2.SubmitResult.RETRY, delay_ms=5)
    require_receipt(empty, HUB.public)
