"""The roster: every operation, good and bad; the chain; rekeys; revocations; and that folding changes nothing."""

from __future__ import annotations

import copy
import dataclasses

import pytest

from port2port import keys, roster
from port2port.clock import to_ms
from port2port.errors import MalformedError, Port2PortError
from port2port.genesis import to_b64
from port2port.roster import RosterConflictError, RosterError
from port2port.sharing import RosterView
from port2port.tlp import Tlp
from tests.fakes.federation import Federation, statement_of

FED = Federation(members=("beanr", "belgg"), coordinators=2, witnesses=("beanr",))
FED.founding()
FED.group("seaports", "beanr", "belgg")
BEFORE = FED.roster
NOW_MS = to_ms(FED.clock.now())
PORT = FED.ports["beanr"]
NEW = keys.from_seed(b"n" * 32)
KEY = NEW.record("machine").to_json()
OFFICER = NEW.record("officer").to_json()
COORDINATOR = NEW.record("coordinator").to_json()
BOTH = [key.record("coordinator").to_json() for key in FED.coordinator_keys]
REASON = {"reason": "decided on 22 November"}
JOIN = {"name": "Port", "kind": "port", "locodes": ["BEBRU"], "witness": False, "organisation": "Brussels"}
ADD_KEY = {"op": "add-key", "member": "beanr", "key": KEY, "pseudonym": None, "not_after_ms": NOW_MS}


def control(kind, *ops, **changes):
    body = {"ops": list(ops), "prev": BEFORE.prev, "version": BEFORE.version + 1, **changes}
    said = statement_of(FED.genesis_envelope)
    return dataclasses.replace(said, kind=kind, body={k: v for k, v in body.items() if v != "absent"})


def apply(kind, *ops, before=BEFORE, index=7, **changes):
    said = control(kind, *ops, **changes)
    return roster.apply(before, said, digest=b"\x07" * 32, index=index, received_ms=NOW_MS)


def kind_of(op):
    return {"set-group": "group", "revoke-key": "revoke-key"}.get(op, "roster")


# Values of other types that these fields may have all the same.
POSSIBLE = [("witness", True), ("invalid_since_ms", None), ("members", []), ("locodes", []), ("pseudonym", None)]
GOOD = {
    "add-member": ({"member": "bebru", **JOIN}, lambda r: r.is_member("bebru")),
    "remove-member": ({"member": "belgg", **REASON}, lambda r: r.members() == {"beanr"}),
    "suspend-member": ({"member": "belgg", **REASON}, lambda r: not r.is_member("belgg")),
    "reinstate-member": ({"member": "belgg", **REASON}, lambda r: r.is_member("belgg")),
    "set-witness": ({"member": "belgg", "witness": True}, lambda r: r.witnesses()["belgg"] == "org-belgg"),
    "set-witness-key": (
        {"member": "beanr", "public": to_b64(NEW.public)},
        lambda r: r.witness_keys() == {"beanr": (NEW.public,)},
    ),
    "add-witness-key": (
        {"member": "beanr", "public": to_b64(NEW.public)},
        lambda r: r.witness_keys() == {"beanr": (PORT.witness.public, NEW.public)},
    ),
    "drop-witness-key": (
        {"member": "beanr", "public": to_b64(PORT.witness.public)},
        lambda r: r.witness_keys() == {} and "beanr" in r.witnesses(),
    ),
    "add-key": (
        {"member": "beanr", "key": KEY, "pseudonym": None, "not_after_ms": NOW_MS},
        lambda r: r.keys[NEW.key_id].added_index == 7,
    ),
    "revoke-key": (
        {"key_id": PORT.machine.key_id, "invalid_since_ms": None, **REASON},
        lambda r: r.keys_of("beanr", "machine") == (),
    ),
    "set-group": (
        {"group": "seaports", "members": ["belgg"], "version": 2},
        lambda r: (r.group("seaports", 1), r.group("seaports", 2)) == ({"beanr", "belgg"}, {"belgg"}),
    ),
    "add-affiliate": (
        {"affiliate": "quay-7", "member": "beanr", "name": "Quay 7", "ceiling": "green"},
        lambda r: r.affiliate("quay-7") == ("beanr", Tlp.GREEN),
    ),
    "set-coordinators": (
        {"coordinators": [*BOTH, COORDINATOR], "threshold": 3},
        lambda r: len(r.coordinators) == r.threshold == 3,
    ),
    "set-level-authority": (
        {"locode": "BEANR", "member": "belgg"},
        lambda r: r.level_authorities == {"BEANR": "belgg"},
    ),
    "set-minimum-version": ({"minimum_version": "1.2.3"}, lambda r: r.minimum_version == "1.2.3"),
}


def test_every_operation_has_a_good_case():
    assert set(GOOD) == set(roster.OPS)


@pytest.mark.parametrize("op", sorted(GOOD))
def test_an_operation_does_what_its_name_says(op):
    fields, expected = GOOD[op]
    after = apply(kind_of(op), {"op": op, **fields})
    assert expected(after)
    assert (after.version, after.prev) == (BEFORE.version + 1, "07" * 32)


@pytest.mark.parametrize("op", sorted(GOOD))
def test_folding_leaves_the_roster_before_as_it_was(op):
    copied = copy.deepcopy(BEFORE)
    apply(kind_of(op), {"op": op, **GOOD[op][0]})
    assert copied == BEFORE


@pytest.mark.parametrize("op", sorted(GOOD))
def test_an_operation_has_exactly_its_fields(op):
    fields = GOOD[op][0]
    for name in fields:
        with pytest.raises(RosterError):
            apply(kind_of(op), {"op": op, **{key: value for key, value in fields.items() if key != name}})
    with pytest.raises(RosterError):
        apply(kind_of(op), {"op": op, **fields, "more": 1})


@pytest.mark.parametrize("op", sorted(GOOD))
def test_an_operation_with_a_value_of_another_type_is_refused_and_nothing_crashes(op):
    for name in GOOD[op][0]:
        for value in (None, True, -1, "\x1b[2J", [], {}, [[]], "x" * 1_000):
            try:
                apply(kind_of(op), {"op": op, **GOOD[op][0], name: value})
            except Port2PortError:
                continue
            assert (name, value) in POSSIBLE


@pytest.mark.parametrize(
    ("op", "changes"),
    [
        pytest.param("add-member", {"member": "beanr"}, id="a member twice"),
        pytest.param("add-member", {"member": "federation"}, id="the federation as a member"),
        pytest.param("add-member", {"kind": "pirate"}, id="a kind that is none"),
        pytest.param("add-member", {"locodes": ["bebru"]}, id="a lower-case locode"),
        pytest.param("add-member", {"locodes": ["BEBRU"] * 2}, id="a locode twice"),
        pytest.param("add-member", {"name": "a\x07b"}, id="a control character in a name"),
        pytest.param("remove-member", {"member": "bebru"}, id="remove who is not there"),
        pytest.param("set-witness-key", {"public": to_b64(PORT.machine.public)}, id="machine key as witness key"),
        pytest.param("set-witness-key", {"public": to_b64(FED.log_key.public)}, id="the log's key as witness key"),
        pytest.param("set-witness-key", {"public": to_b64(b"short")}, id="a short witness key"),
        pytest.param("add-witness-key", {"public": to_b64(PORT.witness.public)}, id="a witness key twice"),
        pytest.param("add-witness-key", {"public": to_b64(PORT.machine.public)}, id="machine key as second witness"),
        pytest.param("drop-witness-key", {"public": to_b64(NEW.public)}, id="drop a witness key that is not there"),
        pytest.param("add-key", {"key": COORDINATOR}, id="a coordinator's key for a member"),
        pytest.param("add-key", {"key": OFFICER}, id="an officer without a pseudonym"),
        pytest.param("add-key", {"pseudonym": "o1"}, id="a machine with a pseudonym"),
        pytest.param("add-key", {"key": OFFICER, "pseudonym": "Jan Peeters"}, id="a pseudonym no statement can name"),
        pytest.param("add-key", {"key": PORT.machine.record("machine").to_json()}, id="a key twice"),
        pytest.param("add-key", {"key": FED.hub_key.record("machine").to_json()}, id="the hub's key"),
        pytest.param("add-key", {"key": PORT.witness.record("machine").to_json()}, id="a witness key"),
        pytest.param("add-key", {"not_after_ms": 2**53}, id="a key for ever"),
        pytest.param("revoke-key", {"key_id": "00" * 32}, id="revoke what is not there"),
        pytest.param("revoke-key", {"invalid_since_ms": NOW_MS + 1}, id="revoke from tomorrow on"),
        pytest.param("set-group", {"version": 1}, id="a group version again"),
        pytest.param("set-group", {"version": 3}, id="a group version skipped"),
        pytest.param("set-group", {"group": "inland", "version": True}, id="true instead of 1"),
        pytest.param("set-group", {"members": ["beanr", "beanr"]}, id="a member named twice"),
        pytest.param("set-group", {"members": ["atlantis"]}, id="an unknown member in a group"),
        pytest.param("add-affiliate", {"affiliate": "beanr"}, id="a member as affiliate"),
        pytest.param("add-affiliate", {"ceiling": "amber-ish"}, id="a ceiling that is none"),
        pytest.param("set-coordinators", {"threshold": 1}, id="one alone outside a demo"),
        pytest.param("set-coordinators", {"threshold": 4}, id="more than there are"),
        pytest.param("set-coordinators", {"coordinators": BOTH + BOTH[:1]}, id="a coordinator twice"),
        pytest.param("set-coordinators", {"coordinators": [*BOTH, KEY]}, id="a machine as coordinator"),
        pytest.param(
            "set-coordinators",
            {"coordinators": [*BOTH, PORT.officer.record("coordinator").to_json()]},
            id="an officer's key as coordinator's",
        ),
        pytest.param("set-minimum-version", {"minimum_version": "latest"}, id="a version that is none"),
    ],
)
def test_an_operation_that_cannot_be_is_refused(op, changes):
    with pytest.raises((MalformedError, RosterConflictError)):
        apply(kind_of(op), {"op": op, **GOOD[op][0], **changes})


@pytest.mark.parametrize(
    ("kind", "ops"),
    [
        pytest.param("roster", [], id="none"),
        pytest.param("roster", ["x"], id="no object"),
        pytest.param("roster", [{"op": ["set-witness"]}], id="a list for a name"),
        pytest.param("roster", [{"op": "set-group", **GOOD["set-group"][0]}], id="a group op in a roster"),
        pytest.param("group", [{"op": "add-key", **GOOD["add-key"][0]}], id="a key op in a group"),
        pytest.param("publish", [{"op": "add-key", **GOOD["add-key"][0]}], id="a kind without operations"),
        pytest.param("roster", [{"op": "set-witness", "member": "belgg", "witness": True}] * 101, id="101"),
    ],
)
def test_a_statement_carries_only_operations_of_its_kind(kind, ops):
    with pytest.raises(RosterError):
        apply(kind, *ops)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"version": BEFORE.version}, RosterConflictError, id="version again"),
        pytest.param({"version": BEFORE.version + 2}, RosterConflictError, id="version skipped"),
        pytest.param({"version": str(BEFORE.version + 1)}, RosterConflictError, id="version as text"),
        pytest.param({"prev": "00" * 32}, RosterConflictError, id="another predecessor"),
        pytest.param({"prev": "absent"}, RosterError, id="no predecessor"),
        pytest.param({"note": "x"}, RosterError, id="a field too many"),
    ],
)
def test_only_the_next_of_the_chain_is_taken(changes, error):
    with pytest.raises(error):
        apply("roster", {"op": "set-witness", "member": "belgg", "witness": True}, **changes)


def test_a_later_operation_of_a_statement_sees_the_earlier_ones():
    add = {"op": "add-member", "member": "bebru", **JOIN}
    key = {"op": "add-key", **GOOD["add-key"][0], "member": "bebru"}
    assert apply("roster", add, key).keys[NEW.key_id].member == "bebru"
    with pytest.raises(RosterConflictError):
        apply("roster", key, add)


def test_removal_is_for_ever_and_suspension_is_not():
    removed = apply("roster", {"op": "remove-member", "member": "belgg", **REASON})
    again = {"op": "reinstate-member", "member": "belgg", **REASON}
    more = {"prev": removed.prev, "version": removed.version + 1}
    with pytest.raises(RosterConflictError, match="for ever"):
        apply("roster", again, before=removed, **more)
    suspended = apply("roster", {"op": "suspend-member", "member": "belgg", **REASON})
    assert apply("roster", again, before=suspended, **more).is_member("belgg")


def test_a_suspended_witness_does_not_count():
    suspended = apply("roster", {"op": "suspend-member", "member": "beanr", **REASON})
    assert (suspended.witnesses(), suspended.witness_keys()) == ({}, {})
    assert BEFORE.witness_keys() == {"beanr": (PORT.witness.public,)}


def test_the_roster_is_what_sharing_asks():
    view: RosterView = BEFORE
    assert view.members() == {"beanr", "belgg"}
    assert view.group("seaports", 2) is None
    assert view.affiliate("quay-7") is None
    assert BEFORE.latest_group("inland") is None


# --- rekey ------------------------------------------------------------------------------------------------------


def rekey(before=BEFORE, issued=None, **changes):
    body = {"key": KEY, "not_after_ms": NOW_MS + 1, "old": PORT.machine.key_id, **changes}
    said = statement_of(FED.genesis_envelope)
    said = dataclasses.replace(said, kind="rekey", issuer="beanr", body=body, issued=issued or FED.clock.now())
    return roster.apply(before, said, digest=b"\x08" * 32, index=9, received_ms=NOW_MS)


def test_a_rekey_replaces_one_key_and_stands_outside_the_chain():
    after = rekey()
    assert after.keys[PORT.machine.key_id].revoked_index == 9
    assert after.keys[PORT.machine.key_id].invalid_since_ms is None
    fresh = after.keys[NEW.key_id]
    assert (fresh.member, fresh.added_index, fresh.not_after_ms) == ("beanr", 9, NOW_MS + 1)
    assert (after.version, after.prev) == (BEFORE.version, BEFORE.prev)


def test_a_rekeyed_officer_keeps_its_pseudonym():
    after = rekey(key=OFFICER, old=PORT.officer.key_id)
    assert after.keys[NEW.key_id].pseudonym == "o1"


def test_a_rekey_brings_no_validity_beyond_a_year():
    wanted = NOW_MS + 5_000 * 86_400_000
    old = BEFORE.keys[PORT.machine.key_id].not_after_ms
    assert rekey(not_after_ms=wanted).keys[NEW.key_id].not_after_ms == max(old, NOW_MS + 366 * 86_400_000)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"old": "00" * 32}, id="unknown old key"),
        pytest.param({"old": FED.ports["belgg"].machine.key_id}, id="another member's key"),
        pytest.param({"key": OFFICER}, id="a machine becomes an officer"),
        pytest.param({"key": PORT.officer.record("machine").to_json()}, id="a key that is there already"),
        pytest.param({"key": FED.coordinator_keys[0].record("machine").to_json()}, id="a coordinator's key"),
        pytest.param({"key": None}, id="no key"),
        pytest.param({"not_after_ms": "never"}, id="no end"),
        pytest.param({"more": 1}, id="a field too many"),
    ],
)
def test_a_rekey_that_brings_a_right_is_refused(changes):
    with pytest.raises(Port2PortError):
        rekey(**changes)


def test_a_replaced_key_cannot_be_replaced_again():
    with pytest.raises(RosterConflictError):
        rekey(before=rekey(), key=keys.from_seed(b"m" * 32).record("machine").to_json())


# --- revocation -------------------------------------------------------------------------------------------------


def revoke(before, since, index):
    op = {"op": "revoke-key", "key_id": PORT.machine.key_id, "invalid_since_ms": since, **REASON}
    more = {"prev": before.prev, "version": before.version + 1}
    return apply("revoke-key", op, before=before, index=index, **more)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param(None, NOW_MS - 5, NOW_MS - 5, id="back-dated later"),
        pytest.param(NOW_MS - 9, NOW_MS - 5, NOW_MS - 9, id="never forward again"),
        pytest.param(NOW_MS - 9, None, NOW_MS - 9, id="never undone"),
        pytest.param(NOW_MS - 5, NOW_MS - 9, NOW_MS - 9, id="further back"),
    ],
)
def test_a_revocation_only_moves_back(first, second, expected):
    once = revoke(BEFORE, first, 20)
    twice = revoke(once, second, 30)
    key = twice.keys[PORT.machine.key_id]
    assert (key.revoked_index, key.invalid_since_ms) == (20, expected)


def test_groups_keep_every_version():
    first = FED.roster.group("seaports", 1)
    after = apply("group", {"op": "set-group", "group": "seaports", "members": [], "version": 2})
    assert after.group("seaports", 1) == first
    assert after.group("seaports", 2) == frozenset()
    assert after.latest_group("seaports") == 2


def test_an_affiliate_changes_its_ceiling_but_not_its_port():
    with_quay = apply("roster", {"op": "add-affiliate", **GOOD["add-affiliate"][0]})
    more = {"prev": with_quay.prev, "version": with_quay.version + 1}
    higher = {"op": "add-affiliate", **GOOD["add-affiliate"][0], "ceiling": "amber"}
    assert apply("roster", higher, before=with_quay, **more).affiliate("quay-7") == ("beanr", Tlp.AMBER)
    with pytest.raises(RosterConflictError):
        apply("roster", {**higher, "member": "belgg"}, before=with_quay, **more)
    with pytest.raises(RosterConflictError):
        apply("roster", {"op": "add-member", "member": "quay-7", **JOIN}, before=with_quay, **more)


def test_a_witness_key_that_was_dropped_or_replaced_is_never_taken_again():
    other = to_b64(FED.key("another witness").public)
    dropped = apply("roster", {"op": "drop-witness-key", "member": "beanr", "public": to_b64(PORT.witness.public)})
    replaced = apply("roster", {"op": "set-witness-key", "member": "beanr", "public": other})
    for before in (dropped, replaced):
        again = {"op": "add-witness-key", "member": "beanr", "public": to_b64(PORT.witness.public)}
        said = control("roster", again, version=before.version + 1, prev=before.prev)
        with pytest.raises(RosterConflictError):
            roster.apply(before, said, digest=b"\x08" * 32, index=8, received_ms=NOW_MS)


def test_a_member_has_a_bounded_number_of_witness_keys():
    ops = [
        {"op": "add-witness-key", "member": "beanr", "public": to_b64(FED.key(f"w{number}").public)}
        for number in range(roster.MAX_WITNESS_KEYS)
    ]
    assert len(apply("roster", *ops[:-1]).witness_keys()["beanr"]) == roster.MAX_WITNESS_KEYS
    with pytest.raises(RosterConflictError, match="drop one"):
        apply("roster", *ops)
