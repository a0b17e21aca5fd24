"""A throw-away federation in memory: coordinators, members with all their keys, groups, and valid envelopes.

Everything is deterministic in ``seed`` but the random statement ids and salts. The authors' view (sequence numbers,
what they have seen of the log, the roster chain) is kept here, as their nodes would keep it.

    fed = Federation(members=("beanr", "north-sea-port", "belgg"))
    hub_submits = [*fed.founding(), fed.group("seaports", "beanr", "north-sea-port")]
    raw = fed.publish("north-sea-port", tlp=Tlp.AMBER, groups=("seaports",))
"""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from port2port import envelope as dsse
from port2port import genesis, keys, roster, wire
from port2port import statement as stm
from port2port.clock import to_ms
from port2port.genesis import Genesis
from port2port.ids import FEDERATION_ISSUER, identity_of
from port2port.keys import Ed25519Key
from port2port.merkle import EMPTY_ROOT
from port2port.patterns import TemplateCache
from port2port.roster import Roster
from port2port.statement import LogSeen, ObjectRef, Statement
from port2port.stix import objects as stix
from port2port.stix.validate import StixValidator, ValidObject
from port2port.tlp import Tlp
from tests.fakes.clock import FakeClock

CA_ROOT = "-----BEGIN CERTIFICATE-----\nno certificate authority in this federation\n-----END CERTIFICATE-----\n"
_YEAR = timedelta(days=365)


@dataclass(slots=True, kw_only=True)
class FakePort:
    """One member's keys. ``machine`` signs everything, ``officer`` adds its name, ``witness`` co-signs checkpoints."""

    id: str
    machine: Ed25519Key
    officer: Ed25519Key
    second_officer: Ed25519Key
    witness: Ed25519Key
    desk: tuple[Ed25519Key, ...] = ()
    pseudonym: str = "o1"
    second_pseudonym: str = "o2"


@dataclass(slots=True, kw_only=True)
class Federation:
    """The authors' side of a federation. ``witnesses`` are the members whose cosignatures count."""

    members: Sequence[str] = ("beanr", "north-sea-port", "belgg")
    witnesses: Sequence[str] = ()
    coordinators: int = 1
    desk_keys: int = 0
    name: str = "p2p.test"
    seed: str = "p2p"
    ca_root: str = CA_ROOT
    clock: FakeClock = field(default_factory=FakeClock)
    seen: LogSeen = field(default_factory=lambda: LogSeen(size=0, root=EMPTY_ROOT))
    ports: dict[str, FakePort] = field(init=False, default_factory=dict)
    roster: Roster = field(init=False)
    genesis_envelope: bytes = field(init=False)
    genesis_statement: bytes = field(init=False)
    coordinator_keys: list[Ed25519Key] = field(init=False)
    log_key: Ed25519Key = field(init=False)
    hub_key: Ed25519Key = field(init=False)
    _seq: Counter[str] = field(init=False, default_factory=Counter)
    _validator: StixValidator | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.coordinator_keys = [self.key(f"coordinator-{number}") for number in range(self.coordinators)]
        self.log_key, self.hub_key = self.key("log"), self.key("hub")
        for member in self.members:
            self.ports[member] = self.make_port(member)
        self.genesis_envelope = self._found()

    @property
    def genesis_hash(self) -> str:
        return genesis.genesis_hash(self.genesis_statement)

    @property
    def origin(self) -> str:
        return f"{self.name}/log"

    @property
    def validator(self) -> StixValidator:
        """One per process, as in production: compiling the schemas takes a while."""
        if self._validator is None:
            self._validator = _shared_validator()
        return self._validator

    def validate(self, raw: bytes) -> ValidObject:
        return self.validator.validate(raw)

    def key(self, name: str) -> Ed25519Key:
        """A key that follows from the seed and the name."""
        return keys.from_seed(hashlib.sha256(f"{self.seed}/{name}".encode()).digest())

    def make_port(self, member: str) -> FakePort:
        """The keys of a member, whether it is in the roster or not."""
        made = {role: self.key(f"{member}/{role}") for role in ("machine", "officer", "second_officer", "witness")}
        desk = tuple(self.key(f"{member}/desk-{number}") for number in range(self.desk_keys))
        return FakePort(id=member, desk=desk, **made)

    def identity(self, member: str) -> str:
        """The STIX identity id of a member."""
        return identity_of(self.name, member)

    # --- control entries: the chain advances as they are made, so submit them in this order -----------------------

    def founding(self) -> list[bytes]:
        """The genesis and the roster entry that adds every member with its keys: entries 0 and 1."""
        ops = [op for member in self.members for op in self.joining(self.ports[member])]
        return [self.genesis_envelope, self.control("roster", ops)]

    def joining(self, port: FakePort) -> list[dict[str, Any]]:
        """The operations that add a member with machine, officer and witness keys."""
        after = to_ms(self.clock.now() + _YEAR)
        add = {
            "op": "add-member",
            "member": port.id,
            "name": f"Port {port.id}",
            "kind": "port",
            "locodes": [],
            "organisation": f"org-{port.id}",
            "witness": port.id in self.witnesses,
        }
        named = (
            (port.machine.record("machine"), None),
            (port.officer.record("officer"), port.pseudonym),
            (port.second_officer.record("officer"), port.second_pseudonym),
            *((key.record("machine"), None) for key in port.desk),
        )
        added = [
            {"op": "add-key", "member": port.id, "key": key.to_json(), "pseudonym": who, "not_after_ms": after}
            for key, who in named
        ]
        witness = {"op": "set-witness-key", "member": port.id, "public": genesis.to_b64(port.witness.public)}
        return [add, *added, witness]

    def join(self, member: str) -> bytes:
        """A roster entry that adds one more member; its port is in ``ports`` from now on."""
        self.ports[member] = self.make_port(member)
        return self.control("roster", self.joining(self.ports[member]))

    def group(self, name: str, *members: str) -> bytes:
        """The next version of a sharing group."""
        version = (self.roster.latest_group(name) or 0) + 1
        op = {"op": "set-group", "group": name, "members": sorted(members), "version": version}
        return self.control("group", [op])

    def set_status(self, operation: str, member: str) -> bytes:
        """``operation``: remove-member, suspend-member or reinstate-member."""
        return self.control("roster", [{"op": operation, "member": member, "reason": "test"}])

    def revoke_key(self, key_id: str, *, invalid_since: datetime | None = None) -> bytes:
        since = None if invalid_since is None else to_ms(invalid_since)
        op = {"op": "revoke-key", "key_id": key_id, "reason": "test", "invalid_since_ms": since}
        return self.control("revoke-key", [op])

    def control(self, kind: str, ops: Sequence[Mapping[str, Any]]) -> bytes:
        """The next entry of the coordinators' chain, signed by all of them."""
        body = {"ops": [dict(op) for op in ops], "prev": self.roster.prev, "version": self.roster.version + 1}
        raw = self.envelope(
            FEDERATION_ISSUER, kind, signers=self.coordinator_keys, decided_by="coordinators", tlp=None, body=body
        )
        self._fold(raw)
        return raw

    def rekey(self, member: str, *, role: str = "machine") -> bytes:
        """A new key for an old one; the member signs with the new one from now on."""
        port = self.ports[member]
        old: Ed25519Key = getattr(port, role)
        fresh = self.key(f"{member}/{role}/{old.key_id}")
        body = {
            "key": fresh.record("machine" if role == "machine" else "officer").to_json(),
            "not_after_ms": to_ms(self.clock.now() + _YEAR),
            "old": old.key_id,
        }
        raw = self.envelope(member, "rekey", signers=[old, fresh], decided_by="rule:rekey@1", tlp=None, body=body)
        self._fold(raw)
        setattr(port, role, fresh)
        return raw

    # --- content --------------------------------------------------------------------------------------------------

    def indicator(
        self,
        member: str,
        *,
        tlp: Tlp | None = Tlp.GREEN,
        ident: uuid.UUID | None = None,
        modified: int = 0,
        **more: Any,
    ) -> bytes:
        """A valid indicator of this member. ``modified``: milliseconds after its creation."""
        now = self.clock.now()
        header = stix.Header(
            ident=ident or uuid.uuid4(),
            issuer=self.identity(member),
            created=now,
            tlp=tlp,
            modified=now + timedelta(milliseconds=modified) if modified else None,
        )
        given = {
            "name": "cloned identity",
            "pattern": stix.pattern_equals("vessel:mmsi", ["205123400"]),
            "valid_from": now,
            "valid_until": now + timedelta(days=30),
        }
        return stix.indicator(header, **{**given, **more})

    def publish(
        self, member: str, *, objects: Sequence[bytes] | None = None, tlp: Tlp | None = Tlp.GREEN, **more: Any
    ) -> bytes:
        """A serialised Envelope. ``more``: groups (names, or (name, version)), recipients, officer, seq, ..."""
        made = [self.indicator(member, tlp=tlp)] if objects is None else objects
        return self.content(member, "publish", objects=made, tlp=tlp, **more)

    def sighting(
        self, member: str, *, of: tuple[str, str], tlp: Tlp | None = Tlp.GREEN, count: int = 1, **more: Any
    ) -> bytes:
        """A sighting of ``of`` = (issuer, indicator id)."""
        now = self.clock.now()
        header = stix.Header(ident=uuid.uuid4(), issuer=self.identity(member), created=now, tlp=tlp)
        made = stix.sighting(header, indicator_id=of[1], first_seen=now, last_seen=now, count=count)
        return self.content(member, "sighting", objects=[made], tlp=tlp, body=refs_body([of]), **more)

    def retract(
        self,
        member: str,
        stix_ids: Sequence[str],
        *,
        tlp: Tlp | None = Tlp.GREEN,
        objects: Sequence[bytes] = (),
        **more: Any,
    ) -> bytes:
        """A retraction of the member's own objects; an officer's act."""
        body = refs_body([(member, stix_id) for stix_id in stix_ids])
        return self.content(member, "retract", objects=objects, tlp=tlp, body=body, **more)

    def suspend(self, of: tuple[str, str], *, tlp: Tlp | None = Tlp.GREEN, **more: Any) -> bytes:
        """A coordinator suspends an object, whoever issued it."""
        given = {"signers": self.coordinator_keys[:1], "decided_by": "coordinators", "body": refs_body([of])}
        return self.envelope(FEDERATION_ISSUER, "suspend", tlp=tlp, **{**given, **more})

    def content(
        self, member: str, kind: str, *, officer: bool = True, two_officers: bool = False, **more: Any
    ) -> bytes:
        """Any kind of statement by a member, signed by its machine and, unless told otherwise, by an officer."""
        port = self.ports[member]
        who = [port.officer] if officer or two_officers else []
        who += [port.second_officer] if two_officers else []
        decided = f"officer:{port.pseudonym}" if who else "rule:test@1"
        given = {"signers": [port.machine, *who], "decided_by": decided}
        return self.envelope(member, kind, **{**given, **more})

    def envelope(
        self,
        issuer: str,
        kind: str,
        *,
        signers: Sequence[Ed25519Key],
        objects: Sequence[bytes] = (),
        groups: Iterable[str | tuple[str, int]] = (),
        recipients: Iterable[str] = (),
        seq: int | None = None,
        **more: Any,
    ) -> bytes:
        """A serialised Envelope of any statement; the first signer's sequence is counted."""
        signer = signers[0]
        if seq is None:
            self._seq[signer.key_id] += 1
            seq = self._seq[signer.key_id]
        salted = tuple(dsse.SaltedObject(salt=uuid.uuid4().bytes * 2, body=body) for body in objects)
        given: dict[str, Any] = {
            "kind": kind,
            "issuer": issuer,
            "signer": signer.key_id,
            "seq": seq,
            "id": f"urn:uuid:{uuid.uuid4()}",
            "issued": self.clock.now(),
            "log_seen": self.seen,
            "groups": tuple(sorted(self._named(groups))),
            "recipients": tuple(sorted(recipients)),
            "objects": tuple(_ref(item) for item in salted),
        }
        raw = stm.encode(Statement(**{**given, **more}))
        return sealed(raw, signers, salted)

    def _named(self, groups: Iterable[str | tuple[str, int]]) -> list[tuple[str, int]]:
        return [(item, self.roster.latest_group(item) or 1) if isinstance(item, str) else item for item in groups]

    def _found(self) -> bytes:
        founded = Genesis(
            federation=self.name,
            origin=self.origin,
            ca_root=self.ca_root,
            log_key=self.log_key.public,
            hub_key=self.hub_key.public,
            coordinators=tuple(key.record("coordinator") for key in self.coordinator_keys),
            threshold=self.coordinators,
            demo=self.coordinators == 1,
        )
        raw = self.envelope(
            FEDERATION_ISSUER,
            "genesis",
            signers=self.coordinator_keys,
            decided_by="coordinators",
            tlp=None,
            body=founded.to_body(),
            log_seen=LogSeen(size=0, root=EMPTY_ROOT),
        )
        self.genesis_statement = wire.decode_envelope(raw).statement
        self.roster = roster.found(founded, dsse.digest_of(self.genesis_statement))
        return raw

    def _fold(self, raw: bytes) -> None:
        sealed_statement = wire.decode_envelope(raw).statement
        self.roster = roster.apply(
            self.roster,
            stm.decode(sealed_statement),
            digest=dsse.digest_of(sealed_statement),
            index=0,
            received_ms=to_ms(self.clock.now()),
        )


def sealed(raw: bytes, signers: Sequence[Ed25519Key], salted: tuple[dsse.SaltedObject, ...] = ()) -> bytes:
    """The serialised Envelope of statement bytes."""
    signed = wire.encode_signed(dsse.PAYLOAD_TYPE, raw, dsse.sign(raw, signers))
    return wire.encode_envelope(signed, salted)


def statement_of(raw: bytes) -> Statement:
    """The statement in a serialised Envelope."""
    return stm.decode(wire.decode_envelope(raw).statement)


def refs_body(of: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The body of a statement that refers to objects, given as (issuer, STIX id)."""
    return {"refs": [{"id": stix_id, "issuer": issuer} for issuer, stix_id in of]}


def stix_id_of(raw_object: bytes) -> str:
    """The id in a STIX object's bytes."""
    return str(orjson.loads(raw_object)["id"])


def a_moment() -> datetime:
    """When the fake clock starts."""
    return datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def _ref(item: dsse.SaltedObject) -> ObjectRef:
    data = orjson.loads(item.body)
    return ObjectRef(id=data["id"], modified=data.get("modified"), commitment=stm.commit(item.salt, item.body))


_VALIDATORS: list[StixValidator] = []


def _shared_validator() -> StixValidator:
    if not _VALIDATORS:
        _VALIDATORS.append(StixValidator(TemplateCache()))
    return _VALIDATORS[0]
