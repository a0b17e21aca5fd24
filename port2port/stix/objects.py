"""Building the objects a port publishes; each function returns normalised, final bytes.

Ids and times come in as arguments. The issuer is the STIX identity id of the member (``ids.identity_of``).
All functions raise ProfileError for values that make no valid object.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

import orjson

from port2port import clock, identifiers, ids
from port2port.errors import ProfileError
from port2port.stix.discriminators import Discriminators, to_extension
from port2port.stix.markings import TLP_IDS
from port2port.stix.normalise import normalise
from port2port.stix.profile import (
    CONTAINER_EXTENSION,
    DISCRIMINATORS_EXTENSION,
    SIGHTING_EXTENSION,
    VESSEL_EXTENSION,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from port2port.tlp import Tlp

Looking = Literal["live", "back"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What every object starts with. ``modified`` None means: this is its first version."""

    ident: UUID
    issuer: str
    created: datetime
    tlp: Tlp | None
    modified: datetime | None = None
    confidence: int | None = None
    labels: tuple[str, ...] = ()


def indicator(
    header: Header,
    *,
    name: str,
    pattern: str,
    valid_from: datetime,
    valid_until: datetime,
    indicator_types: Sequence[str] = ("anomalous-activity",),
    description: str | None = None,
    discriminators: Discriminators | None = None,
    references: Sequence[Mapping[str, str]] = (),
) -> bytes:
    """An indicator with a STIX pattern; one on a cloned identity carries discriminators.

    ``references`` are external references: each a ``source_name`` with ``external_id`` or ``url``.
    """
    extension = None if discriminators is None else {DISCRIMINATORS_EXTENSION: to_extension(discriminators)}
    return build(
        "indicator",
        header,
        name=name,
        description=description,
        indicator_types=list(indicator_types),
        pattern=pattern,
        pattern_type="stix",
        pattern_version="2.1",
        valid_from=clock.to_text(valid_from),
        valid_until=clock.to_text(valid_until),
        external_references=list(references) or None,
        extensions=extension,
    )


def sighting(
    header: Header,
    *,
    indicator_id: str,
    first_seen: datetime,
    last_seen: datetime,
    count: int,
    where_refs: Sequence[str] = (),
    track: str | None = None,
    port: str | None = None,
    looking: Looking = "live",
    outcome: str | None = None,
    description: str | None = None,
) -> bytes:
    """A sighting of an *indicator*; the extension says which track, which port and whether live or back."""
    extension = {
        "extension_type": "property-extension",
        "track": track,
        "port": port,
        "looking": looking,
        "outcome": outcome,
    }
    return build(
        "sighting",
        header,
        description=description,
        sighting_of_ref=indicator_id,
        first_seen=clock.to_text(first_seen),
        last_seen=clock.to_text(last_seen),
        count=count,
        where_sighted_refs=list(where_refs) or None,
        summary=True,
        extensions={SIGHTING_EXTENSION: _present(extension)},
    )


def identity(header: Header, *, federation: str, member: str, name: str, sectors: Sequence[str] = ()) -> bytes:
    """A member's identity; its id is derived from the names, so ``header.ident`` and ``issuer`` are not
    used.
    """
    own = ids.identity_of(federation, member)
    return build(
        "identity",
        header,
        id=own,
        created_by_ref=own,
        name=name,
        identity_class="organization",
        sectors=list(sectors) or None,
    )


def location(header: Header, *, name: str, latitude: float, longitude: float, country: str | None = None) -> bytes:
    """A named place; degrees, rounded to a metre."""
    return build(
        "location",
        header,
        name=name,
        latitude=round(latitude, 5),
        longitude=round(longitude, 5),
        country=country,
    )


def note(
    header: Header,
    *,
    content: str,
    object_refs: Sequence[str],
    abstract: str | None = None,
    references: Sequence[Mapping[str, str]] = (),
) -> bytes:
    """An officer's free text about objects (at least the port's identity); no author's name."""
    return build(
        "note",
        header,
        abstract=abstract,
        content=content,
        object_refs=list(object_refs),
        external_references=list(references) or None,
    )


def report(
    header: Header,
    *,
    name: str,
    published: datetime,
    object_refs: Sequence[str],
    report_types: Sequence[str] = ("observed-data",),
    description: str | None = None,
) -> bytes:
    """A report that holds objects together."""
    return build(
        "report",
        header,
        name=name,
        description=description,
        report_types=list(report_types),
        published=clock.to_text(published),
        object_refs=list(object_refs),
    )


def observed_data(header: Header, *, first: datetime, last: datetime, count: int, object_refs: Sequence[str]) -> bytes:
    """A summary that something was observed ``count`` times; never a copy of the observation."""
    return build(
        "observed-data",
        header,
        first_observed=clock.to_text(first),
        last_observed=clock.to_text(last),
        number_observed=count,
        object_refs=list(object_refs),
    )


def relationship(header: Header, *, kind: str, source_ref: str, target_ref: str) -> bytes:
    """How one object stands to another."""
    return build("relationship", header, relationship_type=kind, source_ref=source_ref, target_ref=target_ref)


def vessel(
    *,
    mmsi: str | None = None,
    imo: str | None = None,
    eni: str | None = None,
    name: str | None = None,
    call_sign: str | None = None,
    flag: str | None = None,
    vessel_type: str | None = None,
    length_m: float | None = None,
    tlp: Tlp | None = None,
) -> bytes:
    """A ship; check digits are verified (IdentifierError names the right one). The id follows from the
    numbers.
    """
    return observable(
        "vessel",
        VESSEL_EXTENSION,
        tlp,
        mmsi=None if mmsi is None else identifiers.check_mmsi(mmsi),
        imo=None if imo is None else identifiers.check_imo(imo),
        eni=None if eni is None else identifiers.check_eni(eni),
        name=name,
        call_sign=call_sign,
        flag=flag,
        vessel_type=vessel_type,
        length_m=length_m,
    )


def freight_container(
    *, number: str, size_type: str | None = None, seal_numbers: Sequence[str] = (), tlp: Tlp | None = None
) -> bytes:
    """A box by its ISO 6346 number, whose check digit is verified."""
    return observable(
        "freight-container",
        CONTAINER_EXTENSION,
        tlp,
        number=identifiers.check_container(number),
        size_type=size_type,
        seal_numbers=list(seal_numbers) or None,
    )


def revoked(raw: bytes, modified: datetime) -> bytes:
    """The next version of an object of ours, revoked: the STIX side of a retraction."""
    data = orjson.loads(raw)
    if "modified" not in data:
        raise ProfileError("an object without versions cannot be revoked")
    try:
        earliest = datetime.fromisoformat(data["modified"]) + timedelta(milliseconds=1)
    except OverflowError as error:
        raise ProfileError("there is no time after its last version") from error
    return normalise({**data, "revoked": True, "modified": clock.to_text(max(modified, earliest))})


def pattern_equals(path: str, values: Iterable[str]) -> str:
    """``[path = 'value']``, or IN for several; quotes in values are escaped."""
    quoted = ["'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'" for value in values]
    if not quoted:
        raise ProfileError("a pattern needs a value")
    return f"[{path} = {quoted[0]}]" if len(quoted) == 1 else f"[{path} IN ({', '.join(quoted)})]"


def build(kind: str, header: Header, /, **properties: object) -> bytes:
    """An object with a header of its own; what is None is left out. Raises ProfileError."""
    base = {
        "type": kind,
        "spec_version": "2.1",
        "id": f"{kind}--{header.ident}",
        "created_by_ref": header.issuer,
        "created": clock.to_text(header.created),
        "modified": clock.to_text(header.modified or header.created),
        "confidence": header.confidence,
        "labels": list(header.labels) or None,
        "object_marking_refs": _markings(header.tlp),
    }
    return normalise(_present({**base, **properties}))


def observable(kind: str, extension: str, tlp: Tlp | None, /, **properties: object) -> bytes:
    """A thing that can be observed, of a type of ours; its id follows from its properties. Raises ProfileError."""
    if all(value is None for value in properties.values()):
        raise ProfileError(f"a {kind} needs a number or a name")
    extensions = {extension: {"extension_type": "new-sco"}}
    return normalise(
        _present(
            {"type": kind, "spec_version": "2.1", **properties, "extensions": extensions}
            | {"object_marking_refs": _markings(tlp)}
        )
    )


def _markings(tlp: Tlp | None) -> list[str] | None:
    return None if tlp is None else [TLP_IDS[tlp]]


def _present(properties: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in properties.items() if value is not None}
