"""A partner's TAXII 2.1 server on loopback, with the manners of real ones and switches for all their vices."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

COLLECTION: Final = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"
TAXII: Final = "application/taxii+json;version=2.1"
Answer = tuple[int, dict[str, str], bytes]


@dataclass(slots=True)
class FakeTaxii:
    """``objects`` are (date added, object) in order. ``vice`` answers instead, where it gives an answer."""

    objects: list[tuple[str, object]] = field(default_factory=list)
    page: int = 3
    title: str = "Maritime"
    tells_date: bool = True
    forgets: bool = False
    vice: Callable[[str, dict[str, str]], Answer | None] = lambda _path, _query: None
    asked: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def add(self, *objects: object) -> None:
        """Each a second later than the one before."""
        for one in objects:
            at = len(self.objects)
            self.objects.append((f"2026-11-22T{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}.123456Z", one))

    @property
    def collection(self) -> str:
        """The URL of the one collection."""
        return f"{self.url}collections/{COLLECTION}/"

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        """What this server says to a GET."""
        given = self.vice(path, query)
        if given is not None:
            return given
        info = {"id": COLLECTION, "title": self.title, "can_read": True, "can_write": False}
        if path.endswith("/collections/"):
            return taxii({"collections": [info, {**info, "id": f"{COLLECTION[:-1]}7", "title": "Other"}]})
        if path.endswith(f"/{COLLECTION}/"):
            return taxii(info)
        return self._objects(query) if path.endswith("/objects/") else taxii({"title": "?"}, status=404)

    def _objects(self, query: dict[str, str]) -> Answer:
        start = 0
        if query.get("next"):
            if self.forgets:
                return taxii({"title": "cursor expired"}, status=400)
            start = int(query["next"])
        elif query.get("added_after"):
            start = sum(at <= query["added_after"] for at, _ in self.objects)
        shown = self.objects[start : start + self.page]
        more = start + len(shown) < len(self.objects)
        body: dict[str, Any] = {"more": more}
        if more:
            body["next"] = str(start + len(shown))
        if shown:
            body["objects"] = [one for _, one in shown]
        dates = {"X-TAXII-Date-Added-First": shown[0][0], "X-TAXII-Date-Added-Last": shown[-1][0]} if shown else {}
        return taxii(body, headers=dates if self.tells_date else {})


def taxii(body: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """An answer in the media type that the client asks for."""
    return status, {"Content-Type": TAXII, **(headers or {})}, json.dumps(body).encode()


@contextmanager
def serving(server: FakeTaxii) -> Iterator[FakeTaxii]:
    """On a free port of this machine until the end."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            server.asked.append((parts.path, query, {name.lower(): value for name, value in self.headers.items()}))
            status, headers, body = server.answer(parts.path, query)
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Nothing: tests read ``asked``."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        server.url = f"http://127.0.0.1:{http.server_address[1]}/root/"
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
