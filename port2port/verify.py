"""The ordered checks that turn a ``SignedEnvelope`` into a ``VerifiedEntry``.

The same steps run at the hub's intake, at every receiver and offline; each has a number, its own error code and
a function of its own. What differs is only the context: the roster folded from the entries before, what is known
of earlier sequences and roots, and, for receivers, how inclusion and the checkpoint are shown.

 1 SIZE             bounds of docs/protocol.md
 2 ENCODING         protobuf in its one form, nothing unknown in it, at most 8 signatures and 64 objects
 3 PAYLOAD_TYPE     DSSE payloadType
 4 SIGNATURE_LIST   1 to 8, sorted, distinct
 5 STATEMENT_JSON   canonical JSON, no duplicate keys (RFC 8785, safe subset)
 6 STATEMENT_FIELDS every field there and of its type
 7 UNDERSTOOD       version, kind and critical fields known (a receiver keeps, but never matches, the others:
                    for them the steps 12, 13 and 15 to 18 hold back; an unknown control kind stops it)
 8 ISSUER           a current member under the roster before this entry; the pinned genesis at index 0
 9 KEYS             each key in the roster, of the issuer, not revoked, valid
10 SIGNATURES       every one of them holds (DSSE 1.0.2, RFC 8032, WebAuthn)
11 SEQUENCE         strictly increasing per signing key; the same with other content is equivocation
12 AUTHORITY        the keys that this act needs; the roster chain; a level by the authority of its place
13 AUDIENCE         marking, groups, recipients, purpose; RED is refused until sealed delivery exists
14 TIME             not from the future, not older than 90 days; log_seen fits the tree
15 COMMITMENTS      each object is the one that was committed to
16 OBJECTS          canonical STIX 2.1 of our profile
17 OWNERSHIP        created by the issuer; acts only on its own objects, of one realm; a sighting names what it sights
18 OBJECT_MARKING   no object is marked otherwise than the statement, nor names others' objects to more than may know
19 INCLUSION        the leaf is in the tree (RFC 6962 section 2.1.1)
20 CHECKPOINT       the tree is the one the log signed
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from port2port import canonical, genesis, imported, keys, levels, merkle, roster, sharing, statement
from port2port import envelope as dsse
from port2port.authority import (
    CHAIN_KINDS,
    COORDINATOR_KINDS,
    Voice,
    find_voice,
    is_machine_only,
    require_authority,
    require_plain,
    require_signer,
)
from port2port.canonical import Json
from port2port.clock import to_ms
from port2port.envelope import SignedEnvelope
from port2port.errors import (
    ConflictError,
    InvariantError,
    MalformedError,
    PolicyError,
    Port2PortError,
    TooLargeError,
    VerificationError,
)
from port2port.ids import FEDERATION_ISSUER, identity_of
from port2port.keys import PublicKey
from port2port.limits import LIMITS
from port2port.roster import Roster
from port2port.statement import Statement
from port2port.stix.declared import require_declared
from port2port.stix.validate import ValidObject
from port2port.tlp import UNMARKED, Tlp
from port2port.wire import decode_envelope


class EquivocationError(ConflictError):
    """The same signing key used one sequence number for two different statements."""

    code = "ISSUER_EQUIVOCATION"


class SealedDeliveryError(PolicyError):
    """RED needs delivery sealed to its recipients' keys."""

    code = "RED_REFUSED"


class UpgradeNeededError(PolicyError):
    """A version, kind or critical field that this software does not know.

    Refuses one envelope where a step says it; raised by a reader of the log over a control entry, it stops that reader:
    without the entry nobody can say who may sign what.
    """

    code = "UPGRADE_NEEDED"
    fatal = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is known before this entry. ``roster`` is folded from the entries before ``index``.

    ``last_seq`` gives (sequence, digest) of the newest logged statement of a signing key; ``root_at`` the root of
    a tree size, or None if unknown. ``inclusion`` and ``checkpoint`` raise ProofError or CheckpointError; None
    where the caller makes the log itself. ``objects_required`` is false for readers, since objects can be erased.
    ``realm_of`` gives the realms of objects as earlier entries named them, ``versions_of`` who may read them; the hub
    asks the latter by itself, under its lock.
    """

    federation: str
    genesis_hash: str
    roster: Roster | None
    index: int
    received_ms: int
    last_seq: Callable[[str], tuple[int, bytes] | None]
    root_at: Callable[[int], bytes | None]
    validate: Callable[[bytes], ValidObject]
    inclusion: Callable[[bytes], None] | None = None
    checkpoint: Callable[[], None] | None = None
    objects_required: bool = True
    keep_unknown: bool = False
    realm_of: sharing.RealmOf = sharing.nothing_known
    versions_of: sharing.VersionsOf = sharing.nothing_made


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedEntry:
    """A logged statement that passed every step. Only ``verify`` makes one; stores and matching take nothing else."""

    index: int
    received_ms: int
    digest: bytes
    leaf_hash: bytes
    envelope: SignedEnvelope
    statement: Statement
    voices: tuple[Voice, ...]
    objects: tuple[ValidObject, ...]
    understood: bool
    late: bool
    machine_only: bool


@dataclass(slots=True, kw_only=True)
class Work:
    """What the steps have found so far; each fills in what the next ones need."""

    raw: bytes
    context: Context
    envelope: SignedEnvelope | None = None
    json: Mapping[str, Json] = field(default_factory=dict)
    statement: Statement | None = None
    digest: bytes = b""
    leaf_hash: bytes = b""
    public: list[PublicKey] = field(default_factory=list)
    voices: list[Voice] = field(default_factory=list)
    objects: list[ValidObject] = field(default_factory=list)
    understood: bool = True

    @property
    def sealed(self) -> SignedEnvelope:
        """The decoded envelope, once step 2 has passed."""
        if self.envelope is None:
            raise InvariantError("step 2 has not run")
        return self.envelope

    @property
    def said(self) -> Statement:
        """The parsed statement, once step 6 has passed."""
        if self.statement is None:
            raise InvariantError("step 6 has not run")
        return self.statement

    @property
    def judged_by(self) -> Roster:
        """The roster before this entry. Raises PolicyError at index 0, which only genesis may take."""
        if self.context.roster is None:
            raise PolicyError("the log begins with the genesis")
        return self.context.roster


# What these kinds do to an object, only its own issuer may do; a coordinator's suspend is a kind of its own.
OWN_ONLY: Final = frozenset({"retract", "hold", "reaffirm", "reshare", "erase"})


@dataclass(frozen=True, slots=True)
class Step:
    """A numbered check."""

    number: int
    name: str
    check: Callable[[Work], None]


def _size(work: Work) -> None:
    if len(work.raw) > LIMITS.envelope_bytes:
        raise TooLargeError(f"an envelope of {len(work.raw)} bytes; at most {LIMITS.envelope_bytes} are allowed")


def _encoding(work: Work) -> None:
    work.envelope = decode_envelope(work.raw)


def _payload_type(work: Work) -> None:
    if work.sealed.payload_type != dsse.PAYLOAD_TYPE:
        raise MalformedError("the payload is not a statement of version 1")


def _signature_list(work: Work) -> None:
    ids = [item.key_id for item in work.sealed.signatures]
    if not 1 <= len(ids) <= LIMITS.signatures_per_envelope or sorted(set(ids)) != ids:
        raise MalformedError("1 to 8 signatures, sorted by key id and distinct, are allowed")
    if any(len(item.sig) > LIMITS.signature_bytes or len(item.key_id) != 64 for item in work.sealed.signatures):
        raise MalformedError("a signature or key id has a length it cannot have")


def _statement_json(work: Work) -> None:
    work.json = canonical.loads_object(work.sealed.statement, limit=LIMITS.statement_bytes)


def _statement_fields(work: Work) -> None:
    work.statement = statement.from_json(work.json)
    work.digest = dsse.digest_of(work.sealed.statement)


def _understood(work: Work) -> None:
    work.understood = work.said.understood
    if work.understood:
        return
    if not work.context.keep_unknown or work.said.is_control:
        raise UpgradeNeededError("a version, kind or critical field is unknown here: upgrade", kind=work.said.kind)


def _issuer(work: Work) -> None:
    said, context = work.said, work.context
    if said.kind == "genesis":
        genesis.pinned(work.sealed.statement, context.genesis_hash)
        if context.index != 0 or context.roster is not None:
            raise PolicyError("a genesis stands at index 0 only")
        return
    current = work.judged_by.is_member(said.issuer)
    if said.kind in COORDINATOR_KINDS:
        if said.issuer != FEDERATION_ISSUER:
            raise PolicyError("only the coordinators issue this kind")
    elif not current:
        raise PolicyError("the issuer is not a current member")


def _keys(work: Work) -> None:
    for item in work.sealed.signatures:
        public, voice = find_voice(work.said, item.key_id, work.context.roster, work.context.received_ms)
        work.public.append(public)
        work.voices.append(voice)


def _signatures(work: Work) -> None:
    if len(work.public) != len(work.sealed.signatures):
        raise InvariantError("step 9 has not run")
    message = dsse.pae(work.sealed.payload_type, work.sealed.statement)
    for item, public in zip(work.sealed.signatures, work.public, strict=True):
        keys.verify(public, message, item.sig)


def _sequence(work: Work) -> None:
    last = work.context.last_seq(work.said.signer)
    if last is None or work.said.seq > last[0]:
        return
    if work.said.seq == last[0] and last[1] != work.digest:
        raise EquivocationError("this key signed another statement with the same sequence number")
    raise ConflictError("the sequence number was used before", last=last[0])


def _authority(work: Work) -> None:
    said = work.said
    if not work.understood:
        require_signer(said, work.voices)
        return
    threshold = genesis.from_statement(said).threshold if said.kind == "genesis" else work.judged_by.threshold
    require_authority(said, work.voices, threshold)
    if said.kind == "level":
        levels.require_competent(said, work.judged_by)
    if said.kind in CHAIN_KINDS or said.kind == "rekey":
        next_roster(work.judged_by, work)


def next_roster(before: Roster, work: Work) -> Roster:
    """The roster after this control entry. Raises RosterError or RosterConflictError."""
    return roster.apply(
        before, work.said, digest=work.digest, index=work.context.index, received_ms=work.context.received_ms
    )


def _audience(work: Work) -> None:
    said = work.said
    if not work.understood:
        return
    if said.is_control:
        require_plain(said)
        return
    named = bool(said.groups or said.recipients)
    tlp = UNMARKED if said.tlp is None else said.tlp
    if tlp is Tlp.RED:
        raise SealedDeliveryError("TLP:RED is refused: not before sealed delivery exists")
    if tlp in {Tlp.CLEAR, Tlp.GREEN} and named:
        raise PolicyError(f"{tlp.label} goes to all members; naming groups or recipients contradicts it")
    for name, version in said.groups:
        if work.judged_by.group(name, version) is None:
            raise PolicyError("a sharing group of this version does not exist", group=name)
    for member in said.recipients:
        if member not in work.judged_by.member_table:
            raise PolicyError("a recipient is not in the roster", recipient=member)
    if said.personal_data and said.purpose is None:
        raise PolicyError("personal data needs a purpose with a legal basis")
    levels.require_for_all(said)


def _time(work: Work) -> None:
    said, received_ms = work.said, work.context.received_ms
    issued_ms = to_ms(said.issued)
    if issued_ms > received_ms + LIMITS.clock_ahead_ms:
        raise PolicyError("issued in the future: check the node's clock", ahead_ms=issued_ms - received_ms)
    if issued_ms < received_ms - LIMITS.max_age_ms:
        raise PolicyError("issued more than 90 days ago: look at it again before it goes out")
    if said.log_seen.size > work.context.index or work.context.root_at(said.log_seen.size) != said.log_seen.root:
        raise PolicyError("log_seen does not fit the log: its author saw another one, or invented it")


def _commitments(work: Work) -> None:
    said, objects = work.said, work.sealed.objects
    if not work.understood:
        return
    if not objects and said.objects and not work.context.objects_required:
        return
    if len(objects) != len(said.objects):
        raise MalformedError("the envelope does not hold the objects its statement names")
    for item, ref in zip(objects, said.objects, strict=True):
        if len(item.salt) != LIMITS.salt_bytes or statement.commit(item.salt, item.body) != ref.commitment:
            raise MalformedError("an object is not the one its author committed to", id=ref.id)


def _objects(work: Work) -> None:
    if not work.understood:
        return
    for item, ref in zip(work.sealed.objects, work.said.objects, strict=False):
        found = work.context.validate(item.body)
        if (found.id, found.data.get("modified")) != (ref.id, ref.modified):
            raise MalformedError("an object has another id or version than its statement says", id=ref.id)
        work.objects.append(found)


def _ownership(work: Work) -> None:
    said = work.said
    if not work.understood:
        return
    sharing.require_one_realm(said, work.context.realm_of)
    own = identity_of(work.context.federation, said.issuer)
    for item in work.objects:
        if said.kind != "import" and item.created is not None and item.type != "marking-definition":
            _require_author(item, own)
    for item in work.objects:
        if item.type == "sighting":
            _require_named(item, said)
    if said.kind in OWN_ONLY and any(issuer != said.issuer for issuer, _stix_id in said.refs()):
        raise PolicyError(f"a {said.kind} acts on its issuer's own objects only")
    if said.kind in {"retract", "suspend"} and not said.refs():
        raise PolicyError(f"a {said.kind} names the objects it acts on")
    if said.kind == imported.KIND:
        authors = [(item.id, item.created_by_ref) for item in work.objects]
        imported.require(said, authors, roster=work.judged_by, federation=work.context.federation)


def _require_author(item: ValidObject, own: str) -> None:
    author = item.id if item.type == "identity" and item.created_by_ref is None else item.created_by_ref
    if author != own:
        raise PolicyError("an object was created by somebody else, or does not say by whom", id=item.id)


def _require_named(item: ValidObject, said: Statement) -> None:
    named = {stix_id for _issuer, stix_id in said.refs()} | {ref.id for ref in said.objects}
    if item.data["sighting_of_ref"] not in named:
        raise PolicyError("a sighting is of an object that its statement names: else its audience is judged by nobody")


def _object_marking(work: Work) -> None:
    require_declared(work.said, work.objects)
    tlp = UNMARKED if work.said.tlp is None else work.said.tlp
    for item in work.objects:
        if item.type == "marking-definition" or (item.created is None and not item.marking_refs):
            continue
        if item.tlp is not tlp:
            raise PolicyError(f"an object is not marked {tlp.label} as its statement is", id=item.id)
    context = work.context
    if context.roster is not None and context.versions_of is not sharing.nothing_made:
        sharing.require_named_no_wider(
            work.said, [item.data for item in work.objects], context.versions_of, context.roster
        )


def _inclusion(work: Work) -> None:
    data = dsse.leaf_data(
        kind=work.said.kind,
        received_ms=work.context.received_ms,
        digest=work.digest,
        signatures=work.sealed.signatures,
    )
    work.leaf_hash = merkle.leaf_hash(data)
    if work.context.inclusion is not None:
        work.context.inclusion(work.leaf_hash)


def _checkpoint(work: Work) -> None:
    if work.context.checkpoint is not None:
        work.context.checkpoint()


STEPS: Final[tuple[Step, ...]] = tuple(
    Step(number, name, check)
    for number, (name, check) in enumerate(
        (
            ("SIZE", _size),
            ("ENCODING", _encoding),
            ("PAYLOAD_TYPE", _payload_type),
            ("SIGNATURE_LIST", _signature_list),
            ("STATEMENT_JSON", _statement_json),
            ("STATEMENT_FIELDS", _statement_fields),
            ("UNDERSTOOD", _understood),
            ("ISSUER", _issuer),
            ("KEYS", _keys),
            ("SIGNATURES", _signatures),
            ("SEQUENCE", _sequence),
            ("AUTHORITY", _authority),
            ("AUDIENCE", _audience),
            ("TIME", _time),
            ("COMMITMENTS", _commitments),
            ("OBJECTS", _objects),
            ("OWNERSHIP", _ownership),
            ("OBJECT_MARKING", _object_marking),
            ("INCLUSION", _inclusion),
            ("CHECKPOINT", _checkpoint),
        ),
        start=1,
    )
)
SEQUENCE_STEP: Final = STEPS[10]
BEFORE_SIGNATURES: Final = STEPS[:9]
# What must be judged again if the roster moved between verification and commit: no cryptography among it.
ROSTER_STEPS: Final = (STEPS[7], STEPS[8], STEPS[11], STEPS[12])


# For a chain of control entries without their tree: all but sequence, log_seen, inclusion and checkpoint.
CONTROL_LOG_STEPS: Final = tuple(step for step in STEPS if step.number not in {11, 14, 19, 20})


class RefusedError(VerificationError):
    """One envelope was refused by a numbered step."""

    code = "REFUSED"

    def __init__(self, text: str, /, *, step: Step, cause: Port2PortError) -> None:
        super().__init__(text, step=step.number, name=step.name, cause=cause.code)
        self.number = step.number
        self.name = step.name
        self.cause_code = cause.code


def run(steps: Sequence[Step], work: Work) -> Work:
    """Run ``steps`` in order. Raises RefusedError for the first that refuses."""
    for step in steps:
        try:
            step.check(work)
        except Port2PortError as error:
            raise RefusedError(error.text, step=step, cause=error) from error
    return work


def finish(work: Work) -> VerifiedEntry:
    """The verified entry of a work that has passed all its steps."""
    age_ms = work.context.received_ms - to_ms(work.said.issued)
    return VerifiedEntry(
        index=work.context.index,
        received_ms=work.context.received_ms,
        digest=work.digest,
        leaf_hash=work.leaf_hash,
        envelope=work.sealed,
        statement=work.said,
        voices=tuple(work.voices),
        objects=tuple(work.objects),
        understood=work.understood,
        late=age_ms > LIMITS.late_ms,
        machine_only=is_machine_only(work.voices),
    )


def verify(raw: bytes, context: Context, steps: Sequence[Step] = STEPS) -> VerifiedEntry:
    """Every step over one serialised Envelope. Raises RefusedError with the number of the step."""
    return finish(run(steps, Work(raw=raw, context=context)))


def is_disputed(entry_received_ms: int, voices: Sequence[Voice], now: Roster) -> bool:
    """Whether a key that signed was later revoked as of a time before the entry was logged."""
    for voice in voices:
        key = now.keys.get(voice.key_id)
        if key is not None and key.invalid_since_ms is not None and entry_received_ms >= key.invalid_since_ms:
            return True
    return False
