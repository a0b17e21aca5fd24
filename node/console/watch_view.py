"""What the pages of the watch show: hits with their handling first, indicators in force, how old the picture is.

Pure: values in, values out. Words are message ids; the templates say them in the reader's language.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import orjson

from node import explain, sightings
from node.hits import Hit
from node.indicators import REAL, Indicator
from node.status import Status
from node.watch import Handling
from port2port.clock import from_ms
from port2port.console.words import N_
from port2port.roster import Roster

FEED_LATE: Final = timedelta(minutes=2)
ENDS_SOON: Final = timedelta(hours=24)
_PATHS: Final = {
    "vessel:mmsi": N_("MMSI"),
    "vessel:imo": N_("IMO number"),
    "vessel:eni": N_("ENI number"),
    "vessel:name": N_("Ship's name"),
    "vessel:call_sign": N_("Call sign"),
    "freight-container:number": N_("Container"),
    "domain-name:value": N_("Domain name"),
    "ipv4-addr:value": N_("Address"),
    "ipv6-addr:value": N_("Address"),
    "email-addr:value": N_("E-mail address"),
    "url:value": N_("Web address"),
    "file:hashes.MD5": N_("File, by its digest"),
    "file:hashes.SHA-1": N_("File, by its digest"),
    "file:hashes.SHA-256": N_("File, by its digest"),
    "x509-certificate:hashes.SHA-1": N_("Certificate, by its digest"),
    "x509-certificate:hashes.SHA-256": N_("Certificate, by its digest"),
    "user-account:account_login": N_("User account"),
    "user-account:user_id": N_("User account"),
    "": N_("Pattern"),
}
_HANDLING: Final = {
    Handling.ACT.value: N_("Act: do what your port's plan says, now."),
    Handling.CALL_FIRST.value: N_("Call first: ring the port that reported it before you do anything."),
    Handling.OBSERVE_ONLY.value: N_("Observe only: watch it. Do not stop, approach or warn it."),
}
_SENT: Final = {
    sightings.SENT: N_("The port that reported it was told by itself: this port and the hour, nothing else."),
    sightings.DUTY_OFFICER: N_("Nothing was sent: this is a protected identity, for the duty officer alone."),
    sightings.NEEDS_OFFICERS: N_("Nothing was sent yet: it holds personal data, so officers decide. See the desk."),
    sightings.QUIET: N_("Nothing was sent: the key behind the indicator is disputed."),
    sightings.OVER_QUOTA: N_("Nothing was sent: this author has had its share of answers for this hour."),
    sightings.MUTED: N_("Nothing was sent: an officer muted this pair."),
    sightings.NOT_THE_SAME: N_("Nothing more is sent: an officer said it is not the same."),
    "own": N_("It is our own indicator: nobody else is told."),
}
_ELSE: Final = N_("Nothing was sent: the indicator hits too much and is held back.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How far what is shown may be believed. ``verified_at`` is None before the first entry."""

    connected: bool
    since: datetime | None
    picture_at: datetime | None
    verified_at: datetime | None
    size: int
    in_force: int
    late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An indicator for the list: names are foreign text."""

    indicator: Indicator
    name: str
    issuer: str
    kind: str
    ends_soon: bool


def health(status: Status, verified_at_ms: int, in_force: int, now: datetime) -> Health:
    """The strip above the watch."""
    at = status.picture_at
    return Health(
        connected=status.connected,
        since=status.since,
        picture_at=at,
        verified_at=from_ms(verified_at_ms) if verified_at_ms else None,
        size=status.size,
        in_force=in_force,
        late=at is None or now - at > FEED_LATE,
    )


def in_force(found: Iterable[Indicator], now: datetime) -> list[Indicator]:
    """Those that the watch runs now; what ends first stands first."""
    valid = [one for one in found if one.may_match and one.realm == REAL and _is_valid(one, now)]
    return sorted(valid, key=lambda one: (one.valid_until is None, one.valid_until or now, one.stix_id))


def listed(found: Iterable[Indicator], roster: Roster, now: datetime) -> list[Listed]:
    """For the table."""
    return [
        Listed(
            indicator=one,
            name=str(orjson.loads(one.stix).get("name", "")),
            issuer=member_name(one.issuer, roster),
            kind=kind_of(one),
            ends_soon=one.valid_until is not None and one.valid_until - now < ENDS_SOON,
        )
        for one in found
    ]


def kinds(found: Iterable[Listed]) -> list[tuple[str, int]]:
    """How many of each kind, the most first."""
    counted: dict[str, int] = {}
    for one in found:
        counted[one.kind] = counted.get(one.kind, 0) + 1
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))


def kind_of(one: Indicator) -> str:
    """The message id of what its pattern looks for first."""
    pattern = str(orjson.loads(one.stix).get("pattern", "")) if one.stix else ""
    at = {path: pattern.find(path) for path in _PATHS if path and path in pattern}
    return _PATHS[min(at, key=lambda path: at[path])] if at else _PATHS[""]


def path_words(path: str) -> str:
    """The message id for a path of a pattern; the path itself where nobody has a word for it."""
    return _PATHS.get(path, path)


def handling_words(handling: str) -> str:
    """What the author asks, as a sentence."""
    return _HANDLING.get(handling, _HANDLING[Handling.OBSERVE_ONLY.value])


def sent_words(state: str) -> str:
    """What was sent of a hit without an officer, as a sentence."""
    return _SENT.get(state, _ELSE)


def member_name(member: str, roster: Roster) -> str:
    """A member by its name."""
    return explain.name_of(member, roster).removesuffix(f" ({member})")


def track_words(track: str | None) -> str:
    """Which ship of a cloned identity."""
    return "" if track is None else sightings.which_ship(track)


def in_order(found: Sequence[Hit]) -> tuple[list[Hit], list[Hit]]:
    """(those that need an answer, the others). What asks for action stands first, then the newest."""
    order = {Handling.ACT.value: 0, Handling.CALL_FIRST.value: 1}
    asking = [one for one in found if one.needs_decision]
    others = [one for one in found if not one.needs_decision]
    return sorted(asking, key=lambda one: (order.get(one.handling, 2), _newest(one))), sorted(others, key=_newest)


def _newest(one: Hit) -> float:
    return -one.sighted.window.last_seen.timestamp()


def _is_valid(one: Indicator, now: datetime) -> bool:
    begun = one.valid_from is None or one.valid_from <= now
    return begun and (one.valid_until is None or now < one.valid_until)
