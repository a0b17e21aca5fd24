"""For each numbered step of verification: ways to spoil a valid entry so that this step is the first to refuse it.

Everything after the spoiled part is signed and logged again by whoever could do that, so that no mutant fails for
a signature or a proof that merely was not renewed. ``MUTANTS`` has (step, name) → how.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from port2port import envelope as dsse
from port2port import wire
from port2port.clock import from_ms, to_text
from port2port.envelope import SaltedObject, Signature
from port2port.ids import FEDERATION_ISSUER
from port2port.limits import LIMITS
from port2port.tlp import Tlp
from port2port.v1 import envelope_pb2
from tests.fakes.mutants_inside import CONTENT_MUTANTS
from tests.fakes.trust import DAY_MS, LEAVES, REMOVED, SUSPENDED, Case, Draft, World

Mutant = Callable[[World, random.Random], Case]


def _raw(world: World, rng: random.Random, change: Callable[[bytes], bytes], kind: str | None = None) -> Case:
    made = world.draft(rng, kind)
    return world.case(made, raw=change(world.case(made).raw))


def _with_text(world: World, rng: random.Random, change: Callable[[bytes], bytes]) -> Case:
    """Other statement bytes, signed as they are."""
    made = world.draft(rng)
    return world.case(made, raw_statement=change(made.statement()))


def _with_data(world: World, rng: random.Random, change: Callable[[dict[str, Any]], object], kind: str = "") -> Case:
    """Other fields, signed as they are."""
    made = world.draft(rng, kind or None)
    change(made.data)
    return world.case(made)


def _with_signatures(
    world: World, rng: random.Random, change: Callable[[Draft, list[Signature]], list[Signature]], kind: str = ""
) -> Case:
    made = world.draft(rng, kind or None)
    return world.case(made, signatures=change(made, made.signed(made.statement())))


# 1 SIZE ---------------------------------------------------------------------------------------------------------


def _size_junk(world: World, rng: random.Random) -> Case:
    return _raw(world, rng, lambda raw: raw + bytes(LIMITS.envelope_bytes + 1 - len(raw)))


def _size_object(world: World, rng: random.Random) -> Case:
    made = world.draft(rng, "publish")
    made.objects = [SaltedObject(salt=bytes(32), body=bytes(LIMITS.envelope_bytes))]
    return world.case(made)


# 2 ENCODING -----------------------------------------------------------------------------------------------------


def _reserialised(change: Callable[[Any, Any], object]) -> Callable[[bytes], bytes]:
    def serialise(raw: bytes) -> bytes:
        outer, signed = envelope_pb2.Envelope(), envelope_pb2.SignedStatement()
        outer.ParseFromString(raw)
        signed.ParseFromString(outer.signed)
        change(outer, signed)
        outer.signed = signed.SerializeToString(deterministic=True)
        return bytes(outer.SerializeToString(deterministic=True))

    return serialise


def _unknown_outside(world: World, rng: random.Random) -> Case:
    return _raw(world, rng, lambda raw: raw + bytes([rng.choice([0x1A, 0x7A]), 3]) + b"abc")


def _unknown_inside(world: World, rng: random.Random) -> Case:
    more = bytes([rng.choice([0x22, 0x7A]), 3]) + b"abc"

    def change(raw: bytes) -> bytes:
        outer = envelope_pb2.Envelope()
        outer.ParseFromString(raw)
        outer.signed += more
        return bytes(outer.SerializeToString(deterministic=True))

    return _raw(world, rng, change)


def _unknown_deep(world: World, rng: random.Random) -> Case:
    return _raw(world, rng, _reserialised(lambda _outer, signed: signed.signatures[0].MergeFromString(b"\x1a\x01x")))


def _unknown_beside_object(world: World, rng: random.Random) -> Case:
    return _raw(
        world, rng, _reserialised(lambda outer, _signed: outer.objects[0].MergeFromString(b"\x1a\x01x")), "publish"
    )


def _nine_signatures(world: World, rng: random.Random) -> Case:
    def change(_outer: Any, signed: Any) -> None:
        for number in range(9):
            signed.signatures.add(keyid=bytes([number]) * 32, sig=bytes(64))

    return _raw(world, rng, _reserialised(change))


# 3 PAYLOAD_TYPE, 4 SIGNATURE_LIST -------------------------------------------------------------------------------

_TYPES = (
    "application/vnd.port2port.statement+json;v=2",
    "application/vnd.port2port.statement+json",
    "application/vnd.port2port.receipt+json;v=1",
    "application/vnd.in-toto+json",
    "text/plain",
)


def _payload_type(world: World, rng: random.Random) -> Case:
    made = world.draft(rng)
    made.payload_type = rng.choice(_TYPES)
    return world.case(made)


def _short_key_id(_made: Draft, signatures: list[Signature]) -> list[Signature]:
    return [Signature(key_id=signatures[0].key_id[:62], sig=signatures[0].sig), *signatures[1:]]


def _long_signature(_made: Draft, signatures: list[Signature]) -> list[Signature]:
    return [Signature(key_id=signatures[0].key_id, sig=bytes(LIMITS.signature_bytes + 1)), *signatures[1:]]


# 5 STATEMENT_JSON -----------------------------------------------------------------------------------------------


def _twice(raw: bytes) -> bytes:
    return raw.replace(b'"tlp":', b'"tlp":"clear","tlp":', 1)


def _escaped(raw: bytes) -> bytes:
    return raw.replace(b'"urn:uuid:', b'"\\u0075rn:uuid:', 1)


def _deep(raw: bytes) -> bytes:
    return raw.replace(b'"body":{', b'"body":{"a":' + b"[" * 40 + b"]" * 40 + b",", 1).replace(b",}", b"}", 1)


def _long(raw: bytes) -> bytes:
    return raw[:-1] + b',"x":"' + bytes(LIMITS.statement_bytes).replace(b"\0", b"x") + b'"}'


_TEXTS: dict[str, Callable[[bytes], bytes]] = {
    "duplicate JSON key": _twice,
    "space": lambda raw: raw.replace(b",", b", ", 1),
    "line end": lambda raw: raw + b"\n",
    "needless escape": _escaped,
    "unsorted keys": lambda raw: b'{"v":1,' + raw[1:].replace(b',"v":1', b"", 1),
    "NaN": lambda raw: raw[:-1] + b',"x":NaN}',
    "a number of many spellings": lambda raw: raw[:-1] + b',"x":1.0}',
    "integer beyond 2^53": lambda raw: raw[:-1] + b',"x":9007199254740993}',
    "lone surrogate": lambda raw: raw[:-1] + b',"x":"\\ud800"}',
    "not UTF-8": lambda raw: raw[:-1] + b',"x":"\xff"}',
    "byte order mark": lambda raw: b"\xef\xbb\xbf" + raw,
    "too deep": _deep,
    "over 16 KiB": _long,
    "a list": lambda raw: b"[" + raw + b"]",
    "empty": lambda _raw: b"",
}


# 7 UNDERSTOOD, 8 ISSUER -----------------------------------------------------------------------------------------


def _unknown_control(world: World, rng: random.Random) -> Case:
    made = world.draft(rng, "suspend")
    made.data.update(kind="constitution", tlp=None)
    return world.case(made, keep_unknown=True)


def _stranger_member(world: World, rng: random.Random) -> Case:
    made = world.draft(rng, "note")
    made.data.update(issuer="zeebrugge-2", signer=world.stranger.key_id)
    made.signers = [world.stranger]
    return world.case(made)


def _former_member(world: World, rng: random.Random) -> Case:
    port = world.fed.ports[rng.choice([SUSPENDED, REMOVED])]
    made = world.draft(rng, "note")
    made.data.update(issuer=port.id, signer=port.machine.key_id, decided_by="officer:o1")
    made.signers = [port.machine, port.officer]
    return world.case(made)


def _member_as_coordinator(world: World, rng: random.Random) -> Case:
    made = world.draft(rng, rng.choice(["roster", "group", "revoke-key", "suspend"]))
    made.data.update(issuer=world.port.id, signer=world.port.machine.key_id)
    made.signers = [world.port.machine, world.port.officer]
    return world.case(made)


def _coordinators_as_member(world: World, rng: random.Random) -> Case:
    made = world.draft(rng, "note")
    keys = list(world.fed.coordinator_keys)
    made.data.update(issuer=FEDERATION_ISSUER, signer=keys[0].key_id, decided_by="coordinators")
    made.signers = keys
    return world.case(made)


def _second_genesis(world: World, rng: random.Random) -> Case:
    made = world.genesis_case(index=rng.randrange(1, 9), roster=world.fed.roster)
    return Case(raw=made.raw, context=made.context)


def _other_genesis(world: World, rng: random.Random) -> Case:
    return world.genesis_case(genesis_hash=rng.randbytes(32).hex())


def _before_genesis(world: World, rng: random.Random) -> Case:
    return world.case(world.draft(rng), roster=None, index=0)


# 10 SIGNATURES, 11 SEQUENCE -------------------------------------------------------------------------------------


def _flipped(rng: random.Random) -> Callable[[Draft, list[Signature]], list[Signature]]:
    def change(_made: Draft, signatures: list[Signature]) -> list[Signature]:
        at = rng.randrange(len(signatures))
        sig = bytearray(signatures[at].sig)
        sig[rng.randrange(64)] ^= 1 << rng.randrange(8)
        signatures[at] = Signature(key_id=signatures[at].key_id, sig=bytes(sig))
        return signatures

    return change


def _swapped(_made: Draft, signatures: list[Signature]) -> list[Signature]:
    first, second, *rest = signatures
    return [Signature(key_id=first.key_id, sig=second.sig), Signature(key_id=second.key_id, sig=first.sig), *rest]


def _without_pae(made: Draft, _signatures: list[Signature]) -> list[Signature]:
    bare = [Signature(key_id=key.key_id, sig=key.sign(made.statement())) for key in made.signers]
    return sorted(bare, key=lambda item: item.key_id)


def _short(_made: Draft, signatures: list[Signature]) -> list[Signature]:
    return [Signature(key_id=item.key_id, sig=item.sig[:63]) for item in signatures]


def _old_signatures(world: World, rng: random.Random, change: Callable[[Draft], object], kind: str = "publish") -> Case:
    """Changed after it was signed; everything that needs no private key is renewed."""
    made = world.draft(rng, kind)
    before = made.signed(made.statement())
    change(made)
    return world.case(made, signatures=before)


def _downgrade(world: World, rng: random.Random) -> Case:
    def change(made: Draft) -> None:
        body = world.indicator(rng, made.data["issuer"], Tlp.CLEAR)
        world.put(made, [body], rng)
        made.data.update(tlp="clear", groups=[], recipients=[], seq=made.data["seq"] + 1)

    return _old_signatures(world, rng, change)


def _sequence(world: World, rng: random.Random, ahead: int, digest: Callable[[bytes], bytes]) -> Case:
    made = world.draft(rng)
    last = (made.data["seq"] + ahead, digest(dsse.digest_of(made.statement())))
    return world.case(made, last_seq=lambda key: last if key == made.data["signer"] else None)


# 14 TIME --------------------------------------------------------------------------------------------------------


def _issued(world: World, rng: random.Random, ms: int) -> Case:
    return _with_data(world, rng, lambda data: data.update(issued=to_text(from_ms(world.now_ms + ms))), "note")


def _seen(world: World, rng: random.Random, size: int, root: bytes) -> Case:
    return _with_data(world, rng, lambda data: data.update(log_seen={"root": root.hex(), "size": size}))


# 19 INCLUSION, 20 CHECKPOINT ------------------------------------------------------------------------------------


def _logged_otherwise(world: World, rng: random.Random, change: Callable[[Draft, dict[str, Any]], object]) -> Case:
    """The tree holds the entry as it was; the receiver is shown something else that is valid by itself."""
    made = world.draft(rng, "report")
    made.signers = [world.port.machine, world.port.officer, world.port.second_officer]
    made.data.update(issuer=world.port.id, signer=world.port.machine.key_id, decided_by="officer:o1")
    made.data.update(personal_data=False, purpose=None)
    world.put(made, [world.indicator(rng, world.port.id, Tlp(made.data["tlp"] or "amber+strict"))], rng)
    shown = {"signatures": made.signed(made.statement()), "received_ms": world.now_ms}
    path, head = world.logged("report", world.now_ms, made.statement(), shown["signatures"])
    change(made, shown)
    context = world.context(shown["received_ms"], path, head)
    signed = wire.encode_signed(dsse.PAYLOAD_TYPE, made.statement(), tuple(shown["signatures"]))
    return Case(raw=wire.encode_envelope(signed, tuple(made.objects)), context=context)


def _strip_second(made: Draft, shown: dict[str, Any]) -> None:
    made.signers = made.signers[:2]
    shown["signatures"] = made.signed(made.statement())


def _wrong_path(world: World, rng: random.Random) -> Case:
    made = world.draft(rng)
    case = world.case(made)
    path, head = world.logged(made.data["kind"], world.now_ms, made.statement(), made.signed(made.statement()))
    spoiled = [rng.randbytes(32), *path[1:]] if rng.random() < 0.5 else list(path[1:])
    return Case(raw=case.raw, context=world.context(world.now_ms, spoiled, head))


def _head(world: World, rng: random.Random, change: Callable[[Any], Any]) -> Case:
    made = world.draft(rng)
    case = world.case(made)
    path, head = world.logged(made.data["kind"], world.now_ms, made.statement(), made.signed(made.statement()))
    return Case(raw=case.raw, context=world.context(world.now_ms, path, change(head)))


OUTER_MUTANTS: dict[tuple[int, str], Mutant] = {
    (1, "a megabyte of junk"): _size_junk,
    (1, "a megabyte of object"): _size_object,
    (2, "truncated"): lambda w, r: _raw(w, r, lambda raw: raw[: -r.randrange(1, 20)]),
    (2, "unknown field in the envelope"): _unknown_outside,
    (2, "unknown field in the signed statement"): _unknown_inside,
    (2, "unknown field in a signature"): _unknown_deep,
    (2, "unknown field beside an object"): _unknown_beside_object,
    (2, "signed statement twice"): lambda w, r: _raw(w, r, lambda raw: raw + raw),
    (2, "random bytes"): lambda w, r: _raw(w, r, lambda _raw: b"\xff" + r.randbytes(r.randrange(200))),
    (2, "empty field written out"): lambda w, r: _raw(w, r, lambda raw: raw + b"\x12\x02\x0a\x00"),
    (2, "nine signatures"): _nine_signatures,
    (3, "another payload type"): _payload_type,
    (4, "no signature"): lambda w, r: _with_signatures(w, r, lambda _made, _all: []),
    (4, "unsorted"): lambda w, r: _with_signatures(w, r, lambda _made, all_: all_[::-1], "level"),
    (4, "one twice"): lambda w, r: _with_signatures(w, r, lambda _made, all_: [all_[0], *all_]),
    (4, "short key id"): lambda w, r: _with_signatures(w, r, _short_key_id),
    (4, "long signature"): lambda w, r: _with_signatures(w, r, _long_signature),
    **{(5, name): (lambda w, r, change=change: _with_text(w, r, change)) for name, change in _TEXTS.items()},
    (7, "version 2"): lambda w, r: _with_data(w, r, lambda data: data.update(v=2)),
    (7, "unknown kind"): lambda w, r: _with_data(w, r, lambda data: data.update(kind="weather"), "note"),
    (7, "critical field that is there"): lambda w, r: _with_data(w, r, lambda d: d.update(crit=["seal"], seal=1)),
    (7, "critical field that is not there"): lambda w, r: _with_data(w, r, lambda d: d.update(crit=["seal"])),
    (7, "unknown control kind, even where others are kept"): _unknown_control,
    (8, "unknown member"): _stranger_member,
    (8, "suspended or removed member"): _former_member,
    (8, "member writes the roster"): _member_as_coordinator,
    (8, "coordinators write as a member"): _coordinators_as_member,
    (8, "second genesis"): _second_genesis,
    (8, "another genesis"): _other_genesis,
    (8, "no genesis yet"): _before_genesis,
    (10, "a flipped bit"): lambda w, r: _with_signatures(w, r, _flipped(r)),
    (10, "swapped signatures"): lambda w, r: _with_signatures(w, r, _swapped, "level"),
    (10, "signed without DSSE"): lambda w, r: _with_signatures(w, r, _without_pae),
    (10, "shortened"): lambda w, r: _with_signatures(w, r, _short),
    (10, "downgraded marking"): _downgrade,
    (10, "other handling"): lambda w, r: _old_signatures(w, r, lambda m: m.data.update(context="p2p:other")),
    (11, "equivocation"): lambda w, r: _sequence(w, r, 0, lambda _own: r.randbytes(32)),
    (11, "the same once more"): lambda w, r: _sequence(w, r, 0, lambda own: own),
    (11, "reused sequence"): lambda w, r: _sequence(w, r, r.randrange(1, 9), lambda _own: r.randbytes(32)),
    (14, "from the future"): lambda w, r: _issued(w, r, LIMITS.clock_ahead_ms + r.randrange(1, DAY_MS)),
    (14, "older than 90 days"): lambda w, r: _issued(w, r, -LIMITS.max_age_ms - r.randrange(1, DAY_MS)),
    (14, "forged log_seen"): lambda w, r: _seen(w, r, r.randrange(LEAVES + 1), r.randbytes(32)),
    (14, "log_seen of another size"): lambda w, r: _seen(w, r, r.randrange(9, 50), w.roots[r.randrange(50, 99)]),
    (14, "log_seen beyond this entry"): lambda w, r: _seen(w, r, LEAVES + 1, w.roots[LEAVES]),
    (19, "a second officer's signature stripped"): lambda w, r: _logged_otherwise(w, r, _strip_second),
    (19, "another time"): lambda w, r: _logged_otherwise(w, r, lambda _m, s: s.update(received_ms=w.now_ms + 1)),
    (19, "another statement of the same key"): lambda w, r: _logged_otherwise(
        w, r, lambda m, s: (m.data.update(context="p2p:x"), s.update(signatures=m.signed(m.statement())))
    ),
    (19, "wrong path"): _wrong_path,
    (20, "signed by another key"): lambda w, r: _head(w, r, w.forged_head),
    (20, "of another log"): lambda w, r: _head(w, r, w.foreign_head),
    (20, "signature of an earlier tree"): lambda w, r: _head(w, r, w.stale_head),
}
MUTANTS: dict[tuple[int, str], Mutant] = {**OUTER_MUTANTS, **CONTENT_MUTANTS}
