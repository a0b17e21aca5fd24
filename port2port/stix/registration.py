"""Our own cyber-observable types, made known to ``stix2`` on request.

Registering changes a table inside the library that all threads share: it happens when ``register`` is called,
not at import, and calling it again changes nothing.
"""

from __future__ import annotations

import threading
from typing import Final

from stix2.properties import FloatProperty, ListProperty, StringProperty
from stix2.registry import class_for_type
from stix2.v21 import CustomObservable

from port2port.stix.profile import CONTAINER_EXTENSION, VESSEL_EXTENSION

_LOCK: Final = threading.Lock()


def register() -> None:
    """Make ``vessel`` and ``freight-container`` known to stix2; idempotent and safe between threads."""
    with _LOCK:
        if class_for_type("vessel", "2.1", "observables") is None:
            _register_vessel()
        if class_for_type("freight-container", "2.1", "observables") is None:
            _register_container()


def _register_vessel() -> None:
    properties = [
        ("name", StringProperty()),
        ("mmsi", StringProperty()),
        ("imo", StringProperty()),
        ("eni", StringProperty()),
        ("call_sign", StringProperty()),
        ("flag", StringProperty()),
        ("vessel_type", StringProperty()),
        ("length_m", FloatProperty(min=0)),
        ("beam_m", FloatProperty(min=0)),
    ]
    contributing = ["imo", "mmsi", "eni", "call_sign", "name"]
    CustomObservable("vessel", properties, contributing, VESSEL_EXTENSION)(type("Vessel", (), {}))


def _register_container() -> None:
    properties = [
        ("number", StringProperty(required=True)),
        ("size_type", StringProperty()),
        ("seal_numbers", ListProperty(StringProperty)),
    ]
    wrap = CustomObservable("freight-container", properties, ["number"], CONTAINER_EXTENSION)
    wrap(type("FreightContainer", (), {}))
