"""From a finding to what a port might say of it: the objects, how they would be marked, to whom they would go.

Nothing is read or stored here. Whoever can change what a proposal says can put words in front of an officer; he
cannot sign them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson

from node.findings import Discriminator, Finding, FindingKind
from port2port.canonical import Json
from port2port.stix import objects as stix
from port2port.stix.discriminators import Discriminators, TrackHint
from port2port.stix.markings import TLP_IDS, tlp_of_id
from port2port.stix.normalise import normalise
from port2port.tlp import Tlp
from port2port.tlp import parse as tlp_of

SINGLE_OPEN_SOURCE: Final = "single-open-source"
PLEASURE_CRAFT: Final = frozenset({36, 37})  # ITU-R M.1371 table 53: sailing, pleasure craft
_PATHS: Final = {"mmsi": "vessel:mmsi", "imo": "vessel:imo", "eni": "vessel:eni"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What would be said and to whom.

    ``groups`` are names, whose newest version is taken when it is published; ``fixed_groups`` are versions of them,
    for what follows something said earlier and must reach exactly its readers.
    """

    kind: str
    objects: tuple[bytes, ...]
    tlp: Tlp = Tlp.AMBER
    groups: tuple[str, ...] = ()
    fixed_groups: tuple[tuple[str, int], ...] = ()
    recipients: tuple[str, ...] = ()
    handling: str | None = None
    purpose: str | None = None
    personal_data: bool = False
    body: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What a port proposes unless told otherwise; ``issuer`` is its STIX identity."""

    issuer: str
    groups: tuple[str, ...] = ()
    tlp: Tlp = Tlp.AMBER
    handling: str = "call_first"
    purpose: str = "maritime-security"
    valid_for: timedelta = timedelta(days=7)


def propose(finding: Finding, defaults: Defaults, *, now: datetime, ident: UUID, created: datetime) -> Proposal | None:
    """The indicator a finding amounts to; None for what never leaves the port (data quality).

    ``ident`` and ``created`` stay the same when a later finding of the same cause brings the draft up to date.
    """
    path, value = _binding(finding)
    if finding.kind is FindingKind.DATA_QUALITY or path is None:
        return None
    labels = (
        str(finding.kind).lower().replace("_", "-"),
        *((SINGLE_OPEN_SOURCE,) if finding.single_open_source else ()),
    )
    header = stix.Header(
        ident=ident,
        issuer=defaults.issuer,
        created=created,
        modified=now if now > created else None,
        tlp=defaults.tlp,
        confidence=finding.confidence,
        labels=labels,
    )
    indicator = stix.indicator(
        header,
        name=_name(finding, value),
        pattern=stix.pattern_equals(path, [value]),
        valid_from=min(finding.found_at, created),
        valid_until=now + defaults.valid_for,
        description=finding.reason,
        discriminators=discriminators_of(finding),
    )
    return Proposal(
        kind="publish",
        objects=(indicator,),
        tlp=defaults.tlp,
        groups=defaults.groups,
        handling=defaults.handling,
        purpose=defaults.purpose,
        personal_data=is_personal(finding),
    )


def discriminators_of(finding: Finding, *, suspect: str = "newer") -> Discriminators | None:
    """Which of two tracks is meant. The node cannot know who lies: it proposes the one that appeared later."""
    by_track = {one.track: one for one in finding.discriminators}
    if suspect not in by_track:
        return None
    other = next((_hint(one) for track, one in by_track.items() if track != suspect), None)
    return Discriminators(suspect=_hint(by_track[suspect]), other=other)


def is_personal(finding: Finding) -> bool:
    """Barges (by their ENI) and pleasure craft are somebody's home or boat: their identity is personal data."""
    types = {number for one in finding.discriminators for number in one.ship_types}
    measured = finding.numbers.get("ship_type")
    types |= {int(measured.value)} if measured is not None else set()
    return finding.subjects[0].startswith("eni:") or bool(types & PLEASURE_CRAFT)


def marked(raw: bytes, tlp: Tlp) -> bytes:
    """An object, not yet published, under another TLP label; other markings stay."""
    data = orjson.loads(raw)
    kept = [ref for ref in data.get("object_marking_refs", []) if tlp_of_id(ref) is None]
    return normalise({**data, "object_marking_refs": [*kept, TLP_IDS[tlp]]})


def settled(proposal: Proposal, *, tlp: Tlp, **changes: Any) -> Proposal:
    """The proposal as an officer decided it, its objects marked accordingly."""
    return replace(proposal, tlp=tlp, objects=tuple(marked(raw, tlp) for raw in proposal.objects), **changes)


def proposal_to_json(said: Proposal) -> dict[str, Json]:
    """As it is stored."""
    return {
        "kind": said.kind,
        "objects": [raw.decode() for raw in said.objects],
        "tlp": said.tlp.value,
        "groups": [*said.groups],
        "fixed_groups": [[name, number] for name, number in said.fixed_groups],
        "recipients": [*said.recipients],
        "handling": said.handling,
        "purpose": said.purpose,
        "personal_data": said.personal_data,
        "body": dict(said.body),
    }


def proposal_of_json(said: Mapping[str, Any]) -> Proposal:
    """The reverse of ``proposal_to_json``."""
    return Proposal(
        kind=said["kind"],
        objects=tuple(text.encode() for text in said["objects"]),
        tlp=tlp_of(said["tlp"]),
        groups=tuple(said["groups"]),
        fixed_groups=tuple((name, number) for name, number in said["fixed_groups"]),
        recipients=tuple(said["recipients"]),
        handling=said["handling"],
        purpose=said["purpose"],
        personal_data=said["personal_data"],
        body=said["body"],
    )


def _binding(finding: Finding) -> tuple[str | None, str]:
    kind, _, value = finding.subjects[0].partition(":")
    return _PATHS.get(kind), value


def _name(finding: Finding, value: str) -> str:
    kind = finding.subjects[0].partition(":")[0].upper()
    if finding.kind is FindingKind.IDENTITY_CLONE:
        return f"Cloned identity: {kind} {value}"
    return f"{kind} {value} crossed a fence: {', '.join(finding.places) or 'unnamed'}"[:200]


def _hint(one: Discriminator) -> TrackHint:
    """What is known of a track and was said only once: two names for one ship tell nothing."""
    said: dict[str, tuple[Any, ...]] = {
        "vessel:name": one.names,
        "vessel:call_sign": one.callsigns,
        "vessel:imo": tuple(f"{imo:07d}" for imo in one.imos),
        "vessel:ship_type": one.ship_types,
    }
    return TrackHint(
        position=(one.position.latitude_deg, one.position.longitude_deg),
        reported_at=one.last_seen,
        facts={path: values[0] for path, values in said.items() if len(values) == 1},
    )
