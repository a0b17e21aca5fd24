"""What a reader is told by both TAXII listeners of a running hub, byte for byte: to be compared between two worlds.

The key of cursors and the secret are the same in all worlds. What must differ is blotted out, length kept: the hashes
and signatures in the proof of an attestation. Of the headers only the listener's own clock is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson
import requests
import sqlalchemy as sa
from requests.auth import HTTPBasicAuth

from hub import consumers
from hub.consumers import Consumer
from hub.consumers.register import until_ms
from hub.settings import TaxiiSettings
from hub.store import open_store
from hub.taxii.adding import horizon
from hub.taxii.cursor import stored_key
from hub.taxii.errors import MEDIA_TYPE
from hub.taxii.fold import folded_to
from hub.taxii.places import DISCOVERY_PATH, ROOT_PATH
from hub.taxii_tables import TAXII_CLASS
from port2port.clock import to_ms
from port2port.database import Database
from tests.fakes.examples import QUICK
from tests.fakes.hub_home import HubHome
from tests.fakes.taxii_live import public_certificate

CONSUMER: Final = "reader-siem"
COLLECTIONS: Final = f"{ROOT_PATH}collections/"
_PROOF: Final = re.compile(rb'"tlog_proof":"[^"]*"')
_HASH: Final = re.compile(rb"(?<!\\)[A-Za-z0-9+/]{40,}={0,2}")
_BRIEFLY: Final = ("", "match[version]=all", "match[id]={hidden}", "match[id]={random}", "limit=0")
_FILTERS: Final = (
    *_BRIEFLY,
    "limit=3",
    "added_after={during}",
    "match[type]=indicator",
    "match[type]=p2p-attestation,sighting",
    "match[id]={hidden},{shown}",
    "match[version]=first",
    "match[version]={modified}",
    "match[spec_version]=2.1",
    "match[spec_version]=2.0",
    "match[type]=indicator&match[version]=all&limit=2",
    "next=made-up",
    "added_after=yesterday",
)
Observed = list[tuple[str, object]]


def furnish(home: HubHome, reader: str) -> str:
    """What all worlds have in common, in the database they are copied from; the secret of the reader's system."""
    public_certificate(home.directory)
    store, now_ms = open_store(home.database), to_ms(home.fed.clock.now())
    try:
        store.database.write_now(stored_key)
        wanted = Consumer(name=CONSUMER, member=reader, created_ms=now_ms, expires_ms=until_ms(now_ms, 90))
        return store.database.write_now(partial(consumers.add, wanted=wanted, roster=home.fed.roster))
    finally:
        store.close()


def settings(directory: Path) -> TaxiiSettings:
    """Both listeners, on free ports, under one name each."""
    return TaxiiSettings(
        listen="127.0.0.1:0",
        consumer_listen="127.0.0.1:0",
        certificate=directory / "public.pem",
        key=directory / "public.key",
        public_url="https://members.p2p.test",
        consumer_public_url="https://siem.p2p.test",
    )


def is_folded(database: Database, logged: int) -> bool:
    """Whether all that was logged is served."""
    last_us = sa.select(sa.func.max(TAXII_CLASS.c.last_us))
    return database.read_now(lambda c: folded_to(c) >= logged and (c.scalar(last_us) or 0) <= horizon(c))


@dataclass(slots=True, kw_only=True)
class Asker:
    """The reader at one listener. ``words`` are what filters name, by what it is to the reader."""

    name: str
    base: str
    words: Mapping[str, str]
    session: requests.Session = field(default_factory=requests.Session)

    @classmethod
    def member(cls, home: HubHome, reader: str, port: int, words: Mapping[str, str]) -> Asker:
        made = cls(name="member", base=f"https://localhost:{port}", words=words)
        key, certificate = home.certificate(reader)
        files = home.directory / "reader.pem", home.directory / "reader.key"
        files[0].write_bytes(certificate)
        files[1].write_bytes(key)
        made.session.cert = (str(files[0]), str(files[1]))
        made.session.verify = str(home.directory / "ca.pem")
        return made

    @classmethod
    def consumer(cls, home: HubHome, secret: str, port: int, words: Mapping[str, str]) -> Asker:
        made = cls(name="consumer", base=f"https://localhost:{port}", words=words)
        made.session.auth = HTTPBasicAuth(CONSUMER, secret)
        made.session.verify = str(home.directory / "public.pem")
        return made

    def ask(self, method: str, path: str, **more: Any) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
        """Status, headers and content."""
        self.session.trust_env = False
        given = {"Accept": MEDIA_TYPE, "Accept-Encoding": "identity", "Content-Type": MEDIA_TYPE}
        answer = self.session.request(method, self.base + path, headers=given, timeout=20, **more)
        headers = sorted((name.lower(), value) for name, value in answer.headers.items() if name.lower() != "date")
        return answer.status_code, tuple(headers), _PROOF.sub(_blotted, answer.content)

    def news(self) -> Observed:
        """What a poll of the largest collections brings, as a system follows them live."""
        return [
            (f"taxii live {self.name} {title}", self.ask("GET", f"{COLLECTIONS}{ident}/objects/"))
            for title, ident in self._collections()
            if title.startswith(("SIEM", "Topic: Cyber"))
        ]

    def everything(self, when: str) -> Observed:
        """Every endpoint, with every filter, and for objects that are there, hidden and nowhere."""
        return [(f"taxii {when} {self.name} {place}", answer) for place, answer in self._everything()]

    def _everything(self) -> Iterator[tuple[str, object]]:
        for path in (DISCOVERY_PATH, ROOT_PATH, COLLECTIONS, f"{ROOT_PATH}status/{self.words['uuid']}/", "/nowhere"):
            yield path.replace(self.words["uuid"], "..."), self.ask("GET", path)
        for title, ident in self._collections():
            if title.startswith(("SIEM", "Topic: Cyber")) or (title == f"Port: {self.words['author']}" and not QUICK):
                yield from self._collection(title, f"{COLLECTIONS}{ident}/")
            elif not QUICK:
                yield title, self.ask("GET", f"{COLLECTIONS}{ident}/manifest/")

    def _collection(self, title: str, path: str) -> Iterator[tuple[str, object]]:
        yield title, self.ask("GET", path)
        for place in ("objects/", "manifest/"):
            for query in _BRIEFLY if QUICK else _FILTERS:
                asked = query.format(**self.words)
                yield f"{title} {place}?{query}", self.ask("GET", f"{path}{place}?{asked}")
            yield from self._pages(f"{title} {place}", path + place)
        for what in ("hidden", "random", "shown"):
            one = f"{path}objects/{self.words[what]}/"
            yield f"{title} {what}", self.ask("GET", one)
            yield f"{title} versions {what}", self.ask("GET", f"{one}versions/")
            yield f"{title} delete {what}", self.ask("DELETE", one)
        yield f"{title} post", self.ask("POST", f"{path}objects/", data=b'{"objects":[]}')

    def _pages(self, title: str, path: str) -> Iterator[tuple[str, object]]:
        query, number = "?limit=2&match[version]=all", 0
        while query:
            answer = self.ask("GET", path + query)
            yield f"{title} page {number}", answer
            following = orjson.loads(answer[2]).get("next")
            query, number = f"?limit=2&next={following}" if following else "", number + 1

    def _collections(self) -> list[tuple[str, str]]:
        found = orjson.loads(self.ask("GET", COLLECTIONS)[2])["collections"]
        return [(one["title"], one["id"]) for one in found]


def _blotted(found: re.Match[bytes]) -> bytes:
    return _HASH.sub(lambda hashed: b"#" * len(hashed.group()), found.group())
