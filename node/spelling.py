"""Numbers and names read aloud over radio or telephone, letter by letter, so that an O is never heard as a zero.

Letters and figures as in the ITU Radio Regulations, appendix 14, letters being those of ICAO Annex 10 too. The words
are the same in every language: that is what they are for.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

_LETTERS: Final = (
    "Alfa", "Bravo", "Charlie", "Delta", "Echo", "Foxtrot", "Golf", "Hotel", "India",
    "Juliett", "Kilo", "Lima", "Mike", "November", "Oscar", "Papa", "Quebec", "Romeo",
    "Sierra", "Tango", "Uniform", "Victor", "Whiskey", "X-ray", "Yankee", "Zulu",
)  # fmt: skip
_ICAO: Final = ("Zero", "Wun", "Too", "Tree", "Fower", "Fife", "Six", "Seven", "Ait", "Niner")
_ITU: Final = (
    "Nadazero", "Unaone", "Bissotwo", "Terrathree", "Kartefour",
    "Pantafive", "Soxisix", "Setteseven", "Oktoeight", "Novenine",
)  # fmt: skip
_SIGNS: Final = {".": "Decimal", "-": "Dash", "@": "At", "/": "Slash", ":": "Colon", "_": "Underscore"}
SPELLED_CHARS: Final = 64


class Figures(StrEnum):
    """How figures are said: between ports as in aviation, to ships as the ITU has it."""

    ICAO = "icao"
    ITU = "itu"


def spell(text: str, figures: Figures = Figures.ICAO) -> str:
    """One word for each character; blanks are left out, and what has no word is said as it is written.

    At most ``SPELLED_CHARS`` characters: nobody reads more aloud.
    """
    said = [_word(char, figures) for char in text.upper()[:SPELLED_CHARS] if not char.isspace()]
    return " ".join(said)


def _word(char: str, figures: Figures) -> str:
    if "A" <= char <= "Z":
        return _LETTERS[ord(char) - ord("A")]
    if "0" <= char <= "9":
        return (_ITU if figures is Figures.ITU else _ICAO)[int(char)]
    return _SIGNS.get(char, char)
