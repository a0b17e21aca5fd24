"""Recordings that lie beside the repository and are not part of it."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.needs import need

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def shared_path(name: str) -> Path:
    """The file; the test is skipped where it is missing, and fails where everything is required."""
    path = SHARED / name
    need(path.exists(), what=f"the recording {name}", remedy=f"put it at ../shared/data/{name} beside the repository")
    return path
