"""What an officer saw himself becomes a draft: a vessel, one without AIS, a container, a domain, an address, a note.

Numbers with a check digit are verified here, while the officer still has the binoculars in his hand: a wrong one is
refused and the right digit named. What other ports can match becomes an indicator beside the note; the rest is read.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import orjson

from node.drafts import Defaults, Proposal
from port2port.canonical import Json
from port2port.clock import to_text
from port2port.errors import ProfileError
from port2port.geo import Position
from port2port.identifiers import check_container, check_eni, check_imo, check_mmsi
from port2port.stix import objects as stix
from port2port.stix.markings import TLP_IDS
from port2port.stix.normalise import normalise
from port2port.stix.validate import ValidObject

TEXT_CHARS: Final = 2_000
COUNT_MOST: Final = 100_000
SOURCE: Final = "report"
VALID_FOR: Final = timedelta(days=14)
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN: Final = re.compile(rf"(?=.{{4,253}}\Z)(?:{_LABEL}\.)+[a-z][a-z0-9-]{{0,61}}[a-z0-9]", re.ASCII)
_OFFICER_CONFIDENCE: Final = 75  # seen by a person, by one person: "probably true"


class ReportError(ProfileError):
    """A report that says too little, too much, or something that cannot be."""

    code = "REPORT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """When and where an officer saw it, how many and going where, and what he says of it.

    ``position`` None: only ``place`` is known. ``count`` None: he did not say. ``more`` are further lines to be told.
    """

    text: str
    at: datetime
    place: str = ""
    position: Position | None = None
    count: int | None = None
    direction: str = ""
    more: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ReportError('say what you saw: --text "..."')
        if len(self.text) > TEXT_CHARS:
            raise ReportError(f"a report has at most {TEXT_CHARS} characters")
        if self.count is not None and not 0 < self.count <= COUNT_MOST:
            raise ReportError(f"how many: 1 to {COUNT_MOST}, or nothing where it is not known")
        if any(len(line) > TEXT_CHARS for line in (self.place, self.direction, *self.more)):
            raise ReportError(f"no field holds more than {TEXT_CHARS} characters")
        if self.position is not None and not self.position.is_on_earth:
            raise ReportError("this position is not on Earth: latitude -90 to 90, longitude -180 to 180")

    @property
    def told(self) -> str:
        """All of it in words, for the note."""
        place = f" at {self.place}" if self.place else ""
        facts = [f"Seen {self.at:%Y-%m-%d %H:%M} UTC{place}."]
        facts += [f"How many: {self.count}."] if self.count is not None else []
        facts += [f"Direction: {self.direction}."] if self.direction else []
        return "\n\n".join((self.text, " ".join(facts), *self.more))


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What building needs besides what was seen; ``validate`` is the step that hub and receivers run."""

    defaults: Defaults
    now: datetime
    new_id: Callable[[], UUID]
    validate: Callable[[bytes], ValidObject]

    def header(self, *, confidence: int | None = None, labels: tuple[str, ...] = ()) -> stix.Header:
        """The start of a new object of ours."""
        return stix.Header(
            ident=self.new_id(),
            issuer=self.defaults.issuer,
            created=self.now,
            tlp=self.defaults.tlp,
            confidence=confidence,
            labels=labels,
        )


def vessel(
    desk: Desk,
    sight: Sight,
    *,
    mmsi: str | None = None,
    imo: str | None = None,
    eni: str | None = None,
    name: str | None = None,
    call_sign: str | None = None,
) -> Proposal:
    """A ship, by any of its numbers or names. Raises IdentifierError, which names the right digit."""
    numbers = {
        "vessel:imo": None if imo is None else check_imo(imo),
        "vessel:mmsi": None if mmsi is None else check_mmsi(mmsi),
        "vessel:eni": None if eni is None else check_eni(eni),
    }
    seen = stix.vessel(mmsi=mmsi, imo=imo, eni=eni, name=name, call_sign=call_sign, tlp=desk.defaults.tlp)
    bound = next(((path, value) for path, value in numbers.items() if value is not None), None)
    title = f"Reported vessel {' '.join(filter(None, (name, *numbers.values(), call_sign)))}"
    return propose(desk, sight, title, seen, bound, personal=eni is not None)


def no_ais(desk: Desk, sight: Sight, *, name: str | None = None) -> Proposal:
    """A ship that shows no AIS: nothing to match, so place, time and description have to do."""
    seen = None if name is None else stix.vessel(name=name, tlp=desk.defaults.tlp)
    title = f"Vessel without AIS{'' if name is None else f', {name}'}"
    return propose(desk, sight, title, seen, None, labels=("no-ais",))


def container(desk: Desk, sight: Sight, *, number: str) -> Proposal:
    """A box by its number. Raises IdentifierError."""
    checked = check_container(number)
    seen = stix.freight_container(number=checked, tlp=desk.defaults.tlp)
    return propose(desk, sight, f"Reported container {checked}", seen, ("freight-container:number", checked))


def domain(desk: Desk, sight: Sight, *, value: str) -> Proposal:
    """A domain name, in lower case; one written to be harmless (``example[.]com``) is read as meant."""
    name = value.strip().lower().replace("[.]", ".").rstrip(".")
    if not _DOMAIN.fullmatch(name):
        raise ReportError("a domain name looks like example.com; write an international one in its xn-- form")
    return propose(
        desk, sight, f"Reported domain {name}", observable(desk, "domain-name", name), ("domain-name:value", name)
    )


def address(desk: Desk, sight: Sight, *, value: str) -> Proposal:
    """An IPv4 or IPv6 address. It may be a person's: two officers sign it."""
    try:
        found = ipaddress.ip_address(value.strip().replace("[.]", "."))
    except ValueError as error:
        raise ReportError("this is no IPv4 or IPv6 address") from error
    if found.is_private or found.is_loopback or found.is_unspecified:
        raise ReportError("this address is in use in every network; other ports cannot look for it")
    kind = f"ipv{found.version}-addr"
    text = str(found)
    return propose(
        desk, sight, f"Reported address {text}", observable(desk, kind, text), (f"{kind}:value", text), personal=True
    )


def note(desk: Desk, sight: Sight) -> Proposal:
    """Free text with place and time."""
    return propose(desk, sight, "Note", None, None)


def why_of(sight: Sight) -> dict[str, Json]:
    """What the reviewing officer sees beside it."""
    return {
        "confidence": _OFFICER_CONFIDENCE,
        "found_at": to_text(sight.at),
        "places": [sight.place] if sight.place else [],
        "reason": sight.text,
        "single_open_source": False,
        "source_classes": ["an officer's own eyes"],
    }


def propose(
    desk: Desk,
    sight: Sight,
    title: str,
    seen: bytes | None,
    bound: tuple[str, str] | None,
    *,
    personal: bool = False,
    labels: tuple[str, ...] = (),
) -> Proposal:
    """A note about what was ``seen`` (an observable, or None), with an indicator where others can match it.

    ``bound`` is the (path, value) of the pattern. Raises ProfileError for what makes no valid object.
    """
    objects = [] if seen is None else [seen]
    if bound is not None:
        objects.append(_indicator(desk, sight, title, bound))
    if sight.position is not None:
        where = sight.position
        objects.append(
            stix.location(
                desk.header(),
                name=sight.place or "position of the report",
                latitude=where.latitude_deg,
                longitude=where.longitude_deg,
            )
        )
    about = [orjson.loads(raw)["id"] for raw in objects] or [desk.defaults.issuer]
    said = stix.note(
        desk.header(labels=("officer-report", *labels)),
        content=sight.told,
        object_refs=about,
        abstract=title,
    )
    for raw in (said, *objects):
        desk.validate(raw)
    return Proposal(
        kind="report",
        objects=(said, *objects),
        tlp=desk.defaults.tlp,
        groups=desk.defaults.groups,
        handling=desk.defaults.handling,
        purpose=desk.defaults.purpose,
        personal_data=personal,
    )


def _indicator(desk: Desk, sight: Sight, title: str, bound: tuple[str, str]) -> bytes:
    path, value = bound
    return stix.indicator(
        desk.header(confidence=_OFFICER_CONFIDENCE),
        name=title,
        pattern=stix.pattern_equals(path, [value]),
        valid_from=min(sight.at, desk.now),
        valid_until=desk.now + VALID_FOR,
        description=sight.text,
    )


def observable(desk: Desk, kind: str, value: Json, *, named: str = "value") -> bytes:
    """A standard observable with one property."""
    from_value = {"type": kind, "spec_version": "2.1", named: value}
    return normalise({**from_value, "object_marking_refs": [TLP_IDS[desk.defaults.tlp]]})
