"""The kinds of report on the page "new report": what each asks for, what it becomes, and what of it stays here.

Every form has the same six fields (what, where, when, how many, which way, a photo) and at most two of its own. What
points at a person is told only with a purpose that the officer chose, and by two officers; a licence plate, a
document's number and a drone's remote id are not told at all: they stay in the draft at this port, because this
federation shares no pseudonyms of them yet. Words in which such a thing stands make the whole report personal data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection

from node import drafts, photos, quick_report, redaction, report
from node.drafts import Draft, Proposal
from node.photos import Photo
from node.report import Desk, ReportError, Sight
from port2port.canonical import Json
from port2port.identifiers import check_container
from port2port.statement import PURPOSES
from port2port.stix import objects as stix

COMMON: Final = ("text", "where", "at", "count", "direction", "photo")
FIELD_CHARS: Final = 300
DIRECTIONS: Final = ("inbound", "outbound", "upstream", "downstream", "along", "ashore", "none")
_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_SEAL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 /-]{1,29}", re.ASCII)
Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a form. ``stays``: what is typed there never leaves the port."""

    name: str
    required: bool = False
    stays: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of report. ``personal``: whatever is said of it points at a person."""

    name: str
    title: str
    make: Callable[[Desk, Sight, Fields], Proposal]
    fields: tuple[Field, ...] = ()
    personal: bool = False

    @property
    def all_fields(self) -> tuple[str, ...]:
        """Those of the form, at most eight."""
        return (*(field.name for field in self.fields), *COMMON)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A photo with what the officer says of it; ``share`` ticks that its digest and the words go out."""

    photo: Photo
    description: str = ""
    share: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What a form amounts to. ``stays`` is kept in the draft at this port alone.

    ``needs_purpose``: it holds personal data, and nobody may publish it before a purpose is chosen.
    """

    kind: str
    proposal: Proposal
    sight: Sight
    stays: Mapping[str, str]
    pictures: tuple[Picture, ...] = ()

    @property
    def needs_purpose(self) -> bool:
        return self.proposal.personal_data and self.proposal.purpose is None

    def why(self, officer: str) -> dict[str, Json]:
        """What the reviewing officer sees beside it."""
        kept: dict[str, Json] = dict(self.stays)
        about: dict[str, Json] = {"author": officer, "report": self.kind}
        return report.why_of(self.sight) | about | ({"stays_here": kept} if kept else {})


def build(
    desk: Desk,
    kind: str,
    fields: Fields,
    sight: Sight,
    *,
    purpose: str | None = None,
    pictures: tuple[Picture, ...] = (),
) -> Reported:
    """What a filled form would say. Raises ReportError, IdentifierError (with the right digit) or PhotoError."""
    known = KINDS.get(kind)
    if known is None:
        raise ReportError(f"a report is about one of: {', '.join(KINDS)}")
    if purpose is not None and purpose not in PURPOSES:
        raise ReportError(f"a purpose is one of: {', '.join(PURPOSES)}")
    given = _given(known, fields)
    stays = {field.name: given[field.name] for field in known.fields if field.stays and field.name in given}
    told = replace(sight, more=(*sight.more, *_lines(known, given), *_photo_lines(pictures)))
    _require_untold(told, stays)
    proposal = known.make(desk, told, given)
    personal = proposal.personal_data or known.personal or bool(redaction.scan(proposal))
    proposal = replace(
        proposal, personal_data=personal, purpose=purpose if personal else purpose or desk.defaults.purpose
    )
    return Reported(kind=kind, proposal=proposal, sight=told, stays=stays, pictures=pictures)


def submit(connection: Connection, reported: Reported, *, officer: str, now: datetime) -> Draft:
    """The report as a draft, with its pictures. Nothing of it leaves before officers sign."""
    draft = drafts.add(connection, report.SOURCE, reported.proposal, reported.why(officer), now=now)
    for one in reported.pictures:
        photos.keep(
            connection,
            one.photo,
            draft=draft.id,
            officer=officer,
            now=now,
            description=one.description,
            shared=one.share,
        )
    return draft


def _given(kind: Kind, fields: Fields) -> dict[str, str]:
    known = {field.name: field for field in kind.fields}
    if unknown := sorted(set(fields) - set(known)):
        raise ReportError(f"this form has no field {unknown[0][:40]}")
    given = {name: value.strip() for name, value in fields.items() if value.strip()}
    for name, value in given.items():
        if len(value) > FIELD_CHARS or not value.isprintable():
            raise ReportError(f"{name} is one line of at most {FIELD_CHARS} characters")
    if missing := [name for name, field in known.items() if field.required and name not in given]:
        raise ReportError(f"say the {missing[0]}, or choose another kind of report")
    return given


def _lines(kind: Kind, given: Fields) -> list[str]:
    """What has no place in an object of its own is told in words."""
    return [f"{_WORDS[name]}: {value}." for name, value in given.items() if name in _WORDS and name in _names(kind)]


def _names(kind: Kind) -> set[str]:
    return {field.name for field in kind.fields if not field.stays}


_WORDS: Final = {"model": "Model", "substance": "Substance", "extent": "Extent", "seal": "Seal", "marks": "Marks"}


def _photo_lines(pictures: tuple[Picture, ...]) -> list[str]:
    if len(pictures) > photos.PHOTOS_PER_REPORT:
        raise ReportError(f"a report has at most {photos.PHOTOS_PER_REPORT} pictures")
    return [photos.line(one.photo, one.description) for one in pictures if one.share]


def _require_untold(sight: Sight, stays: Fields) -> None:
    """What stays here does not go out in the words beside it."""
    words = _bare(" ".join((sight.text, sight.place, sight.direction, *sight.more)))
    for name, value in stays.items():
        if _bare(value) and _bare(value) in words:
            raise ReportError(
                f"leave the {name.replace('_', ' ')} out of the words: it has its own field, and stays here"
            )


def _bare(text: str) -> str:
    return "".join(char for char in text.upper() if char.isalnum())


# --- the kinds ----------------------------------------------------------------------------------------------------


def _labelled(title: str, *labels: str) -> Callable[[Desk, Sight, Fields], Proposal]:
    def make(desk: Desk, sight: Sight, _fields: Fields) -> Proposal:
        return report.propose(desk, sight, title, None, None, labels=labels)

    return make


def _vessel(desk: Desk, sight: Sight, fields: Fields) -> Proposal:
    name, number = fields.get("name"), fields.get("number")
    if name is None and number is None:
        raise ReportError("give a number (MMSI, IMO, ENI) or the name; without either it is a vessel without AIS")
    if number is None:
        return report.vessel(desk, sight, name=name)
    digits = "".join(char for char in number if char.isdigit())
    by_length = {7: "imo", 8: "eni"}.get(len(digits), "mmsi")
    named = next((kind for kind in ("imo", "eni", "mmsi") if number.lower().startswith(kind)), by_length)
    numbers = {named: digits}
    return report.vessel(
        desk, sight, mmsi=numbers.get("mmsi"), imo=numbers.get("imo"), eni=numbers.get("eni"), name=name
    )


def _no_ais(desk: Desk, sight: Sight, fields: Fields) -> Proposal:
    return report.no_ais(desk, sight, name=fields.get("name"))


def _small_craft(desk: Desk, sight: Sight, fields: Fields) -> Proposal:
    """A pleasure craft by its name is somebody's boat."""
    name = fields.get("name")
    seen = None if name is None else stix.vessel(name=name, tlp=desk.defaults.tlp)
    title = "Small craft" if name is None else f"Small craft {name}"
    return report.propose(desk, sight, title, seen, None, personal=name is not None, labels=("small-craft",))


def _broken_seal(desk: Desk, sight: Sight, fields: Fields) -> Proposal:
    number, seal = fields.get("number"), fields.get("seal")
    if seal is not None and not _SEAL.fullmatch(seal):
        raise ReportError("a seal's number has 2 to 30 letters and figures")
    if number is None:
        return report.propose(desk, sight, "Broken seal", None, None, labels=("broken-seal",))
    box = check_container(number)
    seen = stix.freight_container(number=box, seal_numbers=() if seal is None else (seal,), tlp=desk.defaults.tlp)
    bound = ("freight-container:number", box)
    return report.propose(desk, sight, f"Broken seal of container {box}", seen, bound, labels=("broken-seal",))


def _account(desk: Desk, sight: Sight, fields: Fields) -> Proposal:
    """An e-mail address, a web address, or the name somebody signs in with."""
    value = fields["account"]
    found = next(iter(quick_report.recognise(value)), None)
    whole = found is not None and found.start == 0 and found.end == len(value)
    if found is not None and whole and found.kind in {quick_report.EMAIL, quick_report.URL}:
        kind = "email-addr" if found.kind == quick_report.EMAIL else "url"
        seen, bound = report.observable(desk, kind, found.value), (f"{kind}:value", found.value)
    else:
        seen = report.observable(desk, "user-account", value, named="account_login")
        bound = ("user-account:account_login", value)
    personal = bound[0] != "url:value"
    title = "Suspicious account" if personal else "Suspicious web address"
    return report.propose(desk, sight, title, seen, bound, personal=personal, labels=("account",))


def _document(desk: Desk, sight: Sight, fields: Fields) -> Proposal:
    digest = fields.get("sha256")
    if digest is None:
        return report.propose(desk, sight, "Suspicious document", None, None, labels=("document",))
    if not _SHA256.fullmatch(digest):
        raise ReportError("a SHA-256 has 64 hexadecimal figures")
    seen = report.observable(desk, "file", {"SHA-256": digest.lower()}, named="hashes")
    bound = ("file:hashes.'SHA-256'", digest.lower())
    return report.propose(desk, sight, "Suspicious document", seen, bound, labels=("document",))


def _note(desk: Desk, sight: Sight, _fields: Fields) -> Proposal:
    return report.note(desk, sight)


_ALL: Final = (
    Kind(name="vessel", title="Vessel with AIS", make=_vessel, fields=(Field(name="number"), Field(name="name"))),
    Kind(name="no-ais", title="Vessel without AIS", make=_no_ais, fields=(Field(name="name"),)),
    Kind(name="small-craft", title="Small craft", make=_small_craft, fields=(Field(name="name"),)),
    Kind(name="intruder", title="Intruder", make=_labelled("Intruder", "intruder"), personal=True),
    Kind(
        name="vehicle",
        title="Vehicle",
        make=_labelled("Vehicle", "vehicle"),
        fields=(Field(name="plate", stays=True), Field(name="model")),
    ),
    Kind(name="diver", title="Diver", make=_labelled("Diver", "diver")),
    Kind(
        name="drone",
        title="Drone",
        make=_labelled("Drone", "drone"),
        fields=(Field(name="model"), Field(name="remote_id", stays=True)),
    ),
    Kind(
        name="broken-seal",
        title="Broken seal",
        make=_broken_seal,
        fields=(Field(name="number"), Field(name="seal")),
    ),
    Kind(
        name="container",
        title="Container",
        make=lambda desk, sight, fields: report.container(desk, sight, number=fields["number"]),
        fields=(Field(name="number", required=True), Field(name="marks")),
    ),
    Kind(
        name="account",
        title="Suspicious account",
        make=_account,
        fields=(Field(name="account", required=True),),
    ),
    Kind(
        name="document",
        title="Suspicious document",
        make=_document,
        fields=(Field(name="reference", stays=True), Field(name="sha256")),
    ),
    Kind(
        name="domain",
        title="Domain",
        make=lambda desk, sight, fields: report.domain(desk, sight, value=fields["domain"]),
        fields=(Field(name="domain", required=True),),
    ),
    Kind(
        name="address",
        title="IP address",
        make=lambda desk, sight, fields: report.address(desk, sight, value=fields["address"]),
        fields=(Field(name="address", required=True),),
    ),
    Kind(
        name="pollution",
        title="Pollution",
        make=_labelled("Pollution", "pollution"),
        fields=(Field(name="substance"), Field(name="extent")),
    ),
    Kind(name="other", title="Other", make=_note),
)
KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in _ALL}
