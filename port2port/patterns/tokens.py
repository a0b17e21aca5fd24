"""The words of a STIX pattern, cut exactly as the grammar's own lexer cuts them.

One regular expression without backtracking: at most ``LIMITS.pattern_chars`` characters, one pass. Whatever
the lexer knows but no rule of the grammar uses (a lone sign, a slash, a caret) is refused at once.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from port2port.limits import LIMITS
from port2port.patterns.errors import PatternError

MAX_TOKENS: Final = 1_500
MAX_NESTING: Final = 32

KEYWORDS: Final = frozenset(
    [
        "AND",
        "OR",
        "NOT",
        "FOLLOWEDBY",
        "LIKE",
        "MATCHES",
        "ISSUPERSET",
        "ISSUBSET",
        "EXISTS",
        "LAST",
        "IN",
        "START",
        "STOP",
        "SECONDS",
        "true",
        "false",
        "WITHIN",
        "REPEATS",
        "TIMES",
    ]
)
LITERALS: Final = frozenset({"string", "time", "hex", "binary", "float", "integer", "boolean"})

_DATE = r"[0-9]{4}-(?:0[1-9]|1[012])-(?:0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?Z"
_BASE64 = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
_TOKEN: Final = re.compile(
    rf"""
      (?P<blank>[\ \t\r\n\v\f]+|/\*.*?\*/|//[^\r\n]*)
    | (?P<time>t'{_DATE}T{_CLOCK}')
    | (?P<hex>h'(?:[0-9a-fA-F]{{2}})*')
    | (?P<binary>b'{_BASE64}')
    | (?P<string>'(?:[^'\\]|\\['\\])*+')
    | (?P<float>[+-]?[0-9]*\.[0-9]+)
    | (?P<integer>[+-]?(?:0|[1-9][0-9]*))
    | (?P<word>[a-zA-Z_][a-zA-Z0-9_-]*)
    | (?P<sign>==|!=|<>|<=|>=|[=<>:.,()\[\]*])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)


class Token(NamedTuple):
    """One word. ``kind`` is a literal kind, ``name`` (identifier), ``keyword``, ``sign`` or ``end``.

    A tuple, since it is made several times for each object at intake and in every feed.
    """

    kind: str
    text: str


END: Final = Token("end", "")


def tokenise(text: str) -> tuple[Token, ...]:
    """The tokens of ``text`` without blanks and comments. Raises PatternError over any bound."""
    if len(text) > LIMITS.pattern_chars:
        raise PatternError(f"a pattern has at most {LIMITS.pattern_chars} characters", chars=len(text))
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise PatternError(f"the pattern has a character no pattern can have at position {at}", at=at)
        at = match.end()
        if match.lastgroup != "blank":
            tokens.append(_token(match.lastgroup or "", match.group()))
    _require_bounds(tokens)
    return tuple(tokens)


def _token(kind: str, text: str) -> Token:
    if kind != "word":
        return Token(kind, text)
    if text in {"true", "false"}:
        return Token("boolean", text)
    return Token("keyword" if text in KEYWORDS else "name", text)


def _require_bounds(tokens: list[Token]) -> None:
    if not tokens:
        raise PatternError("the pattern is empty")
    if len(tokens) > MAX_TOKENS:
        raise PatternError(f"a pattern has at most {MAX_TOKENS} words", words=len(tokens))
    depth = 0
    for token in tokens:
        if token.kind == "sign":
            depth += (token.text in "([") - (token.text in ")]")
        if depth > MAX_NESTING:
            raise PatternError(f"a pattern nests at most {MAX_NESTING} deep")
