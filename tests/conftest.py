"""Fixtures that every suite may ask for, and how property tests draw.

The same commit gives the same result everywhere: examples are derived from the test, not from chance. To look for
new ones, ``P2P_FUZZ=1 make test``, which draws the full number; what it finds becomes a named test.
"""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.fakes import one_compiler
from tests.fakes.examples import many

pytest_plugins = ["tests.fakes.postgres"]

# How long an example takes is no property of ours: on a loaded machine a deadline fails by chance.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", _PATIENT, derandomize=True, max_examples=many(100))
settings.register_profile("search", _PATIENT, derandomize=False)
settings.load_profile("search" if os.environ.get("P2P_FUZZ") == "1" else "same")

one_compiler.share()


def pytest_collection_finish() -> None:
    """What is loaded by now stays: the collector of garbage need not walk it again after every few hundred objects."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """A test that runs a whole command sets up logging for its process, which here is everybody's."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(autouse=True)
def _logs_end_with_their_test() -> Iterator[None]:
    """A command called in this process sends all logs to the stream of its own test, which is closed after it."""
    root = logging.getLogger()
    before, level = [*root.handlers], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
