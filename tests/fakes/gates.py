"""A port with gates that ask about passages: the service over its real application, without a socket."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import sqlalchemy as sa

from node import indicators, tables
from node.indicators import REAL
from node.passage_settings import GateSettings, PassageSettings
from node.passages.keys import dice_of
from node.passages.server import PATH, Parts, Passages
from node.passages.telling import Desk as Told
from node.passages.telling import Telling
from port2port.clock import to_ms
from port2port.tlp import Tlp
from tests.fakes.clock import FakeClock
from tests.fakes.desks import A, B, Desk, Harbour
from tests.fakes.federation import stix_id_of
from tests.fakes.passages import container

SECRET = "ab" * 32
NAME = "gate-1"
LISTED = container(639_870)


class PatientClock(FakeClock):
    """Whoever sleeps makes the time pass; ``slept`` holds for how long."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)


@dataclass(slots=True)
class GatedPort:
    """Port A of a harbour. ``lists`` has port B (or another) publish an indicator that A watches."""

    home: Path
    gates: tuple[GateSettings, ...] = ()
    random_share: float = 0.05
    per_minute: int = 6_000
    harbour: Harbour = field(init=False)
    clock: PatientClock = field(init=False)
    service: Passages = field(init=False)
    telling: Telling = field(init=False)
    _asked: int = 0

    def __post_init__(self) -> None:
        self.harbour = Harbour(self.home)
        self.clock = PatientClock()
        desk = self.desk
        secret = self.home / "gate-1.secret"
        secret.write_text(SECRET + "\n")
        secret.chmod(0o600)
        gate = GateSettings(
            name=NAME,
            secret=secret,
            ceiling="amber+strict",
            purposes=("drug-trafficking",),
            per_minute=self.per_minute,
        )
        settings = PassageSettings(
            gates=self.gates or (gate,), lots=self.home / "passages.key", random_share=self.random_share
        )
        dice = dice_of(settings.lots)
        self.service = Passages(
            Parts(
                settings=settings,
                member=A,
                store=desk.node.store,
                clock=self.clock,
                trusted_ms=lambda: to_ms(self.clock.now()),
                roster=lambda: desk.node.inbox.state.roster,
                dice=dice,
            )
        )
        told = Told(store=desk.node.store, author=desk.author, clock=self.clock, roster=lambda: desk.roster)
        self.telling = Telling(told, dice)

    @property
    def desk(self) -> Desk:
        return self.harbour.desks[A]

    def lists(self, pattern: str, *, issuer: str = B, tlp: Tlp = Tlp.AMBER, state: str = "watched", **more: Any) -> str:
        """The STIX id of an indicator that has come in, watched unless ``state`` says otherwise."""
        more.setdefault("handling", "act")
        raw = self.harbour.fed.indicator(issuer, tlp=tlp, pattern=pattern, **more.pop("stix", {}))
        given = {"tlp": tlp, "groups": ("seaports",) if tlp in {Tlp.AMBER, Tlp.AMBER_STRICT} else (), **more}
        self.harbour.feed.log(self.harbour.fed.publish(issuer, objects=[raw], **given))
        self.desk.pull()
        ident = stix_id_of(raw)
        one = self.desk.indicator(ident, issuer)
        if one is not None:
            key = (REAL, issuer, ident)
            self.desk.node.store.write_now(lambda c: indicators.note_state(c, key, state, index=one.index))
        return ident

    def post(self, body: bytes, *, secret: str | None = SECRET) -> httpx2.Response:
        """What comes back for any bytes."""
        headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}

        async def go() -> httpx2.Response:
            transport = httpx2.ASGITransport(self.service.app)
            async with httpx2.AsyncClient(transport=transport, base_url="https://node.test") as http:
                return await http.post(PATH, content=body, headers=headers)

        return asyncio.run(go())

    def question(self, number: str, *, kind: str = "container", passage: str = "", secret: str = SECRET) -> str:
        """The answer to one well-formed question."""
        self._asked += 1
        data = {"kind": kind, "number": number, "place": "lane 2", "passage": passage or str(self._asked)}
        response = self.post(json.dumps(data).encode(), secret=secret)
        assert response.status_code == 200, response.text
        found: str = response.json()["answer"]
        return found

    def covered(self, name: str = NAME) -> None:
        """As if the gate had asked for weeks: it has cover enough for a few who are looked for."""
        day = to_ms(self.clock.now()) // 86_400_000 - 1
        row = {"gate": name, "day": day, "asked": 5_000, "questions": 5_000, "listed": 0, "checks": 250}
        values = {**row, "random": 250, "shown": 0, "recent": 0}
        table = tables.PassageDayRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
        self.desk.node.store.write_now(lambda c: c.execute(sa.insert(table).values(**values)))

    def close(self) -> None:
        self.harbour.close()
