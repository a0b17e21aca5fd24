"""Headers, host, origin, forms: each protection by itself."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from port2port.console.people import Person
from port2port.console.roles import Role
from port2port.console.security import FORM_COOKIE, FORM_HEADER, FormLimits, content_policy, is_own
from tests.fakes.console import OFFICER, ORIGIN, app, client, form_token
from tests.fakes.examples import many

OTHER = Person(account="2", pseudonym="B-04", member="port-a", roles=frozenset({Role.OFFICER}), session="s2")


def _policy(headers: dict[str, str]) -> dict[str, str]:
    parts = [part.strip().partition(" ") for part in headers["content-security-policy"].split(";")]
    return {name: value for name, _, value in parts}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("strict-transport-security", "max-age=31536000"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/nowhere", "/refuse"])
def test_every_response_carries_the_header(name: str, value: str, path: str) -> None:
    assert client(app()).get(path).headers[name] == value


def test_the_permissions_policy_allows_passkeys_and_nothing_else() -> None:
    policy = client(app()).get("/").headers["permissions-policy"]
    allowed = {part.strip().partition("=")[0] for part in policy.split(",") if part.strip().partition("=")[2] != "()"}
    assert allowed == {"publickey-credentials-get", "publickey-credentials-create"}


@pytest.mark.parametrize(
    ("directive", "value"),
    [
        ("default-src", "'none'"),
        ("style-src", "'self'"),
        ("connect-src", "'self'"),
        ("base-uri", "'none'"),
        ("form-action", "'self'"),
        ("frame-ancestors", "'none'"),
        ("require-trusted-types-for", "'script'"),
        ("trusted-types", "default htmx"),
    ],
)
def test_the_content_policy_says(directive: str, value: str) -> None:
    assert _policy(dict(client(app()).get("/").headers))[directive] == value


def test_no_directive_allows_inline_code_or_another_site() -> None:
    assert not re.search(r"unsafe|http:|https:|\*", content_policy("n"))


def test_the_nonce_is_new_in_each_response_and_is_that_of_the_page() -> None:
    browser = client(app())
    seen = set()
    for _ in range(3):
        response = browser.get("/")
        nonce = re.search(r"'nonce-([^']+)'", response.headers["content-security-policy"]).group(1)
        assert set(re.findall(r'nonce="([^"]*)"', response.text)) == {nonce}
        seen.add(nonce)
    assert len(seen) == 3


def test_no_page_has_a_script_or_a_style_of_its_own() -> None:
    text = client(app()).get("/gallery").text
    assert re.findall(r"<style|\sstyle=|\son\w+=", text) == []
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))


@pytest.mark.parametrize("host", ["evil.example", "console.example.evil.example", "127.0.0.1", ""])
def test_another_host_name_reads_nothing(host: str) -> None:
    response = client(app()).get("/", headers={"host": host})
    assert (response.status_code, response.content) == (421, b"")


def test_the_default_port_may_be_written() -> None:
    assert client(app()).get("/", headers={"host": "console.example:443"}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        pytest.param({"sec-fetch-site": "same-origin"}, True, id="said so"),
        pytest.param({"sec-fetch-site": "same-origin", "origin": ORIGIN}, True, id="said twice"),
        pytest.param({"origin": ORIGIN}, True, id="an older browser"),
        pytest.param({}, False, id="says nothing"),
        pytest.param({"sec-fetch-site": "same-site", "origin": ORIGIN}, False, id="another host of our domain"),
        pytest.param({"sec-fetch-site": "cross-site"}, False, id="another site"),
        pytest.param({"sec-fetch-site": "none"}, False, id="typed"),
        pytest.param({"sec-fetch-site": "same-origin", "origin": "null"}, True, id="a plain form, no referrer"),
        pytest.param({"origin": "null"}, False, id="a sandbox"),
        pytest.param({"sec-fetch-site": "cross-site", "origin": "null"}, False, id="a sandbox that is said to be one"),
        pytest.param({"sec-fetch-site": "same-origin", "origin": "https://evil.example"}, False, id="contradiction"),
    ],
)
def test_where_an_unsafe_request_comes_from(headers: dict[str, str], own: bool) -> None:
    assert is_own(headers, ORIGIN) is own


def test_a_request_from_elsewhere_is_refused_before_its_form_is_read() -> None:
    browser = client(app())
    token = form_token(browser.get("/").text)
    response = browser.post("/echo", data={"form_token": token, "what": "x"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 403
    assert "did not come from our own pages" in response.text


def test_a_form_goes_through_with_its_token() -> None:
    browser = client(app())
    token = form_token(browser.get("/").text)
    response = browser.post("/echo", data={"form_token": token, "what": "a vessel"})
    assert response.status_code == 200
    assert "a vessel" in response.text


def test_a_script_sends_the_token_in_a_header() -> None:
    browser = client(app())
    token = form_token(browser.get("/").text)
    assert browser.post("/echo", data={"what": "x"}, headers={FORM_HEADER: token}).status_code == 200
    assert browser.post("/refuse", json={}, headers={FORM_HEADER: token}).status_code == 403


@pytest.mark.parametrize("token", ["", "0" * 64, "é"])
def test_a_form_without_the_right_token_changes_nothing(token: str) -> None:
    browser = client(app())
    browser.get("/")
    response = browser.post("/echo", data={"form_token": token, "what": "x"})
    assert response.status_code == 403
    assert "no longer valid" in response.text


def test_the_form_of_one_officer_cannot_be_sent_as_another() -> None:
    secret = b"s" * 32
    first = client(app(OFFICER, form_secret=secret))
    token = form_token(first.get("/").text)
    second = client(app(OTHER, form_secret=secret))
    second.cookies.set(FORM_COOKIE, first.cookies[FORM_COOKIE])
    assert first.post("/echo", data={"form_token": token, "what": "x"}).status_code == 200
    assert second.post("/echo", data={"form_token": token, "what": "x"}).status_code == 403


def test_the_token_of_one_browser_is_worthless_in_another() -> None:
    application = app()
    token = form_token(client(application).get("/").text)
    other = client(application)
    other.get("/")
    assert other.post("/echo", data={"form_token": token, "what": "x"}).status_code == 403


def test_the_form_cookie_is_for_this_host_alone() -> None:
    cookie = client(app()).get("/").headers["set-cookie"]
    assert cookie.startswith("__Host-")
    assert {"Path=/", "Secure", "HttpOnly", "SameSite=Strict"} <= {part.strip() for part in cookie.split(";")}


@pytest.mark.parametrize(
    ("fields", "files"),
    [
        pytest.param({"what": "x" * 3_000}, {}, id="body"),
        pytest.param({f"f{n}": "" for n in range(20)}, {}, id="fields"),
    ],
)
def test_a_form_over_its_bounds_is_refused(fields: dict[str, str], files: dict[str, bytes]) -> None:
    browser = client(app(form_limits=FormLimits(body_bytes=2_000, fields=10, field_bytes=500)))
    token = form_token(browser.get("/").text)
    assert browser.post("/echo", data={**fields, "form_token": token}).status_code in {400, 413}


def test_a_file_reaches_its_endpoint_whole() -> None:
    browser = client(app())
    token = form_token(browser.get("/").text)
    response = browser.post(
        "/echo", data={"form_token": token, "what": "seal"}, files={"photo": ("a.png", b"\x89PNG" * 1000, "image/png")}
    )
    assert "seal" in response.text


@settings(max_examples=many(30), deadline=None)
@given(
    body=st.binary(max_size=200),
    kind=st.sampled_from(
        ["application/x-www-form-urlencoded", "multipart/form-data", "multipart/form-data; boundary=x", "text/plain"]
    ),
)
def test_whatever_is_sent_the_answer_is_a_page(body: bytes, kind: str) -> None:
    response = client(app()).post("/echo", content=body, headers={"content-type": kind})
    assert response.status_code in {400, 403}
    assert "<h1>" in response.text
