"""Whether a text is a STIX pattern at all, at a hundredth of the price of asking the library each time.

The grammar sees only kinds of words, never their content. So each pattern is reduced to its *template* (every
literal and name replaced by one of its kind, long sets shortened) and the library's verdict on that template
is remembered. Thousands of indicators share a handful of templates. A writer of ever new templates pays with
misses, which callers count per member (``QUOTA.pattern_misses_per_minute``).
"""

from __future__ import annotations

import logging
import re
import threading
from collections import OrderedDict
from typing import Final

from stix2patterns.exceptions import ParseException
from stix2patterns.v21.pattern import Pattern
from stix2patterns.v21.validator import DuplicateQualifierTypeError, ValidationListener

from port2port.limits import LIMITS
from port2port.patterns.errors import PatternError
from port2port.patterns.tokens import LITERALS, Token, tokenise

logger = logging.getLogger(__name__)

_STAND_INS: Final = {
    "string": "'s'",
    "time": "t'2020-01-01T00:00:00Z'",
    "hex": "h''",
    "binary": "b''",
    "boolean": "true",
}
_EQUALITY: Final = frozenset({"=", "==", "!=", "<>"})
_BONES_MAX: Final = 500
_PREFIXED: Final = re.compile("[thb]'")
_HEX: Final = frozenset("0123456789abcdefABCDEF")
_HASH_DIGITS: Final = {
    "MD5": 32,
    "SHA-1": 40,
    "SHA1": 40,
    "SHA-256": 64,
    "SHA256": 64,
    "SHA-512": 128,
    "SHA512": 128,
    "SHA3-256": 64,
    "SHA3-512": 128,
}


class TemplateCache:
    """The library's verdicts on the templates seen last; safe to share between threads.

    Who can write here can only make the grammar be asked again: verdicts depend on the template alone.
    """

    def __init__(self, size: int = 4_096) -> None:
        self._size = size
        self._verdicts: OrderedDict[str, bool] = OrderedDict()
        self._templates: dict[str, str] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._verdicts)

    def check(self, text: str) -> bool:
        """Whether the library had to be asked (a miss). Raises PatternError if ``text`` is no STIX
        pattern.
        """
        return self.check_tokens(tokenise(text))

    def check_tokens(self, tokens: tuple[Token, ...]) -> bool:
        """As ``check``, for a text already cut into tokens."""
        return self._judge(tokens)[1]

    def shape(self, text: str) -> tuple[str, bool]:
        """The template of ``text``, and whether the library had to be asked about it. Raises PatternError.

        A text that differs from a good one in the content of plain strings only is good and has its template: then
        nothing is cut into tokens.
        """
        bones = skeleton(text)
        known = None if bones is None else self._templates.get(bones)
        if known is not None:
            return known, False
        found = self._judge(tokenise(text))
        if bones is not None:
            if len(self._templates) >= self._size:
                self._templates.clear()
            self._templates[bones] = found[0]
        return found

    def _judge(self, tokens: tuple[Token, ...]) -> tuple[str, bool]:
        template = template_of(tokens)
        known = self._recall(template)
        verdict = is_grammatical(template) if known is None else known
        if known is None:
            self._remember(template, verdict=verdict)
        if not verdict:
            raise PatternError("not a STIX 2.1 pattern", template_miss=known is None)
        _require_hashes(tokens)
        return template, known is None

    def _recall(self, template: str) -> bool | None:
        with self._lock:
            verdict = self._verdicts.get(template)
            if verdict is not None:
                self._verdicts.move_to_end(template)
            return verdict

    def _remember(self, template: str, *, verdict: bool) -> None:
        with self._lock:
            self._verdicts[template] = verdict
            while len(self._verdicts) > self._size:
                self._verdicts.popitem(last=False)


def skeleton(text: str) -> str | None:
    """What stands outside the plain string literals of ``text``; None where that is not certain without cutting it.

    Certain it is without a backslash, a slash (a comment may hold a quote), a literal of another kind in quotes and
    a hash, whose content counts.
    """
    if "\\" in text or len(text) > LIMITS.pattern_chars:
        return None
    parts = text.split("'")
    bones = "'".join(parts[::2])
    closed = len(parts) % 2 == 1
    if not closed or len(bones) > _BONES_MAX or "/" in bones or "hashes" in bones or _PREFIXED.search(bones):
        return None
    return bones


def template_of(tokens: tuple[Token, ...]) -> str:
    """The tokens with every literal and name replaced by one of its kind.

    Sets longer than two are cut to two: three literals with commas between can only be right inside a set.
    """
    kept: list[Token] = []
    for token in tokens:
        if token.kind in LITERALS and _continues_set(kept):
            del kept[-2:]
        kept.append(token)
    return " ".join(map(_stand_in, kept))


def _require_hashes(tokens: tuple[Token, ...]) -> None:
    """A hash compared for equality must look like one of its algorithm (STIX 2.1 section 10.6)."""
    for place, token in enumerate(tokens):
        if token.text != "hashes" or len(tokens) <= place + 4 or tokens[place + 3].text not in _EQUALITY:
            continue
        length = _HASH_DIGITS.get(tokens[place + 2].text.strip("'").upper())
        digest = tokens[place + 4].text.strip("'")
        if length is not None and (len(digest) != length or not set(digest) <= _HEX):
            raise PatternError("a hash in the pattern has the wrong length or is not hexadecimal")


def _continues_set(kept: list[Token]) -> bool:
    if len(kept) < 4 or kept[-1].text != "," or kept[-3].text != ",":
        return False
    return kept[-2].kind in LITERALS and kept[-4].kind in LITERALS


def _stand_in(token: Token) -> str:
    if token.kind == "name":
        return "x-x" if "-" in token.text else "x"
    if token.kind in {"integer", "float"}:
        number = "1" if token.kind == "integer" else "1.5"
        return f"-{number}" if token.text.startswith("-") else number
    return _STAND_INS.get(token.kind, token.text)


def is_grammatical(template: str) -> bool:
    """The verdict of stix2-patterns (the grammar published by OASIS), with its crashes counted as no."""
    try:
        Pattern(template).walk(ValidationListener())
    except (ParseException, DuplicateQualifierTypeError):
        return False
    except Exception:
        # The library leaks whatever its parser trips over (oasis-open/cti-pattern-validator issue 73).
        logger.exception("pattern library failed")
        return False
    return True
