from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from port2port import sharing
from port2port.sharing import (
    OPERATOR,
    PUBLIC,
    Audience,
    Outlet,
    Reader,
    ReaderKind,
    Reason,
    affiliate_reader,
    consumer_reader,
    member_reader,
    permits,
)
from port2port.sharing.rule import _decide
from port2port.sharing.table import CLASS_OF, TABLE, OutletClass, Reach
from port2port.tlp import Tlp, parse
from tests.fakes.sharing_oracle import FakeRoster, a_roster, may_read, random_case

GOLDEN = json.loads((Path(__file__).parents[2] / "vectors" / "sharing_golden.json").read_text())
CASES = 100_000


def golden_roster() -> FakeRoster:
    spelled = GOLDEN["roster"]
    return FakeRoster(
        now=set(spelled["members"]),
        suspended=set(spelled["suspended"]),
        groups={(name, version): frozenset(ids) for name, version, ids in spelled["groups"]},
        affiliates={name: (member, parse(ceiling)) for name, (member, ceiling) in spelled["affiliates"].items()},
    )


def golden_reader(kind: str, **given: str) -> Reader:
    if kind == "member":
        return member_reader(given["id"])
    if kind == "affiliate":
        return affiliate_reader(given["id"])
    if kind == "consumer":
        return consumer_reader(given["member"], ceiling=parse(given["ceiling"]))
    return {"public": PUBLIC, "operator": OPERATOR}[kind]


def golden_entry(tlp: str | None = None, groups=(), recipients=(), **rest) -> Audience:
    return Audience(
        issuer="nlvli",
        kind="publish",
        tlp=tlp and parse(tlp),
        groups=tuple((name, version) for name, version in groups),
        recipients=tuple(recipients),
        **rest,
    )


def golden_cases():
    roster = golden_roster()
    for row in GOLDEN["rows"]:
        yield golden_entry(**row["entry"]), golden_reader(**row["reader"]), None, Outlet[row["outlet"]], roster, row


def decide(table, entry, reader, purpose, outlet, roster):
    return _decide(table, entry, reader, purpose=purpose, outlet=outlet, roster=roster)


@pytest.mark.parametrize("case", list(golden_cases()), ids=lambda case: case[-1]["name"])
def test_golden_row(case):
    *question, row = case
    decision = permits(*question)
    assert [reason.name for reason in decision.reasons] == row["reasons"]
    assert decision.allowed is row["allowed"]
    assert bool(decision) is row["allowed"]


def test_there_are_forty_golden_rows_with_distinct_names():
    assert len({row["name"] for row in GOLDEN["rows"]}) == 40


@pytest.mark.slow
def test_an_independent_oracle_agrees_on_100_000_random_cases():
    rng, roster = random.Random(20261122), a_roster()
    allowed = 0
    for number in range(CASES):
        entry, reader, purpose, outlet = random_case(rng)
        decision = permits(entry, reader, purpose, outlet, roster)
        allowed += decision.allowed
        expected = may_read(entry, reader, purpose, outlet, roster)
        assert decision.allowed is expected, (number, entry, reader, purpose, outlet, decision.reasons)
    assert CASES * 0.1 < allowed < CASES * 0.9


def test_every_reason_can_be_the_answer():
    rng, roster = random.Random(7), a_roster()
    seen: set[Reason] = set()
    for _ in range(CASES // 4):
        seen.update(permits(*random_case(rng), roster).reasons)
    about_references = {Reason.NO_WIDER, Reason.LESS_STRICT, Reason.WIDER_AUDIENCE}
    assert seen == set(Reason) - about_references


@pytest.fixture(scope="module")
def judged():
    """Per cell of the table, cases with the oracle's answer; the golden rows with theirs."""
    rng, roster = random.Random(42), a_roster()
    cells: dict[tuple[Tlp, OutletClass], list] = {cell: [] for cell in TABLE}
    for entry, reader, _, outlet, golden, row in golden_cases():
        cells[entry.marking, CLASS_OF[outlet]].append(((entry, reader, None, outlet, golden), row["allowed"]))
    for _ in range(CASES // 5):
        case = random_case(rng)
        cells[case[0].marking, CLASS_OF[case[3]]].append(((*case, roster), may_read(*case, roster)))
    return cells


FLIPS = [(cell, reach) for cell, right in TABLE.items() for reach in Reach if reach is not right]


def test_the_table_has_a_cell_for_every_label_and_class():
    assert set(TABLE) == {(tlp, cls) for tlp in Tlp for cls in OutletClass}
    assert set(CLASS_OF) == set(Outlet)


def test_the_cases_for_flipping_agree_with_the_table_as_it_is(judged):
    for cases in judged.values():
        assert all(decide(TABLE, *question).allowed is expected for question, expected in cases)


@pytest.mark.parametrize(("cell", "reach"), FLIPS, ids=lambda part: getattr(part, "name", None))
def test_flipping_a_cell_is_noticed(judged, cell, reach):
    flipped = {**TABLE, cell: reach}
    assert any(decide(flipped, *question).allowed is not expected for question, expected in judged[cell])


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_plain_sentence_and_a_stable_code(reason):
    assert reason.sentence.endswith(".")
    assert reason.sentence[0].isupper()
    assert len(reason.sentence) < 110
    assert reason.value == reason.name.lower().replace("_", "-")


def test_red_is_refused_in_the_words_of_the_rule():
    entry = golden_entry(tlp="red", recipients=["beanr"])
    decision = permits(entry, member_reader("beanr"), None, Outlet.FEED, golden_roster())
    assert "not before sealed delivery exists" in decision.reasons[0].sentence


@pytest.mark.parametrize("outlet", [Outlet.SEARCH, Outlet.COUNT, Outlet.MAP, Outlet.CORRELATION])
@pytest.mark.parametrize("reader", ["nlvli", "beanr"])
def test_red_is_absent_from_everything_derived(outlet, reader):
    entry = golden_entry(tlp="red", recipients=["beanr"])
    assert not permits(entry, member_reader(reader), None, outlet, golden_roster())


@pytest.mark.parametrize("outlet", [Outlet.HOT_LIST, Outlet.RULE_EXPORT, Outlet.SIEM])
@pytest.mark.parametrize("quiet", [{"handling": "observe_only"}, {"held": True}])
@pytest.mark.parametrize("reader", ["nlvli", "beanr"])
def test_quiet_items_reach_no_machine_that_acts(outlet, quiet, reader):
    entry = golden_entry(tlp="clear", **quiet)
    assert not permits(entry, member_reader(reader), None, outlet, golden_roster())
    assert permits(entry, member_reader(reader), None, Outlet.FEED, golden_roster())


def test_a_siem_that_reads_through_taxii_gets_no_quiet_item():
    entry = golden_entry(tlp="clear", handling="observe_only")
    siem = consumer_reader("beanr", ceiling=Tlp.RED)
    assert permits(entry, siem, None, Outlet.TAXII, golden_roster()).reasons == (Reason.OBSERVE_ONLY,)


def test_several_markings_are_a_conjunction():
    entry = golden_entry(tlp="green", markings=(Tlp.AMBER_STRICT, Tlp.CLEAR), recipients=["beanr"])
    assert entry.marking is Tlp.AMBER_STRICT
    assert not permits(entry, affiliate_reader("strict-terminal"), None, Outlet.LIVE_PAGE, golden_roster())


@pytest.mark.parametrize("tlp", ["clear", "green"])
def test_naming_an_audience_narrows_even_an_open_marking(tlp):
    entry = golden_entry(tlp=tlp, groups=[("seaports", 1)])
    roster = golden_roster()
    assert permits(entry, member_reader("beanr"), None, Outlet.FEED, roster)
    assert permits(entry, member_reader("belgg"), None, Outlet.FEED, roster).reasons == (Reason.NOT_NAMED,)
    assert not permits(entry, PUBLIC, None, Outlet.GREEN_OUTLET, roster)


def test_a_suspended_issuer_reads_nothing_and_a_reinstated_one_reads_again():
    entry = replace(golden_entry(tlp="amber"), issuer="beost")
    roster = golden_roster()
    assert permits(entry, member_reader("beost"), None, Outlet.FEED, roster).reasons == (Reason.NOT_A_MEMBER,)
    roster.now.add("beost")
    assert permits(entry, member_reader("beost"), None, Outlet.FEED, roster).reasons == (Reason.OWN,)


def test_an_affiliate_is_what_the_roster_says_and_not_what_it_claims():
    entry = golden_entry(tlp="green")
    liar = Reader(kind=ReaderKind.AFFILIATE, affiliate="quay-cafe", member="nlvli", ceiling=Tlp.RED)
    assert permits(entry, liar, None, Outlet.LIVE_PAGE, golden_roster()).reasons == (Reason.CEILING,)


@pytest.mark.parametrize(
    ("tlp", "of_the_system", "reads"),
    [("green", None, True), ("green", Tlp.AMBER, True), ("green", Tlp.CLEAR, False), ("amber", Tlp.RED, False)],
)
def test_a_system_of_an_affiliate_reads_up_to_the_lower_of_both_ceilings(tlp, of_the_system, reads):
    roster = golden_roster()
    roster.affiliates["green-terminal"] = ("beanr", Tlp.GREEN)
    entry = golden_entry(tlp=tlp, recipients=["beanr"])
    assert (
        bool(permits(entry, affiliate_reader("green-terminal", ceiling=of_the_system), None, Outlet.TAXII, roster))
        is reads
    )


@pytest.mark.parametrize("affiliate", ["orphan-terminal", "nobody-knows", ""])
def test_an_affiliate_of_no_member_reads_nothing(affiliate):
    entry = golden_entry(tlp="clear")
    assert not permits(entry, affiliate_reader(affiliate), None, Outlet.LIVE_PAGE, golden_roster())


def test_a_consumer_without_a_ceiling_reads_as_if_it_were_below_all():
    entry = golden_entry(tlp="green")
    siem = Reader(kind=ReaderKind.CONSUMER, member="beanr")
    assert permits(entry, siem, None, Outlet.SIEM, golden_roster()).reasons == (Reason.CEILING,)


@pytest.mark.parametrize(
    ("stated", "asked", "outlet", "reasons"),
    [
        (None, "isps", Outlet.FEED, (Reason.NO_PURPOSE,)),
        ("isps", None, Outlet.FEED, (Reason.RECIPIENT,)),
        ("isps", "isps", Outlet.FEED, (Reason.RECIPIENT,)),
        ("isps", "customs", Outlet.FEED, (Reason.OTHER_PURPOSE,)),
        ("isps", None, Outlet.SEARCH, (Reason.PURPOSE_NEEDED,)),
        ("isps", "isps", Outlet.SEARCH, (Reason.RECIPIENT,)),
        ("isps", "customs", Outlet.LIVE_PAGE, (Reason.OTHER_PURPOSE,)),
    ],
)
def test_personal_data_needs_the_purpose_it_was_shared_for(stated, asked, outlet, reasons):
    entry = golden_entry(tlp="amber", recipients=["beanr"], personal_data=True, purpose=stated)
    assert permits(entry, member_reader("beanr"), asked, outlet, golden_roster()).reasons == reasons
    assert permits(entry, member_reader("nlvli"), asked, outlet, golden_roster()).reasons == (Reason.OWN,)


@pytest.mark.parametrize("outlet", [Outlet.SEARCH, Outlet.MAP, Outlet.EXPORT])
def test_an_exercise_is_seen_in_its_own_view_only(outlet):
    entry = golden_entry(tlp="green", realm="exercise:x1")
    roster = golden_roster()
    assert permits(entry, member_reader("beanr", realm="exercise:x1"), None, outlet, roster)
    assert not permits(entry, member_reader("beanr", realm="exercise:x2"), None, outlet, roster)
    assert not permits(entry, member_reader("beanr"), None, outlet, roster)
    assert not permits(golden_entry(tlp="green"), member_reader("beanr", realm="exercise:x1"), None, outlet, roster)


def test_the_feed_carries_both_realms_because_the_statement_says_which():
    entry = golden_entry(tlp="green", realm="exercise:x1")
    assert permits(entry, member_reader("beanr"), None, Outlet.FEED, golden_roster())


def test_all_public_names_exist():
    assert all(hasattr(sharing, name) for name in sharing.__all__)
