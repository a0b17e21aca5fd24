"""What coordinators decide, on their own machine: proposals that gather signatures until the log will take them.

The hub never holds a coordinator's key. It hands out a *control log* (every control entry, with a checkpoint);
a coordinator folds it from the pinned genesis, makes the next statement of the chain, and passes the proposal to
the next coordinator until the threshold is reached. The result is an envelope like any other, which
``port2port-hub admit`` takes and every member verifies.

Files, canonical JSON: proposal {"signatures": [{"key_id", "sig"}], "statement": base64, "type": "proposal", "v": 1};
genesis proposal {"body": {...}, "type": "genesis-proposal", "v": 1}; control log {"checkpoint": note, "entries":
[{"envelope", "index", "received_ms"}], "type": "control-log", "v": 1}.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from port2port import canonical, keys, merkle, statement, verify
from port2port import envelope as dsse
from port2port.authority import BY_COORDINATORS, CHAIN_KINDS, COORDINATOR_KINDS
from port2port.canonical import Json
from port2port.checkpoint import SignedCheckpoint, log_key, verify_log
from port2port.envelope import PAYLOAD_TYPE, Signature
from port2port.errors import ConflictError, MalformedError, PolicyError
from port2port.genesis import Genesis, from_b64, from_statement, pinned, to_b64
from port2port.ids import FEDERATION_ISSUER, is_key_id
from port2port.join_request import JoinRequest
from port2port.key_request import KeyRequest
from port2port.keys import Ed25519Key, PublicKey
from port2port.limits import LIMITS, MIB
from port2port.roster import Roster, apply, found
from port2port.statement import LogSeen, Statement
from port2port.stix.validate import ValidObject
from port2port.tlp import Tlp
from port2port.verify import Context, Work
from port2port.wire import decode_envelope, encode_envelope, encode_signed

CONTROL_LOG_BYTES: Final = 32 * MIB
PROPOSAL_BYTES: Final = 256 * 1024
_KEY_OPS: Final = ("add-key", "add-witness-key")
_FAR_MS: Final = 2**47  # when a proposal will be logged is not known yet; only a future revocation could mind


class ProposalError(MalformedError):
    """Not a proposal, join request or control log."""

    code = "PROPOSAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlLog:
    """The coordinators' picture: the roster, the checkpoint they saw it under, and the last sequence of each key.

    ``rosters`` are (index of a control entry as the hub says it, the roster after it), in log order.
    """

    roster: Roster
    seen: LogSeen
    genesis_hash: str
    last_seq: Mapping[str, int] = field(default_factory=dict)
    rosters: tuple[tuple[int, Roster], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A statement on its way from coordinator to coordinator."""

    statement: bytes
    signatures: tuple[Signature, ...] = ()

    @property
    def parsed(self) -> Statement:
        """What it would say."""
        return statement.decode(self.statement)

    def signed_by(self, key: Ed25519Key) -> Proposal:
        """The same with this coordinator's signature added. Raises ConflictError if it is there already."""
        if key.key_id in {item.key_id for item in self.signatures}:
            raise ConflictError("this coordinator has signed the proposal already")
        more = dsse.sign(self.statement, [key])
        return replace(self, signatures=tuple(sorted((*self.signatures, *more), key=lambda item: item.key_id)))

    def envelope(self) -> bytes:
        """The serialised envelope, whether or not enough have signed."""
        # Signatures of a file are checked by ``missing`` first.
        return encode_envelope(encode_signed(PAYLOAD_TYPE, self.statement, self.signatures), ())

    def encode(self) -> bytes:
        """The bytes of a proposal file."""
        return canonical.dumps(
            {
                "signatures": [{"key_id": item.key_id, "sig": to_b64(item.sig)} for item in self.signatures],
                "statement": to_b64(self.statement),
                "type": "proposal",
                "v": 1,
            }
        )


def decode_proposal(raw: bytes) -> Proposal:
    """Parse a proposal file. Raises ProposalError; signatures are checked against the roster by ``missing``."""
    data = document(raw, "proposal", {"signatures", "statement"}, PROPOSAL_BYTES)
    body, listed = data["statement"], data["signatures"]
    if not isinstance(body, str) or not isinstance(listed, list) or len(listed) > LIMITS.signatures_per_envelope:
        raise ProposalError("a proposal has a statement and at most 8 signatures")
    out: list[Signature] = []
    for item in listed:
        if not isinstance(item, dict) or item.keys() != {"key_id", "sig"}:
            raise ProposalError("a signature has key_id and sig")
        key_id = str(item["key_id"])
        if not is_key_id(key_id):
            raise ProposalError("a key id is 64 hexadecimal digits")
        out.append(Signature(key_id=key_id, sig=from_b64(str(item["sig"]))))
    if sorted({item.key_id for item in out}) != [item.key_id for item in out]:
        raise ProposalError("signatures are sorted by key id and distinct")
    return Proposal(statement=from_b64(body), signatures=tuple(out))


def document(raw: bytes, kind: str, fields: set[str], limit: int) -> dict[str, Json]:
    """One of our JSON files: its type, version and fields are checked. Raises ProposalError."""
    data = canonical.loads_object(raw.rstrip(b"\n"), limit=limit)
    if data.get("type") != kind or data.get("v") != 1 or data["v"] is True or data.keys() != fields | {"type", "v"}:
        raise ProposalError(f"this is not a {kind} file of version 1", found=str(data.get("type"))[:40])
    return data


def type_of(raw: bytes) -> str:
    """Which of our JSON files this is. Raises CanonicalError or TooLargeError."""
    return str(canonical.loads_object(raw.rstrip(b"\n"), limit=CONTROL_LOG_BYTES).get("type"))


def propose_genesis(body: Mapping[str, Json], *, key: Ed25519Key, issued: datetime, new_id: uuid.UUID) -> Proposal:
    """The genesis statement over a body that ``port2port-hub init`` prepared; not yet signed.

    Raises GenesisError if the body is not a genesis or does not name ``key`` as coordinator.
    """
    made = Statement(
        kind="genesis",
        issuer=FEDERATION_ISSUER,
        signer=key.key_id,
        seq=1,
        id=f"urn:uuid:{new_id}",
        issued=issued,
        log_seen=LogSeen(size=0, root=merkle.EMPTY_ROOT),
        decided_by=BY_COORDINATORS,
        body=dict(body),
    )
    genesis = from_statement(made)
    if key.key_id not in {item.key_id for item in genesis.coordinators}:
        raise PolicyError("the genesis does not name this coordinator")
    return Proposal(statement=statement.encode(made))


def propose(
    control: ControlLog,
    kind: str,
    ops: Sequence[Mapping[str, Json]],
    *,
    key: Ed25519Key | PublicKey,
    seq: int,
    issued: datetime,
    new_id: uuid.UUID,
) -> Proposal:
    """The next statement of the chain, counted by ``key``, which must be among those that sign; not yet signed.

    Raises RosterError or RosterConflictError if it cannot apply.
    """
    body: dict[str, Json] = {
        "ops": [dict(op) for op in ops],
        "prev": control.roster.prev,
        "version": control.roster.version + 1,
    }
    made = Proposal(statement=_statement(control, kind, body, key=key, seq=seq, issued=issued, new_id=new_id))
    require_sound(made, control)
    return made


def require_sound(proposal: Proposal, control: ControlLog) -> None:
    """That a proposal, perhaps by somebody else, is one for coordinators to sign and would apply to this roster.

    Raises PolicyError, RosterError or RosterConflictError.
    """
    said = proposal.parsed
    if said.issuer != FEDERATION_ISSUER or said.kind not in COORDINATOR_KINDS - {"genesis"} or not said.understood:
        raise PolicyError("this is not a statement that coordinators make")
    if said.decided_by != BY_COORDINATORS or said.signer not in control.roster.coordinators:
        raise PolicyError("the proposal does not come from a coordinator")
    if said.kind in CHAIN_KINDS:
        digest = dsse.digest_of(proposal.statement)
        apply(control.roster, said, digest=digest, index=control.seen.size, received_ms=_FAR_MS)


def require_asked(proposal: Proposal, request: JoinRequest | KeyRequest) -> None:
    """That a proposal gives a member the very keys of this request, and nobody another one. Raises PolicyError.

    Who compared the fingerprint of the request by telephone then knows what the first coordinator's proposal says.
    """
    ops = proposal.parsed.body.get("ops")
    given = [op for op in ops if isinstance(op, dict) and op.get("op") in _KEY_OPS] if isinstance(ops, list) else []
    asked: list[dict[str, Json]] = [
        {"op": "add-key", "member": request.member, "key": item.public.to_json(), "pseudonym": item.pseudonym}
        for item in request.keys
    ]
    if isinstance(request, JoinRequest):
        asked.append({"op": "add-witness-key", "member": request.member, "public": to_b64(request.witness_key)})
    found = [{name: value for name, value in op.items() if name != "not_after_ms"} for op in given]
    if sorted(map(canonical.dumps, found)) != sorted(map(canonical.dumps, asked)):
        raise PolicyError("the proposal gives other keys than this request asks for: sign nothing, and ask who made it")


def gives_keys(proposal: Proposal) -> bool:
    """Whether a proposal gives a member keys, which somebody asked for with a fingerprint."""
    ops = proposal.parsed.body.get("ops")
    return isinstance(ops, list) and any(isinstance(op, dict) and op.get("op") in _KEY_OPS for op in ops)


def propose_suspension(
    control: ControlLog,
    *,
    issuer: str,
    stix_id: str,
    reason: str,
    tlp: Tlp,
    groups: tuple[tuple[str, int], ...],
    key: Ed25519Key,
    seq: int,
    issued: datetime,
    new_id: uuid.UUID,
) -> Proposal:
    """The suspension of another's object: one coordinator suffices. Raises StatementError for a wrong id or group."""
    made = Statement(
        kind="suspend",
        issuer=FEDERATION_ISSUER,
        signer=key.key_id,
        seq=seq,
        id=f"urn:uuid:{new_id}",
        issued=issued,
        log_seen=control.seen,
        decided_by=BY_COORDINATORS,
        tlp=tlp,
        groups=groups,
        body={"reason": reason[:300], "refs": [{"id": stix_id, "issuer": issuer}]},
    )
    return Proposal(statement=statement.encode(made))


def _statement(
    control: ControlLog,
    kind: str,
    body: Mapping[str, Json],
    *,
    key: Ed25519Key | PublicKey,
    seq: int,
    issued: datetime,
    new_id: uuid.UUID,
) -> bytes:
    return statement.encode(
        Statement(
            kind=kind,
            issuer=FEDERATION_ISSUER,
            signer=key.key_id,
            seq=seq,
            id=f"urn:uuid:{new_id}",
            issued=issued,
            log_seen=control.seen,
            decided_by=BY_COORDINATORS,
            body=dict(body),
        )
    )


def missing(proposal: Proposal, coordinators: Mapping[str, PublicKey], threshold: int) -> int:
    """How many signatures are still needed. Raises PolicyError or SignatureError for one that does not count."""
    message = dsse.pae(PAYLOAD_TYPE, proposal.statement)
    for item in proposal.signatures:
        known = coordinators.get(item.key_id)
        if known is None:
            raise PolicyError("the proposal is signed by a key that is no coordinator's")
        keys.verify(known, message, item.sig)
    needed = 1 if proposal.parsed.kind == "suspend" else threshold
    return max(0, needed - len({item.key_id for item in proposal.signatures}))


def read_control_log(raw: bytes, genesis_hash: str) -> ControlLog:
    """Fold a control log from the pinned genesis.

    Every entry is verified but for its place in the tree: the chain of versions leaves no room for another order,
    and the checkpoint is signed by the log. Raises the first error.
    """
    data = document(raw, "control-log", {"checkpoint", "entries"}, CONTROL_LOG_BYTES)
    entries, note = data["entries"], data["checkpoint"]
    if not isinstance(entries, list) or not entries or not isinstance(note, str):
        raise ProposalError("a control log has entries and a checkpoint")
    genesis: Genesis | None = None
    roster: Roster | None = None
    last_seq: dict[str, int] = {}
    rosters: list[tuple[int, Roster]] = []
    before = (-1, 0)
    for item in entries:
        work = _control_work(item, genesis, genesis_hash, roster)
        before = _require_later(before, work.context)
        verify.run(verify.CONTROL_LOG_STEPS, work)
        last_seq[work.said.signer] = work.said.seq
        if work.said.kind == "genesis":
            genesis = pinned(work.sealed.statement, genesis_hash)
            roster = found(genesis, work.digest)
        elif roster is not None:
            roster = verify.next_roster(roster, work)
        if roster is not None:
            rosters.append((work.context.index, roster))
    if genesis is None or roster is None:
        raise ProposalError("the control log does not begin with the genesis")
    head = verify_log(SignedCheckpoint.parse(note.encode()), log_key(genesis.origin, genesis.log_key))
    if head.size <= before[0]:
        raise ProposalError("the control log reaches beyond its checkpoint")
    seen = LogSeen(size=head.size, root=head.root)
    return ControlLog(roster=roster, seen=seen, genesis_hash=genesis_hash, last_seq=last_seq, rosters=tuple(rosters))


def _require_later(before: tuple[int, int], context: Context) -> tuple[int, int]:
    """Log order: indices rise, and the hub's time never falls."""
    if context.index <= before[0] or context.received_ms < before[1]:
        raise ProposalError("the control log is not in log order")
    return context.index, context.received_ms


def encode_control_log(entries: Sequence[tuple[int, int, bytes]], note: str) -> bytes:
    """The control log file of (index, received_ms, envelope) and a checkpoint note."""
    return canonical.dumps(
        {
            "checkpoint": note,
            "entries": [
                {"envelope": to_b64(envelope), "index": index, "received_ms": received_ms}
                for index, received_ms, envelope in entries
            ],
            "type": "control-log",
            "v": 1,
        }
    )


def _no_objects(_raw: bytes) -> ValidObject:
    raise PolicyError("a control statement has no objects")


def _control_work(item: Json, genesis: Genesis | None, genesis_hash: str, roster: Roster | None) -> Work:
    if not isinstance(item, dict) or item.keys() != {"envelope", "index", "received_ms"}:
        raise ProposalError("an entry of the control log lacks a part")
    index, received_ms = item["index"], item["received_ms"]
    if not isinstance(index, int) or not isinstance(received_ms, int) or min(index, received_ms) < 0:
        raise ProposalError("index and received_ms are numbers from 0")
    raw = from_b64(str(item["envelope"]))
    said = decode_envelope(raw)
    name = pinned(said.statement, genesis_hash).federation if genesis is None else genesis.federation
    return Work(
        raw=raw,
        context=Context(
            federation=name,
            genesis_hash=genesis_hash,
            roster=roster,
            index=index,
            received_ms=received_ms,
            last_seq=lambda _key: None,
            root_at=lambda _size: None,
            validate=_no_objects,
        ),
    )
