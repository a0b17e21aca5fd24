"""Valid envelopes by the thousand, taken apart so that a test can spoil one thing and sign the rest again.

``World`` is a federation in mid-life: three members, one suspended, one removed, keys that expired, were revoked
or replaced, a coordinator who left. ``draft`` makes a valid statement of a random kind; ``case`` logs it in a tree
of its own and gives what a receiver would hold: the envelope, its proof and the signed checkpoint.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from port2port import canonical, checkpoint, merkle, statement, wire
from port2port import envelope as dsse
from port2port.checkpoint import Checkpoint, SignedCheckpoint
from port2port.clock import from_ms, to_ms, to_text
from port2port.envelope import SaltedObject, Signature
from port2port.ids import FEDERATION_ISSUER
from port2port.imported import Brought, Grade, Imported
from port2port.keys import Ed25519Key
from port2port.stix import objects as stix
from port2port.tlp import Tlp
from port2port.verify import Context
from tests.fakes.federation import FakePort, Federation

DAY_MS = 86_400_000
LEAVES = 100
MEMBERS = ("beanr", "belgg", "north-sea-port")
SUSPENDED, REMOVED = "beost", "bebru"


@dataclass(slots=True, kw_only=True)
class Draft:
    """A statement as JSON, its objects and who will sign. Change it, then give it to ``World.case``."""

    data: dict[str, Any]
    signers: list[Ed25519Key]
    objects: list[SaltedObject] = field(default_factory=list)
    payload_type: str = dsse.PAYLOAD_TYPE

    def statement(self) -> bytes:
        return canonical.dumps(self.data)

    def signed(self, raw: bytes) -> list[Signature]:
        message = dsse.pae(self.payload_type, raw)
        made = [Signature(key_id=key.key_id, sig=key.sign(message)) for key in self.signers]
        return sorted(made, key=lambda item: item.key_id)

    def commit_again(self) -> None:
        """Make the statement's commitments fit the objects as they are now."""
        for ref, item in zip(self.data["objects"], self.objects, strict=True):
            ref["commitment"] = statement.commit(item.salt, item.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a receiver judges."""

    raw: bytes
    context: Context


class World:
    """The federation and the log before the entry under test."""

    def __init__(self) -> None:
        self.fed = Federation(members=(*MEMBERS, SUSPENDED, REMOVED), coordinators=3, name="p2p.test")
        fed = self.fed
        fed.founding()
        fed.group("seaports", "beanr", "north-sea-port")
        self.left = fed.coordinator_keys[2]
        self._coordinators([fed.coordinator_keys[0], fed.coordinator_keys[1]])
        self.now_ms = to_ms(fed.clock.now())
        self.port = fed.ports["north-sea-port"]
        self.other = fed.ports["beanr"]
        self.expired = self._add_key("expired", self.now_ms - 10 * DAY_MS)
        self.long_expired = self._add_key("long-expired", self.now_ms - 91 * DAY_MS)
        self.revoked = self._add_key("revoked", self.now_ms + 300 * DAY_MS)
        fed.revoke_key(self.revoked.key_id)
        self.replaced = self.other.machine
        fed.rekey("beanr")
        fed.set_status("suspend-member", SUSPENDED)
        fed.set_status("remove-member", REMOVED)
        fed.roster = replace(fed.roster, level_authorities=PLACES)
        self.stranger = fed.key("stranger")
        leaves = [merkle.leaf_hash(b"entry %d" % number) for number in range(LEAVES)]
        self.frontier, roots = merkle.extend_with_roots(merkle.EMPTY_FRONTIER, leaves)
        self.roots = [merkle.EMPTY_ROOT, *roots]
        self.log = checkpoint.log_key(fed.origin, fed.log_key.public)

    def _coordinators(self, keys: list[Ed25519Key]) -> None:
        listed = [key.record("coordinator").to_json() for key in keys]
        self.fed.control("roster", [{"op": "set-coordinators", "coordinators": listed, "threshold": len(keys)}])
        self.fed.coordinator_keys = keys

    def _add_key(self, name: str, not_after_ms: int) -> Ed25519Key:
        key = self.fed.key(name)
        op = {"op": "add-key", "member": self.port.id, "key": key.record("machine").to_json(), "pseudonym": None}
        self.fed.control("roster", [{**op, "not_after_ms": not_after_ms}])
        return key

    # --- valid drafts ---------------------------------------------------------------------------------------------

    def draft(self, rng: random.Random, kind: str | None = None) -> Draft:
        """A valid statement; of a random kind unless told."""
        chosen = kind or rng.choice(KINDS)
        if chosen in {"roster", "group", "revoke-key"}:
            return self._control(rng, chosen)
        if chosen == "rekey":
            return self._rekey(rng)
        if chosen == "suspend":
            return self._suspend(rng)
        return self._content(rng, chosen)

    def base(self, rng: random.Random, kind: str, issuer: str, signers: Sequence[Ed25519Key]) -> dict[str, Any]:
        """All fields of a statement, with values that nobody objects to."""
        size = rng.randrange(LEAVES + 1)
        return {
            "body": {},
            "context": rng.choice([None, f"p2p:case-{rng.randrange(99)}"]),
            "crit": [],
            "decided_by": "coordinators",
            "groups": [],
            "handling": None,
            "id": f"urn:uuid:{_uuid(rng)}",
            "issued": to_text(from_ms(self.now_ms - rng.randrange(3_600_000))),
            "issuer": issuer,
            "kind": kind,
            "log_seen": {"root": self.roots[size].hex(), "size": size},
            "objects": [],
            "personal_data": False,
            "purpose": None,
            "realm": "real",
            "recipients": [],
            "retain_until": None,
            "seq": rng.randrange(1, 2**40),
            "signer": signers[0].key_id,
            "tlp": None,
            "v": 1,
        }

    def _content(self, rng: random.Random, kind: str) -> Draft:
        port = self.fed.ports[rng.choice(MEMBERS)]
        officers = _officers(rng, port, kind)
        data = self.base(rng, kind, port.id, [port.machine])
        data["decided_by"] = f"officer:{port.pseudonym}" if officers else f"rule:clone@{rng.randrange(9)}"
        data["handling"] = rng.choice([None, "act", "call_first", "observe_only"])
        data["realm"] = rng.choice(["real", "real", "exercise:storm-1"])
        data["retain_until"] = rng.choice([None, to_text(from_ms(self.now_ms + 30 * DAY_MS))])
        data["personal_data"] = len(officers) == 2 and rng.random() < 0.5
        data["purpose"] = "isps" if data["personal_data"] else None
        tlp = self._audience(rng, data)
        if kind == "level":
            data.update(_level_of(port.id, data["issued"]))
        made = Draft(data=data, signers=[port.machine, *officers])
        if kind == "import":
            self._foreign(rng, made, tlp)
        elif kind in WITH_OBJECTS:
            self._objects(rng, made, port, tlp)
        if kind in {"sighting", "retract"}:
            whose = port.id if kind == "retract" else rng.choice(MEMBERS)
            data["body"] = {"refs": [{"id": f"indicator--{_uuid(rng)}", "issuer": whose}]}
        return made

    def _audience(self, rng: random.Random, data: dict[str, Any]) -> Tlp:
        tlp = rng.choice([Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER, Tlp.AMBER, Tlp.AMBER_STRICT])
        if tlp in {Tlp.AMBER, Tlp.AMBER_STRICT}:
            data["groups"] = rng.choice([[], [{"name": "seaports", "version": 1}]])
            data["recipients"] = sorted(rng.sample(MEMBERS, rng.randrange(3)))
        unmarked = tlp is Tlp.AMBER_STRICT and rng.random() < 0.3
        data["tlp"] = None if unmarked else tlp.value
        return tlp

    def _objects(self, rng: random.Random, made: Draft, port: FakePort, tlp: Tlp) -> None:
        bodies = [self.indicator(rng, port.id, tlp) for _ in range(rng.randrange(1, 3))]
        if rng.random() < 0.3:
            bodies.append(stix.vessel(mmsi=f"205{rng.randrange(100_000, 999_999)}", tlp=rng.choice([None, tlp])))
        self.put(made, bodies, rng)

    def _foreign(self, rng: random.Random, made: Draft, tlp: Tlp) -> None:
        author = f"identity--{_uuid(rng)}"
        self.put(made, [self.indicator(rng, "", tlp, author=author) for _ in range(rng.randrange(1, 3))], rng)
        brought = [
            Brought(id=ref["id"], original=f"event-{rng.randrange(999)}", commitment=rng.randbytes(32).hex())
            for ref in made.data["objects"]
        ]
        grade = Grade(reliability=rng.choice("ABCDEF"), credibility=rng.randrange(1, 7))
        made.data["body"] = Imported(source="partner", grade=grade, objects=tuple(brought)).to_body()

    def indicator(self, rng: random.Random, member: str, tlp: Tlp | None, *, author: str = "", **more: Any) -> bytes:
        """Of a member, or of an ``author`` outside the federation."""
        now = from_ms(self.now_ms)
        header = stix.Header(ident=_uuid(rng), issuer=author or self.fed.identity(member), created=now, tlp=tlp)
        given = {
            "name": "cloned identity",
            "pattern": stix.pattern_equals("vessel:mmsi", [f"205{rng.randrange(100_000, 999_999)}"]),
            "valid_from": now,
            "valid_until": now + timedelta(days=30),
        }
        return stix.indicator(header, **{**given, **more})

    def put(self, made: Draft, bodies: Sequence[bytes], rng: random.Random) -> None:
        """Let the draft commit to these objects."""
        made.objects = [SaltedObject(salt=rng.randbytes(32), body=body) for body in bodies]
        made.data["objects"] = [
            {
                "commitment": statement.commit(item.salt, item.body),
                "id": parsed["id"],
                "modified": parsed.get("modified"),
            }
            for item in made.objects
            for parsed in [canonical.loads_object(item.body, limit=2**17)]
        ]

    def _control(self, rng: random.Random, kind: str) -> Draft:
        keys = list(self.fed.coordinator_keys)
        data = self.base(rng, kind, FEDERATION_ISSUER, keys)
        data["body"] = {
            "ops": [self._op(rng, kind)],
            "prev": self.fed.roster.prev,
            "version": self.fed.roster.version + 1,
        }
        return Draft(data=data, signers=keys)

    def _op(self, rng: random.Random, kind: str) -> dict[str, Any]:
        if kind == "group":
            return {"op": "set-group", "group": "seaports", "members": [rng.choice(MEMBERS)], "version": 2}
        if kind == "revoke-key":
            since = rng.choice([None, self.now_ms - DAY_MS])
            key = self.other.officer.key_id
            return {"op": "revoke-key", "key_id": key, "reason": "lost", "invalid_since_ms": since}
        return {"op": "set-witness", "member": rng.choice(MEMBERS), "witness": rng.random() < 0.5}

    def _rekey(self, rng: random.Random) -> Draft:
        fresh = self.fed.key(f"fresh-{rng.random()}")
        old = rng.choice([self.port.machine, self.expired])
        data = self.base(rng, "rekey", self.port.id, [old])
        data["decided_by"] = "rule:rekey@1"
        key = fresh.record("machine").to_json()
        data["body"] = {"key": key, "not_after_ms": self.now_ms + 90 * DAY_MS, "old": old.key_id}
        return Draft(data=data, signers=[old, fresh])

    def _suspend(self, rng: random.Random) -> Draft:
        keys = [rng.choice(self.fed.coordinator_keys)]
        data = self.base(rng, "suspend", FEDERATION_ISSUER, keys)
        refs = [{"id": f"indicator--{_uuid(rng)}", "issuer": rng.choice(MEMBERS)}]
        data.update(tlp="green", body={"reason": "a false alarm", "refs": refs})
        return Draft(data=data, signers=keys)

    # --- from draft to case ---------------------------------------------------------------------------------------

    def case(
        self,
        made: Draft,
        *,
        raw_statement: bytes | None = None,
        signatures: Sequence[Signature] | None = None,
        raw: bytes | None = None,
        received_ms: int | None = None,
        **context: Any,
    ) -> Case:
        """The draft, signed and logged. What is given replaces what would have been made of the draft."""
        said = made.statement() if raw_statement is None else raw_statement
        signed = made.signed(said) if signatures is None else signatures
        received = self.now_ms if received_ms is None else received_ms
        if raw is None:
            raw = wire.encode_envelope(wire.encode_signed(made.payload_type, said, tuple(signed)), tuple(made.objects))
        path, head = self.logged(str(made.data.get("kind")), received, said, signed)
        return Case(raw=raw, context=self.context(received, path, head, **context))

    def logged(
        self, kind: str, received_ms: int, said: bytes, signed: Sequence[Signature]
    ) -> tuple[tuple[bytes, ...], SignedCheckpoint]:
        """(inclusion path, checkpoint) of the entry as the next leaf of the log."""
        digest = dsse.digest_of(said)
        leaf = merkle.leaf_hash(dsse.leaf_data(kind=kind, received_ms=received_ms, digest=digest, signatures=signed))
        root = self.frontier.append(leaf).root()
        head = checkpoint.sign(Checkpoint(origin=self.fed.origin, size=LEAVES + 1, root=root), self.fed.log_key)
        return tuple(reversed(self.frontier.subtrees)), head

    def context(self, received_ms: int, path: Sequence[bytes], head: SignedCheckpoint, **more: Any) -> Context:
        tree = head.checkpoint
        made = Context(
            federation=self.fed.name,
            genesis_hash=self.fed.genesis_hash,
            roster=self.fed.roster,
            index=LEAVES,
            received_ms=received_ms,
            last_seq=lambda _key: None,
            root_at=lambda size: self.roots[size] if size <= LEAVES else None,
            validate=self.fed.validate,
            inclusion=lambda leaf: merkle.verify_inclusion(
                leaf, index=LEAVES, size=tree.size, proof=path, root=tree.root
            ),
            checkpoint=lambda: _only_if_signed(head, self.log),
        )
        return replace(made, **more)

    # --- heads that the log did not sign --------------------------------------------------------------------------

    def forged_head(self, head: SignedCheckpoint) -> SignedCheckpoint:
        """The same tree, signed by somebody who calls himself the log."""
        return checkpoint.sign(head.checkpoint, self.stranger)

    def foreign_head(self, head: SignedCheckpoint) -> SignedCheckpoint:
        """The same tree, signed by this log's key under another log's name."""
        return checkpoint.sign(replace(head.checkpoint, origin="other.test/log"), self.fed.log_key)

    def stale_head(self, head: SignedCheckpoint) -> SignedCheckpoint:
        """The new tree with the log's signature of the tree before."""
        before = Checkpoint(origin=self.fed.origin, size=LEAVES, root=self.roots[LEAVES])
        return replace(head, signatures=checkpoint.sign(before, self.fed.log_key).signatures)

    def genesis_case(self, **context: Any) -> Case:
        """Entry 0, judged before there is a roster."""
        inclusion = {"inclusion": None, "checkpoint": None, "index": 0, "roster": None}
        made = self.context(self.now_ms, (), self._empty(), **{**inclusion, **context})
        return Case(raw=self.fed.genesis_envelope, context=made)

    def _empty(self) -> SignedCheckpoint:
        return checkpoint.sign(Checkpoint(origin=self.fed.origin, size=0, root=merkle.EMPTY_ROOT), self.fed.log_key)


WITH_OBJECTS = frozenset({"publish", "sighting", "report", "import"})
KINDS = (
    *("publish",) * 6,
    *("sighting", "report", "import", "retract", "note", "hold", "cosign", "reaffirm", "reshare", "incident"),
    *("level", "exercise", "erase", "suspend", "rekey", "roster", "group", "revoke-key"),
)


# Who sets the level of which place, in the world's roster.
PLACES = {f"BEAA{chr(ord('A') + at)}": member for at, member in enumerate(MEMBERS)}


def _level_of(member: str, issued: str) -> dict[str, Any]:
    place = next(place for place, authority in PLACES.items() if authority == member)
    body = {"effective": issued, "level": 2, "port": place, "reason": "drones over the lock"}
    return {"body": body, "tlp": "green", "groups": [], "recipients": [], "personal_data": False, "purpose": None}


def _officers(rng: random.Random, port: FakePort, kind: str) -> list[Ed25519Key]:
    least = {"level": 2, "exercise": 2, "erase": 2, "publish": 0, "sighting": 0}.get(kind, 1)
    return [port.officer, port.second_officer][: rng.randrange(least, 3)]


def _uuid(rng: random.Random) -> uuid.UUID:
    return uuid.UUID(int=rng.getrandbits(128), version=4)


def _only_if_signed(head: SignedCheckpoint, log: checkpoint.VerifierKey) -> None:
    checkpoint.verify_log(head, log)
