"""However a value is written, the same thing has one observable."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from port2port.observables import Kind, Observable, guess, observable
from tests.fakes.examples import many

SPELLINGS = {
    "host:evil.example": [
        ("domain-name:value", one) for one in ("Evil[.]Example.", " evil.example ", "EVIL(dot)example")
    ],
    "host:xn--mller-kva.de": [
        ("domain-name:value", one) for one in ("Müller.de", "XN--MLLER-KVA.DE", "müller\u3002de")
    ],
    "address:8.8.8.8": [
        ("ipv4-addr:value", "8[.]8[.]8[.]8"),
        ("ipv4-addr:value", "8.8.8.8/32"),
        ("ipv6-addr:value", "::ffff:8.8.8.8"),
        ("ipv6-addr:value", "[::FFFF:0808:0808]"),
        ("network-traffic:dst_ref.value", "8.8.8.8"),
    ],
    "address:8.8.8.0/24": [("ipv4-addr:value", "8.8.8.0/24"), ("ipv6-addr:value", "::ffff:8.8.8.0/120")],
    "address:2001:db8::1": [("ipv6-addr:value", one) for one in ("2001:DB8:0::1", "[2001:db8::1]", "2001:db8::1%eth0")],
    "url:https://evil.example/": [
        ("url:value", one)
        for one in (
            "hxxps://evil[.]example",
            "HTTPS://Evil.Example:443/#top",
            "https[://]evil.example/",
            "hXXps[:]//evil.example",
        )
    ],
    "url:http://127.0.0.1/a?b=C": [
        ("url:value", f"http://{one}/a?b=C")
        for one in ("127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::ffff:127.0.0.1]")
    ],
    "email:joe@evil.example": [
        ("email-addr:value", one) for one in ("Joe@Evil.Example", "joe[at]evil[.]example", "mailto:joe@evil.example")
    ],
    "hash:" + "ab" * 16: [("file:hashes.MD5", "AB" * 16), ("file:hashes.'SHA-256'", "ab" * 16)],
    "ship:9074729": [("vessel:imo", one) for one in ("IMO 9074729", "9074729", "imo:9074729")],
    "text:Some Account": [("user-account:account_login", " Some Account ")],
}


@pytest.mark.parametrize(("key", "path", "value"), [(key, *one) for key, many in SPELLINGS.items() for one in many])
def test_every_spelling_of_a_thing_is_the_same_observable(key: str, path: str, value: str) -> None:
    assert observable(path, value).key == key


@pytest.mark.parametrize("value", ["evil.example", "8.8.8.8", "https://evil.example/", "joe@evil.example", "ab" * 32])
def test_what_a_value_is_can_be_seen_from_it(value: str) -> None:
    assert guess(value).value == value
    assert guess(value).kind is not Kind.TEXT


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("https://user:secret@Evil.Example:8443/path", Observable(kind=Kind.HOST, value="evil.example")),
        ("http://[2001:db8::1]:8080/", Observable(kind=Kind.ADDRESS, value="2001:db8::1")),
        ("joe@evil.example", Observable(kind=Kind.HOST, value="evil.example")),
        ("evil.example", None),
    ],
)
def test_a_url_and_a_mail_address_know_their_host(value: str, host: Observable | None) -> None:
    assert guess(value).host == host


@pytest.mark.parametrize(
    "value", ["256.1.1.1/99", "a..b", "a b.example", "http://", "http://[::1", "@x", "x@", "http://a:99999/", ""]
)
def test_what_is_nothing_of_the_kind_is_text(value: str) -> None:
    assert guess(value).kind is Kind.TEXT


ANY = st.text(max_size=80) | st.text(alphabet="aB0.:/@[]%x\u3002ü-", max_size=40)


@given(path=st.sampled_from([path for many in SPELLINGS.values() for path, _ in many]), value=ANY)
@settings(max_examples=many(200))
def test_the_spelling_of_a_spelling_is_itself(path: str, value: str) -> None:
    once = observable(path, value)
    if once.kind in {Kind.HOST, Kind.ADDRESS, Kind.URL, Kind.EMAIL}:
        assert guess(once.value) == once
        assert once.host is None or guess(once.host.value) == once.host
