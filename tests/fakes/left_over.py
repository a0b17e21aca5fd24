"""Finds English that is left on a page in another language: text that the page in English shows as it is.

What members and files wrote (marked as foreign), code, and what is not to be translated do not count.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

# Words that English sentences have and the other three languages do not.
_ENGLISH = frozenset(
    [
        "the",
        "of",
        "and",
        "to",
        "not",
        "no",
        "with",
        "for",
        "was",
        "were",
        "has",
        "have",
        "by",
        "on",
        "from",
        "that",
        "this",
        "it",
        "as",
        "who",
        "what",
        "when",
        "where",
        "which",
        "its",
        "only",
        "nobody",
        "everybody",
        "are",
        "is",
        "be",
    ]
)
_CLOSED = frozenset({"script", "style", "pre", "code", "svg", "kbd"})
_VOID = frozenset({"meta", "link", "input", "br", "hr", "img", "use", "path", "circle", "wbr"})
_NAMED = ("aria-label", "title", "placeholder", "alt")


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        foreign = "foreign" in given.get("class", "") or given.get("translate") == "no" or tag in _CLOSED
        if not foreign and not self._is_foreign:
            self.texts += [given[name] for name in _NAMED if given.get(name)]
        if tag not in _VOID:
            self._open.append((tag, foreign))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if text and not self._is_foreign:
            self.texts.append(text)

    @property
    def _is_foreign(self) -> bool:
        return any(foreign for _, foreign in self._open)


def texts(page: str) -> list[str]:
    """What a page says, piece by piece."""
    parser = _Page()
    parser.feed(page)
    return list(dict.fromkeys(parser.texts))


def left_over(english: str, other: str) -> list[str]:
    """The English pieces of the page in another language."""
    known = set(texts(english))
    return [text for text in texts(other) if text in known and _is_english(text)]


def _is_english(text: str) -> bool:
    words = re.findall(r"(?<!\w)[a-z']+(?!\w)", text.lower())  # whole ones: a digest has "be" in it
    return len(words) > 1 and any(word in _ENGLISH for word in words)
