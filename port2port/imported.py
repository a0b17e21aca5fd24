"""What a port brings in from outside the federation: the body of an ``import`` statement.

The objects keep their source's ids and author; the importing port signs that it received them, from whom, and how far
it trusts that source, in the words of the Admiralty code. ``commitment`` is the salted SHA-256 of each object exactly
as it was received, as for objects of statements: the port keeps salt and bytes and can show them. ``echo`` says that
the federation had spoken of the same thing before: such an object confirms nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from port2port.canonical import Json
from port2port.errors import PolicyError
from port2port.ids import FEDERATION_ISSUER, identity_of, is_stix_id
from port2port.roster import Roster
from port2port.statement import Statement

KIND: Final = "import"
SOURCE_CHARS: Final = 100
ORIGINAL_CHARS: Final = 200
RELIABILITIES: Final[Mapping[str, str]] = {
    "A": "completely reliable",
    "B": "usually reliable",
    "C": "fairly reliable",
    "D": "not usually reliable",
    "E": "unreliable",
    "F": "reliability cannot be judged",
}
CREDIBILITIES: Final[Mapping[int, str]] = {
    1: "confirmed by other sources",
    2: "probably true",
    3: "possibly true",
    4: "doubtful",
    5: "improbable",
    6: "truth cannot be judged",
}
# STIX 2.1, appendix A.5: the Admiralty scale; what cannot be judged has no confidence.
CONFIDENCES: Final[Mapping[int, int]] = {1: 90, 2: 70, 3: 50, 4: 30, 5: 10}
_FIELDS: Final = frozenset({"credibility", "objects", "reliability", "source"})
_OBJECT: Final = frozenset({"commitment", "echo", "id", "original"})
_HEX32: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


class ImportedError(PolicyError):
    """An import statement that does not say where each of its objects comes from, or claims a member's own."""

    code = "IMPORTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """How far a source is trusted (A to F), and what it says (1 to 6); F6 says nothing of either."""

    reliability: str = "F"
    credibility: int = 6

    def __post_init__(self) -> None:
        if self.reliability not in RELIABILITIES or self.credibility not in CREDIBILITIES:
            raise ImportedError("a source is graded A to F and its information 1 to 6, as in B2")

    @classmethod
    def parse(cls, text: str) -> Grade:
        """``B2``, or ``B`` alone. Raises ImportedError."""
        letter, digit = text[:1].upper(), text[1:] or "6"
        if digit not in {str(number) for number in CREDIBILITIES}:
            raise ImportedError("a source is graded A to F and its information 1 to 6, as in B2")
        return cls(reliability=letter, credibility=int(digit))

    @property
    def code(self) -> str:
        """As people write it: ``F6``."""
        return f"{self.reliability}{self.credibility}"

    @property
    def words(self) -> tuple[str, str]:
        """What the letter means, and the digit."""
        return RELIABILITIES[self.reliability], CREDIBILITIES[self.credibility]

    @property
    def confidence(self) -> int | None:
        """The most that what comes from this source may claim, 0 to 100; None where nothing can be judged."""
        return CONFIDENCES.get(self.credibility)


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """One object brought in: its id here, what the source called it, and the commitment to the bytes received."""

    id: str
    original: str
    commitment: str
    echo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import says of its objects, in their order."""

    source: str
    grade: Grade
    objects: tuple[Brought, ...]

    def to_body(self) -> dict[str, Json]:
        """The body of the statement that says it."""
        return {
            "credibility": self.grade.credibility,
            "objects": [
                {"commitment": one.commitment, "echo": one.echo, "id": one.id, "original": one.original}
                for one in self.objects
            ],
            "reliability": self.grade.reliability,
            "source": self.source,
        }

    def only(self, ids: Sequence[str]) -> Imported:
        """The same of these objects alone, in this order. Raises ImportedError for one that is not there."""
        known = {one.id: one for one in self.objects}
        missing = next((ident for ident in ids if ident not in known), None)
        if missing is not None:
            raise ImportedError("an import says of each of its objects where it comes from", id=missing)
        return replace(self, objects=tuple(known[ident] for ident in ids))


def imported_in(body: Mapping[str, Json]) -> Imported:
    """What the body of an import says. Raises ImportedError, whatever the body is."""
    if body.keys() != _FIELDS:
        raise ImportedError("an import has exactly credibility, objects, reliability and source")
    source, letter, digit, listed = (body[name] for name in ("source", "reliability", "credibility", "objects"))
    if not isinstance(source, str) or not 0 < len(source) <= SOURCE_CHARS or not source.isprintable():
        raise ImportedError(f"the source of an import is printable text of at most {SOURCE_CHARS} characters")
    if not isinstance(letter, str) or isinstance(digit, bool) or not isinstance(digit, int):
        raise ImportedError("a source is graded A to F and its information 1 to 6, as in B2")
    if not isinstance(listed, list) or not listed:
        raise ImportedError("an import lists its objects")
    grade = Grade(reliability=letter, credibility=digit)
    return Imported(source=source, grade=grade, objects=tuple(_brought(item) for item in listed))


def require(said: Statement, created_by: Iterable[tuple[str, str | None]], *, roster: Roster, federation: str) -> None:
    """That an import says where each of its objects comes from, and brings nobody's who is a member himself, or the
    federation's own.

    ``created_by`` are (id, author) of the objects that are here. Raises ImportedError.
    """
    found = imported_in(said.body)
    if [one.id for one in found.objects] != [ref.id for ref in said.objects]:
        raise ImportedError("an import says of each of its objects where it comes from, in their order")
    members = {identity_of(federation, member) for member in (*roster.member_table, FEDERATION_ISSUER)}
    for stix_id, author in created_by:
        if author in members or stix_id in members:
            raise ImportedError("an object of a member comes from that member, not by an import", id=stix_id)


def _brought(item: Json) -> Brought:
    if not isinstance(item, dict) or item.keys() != _OBJECT:
        raise ImportedError("an object of an import has exactly commitment, echo, id and original")
    ident, original, commitment, echo = (item[name] for name in ("id", "original", "commitment", "echo"))
    if not isinstance(ident, str) or not is_stix_id(ident) or not isinstance(echo, bool):
        raise ImportedError("an object of an import has a STIX id, and says whether it is an echo")
    if not isinstance(original, str) or not 0 < len(original) <= ORIGINAL_CHARS or not original.isprintable():
        raise ImportedError(f"what the source calls an object is text of at most {ORIGINAL_CHARS} characters")
    if not isinstance(commitment, str) or not _HEX32.fullmatch(commitment):
        raise ImportedError("a commitment must be 64 hexadecimal digits")
    return Brought(id=ident, original=original, commitment=commitment, echo=echo)
