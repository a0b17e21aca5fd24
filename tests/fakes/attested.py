"""What a hub serves by TAXII beside objects: attestations of the entries of a ``FakeLog``, honest or not."""

from __future__ import annotations

import json
import uuid
from typing import Any

from port2port import merkle, statement, verify
from port2port.checkpoint import TlogProof, format_proof
from port2port.clock import from_ms
from port2port.envelope import digest_of, leaf_data
from port2port.ids import FEDERATION_ISSUER
from port2port.stix import outlets
from port2port.stix.objects import Header
from port2port.tlp import UNMARKED
from port2port.verify import Work
from port2port.wire import decode_envelope
from tests.fakes.trust_log import FakeLog


def attestation(
    log: FakeLog, index: int, *, witnesses: tuple[str, ...] = (), size: int | None = None, later_ms: int = 0
) -> dict[str, Any]:
    """As JSON, under the checkpoint of now (or of ``size``); ``later_ms`` makes it a later version of itself."""
    envelope = decode_envelope(log.raws[index])
    said = statement.decode(envelope.statement)
    signed = log.checkpoint(size, witnesses)
    path = merkle.inclusion_proof(lambda start, end: log.leaves[start:end], index=index, size=signed.checkpoint.size)
    received_ms = log.entries[index].received_ms
    header = Header(
        ident=uuid.UUID(int=0),
        issuer=log.fed.identity(FEDERATION_ISSUER),
        created=from_ms(received_ms),
        modified=from_ms(received_ms + later_ms),
        tlp=UNMARKED if said.tlp is None else said.tlp,
    )
    raw = outlets.attestation(
        header,
        digest=digest_of(envelope.statement),
        objects=[(ref.id, item.salt) for ref, item in zip(said.objects, envelope.objects, strict=True)],
        signed_statement=envelope.signed,
        received_ms=received_ms,
        tlog_proof=format_proof(TlogProof(index=index, path=path, signed=signed)).decode(),
    )
    found: dict[str, Any] = json.loads(raw)
    return found


def objects_of(log: FakeLog, index: int) -> list[dict[str, Any]]:
    """The entry's objects as JSON."""
    return [json.loads(item.body) for item in decode_envelope(log.raws[index]).objects]


def force(log: FakeLog, raw: bytes) -> int:
    """What a hub that does not check would do: log the envelope whatever it is; its index."""
    envelope = decode_envelope(raw)
    said = statement.decode(envelope.statement)
    work = Work(raw=raw, context=log.context(), envelope=envelope, statement=said)
    work.digest = digest_of(envelope.statement)
    data = leaf_data(
        kind=said.kind,
        received_ms=work.context.received_ms,
        digest=work.digest,
        signatures=envelope.signatures,
    )
    work.leaf_hash = merkle.leaf_hash(data)
    log.put(raw, verify.finish(work))
    return len(log.raws) - 1
