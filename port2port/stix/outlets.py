"""Building what an outlet says beside the objects: the security level of a port, and the proof of an entry.

Made from the log by whoever serves it, with ids that follow from the entry: serving it again gives the same object.
No statement carries them; a level counts by its statement, and an attestation by what it proves.
"""

from __future__ import annotations

import uuid
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace

from port2port import canonical, clock, ids
from port2port.canonical import Json
from port2port.levels import Level
from port2port.stix.markings import TLP_IDS
from port2port.stix.objects import Header, build
from port2port.stix.profile import ATTESTATION_EXTENSION, EXERCISE_EXTENSION, LEVEL_EXTENSION


def level(header: Header, said: Level, *, digest: bytes) -> bytes:
    """A change of a security level as its statement says it; ``digest`` is the name of the entry."""
    return build(
        "p2p-level",
        _of_entry(header, "p2p-level", digest),
        port=said.locode,
        level=said.level,
        effective=clock.to_text(said.effective),
        reason=said.reason,
        extensions={LEVEL_EXTENSION: {"extension_type": "new-sdo"}},
    )


def attestation(
    header: Header,
    *,
    digest: bytes,
    objects: Sequence[tuple[str, bytes]],
    signed_statement: bytes,
    received_ms: int,
    tlog_proof: str,
    exercise: str | None = None,
) -> bytes:
    """The proof of one entry: its signed statement, the salt of each object (by id), and the way to a checkpoint.

    ``tlog_proof`` is a C2SP tlog-proof of the leaf. Who has the object puts it into its canonical form, salts and
    hashes it, and finds the commitment in the statement. What proves an entry of an exercise says so as well.

    Spelled here and not by ``stix2``, which is a hundred times slower and would find nothing to change (a test shows
    it): an outlet makes one for each entry of the log.
    """
    extensions: dict[str, Json] = {ATTESTATION_EXTENSION: {"extension_type": "new-sdo"}}
    if exercise is not None:
        extensions[EXERCISE_EXTENSION] = {"extension_type": "property-extension", "exercise": exercise}
    head = _of_entry(header, "p2p-attestation", digest)
    found: dict[str, Json] = {
        "type": "p2p-attestation",
        "spec_version": "2.1",
        "id": f"p2p-attestation--{head.ident}",
        "created_by_ref": head.issuer,
        "created": clock.to_text(head.created),
        "modified": clock.to_text(head.modified or head.created),
        "object_refs": [ident for ident, _ in objects],
        "salts": [b64encode(salt).decode() for _, salt in objects],
        "signed_statement": b64encode(signed_statement).decode(),
        "received_ms": received_ms,
        "tlog_proof": tlog_proof,
        "extensions": extensions,
    }
    if head.tlp is not None:
        found["object_marking_refs"] = [TLP_IDS[head.tlp]]
    return canonical.dumps(found)


def _of_entry(header: Header, kind: str, digest: bytes) -> Header:
    return replace(header, ident=uuid.uuid5(ids.NAMESPACE, f"{kind}/{digest.hex()}"))
