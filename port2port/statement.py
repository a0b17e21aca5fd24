"""What is signed: who says what to whom, about which objects, under which marking.

A statement is canonical JSON of at most 16 KiB. It commits to its STIX objects by salted digests, so that an
object can be withheld or erased and the statement still verifies. Its field set is closed; a later version
announces fields that a reader must understand in ``crit``.
No statement names a person: officers appear as pseudonyms that only their port can resolve.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import Final

from port2port import canonical
from port2port.canonical import Json
from port2port.clock import from_text, to_text
from port2port.errors import MalformedError
from port2port.ids import FEDERATION_ISSUER, is_key_id, is_member_id, is_statement_id, is_stix_id
from port2port.limits import LIMITS
from port2port.tlp import Tlp
from port2port.tlp import parse as tlp_of

VERSION: Final = 1
_COMMITMENT_TAG: Final = b"\x01"
_HEX32 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_REALM = re.compile(r"real|exercise:[a-z0-9][a-z0-9-]{0,39}", re.ASCII)
_DECIDED = re.compile(r"officer:[A-Za-z0-9_-]{1,40}|rule:[a-z0-9_-]{1,40}@[0-9]{1,6}|coordinators", re.ASCII)
_CONTEXT = re.compile(r"[A-Za-z0-9:._-]{1,80}", re.ASCII)


class StatementError(MalformedError):
    """A field of a statement is missing, of the wrong type, or has a value it cannot have."""

    code = "STATEMENT"


class Kind(Enum):
    """Every kind of statement this version understands; the value is the word on the wire."""

    GENESIS = "genesis"
    ROSTER = "roster"
    REKEY = "rekey"
    REVOKE_KEY = "revoke-key"
    GROUP = "group"
    PUBLISH = "publish"
    SIGHTING = "sighting"
    RETRACT = "retract"
    SUSPEND = "suspend"
    HOLD = "hold"
    COSIGN = "cosign"
    REAFFIRM = "reaffirm"
    RESHARE = "reshare"
    ERASE = "erase"
    NOTE = "note"
    REPORT = "report"
    INCIDENT = "incident"
    LEVEL = "level"
    EXERCISE = "exercise"
    IMPORT = "import"


CONTROL_KINDS: Final = frozenset({"genesis", "roster", "rekey", "revoke-key", "group"})
KIND_NUMBERS: Final[Mapping[str, int]] = {kind.value: number for number, kind in enumerate(Kind, start=1)}
HANDLINGS: Final = frozenset({"act", "call_first", "observe_only"})
# Why personal data may be shared, with its legal basis in Belgian and EU law (closed list, docs/protocol.md).
PURPOSES: Final[Mapping[str, str]] = {
    "isps": "Regulation (EC) 725/2004: security of ships and port facilities",
    "maritime-security": "Belgian Shipping Code, book 2, title 5: maritime security",
    "drug-trafficking": "Directive (EU) 2016/680 and the Belgian National Drugs Commissioner Act",
    "customs": "Regulation (EU) 952/2013: customs risk management",
    "cyber-security": "Directive (EU) 2022/2555 (NIS 2), article 29",
    "critical-entities": "Directive (EU) 2022/2557 (CER)",
    "safety-of-life": "Regulation (EU) 2016/679, article 6(1)(d): vital interests",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRef:
    """What a statement says of one STIX object: its id, version and salted commitment (hex)."""

    id: str
    modified: str | None
    commitment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSeen:
    """The largest checkpoint the author had verified: proof that the statement is not older than it."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """The parsed form. ``signer`` is the key whose sequence ``seq`` counts; ``body`` depends on the kind."""

    kind: str
    issuer: str
    signer: str
    seq: int
    id: str
    issued: datetime
    log_seen: LogSeen
    decided_by: str
    tlp: Tlp | None = None
    groups: tuple[tuple[str, int], ...] = ()
    recipients: tuple[str, ...] = ()
    handling: str | None = None
    purpose: str | None = None
    personal_data: bool = False
    retain_until: datetime | None = None
    context: str | None = None
    realm: str = "real"
    crit: tuple[str, ...] = ()
    objects: tuple[ObjectRef, ...] = ()
    body: Mapping[str, Json] = field(default_factory=dict)
    v: int = VERSION
    unknown: frozenset[str] = frozenset()

    @property
    def is_control(self) -> bool:
        """Whether every member may read it and every node must understand it.

        What the coordinators issue in a kind unknown here counts as control: a node must not pass over it.
        """
        return self.kind in CONTROL_KINDS or (self.issuer == FEDERATION_ISSUER and self.kind not in KIND_NUMBERS)

    def refs(self) -> tuple[tuple[str, str], ...]:
        """(issuer, STIX id) of the objects that a sighting, retraction or suspension acts on; see ``_refs``."""
        return _refs(self.body.get("refs", []))

    @property
    def understood(self) -> bool:
        """Whether this software knows the version, the kind and every critical field."""
        return self.v == VERSION and self.kind in KIND_NUMBERS and _FIELDS.issuperset(self.crit)


def commit(salt: bytes, body: bytes) -> str:
    """The salted commitment of an object: hex of SHA-256(0x01 | salt | object)."""
    return hashlib.sha256(_COMMITMENT_TAG + salt + body).hexdigest()


def encode(statement: Statement) -> bytes:
    """The canonical bytes to sign. ``decode(encode(s)) == s`` for every statement this version can make."""
    data: dict[str, object] = {
        "body": dict(statement.body),
        "context": statement.context,
        "crit": list(statement.crit),
        "decided_by": statement.decided_by,
        "groups": [{"name": name, "version": version} for name, version in statement.groups],
        "handling": statement.handling,
        "id": statement.id,
        "issued": to_text(statement.issued),
        "issuer": statement.issuer,
        "kind": statement.kind,
        "log_seen": {"root": statement.log_seen.root.hex(), "size": statement.log_seen.size},
        "objects": [
            {"commitment": ref.commitment, "id": ref.id, "modified": ref.modified} for ref in statement.objects
        ],
        "personal_data": statement.personal_data,
        "purpose": statement.purpose,
        "realm": statement.realm,
        "recipients": list(statement.recipients),
        "retain_until": None if statement.retain_until is None else to_text(statement.retain_until),
        "seq": statement.seq,
        "signer": statement.signer,
        "tlp": None if statement.tlp is None else statement.tlp.value,
        "v": statement.v,
    }
    raw = canonical.dumps(data)
    decode(raw)
    return raw


def decode(raw: bytes) -> Statement:
    """Parse canonical statement bytes. Raises CanonicalError, TooLargeError or StatementError."""
    return from_json(canonical.loads_object(raw, limit=LIMITS.statement_bytes))


def from_json(data: Mapping[str, Json]) -> Statement:
    """The statement in parsed JSON. Unknown fields are remembered; any name in ``crit`` that this version does not
    have makes it not understood. Raises StatementError.
    """
    unknown = _NOTHING if data.keys() == _FIELDS else _unknown(data)
    kind = _text(data, "kind", 40)
    body = _object(data, "body")
    _refs(body.get("refs", []))
    return Statement(
        v=_integer(data, "v", 1, 1000),
        kind=kind,
        issuer=_checked(data, "issuer", _is_issuer),
        signer=_checked(data, "signer", _is_signer),
        seq=_integer(data, "seq", 1, canonical.SAFE_INTEGER),
        id=_checked(data, "id", is_statement_id),
        issued=_moment(data, "issued"),
        log_seen=_log_seen(data["log_seen"]),
        decided_by=_checked(data, "decided_by", _is_decider),
        tlp=_tlp(data),
        groups=_groups(data["groups"]),
        recipients=_recipients(data["recipients"]),
        handling=_one_of(data, "handling", HANDLINGS),
        purpose=_one_of(data, "purpose", PURPOSES.keys()),
        personal_data=_boolean(data, "personal_data"),
        retain_until=None if data["retain_until"] is None else _moment(data, "retain_until"),
        context=_context(data),
        realm=_checked(data, "realm", _is_realm),
        crit=_crit(data["crit"]),
        objects=_objects(data["objects"]),
        body=body,
        unknown=unknown,
    )


_NAMED: Final = (
    "body context crit decided_by groups handling id issued issuer kind log_seen objects personal_data purpose "
    "realm recipients retain_until seq signer tlp v"
)
_FIELDS: Final = frozenset(_NAMED.split())
_NOTHING: Final[frozenset[str]] = frozenset()
_LOG_SEEN: Final = frozenset({"root", "size"})
_GROUP: Final = frozenset({"name", "version"})
_REF: Final = frozenset({"id", "issuer"})
_OBJECT: Final = frozenset({"commitment", "id", "modified"})
_REMEMBERED: Final = 1_024  # texts that one signer writes again and again are not scanned again and again


@lru_cache(_REMEMBERED)
def _is_issuer(text: str) -> bool:
    return text == FEDERATION_ISSUER or is_member_id(text)


@lru_cache(_REMEMBERED)
def _is_signer(text: str) -> bool:
    return is_key_id(text)


@lru_cache(_REMEMBERED)
def _is_decider(text: str) -> bool:
    return _DECIDED.fullmatch(text) is not None


@lru_cache(_REMEMBERED)
def _is_realm(text: str) -> bool:
    return _REALM.fullmatch(text) is not None


def _unknown(data: Mapping[str, Json]) -> frozenset[str]:
    missing = _FIELDS - data.keys()
    if missing:
        raise StatementError(f"the statement lacks {', '.join(sorted(missing))}")
    return frozenset(data.keys() - _FIELDS)


def _text(data: Mapping[str, Json], name: str, limit: int) -> str:
    value = data[name]
    if not isinstance(value, str) or not 0 < len(value) <= limit:
        raise StatementError(f"{name} must be text of at most {limit} characters")
    return value


def _optional_text(data: Mapping[str, Json], name: str, limit: int) -> str | None:
    return None if data[name] is None else _text(data, name, limit)


def _checked(data: Mapping[str, Json], name: str, check: Callable[[str], object]) -> str:
    value = _text(data, name, 200)
    if not check(value):
        raise StatementError(f"{name} has a value it cannot have")
    return value


def _one_of(data: Mapping[str, Json], name: str, allowed: Container[str]) -> str | None:
    value = _optional_text(data, name, 40)
    if value is not None and value not in allowed:
        raise StatementError(f"{name} is not one of the known values")
    return value


def _integer(data: Mapping[str, Json], name: str, low: int, high: int) -> int:
    value = data[name]
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise StatementError(f"{name} must be an integer from {low} to {high}")
    return value


def _boolean(data: Mapping[str, Json], name: str) -> bool:
    value = data[name]
    if not isinstance(value, bool):
        raise StatementError(f"{name} must be true or false")
    return value


def _moment(data: Mapping[str, Json], name: str) -> datetime:
    try:
        return from_text(_text(data, name, 30))
    except StatementError:
        raise
    except MalformedError as error:
        raise StatementError(f"{name}: {error.text}") from error


def _tlp(data: Mapping[str, Json]) -> Tlp | None:
    word = _optional_text(data, "tlp", 20)
    try:
        return None if word is None else tlp_of(word)
    except MalformedError as error:
        raise StatementError(f"tlp: {error.text}") from error


def _object(data: Mapping[str, Json], name: str) -> dict[str, Json]:
    value = data[name]
    if not isinstance(value, dict):
        raise StatementError(f"{name} must be an object")
    return value


def _list(value: Json, name: str, limit: int) -> list[Json]:
    if not isinstance(value, list) or len(value) > limit:
        raise StatementError(f"{name} must be a list of at most {limit}")
    return value


def _exact(value: Json, name: str, keys: frozenset[str]) -> dict[str, Json]:
    if not isinstance(value, dict) or value.keys() != keys:
        raise StatementError(f"{name} must have exactly {', '.join(sorted(keys))}")
    return value


def _log_seen(value: Json) -> LogSeen:
    data = _exact(value, "log_seen", _LOG_SEEN)
    root = _text(data, "root", 64)
    if not _HEX32.fullmatch(root):
        raise StatementError("log_seen.root must be 64 hexadecimal digits")
    return LogSeen(size=_integer(data, "size", 0, canonical.SAFE_INTEGER), root=bytes.fromhex(root))


def _groups(value: Json) -> tuple[tuple[str, int], ...]:
    out: list[tuple[str, int]] = []
    for item in _list(value, "groups", LIMITS.groups):
        data = _exact(item, "groups", _GROUP)
        out.append((_checked(data, "name", is_member_id), _integer(data, "version", 1, 1_000_000)))
    if sorted(set(out)) != out:
        raise StatementError("groups must be sorted and distinct")
    return tuple(out)


def _recipients(value: Json) -> tuple[str, ...]:
    out = _list(value, "recipients", LIMITS.recipients)
    if not out:
        return ()
    names = [item for item in out if isinstance(item, str) and is_member_id(item)]
    if len(names) != len(out) or sorted(set(names)) != names:
        raise StatementError("recipients must be member ids, sorted and distinct")
    return tuple(names)


def _refs(value: Json) -> tuple[tuple[str, str], ...]:
    out: list[tuple[str, str]] = []
    for item in _list(value, "refs", LIMITS.objects_per_statement):
        data = _exact(item, "refs", _REF)
        out.append((_checked(data, "issuer", is_member_id), _checked(data, "id", is_stix_id)))
    return tuple(out)


def _crit(value: Json) -> tuple[str, ...]:
    out = _list(value, "crit", 16)
    if not out:
        return ()
    names = [item for item in out if isinstance(item, str) and 0 < len(item) <= 40]
    if len(names) != len(out) or sorted(set(names)) != names:
        raise StatementError("crit must be field names, sorted and distinct")
    return tuple(names)


def _context(data: Mapping[str, Json]) -> str | None:
    value = _optional_text(data, "context", 80)
    if value is not None and not _CONTEXT.fullmatch(value):
        raise StatementError("context has a value it cannot have")
    return value


def _objects(value: Json) -> tuple[ObjectRef, ...]:
    out: list[ObjectRef] = []
    for item in _list(value, "objects", LIMITS.objects_per_statement):
        data = _exact(item, "objects", _OBJECT)
        commitment = _text(data, "commitment", 64)
        if not _HEX32.fullmatch(commitment):
            raise StatementError("a commitment must be 64 hexadecimal digits")
        modified = _optional_text(data, "modified", 40)
        out.append(ObjectRef(id=_checked(data, "id", is_stix_id), modified=modified, commitment=commitment))
    if len(out) > 1 and len({ref.id for ref in out}) != len(out):
        raise StatementError("a statement names an object once, in one version")
    return tuple(out)
