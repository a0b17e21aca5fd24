"""The frame of both consoles in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.browser import opened
from tests.fakes.console import running, served

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("path", ["/", "/gallery", "/nowhere"])
def test_a_page_is_clean_in_both_themes(chromium: Browser, tmp_path: Path, theme: str, path: str) -> None:
    with running(served()) as origin, opened(chromium, origin, color_scheme=theme) as watched:
        watched.allowed.append("status of 404")
        watched.go(path)
        assert watched.axe() == []
        assert watched.small_targets() == []
        watched.screenshot(f"frame-{path.strip('/') or 'desk'}-{theme}", tmp_path)
        assert watched.overflow() == []
        watched.screenshot(f"frame-{path.strip('/') or 'desk'}-{theme}-narrow", tmp_path)
