"""The mutants of ``tests.fakes.mutants`` that only their authors, or members among themselves, could make.

Steps 6, 9, 12, 13 and 15 to 18: fields, keys, authority, audience and objects, always signed again in full.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from port2port.clock import from_ms, to_text
from port2port.envelope import SaltedObject
from port2port.sharing import Name
from port2port.statement import commit
from port2port.stix import objects as stix
from port2port.stix.markings import TLP_IDS
from port2port.tlp import Tlp
from tests.fakes.trust import DAY_MS, Case, Draft, World

Change = Callable[[Draft, World, random.Random], object]

# 6: a field → values it cannot have.
BAD_VALUES: dict[str, tuple[Any, ...]] = {
    "body": (None, [], "x", {"refs": [{"id": "x"}]}, {"refs": "all"}, {"refs": [{"id": "x", "issuer": "beanr"}]}),
    "context": ("", "white space", 7, "x" * 81),
    "crit": (None, ["b", "a"], ["a", "a"], [1], [""], ["x" * 41], [f"f{number:02}" for number in range(17)]),
    "decided_by": (None, "", "officer:", "officer:Jan Peeters", "rule:clone", "rule:clone@", "nobody", "officer:a b"),
    "groups": (
        None,
        ["seaports"],
        [{"name": "seaports"}],
        [{"name": "seaports", "version": 0}],
        [{"name": "seaports", "version": "1"}],
        [{"name": "Seaports", "version": 1}],
        [{"name": "seaports", "version": 2}, {"name": "seaports", "version": 1}],
        [{"name": "seaports", "version": 1}] * 2,
        [{"name": f"group-{number:02}", "version": 1} for number in range(17)],
    ),
    "handling": ("", "shoot", True, ["act"]),
    "id": (None, "", "7", "urn:uuid:7", "urn:uuid:9B2E8C1E-7C39-4B7E-8F3A-0C5D2B1A9E11"),
    "issued": (
        None,
        7,
        "",
        "2026-11-22",
        "2026-11-22T08:00:00Z",
        "2026-13-22T08:00:00.000Z",
        "2026-11-22T24:00:00.000Z",
    ),
    "issuer": (None, "", "BEANR", "be anr", "x" * 41),
    "kind": (None, "", 7, "x" * 41),
    "log_seen": (
        None,
        {},
        {"root": "00" * 32},
        {"root": "00" * 31, "size": 1},
        {"root": "AA" * 32, "size": 1},
        {"root": "00" * 32, "size": -1},
        {"root": "00" * 32, "size": True},
        {"root": "00" * 32, "size": 1, "time": 1},
    ),
    "objects": (
        None,
        {},
        [{}],
        [{"commitment": "00" * 32, "id": "indicator", "modified": None}],
        [{"commitment": "00", "id": "identity--1c2d3e4f-0000-4000-8000-000000000000", "modified": None}],
        [{"commitment": "00" * 32, "id": "identity--1c2d3e4f-0000-4000-8000-000000000000", "modified": 7}],
        [{"commitment": "00" * 32, "id": "identity--1c2d3e4f-0000-4000-8000-000000000000", "modified": None}] * 2,
        [None] * 65,
    ),
    "personal_data": (None, 0, "false"),
    "purpose": ("", "curiosity", 7),
    "realm": (None, "", "unreal", "exercise:", "exercise:Storm"),
    "recipients": (None, "beanr", ["beanr", "beanr"], ["belgg", "beanr"], ["BEANR"], [7], ["m"] * 65),
    "retain_until": ("", 7, "tomorrow"),
    "seq": (None, 0, -1, "1", True),
    "signer": (None, "", "00" * 31, "AA" * 32, "g" * 64),
    "tlp": ("", "white", "AMBER", "amber+", 7),
    "v": (None, 0, "1", True, 1001),
}


def _mutant(change: Change, kind: str | None = None, **context: Any) -> Callable[[World, random.Random], Case]:
    def mutate(world: World, rng: random.Random) -> Case:
        made = world.draft(rng, kind)
        change(made, world, rng)
        return world.case(made, **context)

    return mutate


def _missing(made: Draft, _world: World, rng: random.Random) -> None:
    del made.data[rng.choice(sorted(made.data))]


def _bad_value(name: str) -> Change:
    return lambda made, _world, rng: made.data.update({name: rng.choice(BAD_VALUES[name])})


# 9 KEYS ---------------------------------------------------------------------------------------------------------


def _replay(made: Draft, world: World, _rng: random.Random) -> None:
    """Another member sends it as its own: the issuer is changed, the signatures are the first author's."""
    made.data["issuer"] = next(name for name in ("beanr", "belgg") if name != made.data["issuer"])
    assert world.fed.roster.is_member(made.data["issuer"])


def _signed_by(choose: Callable[[World], Any], issued_ms: int = 0) -> Change:
    def change(made: Draft, world: World, _rng: random.Random) -> None:
        key = choose(world)
        made.data.update(issuer=world.port.id, signer=key.key_id, decided_by="rule:clone@1", tlp="green")
        made.data.update(groups=[], recipients=[], personal_data=False, issued=_text(world, issued_ms))
        made.signers = [key]

    return change


def _relayed(made: Draft, world: World, _rng: random.Random) -> None:
    made.signers = [*made.signers, world.fed.hub_key]


def _former_coordinator(made: Draft, world: World, _rng: random.Random) -> None:
    made.signers = [made.signers[0], world.left]


def _replaced(made: Draft, world: World, _rng: random.Random) -> None:
    made.data.update(issuer="beanr", signer=world.replaced.key_id, decided_by="rule:clone@1", personal_data=False)
    made.signers = [world.replaced]


def _long_absent(made: Draft, world: World, _rng: random.Random) -> None:
    """Issued in time, but the key expired more than 90 days before it arrives."""
    _signed_by(lambda w: w.long_expired, -92 * DAY_MS)(made, world, _rng)


# 12 AUTHORITY ---------------------------------------------------------------------------------------------------


def _strip_officers(made: Draft, _world: World, _rng: random.Random) -> None:
    made.signers = made.signers[:1]


def _by_rule(made: Draft, _world: World, _rng: random.Random) -> None:
    made.data["decided_by"] = "rule:clone@1"


def _other_officer(made: Draft, _world: World, _rng: random.Random) -> None:
    made.data["decided_by"] = "officer:o9"


def _personal_alone(made: Draft, world: World, _rng: random.Random) -> None:
    port = world.fed.ports[made.data["issuer"]]
    made.signers = [port.machine, port.officer]
    made.data.update(personal_data=True, purpose="isps", decided_by="officer:o1")


def _absent_signer(made: Draft, world: World, _rng: random.Random) -> None:
    port = world.fed.ports[made.data["issuer"]]
    made.signers = [port.officer, port.second_officer]
    made.data.update(decided_by="officer:o1", signer=port.machine.key_id)


def _absent_signer_unknown(made: Draft, world: World, _rng: random.Random) -> None:
    _absent_signer(made, world, _rng)
    made.data["kind"] = "weather"


def _body(**changes: Any) -> Change:
    return lambda made, _world, _rng: made.data["body"].update(changes)


def _not_by_new_key(made: Draft, world: World, _rng: random.Random) -> None:
    made.data.update(signer=world.port.machine.key_id)
    made.data["body"]["old"] = world.port.machine.key_id
    made.signers = [world.port.machine, world.port.officer]


# 15 COMMITMENTS, 16 OBJECTS, 17 OWNERSHIP, 18 OBJECT_MARKING ----------------------------------------------------


def _salts_swapped(made: Draft, world: World, rng: random.Random) -> None:
    _two_objects(made, world, rng)
    a, b = made.objects
    made.objects = [SaltedObject(salt=b.salt, body=a.body), SaltedObject(salt=a.salt, body=b.body)]


def _two_objects(made: Draft, world: World, rng: random.Random) -> None:
    tlp = Tlp(made.data["tlp"] or "amber+strict")
    world.put(made, [world.indicator(rng, made.data["issuer"], tlp) for _ in range(2)], rng)


def _objects_swapped(made: Draft, world: World, rng: random.Random) -> None:
    _two_objects(made, world, rng)
    made.objects.reverse()


def _salt(made: Draft, _world: World, rng: random.Random) -> None:
    made.objects[0] = SaltedObject(salt=rng.randbytes(32), body=made.objects[0].body)


def _short_salt(made: Draft, _world: World, _rng: random.Random) -> None:
    made.objects[0] = SaltedObject(salt=b"salt", body=made.objects[0].body)
    made.data["objects"][0]["commitment"] = commit(b"salt", made.objects[0].body)


def _other_content(made: Draft, world: World, rng: random.Random) -> None:
    made.objects[0] = SaltedObject(salt=made.objects[0].salt, body=world.indicator(rng, "beanr", Tlp.CLEAR))


def _one_object(change: Callable[[dict[str, Any], World, random.Random], object]) -> Change:
    """Another object, committed to and signed as it is; its id and version are stated as in the statement before."""

    def mutate(made: Draft, world: World, rng: random.Random) -> None:
        tlp = Tlp(made.data["tlp"] or "amber+strict")
        data = orjson.loads(world.indicator(rng, made.data["issuer"], tlp))
        world.put(made, [orjson.dumps(data, option=orjson.OPT_SORT_KEYS)], rng)
        change(data, world, rng)
        body = orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
        made.objects = [SaltedObject(salt=made.objects[0].salt, body=body)]
        made.commit_again()

    return mutate


def _object_bytes(change: Callable[[bytes], bytes]) -> Change:
    def mutate(made: Draft, _world: World, _rng: random.Random) -> None:
        made.objects[0] = SaltedObject(salt=made.objects[0].salt, body=change(made.objects[0].body))
        made.commit_again()

    return mutate


def _marked(choose: Callable[[Draft], list[str] | None]) -> Change:
    def mutate(made: Draft, world: World, rng: random.Random) -> None:
        def change(data: dict[str, Any], _world: World, _rng: random.Random) -> None:
            refs = choose(made)
            data.pop("object_marking_refs")
            data.update({} if refs is None else {"object_marking_refs": refs})

        _one_object(change)(made, world, rng)

    return mutate


def _less_strict(made: Draft) -> list[str]:
    own = Tlp(made.data["tlp"] or "amber+strict")
    return [TLP_IDS[Tlp.GREEN if own is not Tlp.GREEN else Tlp.CLEAR]]


def _granular(data: dict[str, Any], _world: World, _rng: random.Random) -> None:
    data["granular_markings"] = [{"marking_ref": TLP_IDS[Tlp.RED], "selectors": ["name"]}]


def _elsewhere(names: Sequence[Name]) -> dict[Name, str]:
    return dict.fromkeys(names, "exercise:elsewhere")


def _anothers_refs(made: Draft, world: World, _rng: random.Random) -> None:
    other = next(name for name in ("beanr", "belgg") if name != made.data["issuer"])
    refs = [{"id": "indicator--9b2e8c1e-7c39-4b7e-8f3a-0c5d2b1a9e11", "issuer": other}]
    made.data["body"] = {"refs": refs}
    assert world.fed.roster.is_member(other)


def _sights_another(made: Draft, world: World, rng: random.Random) -> None:
    now = from_ms(world.now_ms)
    header = stix.Header(
        ident=uuid.UUID(int=rng.getrandbits(128), version=4),
        issuer=world.fed.identity(made.data["issuer"]),
        created=now,
        tlp=Tlp(made.data["tlp"] or "amber+strict"),
    )
    hidden = "indicator--9b2e8c1e-7c39-4b7e-8f3a-0c5d2b1a9e11"
    world.put(made, [stix.sighting(header, indicator_id=hidden, first_seen=now, last_seen=now, count=1)], rng)


def _text(world: World, ms: int) -> str:
    return to_text(from_ms(world.now_ms + ms))


def _audience(**changes: Any) -> Change:
    return lambda made, _world, _rng: made.data.update(changes)


def _by_another(data: dict[str, Any], world: World, _rng: random.Random) -> None:
    data["created_by_ref"] = world.fed.identity("bebru")


_ROSTER_OPS = (
    [],
    "ops",
    [{"op": "crown"}],
    [{"op": ["set-witness"]}],
    [{"op": "set-witness", "member": "atlantis", "witness": True}],
    [{"op": "set-witness", "member": "beanr"}],
    [{"op": "set-group", "group": "x", "members": [], "version": 1}],
)

CONTENT_MUTANTS: dict[tuple[int, str], Callable[[World, random.Random], Case]] = {
    (6, "a field is missing"): _mutant(_missing),
    **{(6, f"{name} has a value it cannot have"): _mutant(_bad_value(name)) for name in BAD_VALUES},
    (9, "replay by another member"): _mutant(_replay, "publish"),
    (9, "a stranger's key"): _mutant(_signed_by(lambda w: w.stranger), "note"),
    (9, "another member's key"): _mutant(_signed_by(lambda w: w.other.machine), "note"),
    (9, "a coordinator's key for a member"): _mutant(_signed_by(lambda w: w.fed.coordinator_keys[0]), "note"),
    (9, "revoked key"): _mutant(_signed_by(lambda w: w.revoked), "note"),
    (9, "replaced key"): _mutant(_replaced, "note"),
    (9, "expired key"): _mutant(_signed_by(lambda w: w.expired), "note"),
    (9, "key expired 91 days ago"): _mutant(_long_absent, "note"),
    (9, "a relay signs too"): _mutant(_relayed, "publish"),
    (9, "a coordinator who left"): _mutant(_former_coordinator, "roster"),
    (12, "stripped officers' signatures"): _mutant(_strip_officers, "retract"),
    (12, "a rule decides what needs an officer"): _mutant(_by_rule, "note"),
    (12, "the officer named did not sign"): _mutant(_other_officer, "report"),
    (12, "personal data by one officer"): _mutant(_personal_alone, "publish"),
    (12, "one of two officers"): _mutant(lambda m, _w, _r: m.signers.pop(), "erase"),
    (12, "one of two coordinators"): _mutant(lambda m, _w, _r: m.signers.pop(), "group"),
    (12, "the counted key did not sign"): _mutant(_absent_signer, "note"),
    (12, "the counted key did not sign what nobody understands"): _mutant(
        _absent_signer_unknown, "note", keep_unknown=True
    ),
    (12, "stale roster version"): _mutant(_body(version=2), "roster"),
    (12, "broken roster chain"): _mutant(_body(prev="00" * 32), "revoke-key"),
    (12, "an operation that cannot be"): _mutant(
        lambda m, _w, r: m.data["body"].update(ops=r.choice(_ROSTER_OPS)), "roster"
    ),
    (12, "coordinators say a rule decided"): _mutant(_by_rule, "suspend"),
    (12, "rekey not signed by the new key"): _mutant(_not_by_new_key, "rekey"),
    (12, "rekey by the new key alone"): _mutant(
        lambda m, _w, _r: (m.signers.pop(0), m.data.update(signer=m.signers[0].key_id)), "rekey"
    ),
    (13, "RED"): _mutant(_audience(tlp="red", groups=[], recipients=["beanr"]), "note"),
    (13, "GREEN to a group"): _mutant(_audience(tlp="green", groups=[{"name": "seaports", "version": 1}]), "note"),
    (13, "CLEAR to a recipient"): _mutant(_audience(tlp="clear", groups=[], recipients=["beanr"]), "note"),
    (13, "unknown group version"): _mutant(_audience(tlp="amber", groups=[{"name": "seaports", "version": 7}]), "note"),
    (13, "unknown recipient"): _mutant(_audience(tlp="amber", groups=[], recipients=["atlantis"]), "note"),
    (13, "personal data without a purpose"): _mutant(_audience(personal_data=True, purpose=None), "level"),
    (13, "marked control entry"): _mutant(_audience(tlp="amber"), "roster"),
    (13, "control entry of an exercise"): _mutant(_audience(realm="exercise:storm-1"), "group"),
    (15, "wrong salt"): _mutant(_salt, "publish"),
    (15, "short salt"): _mutant(_short_salt, "publish"),
    (15, "swapped salts"): _mutant(_salts_swapped, "publish"),
    (15, "swapped objects"): _mutant(_objects_swapped, "publish"),
    (15, "another object"): _mutant(_other_content, "publish"),
    (15, "an object missing"): _mutant(lambda m, _w, _r: m.objects.pop(), "publish"),
    (15, "an object too many"): _mutant(lambda m, _w, _r: m.objects.append(m.objects[0]), "publish"),
    (16, "no pattern"): _mutant(_one_object(lambda d, _w, _r: d.pop("pattern")), "publish"),
    (16, "a pattern that is none"): _mutant(
        _one_object(lambda d, _w, _r: d.update(pattern="[vessel:mmsi =")), "report"
    ),
    (16, "unknown type"): _mutant(_one_object(lambda d, _w, _r: d.update(type="rumour")), "publish"),
    (16, "another id than stated"): _mutant(
        _one_object(lambda d, _w, _r: d.update(id="indicator--9b2e8c1e-7c39-4b7e-8f3a-0c5d2b1a9e11")), "publish"
    ),
    (16, "another version than stated"): _mutant(
        _one_object(lambda d, _w, _r: d.update(modified="2026-11-23T00:00:00.000Z")), "publish"
    ),
    (16, "duplicate JSON key in an object"): _mutant(
        _object_bytes(lambda raw: raw.replace(b'"type":', b'"type":"indicator","type":')), "publish"
    ),
    (16, "spaces in an object"): _mutant(_object_bytes(lambda raw: raw.replace(b":", b": ", 1)), "import"),
    (16, "over 64 KiB"): _mutant(_object_bytes(lambda raw: raw + b" " * 65_536), "publish"),
    (17, "created by another"): _mutant(_one_object(_by_another), "publish"),
    (17, "created by nobody"): _mutant(_one_object(lambda d, _w, _r: d.pop("created_by_ref")), "sighting"),
    (17, "retracts another issuer's object"): _mutant(_anothers_refs, "retract"),
    (17, "erases another issuer's object"): _mutant(_anothers_refs, "erase"),
    (17, "holds another issuer's object"): _mutant(_anothers_refs, "hold"),
    (17, "sights what it does not name"): _mutant(_sights_another, "sighting"),
    (17, "a version of another realm's object"): _mutant(lambda _m, _w, _r: None, "publish", realm_of=_elsewhere),
    (17, "sights another realm's object"): _mutant(lambda _m, _w, _r: None, "sighting", realm_of=_elsewhere),
    (17, "retracts nothing"): _mutant(lambda m, _w, _r: m.data.update(body={}), "retract"),
    (18, "an object marked less strictly"): _mutant(_marked(_less_strict), "publish"),
    (18, "an object marked RED"): _mutant(_marked(lambda _made: [TLP_IDS[Tlp.RED]]), "publish"),
    (18, "an unmarked object"): _mutant(_marked(lambda _made: None), "publish"),
    (18, "a part marked more strictly"): _mutant(_one_object(_granular), "publish"),
}
