"""Object by object: who said it, when, under which marking, and whether that can be shown.

An attestation is judged once, by the numbered steps of ``port2port.verify`` under the roster before its entry; then
each object that it names is looked for among its commitments. Three things an attestation alone cannot show, and
nothing here claims: that no sequence number was used twice (step 11), that the log its author had seen is the beginning
of this one (the second half of step 14), and that the object was not changed or retracted later.

What is wrong with one object says nothing about the next.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from port2port import canonical, statement, verify
from port2port.checkpoint import SignedCheckpoint, log_key, parse_proof, verify_cosignatures, verify_log, witnessed
from port2port.errors import ConflictError, MalformedError, Port2PortError
from port2port.fetched.control import Control
from port2port.fetched.spelling import respelled, spellings
from port2port.ids import is_stix_id
from port2port.patterns import TemplateCache
from port2port.statement import ObjectRef, Statement
from port2port.stix import definitions
from port2port.stix.markings import TLP_IDS, effective_marking, marking_definition
from port2port.stix.profile import OUTLET_TYPES
from port2port.stix.validate import StixValidator
from port2port.tlp import UNMARKED, Tlp
from port2port.verify import STEPS, Context, RefusedError, VerifiedEntry, Work
from port2port.wire import encode_envelope

_ATTESTATION: Final = "p2p-attestation"
_TRIED: Final = 16  # attestations that may speak of one object, newest first
_KEYS_STEP: Final = 9
_OBJECT_STEPS: Final = (STEPS[16], STEPS[17])  # ownership and marking, of the object itself


class Verdict(StrEnum):
    """What can be said of one object, best first."""

    PROVED = "proved"
    CONSTANT = "published constant"
    DISPUTED = "disputed"
    UNWITNESSED = "witness missing"
    CONTROL_TOO_OLD = "control entries too old"
    REVOKED = "key revoked before the entry"
    INVALID = "proof not valid"
    MARKING = "marking changed"
    TAMPERED = "tampered"
    UNATTESTED = "no attestation"
    UNREADABLE = "no object"


_RANK: Final = {verdict: number for number, verdict in enumerate(Verdict)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a verified attestation says about its entry."""

    entry: VerifiedEntry
    salts: tuple[bytes, ...]
    witnesses: tuple[str, ...]
    witnessed: bool
    disputed: bool

    @property
    def tlp(self) -> Tlp:
        """The marking that its author signed."""
        said = self.entry.statement.tlp
        return UNMARKED if said is None else said


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One object of the file. ``version`` is what it says of itself; ``proof`` is there where it was proved."""

    id: str
    version: str | None
    verdict: Verdict
    why: str = ""
    proof: Proof | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attestation:
    """A well-formed attestation; nothing in it is believed yet. ``raw`` is its canonical form, all of it."""

    raw: bytes
    data: Mapping[str, Any]

    @property
    def refs(self) -> tuple[str, ...]:
        return tuple(self.data["object_refs"])


class Prover:
    """Judges the objects of one file under one ``Control``."""

    def __init__(self, control: Control) -> None:
        templates = TemplateCache()
        self._control = control
        self._objects = StixValidator(templates)
        self._outlet = StixValidator(templates, types=OUTLET_TYPES)
        self._entries: dict[bytes, Proof | Finding] = {}
        self._notes: dict[bytes, tuple[str, ...]] = {}
        self._roots: dict[int, bytes] = {control.head.size: control.head.root}
        self._by_id: dict[str, list[_Attestation]] = {}

    def prove(self, fetched: Sequence[Any]) -> list[Finding]:
        """A finding for everything in the file but attestations, and for each of those that cannot be read."""
        found: list[Finding] = []
        for value in fetched:
            if isinstance(value, dict) and value.get("type") == _ATTESTATION:
                found += self._take(value)
        self._newest_first()
        others = (value for value in fetched if not isinstance(value, dict) or value.get("type") != _ATTESTATION)
        return found + [self._judge(value) for value in others]

    # --- attestations ---------------------------------------------------------------------------------------------

    def _take(self, value: dict[str, Any]) -> Iterator[Finding]:
        """Keep an attestation, or say why it is none."""
        try:
            raw = canonical.dumps(respelled(value))
            made = _Attestation(raw=raw, data=self._outlet.validate(raw).data)
        except MalformedError as error:
            yield Finding(id=_id(value), version=_version(value), verdict=Verdict.INVALID, why=error.text)
            return
        for ref in made.refs:
            self._by_id.setdefault(ref, []).append(made)

    def _newest_first(self) -> None:
        for listed in self._by_id.values():
            listed.sort(key=lambda item: str(item.data["modified"]), reverse=True)
            del listed[_TRIED:]

    def _proof(self, made: _Attestation) -> Proof | Finding:
        """What the attestation proves; a finding without an object where it proves nothing. Judged once."""
        known = self._entries.get(made.raw)
        if known is None:
            known = self._entries[made.raw] = self._checked(made)
        return known

    def _checked(self, made: _Attestation) -> Proof | Finding:
        try:
            return self._verify(made)
        except RefusedError as error:
            revoked = error.number == _KEYS_STEP and "revoked" in error.text
            verdict = Verdict.REVOKED if revoked else Verdict.INVALID
            return Finding(id="", version=None, verdict=verdict, why=f"step {error.number} {error.name}: {error.text}")
        except Port2PortError as error:
            return Finding(id="", version=None, verdict=Verdict.INVALID, why=error.text)

    def _verify(self, made: _Attestation) -> Proof | Finding:
        data, control = made.data, self._control
        proof = parse_proof(str(data["tlog_proof"]).encode())
        cosigners = self._note(proof.signed)
        if proof.index >= control.head.size:
            why = f"they end before entry {proof.index}: a revocation could be missing; fetch them again"
            return Finding(id="", version=None, verdict=Verdict.CONTROL_TOO_OLD, why=why)
        genesis = control.now.genesis
        work = Work(
            raw=encode_envelope(b64decode(data["signed_statement"]), ()),
            context=Context(
                federation=genesis.federation,
                genesis_hash=control.genesis_hash,
                roster=control.before(proof.index),
                index=proof.index,
                received_ms=data["received_ms"],
                last_seq=lambda _key: None,
                root_at=lambda _size: work.said.log_seen.root,
                validate=self._objects.validate,
                inclusion=proof.verify_leaf,
                objects_required=False,
            ),
        )
        entry = verify.finish(verify.run(STEPS, work))
        salts = tuple(b64decode(salt) for salt in data["salts"])
        if made.refs != tuple(ref.id for ref in entry.statement.objects):
            raise MalformedError("the attestation names other objects than the statement")
        return Proof(
            entry=entry,
            salts=salts,
            witnesses=cosigners,
            witnessed=witnessed(cosigners, control.now.witnesses()),
            disputed=verify.is_disputed(entry.received_ms, entry.voices, control.now),
        )

    def _note(self, signed: SignedCheckpoint) -> tuple[str, ...]:
        """Who co-signed a checkpoint of this log, verified once. Raises SignatureError or ConflictError."""
        known = self._notes.get(signed.note)
        if known is None:
            genesis, head = self._control.now.genesis, signed.checkpoint
            verify_log(signed, log_key(genesis.origin, genesis.log_key))
            if self._roots.setdefault(head.size, head.root) != head.root:
                raise ConflictError("the log signed two roots of one size: keep both files, they convict it")
            cosigned = verify_cosignatures(signed, self._control.now.witness_keys())
            known = self._notes[signed.note] = tuple(item.witness for item in cosigned)
        return known

    # --- objects --------------------------------------------------------------------------------------------------

    def _judge(self, value: Any) -> Finding:
        if not isinstance(value, dict) or not is_stix_id(_id(value)):
            return Finding(id=_id(value), version=None, verdict=Verdict.UNREADABLE, why="without an id, or ambiguous")
        if _is_constant(value):
            return Finding(id=_id(value), version=_version(value), verdict=Verdict.CONSTANT)
        base = Finding(id=_id(value), version=_version(value), verdict=Verdict.UNATTESTED)
        best = base
        for made in self._by_id.get(base.id, ()):
            found = self._against(base, value, made)
            if _RANK[found.verdict] < _RANK[best.verdict] or best is base:
                best = found
        return best

    def _against(self, base: Finding, value: dict[str, Any], made: _Attestation) -> Finding:
        proof = self._proof(made)
        if isinstance(proof, Finding):
            return replace(base, verdict=proof.verdict, why=proof.why)
        at = made.refs.index(base.id)
        ref, salt = proof.entry.statement.objects[at], proof.salts[at]
        for raw in spellings(value):
            if statement.commit(salt, raw) == ref.commitment:
                return self._committed(base, raw, proof)
        if ref.modified is not None and respelled(str(base.version), "modified") != ref.modified:
            return replace(base, why="only another version of it is attested")
        return _changed(base, value, proof, ref, salt)

    def _committed(self, base: Finding, raw: bytes, proof: Proof) -> Finding:
        """The object is the one its author committed to; whether he could say it, and who saw it."""
        said = proof.entry.statement
        try:
            self._require_rightful(raw, proof)
        except Port2PortError as error:
            return replace(base, verdict=Verdict.INVALID, why=error.text)
        found = replace(base, verdict=Verdict.PROVED, proof=proof)
        if proof.disputed:
            why = f"a key of {said.issuer} that signed it was declared stolen as of before"
            return replace(found, verdict=Verdict.DISPUTED, why=why)
        if not proof.witnessed:
            names = ", ".join(proof.witnesses) or "nobody"
            why = f"co-signed by {names}, no majority of the witnesses; fetch the attestation again in some minutes"
            return replace(found, verdict=Verdict.UNWITNESSED, why=why)
        return found

    def _require_rightful(self, raw: bytes, proof: Proof) -> None:
        """Steps 16 to 18 for one object of the entry. Raises ProfileError or PolicyError."""
        entry = proof.entry
        valid = self._objects.validate(raw)
        work = Work(
            raw=b"",
            context=Context(
                federation=self._control.now.genesis.federation,
                genesis_hash=self._control.genesis_hash,
                roster=self._control.before(entry.index),
                index=entry.index,
                received_ms=entry.received_ms,
                last_seq=lambda _key: None,
                root_at=lambda _size: None,
                validate=self._objects.validate,
            ),
            statement=entry.statement,
            objects=[valid],
        )
        verify.run(_OBJECT_STEPS, work)


def _changed(base: Finding, value: dict[str, Any], proof: Proof, ref: ObjectRef, salt: bytes) -> Finding:
    """How it differs from what was committed to: by its marking alone, by a looser marking at least, or otherwise."""
    now = effective_marking(_marking_refs(value))
    label = "without any" if now is None else now.label
    restored = {**value, "object_marking_refs": [TLP_IDS[proof.tlp]]}
    if any(statement.commit(salt, raw) == ref.commitment for raw in spellings(restored)):
        why = f"its author marked it {proof.tlp.label}, it comes marked {label}; nothing else was changed"
        return replace(base, verdict=Verdict.MARKING, why=why)
    why = f"not what {_author(proof.entry.statement)} signed"
    if ref.modified is not None and (now is None or now is not proof.tlp):
        why += f"; marked {label} instead of {proof.tlp.label}"
        return replace(base, verdict=Verdict.MARKING, why=why)
    return replace(base, verdict=Verdict.TAMPERED, why=why)


def _author(said: Statement) -> str:
    return f"{said.issuer} in {said.kind} {said.id}"


def _marking_refs(value: Mapping[str, Any]) -> list[str]:
    whole = value.get("object_marking_refs")
    return [str(ref) for ref in whole] if isinstance(whole, list) else []


def _is_constant(value: Mapping[str, Any]) -> bool:
    """Whether it is a TLP marking definition as published, or a definition of ours, word by word."""
    ident = value.get("id")
    tlp = next((tlp for tlp, ref in TLP_IDS.items() if ref == ident), None)
    own = definitions.definition(str(ident))
    if tlp is None and own is None and ident != definitions.PUBLISHER:
        return False
    if own is not None:
        return canonical.dumps(dict(own)) in spellings(value)
    return (definitions.publisher() if tlp is None else marking_definition(tlp)) in spellings(value)


def _id(value: Any) -> str:
    ident = value.get("id") if isinstance(value, dict) else None
    return ident[:300] if isinstance(ident, str) else ""


def _version(value: Mapping[str, Any]) -> str | None:
    said = value.get("modified", value.get("created"))
    return said[:40] if isinstance(said, str) else None
