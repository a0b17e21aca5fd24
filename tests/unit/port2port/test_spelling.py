"""What is the same thing on a network is spelled the same, in patterns and in what sensors saw."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port2port.patterns import TemplateCache, compile_pattern, guards_in, spelled
from port2port.patterns.expressions import Guards
from port2port.patterns.spelling import spelled_text

PATHS = (
    "domain-name:value",
    "email-addr:value",
    "ipv4-addr:value",
    "ipv6-addr:value",
    "url:value",
    "file:hashes.SHA-256",
    "network-traffic:dst_ref.value",
    "vessel:name",
)
SAME = {
    "capitals in a domain": ("domain-name:value", "Evil.Example", "evil.example"),
    "the final dot": ("domain-name:value", "evil.example.", "evil.example"),
    "its own script": ("domain-name:value", "münchen.example", "xn--mnchen-3ya.example"),
    "one address": ("ipv4-addr:value", "192.0.2.7/32", "192.0.2.7"),
    "a long address": ("ipv6-addr:value", "2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
    "a host in capitals": ("url:value", "HTTP://Evil.Example:80/A?b=C", "http://evil.example/A?b=C"),
    "no path": ("url:value", "https://evil.example", "https://evil.example/"),
    "another port": ("url:value", "https://evil.example:8443/x", "https://evil.example:8443/x"),
    "a digest": ("file:hashes.MD5", "D41D8CD98F00B204E9800998ECF8427E", "d41d8cd98f00b204e9800998ecf8427e"),
    "mail": ("email-addr:value", "Boss@Port.Example", "boss@port.example"),
    "a ship's name stays": ("vessel:name", "Evil.Example", "Evil.Example"),
}


@pytest.mark.parametrize(("path", "told", "kept"), SAME.values(), ids=SAME.keys())
def test_spellings_of_one_thing_become_one(path: str, told: str, kept: str) -> None:
    assert spelled(path, told) == kept
    if path != "vessel:name":
        quoted = ".".join(f"'{step}'" if "-" in step else step for step in path.partition(":")[2].split("."))
        text = f"[{path.partition(':')[0]}:{quoted} = '{told}']"
        keys: Guards = frozenset({(path, kept)})
        assert compile_pattern(text, TemplateCache()).index_keys == keys
        assert guards_in(text.replace(" = ", " IN (").replace("]", ")]")) == keys


def test_numbers_are_left_alone() -> None:
    assert spelled("domain-name:value", 7) == 7
    assert spelled("url:value", True) is True  # a value like any other


@given(st.sampled_from(PATHS), st.text(max_size=80) | st.from_regex(r"https?://[^\n]{0,30}", fullmatch=True))
def test_any_text_is_spelled_and_twice_as_once(path: str, text: str) -> None:
    once = spelled(path, text)
    assert spelled(path, once) == once


def test_accounts_and_certificates_are_named_by_their_values() -> None:
    digest = "ab" * 32
    for text in ("[user-account:user_id = 'x7']", f"[x509-certificate:hashes.'SHA-256' = '{digest}']"):
        assert compile_pattern(text, TemplateCache()).bound


@pytest.mark.parametrize("text", ["\u0130" * 9_900, ("\u0130" * 60 + ".") * 160, "c\u200d" * 4_900])
def test_a_name_without_end_is_told_in_no_time(text: str) -> None:
    began = time.perf_counter()
    spelled_text("domain-name:value", text)
    spelled_text("url:value", f"http://{text}/")
    assert time.perf_counter() - began < 0.05
