"""The TAXII server of a running hub, asked by taxii2-client over real TLS, at both listeners."""

from __future__ import annotations

import socket
import ssl
import threading
from functools import partial
from typing import TYPE_CHECKING

import orjson
import pytest
import requests
from requests.auth import AuthBase
from taxii2client.v21 import ApiRoot, as_pages

from hub import consumers
from hub.enrolment import deny
from hub.store import audit_rows
from hub.tables import TLS_CERTIFICATE
from hub.taxii.errors import MEDIA_TYPE
from hub.taxii.places import DISCOVERY_PATH, ROOT_PATH
from port2port.clock import SystemClock, to_ms
from port2port.tlp import Tlp
from tests.fakes.taxii_live import SIEM, TERMINAL, Site, plain, status_of, told, until

if TYPE_CHECKING:
    from pathlib import Path


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
        until(lambda: len(siem.get_objects().get("objects", [])) == 8)
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
        until(lambda: bool(port.get_objects().get("objects")))
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
        until(lambda: status_of(first.refresh_collections) == 403)
        assert siem.get_objects()["objects"]
        site.log(fed.set_status("suspend-member", "beanr"))
        until(lambda: status_of(siem.get_objects) == 403)

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
        until(lambda: status() == 403)

    told(tmp_path, story)


def test_wrong_revoked_and_renewed_secrets_are_401_at_once(tmp_path: Path) -> None:
    def story(site: Site) -> None:
        siem = site.collection("SIEM", consumer=SIEM)
        assert status_of(siem.get_objects) == 200
        now_ms = to_ms(SystemClock().now())
        site.secrets[SIEM] = site.write(partial(consumers.renew, name=SIEM, days=30, now_ms=now_ms))
        assert status_of(siem.get_objects) == 401
        siem = site.collection("SIEM", consumer=SIEM)
        assert status_of(siem.get_objects) == 200
        site.write(partial(consumers.revoke, name=SIEM, now_ms=now_ms))
        assert status_of(siem.get_objects) == 401
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
        root = plain(ApiRoot(url, auth=token, verify=str(site.home / "public.pem")))
        intake = next(item for item in root.collections if item.can_write)
        good = orjson.loads(site.hub.live.fed.indicator("beanr"))
        posted = intake.add_objects({"objects": [good, {"type": "indicator", "id": "nothing"}]})
        assert (posted.status, posted.success_count, posted.failure_count) == ("complete", 1, 1)
        again = root.get_status(posted.id)
        assert [one["id"] for one in again.successes] == [good["id"]]
        assert status_of(lambda: root.get_status("nothing")) == 404
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
        until(lambda: len(siem.get_objects().get("objects", [])) == 4)
        siem.get_objects()
        until(lambda: bool(site.write(lambda c: consumers.uses(c, SIEM))))
        siem.get_objects()
        until(lambda: bool(site.write(lambda c: audit_rows(c, "consumer-restarted"))))
        assert len(site.write(lambda c: audit_rows(c, "consumer-new-network"))) == 1
        use = site.write(lambda c: consumers.uses(c, SIEM))[0]
        assert (use.collection, use.delivered >= 8) == (siem.id, True)
        assert site.hub.hub.metrics.value("taxii_alarms", reason="consumer-restarted") == 1

    told(tmp_path, story)


def test_what_is_no_http_is_answered_by_a_taxii_message_too(tmp_path: Path) -> None:
    def story(site: Site) -> None:
        context = ssl.create_default_context(cafile=str(site.home / "public.pem"))
        address = ("127.0.0.1", int(site.consumer_url.rpartition(":")[2]))
        for sent in (b"\x00\xff nothing\r\n\r\n", b"GET /taxii2/ HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"):
            with (
                socket.create_connection(address, 10) as bare,
                context.wrap_socket(bare, server_hostname="localhost") as line,
            ):
                line.sendall(sent)
                head, _, body = b"".join(iter(lambda line=line: line.recv(4_096), b"")).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 400 ")
            assert f"content-type: {MEDIA_TYPE}" in head.decode().lower()
            assert orjson.loads(body)["http_status"] == "400"

    told(tmp_path, story)
