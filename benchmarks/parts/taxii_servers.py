"""The two servers of ``taxii.py``, each a process of its own: it prints its port and serves until its input ends.

python -m benchmarks.parts.taxii_servers hub|medallion DIRECTORY OBJECTS
"""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import sys
import threading
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

PER_FILL: Final = 20_000
FILLED_US: Final = 1_700_000_000_000_000
ROOT_ID: Final = "port2port"
COLLECTION: Final = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"


def stix_id(number: int) -> str:
    """The id of ``raw_object``: a version 4 UUID that begins with the number, so that numbers far apart are so too."""
    return f"indicator--{number:08x}-0000-4000-8000-{number:012x}"


def scattered(at: int) -> int:
    """Another order of the numbers below 2^32: neighbours are far from each other, as random ids are."""
    return at * 2_654_435_761 % 2**32


def raw_object(number: int) -> bytes:
    """A plain indicator of about 600 bytes, canonical, the same at each call."""
    return (
        b'{"created":"2026-11-01T00:00:00.000Z","created_by_ref":"identity--00d56866-e5cb-53d4-b237-7e8afa64a66a",'
        b'"description":"%s","id":"%s","indicator_types":["malicious-activity"],'
        b'"modified":"2026-11-01T00:00:00.000Z","name":"bench %d",'
        b'"object_marking_refs":["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"],'
        b'"pattern":"[domain-name:value = \'host-%d.example\']","pattern_type":"stix","pattern_version":"2.1",'
        b'"spec_version":"2.1","type":"indicator","valid_from":"2026-11-01T00:00:00Z"}'
    ) % (b"x" * 80, stix_id(number).encode(), number, number)


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
    _fill(opened, fed.genesis_hash, filled)
    config = uvicorn.Config(_application(fed, opened), port=0, log_level="error", lifespan="off", access_log=False)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # it is a thread that stops it
    # With its protocol named, as the hub's listeners have it: else asyncio leaves TCP_NODELAY off, 40 ms an answer.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(16)
    names = [collection_id(fed.genesis_hash, kind, key) for kind, key in ((Kind.PORT, "beanr"), (Kind.INTAKE, "mpet"))]
    threading.Thread(target=_end_with_input, args=(server,), daemon=True).start()
    gc.collect()
    gc.freeze()  # as the hub does when it begins to serve
    gc.set_threshold(50_000, 20, 100)
    sys.stdout.write(f"{listening.getsockname()[1]} {' '.join(names)}\n")
    sys.stdout.flush()
    asyncio.run(server.serve([listening]))


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


def _fill(store: Any, genesis_hash: str, objects: int) -> None:
    """The collection of a port with ``objects`` in it, the rows and dates that folding so many entries would leave.

    Written without folding, and without waiting for the disk: what is measured is reading it.
    """
    from hub.taxii_tables import TAXII_ITEM  # noqa: PLC0415
    from port2port.database import make_engine, write  # noqa: PLC0415

    indexes = sorted(TAXII_ITEM.indexes, key=str)
    quick = make_engine(store.engine.url.render_as_string(), synchronous="OFF")
    for index in indexes:
        write(quick, index.drop)
    last_us = 0
    for start in range(0, objects, PER_FILL):
        some = range(start, min(objects, start + PER_FILL))
        last_us = write(quick, partial(_add, collection=_collection(genesis_hash), numbers=some, last_us=last_us))
    for index in indexes:
        write(quick, index.create)
    if objects:
        write(quick, partial(_finish, collection=_collection(genesis_hash), last_us=last_us))
    quick.dispose()


def _collection(genesis_hash: str) -> int:
    from hub.taxii.catalogue import number  # noqa: PLC0415
    from hub.taxii.model import Kind  # noqa: PLC0415

    return number(genesis_hash, Kind.PORT, "beanr")


def _add(connection: Any, *, collection: int, numbers: range, last_us: int) -> int:
    """Rows as ``hub.taxii.adding`` makes them, dated as it dates a long import; the date of the last one."""
    from hub.store import Insert  # noqa: PLC0415
    from hub.taxii.dates import next_date  # noqa: PLC0415
    from hub.taxii_tables import TAXII_BODY, TAXII_ITEM  # noqa: PLC0415

    items, bodies = [], []
    for at in numbers:
        last_us = next_date(last_us, FILLED_US)
        number = scattered(at)
        raw = raw_object(number)
        items.append(
            {
                "collection": collection,
                "visibility": 1,
                "date_us": last_us,
                "rank": 1,
                "newest": 1,
                "edge": 3,
                "kind": "indicator",
                "issuer": "beanr",
                "stix_id": stix_id(number),
                "version": "2026-11-01T00:00:00.000Z",
                "version_us": 1_793_491_200_000_000,
                "digest": sha256(raw).digest()[:16],
                "body": at * 256,
                "expires_ms": None,
            }
        )
        bodies.append({"number": at * 256, "raw": raw})
    Insert(TAXII_ITEM)(connection, items)
    Insert(TAXII_BODY)(connection, bodies)
    return last_us


def _finish(connection: Any, *, collection: int, last_us: int) -> None:
    from hub.audience import class_key  # noqa: PLC0415
    from hub.tables import VISIBILITY  # noqa: PLC0415
    from hub.taxii_tables import TAXII_CLASS, TAXII_HEAD  # noqa: PLC0415
    from port2port.sharing import Audience  # noqa: PLC0415
    from port2port.tlp import Tlp  # noqa: PLC0415

    key = class_key(Audience(issuer="beanr", kind="publish", tlp=Tlp.GREEN))
    connection.execute(VISIBILITY.insert(), [{"id": 1, "digest": sha256(key.encode()).digest(), "key": key}])
    row = {"collection": collection, "visibility": 1, "rank": 1, "last_us": last_us, "objects": 0, "held_bytes": 0}
    connection.execute(TAXII_CLASS.insert(), [row])
    connection.execute(TAXII_HEAD.update().values(horizon_us=last_us))


def _end_with_input(server: Any) -> None:
    sys.stdin.read()
    server.should_exit = True


if __name__ == "__main__":
    if sys.argv[1] == "hub":
        serve_hub(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        serve_medallion(Path(sys.argv[2]))
