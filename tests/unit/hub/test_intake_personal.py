"""At the hub's intake what stands for a person is personal data, and what is of an exercise is said in it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from hub.intake import Outcome
from port2port.database import sqlite_url
from port2port.stix import objects as stix
from port2port.stix import physical
from port2port.stix.normalise import normalise
from port2port.stix.profile import EXERCISE_EXTENSION
from port2port.stix.pseudonyms import pseudonym
from port2port.tlp import Tlp
from tests.fakes.federation import Federation
from tests.fakes.hub_core import running_core

AUTHORITY, AUDIENCE, MARKING = 12, 13, 18
KEYED = physical.Keyed(pseudonym=pseudonym("vehicle", "BE 1-ABC-123", epoch_key=bytes(32)), key_epoch="2026-11")
DRONE = "1581F4XFC228B00A00TT"
PERSONAL = {
    "badge": lambda _: physical.badge(KEYED),
    "vehicle": lambda _: physical.vehicle(KEYED),
    "operator": lambda _: physical.uas(serial_number=DRONE, operator=KEYED),
    "pattern": lambda fed: fed.indicator(
        "beanr", pattern=stix.pattern_equals("vehicle:pseudonym", [KEYED.pseudonym]), tlp=Tlp.GREEN
    ),
}
PLAIN = {
    "drone": lambda: physical.uas(serial_number=DRONE),
    "gate": lambda: physical.access_point(port="BEANR", code="G3"),
    "lock": lambda: physical.waterway_lock(name="Example lock"),
    "camera": lambda: physical.camera_zone(port="BEANR", code="CAM-17"),
}


@pytest.fixture
def fed() -> Federation:
    return Federation()


def outcomes(fed: Federation, folder: Path, raws: Sequence[bytes]) -> list[Outcome | int]:
    """Accepted, or the number of the step that refused."""

    async def whole() -> list[Outcome | int]:
        async with running_core(fed, sqlite_url(folder / "hub.db")) as core:
            await core.admit_all(fed.founding())
            found = [(await core.intake.submit("beanr", [raw]))[0] for raw in raws]
            return [one.step if one.outcome is Outcome.REFUSED else one.outcome for one in found]

    return asyncio.run(asyncio.wait_for(whole(), 60))


def test_what_stands_for_a_person_needs_a_purpose_and_two_officers(fed: Federation, tmp_path: Path) -> None:
    declared: dict[str, Any] = {"personal_data": True, "purpose": "drug-trafficking", "two_officers": True}
    alone: dict[str, Any] = {"personal_data": True, "purpose": "drug-trafficking"}
    no_purpose: dict[str, Any] = {"personal_data": True, "two_officers": True}
    ways: list[dict[str, Any]] = [{}, {"purpose": "drug-trafficking"}, no_purpose, alone, declared]
    raws = [fed.publish("beanr", objects=[make(fed)], **more) for make in PERSONAL.values() for more in ways]
    assert outcomes(fed, tmp_path, raws) == [MARKING, MARKING, AUDIENCE, AUTHORITY, Outcome.ACCEPTED] * len(PERSONAL)


def test_a_drone_a_gate_a_lock_and_a_camera_are_nobodys(fed: Federation, tmp_path: Path) -> None:
    raws = [fed.publish("beanr", objects=[make()]) for make in PLAIN.values()]
    assert outcomes(fed, tmp_path, raws) == [Outcome.ACCEPTED] * len(PLAIN)


def test_an_object_of_an_exercise_is_said_in_that_exercise_only(fed: Federation, tmp_path: Path) -> None:
    def played() -> bytes:
        data = orjson.loads(fed.indicator("beanr", ident=uuid.uuid4()))
        content = {"extension_type": "property-extension", "exercise": "storm-1"}
        return normalise({**data, "extensions": {EXERCISE_EXTENSION: content}})

    realms = ("real", "exercise:storm-2", "exercise:storm-1")
    raws = [fed.publish("beanr", objects=[played()], realm=realm) for realm in realms]
    assert outcomes(fed, tmp_path, raws) == [MARKING, MARKING, Outcome.ACCEPTED]
