"""Expressions of lists say what Python's would say, and no expression makes a look-up slow."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.warning_lists.regexes import Automaton, RegexError
from node.warning_lists.substrings import Substrings, anchored
from tests.fakes.examples import many

EXPRESSIONS = [
    "abc",
    "^a.c$",
    "a|bc|d",
    "(?:ab|a)c+",
    "[a-c]{2,3}x",
    "[^ab]b",
    "a{2}b?c*",
    "^$",
    "(a|b)*c",
    "a+?b",
    "x{1,}a",
    "^(ab){0,2}c$",
    "[]a]c",
    "[a-]b",
    "\\.\\d\\w\\s",
    "a$|^b",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
@given(text=st.text(alphabet="abcdx.- 1]", max_size=12))
@settings(max_examples=many(60))
def test_an_expression_finds_what_pythons_does(expression: str, text: str) -> None:
    assert Automaton([expression]).finds(text) == bool(re.search(expression, text))


def test_misps_delimiters_and_flags_are_read() -> None:
    assert Automaton(["/^NOC\\@.*\\..*$/i"]).finds("noc@port.example")
    assert not Automaton(["/^NOC\\@.*\\..*$/g"]).finds("noc@port.example")


REFUSED = [
    "(a)\\1",
    "(?=a)",
    "(?<n>a)",
    "a**",
    "\\bword",
    "(a",
    "a)",
    "[a",
    "a{2,1}",
    "a{999}",
    "/a/x",
    "^*",
    "*a",
    "[z-a]",
    "\\",
]


@pytest.mark.parametrize("expression", [*REFUSED, "(" * 30 + "a" + ")" * 30, "((a{64}){64}){64}", "[\\S]"])
def test_what_is_not_run_here_is_refused(expression: str) -> None:
    with pytest.raises(RegexError):
        Automaton([expression])


@given(expression=st.text(max_size=30) | st.text(alphabet="ab()[]{}|*+?^$\\.-,0129/", max_size=20))
@settings(max_examples=many(300))
def test_any_text_is_an_expression_or_refused(expression: str) -> None:
    try:
        found = Automaton([expression])
    except RegexError:
        return
    found.finds("abc" * 10)


@pytest.mark.parametrize("expression", ["(a*)*b", "(a|a)*b", "(a+)+$", "(x+x+)+y", "^(a?){64}a{64}$", ".*.*.*.*=.*"])
def test_expressions_that_explode_elsewhere_take_no_time(expression: str) -> None:
    found, started = Automaton([expression]), time.process_time()
    found.finds("a" * 500 + "x")
    assert time.process_time() - started < 1.0  # Python's needs longer than the universe has


@given(
    texts=st.lists(st.text(alphabet="abc", min_size=4, max_size=7), max_size=8),
    value=st.text(alphabet="abc", max_size=20),
)
def test_parts_of_values_are_found_like_python_finds_them(texts: list[str], value: str) -> None:
    found = Substrings(anchored(enumerate_back(texts))).inside(value)
    assert set(found) == {number for number, text in enumerate(texts) if text in value}


def enumerate_back(texts: list[str]) -> list[tuple[str, int]]:
    return [(text, number) for number, text in enumerate(texts)]
