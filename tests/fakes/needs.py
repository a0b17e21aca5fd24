"""What a test needs from the machine. Absent: skipped with the remedy, or failed where everything is required."""

from __future__ import annotations

import os

import pytest


def need(present: object, *, what: str, remedy: str) -> None:
    """Go on if ``present`` is true. Otherwise skip, or fail where ``P2P_REQUIRE_ALL=1`` (as in ``.ci/run``).

    ``what`` completes "this test needs ..."; ``remedy`` says what would un-skip it.
    """
    if present:
        return
    text = f"this test needs {what}; to run it: {remedy}"
    if os.environ.get("P2P_REQUIRE_ALL") == "1":
        pytest.fail(text, pytrace=False)
    pytest.skip(text)
