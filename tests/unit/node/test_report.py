"""What an officer saw is published with the numbers right, and what others can match is an indicator."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node import report
from node.drafts import Defaults, Proposal
from node.report import Desk, Sight
from port2port.errors import ProfileError
from port2port.geo import Position
from port2port.identifiers import IdentifierError
from tests.fakes.desks import NOW
from tests.fakes.examples import many
from tests.fakes.federation import Federation

FED = Federation()
DESK = Desk(
    defaults=Defaults(issuer=FED.identity("beanr"), groups=("seaports",)),
    now=NOW,
    new_id=uuid.uuid4,
    validate=FED.validate,
)
SIGHT = Sight(text="no lights, two men", at=NOW - timedelta(minutes=20), place="Zandvliet lock")


def objects(proposal: Proposal) -> dict[str, dict[str, object]]:
    """By type; each is valid in our profile."""
    for raw in proposal.objects:
        FED.validate(raw)
    return {data["type"]: data for data in map(orjson.loads, proposal.objects)}


@pytest.mark.parametrize(
    ("made", "pattern", "title"),
    [
        pytest.param(
            lambda: report.vessel(DESK, SIGHT, imo="IMO 9074729", name="MSC LEANNE"),
            "[vessel:imo = '9074729']", "Reported vessel MSC LEANNE 9074729", id="imo",
        ),
        pytest.param(
            lambda: report.vessel(DESK, SIGHT, mmsi="205123456"), "[vessel:mmsi = '205123456']",
            "Reported vessel 205123456", id="mmsi",
        ),
        pytest.param(
            lambda: report.vessel(DESK, SIGHT, eni="06004321"), "[vessel:eni = '06004321']",
            "Reported vessel 06004321", id="eni",
        ),
        pytest.param(
            lambda: report.container(DESK, SIGHT, number="csqu 305438 3"),
            "[freight-container:number = 'CSQU3054383']", "Reported container CSQU3054383", id="container",
        ),
        pytest.param(
            lambda: report.domain(DESK, SIGHT, value="Evil-Port[.]Example.COM."),
            "[domain-name:value = 'evil-port.example.com']", "Reported domain evil-port.example.com", id="domain",
        ),
        pytest.param(
            lambda: report.address(DESK, SIGHT, value="8.8.8.8"), "[ipv4-addr:value = '8.8.8.8']",
            "Reported address 8.8.8.8", id="ipv4",
        ),
        pytest.param(
            lambda: report.address(DESK, SIGHT, value="2001:4860:4860:0:0:0:0:8888"),
            "[ipv6-addr:value = '2001:4860:4860::8888']", "Reported address 2001:4860:4860::8888", id="ipv6",
        ),
    ],
)  # fmt: skip
def test_what_others_can_match_becomes_an_indicator(made: Callable[[], Proposal], pattern: str, title: str) -> None:
    found = objects(made())
    assert found["indicator"]["pattern"] == pattern
    assert found["note"]["abstract"] == title
    assert found["note"]["content"] == "no lights, two men\n\nSeen 2026-11-22 07:40 UTC at Zandvliet lock."
    assert found["indicator"]["id"] in found["note"]["object_refs"]  # type: ignore[operator]  # a list


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda: report.note(DESK, SIGHT), id="note"),
        pytest.param(lambda: report.no_ais(DESK, SIGHT), id="no AIS"),
        pytest.param(lambda: report.no_ais(DESK, SIGHT, name="DARK STAR"), id="no AIS, with a name"),
        pytest.param(lambda: report.vessel(DESK, SIGHT, name="DARK STAR"), id="a name alone"),
    ],
)
def test_what_nobody_can_match_is_for_reading(made: Callable[[], Proposal]) -> None:
    found = objects(made())
    assert "indicator" not in found
    assert "no lights" in str(found["note"]["content"])


def test_a_position_becomes_a_location() -> None:
    where = Position(latitude_deg=51.3412, longitude_deg=4.2799)
    found = objects(report.note(DESK, Sight(text="dinghy", at=NOW, place="lock", position=where)))
    assert (found["location"]["latitude"], found["location"]["longitude"]) == (51.3412, 4.2799)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        pytest.param(lambda: report.vessel(DESK, SIGHT, imo="9074728"), "check digit should be 9", id="imo"),
        pytest.param(lambda: report.container(DESK, SIGHT, number="CSQU3054384"), "should be 3", id="container"),
        pytest.param(lambda: report.vessel(DESK, SIGHT, mmsi="12"), "9 digits", id="mmsi"),
        pytest.param(lambda: report.vessel(DESK, SIGHT, eni="1"), "8 digits", id="eni"),
    ],
)
def test_a_wrong_number_is_refused_with_what_is_right(made: Callable[[], Proposal], says: str) -> None:
    with pytest.raises(IdentifierError, match=says):
        made()


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda: report.vessel(DESK, SIGHT), id="a vessel without anything"),
        pytest.param(lambda: report.vessel(DESK, SIGHT, name=""), id="an empty name"),
        pytest.param(lambda: report.domain(DESK, SIGHT, value="localhost"), id="no domain"),
        pytest.param(lambda: report.domain(DESK, SIGHT, value="http://x.example/"), id="an address of a page"),
        pytest.param(lambda: report.address(DESK, SIGHT, value="8.8.8.8/24"), id="a network"),
        pytest.param(lambda: report.address(DESK, SIGHT, value="192.168.1.1"), id="everybody's address"),
        pytest.param(lambda: Sight(text=" ", at=NOW), id="no text"),
        pytest.param(lambda: Sight(text="x" * 2_001, at=NOW), id="a novel"),
        pytest.param(
            lambda: Sight(text="x", at=NOW, position=Position(latitude_deg=91.0, longitude_deg=0.0)), id="off Earth"
        ),
    ],
)
def test_a_report_that_says_nothing_is_refused(made: Callable[[], object]) -> None:
    with pytest.raises(ProfileError):
        made()


@pytest.mark.parametrize(
    ("made", "personal"),
    [
        (lambda: report.address(DESK, SIGHT, value="8.8.8.8"), True),
        (lambda: report.vessel(DESK, SIGHT, eni="06004321"), True),
        (lambda: report.vessel(DESK, SIGHT, imo="9074729"), False),
    ],
    ids=["address", "barge", "ship"],
)
def test_addresses_and_barges_take_two_officers(made: Callable[[], Proposal], *, personal: bool) -> None:
    assert made().personal_data is personal


@settings(max_examples=many(60), deadline=None)
@given(st.sampled_from(["domain", "address", "container", "imo", "mmsi", "eni", "name"]), st.text(max_size=40))
def test_whatever_is_typed_is_a_valid_report_or_refused(kind: str, text: str) -> None:
    makers: dict[str, Callable[[], Proposal]] = {
        "domain": lambda: report.domain(DESK, SIGHT, value=text),
        "address": lambda: report.address(DESK, SIGHT, value=text),
        "container": lambda: report.container(DESK, SIGHT, number=text),
    }
    try:
        made = makers[kind]() if kind in makers else report.vessel(DESK, SIGHT, **{kind: text})
    except ProfileError:
        return
    objects(made)
