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
    mmsi_class,
)
from tests.fakes.examples import many

CHECKS = (check_imo, check_container, check_eni, check_mmsi)


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
