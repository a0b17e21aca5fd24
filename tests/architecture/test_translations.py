"""Every string of the screens is said in every language, and nothing is translated that nobody says."""

from __future__ import annotations

import re

import pytest

from tools import messages

_FACT = re.compile(r"%\((\w+)\)s|%(?!\()(.)")
_CASES = [(package, language) for package in messages.packages() for language in messages.LANGUAGES]


@pytest.mark.parametrize(("package", "language"), _CASES)
def test_every_message_has_a_translation(package: str, language: str) -> None:
    assert {text.one: place for text, place in messages.missing(package, language).items()} == {}


@pytest.mark.parametrize(("package", "language"), _CASES)
def test_no_translation_is_left_over(package: str, language: str) -> None:
    assert [text.one for text in messages.stale(package, language)] == []


def _facts(text: str) -> set[tuple[str, str]]:
    return set(_FACT.findall(text))


@pytest.mark.parametrize(("package", "language"), _CASES)
def test_a_translation_has_the_same_facts_as_its_message(package: str, language: str) -> None:
    wrong = []
    for message in messages.messages(package, language):
        text = messages.text_of(message)
        forms = message.string if isinstance(message.string, tuple | list) else [message.string]
        wanted = _facts(text.many or text.one)
        wrong += [form for form in forms if form and _facts(form) - {("n", "")} != wanted - {("n", "")}]
    assert wrong == []


def test_the_frame_has_messages_of_every_form() -> None:
    found = messages.written(messages.FRAME)
    places = {place.rpartition(".")[2] for place in found.values()}
    assert places == {"py", "html"}
    assert messages.Text(one="Skip to the content") in found
