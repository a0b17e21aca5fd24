from __future__ import annotations

import dataclasses
import random
from datetime import UTC, datetime

import pytest

from port2port.sharing import (
    HUB_OPERATORS,
    OPERATOR,
    PUBLIC,
    Audience,
    Outlet,
    Reader,
    ReaderKind,
    Reason,
    affiliate_reader,
    audience_of,
    explain,
    may_ask_why,
    member_reader,
    no_wider_than,
    permits,
    resolve_readers,
    visibility_key,
)
from port2port.statement import LogSeen, Statement
from port2port.tlp import Tlp
from tests.fakes.sharing_oracle import EVERYBODY, a_roster, random_case

SEAPORTS = ("seaports", 1)  # beanr, nlvli and the suspended beost
ALL_PORTS = ("seaports", 2)  # belgg too
PARENT = Audience(issuer="nlvli", kind="publish", tlp=Tlp.AMBER, groups=(SEAPORTS,))
CHILD = Audience(issuer="beanr", kind="sighting", tlp=Tlp.AMBER, groups=(SEAPORTS,))


def names(rows, *, allowed):
    return [name for name, decision in rows if decision.allowed is allowed]


def test_a_preview_names_every_member_and_the_hubs_operators():
    rows = resolve_readers(PARENT, a_roster(), None)
    assert names(rows, allowed=True) == ["beanr", "nlvli", HUB_OPERATORS]
    assert names(rows, allowed=False) == ["belgg", "police-antwerp"]


def test_a_preview_of_red_names_its_issuer_alone():
    rows = resolve_readers(dataclasses.replace(PARENT, tlp=Tlp.RED), a_roster(), None)
    assert names(rows, allowed=True) == ["nlvli"]
    assert {decision.reasons for name, decision in rows if name != "nlvli"} == {(Reason.NOT_BEFORE_SEALED,)}


def test_explain_gives_the_reason_that_decided_on_the_feed():
    assert explain(PARENT, "beanr", a_roster()).reasons == (Reason.IN_GROUP,)
    assert explain(PARENT, "belgg", a_roster()).reasons == (Reason.NOT_NAMED,)
    assert explain(PARENT, "beanr", a_roster(), Outlet.GREEN_OUTLET).reasons == (Reason.OUTLET_TOO_OPEN,)


@pytest.mark.parametrize(
    ("reader", "answered"),
    [
        (member_reader("nlvli"), True),
        (member_reader("beanr"), False),
        (member_reader("beanr", roles=frozenset({"auditor"})), False),
        (PUBLIC, False),
        (affiliate_reader("beanr-RED"), False),
        (OPERATOR, False),
        (Reader(kind=ReaderKind.OPERATOR, roles=frozenset({"auditor"})), True),
    ],
)
def test_only_the_author_and_the_federations_auditor_are_told_why(reader, answered):
    assert may_ask_why(PARENT, reader, a_roster()) is answered


def test_a_suspended_author_is_told_nothing():
    assert not may_ask_why(dataclasses.replace(PARENT, issuer="beost"), member_reader("beost"), a_roster())


REFERENCES = [
    ("the same audience and marking", {}, {}, Reason.NO_WIDER),
    ("a stricter marking", {"tlp": Tlp.AMBER_STRICT}, {}, Reason.NO_WIDER),
    ("a milder marking", {"tlp": Tlp.GREEN}, {}, Reason.LESS_STRICT),
    ("AMBER about AMBER+STRICT", {}, {"tlp": Tlp.AMBER_STRICT}, Reason.LESS_STRICT),
    ("AMBER about unmarked", {}, {"tlp": None}, Reason.LESS_STRICT),
    ("unmarked about AMBER", {"tlp": None}, {}, Reason.NO_WIDER),
    ("only to the author of what it refers to", {"groups": (), "recipients": ("nlvli",)}, {}, Reason.NO_WIDER),
    (
        "to an author outside his own group",
        {"groups": (), "recipients": ("nlvli",)},
        {"groups": (("lcmb", 1),)},
        Reason.NO_WIDER,
    ),
    (
        "RED to one about RED to a group alone",
        {"tlp": Tlp.RED, "groups": (), "recipients": ("belgg",)},
        {"tlp": Tlp.RED, "groups": (ALL_PORTS,)},
        Reason.WIDER_AUDIENCE,
    ),
    (
        "RED to one about RED to him outside its group",
        {"tlp": Tlp.RED, "groups": (), "recipients": ("belgg",)},
        {"tlp": Tlp.RED, "recipients": ("belgg",)},
        Reason.WIDER_AUDIENCE,
    ),
    ("to nobody at all", {"groups": ()}, {}, Reason.NO_WIDER),
    ("to a member of the parent's group", {"groups": (), "recipients": ("beanr",)}, {}, Reason.NO_WIDER),
    ("to somebody outside the group", {"groups": (), "recipients": ("belgg",)}, {}, Reason.WIDER_AUDIENCE),
    ("to a larger version of the group", {"groups": (ALL_PORTS,)}, {}, Reason.WIDER_AUDIENCE),
    ("a larger group cut down by recipients", {"groups": (ALL_PORTS,), "recipients": ("beanr",)}, {}, Reason.NO_WIDER),
    ("to a version that nobody knows yet", {"groups": (("seaports", 9),)}, {}, Reason.WIDER_AUDIENCE),
    (
        "to a suspended member outside",
        {"recipients": ("beost",), "groups": ()},
        {"groups": (("lcmb", 1),)},
        Reason.WIDER_AUDIENCE,
    ),
    ("AMBER about what is for its issuer only", {}, {"groups": ()}, Reason.WIDER_AUDIENCE),
    (
        "AMBER to one about GREEN to all",
        {"groups": (), "recipients": ("belgg",)},
        {"tlp": Tlp.GREEN, "groups": ()},
        Reason.NO_WIDER,
    ),
    (
        "GREEN to all about GREEN to all",
        {"tlp": Tlp.GREEN, "groups": ()},
        {"tlp": Tlp.GREEN, "groups": ()},
        Reason.NO_WIDER,
    ),
    (
        "GREEN to all about GREEN to a group",
        {"tlp": Tlp.GREEN, "groups": ()},
        {"tlp": Tlp.GREEN},
        Reason.WIDER_AUDIENCE,
    ),
    ("CLEAR about GREEN", {"tlp": Tlp.CLEAR, "groups": ()}, {"tlp": Tlp.GREEN, "groups": ()}, Reason.LESS_STRICT),
    ("real about exercise", {}, {"realm": "exercise:x1"}, Reason.OTHER_REALM),
    ("one exercise about another", {"realm": "exercise:x2"}, {"realm": "exercise:x1"}, Reason.OTHER_REALM),
    (
        "RED to the group about RED to a recipient",
        {"tlp": Tlp.RED, "groups": (), "recipients": ("beanr", "belgg")},
        {"tlp": Tlp.RED, "groups": (), "recipients": ("beanr",)},
        Reason.WIDER_AUDIENCE,
    ),
    ("GREEN about a control entry", {"tlp": Tlp.GREEN, "groups": ()}, {"control": True, "tlp": None}, Reason.NO_WIDER),
    (
        "CLEAR about a control entry",
        {"tlp": Tlp.CLEAR, "groups": ()},
        {"control": True, "tlp": None},
        Reason.LESS_STRICT,
    ),
    ("a control entry about a marked one", {"control": True}, {}, Reason.LESS_STRICT),
]


@pytest.mark.parametrize(
    ("child", "parent", "reason"), [row[1:] for row in REFERENCES], ids=[row[0] for row in REFERENCES]
)
def test_what_refers_to_anothers_entry_is_no_wider(child, parent, reason):
    decision = no_wider_than(dataclasses.replace(CHILD, **child), dataclasses.replace(PARENT, **parent), a_roster())
    assert decision.reasons == (reason,)
    assert decision.allowed is (reason is Reason.NO_WIDER)


@pytest.mark.parametrize("reinstated", [False, True])
def test_whoever_reads_an_allowed_reference_may_read_what_it_refers_to(reinstated):
    rng, roster = random.Random(11), a_roster()
    now = a_roster()
    if reinstated:
        now.now.add("beost")
    accepted = 0
    for _ in range(6_000):
        child, parent = random_case(rng)[0], random_case(rng)[0]
        if not no_wider_than(child, parent, roster):
            continue
        accepted += 1
        plain = {"personal_data": False, "handling": None, "held": False}
        child, parent = dataclasses.replace(child, **plain), dataclasses.replace(parent, **plain)
        for member in set(EVERYBODY) - {child.issuer}:
            reads = permits(child, member_reader(member), None, Outlet.FEED, now)
            assert not reads or permits(parent, member_reader(member), None, Outlet.FEED, now), (child, parent, member)
    assert accepted > 200


def test_entries_with_equal_keys_get_equal_decisions():
    rng, roster = random.Random(5), a_roster()
    by_key: dict[object, list[Audience]] = {}
    for _ in range(3_000):
        entry = dataclasses.replace(random_case(rng)[0], personal_data=False)
        entry = dataclasses.replace(entry, groups=entry.groups[:1], recipients=entry.recipients[:1])
        by_key.setdefault(visibility_key(entry), []).append(entry)
    twins = [entries for entries in by_key.values() if len(entries) > 1]
    assert len(twins) > 100
    for first, second, *_ in twins:
        for _ in range(20):
            _, reader, purpose, outlet = random_case(rng)
            assert permits(first, reader, purpose, outlet, roster) is permits(second, reader, purpose, outlet, roster)


def test_the_key_forgets_spelling_and_keeps_what_decides():
    twice = dataclasses.replace(PARENT, recipients=("beanr", "nlvli", "beanr"), markings=(Tlp.AMBER,), purpose="isps")
    once = dataclasses.replace(PARENT, recipients=("nlvli", "beanr"), kind="note", handling="act")
    assert visibility_key(twice) == visibility_key(once)
    for change in (
        {"issuer": "beanr"},
        {"tlp": Tlp.GREEN},
        {"groups": (ALL_PORTS,)},
        {"recipients": ("belgg",)},
        {"realm": "exercise:x1"},
        {"held": True},
        {"handling": "observe_only"},
        {"personal_data": True},
        {"control": True},
    ):
        assert visibility_key(dataclasses.replace(PARENT, **change)) != visibility_key(PARENT)


def test_the_audience_of_a_statement_is_what_it_states():
    statement = Statement(
        kind="publish",
        issuer="nlvli",
        signer="0" * 64,
        seq=1,
        id="urn:uuid:5d3e24a4-9be4-4c6a-9a0e-3c2f6a4d7c11",
        issued=datetime(2026, 11, 22, tzinfo=UTC),
        log_seen=LogSeen(size=0, root=bytes(32)),
        decided_by="officer:a",
        tlp=Tlp.AMBER,
        groups=(SEAPORTS,),
        recipients=("beanr",),
        handling="observe_only",
        purpose="isps",
        personal_data=True,
        realm="exercise:x1",
    )
    shared = {field.name for field in dataclasses.fields(Audience)} & {f.name for f in dataclasses.fields(Statement)}
    audience = audience_of(statement, markings=(Tlp.RED,), held=True)
    assert {name: getattr(audience, name) for name in shared} == {name: getattr(statement, name) for name in shared}
    assert len(shared) == 9
    assert (audience.markings, audience.held, audience.control) == ((Tlp.RED,), True, False)
    assert audience_of(dataclasses.replace(statement, kind="group")).control
