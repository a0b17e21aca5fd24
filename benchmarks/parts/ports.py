"""Ports of the bench: members that joined by the real enrolment, and the envelopes they would send.

Objects come from the product's builders. Building one through stix2 costs milliseconds, so that one is built and the
others are the same bytes with another id and another ship; every statement is encoded, signed and sealed for itself.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from port2port import envelope as dsse
from port2port import statement, wire
from port2port.ids import identity_of
from port2port.keys import Ed25519Key
from port2port.limits import LIMITS
from port2port.statement import LogSeen, ObjectRef, Statement
from port2port.stix import objects as stix
from port2port.tlp import Tlp
from port2port.v1 import exchange_pb2

MMSI: Final = "205000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Where a port's connection finds what it needs, and whom it calls."""

    address: str
    ca: Path
    certificate: Path
    key: Path


@dataclass(slots=True, kw_only=True)
class BenchPort:
    """A member with its signing keys; ``counted`` is the last sequence number of each key."""

    federation: str
    member: str
    pseudonym: str
    machine: Ed25519Key
    officer: Ed25519Key
    tls: TlsFiles
    counted: dict[str, int] = field(default_factory=dict)

    def envelopes(self, count: int, seen: LogSeen, *, signatures: int = 1) -> list[bytes]:
        """Serialised envelopes of one indicator each, TLP:GREEN.

        One signature is the officer's alone; two are the machine's and the officer's, as a node with an officer at
        the desk sends them. Machine-only statements are a matter of quotas (600 an hour), so there are none here.
        """
        now = datetime.now(UTC)
        template, ident = self._indicator(now)
        signers = [self.officer] if signatures == 1 else [self.machine, self.officer]
        return [self._envelope(template, ident, now, seen, signers) for _ in range(count)]

    def _indicator(self, now: datetime) -> tuple[bytes, uuid.UUID]:
        ident = uuid.uuid4()
        header = stix.Header(
            ident=ident, issuer=identity_of(self.federation, self.member), created=now, tlp=Tlp.GREEN, confidence=70
        )
        made = stix.indicator(
            header,
            name="cloned identity",
            description="Two transmitters use one number, 31 km apart.",
            pattern=stix.pattern_equals("vessel:mmsi", [MMSI]),
            valid_from=now,
            valid_until=now + timedelta(days=14),
        )
        return made, ident

    def _envelope(
        self, template: bytes, ident: uuid.UUID, now: datetime, seen: LogSeen, signers: Sequence[Ed25519Key]
    ) -> bytes:
        fresh = uuid.uuid4()
        ship = b"205%06d" % secrets.randbelow(1_000_000)
        body = template.replace(str(ident).encode(), str(fresh).encode()).replace(MMSI.encode(), ship)
        item = dsse.SaltedObject(salt=secrets.token_bytes(LIMITS.salt_bytes), body=body)
        ref = ObjectRef(
            id=f"indicator--{fresh}",
            modified=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            commitment=statement.commit(item.salt, body),
        )
        signer = signers[0].key_id
        self.counted[signer] = self.counted.get(signer, 0) + 1
        said = Statement(
            kind="publish",
            issuer=self.member,
            signer=signer,
            seq=self.counted[signer],
            id=f"urn:uuid:{uuid.uuid4()}",
            issued=now,
            log_seen=seen,
            decided_by=f"officer:{self.pseudonym}",
            tlp=Tlp.GREEN,
            handling="call_first",
            objects=(ref,),
        )
        raw = statement.encode(said)
        return wire.encode_envelope(wire.encode_signed(dsse.PAYLOAD_TYPE, raw, dsse.sign(raw, signers)), (item,))


def requests_of(envelopes: Sequence[bytes], batch: int) -> list[bytes]:
    """Serialised SubmitRequests of ``batch`` envelopes each, numbered from 1: the client only has to write them."""
    return [
        exchange_pb2.SubmitRequest(batch_id=number, envelopes=envelopes[start : start + batch]).SerializeToString()
        for number, start in enumerate(range(0, len(envelopes), batch), start=1)
    ]
