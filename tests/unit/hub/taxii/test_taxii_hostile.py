"""Whatever is sent is answered by a TAXII message, and by no 5xx."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.taxii.errors import MEDIA_TYPE
from hub.taxii.model import Kind
from hub.taxii.places import ROOT_PATH
from tests.fakes.taxii_shelf import basic, stix
from tests.fakes.taxii_site import SIEM, TERMINAL, Site, run

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope

QUICK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
TEXT = st.text(max_size=40)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.fixed_dictionaries({"objects": JSON | st.lists(JSON, max_size=4)})


def asked(site: Site, method: str, path: str, query: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> int:
    """One request as its bytes are, past every client that would tidy them up."""
    scope: Scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query,
        "headers": headers,
        "client": ("192.0.2.7", 1),
        "state": {},
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    given_to: Receive = receive
    run(site.app(scope, given_to, send))
    kinds = {value for name, value in sent[0]["headers"] if name == b"content-type"}
    assert kinds == {MEDIA_TYPE.encode()}
    return int(sent[0]["status"])


@QUICK
@given(
    st.sampled_from(["GET", "HEAD", "POST", "DELETE", "PUT", "OPTIONS", "BREW"]),
    st.lists(st.sampled_from(["taxii2", "port2port", "collections", "objects", "manifest", "status", "*"]) | TEXT),
    st.binary(max_size=60),
    st.lists(st.tuples(st.sampled_from([b"accept", b"content-type", b"accept-encoding"]), st.binary(max_size=40))),
    st.binary(max_size=60),
)
def test_whatever_is_asked_is_answered_by_a_message_and_never_breaks(
    site: Site, method: str, parts: list[str], query: bytes, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    siem = site.collection(Kind.SIEM)
    site.door._calls.clear()
    path = "/" + "/".join(siem.id if part == "*" else part for part in parts)
    who = (b"authorization", basic(SIEM, site.secrets[SIEM]).encode())
    assert asked(site, method, path, query, [who, *headers], body) < 500


@QUICK
@given(st.binary(max_size=200) | OBJECTS.map(lambda data: json.dumps(data).encode()))
def test_whatever_is_posted_is_taken_or_refused(site: Site, body: bytes) -> None:
    site.door._calls.clear()
    intake = site.collection(Kind.INTAKE, "mpet", seen_by=TERMINAL)
    found = site.post(site.objects(intake), body)
    assert found.status_code in {202, 400, 422}
    assert found.headers["content-type"] == MEDIA_TYPE


@QUICK
@given(st.binary(max_size=60))
def test_whatever_stands_for_credentials_is_401(site: Site, header: bytes) -> None:
    site.door._tries.clear()
    assert asked(site, "GET", ROOT_PATH, b"", [(b"authorization", header)], b"") == 401


def test_a_client_that_goes_away_in_the_middle_is_let_go(site: Site) -> None:
    intake = site.collection(Kind.INTAKE, "mpet", seen_by=TERMINAL)
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    who = [
        (b"authorization", basic(TERMINAL, site.secrets[TERMINAL]).encode()),
        (b"content-type", MEDIA_TYPE.encode()),
    ]
    scope = {"type": "http", "method": "POST", "path": site.objects(intake), "query_string": b"", "headers": who}
    run(site.app({**scope, "client": ("192.0.2.7", 1), "state": {}}, receive, send))
    assert sent == []


def test_who_posts_without_end_is_slowed_down(site: Site) -> None:
    intake = site.collection(Kind.INTAKE, "mpet", seen_by=TERMINAL)
    many = {"objects": [orjson.loads(stix(number)) for number in range(1_000)]}
    answers: list[httpx2.Response] = [site.post(site.objects(intake), many) for _ in range(11)]
    assert [found.status_code for found in answers] == [202] * 10 + [429]
    assert int(answers[-1].headers["retry-after"]) > 0
