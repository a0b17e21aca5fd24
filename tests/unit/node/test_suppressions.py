"""Everything that silences has an owner, a reason and an end, and what it silences is counted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from node import drafts, suppressions
from node.findings import FindingKind
from node.suppressions import NoSuppressionError, Suppression, SuppressionError
from tests.fakes.desks import NOW, B, Desk, Harbour, a_finding


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Harbour(tmp_path)
    yield made.desks[B]
    made.close()


def silence(desk: Desk, **changes: Any) -> Suppression:
    given = {
        "kind": "exception", "subject": "mmsi:205123456", "owner": "o1", "reason": "sea trials",
        "expires_at": NOW + timedelta(days=2), "now": desk.fed.clock.now(),
    }  # fmt: skip
    return desk.node.store.write_now(lambda c: suppressions.add(c, **{**given, **changes}))


FENCE = a_finding(kind=FindingKind.GEOFENCE, places=("dock-7",))


@pytest.mark.parametrize(
    ("kind", "subject", "clone", "fence"),
    [
        ("exception", "mmsi:205123456", True, True),
        ("own-fleet", "mmsi:205123456", True, True),
        ("exception", "mmsi:205000001", False, False),
        ("mute", "identity-clone", True, False),
        ("rule-off", "geofence", False, True),
        ("zone", "dock-7", False, True),
    ],
)
def test_each_kind_silences_what_it_names_and_nothing_else(
    desk: Desk, kind: str, subject: str, *, clone: bool, fence: bool
) -> None:
    made = silence(desk, kind=kind, subject=subject)
    for finding, silenced in ((a_finding(), clone), (FENCE, fence)):
        assert made.silences(finding) is silenced
        taken = desk.take(finding)
        assert (taken.suppression is not None, taken.draft is None) == (silenced, silenced)
    counted = desk.node.store.read_now(lambda c: drafts.suppressed_count(c, NOW - timedelta(days=1)))
    assert counted == ({made.id: clone + fence} if clone or fence else {})


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"kind": "because"}, id="unknown kind"),
        pytest.param({"owner": " "}, id="no owner"),
        pytest.param({"reason": ""}, id="no reason"),
        pytest.param({"subject": ""}, id="nothing"),
        pytest.param({"expires_at": NOW}, id="over already"),
        pytest.param({"expires_at": NOW + timedelta(days=367)}, id="for ever"),
    ],
)
def test_a_suppression_without_owner_reason_or_end_is_refused(desk: Desk, changes: dict[str, Any]) -> None:
    with pytest.raises(SuppressionError):
        silence(desk, **changes)
    assert desk.node.store.read_now(lambda c: suppressions.in_force(c, NOW)) == []


def test_it_ends_by_itself(desk: Desk) -> None:
    silence(desk)
    desk.fed.clock.advance(2 * 86_400)
    assert desk.take(a_finding(at=desk.fed.clock.now())).draft is not None


def test_it_is_ended_once_before_its_time(desk: Desk) -> None:
    made = silence(desk)
    desk.node.store.write_now(lambda c: suppressions.end(c, made.id, NOW))
    assert desk.take(a_finding()).draft is not None
    with pytest.raises(NoSuppressionError):
        desk.node.store.write_now(lambda c: suppressions.end(c, made.id, NOW))
