"""The file with which a coordinator invites a port: where the hub is, whom to trust, and a token used once.

It travels outside the federation (by hand or sealed mail). Whoever reads it first can enrol in the port's place;
the fingerprint that both sides compare by telephone before approval is what stops him from getting a voice.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from port2port import canonical
from port2port.canonical import Json
from port2port.clock import from_text, to_text
from port2port.errors import MalformedError
from port2port.ids import is_federation_name, is_member_id
from port2port.limits import LIMITS

TOKEN_BYTES: Final = 16
_HEX32: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TOKEN: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_ADDRESS: Final = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9a-fA-F:.]{2,45}\]):([1-9][0-9]{0,4})", re.ASCII)
_FIELDS: Final = frozenset(
    ["ca", "enrolment", "expires", "federation", "genesis", "hub", "member", "node", "token", "v"]
)
_CA_CHARS: Final = 4_000
_NODE_MAX: Final = 9_999
_PORT_MAX: Final = 65_535


class InvitationError(MalformedError):
    """Not an invitation file."""

    code = "INVITATION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """``hub`` and ``enrolment`` are host:port; ``genesis`` is the trust anchor in hex; ``ca`` is PEM."""

    federation: str
    genesis: str
    hub: str
    enrolment: str
    ca: str
    member: str
    node: int
    token: bytes
    expires: datetime

    def to_bytes(self) -> bytes:
        """Canonical JSON. Raises InvitationError where a field has a value it cannot have."""
        raw = canonical.dumps(
            {
                "ca": self.ca,
                "enrolment": self.enrolment,
                "expires": to_text(self.expires),
                "federation": self.federation,
                "genesis": self.genesis,
                "hub": self.hub,
                "member": self.member,
                "node": self.node,
                "token": self.token.hex(),
                "v": 1,
            }
        )
        parse(raw)
        return raw


def parse(raw: bytes) -> Invitation:
    """The reverse of ``to_bytes``; a line end after the JSON is allowed. Raises InvitationError."""
    try:
        data = canonical.loads_object(raw.rstrip(b"\r\n"), limit=LIMITS.invitation_bytes)
        return _from_json(data)
    except InvitationError:
        raise
    except MalformedError as error:
        raise InvitationError(f"not an invitation: {error.text}") from error


def is_address(text: str) -> bool:
    """Whether ``text`` is host:port, an IPv6 host in brackets."""
    match = _ADDRESS.fullmatch(text)
    return match is not None and int(match.group(1)) <= _PORT_MAX


def _from_json(data: dict[str, Json]) -> Invitation:
    if data.keys() != _FIELDS or data["v"] != 1 or isinstance(data["v"], bool):
        raise InvitationError("an invitation of version 1 has exactly " + ", ".join(sorted(_FIELDS)))
    node = data["node"]
    if not isinstance(node, int) or isinstance(node, bool) or not 1 <= node <= _NODE_MAX:
        raise InvitationError("node must be a number from 1 to 9999")
    return Invitation(
        federation=_text(data, "federation", is_federation_name),
        genesis=_text(data, "genesis", _HEX32.fullmatch),
        hub=_text(data, "hub", is_address),
        enrolment=_text(data, "enrolment", is_address),
        ca=_text(data, "ca", lambda text: len(text) <= _CA_CHARS and text.startswith("-----BEGIN CERTIFICATE-----")),
        member=_text(data, "member", is_member_id),
        node=node,
        token=bytes.fromhex(_text(data, "token", _TOKEN.fullmatch)),
        expires=from_text(_text(data, "expires", len)),
    )


def _text(data: dict[str, Json], name: str, check: Callable[[str], object]) -> str:
    value = data[name]
    if not isinstance(value, str) or not check(value):
        raise InvitationError(f"{name} has a value it cannot have")
    return value
