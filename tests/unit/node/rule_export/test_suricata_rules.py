"""Rules hold what was asked for and nothing a stranger wrote ends an option: read again by a parser of others."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from suricataparser import parse_rules

from node.rule_export.choosing import Ordered
from node.rule_export.suricata import CONTENT_BYTES, SID_COUNT, SID_FIRST, content, rev, rules_of
from port2port.tlp import Tlp

AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
ONE = Ordered(
    issuer="north-sea-port",
    stix_id="indicator--11111111-2222-4333-8444-555555555555",
    name="phishing of hauliers",
    tlp=Tlp.AMBER_STRICT,
    handling="act",
    modified=AT,
    valid_until=AT + timedelta(days=14),
    path="domain-name:value",
    value="Login-PortofAntwerp.example",
)
HASH = "ab" * 32


def read(*values: Ordered) -> list[Any]:
    """The rules as an independent parser reads them; as many as were written, each on one line."""
    made = rules_of(values)
    found = parse_rules(made.text)
    assert len(found) == made.count == made.text.count("\n")
    return found


def options(rule: Any, name: str) -> list[str]:
    return [option.value for option in rule.options if option.name == name]


def bytes_in(text: str) -> bytes:
    """What the argument of ``content`` means (Suricata user guide, payload keywords)."""
    parts = text.strip('"').split("|")
    return b"".join(bytes.fromhex(part) if place % 2 else part.encode() for place, part in enumerate(parts))


def test_a_domain_is_looked_for_in_queries_and_in_server_names() -> None:
    dns, tls = read(ONE)
    assert [rule.action for rule in (dns, tls)] == ["alert", "alert"]
    assert (dns.header, tls.header) == ("dns $HOME_NET any -> any any", "tls $HOME_NET any -> any any")
    for rule, buffer in ((dns, "dns.query"), (tls, "tls.sni")):
        names = [option.name for option in rule.options]
        assert names.index(buffer) < names.index("content") < names.index("bsize") < names.index("nocase")
        (said,) = options(rule, "content")
        assert bytes_in(said) == b"login-portofantwerp.example"
        assert options(rule, "bsize") == [str(len("login-portofantwerp.example"))]
    assert dns.sid != tls.sid


def test_a_rule_says_whose_it_is_how_it_is_marked_and_until_when() -> None:
    (rule, _) = read(ONE)
    assert rule.msg == "Port 2 Port DNS from north-sea-port - phishing of hauliers"
    assert rule.metadata == [
        "issuer north-sea-port",
        "tlp amber+strict",
        "stix_id indicator--11111111-2222-4333-8444-555555555555",
        "handling act",
        "valid_until 2026-12-06T08:00:00Z",
    ]


@pytest.mark.parametrize(
    ("path", "value", "header"),
    [
        ("ipv4-addr:value", "198.51.100.7", "ip any any <> [198.51.100.7] any"),
        ("ipv4-addr:value", "198.51.100.0/24", "ip any any <> [198.51.100.0/24] any"),
        ("ipv6-addr:value", "2001:DB8::1", "ip any any <> [2001:db8::1] any"),
    ],
)
def test_an_address_is_looked_for_in_both_directions(path: str, value: str, header: str) -> None:
    (rule,) = read(replace(ONE, path=path, value=value))
    assert rule.header == header


def test_a_url_is_looked_for_by_host_and_raw_uri() -> None:
    (rule,) = read(replace(ONE, path="url:value", value='https://Evil.example:8443/a%20b?x=";|\\'))
    host, uri = options(rule, "content")
    assert bytes_in(host) == b"evil.example"
    assert bytes_in(uri) == b'/a%20b?x=";|\\'
    assert [option.name for option in rule.options if option.name.startswith("http.")] == ["http.host", "http.uri.raw"]


@pytest.mark.parametrize(("name", "size"), [("MD5", 32), ("SHA-1", 40), ("SHA-256", 64)])
def test_a_digest_is_looked_for_by_a_list_file_beside_the_rules(name: str, size: int) -> None:
    made = rules_of([replace(ONE, path=f"file:hashes.{name}", value="AB" * (size // 2))])
    (rule,) = parse_rules(made.text)
    ((file, text),) = made.lists.items()
    assert options(rule, "file" + name.replace("-", "").lower()) == [file]
    assert text == "ab" * (size // 2) + "\n"
    assert re.fullmatch(r"port2port-[0-9]+\.[a-z0-9]+", file)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("email-addr:value", "ceo@evil.example"),
        ("domain-name:value", "two words"),
        ("domain-name:value", ""),
        ("ipv4-addr:value", "0.0.0.0/0"),
        ("ipv6-addr:value", "::/0"),
        ("ipv4-addr:value", "any"),
        ("url:value", "ftp://evil.example/x"),
        ("url:value", "http://evil.example/" + "x" * CONTENT_BYTES),
        ("file:hashes.SHA-256", "ab"),
        ("file:hashes.SSDEEP", "3:abc:def"),
    ],
)
def test_of_what_would_match_something_else_no_rule_is_made_and_it_is_counted(path: str, value: str) -> None:
    made = rules_of([replace(ONE, path=path, value=value)])
    assert (made.text, made.count, made.no_rule) == ("", 0, 1)


def test_a_rule_keeps_its_number_whatever_else_is_in_the_file_and_a_later_version_has_a_higher_one() -> None:
    other = replace(ONE, value="other.example")
    (alone, _), (_, _, among, _) = read(ONE), read(other, ONE)
    assert alone.sid == among.sid
    assert SID_FIRST <= alone.sid < SID_FIRST + SID_COUNT
    (later, _) = read(replace(ONE, modified=AT + timedelta(seconds=1), name="new words"))
    assert later.sid == alone.sid
    assert later.rev == alone.rev + 1 == rev(AT) + 1


HOSTILE = st.text(max_size=60) | st.sampled_from(
    [
        '";) drop tcp any any -> any any (sid:1;)',
        "a\nalert ip any any -> any any (sid:2;)",
        "\\",
        '\\";',
        "|",
        "|41|",
        "é;",
    ]
)


@given(name=HOSTILE, value=HOSTILE, path=st.sampled_from(["domain-name:value", "url:value", "ipv4-addr:value"]))
def test_nothing_a_stranger_wrote_ends_an_option_or_a_line(name: str, value: str, path: str) -> None:
    given_value = f"http://h.example/{value}" if path == "url:value" else value
    issuer = "north-sea-port"
    for rule in read(replace(ONE, name=name, value=given_value, path=path)):
        assert rule.action == "alert"
        assert [option.name for option in rule.options][-3:] == ["metadata", "sid", "rev"]
        assert rule.msg.startswith(f"Port 2 Port {rule.msg.split()[3]} from {issuer}")
        assert {option.name for option in rule.options} <= {
            *("msg", "dns.query", "tls.sni", "http.host", "http.uri.raw", "content", "bsize", "nocase"),
            *("metadata", "sid", "rev"),
        }
        assert rule.raw.isascii()


@given(st.binary(min_size=1, max_size=80))
def test_content_means_exactly_the_bytes_it_was_made_of(value: bytes) -> None:
    said = content(value)
    assert bytes_in(said) == value
    assert not set(said) & set(';"\\\n\r:')
