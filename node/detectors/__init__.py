"""The detectors of a node. A new one is one file beside these and one line in ``DETECTORS``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from node.detectors.base import Detector, Scene, label
from node.detectors.geofence import Geofence
from node.detectors.identity_clone import IdentityClone

if TYPE_CHECKING:
    from collections.abc import Callable

DETECTORS: Final[tuple[Callable[[], Detector], ...]] = (
    IdentityClone,
    Geofence,
)


def all_detectors() -> tuple[Detector, ...]:
    """One fresh instance of each, with default settings."""
    return tuple(make() for make in DETECTORS)


__all__ = ["DETECTORS", "Detector", "Geofence", "IdentityClone", "Scene", "all_detectors", "label"]
