"""Our own types, made known to ``stix2`` on request.

Registering changes a table inside the library that all threads share: it happens when ``register`` is called,
not at import, and calling it again changes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from stix2.properties import (
    FloatProperty,
    IntegerProperty,
    ListProperty,
    Property,
    ReferenceProperty,
    StringProperty,
    TimestampProperty,
)
from stix2.registry import class_for_type
from stix2.v21 import CustomObject, CustomObservable

from port2port.stix.profile import DERIVED, OUTLET_TYPES, REQUIRED_EXTENSION

_LOCK: Final = threading.Lock()
_CONTRIBUTING: Final[Mapping[str, tuple[str, ...]]] = {
    "vessel": ("imo", "mmsi", "eni", "call_sign", "name"),
    "freight-container": ("number",),
    **DERIVED,
}
_Properties: TypeAlias = list[tuple[str, Property]]


def register() -> None:
    """Make every type of ours known to stix2; idempotent and safe between threads."""
    with _LOCK:
        for kind, properties in _PROPERTIES.items():
            category = "objects" if kind in OUTLET_TYPES else "observables"
            if class_for_type(kind, "2.1", category) is None:
                _register(kind, properties())


def _register(kind: str, properties: _Properties) -> None:
    extension = REQUIRED_EXTENSION[kind]
    if kind in OUTLET_TYPES:
        wrap = CustomObject(kind, properties, extension)
    else:
        wrap = CustomObservable(kind, properties, list(_CONTRIBUTING[kind]), extension)
    wrap(type("".join(map(str.title, kind.split("-"))), (), {}))


def _text(*names: str, required: bool = False) -> _Properties:
    return [(name, StringProperty(required=required)) for name in names]


def _numbers(*names: str) -> _Properties:
    return [(name, FloatProperty(min=0)) for name in names]


def _position() -> _Properties:
    return [("latitude", FloatProperty(min=-90, max=90)), ("longitude", FloatProperty(min=-180, max=180))]


def _vessel() -> _Properties:
    words = _text("name", "mmsi", "imo", "eni", "call_sign", "flag", "vessel_type")
    return [*words, *_numbers("length_m", "beam_m")]


def _container() -> _Properties:
    return [
        *_text("number", required=True),
        *_text("size_type"),
        ("seal_numbers", ListProperty(StringProperty)),
    ]


def _uas() -> _Properties:
    return _text("serial_number", "uas_type", "model", "operator_pseudonym", "key_epoch")


def _badge() -> _Properties:
    return [*_text("pseudonym", "key_epoch", required=True), *_text("badge_type")]


def _vehicle() -> _Properties:
    return [*_text("pseudonym", "key_epoch", required=True), *_text("vehicle_type", "colour", "country")]


def _access_point() -> _Properties:
    return [*_text("port", "code", required=True), *_text("name", "access_point_type"), *_position()]


def _lock() -> _Properties:
    return [*_text("isrs_code", "name", "waterway"), *_position(), *_numbers("length_m", "width_m")]


def _camera_zone() -> _Properties:
    own = _text("name", "camera_type")
    return [*_text("port", "code", required=True), *own, *_position(), *_numbers("radius_m")]


def _level() -> _Properties:
    return [
        *_text("port", required=True),
        ("level", IntegerProperty(min=1, max=3, required=True)),
        ("effective", TimestampProperty(required=True, precision="millisecond", precision_constraint="min")),
        *_text("reason", required=True),
    ]


def _attestation() -> _Properties:
    return [
        ("object_refs", ListProperty(_Attested, required=True)),
        ("salts", ListProperty(StringProperty, required=True)),
        *_text("signed_statement", required=True),
        ("received_ms", IntegerProperty(min=0, required=True)),
        *_text("tlog_proof", required=True),
    ]


class _Attested(ReferenceProperty):  # type: ignore[misc]  # stix2 has no types
    """A reference to any object."""

    def __init__(self) -> None:
        super().__init__(valid_types=["SCO", "SDO", "SRO"], spec_version="2.1")


_PROPERTIES: Final[Mapping[str, Callable[[], _Properties]]] = {
    "vessel": _vessel,
    "freight-container": _container,
    "uas": _uas,
    "badge": _badge,
    "vehicle": _vehicle,
    "access-point": _access_point,
    "waterway-lock": _lock,
    "camera-zone": _camera_zone,
    "p2p-level": _level,
    "p2p-attestation": _attestation,
}
