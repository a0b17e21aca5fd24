"""From a finding to what a port might say of it: the objects, how they would be marked, to whom they would go.

Nothing is read or stored here. Whoever can change what a proposal says can put words in front of an officer; he
cannot sign them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any, Final
from uuid import UUID

import orjson

from node.detectors.withheld import WITHHELD, without_addresses
from node.findings import CYBER_KINDS, Discriminator, Finding, FindingKind, Reference
from port2port.canonical import Json
from port2port.stix import objects as stix
from port2port.stix.discriminators import Discriminators, TrackHint
from port2port.stix.markings import TLP_IDS, tlp_of_id
from port2port.stix.normalise import normalise
from port2port.tlp import Tlp
from port2port.tlp import parse as tlp_of

SINGLE_OPEN_SOURCE: Final = "single-open-source"
PLEASURE_CRAFT: Final = frozenset({36, 37})  # ITU-R M.1371 table 53: sailing, pleasure craft
_PATHS: Final = {
    "mmsi": "vessel:mmsi",
    "imo": "vessel:imo",
    "eni": "vessel:eni",
    "ipv4": "ipv4-addr:value",
    "ipv6": "ipv6-addr:value",
    "domain": "domain-name:value",
    "url": "url:value",
    "sha256": "file:hashes.'SHA-256'",
    "email": "email-addr:value",
}
_PERSONAL: Final = frozenset({"eni", "ipv4", "ipv6", "email"})
CYBER_VALID_FOR: Final = timedelta(days=14)  # an address is somebody else's soon
CYBER_PURPOSE: Final = "cyber-security"
# Of ``stix/vocabularies/modus.json`` by what the pattern binds; where nothing fits, the kind stands alone.
_MODUS: Final = {"domain": "domain", "url": "domain", "ipv4": "address", "ipv6": "address", "email": "account"}
_MALICIOUS: Final = frozenset({FindingKind.NETWORK_ALERT, FindingKind.MAIL_FRAUD})
# What it is called where a pattern binds something, and where it is a note: the port's own things are never named.
_TITLES: Final = {
    FindingKind.NETWORK_ALERT: ("Attack traffic with {}", "Attack traffic"),
    FindingKind.INDUSTRIAL: ("Unexpected commands to controllers from {}", "Unexpected commands to controllers"),
    FindingKind.LOOKALIKE: ("Lookalike domain {}", "Lookalike domain"),
    FindingKind.MAIL_FRAUD: ("Fraudulent mail from {}", "Another bank account for a known supplier"),
    FindingKind.ACCOUNT_FRAUD: ("Accounts made by one hand", "Accounts made by one hand"),
    FindingKind.BEACON: ("Connections at even intervals to {}", "Connections at even intervals"),
}


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
    if finding.kind is FindingKind.DATA_QUALITY:
        return None
    values = _sayable(finding)
    if finding.kind in CYBER_KINDS:
        return _of_network(finding, values, defaults, now=now, ident=ident, created=created)
    if not values:
        return None
    header = _header(finding, defaults, (_label(finding),), now=now, ident=ident, created=created)
    indicator = stix.indicator(
        header,
        name=_name(finding, values[0]),
        pattern=stix.pattern_equals(_PATHS[_kind(finding)], values[:1]),
        valid_from=min(finding.found_at, created),
        valid_until=now + defaults.valid_for,
        description=finding.reason,
        discriminators=discriminators_of(finding),
    )
    return _proposed("publish", indicator, defaults, personal=is_personal(finding))


def _of_network(
    finding: Finding, values: tuple[str, ...], defaults: Defaults, *, now: datetime, ident: UUID, created: datetime
) -> Proposal:
    """An indicator where something foreign can be looked for elsewhere; a note where all of it is the port's own."""
    bound = _kind(finding) if values else ""
    modus = (_MODUS[bound],) if bound in _MODUS else ("account",) if finding.kind is FindingKind.ACCOUNT_FRAUD else ()
    header = _header(finding, defaults, (*modus, _label(finding)), now=now, ident=ident, created=created)
    named, unnamed = _TITLES[finding.kind]
    if _kind(finding) == "flood":
        unnamed = f"Flood of findings of {finding.detector.partition('@')[0]}"
    said = without_inside(finding.reason, finding.inside)
    defaults = replace(defaults, purpose=CYBER_PURPOSE)
    references = [_reference(one) for one in finding.references]
    personal = is_personal(finding)
    if not values:
        note = stix.note(header, content=said, object_refs=[defaults.issuer], abstract=unnamed, references=references)
        return _proposed("report", note, defaults, personal=personal)
    indicator = stix.indicator(
        header,
        name=named.format(values[0])[:200],
        pattern=stix.pattern_equals(_PATHS[bound], values),
        valid_from=min(finding.found_at, created),
        valid_until=now + CYBER_VALID_FOR,
        indicator_types=("malicious-activity" if finding.kind in _MALICIOUS else "anomalous-activity",),
        description=said,
        references=references,
    )
    return _proposed("publish", indicator, defaults, personal=personal)


def _header(
    finding: Finding, defaults: Defaults, labels: tuple[str, ...], *, now: datetime, ident: UUID, created: datetime
) -> stix.Header:
    return stix.Header(
        ident=ident,
        issuer=defaults.issuer,
        created=created,
        modified=now if now > created else None,
        tlp=defaults.tlp,
        confidence=finding.confidence,
        labels=(*labels, *((SINGLE_OPEN_SOURCE,) if finding.single_open_source else ())),
    )


def _proposed(kind: str, said: bytes, defaults: Defaults, *, personal: bool) -> Proposal:
    return Proposal(
        kind=kind,
        objects=(said,),
        tlp=defaults.tlp,
        groups=defaults.groups,
        handling=defaults.handling,
        purpose=defaults.purpose,
        personal_data=personal,
    )


def without_inside(text: str, inside: Iterable[str]) -> str:
    """A text without the port's own things, and without any address that means something in one network only.

    Texts of detectors hold none; but rules of sensors, which they quote, are written by people.
    """
    for own in sorted(filter(None, inside), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(own)}(?!\w)", WITHHELD, text, flags=re.IGNORECASE)
    return without_addresses(text, is_global)


def is_global(text: str) -> bool:
    """Whether an address means the same everywhere, so that others can look for it."""
    try:
        found = ip_address(text)
    except ValueError:
        return False
    return found.is_global and not found.is_multicast


def discriminators_of(finding: Finding, *, suspect: str = "newer") -> Discriminators | None:
    """Which of two tracks is meant. The node cannot know who lies: it proposes the one that appeared later."""
    by_track = {one.track: one for one in finding.discriminators}
    if suspect not in by_track:
        return None
    other = next((_hint(one) for track, one in by_track.items() if track != suspect), None)
    return Discriminators(suspect=_hint(by_track[suspect]), other=other)


def is_personal(finding: Finding) -> bool:
    """Barges (by their ENI) and pleasure craft are somebody's home or boat: their identity is personal data.

    So are addresses and mail addresses that others are told, and whatever is about accounts.
    """
    types = {number for one in finding.discriminators for number in one.ship_types}
    measured = finding.numbers.get("ship_type")
    types |= {int(measured.value)} if measured is not None else set()
    told = _kind(finding) in _PERSONAL and bool(_sayable(finding))
    return told or finding.kind is FindingKind.ACCOUNT_FRAUD or bool(types & PLEASURE_CRAFT)


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


def _kind(finding: Finding) -> str:
    return finding.subjects[0].partition(":")[0]


def _label(finding: Finding) -> str:
    return str(finding.kind).lower().replace("_", "-")


def _sayable(finding: Finding) -> tuple[str, ...]:
    """The values a pattern may bind: those of the first subject's kind that are not the port's own."""
    kind = _kind(finding)
    if kind not in _PATHS:
        return ()
    values = [value for name, _, value in (one.partition(":") for one in finding.subjects) if name == kind]
    is_address = kind in {"ipv4", "ipv6"}
    return tuple(one for one in values if one not in finding.inside and (not is_address or is_global(one)))


def _reference(one: Reference) -> dict[str, str]:
    said = {"source_name": one.source, "external_id": one.ident}
    return said if one.url is None else {**said, "url": one.url}


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
