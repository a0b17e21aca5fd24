"""Names made to be taken for ours are found, and honest ones are left alone."""

from __future__ import annotations

import re
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.lookalikes import LookalikeEngine, Ours, PermutationError, Rule, Suffixes, engine, permutations, skeleton
from node.lookalikes.edits import edits
from tests.fakes.netlogs import zeek_names
from tests.fakes.shared_data import shared_path

DOMAINS = (
    "northseaport.com", "portofantwerpbruges.com", "portofostend.be", "portofliege.be", "port.brussels",
    "certifiedpickup.eu", "nxtport.eu", "alfapass.be", "csdlimburg.be",
)  # fmt: skip
OURS = Ours(domains=DOMAINS, brands=("mpet",), known=("northseaport-festival.nl",))
ENGINE = LookalikeEngine(OURS)


@pytest.mark.parametrize(
    ("name", "rule", "like"),
    [
        ("secure-northseaport.com", Rule.JOINED, "northseaport"),
        ("portofantwerpbruges-invoice.com", Rule.JOINED, "portofantwerpbruges"),
        ("portofantwerpbruges.co", Rule.SUFFIX, "portofantwerpbruges"),
        ("www.north-sea-port.eu", Rule.SUFFIX, "northseaport"),
        ("northseaport.github.io", Rule.SUFFIX, "northseaport"),
        ("certifiedpickup.eu.login-portal.com", Rule.ABOVE, "certifiedpickup"),
        ("northseap0rt.com", Rule.GLYPHS, "northseaport"),
        ("alfapass.be.evil.example.org", Rule.ABOVE, "alfapass"),
        ("n\u043erthseaport.com", Rule.GLYPHS, "northseaport"),  # a Cyrillic o
        ("xn--nrthseaport-rnj.com", Rule.GLYPHS, "northseaport"),  # the same on the wire
        ("northsaeport.com", Rule.EDITS, "northseaport"),
        ("nortseeport.com", Rule.EDITS, "northseaport"),
        ("alfapas.be", Rule.EDITS, "alfapass"),
        ("login-mpet.com", Rule.JOINED, "mpet"),
    ],
)
def test_a_name_made_to_be_taken_for_ours_is_found(name: str, rule: Rule, like: str) -> None:
    found = ENGINE.judge(name)
    assert found is not None
    assert (found.rule, found.like) == (rule, like)


@pytest.mark.parametrize(
    "name",
    [
        "northseaport.com",
        "mail.northseaport.com",
        "northseaport-festival.nl",  # known to be harmless
        "www.northseaport-festival.nl",
        "port.com",  # an everyday word is nobody's
        "seaport.com",
        "trumpet.com",  # holds a short brand, and not between hyphens
        "nortseepoort.com",  # three slips in twelve letters
        "alfabas.be",  # two slips in eight letters
        "northseaport.local",  # inside a network only
        "7.100.51.198.in-addr.arpa",
        "198.51.100.7",
        "localhost",
        "com",
        "",
        "." * 300,
        "xn--\u00e9.com",
        "a" * 5_000,
    ],
)
def test_an_honest_name_is_left_alone(name: str) -> None:
    assert ENGINE.judge(name) is None


def test_without_anything_of_ours_nothing_looks_like_it() -> None:
    assert LookalikeEngine(Ours()).judge("secure-northseaport.com") is None


def test_one_slip_counts_from_six_letters_and_two_from_twelve() -> None:
    known = LookalikeEngine(Ours(domains=("abcde.com", "ghijkl.com", "abcdefghijk.net", "mnopqrstuvwx.org")))
    assert known.judge("abcdx.com") is None  # five letters
    assert known.judge("ghijkx.com") is not None  # six
    assert known.judge("ghijxx.com") is None
    assert known.judge("abcdefghixx.net") is None  # eleven
    two = known.judge("mnopqrstuvxx.org")
    assert known.judge("mnopqrstuyyy.org") is None
    assert two is not None
    assert two.edits == 1
    three = known.judge("mnopqrstuxyx.org")
    assert three is not None
    assert three.edits == 2


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [("", "", 0), ("port", "port", 0), ("port", "prot", 1), ("port", "pot", 1), ("port", "sports", 2), ("ab", "ba", 1)],
)
def test_slips_are_counted_with_swaps_as_one(one: str, other: str, count: int) -> None:
    assert edits(one, other, 5) == count


@given(st.text("abc", max_size=8), st.text("abc", max_size=8), st.integers(0, 4))
def test_a_bound_changes_no_distance_below_it(one: str, other: str, most: int) -> None:
    full = edits(one, other, 20)
    assert edits(one, other, most) == min(full, most + 1)
    assert full == edits(other, one, 20)


@given(
    st.text(max_size=60)
    | st.from_regex(r"(xn--[a-z0-9-]{0,50}\.){1,3}com", fullmatch=True)
    | st.from_regex(r"([a-z0-9-]{0,20}\.){0,5}[a-z]{0,5}", fullmatch=True)
)
def test_any_text_gets_a_verdict(text: str) -> None:
    found = ENGINE.judge(text)
    assert found is None or found.host.endswith(found.registered)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "REMEMBERED", 10)
    asked = LookalikeEngine(OURS)
    for number in range(50):
        asked.judge(f"host{number}.example.org")
    asked.judge("a." * 5_000 + "com")  # too long to be a name, and to be remembered
    assert asked.remembered == 10


def test_signs_that_look_alike_have_one_skeleton() -> None:
    assert skeleton("n\u043erthseap0rt") == skeleton("northseaport") == skeleton("northseap\u00f6rt")
    assert skeleton("alfapass") != skeleton("alfabass")


def test_the_table_of_misspellings_is_made_apart_and_finds_what_the_rules_miss() -> None:
    before = socket.getdefaulttimeout()
    table = permutations(("alfapass.be",), most=3_000)
    assert socket.getdefaulttimeout() == before  # the library sets it where it is imported
    assert 300 < len(table) <= 3_000
    assert "alfapass.be" not in table
    name = "alfa.pass.be"
    assert ENGINE.judge(name) is None
    found = LookalikeEngine(OURS, table=table).judge(f"www.{name}")
    assert found is not None
    assert (found.rule, found.like) == (Rule.TABLE, "alfapass.be")


def test_a_table_holds_no_more_than_it_may_and_short_labels_have_none() -> None:
    assert len(permutations(("alfapass.be", "nxtport.eu"), most=100)) <= 100
    assert permutations(("nsp.be",)) == {}


def test_a_table_that_takes_too_long_is_an_error_of_ours() -> None:
    with pytest.raises(PermutationError):
        permutations(("alfapass.be",), time_s=0.001)


def test_no_name_of_real_logs_is_taken_for_a_lookalike() -> None:
    names, suffixes = zeek_names(), Suffixes()
    registered = {found.registered for name in names if (found := suffixes.name(name)) is not None}
    assert len(registered) > 120
    assert [name for name in names if ENGINE.judge(name) is not None] == []


def test_no_name_of_public_indicators_is_taken_for_a_lookalike() -> None:
    text = shared_path("stix/mvt-predator.json").read_text() + shared_path("stix/amnesty-cytrox.json").read_text()
    names = set(re.findall(r"\b[a-z0-9-]+(?:\.[a-z0-9-]+)+\b", text.lower()))
    assert len(names) > 200
    assert [name for name in names if ENGINE.judge(name) is not None] == []
