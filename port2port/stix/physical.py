"""Building what stands, drives or flies in a port: drones, badges, vehicles, gates, locks, zones of cameras.

As in ``objects``: each function returns final bytes, with an id that everybody derives alike, and raises ProfileError.
A badge, a vehicle and a drone's operator are named by keyed pseudonyms only (``pseudonyms``).
"""

from __future__ import annotations

from dataclasses import dataclass

from port2port import identifiers
from port2port.stix.objects import observable
from port2port.stix.profile import (
    ACCESS_POINT_EXTENSION,
    BADGE_EXTENSION,
    CAMERA_EXTENSION,
    LOCK_EXTENSION,
    UAS_EXTENSION,
    VEHICLE_EXTENSION,
)
from port2port.stix.pseudonyms import require_pseudonym
from port2port.tlp import Tlp


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyed:
    """A pseudonym and the month in which its key was drawn, as in 2026-11."""

    pseudonym: str
    key_epoch: str


def uas(
    *,
    serial_number: str | None = None,
    model: str | None = None,
    uas_type: str | None = None,
    operator: Keyed | None = None,
    tlp: Tlp | None = None,
) -> bytes:
    """A drone, by its serial number where it sends one (ANSI/CTA-2063-A). Its operator makes it personal data."""
    return observable(
        "uas",
        UAS_EXTENSION,
        tlp,
        serial_number=None if serial_number is None else identifiers.check_uas_serial(serial_number),
        model=model,
        uas_type=uas_type,
        operator_pseudonym=None if operator is None else require_pseudonym(operator.pseudonym),
        key_epoch=None if operator is None else operator.key_epoch,
    )


def badge(keyed: Keyed, *, badge_type: str | None = None, tlp: Tlp | None = None) -> bytes:
    """A card that opens doors, never its number."""
    return observable(
        "badge",
        BADGE_EXTENSION,
        tlp,
        pseudonym=require_pseudonym(keyed.pseudonym),
        key_epoch=keyed.key_epoch,
        badge_type=badge_type,
    )


def vehicle(
    keyed: Keyed,
    *,
    vehicle_type: str | None = None,
    colour: str | None = None,
    country: str | None = None,
    tlp: Tlp | None = None,
) -> bytes:
    """A vehicle, never its licence plate; ``country`` is that of the plate."""
    return observable(
        "vehicle",
        VEHICLE_EXTENSION,
        tlp,
        pseudonym=require_pseudonym(keyed.pseudonym),
        key_epoch=keyed.key_epoch,
        vehicle_type=vehicle_type,
        colour=colour,
        country=country,
    )


def access_point(
    *,
    port: str,
    code: str,
    name: str | None = None,
    access_point_type: str | None = None,
    position: tuple[float, float] | None = None,
    tlp: Tlp | None = None,
) -> bytes:
    """A gate or door by the port's own code; ``position`` in degrees, latitude first."""
    latitude, longitude = _rounded(position)
    return observable(
        "access-point",
        ACCESS_POINT_EXTENSION,
        tlp,
        port=port,
        code=code,
        name=name,
        access_point_type=access_point_type,
        latitude=latitude,
        longitude=longitude,
    )


def waterway_lock(
    *,
    isrs_code: str | None = None,
    name: str | None = None,
    waterway: str | None = None,
    position: tuple[float, float] | None = None,
    length_m: float | None = None,
    width_m: float | None = None,
    tlp: Tlp | None = None,
) -> bytes:
    """A lock by its code in the RIS index (20 characters) or by its name; lengths are those of the chamber."""
    latitude, longitude = _rounded(position)
    return observable(
        "waterway-lock",
        LOCK_EXTENSION,
        tlp,
        isrs_code=isrs_code,
        name=name,
        waterway=waterway,
        latitude=latitude,
        longitude=longitude,
        length_m=length_m,
        width_m=width_m,
    )


def camera_zone(
    *,
    port: str,
    code: str,
    name: str | None = None,
    camera_type: str | None = None,
    position: tuple[float, float] | None = None,
    radius_m: float | None = None,
    tlp: Tlp | None = None,
) -> bytes:
    """What a camera watches: a circle around a position, by the port's own code."""
    latitude, longitude = _rounded(position)
    return observable(
        "camera-zone",
        CAMERA_EXTENSION,
        tlp,
        port=port,
        code=code,
        name=name,
        camera_type=camera_type,
        latitude=latitude,
        longitude=longitude,
        radius_m=radius_m,
    )


def _rounded(position: tuple[float, float] | None) -> tuple[float | None, float | None]:
    """Degrees to a metre."""
    return (None, None) if position is None else (round(position[0], 5), round(position[1], 5))
