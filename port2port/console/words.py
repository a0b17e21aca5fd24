"""Words in the reader's language: messages, times, numbers.

Source strings are English: ``_("...")`` in templates, ``N_("...")`` or ``.plural("...", "...", n)`` in Python. Packages
keep translations in ``locale/<language>/LC_MESSAGES/*.po``, read at start: nothing compiled is kept, so what a
translator sees is what is shown. A string without a translation appears in English, and a test finds it;
``tools/messages.py`` lists what is missing or stale and adds it to a file.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from markupsafe import Markup

from port2port.clock import to_text
from port2port.errors import InvariantError

SOURCE_LANGUAGE: Final = "en"
# The locale whose habits go with a language: day before month and 24 hours, also in English.
_LOCALES: Final[Mapping[str, str]] = {"nl": "nl_BE", "fr": "fr_BE", "de": "de_BE", "en": "en_GB"}
_PATTERNS: Final[Mapping[str, str]] = {
    "full": "d MMM y, HH:mm",
    "seconds": "d MMM y, HH:mm:ss",
    "time": "HH:mm",
    "clock": "HH:mm:ss",
    "day": "EEE d MMM y",
}


def N_(message: str) -> str:  # noqa: N802  # the name by which the extractor knows a message that is translated later
    """Mark a message that is translated where it is shown, not where it is written."""
    return message


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """One language with its time zone: everything a page needs to speak to one reader."""

    language: str
    zone: ZoneInfo
    catalogue: gettext.NullTranslations

    def text(self, message: str, /, **facts: object) -> str:
        """``message`` in this language; ``%(name)s`` is filled from ``facts``."""
        return _filled(self.catalogue.gettext(message) if message else "", facts)

    def plural(self, one: str, many: str, n: int, /, **facts: object) -> str:
        """The form that goes with ``n``, which is also the fact ``n``."""
        return _filled(self.catalogue.ngettext(one, many, n), {"n": self.number(n), **facts})

    def when(self, moment: datetime, style: str = "full") -> Markup:
        """A moment with its zone, 24 hours: full, seconds, time, clock (with seconds) or day."""
        return Markup('<time datetime="{}">{}</time>').format(to_text(moment), self.when_text(moment, style))

    def when_text(self, moment: datetime, style: str = "full") -> str:
        """As ``when``, in plain text. Raises InvariantError for a time without a zone."""
        if moment.tzinfo is None:
            raise InvariantError("a time without a zone is never shown")
        shown = format_datetime(moment, _PATTERNS[style], tzinfo=self.zone, locale=_locale(self.language))
        return shown if style == "day" else f"{shown} {moment.astimezone(self.zone).strftime('%Z')}"

    def ago(self, moment: datetime, now: datetime) -> Markup:
        """How long ago, kept up to date by ``frame.mjs``; the moment itself is in the title."""
        return Markup('<time datetime="{}" data-ago title="{}">{}</time>').format(
            to_text(moment), self.when_text(moment, "seconds"), self.ago_text(moment, now)
        )

    def ago_text(self, moment: datetime, now: datetime) -> str:
        """As ``ago``, in plain text."""
        return format_timedelta(
            moment - now, add_direction=True, format="short", threshold=1.2, locale=_locale(self.language)
        )

    def number(self, value: float) -> str:
        """A number as this language groups and points it."""
        return format_decimal(value, locale=_locale(self.language))


class Words:
    """The languages on offer, with the catalogues of all sections."""

    def __init__(self, wordings: Mapping[str, Wording]) -> None:
        self._wordings = dict(wordings)

    @property
    def languages(self) -> tuple[str, ...]:
        """In the order of the settings; the first is the default."""
        return tuple(self._wordings)

    def of(self, *wishes: str) -> Wording:
        """The first of ``wishes`` on offer, else the default. A wish may be a header Accept-Language."""
        for wish in wishes:
            for language in accepted(wish):
                if language in self._wordings:
                    return self._wordings[language]
        return self._wordings[self.languages[0]]


def load_words(packages: Iterable[str], languages: Iterable[str], zone: str) -> Words:
    """The catalogues of ``packages``; a later package may say the same message differently."""
    packages = tuple(packages)
    return Words(
        {
            language: Wording(language=language, zone=ZoneInfo(zone), catalogue=_catalogue(packages, language))
            for language in languages
        }
    )


def catalogue_files(package: str, language: str) -> list[Traversable]:
    """The files ``locale/<language>/LC_MESSAGES/*.po`` of a package, by name: one for each room, so that the people
    who build rooms do not write into one another's file.
    """
    folder = files(package) / "locale" / language / "LC_MESSAGES"
    if not folder.is_dir():
        return []
    return sorted((item for item in folder.iterdir() if item.name.endswith(".po")), key=lambda item: item.name)


def accepted(header: str) -> list[str]:
    """Primary languages of an Accept-Language header, best first; for any text, never an error."""
    ranked: list[tuple[float, str]] = []
    for part in header[:200].split(","):
        tag, _, weight = part.strip().partition(";")
        language = tag.strip().lower().partition("-")[0]
        if language:
            ranked.append((-_weight(weight), language))
    return [language for weight, language in sorted(ranked, key=lambda item: item[0]) if weight < 0]


def _weight(text: str) -> float:
    name, _, value = text.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


@cache
def _catalogue(packages: tuple[str, ...], language: str) -> gettext.NullTranslations:
    chain = gettext.NullTranslations()
    if language == SOURCE_LANGUAGE:
        return chain
    for package in packages:
        for file in catalogue_files(package, language):
            found = _translations(file, language)
            found.add_fallback(chain)
            chain = found
    return chain


def _translations(file: Traversable, language: str) -> gettext.GNUTranslations:
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(file.read_bytes()), locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def _filled(message: str, facts: Mapping[str, object]) -> str:
    if not facts:
        return message
    if any(hasattr(value, "__html__") for value in facts.values()):
        return Markup.escape(message) % facts
    return message % facts


@cache
def _locale(language: str) -> Locale:
    return Locale.parse(_LOCALES.get(language, language))
