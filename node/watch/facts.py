"""An observation as flat facts under the paths that patterns use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from node.observations import AisPosition, AisStatic, Observation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import datetime

    from port2port.geo import Position
    from port2port.patterns import Value

# What network sensors see.
NETWORK_TYPES: Final = frozenset(
    {
        "domain-name",
        "email-addr",
        "file",
        "ipv4-addr",
        "ipv6-addr",
        "mac-addr",
        "url",
        "user-account",
        "x509-certificate",
    }
)
_NUMBERS: Final = frozenset({"network-traffic:dst_port", "network-traffic:src_port"})


class ObservedFacts(Protocol):
    """What matching needs: facts such as ``{"vessel:mmsi": "205123456"}``, when (aware UTC) and where."""

    @property
    def facts(self) -> Mapping[str, Value]: ...
    @property
    def observed_at(self) -> datetime: ...
    @property
    def position(self) -> Position | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The facts of one observation."""

    facts: Mapping[str, Value]
    observed_at: datetime
    position: Position | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyFacts:
    """The facts of a record that has several values of a path: addresses, names, digests, as text."""

    facts: Mapping[str, tuple[str, ...]]
    observed_at: datetime

    def about(self, path: str, value: str) -> Facts:
        """One value, and what else is said of an object of its type: the first of each other path."""
        kind = f"{_type_of(path)}:"
        rest = {
            other: _number(other, values[0])
            for other, values in self.facts.items()
            if other != path and other.startswith(kind)
        }
        return Facts(facts={path: _number(path, value), **rest}, observed_at=self.observed_at)

    def views(self, types: Collection[str]) -> Iterator[Facts]:
        """Objects of some types, so many that each value stands in one."""
        known = {path: values for path, values in self.facts.items() if values and _type_of(path) in types}
        for place in range(max(map(len, known.values()), default=0)):
            facts = {path: _number(path, values[min(place, len(values) - 1)]) for path, values in known.items()}
            yield Facts(facts=facts, observed_at=self.observed_at)


def _type_of(path: str) -> str:
    return path.partition(":")[0]


def _number(path: str, value: str) -> Value:
    """Ports are numbers in STIX."""
    return int(value) if path in _NUMBERS else value


def facts_of_ais(seen: Observation) -> Facts:
    """One AIS message by itself, nothing joined from others: two ships with one number must stay two."""
    found = _of_position(seen) if isinstance(seen, AisPosition) else _of_static(seen)
    facts = {f"vessel:{name}": value for name, value in found.items() if value is not None}
    position = seen.position if isinstance(seen, AisPosition) else None
    return Facts(facts=facts, observed_at=seen.observed_at, position=position)


def _of_position(seen: AisPosition) -> dict[str, Value | None]:
    return {
        "mmsi": f"{seen.mmsi:09d}",
        "speed_kn": seen.speed_kn,
        "course_deg": seen.course_deg,
        "heading_deg": seen.heading_deg,
        "nav_status": seen.nav_status,
    }


def _of_static(seen: AisStatic) -> dict[str, Value | None]:
    return {
        "mmsi": f"{seen.mmsi:09d}",
        "imo": None if seen.imo is None else f"{seen.imo:07d}",
        "eni": seen.eni,
        "name": seen.name,
        "call_sign": seen.callsign,
        "ship_type": seen.ship_type,
        "length_m": seen.length_m,
        "beam_m": seen.beam_m,
        "destination": seen.destination,
    }
