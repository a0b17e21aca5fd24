"""Split by audience, sign, enqueue, freeze the evidence: one transaction, or nothing at all.

Before a sequence is taken or a key touched, the statement goes through the same numbered steps that hub and
receivers run, so that what would be refused there is refused here, with the same words, while the officer is still
looking. TLP:RED ends here: not before sealed delivery exists.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy.engine import Connection

from node import drafts, evidence, indicators, store
from node.drafts import Draft, Proposal
from node.outbox import Outbox, Queued
from node.warning_lists.gate import Gate
from port2port import canonical, imported, sharing, verify
from port2port import statement as stm
from port2port.authority import Voice
from port2port.canonical import SAFE_INTEGER, Json
from port2port.clock import to_ms
from port2port.envelope import PAYLOAD_TYPE, SaltedObject, SignedEnvelope
from port2port.errors import PolicyError
from port2port.keys import PublicKey, SigningKey
from port2port.limits import KIB, LIMITS
from port2port.roster import Roster
from port2port.statement import LogSeen, ObjectRef, Statement
from port2port.stix.validate import ValidObject
from port2port.tlp import Tlp
from port2port.verify import Context, SealedDeliveryError, Work

# Issuer, authority, audience, time, commitments, objects, ownership, marking: all that needs no signature.
_STEPS: Final = (verify.STEPS[7], *verify.STEPS[11:18])
_SIGNATURES_BYTES: Final = 64 * KIB  # room in an envelope for what is not objects
_NO_COMMITMENT: Final = "0" * 64


class OfficerError(PolicyError):
    """This officer's key may not sign for this port; the text says why."""

    code = "OFFICER"


class UnknownGroupError(PolicyError):
    """A sharing group that the roster does not know."""

    code = "UNKNOWN_GROUP"


class WiderError(PolicyError):
    """It would tell of another's object more readers, or under a weaker marking, than its author allowed."""

    code = "WIDER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """This port as somebody who says things: with its machine key at once, with a desk key where officers sign later.

    ``desk`` are further machine-class keys: each is held by one act that waits for signatures (``node.desk_keys``).
    ``gate`` is asked before an indicator is published; None where nothing can be (tests, and what only retracts).
    """

    federation: str
    genesis_hash: str
    member: str
    outbox: Outbox
    validate: Callable[[bytes], ValidObject]
    desk: tuple[Outbox, ...] = ()
    gate: Gate | None = None

    def outbox_of(self, key_id: str) -> Outbox | None:
        """The outbox of the machine key or of a desk key; None where this node does not hold that key."""
        return next((one for one in (self.outbox, *self.desk) if one.key_id == key_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Officer:
    """A person at work, by pseudonym, with the key he unlocked."""

    pseudonym: str
    key: SigningKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Under whose authority something is said, when, and what is known then."""

    roster: Roster
    decided_by: str
    now: datetime
    officers: tuple[Officer, ...] = ()
    realm: str = "real"


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A statement with its objects and their salts. ``seq`` counts nothing before the outbox has numbered it."""

    statement: Statement
    objects: tuple[SaltedObject, ...]


def publish(connection: Connection, author: Author, proposal: Proposal, act: Act) -> list[Queued]:
    """The statements that say it, signed and queued. Raises the error of the first rule in the way; then nothing
    is written, because the caller's transaction ends."""
    for officer in act.officers:
        require_officer(act.roster, author.member, officer, act.now)
    voices = [voice_of(author.member, officer.pseudonym, officer.key.key_id) for officer in act.officers]
    made = compose(connection, author, proposal, act, voices=voices)
    keys = [officer.key for officer in act.officers]
    at_ms = to_ms(act.now)
    return [
        author.outbox.sign(connection, one.statement, officers=keys, objects=one.objects, at_ms=at_ms) for one in made
    ]


def compose(
    connection: Connection,
    author: Author,
    proposal: Proposal,
    act: Act,
    *,
    voices: Sequence[Voice],
    signer: str | None = None,
    context: str | None = None,
) -> list[Composed]:
    """The statements that would say it, asked of every rule in the way and neither numbered nor signed.

    ``signer`` is the key that will number them (the machine key without it), ``voices`` the officers who will sign.
    Raises as ``publish``.
    """
    if act.realm == sharing.REAL:
        require_unlisted(connection, author, proposal.kind, proposal.objects, decided_by=act.decided_by, now=act.now)
    made = [
        _statement(connection, author, part, act, signer=signer or author.outbox.key_id, context=context)
        for part in split(proposal, author.validate)
    ]
    for one in made:
        sharing.require_one_realm(one.statement, partial(store.realm_of, connection))
        rehearse(one, author, act.roster, act.now, voices)
        _require_no_wider(connection, one.statement, act.roster)
        _require_named_no_wider(connection, one, author, act.roster)
    return made


def require_unlisted(
    connection: Connection, author: Author, kind: str, objects: Sequence[bytes], *, decided_by: str, now: datetime
) -> None:
    """That no indicator among these names what is listed or protected. Raises as ``Gate.require``."""
    if author.gate is not None and kind in indicators.CARRIERS:
        author.gate.require(connection, objects, decided_by=decided_by, now=now)


def release(connection: Connection, author: Author, draft: Draft, proposal: Proposal, act: Act) -> list[Queued]:
    """Publish a draft as decided, freeze the raw lines behind it and close it: one transaction.

    Raises as ``publish``, or DraftDecidedError.
    """
    queued = publish(connection, author, proposal, act)
    for item in queued:
        evidence.freeze(connection, draft.evidence, item.statement_id, by=act.decided_by, at_ms=to_ms(act.now))
    said = replace(draft, proposal=proposal, statements=tuple(item.statement_id for item in queued))
    who = act.decided_by.partition(":")[2]
    drafts.decide(connection, said, state=drafts.PUBLISHED, officer=who, reason="", now=act.now)
    return queued


def split(proposal: Proposal, validate: Callable[[bytes], ValidObject]) -> list[Proposal]:
    """One audience and one effective marking per statement, and no statement or envelope over its bound.

    Raises SealedDeliveryError for RED and ProfileError for an object that is not valid.
    """
    if proposal.tlp is Tlp.RED:
        raise SealedDeliveryError("TLP:RED is refused: not before sealed delivery exists")
    by_marking: dict[Tlp, list[bytes]] = {}
    for raw in proposal.objects:
        by_marking.setdefault(validate(raw).tlp or proposal.tlp, []).append(raw)
    if Tlp.RED in by_marking:
        raise SealedDeliveryError("an object is marked TLP:RED, which is refused: not before sealed delivery exists")
    if not by_marking:
        return [proposal]
    return [
        replace(proposal, tlp=tlp, objects=tuple(chunk), body=_body_of(proposal, chunk, validate))
        for tlp, objects in sorted(by_marking.items(), key=lambda item: item[0].strictness)
        for chunk in _chunks(proposal, objects)
    ]


def _body_of(
    proposal: Proposal, objects: Sequence[bytes], validate: Callable[[bytes], ValidObject]
) -> Mapping[str, Json]:
    """The body for these objects alone: an import says nothing of what was left out of it."""
    if proposal.kind != imported.KIND:
        return proposal.body
    return imported.imported_in(proposal.body).only([validate(raw).id for raw in objects]).to_body()


def require_officer(roster: Roster, member: str, officer: Officer, now: datetime) -> None:
    """That the roster knows this key as this officer's, today. Raises OfficerError."""
    officers_key(roster, member, officer.pseudonym, officer.key.key_id, now)


def officers_key(roster: Roster, member: str, pseudonym: str, key_id: str, now: datetime) -> PublicKey:
    """The public half of an officer's key, as the roster has it today. Raises OfficerError."""
    known = roster.keys.get(key_id)
    if known is None:
        raise OfficerError(f"the key of {pseudonym} is not in the roster: ask the coordinators to add it")
    if known.member != member or known.public.key_class != "officer":
        raise OfficerError(f"this key is not an officer's key of {member}")
    if known.pseudonym != pseudonym:
        raise OfficerError(f"this is the key of {known.pseudonym}, not of {pseudonym}: give your own pseudonym")
    if known.revoked_index is not None:
        raise OfficerError(f"the key of {pseudonym} was revoked")
    if to_ms(now) > known.not_after_ms:
        raise OfficerError(f"the key of {pseudonym} has expired: it needs a rekey")
    return known.public


def voice_of(member: str, pseudonym: str, key_id: str) -> Voice:
    """An officer of ours as somebody who signs."""
    return Voice(key_id=key_id, owner=member, key_class="officer", pseudonym=pseudonym)


def groups_now(roster: Roster, names: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """The newest version of each group. Raises UnknownGroupError, which names those there are."""
    known = sorted({name for name, _ in roster.groups})
    found = []
    for name in sorted(set(names)):
        version = roster.latest_group(name)
        if version is None:
            raise UnknownGroupError(f"there is no sharing group {name[:40]}; there are: {', '.join(known) or 'none'}")
        found.append((name, version))
    return tuple(found)


def draft_statement(member: str, proposal: Proposal, roster: Roster, *, now: datetime, seen: LogSeen) -> Statement:
    """The statement a proposal would become, without its objects: enough to ask who would read it."""
    return Statement(
        kind=proposal.kind,
        issuer=member,
        signer=_NO_COMMITMENT,
        seq=SAFE_INTEGER,
        id=f"urn:uuid:{uuid.uuid4()}",
        issued=now,
        log_seen=seen,
        decided_by="rule:none@0",
        tlp=proposal.tlp,
        groups=tuple(sorted({*groups_now(roster, proposal.groups), *proposal.fixed_groups})),
        recipients=tuple(sorted(set(proposal.recipients))),
        handling=proposal.handling,
        purpose=proposal.purpose,
        personal_data=proposal.personal_data,
        body=dict(proposal.body),
    )


def log_seen(connection: Connection) -> LogSeen:
    """The largest checkpoint this node has verified."""
    head = store.head(connection)
    return LogSeen(size=head.size, root=head.frontier.root())


def _statement(
    connection: Connection, author: Author, part: Proposal, act: Act, *, signer: str, context: str | None
) -> Composed:
    salted = tuple(SaltedObject(salt=secrets.token_bytes(LIMITS.salt_bytes), body=raw) for raw in part.objects)
    bare = draft_statement(author.member, part, act.roster, now=act.now, seen=log_seen(connection))
    statement = replace(
        bare,
        signer=signer,
        decided_by=act.decided_by,
        context=context,
        realm=act.realm,
        objects=tuple(_ref(author.validate(item.body), stm.commit(item.salt, item.body)) for item in salted),
    )
    return Composed(statement=statement, objects=salted)


def _ref(found: ValidObject, commitment: str) -> ObjectRef:
    modified: Json = found.data.get("modified")
    return ObjectRef(id=found.id, modified=modified if isinstance(modified, str) else None, commitment=commitment)


def rehearse(said: Composed, author: Author, roster: Roster, now: datetime, officers: Sequence[Voice]) -> None:
    """What hub and receivers will ask, asked before signing. Raises RefusedError."""
    statement, salted = said.statement, said.objects
    raw = stm.encode(statement)
    seen = statement.log_seen
    voices = [Voice(key_id=statement.signer, owner=author.member, key_class="machine"), *officers]
    work = Work(
        raw=raw,
        statement=statement,
        envelope=SignedEnvelope(signed=b"", payload_type=PAYLOAD_TYPE, statement=raw, signatures=(), objects=salted),
        voices=voices,
        context=Context(
            federation=author.federation,
            genesis_hash=author.genesis_hash,
            roster=roster,
            index=seen.size,
            received_ms=to_ms(now),
            last_seq=lambda _key: None,
            root_at=lambda size: seen.root if size == seen.size else None,
            validate=author.validate,
        ),
    )
    verify.run(_STEPS, work)


def _require_no_wider(connection: Connection, statement: Statement, roster: Roster) -> None:
    """What refers to another's indicator goes to nobody who may not read that. Raises WiderError."""
    for key in indicators.keys_in(statement):
        target = indicators.get(connection, key)
        if key[1] == statement.issuer or target is None or not target.stix:
            continue
        decision = sharing.no_wider_than(sharing.audience_of(statement), target.audience, roster)
        if not decision:
            why = " ".join(reason.sentence for reason in decision.reasons)
            raise WiderError(f"this refers to an indicator of {key[1]}: {why}", id=key[2])


def _require_named_no_wider(connection: Connection, said: Composed, author: Author, roster: Roster) -> None:
    """The same of what its objects name: ends of a relationship, objects of a note or report. Raises WiderError.

    The hub asks so, too, of all that we may read; what we have not read stays as it is.
    """
    objects = [author.validate(item.body).data for item in said.objects]
    try:
        sharing.require_named_no_wider(said.statement, objects, partial(store.versions_of, connection), roster)
    except sharing.WiderError as error:
        stix_id = str(error.facts["id"])
        text = f"an object in this names {stix_id}, which another port made: {error.text}"
        raise WiderError(text, id=stix_id) from error


def _chunks(proposal: Proposal, objects: Sequence[bytes]) -> list[list[bytes]]:
    """Consecutive objects that fit together; a statement that is too long by itself is refused when it is encoded."""
    most_refs = LIMITS.statement_bytes - _bare_bytes(proposal)
    most_bytes = LIMITS.envelope_bytes - LIMITS.statement_bytes - _SIGNATURES_BYTES
    chunks: list[list[bytes]] = [[]]
    refs = size = 0
    for raw in objects:
        refs += _REF_BYTES
        size += len(raw) + LIMITS.salt_bytes + _OBJECT_OVERHEAD
        full = refs > most_refs or size > most_bytes or len(chunks[-1]) >= LIMITS.objects_per_statement
        if full and chunks[-1]:
            chunks.append([])
            refs, size = _REF_BYTES, len(raw) + LIMITS.salt_bytes + _OBJECT_OVERHEAD
        chunks[-1].append(raw)
    return chunks


# {"commitment":64,"id":at most 24 + 2 + 36,"modified":24} with names, quotes and commas; tests hold it against encode.
_REF_BYTES: Final = 210
_OBJECT_OVERHEAD: Final = 16
_GROUP_BYTES: Final = 80
_FIXED_BYTES: Final = 1_500


def _bare_bytes(proposal: Proposal) -> int:
    """An upper bound of a statement's length without its objects."""
    named = (len(proposal.groups) + len(proposal.fixed_groups)) * _GROUP_BYTES + len(proposal.recipients) * _GROUP_BYTES
    return _FIXED_BYTES + named + len(canonical.dumps(dict(proposal.body)))
