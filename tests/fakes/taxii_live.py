"""A running hub with both TAXII listeners over real TLS on loopback, and what clients on this machine need to reach it.

def story(site: Site) -> None: ...
told(tmp_path, story)
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import orjson
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from taxii2client.v21 import ApiRoot, Collection, Server

from hub import consumers
from hub.consumers import Consumer
from hub.consumers.register import until_ms
from hub.intake import Outcome
from hub.settings import TaxiiSettings
from hub.taxii.errors import MEDIA_TYPE
from hub.taxii.places import DISCOVERY_PATH
from port2port.clock import SystemClock, to_ms
from port2port.stix import objects as stix
from port2port.tlp import Tlp
from port2port.tls import key_to_pem, make_key
from tests.fakes.live_hub import LiveFederation, LiveHub, admit_into, live_hub, submit
from tests.fakes.waiting import wait_until

T = TypeVar("T")
SIEM, TERMINAL = "ndc-siem", "mpet-terminal"


@dataclass(slots=True)
class Site:
    """A hub with both listeners, and what a client on this machine needs to reach them."""

    hub: LiveHub
    home: Path
    loop: asyncio.AbstractEventLoop
    secrets: dict[str, str]

    @property
    def consumer_url(self) -> str:
        return f"https://localhost:{self._service.consumer_port}"

    @property
    def member_url(self) -> str:
        return f"https://localhost:{self._service.member_port}"

    @property
    def _service(self) -> Any:
        assert self.hub.hub.taxii is not None
        return self.hub.hub.taxii

    def certificate(self, member: str) -> tuple[str, str, str]:
        """Files of a node's certificate and key, and its serial."""
        certificate, key, serial = self.hub.certificate(member)
        files = self.home / f"{member}.pem", self.home / f"{member}.key"
        for file, content in zip(files, (certificate, key), strict=True):
            file.write_bytes(content)
        return str(files[0]), str(files[1]), serial

    def server(self, *, consumer: str | None = None, member: str | None = None) -> Server:
        """What a client connects with: the right authority, and no look at the environment."""
        if consumer is not None:
            url, ca = self.consumer_url, "public.pem"
            given: dict[str, Any] = {"user": consumer, "password": self.secrets[consumer]}
        else:
            assert member is not None
            url, ca, given = self.member_url, "ca.pem", {"cert": self.certificate(member)[:2]}
        return plain(Server(url + DISCOVERY_PATH, verify=str(self.home / ca), **given))

    def root(self, **who: str) -> ApiRoot:
        """The API root that discovery names."""
        return plain(self.server(**who).default)

    def collection(self, title: str, **who: str) -> Collection:
        return next(item for item in self.root(**who).collections if item.title.startswith(title))

    def publish(self, member: str, count: int, *, tlp: Tlp = Tlp.GREEN) -> list[str]:
        """So many indicators of a member; their ids."""
        fed = self.hub.live.fed
        ids, made = [], []
        for number in range(count):
            pattern = stix.pattern_equals("domain-name:value", [f"lure-{number}.example"])
            raw = fed.indicator(member, tlp=tlp, pattern=pattern)
            ids.append(orjson.loads(raw)["id"])
            made.append(fed.publish(member, objects=[raw], tlp=tlp))
        self.submit(member, made)
        return ids

    def submit(self, member: str, raws: list[bytes]) -> None:
        """Envelopes in one batch, over the member's own connection."""
        asyncio.run_coroutine_threadsafe(self._submit(member, raws), self.loop).result(20)

    async def _submit(self, member: str, raws: list[bytes]) -> None:
        async with self.hub.channel(member) as channel:
            results = await submit(channel, *raws)
        assert {result.code for result in results} == {""}

    def log(self, *raws: bytes) -> None:
        for raw in raws:
            result = admit_into(self.hub.store, self.hub.live, raw)
            assert result.outcome is Outcome.ACCEPTED, result

    def write(self, action: Callable[[Any], T]) -> T:
        return self.hub.store.database.write_now(action)


def plain(client: T) -> T:
    """Neither proxies nor authorities of the environment (psf/requests#3829)."""
    client._conn.session.trust_env = False  # type: ignore[attr-defined]  # taxii2-client has no types
    return client


@asynccontextmanager
async def _site(home: Path) -> AsyncIterator[Site]:
    live = LiveFederation.make(("beanr", "belgg"))
    fed = live.fed
    affiliate = {"op": "add-affiliate", "affiliate": "mpet", "member": "beanr", "name": "MPET", "ceiling": "amber"}
    found = [*fed.founding(), fed.control("roster", [affiliate])]
    public_certificate(home)
    (home / "ca.pem").write_bytes(live.ca.root_pem)
    taxii = TaxiiSettings(
        listen="127.0.0.1:0",
        consumer_listen="127.0.0.1:0",
        certificate=home / "public.pem",
        key=home / "public.key",
    )
    async with live_hub(home, live, found=found, taxii=taxii) as hub:
        made = Site(hub, home, asyncio.get_running_loop(), {})
        for name, affiliate_id in ((SIEM, None), (TERMINAL, "mpet")):
            now_ms = to_ms(SystemClock().now())
            wanted = Consumer(
                name=name,
                member="beanr",
                affiliate=affiliate_id,
                created_ms=now_ms,
                expires_ms=until_ms(now_ms, 90),
            )
            made.secrets[name] = await hub.store.database.write(
                partial(consumers.add, wanted=wanted, roster=hub.hub.feed.at.roster)
            )
        yield made


def public_certificate(home: Path) -> None:
    """A certificate as a public authority would issue it; its own authority here."""
    key, now = make_key(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (home / "public.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (home / "public.key").write_bytes(key_to_pem(key))
    (home / "public.key").chmod(0o600)


def told(home: Path, story: Callable[[Site], None], *, deadline_s: float = 60) -> None:
    """Tell a story in a thread, beside the hub's event loop."""

    async def go() -> None:
        async with _site(home) as site:
            await asyncio.to_thread(story, site)

    asyncio.run(asyncio.wait_for(go(), deadline_s))


def until(condition: Callable[[], object]) -> None:
    """Asked ten times a second: a consumer may ask 600 times a minute."""
    wait_until(
        lambda: condition() or threading.Event().wait(0.1), what="what the hub does within seconds", deadline_s=20
    )


def status_of(work: Callable[[], object]) -> int:
    """The HTTP status that a call of the client met."""
    try:
        work()
    except requests.exceptions.HTTPError as error:
        met = error.response
    else:
        return 200
    assert met.headers["content-type"] == MEDIA_TYPE
    return int(met.status_code)
