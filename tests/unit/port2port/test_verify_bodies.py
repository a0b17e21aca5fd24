"""Statements whose bodies are anything at all, properly signed and logged: each is judged or refused by an error of ours.

A dishonest hub logs whatever a member signs, and no node may fall over it.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from port2port import verify
from port2port.verify import RefusedError
from tests.fakes.examples import many
from tests.fakes.trust import Case, World

JUNK: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**53 - 1, 1.5, "", "x", "beanr", "federation"),
    *([], ["a"], [[]], [{}], [None], {}, {"a": 1}, {"key_id": []}, {"key_id": {}}),
)
KINDS = ("roster", "group", "revoke-key", "rekey", "publish", "suspend", "retract", "sighting")
EACH = many(400)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def bent(value: Any, dice: random.Random, depth: int = 0) -> Any:
    """The same with something in it replaced or left out."""
    if dice.random() < 0.25 or depth > 5 or not value or not isinstance(value, dict | list):
        return dice.choice(JUNK)
    if isinstance(value, list):
        at = dice.randrange(len(value))
        return [*value[:at], bent(value[at], dice, depth + 1), *value[at + 1 :]]
    name = dice.choice(sorted(value))
    rest = {key: item for key, item in value.items() if key != name}
    return rest if dice.random() < 0.1 else {**rest, name: bent(value[name], dice, depth + 1)}


def operations(world: World) -> list[dict[str, Any]]:
    key = world.fed.key("somebody")
    return [
        {"op": "add-member", "member": "new", "name": "N", "kind": "port", "locodes": ["BEANR"]}
        | {"organisation": "o", "witness": True},
        {"op": "add-key", "member": "beanr", "key": key.record("machine").to_json(), "pseudonym": None}
        | {"not_after_ms": 10**12},
        {"op": "set-witness-key", "member": "beanr", "public": "AAAA"},
        {"op": "add-affiliate", "affiliate": "a-b", "ceiling": "green", "member": "beanr", "name": "x"},
        {"op": "set-coordinators", "coordinators": [key.record("coordinator").to_json()], "threshold": 1},
        {"op": "set-minimum-version", "minimum_version": "1.0.0"},
        {"op": "remove-member", "member": "beanr", "reason": "x"},
    ]


def judged(case: Case) -> int:
    """The step that refused, 0 if none did."""
    try:
        verify.verify(case.raw, case.context)
    except RefusedError as refused:
        return refused.number
    return 0


@pytest.mark.parametrize("kind", KINDS)
def test_any_body_is_judged_or_refused(kind: str, world: World) -> None:
    dice = random.Random(kind)
    steps = set()
    for _ in range(EACH):
        made = world.draft(dice, kind)
        if kind == "roster":
            made.data["body"]["ops"] = [dice.choice(operations(world))]
        made.data["body"] = bent(made.data["body"], dice)
        made.signers = made.signers[: dice.randint(1, len(made.signers))]
        steps.add(judged(world.case(made)))
    assert 6 in steps, "some bodies are no objects"
    assert steps <= {0, *range(5, 19)}


@pytest.mark.parametrize("key_id", [[], {}, None, 7])
def test_a_rekey_whose_key_id_is_no_text_lacks_authority(key_id: object, world: World) -> None:
    made = world.draft(random.Random(1), "rekey")
    made.data["body"]["key"]["key_id"] = key_id
    made.signers = made.signers[:1]
    case = world.case(made)
    with pytest.raises(RefusedError) as caught:
        verify.verify(case.raw, case.context)
    assert (caught.value.number, caught.value.cause_code) == (12, "AUTHORITY")
