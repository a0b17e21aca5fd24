"""A domain name as who registers names sees it, and as a reader sees it.

Public suffixes and confusable letters come from tables inside the packages: nothing is fetched. What the packages do
not know (a suffix made yesterday) counts as a suffix of one label.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Final

from confusable_homoglyphs.confusables import confusables_data
from publicsuffixlist import PublicSuffixList

from port2port.observables import host_name

_PUNYCODE: Final = "xn--"
# Names of addresses (RFC 1035 section 3.5), and suffixes that mean something inside one network only (RFC 6761, 6762,
# 8375, and what firms took): whoever can make such a name is inside already.
_INSIDE: Final = frozenset(
    {"arpa", "corp", "home", "internal", "intranet", "invalid", "lan", "local", "localdomain", "localhost", "private"}
)
# Pairs and figures that are read as a letter. Both sides go through it, so that it need not be the right letter.
_PAIRS: Final = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_FIGURES: Final = str.maketrans("01358i", "olesbl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """``registered`` is the label somebody registered with its ``suffix``; ``label`` that label as it is shown.

    ``above`` are the labels before it, as they are shown, the nearest last.
    """

    host: str
    registered: str
    suffix: str
    label: str
    above: tuple[str, ...]

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host and what it lies under, down to the registered name."""
        count = len(self.above)
        labels = self.host.split(".")
        return tuple(".".join(labels[at:]) for at in range(count + 1))


class Suffixes:
    """The public suffix list as it was packed; one instance serves all."""

    def __init__(self) -> None:
        self._list = PublicSuffixList()

    def name(self, text: str) -> Name | None:
        """A host name taken apart; None for a single label, an address, a suffix itself, a name that means something
        inside one network only, or no name at all."""
        host = host_name(text)
        last = "" if host is None else host.rpartition(".")[2]
        if host is None or "." not in host or last.isdigit() or last in _INSIDE:
            return None
        registered = self._list.privatesuffix(host)
        if not registered:
            return None
        label, _, suffix = registered.partition(".")
        above = host[: -len(registered)].rstrip(".")
        shown = tuple(shown_label(one) for one in above.split(".")) if above else ()
        return Name(host=host, registered=registered, suffix=suffix, label=shown_label(label), above=shown)


def shown_label(label: str) -> str:
    """A label as it is shown: in its Unicode form where it has one, in lower case."""
    if not label.startswith(_PUNYCODE):
        return label
    try:
        return label[len(_PUNYCODE) :].encode("ascii").decode("punycode").lower()
    except (UnicodeError, ValueError):
        return label


def plain(label: str) -> str:
    """The Latin letters and figures that a reader takes the signs of a label for, without hyphens."""
    table = _latin()
    bare = unicodedata.normalize("NFKD", label)
    letters = (table.get(char, char) for char in bare if not unicodedata.combining(char))
    return "".join(char for char in "".join(letters).lower() if char.isalnum())


def skeleton(label: str) -> str:
    """What two labels share that a hasty reader takes for the same: ``plain``, with figures and pairs as letters."""
    text = plain(label)
    for pair, single in _PAIRS:
        text = text.replace(pair, single)
    return text.translate(_FIGURES)


@cache
def _latin() -> dict[str, str]:
    """By sign: the one Latin letter or figure it is confused with (Unicode Technical Standard 39)."""
    table = {"\u0131": "i", "ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ŧ": "t", "æ": "ae", "œ": "oe", "ß": "ss"}
    for sign, alike in confusables_data.items():
        letter = next((one["c"] for one in alike if len(one["c"]) == 1 and one["c"].isascii()), None)
        if len(sign) == 1 and not sign.isascii() and letter is not None and letter.isalnum():
            table.setdefault(sign, letter)
    return table
