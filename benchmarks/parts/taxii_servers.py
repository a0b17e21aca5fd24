"""The two servers of ``taxii.py``, each a process of its own: it prints its port and serves until its input ends.

python -m benchmarks.parts.taxii_servers hub|medallion DIRECTORY OBJECTS
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import uuid
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

PER_FILL: Final = 5_000
ROOT_ID: Final = "port2port"
COLLECTION: Final = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"


def raw_object(number: int) -> bytes:
    """A plain indicator of about 600 bytes, canonical, the same at each call."""
    ident = uuid.UUID(int=number + (4 << 76) + (8 << 60))
    return (
        b'{"created":"2026-11-01T00:00:00.000Z","created_by_ref":"identity--00d56866-e5cb-53d4-b237-7e8afa64a66a",'
        b'"description":"%s","id":"indicator--%s","indicator_types":["malicious-activity"],'
        b'"modified":"2026-11-01T00:00:00.000Z","name":"bench %d",'
        b'"object_marking_refs":["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"],'
        b'"pattern":"[domain-name:value = \'host-%d.example\']","pattern_type":"stix","pattern_version":"2.1",'
        b'"spec_version":"2.1","type":"indicator","valid_from":"2026-11-01T00:00:00Z"}'
    ) % (b"x" * 80, str(ident).encode(), number, number)


def serve_hub(directory: Path, filled: int) -> None:
    """The hub's own application over HTTP, on its own store, with ``filled`` objects in the collection of a port."""
    import uvicorn  # noqa: PLC0415 each process loads one server only

    from hub.store import open_store  # noqa: PLC0415
    from hub.taxii.catalogue import collection_id  # noqa: PLC0415
    from hub.taxii.model import Kind  # noqa: PLC0415
    from port2port.database import sqlite_url  # noqa: PLC0415
    from tests.fakes.federation import Federation  # noqa: PLC0415

    fed = Federation(members=("beanr", "belgg"))
    fed.founding()
    opened = open_store(sqlite_url(directory / "hub.db"))
    for start in range(0, filled, PER_FILL):
        _fill(opened.database.write_now, fed.genesis_hash, range(start, min(filled, start + PER_FILL)))
    config = uvicorn.Config(_application(fed, opened), port=0, log_level="error", lifespan="off", access_log=False)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # it is a thread that stops it
    socket = config.bind_socket()
    socket.listen(16)
    names = [collection_id(fed.genesis_hash, kind, key) for kind, key in ((Kind.PORT, "beanr"), (Kind.INTAKE, "mpet"))]
    threading.Thread(target=_end_with_input, args=(server,), daemon=True).start()
    sys.stdout.write(f"{socket.getsockname()[1]} {' '.join(names)}\n")
    sys.stdout.flush()
    asyncio.run(server.serve([socket]))


def serve_medallion(directory: Path) -> None:
    """Medallion with its memory back end, over werkzeug."""
    import json  # noqa: PLC0415

    import medallion  # noqa: PLC0415
    from werkzeug.serving import make_server  # noqa: PLC0415

    for name in ("medallion", "werkzeug", "medallion.backends.memory_backend"):
        logging.getLogger(name).setLevel(logging.ERROR)
    info = {"title": "bench", "versions": ["application/taxii+json;version=2.1"], "max_content_length": 104_857_600}
    place = {"id": COLLECTION, "title": "bench", "can_read": True, "can_write": True}
    place |= {"media_types": ["application/stix+json;version=2.1"], "objects": [], "manifest": []}
    data = {
        "/discovery": {"title": "bench", "default": f"/{ROOT_ID}/", "api_roots": [f"/{ROOT_ID}/"]},
        ROOT_ID: {"information": info, "status": [], "collections": [place]},
    }
    file = directory / "medallion.json"
    file.write_text(json.dumps(data), encoding="utf-8")
    back = {"module": "medallion.backends.memory_backend", "module_class": "MemoryBackend", "filename": str(file)}
    app = medallion.application_instance
    settings: dict[str, Any] = {"users": {"u": "p"}, "taxii": {"max_page_size": 1_000}, "backend": back}
    for name in settings:
        medallion.set_config(app, name, settings)
    medallion.register_blueprints(app)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_port} {COLLECTION} {COLLECTION}\n")
    sys.stdout.flush()
    sys.stdin.read()


@dataclass(frozen=True, slots=True)
class _Open:
    """A door that lets one member in: the bench is about collections, not about secrets."""

    principal: Any

    def knock(self, _scope: Any) -> Any:
        from hub.taxii.doors import Admitted  # noqa: PLC0415

        return lambda _connection: Admitted(principal=self.principal)

    def refused(self, _scope: Any) -> None:
        return None


def _application(fed: Any, opened: Any) -> Any:
    from hub.audience import Audiences  # noqa: PLC0415
    from hub.taxii import posting  # noqa: PLC0415
    from hub.taxii.answers import Server  # noqa: PLC0415
    from hub.taxii.app import Parts, TaxiiApp  # noqa: PLC0415
    from hub.taxii.cursor import Cursors  # noqa: PLC0415
    from hub.taxii.log_shelf import LogShelf  # noqa: PLC0415
    from hub.taxii.model import Principal  # noqa: PLC0415
    from port2port.clock import SystemClock  # noqa: PLC0415
    from port2port.metrics import Metrics  # noqa: PLC0415
    from port2port.roster import Affiliate  # noqa: PLC0415
    from port2port.sharing import Outlet, member_reader  # noqa: PLC0415
    from port2port.tlp import Tlp  # noqa: PLC0415

    affiliate = Affiliate(id="mpet", member="beanr", name="MPET", ceiling=Tlp.AMBER)
    roster = replace(fed.roster, affiliates={"mpet": affiliate})
    shelf = LogShelf(genesis_hash=fed.genesis_hash, audiences=Audiences(), roster=lambda: roster, validate=fed.validate)
    who = Principal(name="beanr", member="beanr", reader=member_reader("beanr"), outlet=Outlet.TAXII)
    assert posting.CAPS.objects >= 10_000
    return TaxiiApp(
        Parts(
            server=Server(shelf=shelf, cursors=Cursors(b"k" * 32), federation=fed.name),
            door=_Open(who),
            database=opened.database,
            clock=SystemClock(),
            metrics=Metrics("p2p_bench"),
            serving=lambda: True,
            turns=asyncio.Semaphore(2),
        )
    )


def _fill(write: Any, genesis_hash: str, numbers: range) -> None:
    """Add objects to the collection of a port by the writer that folding uses."""
    import sqlalchemy as sa  # noqa: PLC0415

    from hub.audience import class_key  # noqa: PLC0415
    from hub.tables import VISIBILITY  # noqa: PLC0415
    from hub.taxii.adding import Addition, Batch, digest_of, lock  # noqa: PLC0415
    from hub.taxii.catalogue import number  # noqa: PLC0415
    from hub.taxii.model import Kind  # noqa: PLC0415
    from hub.taxii_tables import TAXII_HEAD  # noqa: PLC0415
    from port2port.sharing import Audience  # noqa: PLC0415
    from port2port.tlp import Tlp  # noqa: PLC0415

    place = number(genesis_hash, Kind.PORT, "beanr")

    def add(connection: sa.Connection) -> None:
        if not numbers.start:
            key = class_key(Audience(issuer="beanr", kind="publish", tlp=Tlp.GREEN))
            row = {"id": 1, "digest": sha256(key.encode()).digest(), "key": key}
            connection.execute(VISIBILITY.insert(), [row])
        head = lock(connection, 1_700_000_000_000 + numbers.start)
        batch, made = Batch(connection, head.moment_us), []
        for at in numbers:
            raw = raw_object(at)
            made.append(
                (
                    Addition(
                        collection=place,
                        visibility=1,
                        issuer="beanr",
                        kind="indicator",
                        stix_id=f"indicator--{uuid.UUID(int=at + (4 << 76) + (8 << 60))}",
                        version="2026-11-01T00:00:00.000Z",
                        version_us=1_793_491_200_000_000,
                        digest=digest_of(raw),
                        body=at * 256,
                    ),
                    raw,
                )
            )
        batch.prepare(one for one, _ in made)
        for one, raw in made:
            batch.add(one, raw)
        batch.write()
        connection.execute(TAXII_HEAD.update().values(horizon_us=1_750_000_000_000_000))

    write(add)


def _end_with_input(server: Any) -> None:
    sys.stdin.read()
    server.should_exit = True


if __name__ == "__main__":
    if sys.argv[1] == "hub":
        serve_hub(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        serve_medallion(Path(sys.argv[2]))
