"""From text to a compiled pattern, by recursive descent over tokens that the grammar has approved.

What the grammar allows and we do not evaluate is refused by name, so that the author can be told: MATCHES,
FOLLOWEDBY, START/STOP, ISSUBSET, ISSUPERSET, EXISTS, list indexes, LIKE with anything but a final ``%``,
timestamps, hexadecimal and binary literals, REPEATS above 100, WITHIN above seven days.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from port2port.patterns.compiled import Alternative, Bracket, CompiledPattern, guards_of
from port2port.patterns.errors import PatternError
from port2port.patterns.expressions import Comparison, Expression, Guards, IndexKey, Joined, Value
from port2port.patterns.spelling import spelled
from port2port.patterns.tokens import END, Token, tokenise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from port2port.patterns.grammar import TemplateCache

MAX_REPEATS: Final = 100
MAX_WITHIN: Final = timedelta(days=7)
MAX_ALTERNATIVES: Final = 64
MAX_BRACKETS: Final = 4

_EQUAL: Final = {"=": False, "==": False, "!=": True, "<>": True}
_ORDER: Final = frozenset({"<", "<=", ">", ">="})
_ESCAPED: Final = re.compile(r"\\(['\\])")


def compile_pattern(text: str, templates: TemplateCache) -> CompiledPattern:
    """Parse once. Raises PatternError for what is no STIX pattern or not evaluated here."""
    tokens = tokenise(text)
    miss = templates.check_tokens(tokens)
    try:
        alternatives = _Parser(tokens).pattern()
    except PatternError as error:
        raise PatternError(error.text, **{**error.facts, "template_miss": miss}) from error
    return CompiledPattern(text=text, alternatives=alternatives, index_keys=guards_of(alternatives), template_miss=miss)


def guards_in(text: str) -> Guards:
    """The index keys of a pattern whose grammar was checked when it came. Raises PatternError as above."""
    return guards_of(_Parser(tokenise(text)).pattern())


def named_in(text: str) -> frozenset[IndexKey]:
    """Every (path, value) that a pattern asks for by equality, set or prefix, whatever else it asks for.

    Of a pattern that is not evaluated here every literal counts, under an empty path. Raises PatternError for what
    is no pattern.
    """
    tokens = tokenise(text)
    try:
        alternatives = _Parser(tokens).pattern()
    except PatternError:
        return frozenset(("", _unquoted(token.text)) for token in tokens if token.kind == "string")
    brackets = [bracket.expression for alternative in alternatives for bracket in alternative.brackets]
    return frozenset(key for expression in brackets for key in _named(expression))


def _named(expression: Expression) -> Iterator[IndexKey]:
    if isinstance(expression, Joined):
        for part in expression.parts:
            yield from _named(part)
    elif not expression.negated and expression.op in {"=", "IN", "LIKE"}:
        yield from ((expression.path, value) for value in expression.values)


class _Parser:
    """One method per rule of the grammar; nesting is bounded by the tokeniser."""

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self._tokens = tokens
        self._at = 0

    def pattern(self) -> tuple[Alternative, ...]:
        found = self._either()
        self._expect("")
        return found

    # observations

    def _either(self) -> tuple[Alternative, ...]:
        found = self._both()
        while self._take("OR"):
            found += self._both()
            _require_few(len(found))
        return found

    def _both(self) -> tuple[Alternative, ...]:
        found = self._observation()
        while self._take("AND"):
            other = self._observation()
            _require_few(len(found) * len(other))
            found = tuple(_together(left, right) for left in found for right in other)
        return found

    def _observation(self) -> tuple[Alternative, ...]:
        if self._take("("):
            found = self._either()
            self._expect(")")
        else:
            self._expect("[")
            expression = self._any_of()
            self._expect("]")
            if not expression.types():
                raise PatternError("AND inside one bracket joins different object types, which no object has")
            found = (Alternative(brackets=(Bracket(expression=expression),)),)
        return self._qualified(found)

    def _qualified(self, found: tuple[Alternative, ...]) -> tuple[Alternative, ...]:
        while True:
            if self._take("WITHIN"):
                within = _within(self._next().text)
                self._expect("SECONDS")
                found = tuple(_inside(alternative, within) for alternative in found)
            elif self._take("REPEATS"):
                count = _count(self._next().text)
                self._expect("TIMES")
                found = (_repeated(found, count),)
            else:
                return found

    # comparisons

    def _any_of(self) -> Expression:
        parts = [self._all_of()]
        while self._take("OR"):
            parts.append(self._all_of())
        return parts[0] if len(parts) == 1 else Joined(every=False, parts=tuple(parts))

    def _all_of(self) -> Expression:
        parts = [self._test()]
        while self._take("AND"):
            parts.append(self._test())
        return parts[0] if len(parts) == 1 else Joined(every=True, parts=tuple(parts))

    def _test(self) -> Expression:
        if self._take("("):
            inner = self._any_of()
            self._expect(")")
            return inner
        path = self._path()
        negated = self._take("NOT")
        op = self._next().text
        if op in _EQUAL:
            value = spelled(path, self._literal())
            return Comparison(path=path, op="=", values=(value,), negated=negated != _EQUAL[op])
        if op in _ORDER:
            return Comparison(path=path, op=op, values=(self._literal(),), negated=negated)
        if op == "IN":
            values = tuple(spelled(path, value) for value in self._set())
            return Comparison(path=path, op="IN", values=values, negated=negated)
        if op == "LIKE":
            return _like(path, self._literal(), negated=negated)
        raise _not_evaluated(op)

    def _path(self) -> str:
        kind = self._next()
        if kind.kind != "name":
            raise _not_evaluated(kind.text)
        self._expect(":")
        steps = [self._step()]
        while self._take("."):
            steps.append(self._step())
        if self._peek().text == "[":
            raise PatternError("list indexes in paths are not evaluated here")
        return f"{kind.text}:{'.'.join(steps)}"

    def _step(self) -> str:
        token = self._next()
        name = _unquoted(token.text) if token.kind == "string" else token.text
        if "." in name or not name:
            raise PatternError("a quoted path step with a dot is not evaluated here")
        return name

    def _set(self) -> tuple[Value, ...]:
        self._expect("(")
        values: list[Value] = []
        while not self._take(")"):
            values.append(self._literal())
            self._take(",")
        return tuple(values)

    def _literal(self) -> Value:
        token = self._next()
        if token.kind == "string":
            return _unquoted(token.text)
        if token.kind == "boolean":
            return token.text == "true"
        if token.kind == "integer":
            return int(token.text)
        if token.kind == "float":
            return float(token.text)
        raise _not_evaluated(f"{token.kind} literals")

    # tokens

    def _peek(self) -> Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else END

    def _next(self) -> Token:
        token = self._peek()
        self._at += 1
        return token

    def _take(self, text: str) -> bool:
        token = self._peek()
        if token.kind not in {"keyword", "sign"} or token.text != text:
            return False
        self._at += 1
        return True

    def _expect(self, text: str) -> None:
        token = self._next()
        if token.text != text:
            raise _not_evaluated(token.text)


def _not_evaluated(what: str) -> PatternError:
    return PatternError(f"{what[:40] or 'an unfinished pattern'} is not evaluated here", operator=what[:40])


def _unquoted(text: str) -> str:
    return _ESCAPED.sub(r"\1", text[1:-1])


def _like(path: str, value: Value, *, negated: bool) -> Comparison:
    text = unicodedata.normalize("NFC", str(value))
    prefix = text.endswith("%")
    head = text[:-1] if prefix else text
    if "%" in head or "_" in head:
        raise PatternError("LIKE is evaluated here only as a prefix: 'text%'", operator="LIKE")
    return Comparison(path=path, op="LIKE", values=(head,), negated=negated, prefix=prefix)


def _within(text: str) -> timedelta:
    seconds = float(text)
    if not 0 < seconds <= MAX_WITHIN.total_seconds():
        raise PatternError("WITHIN is evaluated here up to 7 days (604800 SECONDS)", operator="WITHIN")
    return timedelta(seconds=seconds)


def _count(text: str) -> int:
    if len(text) > 4 or not 1 <= int(text) <= MAX_REPEATS:
        raise PatternError(f"REPEATS is evaluated here from 1 to {MAX_REPEATS} TIMES", operator="REPEATS")
    return int(text)


def _require_few(alternatives: int) -> None:
    if alternatives > MAX_ALTERNATIVES:
        raise PatternError(f"more than {MAX_ALTERNATIVES} alternatives are not evaluated here", operator="OR")


def _together(left: Alternative, right: Alternative) -> Alternative:
    if left.within is not None or right.within is not None:
        raise PatternError("WITHIN on one side of AND is not evaluated here; put it round both", operator="WITHIN")
    brackets = left.brackets + right.brackets
    if len(brackets) > MAX_BRACKETS:
        raise PatternError(f"more than {MAX_BRACKETS} brackets joined by AND are not evaluated here", operator="AND")
    return Alternative(brackets=brackets)


def _inside(alternative: Alternative, within: timedelta) -> Alternative:
    """One observation is always inside its own window; nested windows leave the narrowest."""
    if alternative.single:
        return alternative
    known = alternative.within
    return replace(alternative, within=within if known is None else min(known, within))


def _repeated(found: tuple[Alternative, ...], count: int) -> Alternative:
    if len(found) != 1 or len(found[0].brackets) != 1 or found[0].within is not None:
        raise PatternError("REPEATS of more than one bracket is not evaluated here", operator="REPEATS")
    bracket = found[0].brackets[0]
    if bracket.count * count > MAX_REPEATS:
        raise PatternError(f"REPEATS is evaluated here up to {MAX_REPEATS} TIMES in all", operator="REPEATS")
    return Alternative(brackets=(replace(bracket, count=bracket.count * count),))
