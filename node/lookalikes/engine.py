"""Is this name made to be taken for ours? Rules in the order in which they convince, and one table of misspellings.

Thresholds and where they come from: nine port brands against the registered domains of real Zeek logs gave no false
alarm, and the table of misspellings alone missed joined words and other suffixes, which are what fraudsters register.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from node.lookalikes.edits import edits
from node.lookalikes.names import Name, Suffixes, plain, skeleton
from port2port.observables import HOST_CHARS

ONE_EDIT_FROM: Final = 6  # letters of our label: below, one slip makes another honest word
TWO_EDITS_FROM: Final = 12
JOINED_FROM: Final = 6  # a shorter word of ours counts only between hyphens
SAME_LABEL_FROM: Final = 5  # "port" and "nsp" under another suffix are other people
REMEMBERED: Final = 50_000  # verdicts


class Rule(StrEnum):
    """What gave it away."""

    SUFFIX = "suffix"  # our label under another suffix
    GLYPHS = "glyphs"  # reads like our label, in other signs
    JOINED = "joined"  # our word with others in the registered label
    ABOVE = "above"  # our word before somebody else's registered name
    EDITS = "edits"  # one or two slips of the finger
    TABLE = "table"  # a misspelling that the table knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """``domains`` are registered names of ours, ``brands`` words of ours, ``known`` foreign names that may look alike.

    What lies under a domain of ``domains`` or ``known`` never fires.
    """

    domains: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    known: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookalike:
    """``host`` as it was seen, the ``registered`` name it lies under, and what of ours it is ``like``."""

    host: str
    registered: str
    like: str
    rule: Rule
    edits: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Word:
    text: str
    plain: str
    skeleton: str
    letters: frozenset[str]
    most_edits: int


class LookalikeEngine:
    """Built once for a set of names; asked for every name that is seen. Verdicts are remembered, within a bound."""

    def __init__(
        self,
        ours: Ours,
        *,
        table: Mapping[str, tuple[str, str]] | None = None,
        suffixes: Suffixes | None = None,
    ) -> None:
        self._suffixes = suffixes or Suffixes()
        own = [name for text in ours.domains if (name := self._suffixes.name(text)) is not None]
        self._safe = frozenset((*ours.domains, *ours.known, *(name.registered for name in own)))
        labels = (name.label for name in own if len(plain(name.label)) >= SAME_LABEL_FROM)
        self._words = _words((*labels, *ours.brands))
        self._table = table or {}
        self._verdicts: OrderedDict[str, Lookalike | None] = OrderedDict()

    @property
    def remembered(self) -> int:
        """How many verdicts are kept; never more than ``REMEMBERED``."""
        return len(self._verdicts)

    def is_ours(self, text: str) -> bool:
        """Whether a host lies under a domain that never fires."""
        labels = text.rstrip(".").lower().split(".")
        return any(".".join(labels[at:]) in self._safe for at in range(len(labels)))

    def judge(self, text: str) -> Lookalike | None:
        """What it is made to be taken for; None for an honest name, one of ours, or what is no domain name."""
        if len(text) > HOST_CHARS + 1:
            return None
        if text in self._verdicts:
            self._verdicts.move_to_end(text)
            return self._verdicts[text]
        verdict = self._verdicts[text] = self._judge(text)
        if len(self._verdicts) > REMEMBERED:
            self._verdicts.popitem(last=False)
        return verdict

    def _judge(self, text: str) -> Lookalike | None:
        name = self._suffixes.name(text)
        if name is None or not self._words or self.is_ours(name.host):
            return None
        return self._by_label(name) or self._above(name) or self._tabled(name)

    def _by_label(self, name: Name) -> Lookalike | None:
        """The registered label against each word, the surest rule first."""
        shown, bare, looks = name.label, plain(name.label), skeleton(name.label)
        for word in self._words:
            if shown.replace("-", "") == word.plain and len(word.plain) >= SAME_LABEL_FROM:
                return _found(name, word, Rule.SUFFIX)
        for word in self._words:
            if looks == word.skeleton and len(word.plain) >= SAME_LABEL_FROM:
                return _found(name, word, Rule.GLYPHS)
        for word in self._words:
            if _holds(shown, looks, word):
                return _found(name, word, Rule.JOINED)
        letters = frozenset(bare)
        for word in self._words:
            if len(letters - word.letters) > word.most_edits:
                continue  # each letter that it has not is a slip: most names end here, and cost next to nothing
            slips = edits(bare, word.plain, word.most_edits) if word.most_edits else 1
            if slips <= word.most_edits:
                return _found(name, word, Rule.EDITS, slips)
        return None

    def _above(self, name: Name) -> Lookalike | None:
        for label in name.above:
            looks = skeleton(label)
            for word in self._words:
                if _holds(label, looks, word) or (looks == word.skeleton and len(word.plain) >= JOINED_FROM):
                    return _found(name, word, Rule.ABOVE)
        return None

    def _tabled(self, name: Name) -> Lookalike | None:
        for host in name.hosts:
            said = self._table.get(host)
            if said is not None:
                return Lookalike(host=name.host, registered=name.registered, like=said[0], rule=Rule.TABLE)
        return None


def _words(texts: Iterable[str]) -> tuple[_Word, ...]:
    """The longest first: ``portofantwerpbruges`` says more than ``antwerp``."""
    found: dict[str, _Word] = {}
    for text in texts:
        bare = plain(text)
        most = 2 if len(bare) >= TWO_EDITS_FROM else int(len(bare) >= ONE_EDIT_FROM)
        word = _Word(text=text, plain=bare, skeleton=skeleton(text), letters=frozenset(bare), most_edits=most)
        found.setdefault(bare, word)
    return tuple(sorted(found.values(), key=lambda word: (-len(word.plain), word.plain)))


def _holds(shown: str, looks: str, word: _Word) -> bool:
    """Whether a word stands in a longer label: anywhere, or between hyphens if it is short."""
    if len(word.plain) >= JOINED_FROM:
        return len(looks) > len(word.skeleton) and word.skeleton in looks
    parts = shown.split("-")
    return len(parts) > 1 and word.plain in parts


def _found(name: Name, word: _Word, rule: Rule, slips: int = 0) -> Lookalike:
    return Lookalike(host=name.host, registered=name.registered, like=word.text, rule=rule, edits=slips)
