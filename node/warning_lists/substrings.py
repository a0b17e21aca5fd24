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


class Substrings:
    """Texts with the number of the list that each is on."""

    def __init__(self, texts: Iterable[tuple[str, int]]) -> None:
        known = list(texts)
        seen = Counter(piece for text, _ in known for piece in _pieces(text))
        self._anchors: dict[str, list[tuple[int, str, int]]] = {}
        for text, number in known:
            offset, piece = min(enumerate(_pieces(text)), key=lambda item: seen[item[1]])
            self._anchors.setdefault(piece, []).append((offset, text, number))

    def inside(self, value: str) -> dict[int, str]:
        """The numbers of the lists of which a text stands inside, each with one such text."""
        found: dict[int, str] = {}
        anchors = self._anchors
        for place in range(len(value) - SHORTEST + 1):
            for offset, text, number in anchors.get(value[place : place + SHORTEST], ()):
                if place >= offset and value.startswith(text, place - offset):
                    found.setdefault(number, text)
        return found


def _pieces(text: str) -> list[str]:
    return [text[place : place + SHORTEST] for place in range(len(text) - SHORTEST + 1)]
