"""What is no text, too long or too large is refused before any page reads it, with a page that says what it was."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from port2port.console.plain_text import (
    COOKIE_BYTES,
    QUERY_BYTES,
    QUERY_FIELDS,
    AddressTooLongError,
    FieldTextError,
    is_text,
    require_query,
)
from port2port.console.security import FormLimits
from tests.fakes.console import OFFICER, ORIGIN, app, client, form_token
from tests.fakes.examples import many

SMALL = FormLimits(signed_out_bytes=1_000, body_bytes=4_000, files_bytes=16_000)
MULTIPART = "multipart/form-data; boundary=x"
URLENCODED = "application/x-www-form-urlencoded"


def part(name: bytes, value: bytes, file: bytes = b"") -> bytes:
    named = b'; filename="' + file + b'"' if file else b""
    return b'--x\r\nContent-Disposition: form-data; name="' + name + b'"' + named + b"\r\n\r\n" + value + b"\r\n"


def sent(body: bytes, kind: str) -> Any:
    """A form with the right token and this body."""
    browser = client(app())
    token = form_token(browser.get("/").text).encode()
    whole = part(b"form_token", token) + body + b"--x--\r\n" if "multipart" in kind else b"form_token=" + token + body
    return browser.post("/echo", content=whole, headers={"content-type": kind})


@pytest.mark.parametrize(
    ("body", "kind", "field"),
    [
        pytest.param(b"&what=a%00b", URLENCODED, "what", id="a NUL"),
        pytest.param(b"&what=x&n%00me=y", URLENCODED, r"n\x00me", id="a NUL in a name"),
        pytest.param(part(b"what", b"a\0b"), MULTIPART, "what", id="a NUL in a part"),
        pytest.param(part(b"what", b"a") + part(b"photo", b"x", b"a\0.png"), MULTIPART, "photo", id="a file's name"),
    ],
)
def test_what_is_no_text_is_refused_with_the_name_of_its_field(body: bytes, kind: str, field: str) -> None:
    answer = sent(body, kind)
    assert answer.status_code == 400
    assert f"the field {field} holds" in answer.text


@pytest.mark.parametrize("charset", ["utf-7", "utf-16", "zlib", "idna", "unicode_escape", "nonsense"])
@pytest.mark.parametrize("kind", [MULTIPART, URLENCODED])
def test_a_form_does_not_choose_how_its_bytes_are_read(charset: str, kind: str) -> None:
    answer = sent(part(b"what", b"+2AA-") if "multipart" in kind else b"&what=x", f"{kind}; charset={charset}")
    assert answer.status_code == 400


def test_a_form_that_says_it_is_utf_8_goes_through() -> None:
    assert "Zeebrügge" in sent(part(b"what", "Zeebrügge".encode()), f'{MULTIPART}; charset="UTF-8"').text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        pytest.param("x=a%00b", "the field x holds", id="a NUL"),
        pytest.param("x=%ED%A0%80", "the field x holds", id="half a surrogate pair"),
        pytest.param("x=%FF", "the field x holds", id="no UTF-8"),
        pytest.param("%00=1", r"the field \x00 holds", id="a NUL in a name"),
    ],
)
def test_a_query_that_is_no_text_is_refused_with_the_name_of_its_field(query: str, words: str) -> None:
    answer = client(app()).get(f"/?{query}")
    assert answer.status_code == 400
    assert words in answer.text


@pytest.mark.parametrize("path", ["/%00", "/admin%00", "/static/x/%00.css"])
def test_a_path_that_is_no_text_is_a_page_that_is_not_there(path: str) -> None:
    assert client(app()).get(path).status_code == 404


@pytest.mark.parametrize(
    "query",
    ["x=" + "y" * QUERY_BYTES, "&".join(["x=1"] * (QUERY_FIELDS + 1)), "x" + "[a]" * 6_000 + "=1"],
    ids=["long", "many fields", "deep names"],
)
def test_an_address_that_no_page_makes_is_too_large(query: str) -> None:
    assert client(app()).get(f"/?{query}").status_code == 413


def test_cookies_that_no_page_makes_are_too_large() -> None:
    headers = {"cookie": "a=" + '"\\' * COOKIE_BYTES, "accept-language": "nl"}
    refused = client(app()).get("/", headers=headers)
    assert refused.status_code == 413
    assert "de cookies van dit verzoek zijn te lang" in refused.text
    assert client(app()).get("/", headers={"cookie": 'p2p-language="\\000"'}).status_code == 200


@pytest.mark.parametrize("at", ["http://[", "http://[x]:9/y", "//", "\\\\", "http://a/%00"])
def test_a_fragment_asked_for_from_nowhere_leads_to_sign_in(at: str) -> None:
    browser = client(app(None))
    answer = browser.get("/admin", headers={"HX-Request": "true", "HX-Current-URL": at})
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"].startswith("/sign-in?")


@pytest.mark.parametrize("asked", ["bytes=0-10", "bytes=-1", "bytes=99999999999999999999-", "bytes=a-b", "x" * 900])
def test_a_range_is_passed_over(asked: str) -> None:
    browser = client(app())
    for path in ("/", browser.app.state.pages.assets.url("console.css")):  # type: ignore[attr-defined]  # Starlette's
        assert browser.get(path, headers={"Range": asked}).status_code == 200


def test_who_is_signed_out_may_send_little() -> None:
    assert FormLimits().signed_out_bytes == 64 * 1024
    stranger = client(app(None, form_limits=SMALL))
    token = form_token(stranger.get("/").text)
    for path in ("/echo", "/upload"):
        assert stranger.post(path, data={"form_token": token, "what": "x" * 1_000}).status_code == 413
    assert stranger.post("/echo", data={"form_token": token, "what": "x" * 500}).status_code == 200


def test_a_body_is_not_read_further_than_its_bound() -> None:
    read, statuses = 0, []
    headers = [(b"host", ORIGIN.removeprefix("https://").encode()), (b"sec-fetch-site", b"same-origin")]
    scope = {"type": "http", "method": "POST", "path": "/echo", "raw_path": b"/echo", "query_string": b"", "state": {}}
    scope |= {"headers": headers, "scheme": "https", "server": ("console.example", 443), "http_version": "1.1"}

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b"x" * 1_000, "more_body": True}

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    asyncio.run(app(None)(scope, receive, send))
    assert statuses[0] == 413
    assert read == 66


def test_a_route_that_takes_files_takes_more_of_who_is_signed_in() -> None:
    browser = client(app(OFFICER, form_limits=SMALL))
    token = form_token(browser.get("/").text)
    fields = {"form_token": token, "what": "seal"}
    for size, taken, elsewhere in ((3_000, 200, 200), (10_000, 200, 413), (20_000, 413, 413)):
        files = {"photo": ("a.png", b"x" * size, "image/png")}
        assert browser.post("/upload", data=fields, files=files).status_code == taken
        assert browser.post("/echo", data=fields, files=files).status_code == elsewhere


@settings(max_examples=many(200), deadline=None)
@given(st.binary(max_size=60))
def test_any_query_is_text_or_refused(query: bytes) -> None:
    with contextlib.suppress(FieldTextError, AddressTooLongError):
        require_query(query)
        assert all(is_text(word) for pair in parse_qsl(query.decode("latin-1")) for word in pair)


@given(st.text(max_size=20))
def test_text_is_what_can_be_sent_as_utf_8_and_kept(value: str) -> None:
    assert is_text(value) is ("\0" not in value)
