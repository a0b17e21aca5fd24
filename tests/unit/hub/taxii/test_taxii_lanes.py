"""Whoever asks much at once, or takes nothing of what he asked for, is slowed down, and nobody else is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hub.taxii.lanes import MOST_AT_ONCE
from hub.taxii.places import ROOT_PATH
from tests.fakes.taxii_shelf import basic
from tests.fakes.taxii_site import SIEM, TERMINAL, Site, run

if TYPE_CHECKING:
    from starlette.types import Message, Scope


async def asked(site: Site, who: str, began: asyncio.Semaphore, taken: asyncio.Event) -> int:
    """The status of an answer that is taken once ``taken`` is set; ``began`` counts those that wait for that."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)
        began.release()
        await taken.wait()

    scope: Scope = {
        "type": "http",
        "method": "GET",
        "path": ROOT_PATH,
        "query_string": b"",
        "headers": [(b"authorization", basic(who, site.secrets[who]).encode())],
        "client": ("192.0.2.7", 1),
        "state": {},
    }
    await site.app(scope, receive, send)
    return int(sent[0]["status"])


def test_who_takes_no_answers_gets_no_more_of_them_and_the_others_do(site: Site) -> None:
    async def go() -> tuple[list[int], int, int, int]:
        began, taken, at_once = asyncio.Semaphore(0), asyncio.Event(), asyncio.Event()
        at_once.set()
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(asked(site, SIEM, began, taken)) for _ in range(MOST_AT_ONCE)]
            for _ in waiting:
                await began.acquire()
            refused = await asked(site, SIEM, began, at_once)
            other = await asked(site, TERMINAL, began, at_once)
            taken.set()
        return [task.result() for task in waiting], refused, other, await asked(site, SIEM, began, at_once)

    assert run(go()) == ([200] * MOST_AT_ONCE, 429, 200, 200)


def test_a_request_that_is_let_in_twice_is_charged_once(site: Site) -> None:
    site.door._calls.clear()
    site.get(ROOT_PATH)
    bucket = site.door._calls[SIEM]
    assert bucket.capacity - bucket.level == 1
