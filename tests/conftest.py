"""Fixtures that every suite may ask for; what they need to run, and what to do where it is missing, they say themselves."""

from __future__ import annotations

pytest_plugins = ["tests.fakes.postgres"]
