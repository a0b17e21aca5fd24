"""A file is cut into its objects with their exact bytes, however large, deep, or broken it is."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.imports.splitting import KEPT_BYTES, BrokenError, Splitter

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=9,
)


def in_pieces(raw: bytes, seed: int) -> Callable[[int], bytes]:
    """A stream that gives as little as it likes at once."""
    stream, dice = io.BytesIO(raw), random.Random(seed)
    return lambda most: stream.read(dice.randint(1, min(most, 7)))


def split(raw: bytes, **limits: int) -> tuple[list[bytes], dict[str, Any]]:
    splitter = Splitter(io.BytesIO(raw).read, **limits)
    return [part.raw for part in splitter.parts()], splitter.rest


@given(st.lists(JSON, max_size=5), st.integers(0, 99), st.sampled_from([None, 1]), st.booleans())
def test_every_object_comes_with_its_exact_bytes_however_the_stream_is_cut(
    objects: list[Any], seed: int, indent: int | None, plain: bool
) -> None:
    texts = [json.dumps(one, indent=indent).encode() for one in objects]
    listed = b"[" + b" ,\n".join(texts) + b" ]"
    raw = listed if plain else b'{"more": true, "objects" : ' + listed + b', "next":"x"}'
    splitter = Splitter(in_pieces(raw, seed))
    assert [part.raw for part in splitter.parts()] == texts
    assert splitter.rest == ({} if plain else {"more": True, "next": "x"})


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:\\ a1objects', max_size=60).map(str.encode))
def test_any_bytes_are_cut_or_called_broken(raw: bytes) -> None:
    try:
        parts = list(Splitter(in_pieces(raw, 1)).parts())
    except BrokenError:
        return
    assert all(part.size >= 1 for part in parts)


@pytest.mark.parametrize(
    "raw", [b"", b"  ", b"x", b'"a"', b"[1 2]", b'{"objects":{}}', b'{"a" 1}', b"[1] 2", b'{"objects":[1]', b'["a']
)
def test_what_is_not_json_is_broken(raw: bytes) -> None:
    with pytest.raises(BrokenError):
        split(raw)


def test_what_came_before_the_break_was_given() -> None:
    parts = Splitter(io.BytesIO(b'{"objects":[{"a":1},{"b":').read).parts()
    assert next(parts).raw == b'{"a":1}'
    with pytest.raises(BrokenError):
        next(parts)


def test_one_that_is_too_large_is_told_and_the_next_one_is_whole() -> None:
    raw = b'[{"a":"' + b"x" * 9_000 + b'"},{"b":2}]'
    first, second = Splitter(io.BytesIO(raw).read, part_bytes=8_000).parts()
    assert (first.whole, first.size, len(first.raw)) == (False, 9_008, KEPT_BYTES)
    assert second.raw == b'{"b":2}'


def test_depth_is_counted_and_not_climbed() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    first, second = split(b'{"objects":[' + deep + b",1]}")[0]
    assert (len(first), second) == (200_000, b"1")


def test_a_single_object_is_its_own_part_and_none_of_it_is_lost_unseen() -> None:
    raw = json.dumps({"type": "indicator", "id": "x", "labels": ["a"]}).encode()
    assert json.loads(split(raw)[0][0]) == json.loads(raw)
    (part,) = Splitter(io.BytesIO(b'{"type":"indicator","deep":' + b"[" * 40 + b"]" * 40 + b"}").read).parts()
    assert not part.whole


@pytest.mark.parametrize("raw", [b'{"Event":{"uuid":1}}', b'{"response":[{"Event":{"uuid":1}}]}'])
def test_events_of_misp_are_told_as_such(raw: bytes) -> None:
    (part,) = Splitter(io.BytesIO(raw).read).parts()
    assert part.event
    assert b'{"uuid":1}' in part.raw


def test_a_mark_of_byte_order_is_passed_over() -> None:
    assert split(b"\xef\xbb\xbf[1]")[0] == [b"1"]
