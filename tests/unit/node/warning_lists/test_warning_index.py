"""What stands on a list is found however it is spelled, and a file that is not the one built is refused."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.warning_lists.building import Built
from node.warning_lists.index import Index, WarningIndexError
from port2port.observables import guess, observable
from tests.fakes.examples import many
from tests.fakes.warning_lists import built_in


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return built_in(tmp_path_factory.mktemp("lists"))


@pytest.fixture
def index(built: Built) -> Iterator[Index]:
    with Index(built.path, built.digest) as opened:
        yield opened


LISTED = [
    ("domain-name:value", "google.com", "top sites", "google.com"),
    ("domain-name:value", "Mail.Google[.]com.", "top sites", "google.com"),
    ("domain-name:value", "bmw.de", "top sites", "bmw.de"),
    ("url:value", "hxxps://docs.google[.]com/secret?x=1", "top sites", "google.com"),
    ("domain-name:value", "portal.EXAMPLE", "exact hosts", "portal.example"),
    ("domain-name:value", "a.cdn.example", "exact hosts", "cdn.example"),
    ("ipv4-addr:value", "8.8.8.8", "resolvers", "8.8.8.8/32"),
    ("ipv6-addr:value", "::ffff:8.8.8.8", "resolvers", "8.8.8.8/32"),
    ("ipv4-addr:value", "10.200.0.1", "resolvers", "10.0.0.0/8"),
    ("ipv4-addr:value", "10.1.0.0/16", "resolvers", "10.0.0.0/8"),
    ("ipv4-addr:value", "8.8.0.0/16", "resolvers", "8.8.8.8/32"),
    ("ipv4-addr:value", "9.9.9.9", "resolvers", "9.9.9.0/24"),
    ("ipv6-addr:value", "2001:DB8:1::5", "resolvers", "2001:db8::/32"),
    ("network-traffic:dst_ref.value", "8[.]8[.]8[.]8", "resolvers", "8.8.8.8/32"),
    ("email-addr:value", "joe@0-mail.com", "throw-away mail", "0-mail.com"),
    ("email-addr:value", "Abuse@port.example", "role mail", "an expression"),
    ("file:hashes.MD5", "d41d8cd98f00b204e9800998ecf8427e", "empty file", "d41d8cd98f00b204e9800998ecf8427e"),
    (
        "user-account:user_id",
        "14D82EEC-204B-4C2F-B7E8-296A70DAB67E",
        "anything",
        "14D82EEC-204B-4C2F-B7E8-296A70DAB67E",
    ),
]
FREE = [
    ("domain-name:value", "notgoogle.com"),  # a suffix ends at a dot
    ("domain-name:value", "google.com.evil.example"),
    ("domain-name:value", "sub.portal.example"),  # the list is exact
    ("domain-name:value", "0-mail.com"),  # the list is for mail
    ("ipv4-addr:value", "8.8.8.9"),
    ("ipv4-addr:value", "11.0.0.1"),
    ("ipv6-addr:value", "2001:db9::1"),
    ("ipv6-addr:value", "::8.8.8.8"),  # not the mapped form
    ("email-addr:value", "joe@port.example"),
    ("email-addr:value", "abc@port.example"),  # too short to be listed as a part
    ("file:hashes.MD5", "d41d8cd98f00b204e9800998ecf8427f"),
    ("vessel:mmsi", "205123456"),
]


@pytest.mark.parametrize(("path", "value", "name", "entry"), LISTED)
def test_what_is_listed_is_found_with_the_list_and_the_entry(
    index: Index, path: str, value: str, name: str, entry: str
) -> None:
    found = index.ask(observable(path, value))
    assert [(one.list, one.entry) for one in found] == [(name, entry)]


@pytest.mark.parametrize(("path", "value"), FREE)
def test_what_is_near_a_list_is_free(index: Index, path: str, value: str) -> None:
    assert index.ask(observable(path, value)) == ()


def test_a_search_without_a_kind_asks_every_list(index: Index) -> None:
    assert [one.list for one in index.found(guess("0-mail.com"), wanted=None)] == ["throw-away mail"]


def test_what_could_not_be_taken_from_a_list_is_counted_by_why(index: Index) -> None:
    refused = {one.name: dict(one.refused) for one in index.lists if one.refused}
    assert refused == {
        "resolvers": {"no address and no network": 1},
        "role mail": {"expression: \\1 is not read here": 1},
        "throw-away mail": {"fewer than 4 characters": 1},
    }
    assert len(index) == 13


@given(data=st.data())
@settings(max_examples=many(150))
def test_a_file_with_any_byte_changed_is_refused(built: Built, data: st.DataObject) -> None:
    raw = bytearray(built.path.read_bytes())
    at = data.draw(st.integers(min_value=0, max_value=len(raw) - 1))
    raw[at] ^= data.draw(st.integers(min_value=1, max_value=255))
    other = built.path.with_name("changed")
    other.write_bytes(raw)
    with pytest.raises(WarningIndexError):
        Index(other, built.digest)


@given(left=st.integers(min_value=0, max_value=400_000))
@settings(max_examples=many(60))
def test_a_file_that_was_cut_is_refused(built: Built, left: int) -> None:
    raw = built.path.read_bytes()
    other = built.path.with_name("cut")
    other.write_bytes(raw[: min(left, len(raw) - 1)])
    with pytest.raises(WarningIndexError):
        Index(other, built.digest)


@given(raw=st.binary(max_size=600))
@settings(max_examples=many(60))
def test_whatever_has_the_right_digest_and_is_no_index_is_refused(built: Built, raw: bytes) -> None:
    body = built.path.read_bytes()[:12] + raw + bytes(270_000)
    other = built.path.with_name("other")
    other.write_bytes(body)
    with pytest.raises(WarningIndexError):
        Index(other, sha256(body).hexdigest())


def test_a_file_that_is_not_there_is_refused(built: Built) -> None:
    with pytest.raises(WarningIndexError, match="cannot be read"):
        Index(built.path.with_name("nowhere"), built.digest)


@given(value=st.text(max_size=60) | st.text(alphabet="a.:0/8@[]google", max_size=30))
@settings(max_examples=many(150))
def test_any_value_can_be_asked_for(built: Built, value: str) -> None:
    with Index(built.path, built.digest) as opened:
        for path in ("domain-name:value", "url:value", "ipv4-addr:value", "email-addr:value", "x:y"):
            opened.ask(observable(path, value))
        opened.found(guess(value), wanted=None)
