r"""Regular expressions of warning lists, run so that no expression and no value can make it slow.

A small part of the language (literals, classes, groups, alternatives, ``* + ? {n,m}``, ``^ $``) becomes one automaton
for each list, which reads every character once (Thompson's construction, states made when they are first met).
What needs looking back or ahead (``\1``, ``(?=``, ``\b``) is refused and counted. MISP writes ``/expression/flags``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from port2port.errors import MalformedError

STATES_MOST: Final = 2_000  # of one list
REPEATS_MOST: Final = 64
DEPTH_MOST: Final = 20
READ_CHARS: Final = 512
_CACHED: Final = 4_096
_DELIMITED: Final = re.compile(r"/(.*)/([a-zA-Z]*)", re.DOTALL)
_BOUNDS: Final = re.compile(r"\{([0-9]{1,4})(,?)([0-9]{0,4})\}")
_DIGITS: Final = frozenset("0123456789")
_WORD: Final = _DIGITS | frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_BLANKS: Final = frozenset(" \t\n\r\f\v")
_NAMED: Final = {"d": (_DIGITS, False), "w": (_WORD, False), "s": (_BLANKS, False)}
_CONTROL: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v"}
_FLAGS: Final = frozenset("igu")


class RegexError(MalformedError):
    """This expression is not run here; the text says what is in the way."""

    code = "WARNING_LIST_REGEX"


@dataclass(frozen=True, slots=True)
class _Chars:
    """One character out of ``chars``, or out of all others."""

    chars: frozenset[str]
    negated: bool

    def takes(self, char: str) -> bool:
        return (char in self.chars) != self.negated


@dataclass(frozen=True, slots=True)
class _Edge:
    """``^`` or ``$``."""

    at_end: bool


@dataclass(frozen=True, slots=True)
class _All:
    """One after the other."""

    parts: tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class _Any:
    """One of them."""

    parts: tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class _Repeat:
    """``most`` None: as often as one likes."""

    part: _Node
    least: int
    most: int | None


_Node = _Chars | _Edge | _All | _Any | _Repeat


class Automaton:
    """Several expressions at once: whether any of them is found in a text. Not shared between threads."""

    def __init__(self, expressions: Iterable[str]) -> None:
        """Raises RegexError."""
        self._chars: list[_Chars | None] = []  # what a state reads; None: it only leads on
        self._next: list[list[int]] = []
        self._edges: dict[int, bool] = {}
        self._found = self._state(None)
        self._start = self._state(None)
        for text in expressions:
            self._next[self._start].append(self._add(_Parser(text).parse(), self._found))
        self._cache: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def __len__(self) -> int:
        return len(self._chars)

    def finds(self, text: str) -> bool:
        """Whether any expression matches anywhere in the first characters of a text."""
        now = self._reach([self._start], begins=True, ends=not text)
        for place, char in enumerate(text[:READ_CHARS]):
            if self._found in now:
                return True
            now = self._step(now, char, ends=place + 1 == min(len(text), READ_CHARS))
        return self._found in now

    def _step(self, states: frozenset[int], char: str, *, ends: bool) -> frozenset[int]:
        key = (states, char)
        if not ends and key in self._cache:
            return self._cache[key]
        moved = [self._next[one][0] for one in states if (on := self._chars[one]) is not None and on.takes(char)]
        found = self._reach([*moved, self._start], begins=False, ends=ends)
        if not ends:
            if len(self._cache) >= _CACHED:
                self._cache.clear()
            self._cache[key] = found
        return found

    def _reach(self, states: Sequence[int], *, begins: bool, ends: bool) -> frozenset[int]:
        """The states that read a character, and the final one, which these lead to."""
        seen: set[int] = set()
        left = list(states)
        while left:
            one = left.pop()
            if one in seen:
                continue
            seen.add(one)
            passes = {None: True, True: ends, False: begins}[self._edges.get(one)]
            if self._chars[one] is None and passes:
                left.extend(self._next[one])
        return frozenset(one for one in seen if self._chars[one] is not None or one == self._found)

    def _state(self, chars: _Chars | None, *following: int) -> int:
        if len(self._chars) >= STATES_MOST:
            raise RegexError(f"the expressions of a list make more than {STATES_MOST} states")
        self._chars.append(chars)
        self._next.append(list(following))
        return len(self._chars) - 1

    def _add(self, node: _Node, then: int) -> int:
        """The state in which ``node`` begins, if ``then`` is what follows it."""
        if isinstance(node, _Chars):
            return self._state(node, then)
        if isinstance(node, _Edge):
            made = self._state(None, then)
            self._edges[made] = node.at_end
            return made
        if isinstance(node, _All):
            for part in reversed(node.parts):
                then = self._add(part, then)
            return then
        if isinstance(node, _Any):
            return self._state(None, *[self._add(part, then) for part in node.parts])
        return self._add_repeat(node, then)

    def _add_repeat(self, node: _Repeat, then: int) -> int:
        if node.most is None:
            loop = self._state(None, then)
            self._next[loop].append(self._add(node.part, loop))
            then = loop
        else:
            after = then
            for _ in range(node.most - node.least):
                then = self._state(None, self._add(node.part, then), after)
        for _ in range(node.least):
            then = self._add(node.part, then)
        return then


class _Parser:
    """Recursive descent over one expression."""

    def __init__(self, text: str) -> None:
        found = _DELIMITED.fullmatch(text)
        self._text, flags = (text, "") if found is None else (found[1], found[2])
        if not set(flags) <= _FLAGS:
            raise RegexError("flags other than i, g and u are not read here")
        self._folds = "i" in flags
        self._at = 0
        self._depth = 0

    def parse(self) -> _Node:
        found = self._either()
        if self._at < len(self._text):
            raise RegexError("a bracket is closed that was not opened")
        return found

    def _either(self) -> _Node:
        self._depth += 1
        if self._depth > DEPTH_MOST:
            raise RegexError(f"more than {DEPTH_MOST} groups inside each other")
        parts = [self._sequence()]
        while self._take("|"):
            parts.append(self._sequence())
        self._depth -= 1
        return parts[0] if len(parts) == 1 else _Any(tuple(parts))

    def _sequence(self) -> _Node:
        parts: list[_Node] = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            parts.append(self._repeated(self._one()))
        return _All(tuple(parts))

    def _repeated(self, node: _Node) -> _Node:
        least, most = self._bounds()
        if (least, most) == (1, 1):
            return node
        if isinstance(node, _Edge):
            raise RegexError("an edge is not repeated")
        if least > REPEATS_MOST or (most or 0) > REPEATS_MOST or (most is not None and most < least):
            raise RegexError(f"repeats go from 0 to {REPEATS_MOST} times")
        self._take("?")  # as few as possible: whether it is found is the same
        if self._peek() in {"*", "+", "?"}:
            raise RegexError("a repeat of a repeat is not read here")
        return _Repeat(node, least, most)

    def _bounds(self) -> tuple[int, int | None]:
        char = self._peek()
        if char in {"*", "+", "?"}:
            self._at += 1
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[char]
        found = _BOUNDS.match(self._text, self._at)
        if found is None:
            return 1, 1
        self._at = found.end()
        least = int(found[1])
        if not found[2]:
            return least, least
        return least, int(found[3]) if found[3] else None

    def _one(self) -> _Node:
        char = self._next()
        if char == "(":
            return self._group()
        if char == "[":
            return self._class()
        if char == ".":
            return _Chars(frozenset("\n"), negated=True)
        if char in "^$":
            return _Edge(at_end=char == "$")
        if char in "*+?":
            raise RegexError("there is nothing to repeat")
        chars, negated = self._escaped() if char == "\\" else (frozenset(char), False)
        return self._chars(chars, negated=negated)

    def _group(self) -> _Node:
        if self._take("?") and not self._take(":"):
            raise RegexError("groups that look ahead, look back or have a name are not read here")
        found = self._either()
        if not self._take(")"):
            raise RegexError("a bracket is not closed")
        return found

    def _class(self) -> _Node:
        negated = self._take("^")
        found: set[str] = set()
        first = True
        while first or self._peek() != "]":
            first = False
            low = self._member()
            if self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in {"]", ""} and len(low) == 1:
                self._at += 1
                low = self._range(low, self._member())
            found |= low
        self._at += 1
        return self._chars(frozenset(found), negated=negated)

    def _member(self) -> frozenset[str]:
        char = self._next()
        if char != "\\":
            return frozenset(char)
        chars, negated = self._escaped()
        if negated:
            raise RegexError("a negated class inside a class is not read here")
        return chars

    def _range(self, low: frozenset[str], high: frozenset[str]) -> frozenset[str]:
        first, last = ord(min(low)), ord(max(high))
        if len(high) != 1 or not first <= last < 0x250:
            raise RegexError("a range goes from a letter to a later one")
        return frozenset(map(chr, range(first, last + 1)))

    def _escaped(self) -> tuple[frozenset[str], bool]:
        char = self._next()
        if char.lower() in _NAMED:
            chars, _ = _NAMED[char.lower()]
            return chars, char.isupper()
        if char in _CONTROL:
            return frozenset(_CONTROL[char]), False
        if char.isalnum():
            raise RegexError(f"\\{char} is not read here")
        return frozenset(char), False

    def _chars(self, chars: frozenset[str], *, negated: bool) -> _Chars:
        folded = frozenset(other for char in chars for other in (char, char.lower(), char.upper()))
        return _Chars(folded if self._folds else chars, negated)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        char = self._peek()
        if not char:
            raise RegexError("the expression ends too early")
        self._at += 1
        return char

    def _take(self, char: str) -> bool:
        taken = self._peek() == char
        self._at += taken
        return taken
