"""Findings become drafts that say what would be published and why; the same cause is one draft."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from node import drafts, tables
from node.drafts import DraftDecidedError, NoDraftError
from node.findings import FindingKind, Measure
from node.observations import SourceClass
from node.watch import Facts, Track, which_track
from port2port.stix.discriminators import of_indicator
from port2port.stix.markings import TLP_IDS
from port2port.tlp import Tlp
from tests.fakes.desks import MMSI, NOW, B, Desk, Harbour, a_finding, a_track


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Harbour(tmp_path)
    yield made.desks[B]
    made.close()


def test_a_clone_becomes_an_indicator_by_equality_with_discriminators(desk: Desk) -> None:
    draft = desk.draft()
    data = orjson.loads(draft.proposal.objects[0])
    assert data["pattern"] == f"[vessel:mmsi = '{MMSI}']"
    assert data["labels"] == ["identity-clone", "single-open-source"]
    assert data["confidence"] == 50
    assert data["object_marking_refs"] == [TLP_IDS[Tlp.AMBER]]
    found = of_indicator(data)
    assert found is not None
    assert found.other is not None
    assert found.suspect.facts == {"vessel:name": "LIAR"}
    assert found.other.facts == {"vessel:name": "HONEST", "vessel:ship_type": 70}
    seen = Facts(facts={"vessel:mmsi": MMSI, "vessel:name": "HONEST"}, observed_at=NOW)
    assert which_track(found, seen) is Track.OTHER
    desk.fed.validate(draft.proposal.objects[0])


def test_names_that_a_track_changed_tell_nothing(desk: Desk) -> None:
    two = a_finding(discriminators=(a_track("older", 51.3, 4.3, NOW, ("A", "B")), a_track("newer", 51.4, 3.6, NOW, ())))
    found = of_indicator(orjson.loads(desk.draft(two).proposal.objects[0]))
    assert found is not None
    assert found.other is not None
    assert found.other.facts == {}
    assert found.other.position == pytest.approx((51.3, 4.3))


def test_a_crossed_fence_becomes_an_indicator_without_discriminators(desk: Desk) -> None:
    draft = desk.draft(a_finding(kind=FindingKind.GEOFENCE, places=("dock-7",)))
    data = orjson.loads(draft.proposal.objects[0])
    assert data["name"] == f"MMSI {MMSI} crossed a fence: dock-7"
    assert "extensions" not in data


def test_the_why_holds_the_numbers_beside_their_limits(desk: Desk) -> None:
    why = desk.draft().why
    assert why["numbers"] == {"separation": {"limit": 10.0, "unit": "nm", "value": 28.0}}
    assert (why["single_open_source"], why["source_classes"], why["confidence"]) == (True, ["open_radio"], 50)


def test_data_quality_is_stored_and_never_drafted(desk: Desk) -> None:
    taken = desk.take(a_finding(kind=FindingKind.DATA_QUALITY))
    assert taken.draft is None
    assert desk.count(tables.FindingRow) == 1


def test_the_same_finding_twice_changes_nothing(desk: Desk) -> None:
    draft = desk.draft()
    assert desk.take(a_finding()).draft is None
    assert (desk.count(tables.FindingRow), desk.count(tables.DraftRow)) == (1, 1)
    assert desk.node.store.read_now(lambda c: drafts.get(c, draft.id)) == draft


def test_findings_of_one_cause_within_a_day_bring_one_draft_up_to_date(desk: Desk) -> None:
    first = desk.draft()
    desk.fed.clock.advance(3_600)
    again = a_finding(at=NOW + timedelta(hours=1), reason="again", confidence=70)
    taken = desk.take(again)
    assert taken.draft is not None
    assert (taken.draft.id, taken.is_new) == (first.id, False)
    kept = desk.node.store.read_now(lambda c: drafts.get(c, first.id))
    assert (len(kept.findings), len(kept.evidence), kept.why["reason"]) == (2, 2, "again")
    before, after = orjson.loads(first.proposal.objects[0]), orjson.loads(kept.proposal.objects[0])
    assert (before["id"], before["created"]) == (after["id"], after["created"])
    assert before["modified"] < after["modified"]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"mmsi": "205999999"}, id="another ship"),
        pytest.param({"kind": FindingKind.GEOFENCE, "places": ("dock",)}, id="another detector"),
    ],
)
def test_another_cause_is_another_draft(desk: Desk, changes: dict[str, object]) -> None:
    assert desk.draft().id == "D1"
    assert desk.draft(a_finding(**changes)).id == "D2"


def test_after_a_day_the_same_cause_is_asked_again(desk: Desk) -> None:
    desk.draft()
    desk.fed.clock.advance(86_401)
    assert desk.draft(a_finding(at=NOW + timedelta(days=1))).id == "D2"


def test_what_an_officer_rejected_today_is_not_put_before_him_again(desk: Desk) -> None:
    draft = desk.draft()
    desk.node.store.write_now(
        lambda c: drafts.decide(c, draft, state=drafts.REJECTED, officer="o1", reason="known", now=NOW)
    )
    taken = desk.take(a_finding(at=NOW + timedelta(hours=2)))
    assert taken.draft is not None
    assert (taken.draft.state, taken.is_new) == (drafts.REJECTED, False)
    assert desk.node.store.read_now(drafts.listed) == []


@pytest.mark.parametrize(
    ("finding", "personal"),
    [
        pytest.param(a_finding(), False, id="a cargo ship"),
        pytest.param(a_finding(ship_types=(37,)), True, id="a pleasure craft"),
        pytest.param(a_finding(subjects=("eni:06004321",)), True, id="a barge by its ENI"),
        pytest.param(
            a_finding(kind=FindingKind.GEOFENCE, numbers={"ship_type": Measure(value=36, unit="code")}),
            True,
            id="a sailing boat at a fence",
        ),
    ],
)
def test_boats_people_live_on_are_personal_data(desk: Desk, finding: object, *, personal: bool) -> None:
    assert desk.draft(finding).proposal.personal_data is personal  # type: ignore[arg-type]  # a Finding


def test_a_second_class_of_source_is_said(desk: Desk) -> None:
    draft = desk.draft(a_finding(source_class=SourceClass.LOCAL))
    assert orjson.loads(draft.proposal.objects[0])["labels"] == ["identity-clone"]
    assert draft.why["single_open_source"] is False


def test_a_new_marking_replaces_the_old_and_keeps_other_markings(desk: Desk) -> None:
    raw = desk.draft().proposal.objects[0]
    other = "marking-definition--11111111-2222-4333-8444-555555555555"
    both = orjson.loads(raw) | {"object_marking_refs": [other, TLP_IDS[Tlp.AMBER]]}
    assert orjson.loads(drafts.marked(orjson.dumps(both), Tlp.GREEN))["object_marking_refs"] == [
        other,
        TLP_IDS[Tlp.GREEN],
    ]


def test_two_officers_cannot_decide_one_draft(desk: Desk) -> None:
    draft = desk.draft()

    def decide(officer: str) -> None:
        desk.node.store.write_now(
            lambda c: drafts.decide(c, draft, state=drafts.REJECTED, officer=officer, reason="x", now=NOW)
        )

    decide("o1")
    with pytest.raises(DraftDecidedError, match="somebody else"):
        decide("o2")
    with pytest.raises(DraftDecidedError, match="rejected already, by o1"):
        desk.node.store.read_now(lambda c: drafts.get_open(c, draft.id))


def test_a_draft_that_is_not_there_is_said_so(desk: Desk) -> None:
    with pytest.raises(NoDraftError, match="no draft X"):
        desk.node.store.read_now(lambda c: drafts.get(c, "X"))


def test_a_finding_that_names_no_number_is_kept_at_home(desk: Desk) -> None:
    ident, now = uuid.uuid4(), NOW
    unnamed = a_finding(subjects=("radar:77",))
    assert drafts.propose(unnamed, desk.defaults, now=now, ident=ident, created=now) is None
