from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from port2port.identifiers import (
    IdentifierError,
    MmsiClass,
    check_container,
    check_eni,
    check_imo,
    check_mmsi,
    check_uas_serial,
    mmsi_class,
)
from tests.fakes.examples import many

CHECKS = (check_imo, check_container, check_eni, check_mmsi, check_uas_serial)


@pytest.mark.parametrize("given_text", ["9074729", "IMO 9074729", "imo9074729", " 9074729 "])
def test_an_imo_number_is_accepted_in_its_usual_spellings(given_text):
    assert check_imo(given_text) == "9074729"


@pytest.mark.parametrize("number", ["CSQU3054383", "csqu 305438-3", "CSQU 305438 3", "TOLU4734787"])
def test_a_container_number_is_accepted_with_blanks(number):
    assert check_container(number) == number.upper().replace(" ", "").replace("-", "")


@pytest.mark.parametrize(
    ("check", "text", "right"),
    [(check_imo, "9074728", "9"), (check_imo, "9319467", "6"), (check_container, "CSQU3054384", "3")],
)
def test_a_wrong_check_digit_is_refused_with_the_right_one_named(check, text, right):
    with pytest.raises(IdentifierError, match=f"check digit should be {right}"):
        check(text)


@pytest.mark.parametrize("wrong", range(1, 10))
def test_every_other_check_digit_is_wrong(wrong):
    right_imo, right_box = 9, 3
    with pytest.raises(IdentifierError, match="should be 9"):
        check_imo(f"907472{(right_imo + wrong) % 10}")
    with pytest.raises(IdentifierError, match="should be 3"):
        check_container(f"CSQU305438{(right_box + wrong) % 10}")


@pytest.mark.parametrize(
    ("digits", "kind"),
    [
        ("205123456", MmsiClass.SHIP),
        ("002050480", MmsiClass.COAST),
        ("020512345", MmsiClass.GROUP),
        ("111205001", MmsiClass.AIRCRAFT),
        ("992051234", MmsiClass.AID),
        ("982051234", MmsiClass.CRAFT),
        ("820512345", MmsiClass.HANDHELD),
        ("970123456", MmsiClass.SART),
        ("972123456", MmsiClass.MAN_OVERBOARD),
        ("974123456", MmsiClass.EPIRB),
        ("123456789", None),
        ("000000000", None),
        ("222222222", None),
        ("199123456", None),
        ("20512345", None),
        ("٢٠٥١٢٣٤٥٦", None),
    ],
)
def test_an_mmsi_tells_its_kind_of_station(digits, kind):
    assert mmsi_class(digits) is kind


def test_an_eni_names_an_authority():
    assert check_eni("ENI 06004321") == "06004321"
    with pytest.raises(IdentifierError, match="authority"):
        check_eni("00012345")


@settings(max_examples=many(300))
@given(st.text(alphabet=string.ascii_uppercase + string.digits + " -IMOU٣", max_size=14))
def test_any_text_is_a_number_in_canonical_form_or_an_identifier_error(text):
    for check in CHECKS:
        try:
            found = check(text)
        except IdentifierError:
            continue
        assert check(found) == found


# Every single change and every swap of neighbours, judged by the standards' own arithmetic written once more.

ISO_6346 = dict(
    zip(string.digits + string.ascii_uppercase, [*range(10), *(n for n in range(10, 39) if n % 11)], strict=True)
)
SERIAL = "".join(sorted(set(string.digits + string.ascii_uppercase) - set("OI")))


def imo_holds(number):
    return int(number[6]) == sum(int(number[at]) * (7 - at) for at in range(6)) % 10


def container_holds(number):
    total = sum(ISO_6346[char] * 2**at for at, char in enumerate(number[:10]))
    return number[3] in "UJZ" and number[:3].isalpha() and number[4:].isdigit() and total % 11 % 10 == int(number[10])


def serial_holds(number):
    return number[4] in "123456789ABCDEF" and int(number[4], 16) == len(number) - 5


def neighbours(number, alphabet):
    """Every text with one other character, and with two neighbours swapped."""
    for at, char in enumerate(number):
        yield from (number[:at] + other + number[at + 1 :] for other in alphabet if other != char)
    for at in range(len(number) - 1):
        yield number[:at] + number[at + 1] + number[at] + number[at + 2 :]


def accepts(check, text):
    try:
        return check(text) == text
    except IdentifierError:
        return False


def holds_for_all(check, holds, number, alphabet):
    assert holds(number)
    assert accepts(check, number)
    for text in neighbours(number, alphabet):
        assert accepts(check, text) is holds(text), text


@settings(max_examples=many(200), deadline=None)
@given(st.text(alphabet=string.digits, min_size=6, max_size=6))
def test_every_slip_in_an_imo_number_that_its_digit_shows_is_refused(body):
    whole = next(body + digit for digit in string.digits if imo_holds(body + digit))
    holds_for_all(check_imo, imo_holds, whole, string.digits)


@settings(max_examples=many(100), deadline=None)
@given(
    st.text(alphabet=string.ascii_uppercase, min_size=3, max_size=3),
    st.sampled_from("UJZ"),
    st.text(alphabet=string.digits, min_size=6, max_size=6),
)
def test_every_slip_in_a_container_number_that_its_digit_shows_is_refused(owner, category, serial):
    body = owner + category + serial
    whole = next(body + digit for digit in string.digits if container_holds(body + digit))
    holds_for_all(check_container, container_holds, whole, string.digits + string.ascii_uppercase)


def test_a_slip_between_remainders_0_and_10_is_the_one_that_iso_6346_cannot_show():
    remainders = {"CSQU3054090": 0, "CSQU5054090": 10}
    for number, remainder in remainders.items():
        assert sum(ISO_6346[char] * 2**at for at, char in enumerate(number[:10])) % 11 == remainder
        assert accepts(check_container, number)


@settings(max_examples=many(100), deadline=None)
@given(st.text(alphabet=SERIAL, min_size=4, max_size=4), st.text(alphabet=SERIAL, min_size=1, max_size=15))
def test_every_slip_in_a_drones_serial_number_that_its_length_shows_is_refused(maker, rest):
    whole = f"{maker}{len(rest):X}{rest}"
    holds_for_all(check_uas_serial, serial_holds, whole, SERIAL)
    for at in range(len(whole)):
        for text in (
            whole[:at] + whole[at + 1 :],
            whole[:at] + "O" + whole[at + 1 :],
            whole[:at] + "I" + whole[at + 1 :],
        ):
            assert not accepts(check_uas_serial, text) or serial_holds(text), text
        if at > 4:
            assert not accepts(check_uas_serial, whole[:at] + whole[at + 1 :])
            assert not accepts(check_uas_serial, whole[:at] + "O" + whole[at + 1 :])
    assert check_uas_serial(f" {whole.lower()} ") == whole


@settings(max_examples=many(200), deadline=None)
@given(st.text(alphabet=string.digits, min_size=9, max_size=9))
def test_an_mmsi_without_a_country_or_a_station_is_refused(digits):
    """No check digit: what ITU-R M.585 shows is the country code at its place."""
    kinds = (
        ("970", None),
        ("972", None),
        ("974", None),
        ("00", 2),
        ("0", 1),
        ("111", 3),
        ("99", 2),
        ("98", 2),
        ("8", 1),
    )
    at = next((place for prefix, place in kinds if digits.startswith(prefix)), 0)
    country = at is None or 201 <= int(digits[at : at + 3]) <= 775
    assert accepts(check_mmsi, digits) is (
        country and len(set(digits)) > 1 and digits not in {"123456789", "987654321"}
    )


@settings(max_examples=many(200), deadline=None)
@given(st.text(alphabet=string.digits, min_size=6, max_size=10))
def test_an_eni_has_eight_figures_and_an_authority(digits):
    assert accepts(check_eni, digits) is (len(digits) == 8 and not digits.startswith("000"))
