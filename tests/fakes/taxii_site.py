"""A TAXII application without a socket, asked over ASGI: a real database, a fake shelf, a fake clock.

site = Site.make(tmp_path); site.get("/taxii2/")
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import orjson
from starlette.types import Scope

from hub import consumers
from hub.consumers import Consumer, Poll
from hub.consumers.register import until_ms
from hub.taxii.answers import Server
from hub.taxii.app import Parts, TaxiiApp
from hub.taxii.cursor import Cursors
from hub.taxii.doors import Admit, Admitted, ConsumerDoor, principal_of
from hub.taxii.errors import MEDIA_TYPE
from hub.taxii.model import Collection, Kind, Principal
from hub.taxii.places import ROOT_PATH
from port2port.clock import to_ms
from port2port.database import Database, sqlite_url
from port2port.metrics import Metrics
from port2port.roster import Affiliate, Roster
from port2port.sharing import Outlet, member_reader
from port2port.tlp import Tlp
from tests.fakes.clock import FakeClock
from tests.fakes.federation import Federation
from tests.fakes.prepared import hub_store
from tests.fakes.taxii_shelf import FakeShelf, basic

T = TypeVar("T")
SIEM, TERMINAL = "ndc-siem", "mpet-terminal"
HOST = "https://taxii.test"


@dataclass(slots=True)
class Site:
    """One listener for consumers; ``secrets`` are those of its two systems."""

    fed: Federation
    shelf: FakeShelf
    database: Database
    door: ConsumerDoor
    parts: Parts
    app: TaxiiApp
    metrics: Metrics
    clock: FakeClock
    secrets: dict[str, str] = field(default_factory=dict)
    polls: list[Poll] = field(default_factory=list)
    open: bool = True

    @classmethod
    def make(cls, path: Path) -> Site:
        fed = Federation(members=("beanr", "belgg"))
        fed.founding()
        affiliate = Affiliate(id="mpet", member="beanr", name="MPET Terminal", ceiling=Tlp.AMBER)
        shelf = FakeShelf(_with(fed, affiliate))
        database, metrics = hub_store(sqlite_url(path / "hub.sqlite")).database, Metrics("p2p_test")
        door = ConsumerDoor(roster=shelf.roster, clock=fed.clock)
        polls: list[Poll] = []
        parts = Parts(
            server=Server(shelf=shelf, cursors=Cursors(b"k" * 32), federation=fed.name, public_url=HOST),
            door=door,
            database=database,
            clock=fed.clock,
            metrics=metrics,
            serving=lambda: site.open,
            turns=asyncio.Semaphore(2),
            polled=polls.append,
        )
        site = cls(fed, shelf, database, door, parts, TaxiiApp(parts), metrics, fed.clock, polls=polls)
        site.consumer(SIEM)
        site.consumer(TERMINAL, affiliate="mpet")
        return site

    def consumer(self, name: str, **more: Any) -> str:
        """Another system, with its secret."""
        now_ms = to_ms(self.clock.now())
        given = {"member": "beanr", "created_ms": now_ms, "expires_ms": until_ms(now_ms, 90), **more}
        wanted = Consumer(name=name, **given)
        added = partial(consumers.add, wanted=wanted, roster=self.shelf.now)
        self.secrets[name] = self.database.write_now(added)
        return self.secrets[name]

    def collection(self, kind: Kind, key: str = "", *, seen_by: str = SIEM) -> Collection:
        found = self.database.read_now(lambda c: consumers.find(c, seen_by))
        return self.shelf.of(principal_of(found, self.shelf.now), kind, key)

    @staticmethod
    def member_view(member: str) -> Principal:
        """A member as its own node asks."""
        return Principal(name=member, member=member, reader=member_reader(member), outlet=Outlet.TAXII)

    def as_member(self, member: str) -> None:
        """From now on a member asks, as at the other listener."""
        self.app = TaxiiApp(replace(self.parts, door=_Opened(self.member_view(member))))

    def objects(self, collection: Collection) -> str:
        return f"{ROOT_PATH}collections/{collection.id}/objects/"

    def get(self, path: str, **more: Any) -> httpx2.Response:
        return self.ask("GET", path, **more)

    def post(self, path: str, body: Any, *, who: str = TERMINAL, **more: Any) -> httpx2.Response:
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        headers = {"Content-Type": MEDIA_TYPE, **more.pop("headers", {})}
        return self.ask("POST", path, who=who, content=content, headers=headers, **more)

    def ask(
        self,
        method: str,
        path: str,
        *,
        who: str | None = SIEM,
        headers: dict[str, str] | None = None,
        client: str = "192.0.2.7",
        **more: Any,
    ) -> httpx2.Response:
        """One request by one of the systems, or by nobody."""
        given = {"Accept": MEDIA_TYPE, **(headers or {})}
        if who is not None and "Authorization" not in given:
            given["Authorization"] = basic(who, self.secrets[who])

        async def go() -> httpx2.Response:
            transport = httpx2.ASGITransport(self.app, client=(client, 40_000))
            async with httpx2.AsyncClient(transport=transport, base_url=HOST) as http:
                return await http.request(method, path, headers=given, **more)

        return run(go())


@dataclass(frozen=True, slots=True)
class _Opened:
    """A door that lets one principal in, whoever knocks."""

    principal: Principal

    def knock(self, scope: Scope) -> Admit:
        return lambda _connection: Admitted(principal=self.principal)

    def refused(self, scope: Scope) -> None:
        raise AssertionError("nobody is refused here")


def run(work: Coroutine[Any, Any, T]) -> T:
    """In a loop of its own, with a deadline."""
    return asyncio.run(asyncio.wait_for(work, 30))


async def in_parts(*parts: bytes) -> AsyncIterator[bytes]:
    """A body of unknown length."""
    for part in parts:
        yield part


def _with(fed: Federation, affiliate: Affiliate) -> Roster:
    return replace(fed.roster, affiliates={affiliate.id: affiliate})
