"""Who may call the port that asks for no certificate, and how long it waits for what they say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.rpc.errors import RequestError
from hub.rpc.strangers import Strangers, address_of, only_message
from port2port.errors import BackpressureError


def test_one_address_holds_so_many_calls_and_the_others_are_served() -> None:
    strangers = Strangers(per_address=2, most=3)
    with ExitStack() as held:
        for port in (1, 2):
            held.enter_context(strangers.calling(f"ipv4:10.0.0.1:{port}"))
        with pytest.raises(BackpressureError), strangers.calling("ipv4:10.0.0.1:3"):
            pass
        with strangers.calling("ipv4:10.0.0.2:1"):
            pass
        with (
            strangers.calling("ipv4:10.0.0.2:1"),
            pytest.raises(BackpressureError),
            strangers.calling("ipv4:10.0.0.3:1"),
        ):
            pass
    with strangers.calling("ipv4:10.0.0.1:3"), strangers.calling("ipv4:10.0.0.1:4"):
        pass
    assert strangers._open == {}


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.7:50123", "192.0.2.7"),
        ("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:50123", "2001:db8:1:2::/64"),
        ("ipv6:[2001:db8:1:2::9]:50123", "2001:db8:1:2::/64"),
        ("ipv6:%5Bfe80::1%25eth0%5D:50123", "fe80::/64"),
        ("ipv6:%5B::ffff:192.0.2.7%5D:50123", "192.0.2.7"),
        ("unix:/run/hub.sock", "unix"),
        ("", ""),
    ],
)
def test_a_subscriber_is_one_address_however_many_ports_and_hosts_he_uses(peer: str, address: str) -> None:
    assert address_of(peer) == address


@given(st.text())
def test_whatever_grpc_calls_a_peer_has_an_address(peer: str) -> None:
    assert isinstance(address_of(peer), str)


async def saying(*messages: bytes, then_wait: bool = False) -> AsyncIterator[bytes]:
    for message in messages:
        yield message
    if then_wait:
        await asyncio.Event().wait()


def test_the_one_message_of_a_call_is_read_and_whoever_says_nothing_is_not_waited_for() -> None:
    assert asyncio.run(only_message(saying(b"one", then_wait=True), within_s=5)) == b"one"
    with pytest.raises(RequestError, match="no request"):
        asyncio.run(only_message(saying(), within_s=5))
    with pytest.raises(RequestError, match="did not come"):
        asyncio.run(only_message(saying(then_wait=True), within_s=0.01))
