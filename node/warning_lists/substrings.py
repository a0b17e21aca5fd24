"""Which of some thousand short texts stand inside a value, in time that grows with the value alone.

Each text is found by its rarest four characters: a value is read once, four characters at a time, and only where
such four stand is the whole text compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

SHORTEST: Final = 4  # a shorter text would stand inside half of all names
SUBSTRINGS_MOST: Final = 100_000


def anchored(texts: Iterable[tuple[str, int]]) -> list[tuple[str, int, int]]:
    """Texts and their numbers with the place of the rarest four characters in each: found once, when it is built."""
    known = list(texts)
    seen = Counter(piece for text, _ in known for piece in _pieces(text))
    return [(text, number, _rarest(text, seen)) for text, number in known]


class Substrings:
    """Texts with the number of the list that each is on, and where in each the four characters stand."""

    def __init__(self, texts: Iterable[tuple[str, int, int]]) -> None:
        self._anchors: dict[str, list[tuple[int, str, int]]] = {}
        for text, number, offset in texts:
            self._anchors.setdefault(text[offset : offset + SHORTEST], []).append((offset, text, number))

    def inside(self, value: str) -> dict[int, str]:
        """The numbers of the lists of which a text stands inside, each with one such text."""
        found: dict[int, str] = {}
        anchors = self._anchors
        for place in range(len(value) - SHORTEST + 1):
            for offset, text, number in anchors.get(value[place : place + SHORTEST], ()):
                if place >= offset and value.startswith(text, place - offset):
                    found.setdefault(number, text)
        return found


def _rarest(text: str, seen: Counter[str]) -> int:
    return min(range(len(text) - SHORTEST + 1), key=lambda place: seen[text[place : place + SHORTEST]])


def _pieces(text: str) -> list[str]:
    return [text[place : place + SHORTEST] for place in range(len(text) - SHORTEST + 1)]
