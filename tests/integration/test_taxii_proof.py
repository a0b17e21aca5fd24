"""A member fetches with taxii2-client from a running hub, stores what it got, and checks it with ``port2port verify``."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import stix2
from taxii2client.v21 import Collection, Server, as_pages

from hub.settings import TaxiiSettings
from hub.tables import BODY, CONTROL, ENTRY
from hub.taxii.places import DISCOVERY_PATH
from port2port.__main__ import main
from port2port.checkpoint import cosign
from port2port.coordination import encode_control_log
from port2port.stix.markings import TLP_IDS
from port2port.stix.registration import register
from port2port.tlp import Tlp
from tests.fakes.live_hub import LiveFederation, LiveHub, live_hub, submit
from tests.fakes.waiting import wait_until

WITNESS = "bebru"


@dataclass(slots=True)
class Place:
    """A running hub, and a directory of the reader."""

    hub: LiveHub
    home: Path
    loop: asyncio.AbstractEventLoop
    collection: Collection | None = None

    def on_loop(self, story: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(story, self.loop).result(20)

    def connect(self) -> Collection:
        """What beanr says, as belgg reads it."""
        certificate, key, _ = self.hub.certificate("belgg")
        files = self.home / "node.pem", self.home / "node.key"
        for file, content in zip(files, (certificate, key), strict=True):
            file.write_bytes(content)
        taxii = self.hub.hub.taxii
        assert taxii is not None
        url = f"https://localhost:{taxii.member_port}{DISCOVERY_PATH}"
        server = _plain(Server(url, verify=str(self.home / "ca.pem"), cert=tuple(map(str, files))))
        root = _plain(server.default)
        return next(item for item in root.collections if item.title.startswith("Port: Port beanr"))

    def pages(self, per_request: int = 3) -> list[dict[str, Any]]:
        if self.collection is None:
            self.collection = self.connect()
        return list(as_pages(self.collection.get_objects, per_request=per_request))

    def control(self) -> Path:
        """What ``export-control`` writes."""
        query = (
            sa.select(ENTRY.c.index, ENTRY.c.received_ms, BODY.c.envelope)
            .join(CONTROL, CONTROL.c.index == ENTRY.c.index)
            .join(BODY, BODY.c.index == ENTRY.c.index)
            .order_by(CONTROL.c.version)
        )
        rows = self.hub.store.database.read_now(
            lambda c: [(index, ms, bytes(raw)) for index, ms, raw in c.execute(query)]
        )
        path = self.home / "control"
        path.write_bytes(encode_control_log(rows, self.hub.hub.log.checkpoint().note.decode()) + b"\n")
        return path

    def verify(self, fetched: Any, *more: str) -> int:
        path = self.home / "fetched.json"
        path.write_text(fetched if isinstance(fetched, str) else json.dumps(fetched), encoding="utf-8")
        genesis = self.hub.live.fed.genesis_hash
        return main(["verify", str(path), "--genesis", genesis, "--control", str(self.control()), *more])

    async def publish(self) -> None:
        fed = self.hub.live.fed
        two = [fed.indicator("beanr"), fed.indicator("beanr", pattern="[url:value = 'https://lure.example']")]
        async with self.hub.channel("beanr") as channel:
            raws = [fed.publish("beanr", objects=two), fed.publish("beanr", tlp=Tlp.AMBER, recipients=("belgg",))]
            results = await submit(channel, *raws)
        assert {result.code for result in results} == {""}

    async def witness(self) -> None:
        """The one witness co-signs the newest checkpoint; what another port says next wakes the fold."""
        fed, head = self.hub.live.fed, self.hub.hub.log.checkpoint()
        line = cosign(
            head.checkpoint, witness=WITNESS, key=fed.ports[WITNESS].witness, time=int(fed.clock.now().timestamp())
        )
        await self.hub.hub.cosigning.cosign(WITNESS, head.with_signatures([line]).note)
        async with self.hub.channel("belgg") as channel:
            (result,) = await submit(channel, fed.publish("belgg"))
        assert not result.code


def _plain(client: Any) -> Any:
    """Neither proxies nor authorities of the environment (psf/requests#3829)."""
    client._conn.session.trust_env = False
    return client


def told(home: Path, story: Callable[[Place], None]) -> None:
    async def go() -> None:
        live = LiveFederation.make(("beanr", "belgg"))
        (home / "ca.pem").write_bytes(live.ca.root_pem)
        async with live_hub(home, live, taxii=TaxiiSettings(listen="127.0.0.1:0")) as hub:
            live.fed.witnesses = (WITNESS,)  # joins when the hub is open, which waits for no witness then
            await hub.admit(live.fed.join(WITNESS))
            place = Place(hub, home, asyncio.get_running_loop())
            await place.publish()
            await asyncio.to_thread(story, place)

    asyncio.run(asyncio.wait_for(go(), 60))


def until(condition: Callable[[], object]) -> None:
    """Asked ten times a second: nobody may ask for ever."""
    wait_until(lambda: condition() or threading.Event().wait(0.1), what="what the hub folds within seconds")


def attestations(pages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for page in pages for item in page.get("objects", []) if item["type"] == "p2p-attestation"]


def test_what_a_client_fetched_is_proved_and_what_was_changed_since_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def story(place: Place) -> None:
        until(lambda: len(attestations(place.pages())) == 2)
        assert place.verify(place.pages()) == 1
        assert "3 witness missing" in capsys.readouterr().out
        assert place.verify(place.pages(), "--allow-unwitnessed") == 0

        place.on_loop(place.witness())
        until(lambda: all(item["modified"] != item["created"] for item in attestations(place.pages())))
        pages = place.pages()
        assert place.verify(pages) == 0
        assert "\n3 proved\n" in capsys.readouterr().out

        register()
        objects = [item for page in pages for item in page["objects"]]
        again = stix2.Bundle(*(stix2.parse(item, allow_custom=True) for item in objects), allow_custom=True)
        assert place.verify(again.serialize(pretty=True)) == 0

        amber = next(item for item in objects if TLP_IDS[Tlp.AMBER] in item["object_marking_refs"])
        amber["object_marking_refs"] = [TLP_IDS[Tlp.CLEAR]]
        next(item for item in objects if "lure" in item.get("pattern", ""))["pattern"] = "[url:value = 'x']"
        capsys.readouterr()
        assert place.verify({"objects": objects}) == 1
        assert "\n1 proved, 1 marking changed, 1 tampered\n" in capsys.readouterr().out

    told(tmp_path, story)
