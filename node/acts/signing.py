"""Sign: officers' signatures come one by one, and the last that is needed completes the act in one transaction.

1. The act still waits. 2. The roster knows the key as this officer's, today, and nobody reported it lost. 3. He may
sign it: first the one who prepared it, then others who did not write it. 4. Each signature holds over exactly the
frozen bytes. 5. Nothing it was decided on has moved: age, draft, readers, the keys that signed before, the key that
numbered it, everybody's rules. Where something has, the act goes back with the reason, and nothing is published.
6. With enough signatures the envelopes are sealed and queued, the draft closed, the evidence frozen and the decision
written down, or nothing at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.engine import Connection

from node import act_store, alarms, drafts, evidence, publish, review, store, two_person
from node.act_store import Given, Part, Prepared
from node.acts import asked as asking
from node.acts import preparing, silencing
from node.alarms import Code
from node.officers import require_kept
from node.outbox import Outbox, Queued
from node.publish import Author, Composed, Officer, voice_of
from node.store import AuditLine
from node.two_person import TwoPersonError
from port2port import canonical, keys, sharing
from port2port import envelope as dsse
from port2port import statement as stm
from port2port.clock import to_ms, to_text
from port2port.envelope import Signature
from port2port.errors import MalformedError, PolicyError, Port2PortError
from port2port.roster import Roster


class SignatureCountError(MalformedError):
    """An act takes one signature of an officer for each of its statements."""

    code = "SIGNATURE_COUNT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What an officer's device or key file made: one signature for each message of ``to_sign``, in its order."""

    officer: str
    key_id: str
    signatures: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The act as it stands after a signature, and what was queued if that completed it.

    ``act.state`` is waiting (more officers must sign), done, or returned with ``act.reason``.
    """

    act: Prepared
    queued: tuple[Queued, ...] = ()


def to_sign(act: Prepared, officer: str) -> tuple[bytes, ...]:
    """The exact messages this officer signs. A passkey's challenge is the SHA-256 of each (``keys.challenge_of``)."""
    if act.parts:
        return tuple(dsse.pae(dsse.PAYLOAD_TYPE, part.statement) for part in act.parts)
    return (review.decision_message(act.document, officer),)


def missing(connection: Connection, act: Prepared) -> int:
    """How many more officers must sign."""
    return max(0, act.need - len({given.officer for given in act_store.signatures(connection, act.id)}))


def add_signature(
    connection: Connection, author: Author, act_id: str, signed: Signed, roster: Roster, *, now: datetime
) -> Outcome:
    """Take one officer's signature; with enough of them the act is done when the transaction commits.

    Raises NoActError, ActClosedError, OfficerError, TwoPersonError, SignatureCountError or SignatureError, and
    changes nothing then. What no longer holds raises nothing: the outcome's act is returned, with the reason.
    """
    act = act_store.get_waiting(connection, act_id)  # 1
    public = publish.officers_key(roster, author.member, signed.officer, signed.key_id, now)  # 2
    require_kept(connection, signed.officer, signed.key_id)
    _require_turn(connection, act, signed.officer)  # 3
    messages = to_sign(act, signed.officer)  # 4
    if len(signed.signatures) != len(messages):
        raise SignatureCountError(f"this act takes {len(messages)} signatures of each officer")
    for message, signature in zip(messages, signed.signatures, strict=True):
        keys.verify(public, message, signature)
    stale = why_stale(connection, author, act, roster, now)  # 5
    if stale is not None:
        return Outcome(act=give_back(connection, act, stale, now=now))
    for number, signature in enumerate(signed.signatures):
        given = Given(officer=signed.officer, part=number, key_id=signed.key_id, signature=signature, at=now)
        act_store.sign(connection, act.id, given)
    if missing(connection, act):
        return Outcome(act=act)
    return _complete(connection, author, act, now)  # 6


def sign_at_once(
    connection: Connection, author: Author, act: Prepared, officers: Sequence[Officer], roster: Roster, *, now: datetime
) -> Outcome:
    """The same with key files at hand: each officer signs, in order, in this transaction.

    Raises as ``add_signature``, and PolicyError where the act was returned.
    """
    outcome = Outcome(act=act)
    for officer in officers:
        if outcome.act.state != act_store.WAITING:
            break
        made = tuple(officer.key.sign(message) for message in to_sign(act, officer.pseudonym))
        signed = Signed(officer=officer.pseudonym, key_id=officer.key.key_id, signatures=made)
        outcome = add_signature(connection, author, act.id, signed, roster, now=now)
    if outcome.act.state == act_store.RETURNED:
        raise PolicyError(outcome.act.reason)
    return outcome


def withdraw(connection: Connection, act_id: str, *, by: str, reason: str, now: datetime) -> Prepared:
    """Give an act up, or send it back to whoever prepared it with a note; its key is free again.

    The draft stays open. Raises ActClosedError or ReasonError.
    """
    review.require_reason(reason)
    act = act_store.get_waiting(connection, act_id)
    _note(connection, act, f"withdrawn by {by}", reason, now)
    return act_store.close(connection, act, act_store.WITHDRAWN, now=now, reason=f"{by}: {reason}")


def give_back(connection: Connection, act: Prepared, reason: str, *, now: datetime) -> Prepared:
    """End an act that no longer holds. Its draft is open as before."""
    _note(connection, act, "returned", reason, now)
    return act_store.close(connection, act, act_store.RETURNED, now=now, reason=reason)


def why_stale(connection: Connection, author: Author, act: Prepared, roster: Roster, now: datetime) -> str | None:
    """What has moved since an act was frozen, in words; None where it stands as it was."""
    if now > act.closes_at:
        return too_old(act)
    moved = (
        _moved_draft(connection, act)
        or _moved_readers(act, roster)
        or _moved_keys(connection, author, act, roster, now)
    )
    return moved or _moved_rules(connection, author, act, roster, now)


def too_old(act: Prepared) -> str:
    """Why an act that waited too long goes back."""
    return f"it waited longer than {_span(act.closes_at - act.made_at)}: look at it again"


def _moved_draft(connection: Connection, act: Prepared) -> str | None:
    for draft_id, version in _drafts_of(act):
        try:
            draft = drafts.get_open(connection, draft_id)
        except Port2PortError as error:
            return error.text
        if drafts.version(draft) != version:
            return "the draft was changed after it was signed"
    return None


def _drafts_of(act: Prepared) -> list[tuple[str, str]]:
    """(id, version) of the drafts that an act decides on."""
    many: Any = act.work.get("drafts", [])
    one = act.work.get("draft")
    return [(one, str(act.work["version"]))] if isinstance(one, str) else [(name, version) for name, version in many]


def _moved_readers(act: Prepared, roster: Roster) -> str | None:
    groups: Any = act.work.get("groups", {})
    for name, number in groups.items():
        if roster.latest_group(name) != number:
            return f"sharing group {name} has changed: other members would read it now"
    before = set(_names(act.work.get("readers")))
    after = set(_names(asking.readers_of([stm.decode(part.statement) for part in act.parts], roster)))
    if act.parts and before != after:
        more, less = sorted(after - before), sorted(before - after)
        changes = [*(f"+{one}" for one in more), *(f"-{one}" for one in less)]
        return f"other members would read it now: {', '.join(changes)}"
    return None


def _moved_keys(connection: Connection, author: Author, act: Prepared, roster: Roster, now: datetime) -> str | None:
    """The keys of those who signed already, whatever is decided."""
    try:
        for given in act_store.signatures(connection, act.id):
            publish.officers_key(roster, author.member, given.officer, given.key_id, now)
            require_kept(connection, given.officer, given.key_id)
    except Port2PortError as error:
        return error.text
    return None


def _moved_rules(connection: Connection, author: Author, act: Prepared, roster: Roster, now: datetime) -> str | None:
    """The key and everybody's rules, asked again under today's roster."""
    if not act.parts:
        return None
    if author.outbox_of(act.signer) is None or not asking.is_current(roster, author.member, act.signer, now):
        return "the key that numbered it may not sign any more"
    said = [stm.decode(part.statement) for part in act.parts]
    logged = store.last_sequence(connection, act.signer)
    if logged is not None and logged[0] >= min(one.seq for one in said):
        return "the key that numbered it has signed something later"
    voices = [voice_of(author.member, act.author, asking.TO_COME)]
    voices += [voice_of(author.member, f"?{number}", asking.TO_COME) for number in range(2, act.need + 1)]
    try:
        for one, part in zip(said, act.parts, strict=True):
            publish.rehearse(Composed(statement=one, objects=part.objects), author, roster, now, voices)
            if one.realm == sharing.REAL:
                bodies = [item.body for item in part.objects]
                publish.require_unlisted(connection, author, one.kind, bodies, decided_by=one.decided_by, now=now)
    except Port2PortError as error:
        return error.text
    return None


def _require_turn(connection: Connection, act: Prepared, officer: str) -> None:
    """First the one who prepared it, whom the statement names; then officers who did not write it."""
    signed = {given.officer for given in act_store.signatures(connection, act.id)}
    if not signed:
        if officer != act.author:
            raise TwoPersonError(f"{act.author} prepared this and signs it first")
        return
    two_person.require_second(officer, author=act.author, barred=act.barred, signed=signed)


def _complete(connection: Connection, author: Author, act: Prepared, now: datetime) -> Outcome:
    given = act_store.signatures(connection, act.id)
    outbox = author.outbox_of(act.signer)
    queued = [
        _queue(connection, outbox, part, [one for one in given if one.part == number], now)
        for number, part in enumerate(act.parts)
        if outbox is not None
    ]
    if act.kind in {preparing.REJECT, preparing.REJECT_MANY}:
        _reject(connection, act, now)
    else:
        _close_draft(connection, act, queued, now)
    for one in given:
        _record(connection, act, one, now)
    if act.kind == preparing.CONFIRM:
        act_store.check(connection, act.subject, officer=act.author, now=now)
        alarms.clear_alarm(connection, Code.UNCHECKED_OVERRIDE, act.subject, to_ms(now))
    silencing.take_effect(connection, act, now)
    minutes = act.work.get("check_minutes")
    within = timedelta(minutes=minutes) if act.override and isinstance(minutes, int | float) else None
    done = act_store.close(connection, act, act_store.DONE, now=now, check_by=None if within is None else now + within)
    return Outcome(act=done, queued=tuple(queued))


def _queue(connection: Connection, outbox: Outbox, part: Part, given: Sequence[Given], now: datetime) -> Queued:
    officers = [Signature(key_id=one.key_id, sig=one.signature) for one in given]
    envelope = outbox.seal(part.statement, officers, part.objects)
    return outbox.enqueue(connection, part.statement, envelope, at_ms=to_ms(now))


def _reject(connection: Connection, act: Prepared, now: datetime) -> None:
    """Close what is rejected; of several, each has a line of its own beside the signed one."""
    reason = str(act.work["reason"])
    for draft_id, _version in _drafts_of(act):
        draft = drafts.get_open(connection, draft_id)
        drafts.decide(connection, draft, state=drafts.REJECTED, officer=act.author, reason=reason, now=now)
        if act.kind == preparing.REJECT_MANY:
            raw = canonical.dumps({"act": act.id, "at": to_text(now), "reason": reason})
            line = AuditLine(at_ms=to_ms(now), officer=act.author, action=preparing.REJECT, subject=draft_id, facts=raw)
            store.audit(connection, line)


def _close_draft(connection: Connection, act: Prepared, queued: Sequence[Queued], now: datetime) -> None:
    draft_id = act.work.get("draft")
    if not isinstance(draft_id, str):
        return
    draft = drafts.get_open(connection, draft_id)
    lines: Any = act.work["lines"]
    proposal: Any = act.work["proposal"]
    for item in queued:
        evidence.freeze(connection, lines, item.statement_id, by=f"officer:{act.author}", at_ms=to_ms(now))
    said = replace(
        draft,
        proposal=drafts.proposal_of_json(proposal),
        statements=tuple(item.statement_id for item in queued),
    )
    drafts.decide(connection, said, state=drafts.PUBLISHED, officer=act.author, reason="", now=now)


def _record(connection: Connection, act: Prepared, given: Given, now: datetime) -> None:
    """One line of the trail for each signature: the whole decision, and where there is one the statement signed."""
    facts = {**canonical.loads_object(act.document, limit=canonical.SAFE_INTEGER), "officer": given.officer}
    if act.parts:
        facts["statement"] = act.parts[given.part].statement.decode()
    line = AuditLine(
        at_ms=to_ms(now),
        officer=given.officer,
        action=act.kind,
        subject=act.subject,
        facts=canonical.dumps(facts),
        key_id=given.key_id,
        signature=given.signature,
    )
    store.audit(connection, line)


def _note(connection: Connection, act: Prepared, what: str, reason: str, now: datetime) -> None:
    """A line that nobody's key signs: what became of an act."""
    word, _, by = what.partition(" by ")
    raw = canonical.dumps({"act": act.id, "kind": act.kind, "reason": reason})
    line = AuditLine(at_ms=to_ms(now), officer=by, action=f"act-{word}", subject=act.subject, facts=raw)
    store.audit(connection, line)


def _names(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _span(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"
