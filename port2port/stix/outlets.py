"""Building what an outlet says beside the objects: the security level of a port, and the proof of an entry.

Made from the log by whoever serves it, with ids that follow from the entry: serving it again gives the same object.
No statement carries them; a level counts by its statement, and an attestation by what it proves.
"""

from __future__ import annotations

import uuid
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace

from port2port import clock, ids
from port2port.levels import Level
from port2port.stix.objects import Header, build
from port2port.stix.profile import ATTESTATION_EXTENSION, LEVEL_EXTENSION


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
) -> bytes:
    """The proof of one entry: its signed statement, the salt of each object (by id), and the way to a checkpoint.

    ``tlog_proof`` is a C2SP tlog-proof of the leaf. Who has the object puts it into its canonical form, salts and
    hashes it, and finds the commitment in the statement.
    """
    return build(
        "p2p-attestation",
        _of_entry(header, "p2p-attestation", digest),
        object_refs=[ident for ident, _ in objects],
        salts=[b64encode(salt).decode() for _, salt in objects],
        signed_statement=b64encode(signed_statement).decode(),
        received_ms=received_ms,
        tlog_proof=tlog_proof,
        extensions={ATTESTATION_EXTENSION: {"extension_type": "new-sdo"}},
    )


def _of_entry(header: Header, kind: str, digest: bytes) -> Header:
    return replace(header, ident=uuid.uuid5(ids.NAMESPACE, f"{kind}/{digest.hex()}"))
