"""Security levels: what a statement says, and who may say it."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port2port.levels import Level, LevelError, level_of, require_competent, require_for_all, standings
from port2port.roster import Roster
from port2port.statement import Statement, decode, encode
from port2port.tlp import Tlp
from tests.fakes.federation import Federation, statement_of

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
LEVEL = Level(locode="BEANR", level=2, effective=NOW, reason="drones over the lock")


@pytest.fixture(scope="module")
def fed() -> Federation:
    made = Federation(members=("beanr", "belgg"))
    made.control("roster", made.joining(made.ports["beanr"]))
    made.control("roster", [{"op": "set-level-authority", "locode": "BEANR", "member": "beanr"}])
    return made


def said(fed: Federation, member: str = "beanr", level: Level = LEVEL, **more: Any) -> Statement:
    given_ = {"tlp": Tlp.GREEN, "two_officers": True, "body": level.to_body(), "issued": NOW, **more}
    return statement_of(fed.content(member, "level", **given_))


def roster(fed: Federation) -> Roster:
    return fed.roster


def test_a_level_is_what_its_statement_says(fed: Federation) -> None:
    made = decode(encode(said(fed)))
    assert level_of(made) == require_competent(made, roster(fed)) == LEVEL
    require_for_all(made)


def test_only_the_authority_of_the_place_sets_its_level(fed: Federation) -> None:
    for wrong in (said(fed, "belgg"), said(fed, level=dataclasses.replace(LEVEL, locode="BELGG"))):
        with pytest.raises(LevelError):
            require_competent(wrong, roster(fed))


@pytest.mark.parametrize("away", [timedelta(days=-2), timedelta(days=91)])
def test_a_level_takes_effect_about_when_it_is_issued(fed: Federation, away: timedelta) -> None:
    with pytest.raises(LevelError):
        require_competent(said(fed, level=dataclasses.replace(LEVEL, effective=NOW + away)), roster(fed))


@pytest.mark.parametrize("more", [{"tlp": Tlp.AMBER}, {"tlp": None}, {"personal_data": True, "purpose": "isps"}])
def test_a_level_is_for_all_and_about_nobody(fed: Federation, more: dict[str, Any]) -> None:
    with pytest.raises(LevelError):
        require_for_all(said(fed, **more))


@pytest.mark.parametrize(
    "changes",
    [
        {"level": 0},
        {"level": 4},
        {"level": True},
        {"level": "2"},
        {"level": 2.5},
        {"port": "antwerp"},
        {"port": 3},
        {"reason": ""},
        {"reason": "x" * 501},
        {"reason": "a\nb"},
        {"effective": "now"},
        {"more": 1},
    ],
)
def test_any_other_body_is_refused(fed: Federation, changes: dict[str, Any]) -> None:
    with pytest.raises(LevelError):
        level_of(dataclasses.replace(said(fed), body={**LEVEL.to_body(), **changes}))


@given(
    body=st.dictionaries(
        st.sampled_from(["effective", "level", "port", "reason"]),
        st.none() | st.booleans() | st.integers() | st.text(max_size=30) | st.lists(st.integers(), max_size=2),
    )
)
def test_whatever_the_body_it_is_a_level_or_our_error(body: dict[str, Any]) -> None:
    made = said(Federation(members=("beanr",)))
    try:
        level_of(dataclasses.replace(made, body=body))
    except LevelError:
        return
    assert body["level"] in {1, 2, 3}


@pytest.mark.parametrize(
    ("logged", "expected"),
    [
        ([(2, 0)], "in-force"),
        ([(2, 0), (3, 0)], "replaced in-force"),
        ([(2, -1), (1, 4)], "in-force coming"),
        ([(2, 0), (1, 4), (3, 1)], "in-force replaced coming"),
        ([(3, 4), (2, 0)], "replaced in-force"),
        ([(3, 4), (2, 0, True)], "coming disputed"),
        ([(3, 0), (2, 0, True)], "in-force disputed"),
    ],
    ids=["one", "the last one logged", "announced", "a later one is sooner", "set again at once", "not by a disputed one", "disputed"],
)  # fmt: skip
def test_the_last_change_logged_wins_from_its_effect_on(logged: list[tuple[Any, ...]], expected: str) -> None:
    changes = [
        (dataclasses.replace(LEVEL, level=one[0], effective=NOW + timedelta(hours=one[1])), len(one) == 3)
        for one in logged
    ]
    elsewhere = (dataclasses.replace(LEVEL, locode="BEGNE"), False)
    found = standings([*changes, elsewhere], NOW)
    assert [one.value for one in found] == [*expected.split(), "in-force"]
