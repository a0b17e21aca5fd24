"""A missing tool is a reason to skip for a developer and a failure where everything is required."""

from __future__ import annotations

import pytest

from tests.fakes.needs import need


def _outcome(*, present: bool) -> str:
    try:
        need(present, what="a pony", remedy="buy one")
    except pytest.skip.Exception as skipped:
        return f"skipped: {skipped}"
    except pytest.fail.Exception as failed:
        return f"failed: {failed}"
    return "went on"


@pytest.mark.parametrize(
    ("required", "present", "outcome"),
    [
        pytest.param("", True, "went on", id="there"),
        pytest.param("1", True, "went on", id="there and required"),
        pytest.param("", False, "skipped: this test needs a pony; to run it: buy one", id="absent"),
        pytest.param("1", False, "failed: this test needs a pony; to run it: buy one", id="absent and required"),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(
    required: str, outcome: str, monkeypatch: pytest.MonkeyPatch, *, present: bool
) -> None:
    monkeypatch.setenv("P2P_REQUIRE_ALL", required)
    assert _outcome(present=present) == outcome
