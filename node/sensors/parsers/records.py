"""What the parsers of network sensors share: one line of JSON into a ``Record``, whatever is in it.

Suricata and Zeek change their logs from version to version, and whoever sends packets writes part of them. So no key
is required but the time, no type is believed, and everything is cut to a size: how many values a path has, how long
each is. What is not as expected is left out; only a line that is no object with a time is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, NamedTuple

import orjson

from node.observations import SourceClass
from node.records import Endpoint
from port2port.errors import MalformedError
from port2port.patterns.spelling import domain as spelled_domain
from port2port.patterns.spelling import spelled_text

RECORD_BYTES: Final = 256 * 1024  # Suricata may log a payload with its alert
VALUES: Final = 64  # of one path
VALUE_CHARS: Final = 2_048
TEXT_CHARS: Final = 512
CLOCK_AHEAD: Final = timedelta(minutes=5)
FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
PORTS: Final = range(1, 65_536)
_DIGITS: Final = {32: "MD5", 40: "SHA-1", 64: "SHA-256", 128: "SHA-512"}
_HEX: Final = re.compile(r"[0-9a-f]+")
_LABEL: Final = r"[^\s.@:/\\\"'<>()\[\],;*]"
_DOMAIN: Final = re.compile(rf"(?=.{{4,253}}\Z)(?:{_LABEL}{{1,63}}\.)+(?!\d){_LABEL}{{2,63}}")
_MAILBOX: Final = re.compile(r"[^\s@<>\"]{1,64}@[^\s@<>\"]{1,253}")

Fields = Mapping[str, object]


class RecordError(MalformedError):
    """A line of a network sensor that is no record: it is put aside, and the next one is read."""

    code = "RECORD"


class SensorLine(NamedTuple):
    """One line of a log, with the sensor it came from. ``digest`` is its SHA-256."""

    sensor: str
    source_class: SourceClass
    received_at: datetime
    data: bytes
    digest: bytes


class Facts:
    """Collects values under the paths of patterns: each once, in the spelling in which values are compared."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, None]] = {}

    def add(self, path: str, value: object) -> None:
        """A value; what is no text, empty or too long is left out."""
        if isinstance(value, str) and value and len(value) <= VALUE_CHARS:
            found = self._found.setdefault(path, {})
            if len(found) < VALUES:
                found[spelled_text(path, value)] = None

    def address(self, value: object) -> str | None:
        """An address of either family; what it is, in one spelling."""
        known = address_of(value)
        if known is None:
            return None
        path, text = known
        found = self._found.setdefault(path, {})
        if len(found) < VALUES:
            found[text] = None
        return text

    def domain(self, value: object) -> None:
        """The name of a host; an address is taken for what it is, and a port behind either is left out."""
        if not isinstance(value, str) or not 0 < len(value) <= TEXT_CHARS:
            return
        bare = value[1:].partition("]")[0] if value.startswith("[") else value
        host = bare.partition(":")[0] if bare.count(":") == 1 else bare
        if self.address(host) is None and _DOMAIN.fullmatch(name := spelled_domain(host)):
            self.add("domain-name:value", name)

    def mailbox(self, value: object) -> str | None:
        """An e-mail address, also with a name before it; the address."""
        found = mailbox_of(value)[1]
        if found is not None:
            self.add("email-addr:value", found)
        return found

    def digest(self, kind: str, value: object) -> None:
        """A digest of a file or a certificate, which its length names; colons between its bytes are left out."""
        if not isinstance(value, str) or len(value) > VALUE_CHARS:
            return
        text = value.replace(":", "").lower()
        if len(text) in _DIGITS and _HEX.fullmatch(text):
            self.add(f"{kind}:hashes.{_DIGITS[len(text)]}", text)

    def url(self, host: object, place: object, port: object = None) -> None:
        """The address that was asked for, put together from the parts that logs have."""
        if not isinstance(place, str):
            return
        if place.startswith(("http://", "https://")):
            self.add("url:value", place)
        elif isinstance(host, str) and host and place.startswith("/"):
            known = isinstance(port, int) and port in PORTS and ":" not in host
            self.add("url:value", f"http://{host}:{port}{place}" if known else f"http://{host}{place}")

    def ends(self, source: Endpoint | None, target: Endpoint | None) -> None:
        """Both ends of a connection."""
        for end, name in ((source, "src"), (target, "dst")):
            if end is not None:
                self.address(end.address)
                self._found[f"network-traffic:{name}_ref.value"] = {end.address: None}
                if end.port is not None:
                    self._found[f"network-traffic:{name}_port"] = {str(end.port): None}

    def done(self) -> dict[str, tuple[str, ...]]:
        """All values, by path."""
        return {path: tuple(values) for path, values in self._found.items() if values}


def fields_of(line: SensorLine) -> Fields:
    """The object in a line. Raises RecordError."""
    if len(line.data) > RECORD_BYTES:
        raise RecordError("the line is too long", sensor=line.sensor)
    try:
        found = orjson.loads(line.data)
    except orjson.JSONDecodeError as error:
        raise RecordError("the line is not JSON", sensor=line.sensor) from error
    if not isinstance(found, dict):
        raise RecordError("the line is no object", sensor=line.sensor)
    return found


def observed_at(value: object, line: SensorLine) -> datetime:
    """The time of a record: ISO 8601 or seconds since 1970. Raises RecordError where it is none or lies ahead."""
    found = _moment(value)
    if found is None or found < FIRST:
        raise RecordError("the line has no time", sensor=line.sensor)
    if found - line.received_at > CLOCK_AHEAD:
        raise RecordError("the clock of the sensor is ahead", sensor=line.sensor)
    return found


def text_of(value: object, most: int = TEXT_CHARS) -> str | None:
    """A text, cut to a length; None for what is none."""
    return value[:most] if isinstance(value, str) and value else None


def number_of(value: object, default: int = 0) -> int:
    """A whole number of at most 63 bits."""
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return value if whole and isinstance(value, int) else default


def table_of(value: object) -> Fields:
    """A nested object, empty for what is none; of a list, its first."""
    if isinstance(value, list):
        value = value[0] if value else None
    return value if isinstance(value, dict) else {}


def tables_of(value: object) -> Iterator[Fields]:
    """The objects of a list, or the one object."""
    return (one for one in many(value) if isinstance(one, dict))


def many(value: object) -> list[object]:
    """The parts of a list, at most ``VALUES``; anything else is one."""
    if isinstance(value, list):
        return value[:VALUES]
    return [] if value is None else [value]


def endpoint(address: object, port: object = None) -> Endpoint | None:
    """One end of a connection; None without a right address."""
    known = address_of(address)
    if known is None:
        return None
    whole = isinstance(port, int) and not isinstance(port, bool) and port in PORTS
    return Endpoint(address=known[1], port=port if whole and isinstance(port, int) else None)


def address_of(value: object) -> tuple[str, str] | None:
    """(path, text) of an address of either family, None for what is none."""
    return _address(value) if isinstance(value, str) and len(value) <= _ADDRESS_CHARS else None


_ADDRESS_CHARS: Final = 64


@lru_cache(maxsize=65_536)
def _address(text: str) -> tuple[str, str] | None:
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return f"ipv{found.version}-addr:value", found.compressed


def mailbox_of(value: object) -> tuple[str | None, str | None]:
    """(name, address) of ``Name <box@host>`` or of an address alone."""
    if not isinstance(value, str) or len(value) > TEXT_CHARS:
        return None, None
    name, address = parseaddr(value.strip())
    if not _MAILBOX.fullmatch(address):
        return name or None, None
    return name or None, spelled_text("email-addr:value", address)


def _moment(value: object) -> datetime | None:
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found = datetime.fromtimestamp(value, UTC)
        else:
            return None
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
