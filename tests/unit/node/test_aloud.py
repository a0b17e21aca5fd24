"""What is read aloud says in every language what to do first, and spells what must not be misheard."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.console.aloud import sentence
from node.hits import Hit
from node.indicators import Indicator
from node.sightings import SENT, Sighted
from node.spelling import Figures, spell
from node.watch import SightingWindow
from port2port.console.words import Wording, load_words
from port2port.tlp import Tlp
from tests.fakes.examples import many

AT = datetime(2026, 11, 22, 21, 31, tzinfo=UTC)
WORDS = load_words(["port2port.console", "node.console"], ["en", "nl", "fr", "de"], "Europe/Brussels")


def a_hit(**changes: Any) -> Hit:
    indicator = Indicator(
        issuer="beanr", stix_id="indicator--1", index=1, entry_index=1, statement_id="", realm="real", modified=AT,
        valid_from=None, valid_until=None, handling="act", tlp=Tlp.AMBER, groups=(), recipients=(), purpose=None,
        personal_data=False, revoked=False, suspended=False, disputed=False, machine_only=False, state="", reason="",
        stix=b"", past=None,
    )  # fmt: skip
    given: dict[str, Any] = {
        "indicator": indicator, "subject": "freight-container:number=CSQU3054383", "track": None, "looking": "live",
        "handling": "act", "window": SightingWindow(first_seen=AT, last_seen=AT, count=3),
        "sighting_id": uuid.UUID(int=1), "created": AT,
    }  # fmt: skip
    return Hit(sighted=Sighted(**{**given, **changes}), state=SENT, answer=None, mute=None)


def said(language: str, **changes: Any) -> str:
    return sentence(WORDS.of(language), a_hit(**changes), asked_by="Port of Antwerp-Bruges")


def test_what_to_do_comes_first_and_the_number_is_spelled() -> None:
    assert said("en") == (
        "Act now. Container Charlie Sierra Quebec Uniform Tree Zero Fife Fower Tree Ait Tree. "
        "Wanted by Port of Antwerp-Bruges. Last seen here at 22 Nov 2026, 22:31 CET. 3 times."
    )


@pytest.mark.parametrize(
    ("language", "first"), [("nl", "Grijp nu in."), ("fr", "Intervenez maintenant."), ("de", "Jetzt eingreifen.")]
)
def test_it_speaks_the_readers_language_and_spells_alike_in_all(language: str, first: str) -> None:
    text = said(language)
    assert text.startswith(first)
    assert "Charlie Sierra Quebec Uniform Tree" in text


def test_the_victim_of_a_clone_is_called_so_and_is_not_acted_upon() -> None:
    text = said("en", track="other track of same identity", handling="observe_only", subject="vessel:mmsi=205123456")
    assert text.startswith("Observe only, do not act. Vessel, MMSI Too Zero Fife")
    assert "it is the victim" in text


def test_what_was_found_by_looking_back_says_so() -> None:
    assert "from our records" in said("en", looking="back", subject="mmsi:205123456")


def test_a_handling_nobody_knows_is_the_careful_one() -> None:
    assert said("en", handling="").startswith("Observe only")


def test_figures_can_be_said_as_to_ships() -> None:
    assert spell("b-12", Figures.ITU) == "Bravo Dash Unaone Bissotwo"
    assert spell("9 0") == "Niner Zero"


@given(st.text())
@settings(max_examples=many(200))
def test_anything_can_be_spelled(text: str) -> None:
    assert len(spell(text).split()) <= 2 * 64


@given(st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=64))
@settings(max_examples=many(200))
def test_different_identifiers_are_never_said_alike(text: str) -> None:
    said_words = spell(text).split()
    assert len(said_words) == len(text)
    assert len(set(said_words)) == len(set(text))


def test_every_wording_is_a_wording() -> None:
    assert isinstance(WORDS.of("nl"), Wording)
