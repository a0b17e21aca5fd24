"""What is pasted is recognised, its digits are checked, and what is wrong in it is named."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.quick_report import FOUND_MOST, Recognised, recognise
from port2port.identifiers import IdentifierError, check_container, check_imo
from tests.fakes.examples import many


def one(text: str) -> Recognised:
    (found,) = recognise(text)
    return found


@pytest.mark.parametrize(
    ("text", "kind", "value", "form"),
    [
        ("CSQU3054383", "container", "CSQU3054383", "container"),
        ("the box csqu 305438 3 on the quay", "container", "CSQU3054383", "container"),
        ("CSQU 305 438-3", "container", "CSQU3054383", "container"),
        ("mmsi 205123456", "mmsi", "205123456", "vessel"),
        ("205 123 456", "mmsi", "205123456", "vessel"),
        ("IMO9074729", "imo", "9074729", "vessel"),
        ("IMO number: 9074729.", "imo", "9074729", "vessel"),
        ("ENI 06004321", "eni", "06004321", "vessel"),
        ("1-ABC-123", "plate", "1-ABC-123", "vehicle"),
        ("the white van 2 XYZ 987 left", "plate", "2-XYZ-987", "vehicle"),
        ("AB-123-CD", "plate", "AB-123-CD", "vehicle"),
        ("GT-123-B", "plate", "GT-123-B", "vehicle"),
        ("12-AB-34", "plate", "12-AB-34", "vehicle"),
        ("M-AB 1234", "plate", "M-AB-1234", "vehicle"),
        ("LU 1234", "plate", "LU-1234", "vehicle"),
        ("evil-port[.]Example.com", "domain", "evil-port.example.com", "domain"),
        ("hxxps://Evil[.]example/a?b=c).", "url", "https://Evil.example/a?b=c", "account"),
        ("write to Jan.P[@]Example.com now", "email", "Jan.P@example.com", "account"),
        ("8.8.8[.]8", "ip", "8.8.8.8", "address"),
        ("2001:4860:4860::8888", "ip", "2001:4860:4860::8888", "address"),
    ],
)
def test_each_thing_is_known_by_its_shape_and_goes_to_its_form(text: str, kind: str, value: str, form: str) -> None:
    found = one(text)
    assert (found.kind, found.value, found.form, found.problem) == (kind, value, form, "")


def test_several_things_in_one_text_come_in_their_order() -> None:
    text = "MSC LEANNE (IMO 9074729, MMSI 205123456) loads CSQU3054383; mail x@y.example, van 1-ABC-123"
    assert [found.kind for found in recognise(text)] == ["imo", "mmsi", "container", "email", "plate"]
    for found in recognise(text):
        assert text[found.start : found.end].strip() == text[found.start : found.end]


@pytest.mark.parametrize(
    ("text", "problem", "repair"),
    [
        ("CSQU3054384", "check digit should be 3", "CSQU3054383"),
        ("CSQU3O54383", "character 6 is the letter O: a figure stands there", "CSQU3054383"),
        ("C5QU3054383", "character 2 is 5: a letter stands there", "CSQU3054383"),
        ("CSQU3504383", "check digit should be", "CSQU3054383"),
        ("IMO 9074728", "check digit should be 9", "9074729"),
        ("IMO 9047729", "check digit should be", "9074729"),
        ("999.8.8.8", "0 to 255", None),
        ("192.168.1.1", "in use in every network", None),
        ("MMSI 123456789", "9 digits", None),
        ("MMSI 1234567", "9 digits", None),
        ("ENI 00012345", "000 names none", None),
    ],
)
def test_what_cannot_be_right_says_what_is_wrong(text: str, problem: str, repair: str | None) -> None:
    found = one(text)
    assert problem in found.problem
    if repair is not None:
        assert repair in found.repairs


@pytest.mark.parametrize("text", ["", "no lights, two men", "at 12:30 or 12:45:10", "14.5 kn, 3.2 m", "order 12 of 40"])
def test_plain_words_are_nothing(text: str) -> None:
    assert recognise(text) == []


def test_what_points_at_a_person_says_so() -> None:
    assert one("1-ABC-123").is_personal
    assert one("x@y.example").is_personal
    assert not one("CSQU3054383").is_personal


@given(st.text(max_size=300))
@settings(max_examples=many(500))
def test_any_text_is_read_without_an_error(text: str) -> None:
    found = recognise(text)
    assert len(found) <= FOUND_MOST
    for earlier, later in pairwise(found):
        assert earlier.end <= later.start


@given(st.text(alphabet="CSQU0123456789-. @:/[]()abcIMOENImsi", max_size=120))
@settings(max_examples=many(500))
def test_text_that_looks_like_everything_is_read_without_an_error(text: str) -> None:
    for found in recognise(text):
        assert 0 <= found.start < found.end <= len(text)
        assert found.form
        assert found.field


@given(st.integers(0, 999_999), st.sampled_from("ABCDEFGHIJ"), st.integers(0, 9))
@settings(max_examples=many(300))
def test_a_box_has_no_problem_exactly_when_its_check_digit_is_right(serial: int, letter: str, digit: int) -> None:
    text = f"MS{letter}U{serial:06d}{digit}"
    found = one(text)
    try:
        check_container(text)
        right = True
    except IdentifierError:
        right = False
    assert (found.problem == "") is right
    for repair in found.repairs:
        assert check_container(repair) == repair


@given(st.integers(0, 9_999_999))
@settings(max_examples=many(300))
def test_repairs_of_a_ships_number_hold(number: int) -> None:
    for repair in one(f"IMO {number:07d}").repairs:
        assert check_imo(repair) == repair


def test_a_long_paste_is_quick_to_read() -> None:
    for text in ("a" * 10_000, "a." * 5_000, "1-" * 5_000, ":" * 10_000, "CSQU " * 2_000, "x@" * 5_000, "a-" * 5_000):
        assert len(recognise(text)) <= FOUND_MOST
