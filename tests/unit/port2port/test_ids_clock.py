from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from port2port import ids
from port2port.clock import EPOCH, SystemClock, from_ms, from_text, to_ms, to_text
from port2port.errors import InvariantError, MalformedError

UUID = "5d3e24a4-9be4-4c6a-9a0e-3c2f6a4d7c11"
MEMBER_GRAMMAR = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,8}){0,3}", fullmatch=True)
members = MEMBER_GRAMMAR.filter(lambda text: text != "federation")
moments = st.datetimes(timezones=st.just(UTC))
offsets = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIME_LIKE = st.from_regex(r"\d{4}-[0-3]\d-[0-3]\dT[0-2]\d:[0-6]\d:[0-6]\d\.\d{3}Z?\n?")


@given(moments)
@example(datetime(1, 1, 1, tzinfo=UTC))
@example(datetime(999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))
def test_a_moment_comes_back_from_text_rounded_down_to_the_millisecond(moment):
    again = from_text(to_text(moment))
    assert again == moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert again.utcoffset() == timedelta(0)


@given(moments)
def test_a_moment_comes_back_from_milliseconds_rounded_down(moment):
    assert timedelta(0) <= moment - from_ms(to_ms(moment)) < timedelta(milliseconds=1)


@given(st.datetimes(timezones=offsets).filter(lambda moment: 1 < moment.year < 9999))
def test_a_time_in_another_zone_is_written_in_utc(moment):
    assert to_text(moment) == to_text(moment.astimezone(UTC))
    assert to_text(moment).endswith("Z")


@given(moments, moments)
def test_text_sorts_as_time_does(first, second):
    assert (to_text(first) <= to_text(second)) == (to_ms(first) <= to_ms(second))


def test_a_naive_time_is_never_taken_for_local_time():
    with pytest.raises(InvariantError):
        to_text(datetime(2026, 11, 22, tzinfo=UTC).replace(tzinfo=None))


@given(st.one_of(st.text(), TIME_LIKE))
@example("2026-11-22T24:00:00.000Z")
@example("2026-11-22T23:59:60.000Z")
@example("2026-02-30T00:00:00.000Z")
@example("0000-01-01T00:00:00.000Z")
@example("2026-11-22T00:00:00.000Z\n")
@example("\uff12\uff10\uff12\uff16-11-22T00:00:00.000Z")
def test_any_text_is_a_time_in_its_only_spelling_or_malformed(text):
    try:
        moment = from_text(text)
    except MalformedError:
        return
    assert to_text(moment) == text


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T00:00:00Z",
        "2026-11-22T00:00:00.000000Z",
        "2026-11-22T00:00:00.000+00:00",
        "2026-11-22 00:00:00.000Z",
        "2026-11-22t00:00:00.000z",
        "2026-11-22T24:00:00.000Z",
        "2026-11-22T00:00:60.000Z",
        " 2026-11-22T00:00:00.000Z",
        "",
    ],
)
def test_no_other_spelling_of_a_time_is_taken(text):
    with pytest.raises(MalformedError):
        from_text(text)


@given(st.integers())
@example(-(10**30))
@example(to_ms(datetime.max.replace(tzinfo=UTC)) + 1)
def test_any_milliseconds_are_a_time_or_malformed(ms):
    try:
        assert to_ms(from_ms(ms)) == ms
    except MalformedError:
        assert not to_ms(datetime.min.replace(tzinfo=UTC)) <= ms <= to_ms(datetime.max.replace(tzinfo=UTC))


def test_known_times():
    assert to_ms(EPOCH) == 0
    assert to_text(from_ms(1_795_305_600_001)) == "2026-11-22T00:00:00.001Z"


def test_the_machines_clock_is_aware_and_its_monotonic_time_does_not_go_back():
    clock = SystemClock()
    assert clock.now().utcoffset() == timedelta(0)
    before = clock.monotonic()
    assert clock.monotonic() >= before


@given(st.one_of(st.text(), MEMBER_GRAMMAR))
@example("federation")
@example("beanr\n")
@example("a" * 41)
def test_any_text_is_a_member_id_or_malformed(text):
    if ids.is_member_id(text):
        assert ids.member_id(text) is text
        assert text.isascii()
        assert text == text.strip().lower()
        assert 0 < len(text) <= 40
        assert text != "federation"
    else:
        with pytest.raises(MalformedError):
            ids.member_id(text)


@given(members)
def test_what_the_grammar_makes_is_a_member_id(text):
    assert ids.is_member_id(text)


@pytest.mark.parametrize(
    "text", ["", "-a", "a-", "a--b", "1a", "Beanr", "be_anr", "be.anr", "é", "a/b", "hub operators"]
)
def test_these_are_no_member_ids(text):
    assert not ids.is_member_id(text)


@pytest.mark.parametrize(("text", "valid"), [("BEANR", True), ("NLVLI", True), ("BEA2R", True)] + [(t, False) for t in ("beanr", "BE ANR", "BEAN", "BEANRR", "BEA1R", "BEA0R", "B1ANR", "BEANR\n")])  # fmt: skip
def test_un_locodes(text, valid):
    assert ids.is_locode(text) is valid


@pytest.mark.parametrize(
    "text", ["indicator--" + UUID, "x-p2p-thing--" + UUID, "vessel--" + UUID, "a" * 250 + "--" + UUID]
)
def test_the_type_of_a_stix_id_is_what_stands_before_the_dashes(text):
    assert ids.is_stix_id(text)
    assert ids.stix_type(text) == text.removesuffix("--" + UUID)


@pytest.mark.parametrize(
    "text",
    [
        "indicator--" + UUID.upper(),
        "Indicator--" + UUID,
        "indicator-" + UUID,
        "indicator---" + UUID,
        "--" + UUID,
        UUID,
        "indicator--" + UUID + "\n",
        "indicator--" + UUID.replace("-", ""),
        "indicator--{" + UUID + "}",
        "indicator--00000000-0000-0000-0000-000000000000",
        "ab--" + UUID,
        "a" * 251 + "--" + UUID,
    ],
)
def test_these_are_no_stix_ids(text):
    assert not ids.is_stix_id(text)
    with pytest.raises(MalformedError):
        ids.stix_type(text)


@given(st.one_of(st.text(), st.from_regex(r"[a-z-]{1,6}--[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")))
def test_any_text_is_a_stix_id_or_malformed(text):
    try:
        kind = ids.stix_type(text)
    except MalformedError:
        assert not ids.is_stix_id(text)
    else:
        assert ids.is_stix_id(text)
        assert str(uuid.UUID(text[len(kind) + 2 :])) == text[len(kind) + 2 :]


@given(st.uuids(version=4))
def test_every_random_uuid_makes_a_statement_id_and_a_stix_id(value):
    assert ids.is_statement_id(f"urn:uuid:{value}")
    assert ids.is_stix_id(f"indicator--{value}")
    assert not ids.is_statement_id(f"urn:uuid:{value}".upper())
    assert not ids.is_statement_id(str(value))


def test_key_ids_are_sixty_four_lower_case_hex_digits():
    assert ids.is_key_id("0a" * 32)
    assert not any(map(ids.is_key_id, ["0A" * 32, "0a" * 31, "0a" * 33, "0g" * 32, "0a" * 32 + "\n", "\u0660" * 64]))


def test_identities_are_derived_alike_everywhere_for_ever():
    # By hand: the first 16 bytes of SHA-1(namespace | name), with version 5 and the variant set (RFC 9562).
    assert ids.identity_of("ports.example", "beanr") == "identity--4378b543-bf69-5c91-be6a-409db1016492"


@given(members, members)
def test_two_members_have_two_identities(first, second):
    one, other = ids.identity_of("ports.example", first), ids.identity_of("ports.example", second)
    assert ids.stix_type(one) == "identity"
    assert (one == other) == (first == second)
    assert ids.identity_of("other.example", first) != one


@given(members, st.integers(1, 9999))
def test_a_spiffe_id_comes_back(member, node):
    assert ids.parse_spiffe(ids.spiffe_of("ports.example", member, node), "ports.example") == (member, node)


@given(st.one_of(st.text(), st.text().map(lambda tail: "spiffe://ports.example/port/" + tail)))
def test_any_text_is_the_spiffe_id_of_a_node_or_malformed(text):
    try:
        member, node = ids.parse_spiffe(text, "ports.example")
    except MalformedError:
        return
    assert ids.spiffe_of("ports.example", member, node) == text


@pytest.mark.parametrize(
    "text",
    [
        "spiffe://ports.example/port/beanr/node/0",
        "spiffe://ports.example/port/beanr/node/01",
        "spiffe://ports.example/port/beanr/node/10000",
        "spiffe://ports.example/port/beanr/node/\u0661",
        "spiffe://ports.example/port/beanr/node/1/",
        "spiffe://ports.example/port/beanr/node/1\n",
        "spiffe://ports.example/port/beanr/hub/1",
        "spiffe://ports.example/port/federation/node/1",
        "spiffe://ports.example/port//node/1",
        "spiffe://ports.example.evil/port/beanr/node/1",
        "spiffe://evil.example/port/beanr/node/1",
        "SPIFFE://ports.example/port/beanr/node/1",
        "port/beanr/node/1",
    ],
)
def test_these_name_no_node_of_the_federation(text):
    with pytest.raises(MalformedError):
        ids.parse_spiffe(text, "ports.example")


@pytest.mark.parametrize("text", ["ports.example", "p2p", "a-b.c-d", "1"])
def test_federation_names(text):
    assert ids.is_federation_name(text)


@pytest.mark.parametrize("text", ["", ".a", "a.", "a..b", "A", "a_b", "a/b", "a:1", "a\n", "a" * 101])
def test_these_are_no_federation_names(text):
    assert not ids.is_federation_name(text)
