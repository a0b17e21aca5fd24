"""Canonical JSON: one spelling, equal to RFC 8785, whatever the bytes."""

from __future__ import annotations

import math
import uuid
from datetime import UTC, datetime

import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from port2port import canonical
from port2port.canonical import SAFE_INTEGER, CanonicalError
from port2port.errors import MalformedError, TooLargeError
from tests.fakes.examples import many

LIMIT = 16 * 1024
SAFE_FLOATS = st.floats(min_value=1e-5, max_value=1e16, exclude_max=True).filter(lambda x: not x.is_integer())
# Surrogates cannot stand alone in UTF-8; keys stay in the Basic Multilingual Plane.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0xFFFF))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-SAFE_INTEGER, SAFE_INTEGER)
    | SAFE_FLOATS
    | SAFE_FLOATS.map(lambda x: -x)
    | TEXT
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)

JSON_LIKE = st.text(st.sampled_from('{}[]",:0123456789.eE-+ \\utrufalsn\n'), max_size=24).map(str.encode)
BYTES = st.binary(max_size=60) | JSON_LIKE


@settings(max_examples=many(300), deadline=None)
@given(VALUES)
@example({"￿": 1, "": 2, '\x7f\x1f\\"/': "\b\f\n\r\t\x00\x1f\x7f\u2028"})
@example(0.00001)
@example(1000000000000000.5)
def test_our_bytes_are_those_of_rfc_8785(value):
    raw = canonical.dumps(value)
    assert raw == rfc8785.dumps(value)
    assert canonical.loads(raw, limit=2**20) == value


@settings(max_examples=many(2_000), deadline=None)
@given(BYTES)
def test_any_bytes_are_refused_or_are_their_own_canonical_form(raw):
    try:
        value = canonical.loads(raw, limit=LIMIT)
    except MalformedError:
        return
    assert canonical.dumps(value) == raw == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b'{"a":1,"a":1}', id="a key twice"),
        pytest.param(b'{"tlp":"red","tlp":"clear"}', id="a key twice with two values"),
        pytest.param(b'{"b":1,"a":1}', id="unsorted"),
        pytest.param(b'{"a": 1}', id="space"),
        pytest.param(b'{"a":1}\n', id="line end"),
        pytest.param(b'\xef\xbb\xbf{"a":1}', id="byte order mark"),
        pytest.param(b'"\\u0061"', id="needless escape"),
        pytest.param(b'"\\/"', id="escaped slash"),
        pytest.param(b'"\\u001F"', id="upper-case escape"),
        pytest.param(b'"\\ud800"', id="lone surrogate"),
        pytest.param(b'"\xff"', id="not UTF-8"),
        pytest.param(b"NaN", id="NaN"),
        pytest.param(b"Infinity", id="infinity"),
        pytest.param(b"1e999", id="infinity in digits"),
        pytest.param(b"-0", id="minus zero"),
        pytest.param(b"-0.0", id="minus zero as a float"),
        pytest.param(b"1.0", id="integral float"),
        pytest.param(b"1e2", id="exponent"),
        pytest.param(b"0.000001", id="a float that writers spell in two ways"),
        pytest.param(b"1e-6", id="the same with an exponent"),
        pytest.param(b"9007199254740993", id="beyond 2^53"),
        pytest.param(b"-9007199254740992", id="below -2^53"),
        pytest.param(b"123456789012345678901", id="larger than 64 bits"),
        pytest.param('{"\U0001f6a2":1}'.encode(), id="key beyond the Basic Multilingual Plane"),
        pytest.param(b"[" * 33 + b"]" * 33, id="33 levels"),
        pytest.param(b"[" * 9_000, id="deep and broken"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="truncated"),
    ],
)
def test_another_spelling_is_refused(raw):
    with pytest.raises(CanonicalError):
        canonical.loads(raw, limit=LIMIT)


def test_thirty_two_levels_are_allowed():
    raw = b"[" * 32 + b"]" * 32
    assert canonical.dumps(canonical.loads(raw, limit=LIMIT)) == raw


def test_size_is_judged_before_anything_is_parsed():
    assert canonical.loads(b'"xx"', limit=4) == "xx"
    with pytest.raises(TooLargeError) as caught:
        canonical.loads(b"\xff\xff\xff\xff\xff", limit=4)
    assert caught.value.facts == {"size": 5, "limit": 4}


@pytest.mark.parametrize("raw", [b"[]", b"1", b'"x"', b"null"])
def test_an_object_is_asked_for(raw):
    with pytest.raises(CanonicalError, match="object"):
        canonical.loads_object(raw, limit=LIMIT)


def circular():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(math.nan, id="NaN, which orjson would write as null"),
        pytest.param([math.inf], id="infinity"),
        pytest.param({"x": 1.0}, id="integral float"),
        pytest.param(2**53, id="too large an integer"),
        pytest.param("\ud800", id="lone surrogate"),
        pytest.param({1: "x"}, id="a key that is no text"),
        pytest.param(b"x", id="bytes"),
        pytest.param(datetime(2026, 1, 1, tzinfo=UTC), id="a date, which orjson would write in its own way"),
        pytest.param(uuid.UUID(int=1), id="a UUID"),
        pytest.param({1, 2}, id="a set"),
        pytest.param(circular(), id="a circle"),
    ],
)
def test_what_has_no_canonical_form_is_not_written(value):
    with pytest.raises(CanonicalError):
        canonical.dumps(value)
