"""What real clients do to collections, over real TLS, while others insert and revoke: each gets everything, and it ends."""

from __future__ import annotations

import threading
import uuid
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import requests
import sqlalchemy as sa
from taxii2client.v21 import as_pages

from hub.taxii.adding import horizon
from hub.taxii.errors import MEDIA_TYPE
from hub.taxii.fold import folded_to
from hub.taxii_tables import TAXII_CLASS
from port2port.stix import objects as stix
from port2port.tlp import Tlp
from tests.fakes.taxii_live import SIEM, Site, told, until

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Connection

PER_ENVELOPE = 64
AUTHOR, READER = "belgg", "beanr"
LAST = "x-taxii-date-added-last"
Version = tuple[str, str]


@dataclass(slots=True)
class Author:
    """A member that publishes many lures quickly, and takes some of them back. They are in no order of their ids."""

    site: Site
    tlp: Tlp = Tlp.GREEN
    raws: list[bytes] = field(default_factory=list)

    def insert(self, count: int) -> list[bytes]:
        """So many more indicators, logged beside the running hub."""
        pattern = stix.pattern_equals("domain-name:value", ["lure.example"])
        made = self.site.hub.live.fed.indicator(AUTHOR, tlp=self.tlp, pattern=pattern)
        ident = orjson.loads(made)["id"].encode()
        fresh = [
            made.replace(ident, b"indicator--%s" % str(uuid.uuid4()).encode()).replace(
                b"lure.example", b"lure-%d.example" % number
            )
            for number in range(len(self.raws), len(self.raws) + count)
        ]
        for at in range(0, count, PER_ENVELOPE):
            objects = fresh[at : at + PER_ENVELOPE]
            self.site.submit(AUTHOR, [self.site.hub.live.fed.publish(AUTHOR, objects=objects, tlp=self.tlp)])
        self.raws += fresh
        return fresh

    def revoke(self, raws: Sequence[bytes]) -> list[bytes]:
        """Their next and last versions."""
        ended = [stix.revoked(raw, datetime.now(UTC)) for raw in raws]
        ids = [orjson.loads(raw)["id"] for raw in raws]
        self.site.submit(AUTHOR, [self.site.hub.live.fed.retract(AUTHOR, ids, objects=ended, tlp=self.tlp)])
        return ended


def version_of(raw: bytes) -> Version:
    return _version(orjson.loads(raw))


def _version(data: dict[str, Any]) -> Version:
    return data["id"], data.get("modified", data.get("version", ""))


def folded(site: Site) -> None:
    """Wait until everything that was logged is served."""
    logged, last_us = site.hub.hub.feed.next, sa.select(sa.func.max(TAXII_CLASS.c.last_us))

    def served(connection: Connection) -> bool:
        return folded_to(connection) >= logged and connection.scalar(last_us) <= horizon(connection)

    until(lambda: site.hub.store.database.read_now(served))


@contextmanager
def busy(author: Author, revocable: list[bytes]) -> Iterator[list[bytes]]:
    """An author who inserts and revokes without end, meanwhile; the versions that replaced others."""
    stop, replaced, failed = threading.Event(), list[bytes](), list[BaseException]()

    def work() -> None:
        try:
            while not stop.is_set():
                author.insert(20)
                some = [revocable.pop() for _ in range(min(20, len(revocable)))]
                replaced.extend(author.revoke(some) if some else ())
        except BaseException as error:
            failed.append(error)
            raise

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield replaced
    finally:
        stop.set()
        thread.join(30)
    assert not failed
    assert replaced, "nothing was revoked meanwhile"


@pytest.mark.slow
def test_ten_thousand_objects_come_once_each_while_others_insert_and_revoke_and_it_stops(tmp_path: Path) -> None:
    def story(site: Site) -> None:
        author = Author(site)
        first = author.insert(10_000)
        folded(site)
        siem = site.collection("SIEM", consumer=SIEM)
        port = site.collection(f"Port: Port {AUTHOR}", member=READER)
        revocable = first[::7]
        stood = {version_of(raw) for raw in first} - {version_of(raw) for raw in revocable}
        slow = OpenCti(site, port.objects_url)  # names no limit, and turns a page a tick
        with busy(author, revocable) as replaced:
            objects = [row for page in as_pages(siem.get_objects, per_request=500) for row in page["objects"]]
            listed = [
                row for page in as_pages(port.get_manifest, per_request=1_000, version="all") for row in page["objects"]
            ]
            for _ in range(4):
                slow.tick()
        for rows in (objects, listed):
            times = Counter(map(_version, rows))
            assert set(times.values()) == {1}, "something came twice"
            assert stood <= times.keys(), "something that stood throughout did not come"
        later = {version_of(raw) for raw in replaced} & set(map(_version, objects))
        assert later, "no reader met a revocation: nothing was tried"
        assert {version_of(raw) for raw in first} <= set(map(_version, listed)), "an older version is missing"
        folded(site)
        slow.drain()
        assert set(_listed(slow, "last")) <= set(slow.got) <= set(_listed(slow, "all"))
        found = {row["id"]: row for page in as_pages(siem.get_objects, per_request=5_000) for row in page["objects"]}
        assert len(found) == len(author.raws) + 1
        assert all(found[ident]["modified"] == modified for ident, modified in map(version_of, replaced))

    told(tmp_path, story, deadline_s=240)


# --- by hand: what other clients make of pages ------------------------------------------------------------------------


@dataclass(slots=True)
class Client(ABC):
    """Somebody who polls one collection, remembers ``kept`` and nothing else, and was given ``got``."""

    site: Site
    url: str
    member: str = READER
    limit: int | None = None
    kept: dict[str, str] = field(default_factory=dict)
    got: list[Version] = field(default_factory=list)
    session: requests.Session = field(default_factory=requests.Session)
    once: bool = True

    def __post_init__(self) -> None:
        self.session.trust_env = False
        self.session.verify = str(self.site.home / "ca.pem")
        self.session.cert = self.site.certificate(self.member)[:2]

    def ask(self, **params: str) -> requests.Response:
        given = params if self.limit is None else {"limit": str(self.limit), **params}
        return self.session.get(self.url, params=given, headers={"Accept": MEDIA_TYPE}, timeout=20)

    @abstractmethod
    def tick(self) -> bool:
        """One request; whether there is more to ask for at once."""

    def take(self, response: requests.Response) -> dict[str, Any]:
        assert response.status_code == 200, response.text
        page: dict[str, Any] = response.json()
        self.got += map(_version, page.get("objects", ()))
        assert ("next" in page) == bool(page.get("more")), "a client without next would turn in a circle"
        return page

    def drain(self) -> None:
        for _ in range(5_000):
            if not self.tick():
                return
        raise AssertionError(f"{type(self).__name__} never ends")


class OpenCti(Client):
    """``next`` and ``added_after`` together, a page a tick, dates cut to milliseconds (ingestionManager.ts)."""

    def tick(self) -> bool:
        response = self.ask(**self.kept)
        page = self.take(response)
        if page.get("more"):
            self.kept["next"] = page["next"]
        elif page.get("objects"):
            self.kept = {"added_after": f"{response.headers[LAST][:23]}Z"}
        return bool(page.get("objects"))


class Connector(Client):
    """After the first page ``next`` without ``added_after`` (opencti connectors, client_taxii.py)."""

    def tick(self) -> bool:
        response = self.ask(**self.kept)
        page = self.take(response)
        if page.get("more"):
            self.kept = {"next": page["next"]}
        elif page.get("objects"):
            self.kept = {"added_after": response.headers[LAST]}
        return bool(page.get("objects"))


class OnlyDates(Client):
    """``added_after`` alone."""

    def tick(self) -> bool:
        response = self.ask(**self.kept)
        page = self.take(response)
        if page.get("objects"):
            self.kept = {"added_after": response.headers[LAST]}
        return bool(page.get("objects"))


class CutDates(Client):
    """``added_after`` alone, cut to milliseconds."""

    def tick(self) -> bool:
        response = self.ask(**self.kept)
        page = self.take(response)
        if page.get("objects"):
            self.kept = {"added_after": f"{response.headers[LAST][:23]}Z"}
        return bool(page.get("objects"))


class MineMeld(Client):
    """Turns all pages, then asks for what was added after the newest ``modified``: it gets things again and again."""

    def tick(self) -> bool:
        before, params = len(set(self.got)), dict(self.kept)
        while True:
            page = self.take(self.ask(**params))
            newest = max((row.get("modified", "") for row in page.get("objects", ())), default="")
            if newest:
                self.kept = {"added_after": max(newest, self.kept.get("added_after", ""))}
            if not page.get("more"):
                return len(set(self.got)) > before
            params = {**params, "next": page["next"]}


def _clients(site: Site, url: str, smallest: int = 1) -> list[Client]:
    """``smallest``: as many audiences as share a date; who goes by dates alone cannot do with less (decision 0020)."""
    return [
        OpenCti(site, url),
        OpenCti(site, url, limit=11),
        Connector(site, url, limit=13),
        MineMeld(site, url, limit=50, once=False),
        *(OnlyDates(site, url, limit=limit) for limit in range(smallest, 8)),
        *(CutDates(site, url, limit=limit) for limit in (smallest, 5)),
    ]


@pytest.mark.slow
def test_clients_of_every_manner_get_everything_while_others_insert_and_revoke(tmp_path: Path) -> None:
    def story(site: Site) -> None:
        author = Author(site)
        first = author.insert(150)
        folded(site)
        url = site.collection(f"Port: Port {AUTHOR}", member=READER).objects_url
        clients = _clients(site, url)
        with busy(author, first[::2]):
            for _ in range(5):
                for client in clients:
                    client.tick()
        folded(site)
        every = _listed(clients[0], "all")
        for client in clients:
            client.drain()
            name, times = (type(client).__name__, client.limit), Counter(client.got)
            assert times.keys() <= set(every), name
            newest = dict(_listed(client, "last"))
            assert newest.items() <= times.keys(), name
            assert not client.once or set(times.values()) == {1}, name

    told(tmp_path, story, deadline_s=240)


def test_a_next_of_one_collection_is_400_for_the_following_one_and_good_for_its_own_later(tmp_path: Path) -> None:
    def story(site: Site) -> None:
        author = Author(site)
        first = author.insert(30)
        folded(site)
        port, topic = (
            site.collection(title, member=READER).objects_url for title in (f"Port: Port {AUTHOR}", "Topic: Cyber")
        )
        client = Connector(site, port, limit=10)
        client.tick()
        kept = dict(client.kept)
        client.url = topic
        refused = client.ask(**kept)
        assert (refused.status_code, refused.headers["content-type"]) == (400, MEDIA_TYPE)
        author.revoke(first[20:])
        folded(site)
        client.url = port
        client.drain()
        assert set(client.got) == set(_listed(client, "last"))
        assert client.ask(**kept).json()["objects"], "a cursor that was used is good for ever"

    told(tmp_path, story)


def _listed(client: Client, which: str) -> list[Version]:
    """What the manifest says that there is."""
    url, found, params = client.url.replace("/objects/", "/manifest/"), [], {"match[version]": which, "limit": "5000"}
    while True:
        page = client.session.get(url, params=params, headers={"Accept": MEDIA_TYPE}, timeout=20).json()
        found += map(_version, page.get("objects", ()))
        if not page.get("more"):
            return found
        params["next"] = page["next"]


@pytest.mark.slow
@pytest.mark.parametrize("manner", [OpenCti, Connector, OnlyDates, CutDates])
def test_a_consumer_killed_at_any_page_resumes_from_what_it_stored(
    tmp_path: Path, manner: Callable[..., Client]
) -> None:
    def story(site: Site) -> None:
        author = Author(site)
        author.insert(150)
        folded(site)
        url = site.collection(f"Port: Port {AUTHOR}", member=READER).objects_url
        runner, stored = manner(site, url, limit=7), []
        while True:
            stored.append((dict(runner.kept), list(runner.got)))
            if not runner.tick():
                break
        assert len(stored) > 20
        for number, (kept, got) in enumerate(stored):
            if number % 5 == 0:
                author.insert(3)
                folded(site)
            resumed = manner(site, url, limit=(7, 40, 1_000)[number % 3], kept=dict(kept), got=list(got))
            resumed.session.close()  # a new process: no connection is left
            lost = resumed.ask(**kept)  # the page came, and the process died before it was stored
            assert lost.content == resumed.ask(**kept).content
            resumed.drain()
            assert len(resumed.got) == len(set(resumed.got)), number
            assert set(resumed.got) == set(_listed(resumed, "last")), number

    told(tmp_path, story, deadline_s=120)


def test_equal_dates_of_several_audiences_are_no_edge_to_fall_from(tmp_path: Path) -> None:
    def story(site: Site) -> None:
        fed = site.hub.live.fed
        raws = []
        for tlp, more in ((Tlp.GREEN, {}), (Tlp.CLEAR, {}), (Tlp.AMBER, {"recipients": (READER,)})):
            objects = [fed.indicator(AUTHOR, tlp=tlp) for _ in range(9)]
            raws.append(fed.publish(AUTHOR, objects=objects, tlp=tlp, **more))
        site.submit(AUTHOR, raws)
        folded(site)
        url = site.collection(f"Port: Port {AUTHOR}", member=READER).objects_url
        manifest = OnlyDates(site, url.replace("/objects/", "/manifest/")).ask().json()["objects"]
        dates = [row["date_added"] for row in manifest]
        assert dates == sorted(dates)
        assert len(manifest) == 30, "three proofs beside three times nine"
        assert len(set(dates)) < len(dates), "no two audiences share a date: nothing was tried"
        expected = Counter(_version(row) for row in manifest)
        for client in _clients(site, url, smallest=3):
            client.drain()
            got = Counter(client.got)
            assert got.keys() == expected.keys(), (type(client).__name__, client.limit)
            assert not client.once or got == expected, (type(client).__name__, client.limit)

    told(tmp_path, story)
