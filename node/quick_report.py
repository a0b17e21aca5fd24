"""The paste box: what an officer pastes is recognised, its digits are checked, and it is handed to the right form.

Containers (ISO 6346), MMSI, IMO and ENI numbers, licence plates of Belgium and its neighbours, web addresses, e-mail
and IP addresses, domain names. A number that cannot be right stays in the list with what is wrong in it: which
character is no digit, or what the check digit should be, or which two neighbours change places to make it right.
Nothing is looked up and nothing is kept: this says what a text is, not what is known of it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from port2port.identifiers import IdentifierError, check_container, check_eni, check_imo, check_mmsi

PASTE_CHARS: Final = 10_000
FOUND_MOST: Final = 50

CONTAINER: Final = "container"
MMSI: Final = "mmsi"
IMO: Final = "imo"
ENI: Final = "eni"
PLATE: Final = "plate"
EMAIL: Final = "email"
URL: Final = "url"
DOMAIN: Final = "domain"
IP: Final = "ip"

# The report kind (``node.report_kinds``) and the field of its form that a recognised thing goes to.
FORMS: Final = {
    CONTAINER: ("container", "number"),
    MMSI: ("vessel", "number"),
    IMO: ("vessel", "number"),
    ENI: ("vessel", "number"),
    PLATE: ("vehicle", "plate"),
    EMAIL: ("account", "account"),
    URL: ("account", "account"),
    DOMAIN: ("domain", "domain"),
    IP: ("address", "address"),
}
PERSONAL: Final = frozenset({PLATE, EMAIL, IP, ENI})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """One thing in the text. ``value`` is its canonical spelling, or what was pasted where it cannot be right.

    ``problem`` is empty where it holds. ``repairs`` are right numbers one slip away: for the officer to compare with
    what he has before him, never to be taken by themselves. ``country`` is that of a plate's shape. ``start`` and
    ``end`` are where it stands in the text.
    """

    kind: str
    value: str
    start: int
    end: int
    problem: str = ""
    repairs: tuple[str, ...] = ()
    country: str = ""

    @property
    def form(self) -> str:
        """The kind of report it belongs to."""
        return FORMS[self.kind][0]

    @property
    def field(self) -> str:
        """The field of that form it goes to."""
        return FORMS[self.kind][1]

    @property
    def is_personal(self) -> bool:
        """Whether it points at a person."""
        return self.kind in PERSONAL


def recognise(text: str) -> list[Recognised]:
    """What stands in a pasted text, in its order; at most ``FOUND_MOST`` things of its first characters.

    Where one thing lies inside another (the domain of an e-mail address) the larger is meant. Raises nothing.
    """
    text = text[:PASTE_CHARS]
    taken: list[Recognised] = []
    for find in _FINDERS:
        for one in find(text):
            if all(one.end <= other.start or one.start >= other.end for other in taken):
                taken.append(one)
    return sorted(taken, key=lambda one: one.start)[:FOUND_MOST]


# --- networks -----------------------------------------------------------------------------------------------------

_DOT: Final = r"(?:\.|\[\.\]|\(\.\))"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST: Final = rf"{_LABEL}(?:{_DOT}{_LABEL}){{0,8}}{_DOT}[A-Za-z](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])"
_URL: Final = re.compile(
    r"(?<![\w])(?:https?|hxxps?|ftp)(?:://|\[:\]//)[^\s<>\"'|\\^`{}]{3,1000}", re.ASCII | re.IGNORECASE
)
_EMAIL: Final = re.compile(rf"(?<![\w.%+-])[A-Za-z0-9._%+-]{{1,64}}(?:@|\[@\]|\(at\)){_HOST}(?![\w-])", re.ASCII)
_DOMAIN: Final = re.compile(rf"(?<![\w.@-]){_HOST}(?![\w-])", re.ASCII)
_IPV4: Final = re.compile(rf"(?<![\w.])\d{{1,3}}(?:{_DOT}\d{{1,3}}){{3}}(?![\w]|\.\d)", re.ASCII)
_IPV6: Final = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]{2,39}(?::[0-9A-Fa-f]{1,4}|::)(?![\w:])", re.ASCII)
_TRAILING: Final = ".,;:!?)]"


def _refang(text: str) -> str:
    """As it was before somebody made it harmless."""
    for written, meant in (("[.]", "."), ("(.)", "."), ("[@]", "@"), ("(at)", "@"), ("[:]", ":")):
        text = text.replace(written, meant)
    return re.sub(r"\Ahxxp", "http", text, flags=re.IGNORECASE)


def _urls(text: str) -> Iterator[Recognised]:
    for match in _URL.finditer(text):
        raw = match.group().rstrip(_TRAILING)
        yield Recognised(kind=URL, value=_refang(raw), start=match.start(), end=match.start() + len(raw))


def _emails(text: str) -> Iterator[Recognised]:
    for match in _EMAIL.finditer(text):
        local, _, host = _refang(match.group()).rpartition("@")
        yield Recognised(kind=EMAIL, value=f"{local}@{host.lower()}", start=match.start(), end=match.end())


def _domains(text: str) -> Iterator[Recognised]:
    for match in _DOMAIN.finditer(text):
        yield Recognised(kind=DOMAIN, value=_refang(match.group()).lower(), start=match.start(), end=match.end())


def _addresses(text: str) -> Iterator[Recognised]:
    for pattern in (_IPV4, _IPV6):
        for match in pattern.finditer(text):
            one = _address(match)
            if one is not None:
                yield one


def _address(match: re.Match[str]) -> Recognised | None:
    raw, problem = _refang(match.group()), ""
    try:
        found = ipaddress.ip_address(raw)
    except ValueError:
        if ":" in raw:
            return None  # a time of day, a list of numbers
        value, problem = raw, "each part of an IPv4 address is 0 to 255, without leading zeros"
    else:
        value = str(found)
        if not found.is_global:
            problem = "this address is in use in every network: other ports cannot look for it"
    return Recognised(kind=IP, value=value, start=match.start(), end=match.end(), problem=problem)


# --- numbers ------------------------------------------------------------------------------------------------------

# Letters and figures that are taken for one another on a rusty wall or a telephone.
_AS_FIGURE: Final = str.maketrans("OQDILZSBG", "000112586")
_AS_LETTER: Final = str.maketrans("01258", "OIZSB")
_BOX: Final = re.compile(
    r"(?<![A-Za-z0-9])([A-Za-z0-9]{3})[ ]?([UJZujz])[ /-]?"
    r"((?:[A-Za-z0-9][ /.-]?){6})[ /-]?([A-Za-z0-9])(?![A-Za-z0-9])",
    re.ASCII,
)
_BOX_SERIAL: Final = 4
_BOX_CHARS: Final = 11
_FEWEST_FIGURES: Final = 5
_NUMBER: Final = re.compile(
    r"(?<![\w+.])(?:(MMSI|IMO|ENI)(?: (?:no|nr|number|nummer))?[.:]?[ ]{0,2})?"
    r"(\d{3}[ ]\d{3}[ ]\d{3}|\d{7,9})(?![\w]|[.,]\d)",
    re.ASCII | re.IGNORECASE,
)
_LENGTHS: Final = {9: MMSI, 7: IMO, 8: ENI}
_CHECKS: Final[dict[str, Callable[[str], str]]] = {MMSI: check_mmsi, IMO: check_imo, ENI: check_eni}


def _containers(text: str) -> Iterator[Recognised]:
    for match in _BOX.finditer(text):
        raw = re.sub(r"[\s/.-]", "", match.group()).upper()
        if sum(char.isdigit() for char in raw[_BOX_SERIAL:]) < _FEWEST_FIGURES or raw[:3].isdigit():
            continue  # a word
        problem, repairs = _wrong_in_box(raw)
        yield Recognised(
            kind=CONTAINER, value=raw, start=match.start(), end=match.end(), problem=problem, repairs=repairs
        )


def _wrong_in_box(raw: str) -> tuple[str, tuple[str, ...]]:
    meant = raw[:_BOX_SERIAL].translate(_AS_LETTER) + raw[_BOX_SERIAL:].translate(_AS_FIGURE)
    for place, (is_char, should) in enumerate(zip(raw, meant, strict=True), start=1):
        if place <= _BOX_SERIAL - 1 and not is_char.isalpha():
            return f"character {place} is {is_char}: a letter stands there", _that_hold(check_container, [meant])
        if place > _BOX_SERIAL and not is_char.isdigit():
            return f"character {place} is the letter {is_char}: a figure stands there", _that_hold(
                check_container, [meant] if should.isdigit() else []
            )
    return _checked(check_container, raw, first=_BOX_SERIAL)


def _numbers(text: str) -> Iterator[Recognised]:
    for match in _NUMBER.finditer(text):
        digits = match.group(2).replace(" ", "")
        named = (match.group(1) or "").lower()
        kind = named or _LENGTHS[len(digits)]
        problem, repairs = _checked(_CHECKS[kind], digits, first=0 if kind == IMO else len(digits))
        if problem and not named and kind != IMO and not repairs:
            continue  # any number of so many digits: an order, a telephone
        yield Recognised(
            kind=kind, value=digits, start=match.start(), end=match.end(), problem=problem, repairs=repairs
        )


def _checked(check: Callable[[str], str], raw: str, *, first: int) -> tuple[str, tuple[str, ...]]:
    """(what is wrong, right numbers that differ by two neighbours changed over or the last digit)."""
    try:
        check(raw)
    except IdentifierError as error:
        return error.text, _that_hold(check, _slips(raw, first, error.facts.get("right")))
    return "", ()


def _slips(raw: str, first: int, right: object) -> list[str]:
    swapped = [
        raw[:at] + raw[at + 1] + raw[at] + raw[at + 2 :] for at in range(first, len(raw) - 1) if raw[at] != raw[at + 1]
    ]
    return [*swapped, *([f"{raw[:-1]}{right}"] if isinstance(right, int) else [])]


def _that_hold(check: Callable[[str], str], candidates: list[str]) -> tuple[str, ...]:
    found = []
    for one in candidates:
        try:
            found.append(check(one))
        except IdentifierError:
            continue
    return tuple(dict.fromkeys(found))


# --- plates -------------------------------------------------------------------------------------------------------

# Shapes in which plates are written with their hyphens or blanks; without them too much else looks like one.
_PLATES: Final = (
    ("BE", re.compile(r"(?<![\w-])[1-9][ -][A-Z]{3}[ -]\d{3}(?![\w-])", re.ASCII)),
    ("BE", re.compile(r"(?<![\w-])[A-Z]{3}[ -]\d{3}(?![\w-])", re.ASCII)),
    ("FR", re.compile(r"(?<![\w-])[A-HJ-NP-TV-Z]{2}[ -]\d{3}[ -][A-HJ-NP-TV-Z]{2}(?![\w-])", re.ASCII)),
    (
        "NL",
        re.compile(
            r"(?<![\w-])(?:[A-Z]{2}-\d{2}-\d{2}|\d{2}-\d{2}-[A-Z]{2}|\d{2}-[A-Z]{2}-\d{2}|[A-Z]{2}-\d{2}-[A-Z]{2}|"
            r"[A-Z]{2}-[A-Z]{2}-\d{2}|\d{2}-[A-Z]{2}-[A-Z]{2}|\d{2}-[A-Z]{3}-\d|\d-[A-Z]{3}-\d{2}|[A-Z]{2}-\d{3}-[A-Z]|"
            r"[A-Z]-\d{3}-[A-Z]{2}|[A-Z]{3}-\d{2}-[A-Z]|[A-Z]-\d{2}-[A-Z]{3}|\d-[A-Z]{2}-\d{3}|\d{3}-[A-Z]{2}-\d)(?![\w-])",
            re.ASCII,
        ),
    ),
    ("LU", re.compile(r"(?<![\w-])[A-Z]{2} \d{4}(?![\w-])", re.ASCII)),
    ("DE", re.compile(r"(?<![\w-])[A-ZÄÖÜ]{1,3}[ -][A-Z]{1,2}[ -]?[1-9]\d{0,3}[EH]?(?![\w-])")),
)


def _plates(text: str) -> Iterator[Recognised]:
    for country, pattern in _PLATES:
        for match in pattern.finditer(text):
            value = match.group().replace(" ", "-")
            yield Recognised(kind=PLATE, value=value, start=match.start(), end=match.end(), country=country)


# The larger or more certain first: what they took is not looked at again.
_FINDERS: Final = (_urls, _emails, _addresses, _domains, _containers, _numbers, _plates)
