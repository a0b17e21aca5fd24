"""The TAXII server of a running hub, asked by taxii2-client over real TLS, at both listeners."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from requests.auth import AuthBase
from taxii2client.v21 import ApiRoot, Collection, Server, as_pages

from hub import consumers
from hub.consumers import Consumer
from hub.consumers.register import until_ms
from hub.enrolment import deny
from hub.intake import Outcome
from hub.settings import TaxiiSettings
from hub.store import audit_rows
from hub.tables import TLS_CERTIFICATE
from hub.taxii.errors import MEDIA_TYPE
from hub.taxii.places import DISCOVERY_PATH, ROOT_PATH
from port2port.clock import SystemClock, to_ms
from port2port.stix import objects as stix
from port2port.tlp import Tlp
from port2port.tls import key_to_pem, make_key
from tests.fakes.live_hub import LiveFederation, LiveHub, admit_into, live_hub, submit
from tests.fakes.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

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
        return _plain(Server(url + DISCOVERY_PATH, verify=str(self.home / ca), **given))

    def root(self, **who: str) -> ApiRoot:
        """The API root that discovery names."""
        return _plain(self.server(**who).default)

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
        asyncio.run_coroutine_threadsafe(self._submit(member, made), self.loop).result(20)
        return ids

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


def _plain(client: T) -> T:
    """Neither proxies nor authorities of the environment (psf/requests#3829)."""
    client._conn.session.trust_env = False  # type: ignore[attr-defined]  # taxii2-client has no types
    return client


@asynccontextmanager
async def _site(home: Path) -> AsyncIterator[Site]:
    live = LiveFederation.make(("beanr", "belgg"))
    fed = live.fed
    affiliate = {"op": "add-affiliate", "affiliate": "mpet", "member": "beanr", "name": "MPET", "ceiling": "amber"}
    found = [*fed.founding(), fed.control("roster", [affiliate])]
    _public(home)
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


def _public(home: Path) -> None:
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


def told(home: Path, story: Callable[[Site], None]) -> None:
    """Tell a story in a thread, beside the hub's event loop."""

    async def go() -> None:
        async with _site(home) as site:
            await asyncio.to_thread(story, site)

    asyncio.run(asyncio.wait_for(go(), 60))


def test_a_siem_finds_its_way_from_discovery_and_turns_every_page(tmp_path: Path) -> None:
    def story(site: Site) -> None:
        published = site.publish("belgg", 7)
        server = site.server(consumer=SIEM)
        assert server.title
        assert [root.url for root in server.api_roots] == [site.consumer_url + ROOT_PATH]
        root = site.root(consumer=SIEM)
        assert root.versions == [MEDIA_TYPE]
        siem = site.collection("SIEM", consumer=SIEM)
        assert (siem.can_read, siem.can_write) == (True, False)
        _until(lambda: len(siem.get_objects().get("objects", [])) == 8)
        pages = list(as_pages(siem.get_objects, per_request=3))
        found = [item["id"] for page in pages for item in page.get("objects", [])]
        assert sorted(found[1:]) == sorted(published)  # the first is the harmless one that tests the alert
        assert [len(page["objects"]) for page in pages] == [3, 3, 2]
        listed = [row["id"] for page in as_pages(siem.get_manifest, per_request=3) for row in page["objects"]]
        assert listed == found
        assert siem.get_object(found[3])["objects"][0]["id"] == found[3]
        assert len(siem.object_versions(found[3])["versions"]) == 1

    told(tmp_path, story)


def test_a_member_reads_with_the_certificate_of_its_node(tmp_path: Path) -> None:
    def story(site: Site) -> None:
        amber = site.publish("belgg", 1, tlp=Tlp.AMBER)
        port = site.collection("Port: Port belgg", member="belgg")
        _until(lambda: bool(port.get_objects().get("objects")))
        assert amber[0] in {item["id"] for item in port.get_objects()["objects"]}
        other = site.collection("Port: Port belgg", member="beanr")
        assert amber[0] not in {item["id"] for item in other.get_objects().get("objects", [])}

    told(tmp_path, story)


def test_nobody_comes_to_the_members_listener_without_a_certificate_of_the_federation(tmp_path: Path) -> None:
    def story(site: Site) -> None:
        session = requests.Session()
        session.trust_env = False
        session.verify = str(site.home / "ca.pem")
        with pytest.raises(requests.exceptions.ConnectionError):
            session.get(site.member_url + DISCOVERY_PATH, timeout=10)
        session.cert = (str(site.home / "public.pem"), str(site.home / "public.key"))
        with pytest.raises(requests.exceptions.ConnectionError):
            session.get(site.member_url + DISCOVERY_PATH, timeout=10)
        older = ssl.create_default_context(cafile=str(site.home / "ca.pem"))
        older.load_cert_chain(*site.certificate("belgg")[:2])
        older.maximum_version = ssl.TLSVersion.TLSv1_2
        address = ("127.0.0.1", int(site.member_url.rpartition(":")[2]))
        with socket.create_connection(address, 10) as bare, pytest.raises(ssl.SSLError):
            older.wrap_socket(bare, server_hostname="localhost")

    told(tmp_path, story)


def test_a_suspended_member_and_a_denied_certificate_read_nothing_more_on_an_open_connection(tmp_path: Path) -> None:
    def story(site: Site) -> None:
        fed = site.hub.live.fed
        first = site.root(member="belgg")
        assert first.collections
        siem = site.collection("SIEM", consumer=SIEM)
        site.log(fed.set_status("suspend-member", "belgg"))
        _until(lambda: _status(first.refresh_collections) == 403)
        assert siem.get_objects()["objects"]
        site.log(fed.set_status("suspend-member", "beanr"))
        _until(lambda: _status(siem.get_objects) == 403)

    told(tmp_path, story)


def test_a_denied_certificate_is_refused_within_seconds(tmp_path: Path) -> None:
    def story(site: Site) -> None:
        certificate, key, serial = site.certificate("belgg")
        row = {"serial": serial, "member": "belgg", "node": 1, "key_id": "0" * 64, "not_before_ms": 0}
        site.write(lambda c: c.execute(TLS_CERTIFICATE.insert(), [{**row, "not_after_ms": 2**50}]))
        session = requests.Session()
        session.trust_env, session.verify = False, str(site.home / "ca.pem")
        session.cert = (certificate, key)

        def status() -> int:
            return session.get(site.member_url + DISCOVERY_PATH, timeout=10).status_code

        assert status() == 200
        site.write(lambda c: deny(c, serial=serial, now_ms=to_ms(SystemClock().now())))
        _until(lambda: status() == 403)

    told(tmp_path, story)


def test_wrong_revoked_and_renewed_secrets_are_401_at_once(tmp_path: Path) -> None:
    def story(site: Site) -> None:
        siem = site.collection("SIEM", consumer=SIEM)
        assert _status(siem.get_objects) == 200
        now_ms = to_ms(SystemClock().now())
        site.secrets[SIEM] = site.write(partial(consumers.renew, name=SIEM, days=30, now_ms=now_ms))
        assert _status(siem.get_objects) == 401
        siem = site.collection("SIEM", consumer=SIEM)
        assert _status(siem.get_objects) == 200
        site.write(partial(consumers.revoke, name=SIEM, now_ms=now_ms))
        assert _status(siem.get_objects) == 401
        assert len(site.write(lambda c: audit_rows(c, "consumer-revoked"))) == 1

    told(tmp_path, story)


def test_a_terminal_posts_to_its_intake_and_reads_the_outcome_with_a_bearer_token(tmp_path: Path) -> None:
    class Bearer(AuthBase):
        def __init__(self, token: str) -> None:
            self.token = token

        def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers["Authorization"] = f"Bearer {self.token}"
            return request

    def story(site: Site) -> None:
        url = site.consumer_url + ROOT_PATH
        token = Bearer(f"{TERMINAL}.{site.secrets[TERMINAL]}")
        root = _plain(ApiRoot(url, auth=token, verify=str(site.home / "public.pem")))
        intake = next(item for item in root.collections if item.can_write)
        good = orjson.loads(site.hub.live.fed.indicator("beanr"))
        posted = intake.add_objects({"objects": [good, {"type": "indicator", "id": "nothing"}]})
        assert (posted.status, posted.success_count, posted.failure_count) == ("complete", 1, 1)
        again = root.get_status(posted.id)
        assert [one["id"] for one in again.successes] == [good["id"]]
        assert _status(lambda: root.get_status("nothing")) == 404
        mine = site.collection("Intake", member="beanr")
        assert [item["id"] for item in mine.get_objects()["objects"]] == [good["id"]]
        mine.delete_object(good["id"])
        assert not mine.get_objects().get("objects")

    told(tmp_path, story)


@pytest.mark.slow
@pytest.mark.parametrize("with_next", [True, False], ids=["next alone", "dates cut to milliseconds"])
def test_a_client_killed_after_every_page_gets_each_object_once_while_others_write(
    tmp_path: Path, *, with_next: bool
) -> None:
    rounds, each = 6, 70

    def story(site: Site) -> None:
        intake = next(item for item in site.root(consumer=TERMINAL).collections if item.can_write)
        made = [orjson.loads(site.hub.live.fed.indicator("beanr")) for _ in range(rounds * each)]

        def write() -> None:
            for at in range(0, len(made), each):
                intake.add_objects({"objects": made[at : at + each]})

        url, shown = site.collection("Intake", member="beanr").objects_url, site.certificate("beanr")[:2]
        writer = threading.Thread(target=write)
        writer.start()
        found, params = [], {"limit": "30"}
        while True:
            ended = not writer.is_alive()
            with requests.Session() as killed:  # each time a new client, which knows its last page alone
                killed.trust_env, killed.cert, killed.verify = False, shown, str(site.home / "ca.pem")
                response = killed.get(url, params=params, headers={"Accept": MEDIA_TYPE}, timeout=10)
            page = response.json()
            found += [item["id"] for item in page.get("objects", [])]
            if page.get("more") and with_next:
                params = {"limit": "30", "next": page["next"]}
            elif last := response.headers.get("x-taxii-date-added-last"):
                params = {"limit": "30", "added_after": f"{last[:-4]}Z"}
            elif ended:
                break
        writer.join()
        assert found == [item["id"] for item in made]

    told(tmp_path, story)


def test_polls_are_counted_and_a_reader_that_begins_anew_is_told_of(tmp_path: Path) -> None:
    def story(site: Site) -> None:
        site.publish("belgg", 3)
        siem = site.collection("SIEM", consumer=SIEM)
        _until(lambda: len(siem.get_objects().get("objects", [])) == 4)
        siem.get_objects()
        _until(lambda: bool(site.write(lambda c: consumers.uses(c, SIEM))))
        siem.get_objects()
        _until(lambda: bool(site.write(lambda c: audit_rows(c, "consumer-restarted"))))
        assert len(site.write(lambda c: audit_rows(c, "consumer-new-network"))) == 1
        use = site.write(lambda c: consumers.uses(c, SIEM))[0]
        assert (use.collection, use.delivered >= 8) == (siem.id, True)
        assert site.hub.hub.metrics.value("taxii_alarms", reason="consumer-restarted") == 1

    told(tmp_path, story)


def _until(condition: Callable[[], object]) -> None:
    """Asked ten times a second: a consumer may ask 600 times a minute."""
    wait_until(
        lambda: condition() or threading.Event().wait(0.1), what="what the hub does within seconds", deadline_s=20
    )


def _status(work: Callable[[], object]) -> int:
    """The HTTP status that a call of the client met."""
    try:
        work()
    except requests.exceptions.HTTPError as error:
        met = error.response
    else:
        return 200
    assert met.headers["content-type"] == MEDIA_TYPE
    return int(met.status_code)
