"""Fixtures that every suite may ask for, and how property tests draw.

The same commit gives the same result everywhere: examples are derived from the test, not from chance. To look for
new ones, ``P2P_FUZZ=1 make test``; what it finds becomes a named test.
"""

from __future__ import annotations

import os

from hypothesis import settings

pytest_plugins = ["tests.fakes.postgres"]

settings.register_profile("same", derandomize=True)
settings.register_profile("search", derandomize=False)
settings.load_profile("search" if os.environ.get("P2P_FUZZ") == "1" else "same")
