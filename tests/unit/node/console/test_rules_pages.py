"""The page of rules: the numbers of the program and of the port's files, and how often each rule fired."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from node import drafts
from node.console import rules_view
from node.console.context import DeskContext
from node.detectors.identity_clone import CloneSettings
from node.rules import RuleFile, RuleSettings
from node.two_person import TwoPersonSettings
from port2port.console.roles import Role
from tests.fakes.desk_console import DeskConsole, desk_console
from tests.fakes.desks import a_finding

if TYPE_CHECKING:
    from collections.abc import Iterator

RULE = RuleSettings(
    id="clones", version=3, detector="identity-clone", min_confidence=70, tlp="amber", groups=("seaports",), per_hour=4
)
FILE = RuleFile(two_person=TwoPersonSettings(widest_alone="amber"), rules=(RULE,), security_level=2)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskConsole]:
    with desk_console(tmp_path_factory.mktemp("rules")) as made:
        made.context = dataclasses.replace(made.context, rules=FILE, rule=FILE.two_person.rule())
        now = made.context.now
        for number, reason in enumerate(("False positive", "Duplicate")):
            draft = made.draft(a_finding(mmsi=f"20512345{number}", at=now))
            made.do(
                lambda c, draft=draft, reason=reason: drafts.decide(
                    c, draft, state=drafts.REJECTED, officer="o1", reason=reason, now=now
                )
            )
        old = a_finding(mmsi="205999999", at=now - timedelta(days=3))
        made.draft(old)
        yield made


def fired(context: DeskContext, console: DeskConsole) -> rules_view.Fired:
    found = console.do(lambda c: rules_view.in_force(c, context))
    return next(one.fired for one in found.detectors if one.name == "identity-clone")


def test_findings_are_counted_by_day_and_week_and_false_ones_among_the_decided(console: DeskConsole) -> None:
    found = fired(console.context, console)
    assert (found.day, found.week, found.decided, found.false) == (2, 3, 2, 1)
    assert found.false_percent == 50


def test_the_page_names_every_limit_of_a_detector_and_where_the_others_are_set(console: DeskConsole) -> None:
    text = console.visitor("o1").get("/rules").text
    settings = CloneSettings()
    assert f"{settings.separation_nm:g} nm" in text
    assert f"{settings.high_speed_kn:g} kn" in text
    assert "fixed in this version of the program" in text
    assert "widest_alone in [two_person] of the rules file" in text
    assert "clones@3" in text
    assert "50 %: 1 of 2 decided" in text


def test_who_decides_nothing_does_not_see_it(console: DeskConsole) -> None:
    assert console.visitor("v1", Role.VIEWER).get("/rules").status_code in {403, 404}
    assert console.visitor("x1", Role.AUDITOR).get("/rules").status_code == 200


def test_it_is_said_in_every_language(console: DeskConsole) -> None:
    visitor = console.visitor("o1")
    pages = {
        language: visitor.client.get("/rules", headers={"Accept-Language": language}).text for language in ("nl", "fr")
    }
    assert "Geldende regels" in pages["nl"]
    assert "Règles en vigueur" in pages["fr"]
