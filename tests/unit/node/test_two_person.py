"""How many officers an act takes: the default as a table, and a port's own rule, which can only be stricter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from node.two_person import (
    Facts,
    Reason,
    TwoPersonError,
    TwoPersonRule,
    TwoPersonSettings,
    require_second,
    weigh,
)
from port2port.tlp import Tlp

SHIP = frozenset({"vessel"})
DEFAULT = TwoPersonRule()


@pytest.mark.parametrize(
    ("facts", "reasons"),
    [
        pytest.param(Facts(action="publish", tlp=Tlp.CLEAR, subjects=SHIP), (), id="clear vessel"),
        pytest.param(Facts(action="publish", tlp=Tlp.AMBER, subjects=frozenset({"drone"})), (), id="amber drone"),
        pytest.param(Facts(action="publish", tlp=Tlp.AMBER_STRICT, subjects=SHIP), (), id="narrower than amber"),
        pytest.param(
            Facts(action="publish", tlp=Tlp.GREEN, subjects=frozenset({"container", "domain"})), (), id="two kinds"
        ),
        pytest.param(
            Facts(action="publish", tlp=Tlp.AMBER, subjects=SHIP, personal_data=True), (Reason.PERSONAL_DATA,), id="pd"
        ),
        pytest.param(Facts(action="publish", subjects=SHIP, wider=True), (Reason.WIDER,), id="wider"),
        pytest.param(Facts(action="publish", tlp=Tlp.RED, subjects=SHIP), (Reason.MARKING,), id="red"),
        pytest.param(Facts(action="publish", subjects=frozenset({"badge"})), (Reason.SUBJECT,), id="a badge"),
        pytest.param(Facts(action="publish", subjects=SHIP | {"url"}), (Reason.SUBJECT,), id="a ship and an address"),
        pytest.param(Facts(action="publish"), (Reason.SUBJECT,), id="free text"),
        pytest.param(Facts(action="retract"), (), id="taking back what nobody saw"),
        pytest.param(Facts(action="retract", sighted=True), (Reason.SIGHTED,), id="taking back what somebody saw"),
        pytest.param(Facts(action="reject", severity="medium"), (), id="rejecting a medium finding"),
        pytest.param(Facts(action="reject", severity="high"), (Reason.SEVERE,), id="rejecting a high finding"),
        pytest.param(Facts(action="reject", severity="critical"), (Reason.SEVERE,), id="rejecting a critical one"),
        pytest.param(Facts(action="reject"), (), id="rejecting a report"),
        pytest.param(Facts(action="say", severity="high"), (), id="confirming a sighting"),
        pytest.param(Facts(action="say", personal_data=True), (Reason.PERSONAL_DATA,), id="a sighting of a person"),
    ],
)
def test_the_default_rule_asks_for_two_officers_where_the_port_would_regret_one(
    facts: Facts, reasons: tuple[Reason, ...]
) -> None:
    need = weigh(facts, DEFAULT)
    assert (need.officers, need.reasons) == (2 if reasons else 1, reasons)


def test_only_personal_data_can_never_be_overridden() -> None:
    wide = weigh(Facts(action="publish", subjects=SHIP, wider=True), DEFAULT)
    person = weigh(Facts(action="publish", subjects=SHIP, wider=True, personal_data=True), DEFAULT)
    assert (wide.may_override, person.may_override) == (True, False)
    never = TwoPersonSettings(overrides=False).rule()
    assert not weigh(Facts(action="publish", subjects=SHIP, wider=True), never).may_override


@pytest.mark.parametrize(
    ("settings", "facts"),
    [
        ({"subjects": ("vessel",)}, Facts(action="publish", tlp=Tlp.AMBER, subjects=SHIP)),
        ({"actions": ("retract",)}, Facts(action="retract")),
        ({"actions": ("suppress",)}, Facts(action="suppress")),
        ({"reject_from": "low"}, Facts(action="reject", severity="medium")),
        ({"publish_from": "medium"}, Facts(action="publish", tlp=Tlp.AMBER, subjects=SHIP, severity="high")),
        ({"widest_alone": "amber"}, Facts(action="publish", tlp=Tlp.GREEN, subjects=SHIP)),
    ],
)
def test_a_port_may_ask_for_two_where_the_default_does_not(settings: dict[str, object], facts: Facts) -> None:
    stricter = TwoPersonSettings(**settings).rule()  # type: ignore[arg-type]  # options by name
    assert weigh(facts, DEFAULT).officers == 1
    assert weigh(facts, stricter).officers == 2


@given(
    facts=st.builds(
        Facts,
        action=st.sampled_from(["publish", "reject", "retract", "say", "suppress"]),
        tlp=st.sampled_from([*Tlp, None]),
        subjects=st.frozensets(st.sampled_from(["vessel", "container", "drone", "domain", "badge"])),
        personal_data=st.booleans(),
        wider=st.booleans(),
        sighted=st.booleans(),
        severity=st.sampled_from(["", "info", "low", "medium", "high", "critical", "nonsense"]),
    ),
    settings=st.builds(
        TwoPersonSettings,
        subjects=st.lists(st.sampled_from(["vessel", "container", "drone", "domain"])).map(tuple),
        actions=st.lists(st.sampled_from(["publish", "reject", "retract", "suppress", "say"])).map(tuple),
        reject_from=st.sampled_from(["info", "low", "medium", "high"]),
        publish_from=st.sampled_from(["", "info", "low", "medium", "high", "critical"]),
        widest_alone=st.sampled_from(["clear", "green", "amber"]),
        overrides=st.booleans(),
        check_minutes=st.integers(1, 30),
        wait_minutes=st.integers(5, 240),
    ),
)
def test_no_setting_asks_for_fewer_officers_than_the_default(facts: Facts, settings: TwoPersonSettings) -> None:
    default, tuned = weigh(facts, DEFAULT), weigh(facts, settings.rule())
    assert tuned.officers >= default.officers
    assert set(tuned.reasons) >= set(default.reasons)
    assert tuned.officers == 1 or default.officers == 1 or default.may_override >= tuned.may_override
    assert settings.rule().waits <= DEFAULT.waits
    assert settings.rule().check_within <= DEFAULT.check_within


@pytest.mark.parametrize(
    "settings", [{"check_minutes": 31}, {"wait_minutes": 241}, {"reject_from": "critical"}, {"subjects": ("badge",)}]
)
def test_a_weaker_setting_does_not_exist(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TwoPersonSettings(**settings)  # type: ignore[arg-type]  # options by name


@pytest.mark.parametrize(
    ("officer", "why"), [("o1", "signed this already"), ("o2", "the author never approves"), ("o3", "never approves")]
)
def test_who_signed_prepared_or_wrote_it_is_no_second_officer(officer: str, why: str) -> None:
    with pytest.raises(TwoPersonError, match=why):
        require_second(officer, author="o2", barred=("o3",), signed=("o1",))


def test_any_other_officer_is() -> None:
    require_second("o4", author="o2", barred=("o3",), signed=("o1", "o2"))
