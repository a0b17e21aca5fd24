"""An external collection is followed without gap, double, loop or way into the port's own network."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node import drafts
from node.feed_settings import FeedSettings
from node.foreign import keeping
from node.foreign.reading import OBJECT_BYTES
from node.imports import following, session
from node.imports.following import Follower
from node.imports.session import FeedAddressError, FeedError, GuardedSession, is_public
from node.settings import KeySettings
from node.store import NodeStore
from port2port.imported import imported_in
from port2port.stix.markings import TLP_IDS
from port2port.tlp import Tlp
from tests.fakes.foreign import NOW, a_desk, a_report, a_store, an_indicator, stix_id
from tests.fakes.taxii_feed import COLLECTION, TAXII, Answer, FakeTaxii, serving, taxii

pytestmark = pytest.mark.filterwarnings("ignore:.*utcnow.*:DeprecationWarning")  # of taxii2client's dependencies


@pytest.fixture
def store(tmp_path: Path) -> Iterator[NodeStore]:
    made = a_store(tmp_path)
    yield made
    made.close()


@pytest.fixture
def server() -> Iterator[FakeTaxii]:
    with serving(FakeTaxii()) as made:
        yield made


def settings(server: FakeTaxii, **more: Any) -> FeedSettings:
    return FeedSettings(
        **{"name": "cert", "url": server.url, "collection": "Maritime", "allow_private_addresses": True, **more}
    )


def poll(store: NodeStore, feed: FeedSettings, **guard: Any) -> Counter[str]:
    follower = Follower(feed, lambda: GuardedSession(feed, KeySettings(), **guard), store)
    return +follower.poll(a_desk)


def taken(store: NodeStore) -> list[str]:
    found = store.read_now(drafts.listed)
    return [one.id for draft in found for one in imported_in(draft.proposal.body).objects]


def many(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [an_indicator(f"evil{number}.example") for number in range(start, start + count)]


def error_of(store: NodeStore) -> str:
    (feed,) = (one for one in store.read_now(keeping.feeds) if one.name == "cert")
    return str(feed.facts["error"])


@pytest.mark.parametrize(
    "by",
    [
        pytest.param({"collection": "Maritime"}, id="the title"),
        pytest.param({"collection": COLLECTION}, id="the id"),
        pytest.param({"collection": "", "url": "collection"}, id="its own address"),
    ],
)
def test_a_collection_is_read_to_its_end_and_then_only_what_is_new(
    store: NodeStore, server: FakeTaxii, by: dict[str, str]
) -> None:
    server.add(*many(10))
    feed = settings(server, **(by | ({"url": server.collection} if "url" in by else {})))
    assert poll(store, feed) == {"pages": 4, "met": 10, "drafted": 10, "drafts": 4}
    assert poll(store, feed)["met"] == 0
    server.add(*many(2, start=10))
    assert poll(store, feed)["drafted"] == 2
    assert len(set(taken(store))) == len(taken(store)) == 12


def test_beside_an_object_too_large_to_be_read_nothing_of_a_page_is_marked_loosely(
    store: NodeStore, server: FakeTaxii
) -> None:
    green = an_indicator("evil.example", object_marking_refs=[TLP_IDS[Tlp.GREEN]])
    server.add(green, a_report(green["id"], description="x" * OBJECT_BYTES))
    poll(store, settings(server))
    (draft,) = store.read_now(drafts.listed)
    assert draft.proposal.tlp is Tlp.AMBER_STRICT


class KilledError(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("after", [1, 2, 3, 4])
@pytest.mark.parametrize("stored", [False, True], ids=["before the page is stored", "after it is stored"])
def test_stopped_at_any_page_it_goes_on_without_gap_or_double(
    store: NodeStore, server: FakeTaxii, after: int, *, stored: bool
) -> None:
    server.add(*many(11))

    class Dying:
        """A store whose process is killed at a transaction."""

        def __init__(self) -> None:
            self.left = after

        def read_now(self, action: Any) -> Any:
            return store.read_now(action)

        def write_now(self, action: Any) -> Any:
            self.left -= 1
            if self.left == 0 and not stored:
                raise KilledError
            found = store.write_now(action)
            if self.left == 0:
                raise KilledError
            return found

    feed = settings(server)
    dying: Any = Dying()
    with pytest.raises(KilledError):
        Follower(feed, lambda: GuardedSession(feed, KeySettings()), dying).poll(a_desk)
    server.add(*many(2, start=11))
    poll(store, feed)
    assert sorted(taken(store)) == sorted(stix_id(f"evil{number}.example") for number in range(13))


def test_a_server_that_forgot_its_cursor_is_asked_from_the_newest_date(store: NodeStore, server: FakeTaxii) -> None:
    server.add(*many(8))
    server.forgets = True
    counts = poll(store, settings(server))
    assert (counts["drafted"], counts["met"]) == (8, 8)


def test_a_server_without_dates_is_read_again_and_nothing_is_doubled(store: NodeStore, server: FakeTaxii) -> None:
    server.tells_date = False
    server.add(*many(4))
    poll(store, settings(server))
    assert poll(store, settings(server)) == {"pages": 2, "met": 4, "known": 4}


def test_the_grade_and_marking_of_the_settings_hold(store: NodeStore, server: FakeTaxii) -> None:
    server.add(an_indicator(), an_indicator("clear.example", object_marking_refs=[TLP_IDS[Tlp.CLEAR]]))
    poll(store, settings(server, reliability="B2", marking="green"))
    found = store.read_now(drafts.listed)
    assert {draft.proposal.tlp for draft in found} == {Tlp.GREEN}
    assert {imported_in(draft.proposal.body).grade.code for draft in found} == {"B2"}


def test_a_report_on_a_later_page_marks_what_came_before(store: NodeStore, server: FakeTaxii) -> None:
    server.page = 1
    server.add(an_indicator(), a_report(stix_id("evil.example"), object_marking_refs=[TLP_IDS[Tlp.RED]]))
    poll(store, settings(server, marking="green"))
    assert {draft.proposal.tlp for draft in store.read_now(drafts.listed)} == {Tlp.RED}


# --- vices --------------------------------------------------------------------------------------------------------


def instead(answer: Answer) -> Any:
    """Of the objects; the rest of the server behaves."""
    return lambda path, _query: answer if path.endswith("/objects/") else None


def circling(_path: str, query: dict[str, str]) -> Answer | None:
    if "limit" not in query:
        return None
    return taxii({"more": True, "next": "round", "objects": [an_indicator()]})


def endless(_path: str, query: dict[str, str]) -> Answer | None:
    if "limit" not in query:
        return None
    return taxii({"more": True, "next": str(int(query.get("next", "0")) + 1)})


DEEP = b'{"more":false,"objects":[' + b"[" * 5_000 + b"]" * 5_000 + b"," + json.dumps(an_indicator()).encode() + b"]}"
VICES = {
    "a cursor that comes back": (circling, "leads in circles"),
    "empty pages without end": (endless, "leads in circles"),
    "more without a cursor": (instead(taxii({"more": True, "objects": [an_indicator()]})), "not where"),
    "a cursor that is no text": (instead(taxii({"more": True, "next": {"a": 1}})), "not where"),
    "no JSON": (instead((200, {"Content-Type": TAXII}, b"<html>")), "not TAXII"),
    "a list": (instead(taxii([1, 2])), "not TAXII"),
    "another media type": (instead((200, {"Content-Type": "text/html"}, b"{}")), "not TAXII"),
    "no media type": (instead((200, {}, b"{}")), "not TAXII"),
    "an error": (instead((503, {}, b"")), "status 503"),
    "a refusal": (instead((401, {}, b"")), "status 401"),
    "a redirect": (instead((302, {"Location": "http://127.0.0.1:1/"}, b"")), "redirect"),
    "a redirect to itself": (instead((307, {"Location": "."}, b"")), "redirect"),
    "a compressed answer": (instead((200, {"Content-Type": TAXII, "Content-Encoding": "gzip"}, b"")), "compressed"),
    "a page cut off": (
        instead((200, {"Content-Type": TAXII, "Content-Length": "99", "Connection": "close"}, b"{}")),
        "broke off",
    ),
    "a length that is none": (
        instead((200, {"Content-Type": TAXII, "Content-Length": "x", "Connection": "close"}, b"")),
        "",
    ),
}


@pytest.mark.parametrize("name", VICES)
def test_a_feed_that_misbehaves_is_an_error_that_stands_in_the_status(
    store: NodeStore, server: FakeTaxii, name: str
) -> None:
    vice, said = VICES[name]
    server.vice = vice
    with pytest.raises(FeedError):
        poll(store, settings(server))
    assert said in error_of(store)


def test_after_an_error_the_next_turn_is_well(store: NodeStore, server: FakeTaxii) -> None:
    server.add(*many(2))
    server.vice = instead((503, {}, b""))
    with pytest.raises(FeedError):
        poll(store, settings(server))
    server.vice = lambda _path, _query: None
    assert poll(store, settings(server))["drafted"] == 2
    assert error_of(store) == ""


def test_a_page_of_odd_objects_costs_none_of_their_neighbours(store: NodeStore, server: FakeTaxii) -> None:
    server.vice = instead((200, {"Content-Type": TAXII}, DEEP))
    counts = poll(store, settings(server))
    assert (counts["drafted"], counts["quarantined"]) == (1, 1)


def test_an_answer_that_is_too_large_is_not_read_to_its_end(
    store: NodeStore, server: FakeTaxii, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PAGE_BYTES", 1_000)
    server.vice = instead((200, {"Content-Type": TAXII}, b" " * 2_000_000 + b"{}"))
    with pytest.raises(FeedError, match="larger"):
        poll(store, settings(server))


def test_a_server_that_falls_silent_is_left(
    store: NodeStore, server: FakeTaxii, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "READ_S", 0.05)
    server.vice = instead((200, {"Content-Type": TAXII, "Content-Length": "99"}, b"{}"))
    with pytest.raises(FeedError, match="broke off"):
        poll(store, settings(server))


def test_an_answer_that_drips_has_an_end(store: NodeStore, server: FakeTaxii, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "WHOLE_S", 0.0)
    server.add(an_indicator())
    with pytest.raises(FeedError, match="took longer"):
        poll(store, settings(server))


def test_only_so_many_pages_are_read_at_a_turn(
    store: NodeStore, server: FakeTaxii, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "PAGES_PER_POLL", 2)
    server.add(*many(9))
    assert poll(store, settings(server))["met"] == 6
    assert poll(store, settings(server))["met"] == 3


def test_a_node_that_stops_waits_for_one_page_and_no_more(store: NodeStore, server: FakeTaxii) -> None:
    server.add(*many(9))
    feed, stopping = settings(server), threading.Event()
    stopping.set()
    follower = Follower(feed, lambda: GuardedSession(feed, KeySettings()), store, stopping=stopping)
    assert follower.poll(a_desk)["met"] == 3
    assert poll(store, feed)["met"] == 6


# --- where it goes ------------------------------------------------------------------------------------------------


def test_a_private_address_is_refused_before_anything_is_sent(store: NodeStore, server: FakeTaxii) -> None:
    feed = settings(server).model_copy(update={"allow_private_addresses": False})
    with pytest.raises(FeedAddressError):
        poll(store, feed)
    assert server.asked == []


@pytest.mark.parametrize(
    "answers", [["198.51.100.7", "127.0.0.1"], ["::ffff:10.0.0.1"], ["169.254.169.254"], ["fd00::1"]]
)
def test_a_name_that_leads_inside_is_refused_whatever_else_it_leads_to(
    store: NodeStore, server: FakeTaxii, answers: list[str]
) -> None:
    feed = settings(server).model_copy(update={"allow_private_addresses": False})
    with pytest.raises(FeedAddressError):
        poll(store, feed, find=lambda _host, _port: answers)
    assert server.asked == []


def test_the_socket_goes_to_the_address_that_was_looked_at(store: NodeStore, server: FakeTaxii) -> None:
    """A name is asked once for each connection, and what it says is where one goes: it cannot be rebound between."""
    server.add(an_indicator())
    port = int(server.url.split(":")[2].split("/")[0])
    answers = iter([["127.0.0.1"]] * 9)
    feed = settings(server, url=f"http://localhost:{port}/root/")
    assert poll(store, feed, find=lambda _host, _port: next(answers))["drafted"] == 1
    assert all(headers["host"] == f"localhost:{port}" for _, _, headers in server.asked)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1",
        "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:f5ff:fffe", "not an address",
    ],
)  # fmt: skip
def test_these_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["9.9.9.9", "2620:fe::fe", "64:ff9b::909:909", "::ffff:9.9.9.9"])
def test_these_addresses_are(address: str) -> None:
    assert is_public(address)


def test_nothing_of_the_environment_counts(
    store: NodeStore, server: FakeTaxii, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "absent.pem"))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.add(an_indicator())
    assert poll(store, settings(server))["drafted"] == 1
    assert all("authorization" not in headers for _, _, headers in server.asked)


@pytest.mark.parametrize(("user", "said"), [("port", "Basic cG9ydDpzM2NyZXQ="), ("", "Bearer s3cret")])
def test_the_secret_is_read_from_its_file(
    store: NodeStore, server: FakeTaxii, tmp_path: Path, user: str, said: str
) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    server.add(an_indicator())
    poll(store, settings(server, user=user, secret=tmp_path / "secret"))
    assert {headers["authorization"] for _, _, headers in server.asked} == {said}


def test_credentials_go_to_no_other_server(store: NodeStore, server: FakeTaxii, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret")
    with serving(FakeTaxii()) as other:
        feed = settings(server, secret=tmp_path / "secret")
        guarded = GuardedSession(feed, KeySettings())
        with pytest.raises(FeedAddressError):
            guarded.get(other.url)
        assert other.asked == []


def test_an_absent_secret_is_told(store: NodeStore, server: FakeTaxii, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="cannot read the secret"):
        poll(store, settings(server, secret=tmp_path / "absent"))
    assert "cannot read the secret" in error_of(store)


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://cert.example/"},
        {"url": "ftp://cert.example/"},
        {"url": "https://user:word@cert.example/"},
        {"url": "https://cert.example/?a=1"},
        {"url": "http://127.0.0.1/", "allow_private_addresses": False},
        {"marking": "clear"},
        {"reliability": "G9"},
        {"user": "port"},
        {"certificate": "a.pem"},
        {"hub": True, "secret": "a"},
        {"name": "a:b"},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(change: dict[str, Any]) -> None:
    base = {"name": "cert", "url": "https://cert.example/root/", "allow_private_addresses": True}
    with pytest.raises(ValueError, match="validation error"):
        FeedSettings(**{**base, **change})


def test_a_feed_waits_while_too_many_of_its_drafts_do(
    store: NodeStore, server: FakeTaxii, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "DRAFTS_MOST", 3)
    server.add(*many(12))
    feed = settings(server)
    with pytest.raises(FeedError, match="3 drafts of this feed wait"):
        poll(store, feed)
    assert "wait for an officer" in error_of(store)
    assert len(taken(store)) == 9
    assert poll(store, settings(server, name="other"))["met"] == 12  # what waits of one feed stops no other

    def decide(connection: Any) -> None:
        for draft in drafts.listed(connection):
            drafts.decide(connection, draft, state=drafts.REJECTED, officer="officer:a", reason="no", now=NOW)

    store.write_now(decide)
    assert poll(store, feed)["met"] == 3
    assert error_of(store) == ""


def test_a_feed_of_more_objects_than_anybody_follows_is_not_read_on(
    store: NodeStore, server: FakeTaxii, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "OBJECTS_MOST", 6)
    server.add(*(a_report(id=stix_id(str(number), "identity"), type="identity") for number in range(12)))
    with pytest.raises(FeedError, match="the feed has brought 6 objects"):
        poll(store, settings(server))


def test_an_answer_of_countless_objects_is_refused(store: NodeStore, server: FakeTaxii) -> None:
    numbers = ",".join(map(str, range(session.PAGE_PARTS + 1))).encode()
    server.vice = lambda path, _query: (
        (200, {"Content-Type": TAXII}, b'{"objects": [' + numbers + b"]}") if path.endswith("/objects/") else None
    )
    with pytest.raises(FeedError, match="more than 50000 objects"):
        poll(store, settings(server))
    assert store.read_now(keeping.apart_count) == 0


def test_a_page_of_a_server_that_knows_no_limit_is_stored_in_stretches(
    store: NodeStore, server: FakeTaxii, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "STRETCH", 4)
    server.page = 100
    strict = a_report(stix_id("evil0.example"), object_marking_refs=[TLP_IDS[Tlp.RED]])
    server.add(*many(9), strict)
    assert poll(store, settings(server))["drafted"] == 9 + 1
    red = [draft for draft in store.read_now(drafts.listed) if draft.proposal.tlp is Tlp.RED]
    assert stix_id("evil0.example") in {one.id for d in red for one in imported_in(d.proposal.body).objects}
    (feed,) = store.read_now(keeping.feeds)
    assert (feed.facts["pages"], feed.facts["met"]) == (1, 10)
    assert poll(store, settings(server))["met"] == 0


def test_an_answer_whose_head_comes_byte_by_byte_has_an_end(store: NodeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "WHOLE_S", 0.3)
    over = threading.Event()

    def drip(listener: socket.socket) -> None:
        with contextlib.suppress(OSError), listener.accept()[0] as line:
            line.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not over.wait(0.02):
                line.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving_it = threading.Thread(target=drip, args=[listener], daemon=True)
        serving_it.start()
        feed = FeedSettings(
            name="cert", url=f"http://127.0.0.1:{listener.getsockname()[1]}/c/", allow_private_addresses=True
        )
        ender = threading.Timer(10, over.set)  # without an end of its own the test fails, and does not hang
        ender.start()
        began = time.monotonic()
        with pytest.raises(FeedError):
            poll(store, feed)
        took_s = time.monotonic() - began
        ender.cancel()
        over.set()
        serving_it.join()
    assert took_s < 8
