"""Ten thousand spoiled envelopes, each refused by exactly the step it was made for; ten thousand valid ones pass.

The whole is marked slow; beside it stands a seeded tenth of both, of which ``make test`` takes again a tenth of the
valid ones.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import pytest

from port2port import verify
from port2port.verify import STEPS, RefusedError, Step, VerifiedEntry
from tests.fakes.examples import many
from tests.fakes.mutants import MUTANTS
from tests.fakes.trust import Case, World

EACH_STEP = 500
QUICK_EACH_STEP = 50
VALID, QUICK_VALID = 10_000, many(1_000)
# Without these steps some of their mutants would be stored and matched; without the others a later step happens to
# refuse, with the wrong reason.
ACCEPTED_WITHOUT = frozenset({3, 4, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20})


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def mutants_of(step: int, world: World, count: int, seed: str) -> Iterator[tuple[str, Case]]:
    """(name, case) of ``count`` mutants of a step, in turn of each of its ways."""
    rng = random.Random(f"{seed}/{step}")
    ways = [(name, make) for (number, name), make in MUTANTS.items() if number == step]
    for name, make in itertools.islice(itertools.cycle(ways), count):
        yield name, make(world, rng)


def first_to_refuse(case: Case, steps: tuple[Step, ...] = STEPS) -> int:
    """The number of the step that refuses, 0 where the case is accepted."""
    try:
        verify.verify(case.raw, case.context, steps)
    except RefusedError as error:
        return error.number
    return 0


def wrong(
    step: int, world: World, count: int, steps: tuple[Step, ...] = STEPS, seed: str = "quick"
) -> list[tuple[str, int]]:
    """(mutant, step that refused it) of those that the step they were made for did not refuse first."""
    found = [(name, first_to_refuse(case, steps)) for name, case in mutants_of(step, world, count, seed)]
    return [(name, number) for name, number in found if number != step]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_each_step_is_the_first_to_refuse_what_breaks_its_rule(step: Step, world: World) -> None:
    assert wrong(step.number, world, QUICK_EACH_STEP) == []


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_each_step_is_the_first_to_refuse_500_of_ten_thousand_mutants(step: Step, world: World) -> None:
    assert len(STEPS) * EACH_STEP == 10_000
    assert wrong(step.number, world, EACH_STEP, seed="full") == []


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_disabling_a_step_turns_the_mutation_test_red(step: Step, world: World) -> None:
    """The same assertion over the same mutants, with the step taken out: it no longer holds."""
    others = tuple(other for other in STEPS if other is not step)
    ways = sum(number == step.number for number, _ in MUTANTS)
    failures = wrong(step.number, world, ways, others)
    assert len(failures) == ways
    assert any(number == 0 for _, number in failures) == (step.number in ACCEPTED_WITHOUT)


def test_every_step_has_mutants() -> None:
    assert {number for number, _ in MUTANTS} == {step.number for step in STEPS} == set(range(1, 21))


def valid_entries(world: World, count: int, seed: str) -> Iterator[VerifiedEntry]:
    rng = random.Random(seed)
    for _ in range(count):
        case = world.case(world.draft(rng))
        yield verify.verify(case.raw, case.context)


def require_faithful(entry: VerifiedEntry) -> None:
    assert entry.understood
    assert not entry.late
    assert len(entry.objects) == len(entry.statement.objects)
    assert entry.machine_only == all(voice.key_class == "machine" for voice in entry.voices)


def test_valid_envelopes_pass_every_step(world: World) -> None:
    kinds = set()
    for entry in valid_entries(world, QUICK_VALID, "quick"):
        require_faithful(entry)
        kinds.add(entry.statement.kind)
    assert len(kinds) == 19
    genesis = world.genesis_case()
    assert verify.verify(genesis.raw, genesis.context).statement.kind == "genesis"


@pytest.mark.slow
def test_ten_thousand_valid_envelopes_pass_every_step(world: World) -> None:
    for entry in valid_entries(world, VALID, "full"):
        require_faithful(entry)


def test_red_is_refused_with_the_reason_an_officer_needs(world: World) -> None:
    case = MUTANTS[13, "RED"](world, random.Random(5))
    with pytest.raises(RefusedError, match="not before sealed delivery exists") as caught:
        verify.verify(case.raw, case.context)
    assert (caught.value.number, caught.value.cause_code) == (13, "RED_REFUSED")


@pytest.mark.parametrize(
    ("step", "name", "code"),
    [
        (1, "a megabyte of junk", "TOO_LARGE"),
        (2, "unknown field in the signed statement", "ENCODING"),
        (5, "duplicate JSON key", "NOT_CANONICAL"),
        (6, "a field is missing", "STATEMENT"),
        (7, "unknown kind", "UPGRADE_NEEDED"),
        (8, "another genesis", "GENESIS"),
        (9, "replay by another member", "POLICY"),
        (10, "swapped signatures", "BAD_SIGNATURE"),
        (11, "equivocation", "ISSUER_EQUIVOCATION"),
        (11, "reused sequence", "CONFLICT"),
        (12, "stripped officers' signatures", "AUTHORITY"),
        (12, "stale roster version", "ROSTER_CONFLICT"),
        (16, "no pattern", "PROFILE"),
        (17, "sights another realm's object", "OTHER_REALM"),
        (19, "wrong path", "PROOF"),
        (20, "of another log", "BAD_SIGNATURE"),
    ],
)
def test_a_refusal_carries_the_code_of_its_cause(step: int, name: str, code: str, world: World) -> None:
    case = MUTANTS[step, name](world, random.Random(name))
    with pytest.raises(RefusedError) as caught:
        verify.verify(case.raw, case.context)
    assert (caught.value.number, caught.value.cause_code) == (step, code)
    assert caught.value.facts["name"] == STEPS[step - 1].name
