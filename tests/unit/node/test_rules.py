"""A rule publishes exactly what an officer signed that it may, and never what needs a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import rules
from node.detectors import all_detectors
from node.detectors.cyber import cyber_detectors
from node.detectors.cyber_alerts import CyberAlerts
from node.detectors.industrial import Industrial
from node.detectors.lookalike import LookalikeDomains
from node.lookalikes import LookalikeEngine, Ours
from node.observations import SourceClass
from node.outbox import Queued
from node.rules import AutomaticRule, RuleApprovalError, RuleError, RuleFile
from node.settings import CyberSettings
from port2port import settings as toml
from port2port.errors import ConfigurationError
from port2port.keys import SignatureError
from port2port.tlp import Tlp
from tests.fakes.desks import NOW, B, Desk, Harbour, a_finding
from tests.fakes.federation import statement_of
from tests.fakes.netlogs import alert, modbus, named


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Harbour(tmp_path)
    yield made.desks[B]
    made.close()


def rule(**changes: Any) -> AutomaticRule:
    base = {
        "id": "clones", "version": 3, "detector": "identity-clone", "min_confidence": 60, "tlp": Tlp.AMBER_STRICT,
        "groups": ("seaports",), "handling": "observe_only", "per_hour": 2, "approved_by": "o1",
    }  # fmt: skip
    return AutomaticRule(**{**base, **changes})


def approved(desk: Desk, **changes: Any) -> AutomaticRule:
    made = rule(**changes)
    return replace(made, signature=rules.approval(made, desk.officer()))


def apply(desk: Desk, *given: AutomaticRule, why: list[str] | None = None, **finding: Any) -> list[Queued]:
    draft = desk.draft(a_finding(**{"source_class": SourceClass.LOCAL, **finding}))
    now = desk.fed.clock.now()
    told: list[str] = [] if why is None else why
    return desk.node.store.write_now(
        lambda c: rules.apply(c, desk.author, given, draft, roster=desk.roster, now=now, skipped=told.append)
    )


def test_an_approved_rule_publishes_with_its_own_marking_and_handling(desk: Desk) -> None:
    (queued,) = apply(desk, approved(desk))
    said = statement_of(queued.envelope)
    assert (said.decided_by, said.tlp, said.handling) == ("rule:clones@3", Tlp.AMBER_STRICT, "observe_only")


def test_a_rule_asks_for_the_numbers_it_was_approved_with(desk: Desk) -> None:
    told: list[str] = []
    asking = approved(desk, least=(("separation", 29.0),))
    assert apply(desk, asking, why=told) == []
    assert told == ["clones: separation below 29"]
    assert apply(desk, approved(desk, least=(("breadth", 1.0),)), why=told, mmsi="205000001") == []
    assert told[1] == "clones: breadth below 1"  # a finding without the number has not reached it
    loosened = replace(asking, least=(("separation", 28.0),))
    with pytest.raises(SignatureError):
        apply(desk, loosened, mmsi="205000002")
    assert apply(desk, approved(desk, least=(("separation", 28.0),)), mmsi="205000003")


def test_a_rule_without_numbers_is_what_officers_approved_before_there_were_any() -> None:
    assert b"least" not in rule().to_bytes()
    assert b'"least":{"breadth":"2.0"}' in rule(least=(("breadth", 2.0),)).to_bytes()


@pytest.mark.parametrize("least", [(("Breadth", 1.0),), (("", 1.0),), tuple((name, 1.0) for name in "abcdefghi")])
def test_numbers_that_no_finding_has_make_no_rule(least: tuple[tuple[str, float], ...]) -> None:
    with pytest.raises(RuleError):
        rule(least=least)


def test_a_rule_may_publish_a_lookalike_and_neither_a_note_nor_an_address(desk: Desk) -> None:
    now = desk.fed.clock.now()
    engine = LookalikeEngine(Ours(domains=("northseaport.com",)))
    findings = [
        *LookalikeDomains(engine).detect([named("northseap0rt.com", -60)]),
        *Industrial().detect([modbus(-60)]),
        *CyberAlerts().detect([alert(-60), alert(-50, sid=2)]),
    ]
    told: list[str] = []
    for finding in findings:
        name, draft = finding.detector.partition("@")[0], desk.take(finding).draft
        assert name in rules.DETECTORS
        assert draft is not None
        made = approved(desk, detector=name, min_confidence=10, purpose="cyber-security")
        queued = desk.node.store.write_now(
            lambda c, made=made, draft=draft: rules.apply(
                c, desk.author, [made], draft, roster=desk.roster, now=now, skipped=told.append
            )
        )
        assert bool(queued) is (name == "lookalike")
    assert [text.partition(": ")[2] for text in told] == [
        "a note about ourselves: two officers decide",
        "personal data: two officers decide",
        "personal data: two officers decide",
    ]


def test_rules_name_every_detector_there_is() -> None:
    made = [*all_detectors(), *cyber_detectors(CyberSettings())]
    assert [one.name for one in made] == [*rules.DETECTORS]


@pytest.mark.parametrize(
    ("finding", "why"),
    [
        pytest.param({"source_class": SourceClass.OPEN_RADIO}, "single open source", id="open radio alone"),
        pytest.param({"confidence": 59}, "confidence below 60", id="not sure enough"),
        pytest.param({"ship_types": (37,)}, "personal data", id="a pleasure craft"),
        pytest.param({"detector": "geofence@1"}, "another detector", id="another detector"),
    ],
)
def test_what_a_rule_may_not_publish_waits_for_an_officer(desk: Desk, finding: dict[str, Any], why: str) -> None:
    told: list[str] = []
    assert apply(desk, approved(desk), why=told, **finding) == []
    assert why in told[0]


def test_even_a_rule_that_asks_for_no_confidence_leaves_open_radio_alone(desk: Desk) -> None:
    assert apply(desk, approved(desk, min_confidence=0), source_class=SourceClass.OPEN_RADIO) == []


def test_a_rule_publishes_no_more_than_its_share_an_hour(desk: Desk) -> None:
    one, told = approved(desk), []
    counts = [len(apply(desk, one, why=told, mmsi=f"20500000{number}")) for number in range(3)]
    assert counts == [1, 1, 0]
    assert "more than 2 an hour" in told[0]
    desk.fed.clock.advance(3_601)
    assert len(apply(desk, one, mmsi="205000009")) == 1


def test_the_first_rule_that_may_decides(desk: Desk) -> None:
    high = approved(desk, id="sure", min_confidence=90)
    (queued,) = apply(desk, high, approved(desk))
    assert statement_of(queued.envelope).decided_by == "rule:clones@3"


@pytest.mark.parametrize(
    "change",
    [{"min_confidence": 1}, {"groups": ()}, {"tlp": Tlp.GREEN}, {"per_hour": 60}, {"version": 4}, {"handling": "act"}],
    ids=lambda change: next(iter(change)),
)
def test_a_rule_changed_after_its_approval_no_longer_counts(desk: Desk, change: dict[str, Any]) -> None:
    with pytest.raises(SignatureError):
        rules.require_approved(replace(approved(desk), **change), desk.roster, B, NOW)


@pytest.mark.parametrize("by", ["", "o9"])
def test_a_rule_approved_by_nobody_we_know_does_not_count(desk: Desk, by: str) -> None:
    with pytest.raises(RuleApprovalError):
        rules.require_approved(rule(approved_by=by), desk.roster, B, NOW)


def test_an_approval_ends_with_the_officers_key(desk: Desk) -> None:
    with pytest.raises(RuleApprovalError):
        rules.require_approved(approved(desk), desk.roster, B, NOW + timedelta(days=366))


def test_an_officer_approves_in_his_own_name_only(desk: Desk) -> None:
    with pytest.raises(RuleError, match="approved_by must say o1"):
        rules.approval(rule(approved_by="o2"), desk.officer())


@pytest.mark.parametrize(
    "change",
    [{"id": "Bad Name"}, {"version": 0}, {"min_confidence": 101}, {"per_hour": 0}, {"per_hour": 61}, {"tlp": Tlp.RED},
     {"handling": "shoot"}, {"purpose": "curiosity"}],
    ids=str,
)  # fmt: skip
def test_a_rule_that_cannot_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RuleError):
        rule(**change)


def test_the_rules_file_is_read_strictly() -> None:
    raw = (
        b'protected = ["mmsi:205000001"]\n[[rules]]\nid = "clones"\nversion = 3\ndetector = "identity-clone"\n'
        b'min_confidence = 60\ntlp = "amber+strict"\ngroups = ["seaports"]\nhandling = "observe_only"\nper_hour = 2\n'
        b'approved_by = "o1"\n'
    )
    found = toml.parse(raw, RuleFile, name="rules.toml")
    assert found.automatic() == (rule(),)
    with pytest.raises(ConfigurationError, match="loudness: unknown option"):
        toml.parse(b"loudness = 3\n" + raw, RuleFile, name="rules.toml")


@given(st.binary(max_size=200))
def test_any_rules_file_is_read_or_refused(raw: bytes) -> None:
    try:
        toml.parse(raw, RuleFile, name="rules.toml").automatic()
    except ConfigurationError:
        return
