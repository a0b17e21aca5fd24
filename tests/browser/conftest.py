"""The browser that all tests here share."""

from __future__ import annotations

from tests.fakes.browser import chromium

__all__ = ["chromium"]
