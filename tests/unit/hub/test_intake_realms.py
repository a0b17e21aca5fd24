"""At the hub's intake nothing said in an exercise acts on a real object, nor the other way round."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from hub.intake import Outcome, Result
from port2port.database import sqlite_url
from port2port.stix import objects as stix
from port2port.tlp import Tlp
from tests.fakes.federation import Federation, refs_body, stix_id_of
from tests.fakes.hub_core import HubCore, running_core

EXERCISE = "exercise:storm-1"
REALMS = [("real", EXERCISE), (EXERCISE, "real"), (EXERCISE, "exercise:storm-2")]
Story = Callable[[HubCore], Awaitable[None]]


@pytest.fixture
def fed() -> Federation:
    return Federation()


@pytest.fixture
def tell(fed: Federation, tmp_path: Path) -> Callable[[Story], None]:
    def go(story: Story) -> None:
        async def whole() -> None:
            async with running_core(fed, sqlite_url(tmp_path / "hub.db")) as core:
                await core.admit_all([*fed.founding(), fed.group("seaports", "beanr", "north-sea-port")])
                await story(core)

        asyncio.run(asyncio.wait_for(whole(), 60))

    return go


async def one(core: HubCore, raw: bytes, member: str = "beanr") -> Result:
    return (await core.intake.submit(member, [raw]))[0]


@pytest.mark.parametrize(("first", "second"), REALMS)
def test_an_object_stays_in_the_realm_it_was_first_used_in(
    fed: Federation, tell: Callable[[Story], None], first: str, second: str
) -> None:
    async def story(core: HubCore) -> None:
        ident = uuid.uuid4()
        raws = [fed.indicator("beanr", ident=ident, modified=at) for at in (0, 1_000)]
        gone = stix.revoked(raws[1], fed.clock.now())
        name = stix_id_of(raws[0])
        await core.admit_all([fed.publish("beanr", objects=raws[:1], realm=first)])
        for raw in (
            fed.publish("beanr", objects=raws[1:], realm=second),
            fed.publish("beanr", objects=[gone], realm=second),
            fed.retract("beanr", [name], objects=[gone], realm=second),
            fed.retract("beanr", [name], realm=second),
        ):
            result = await one(core, raw)
            assert (result.outcome, result.code) == (Outcome.REFUSED, "OTHER_REALM")
        await core.admit_all([fed.publish("beanr", objects=raws[1:], realm=first)])
        await core.admit_all([fed.retract("beanr", [name], realm=first)])

    tell(story)


@pytest.mark.parametrize(("first", "second"), REALMS)
def test_a_reference_stays_in_the_realm_of_its_statement(
    fed: Federation, tell: Callable[[Story], None], first: str, second: str
) -> None:
    async def story(core: HubCore) -> None:
        raw = fed.indicator("beanr")
        of = ("beanr", stix_id_of(raw))
        await core.admit_all([fed.publish("beanr", objects=[raw], realm=first)])
        made = (
            (fed.sighting("belgg", of=of, realm=second), "belgg"),
            (fed.content("belgg", "note", tlp=Tlp.GREEN, body=refs_body([of]), realm=second), "belgg"),
            (fed.suspend(of, realm=second), "beanr"),
            (fed.content("beanr", "reaffirm", tlp=Tlp.GREEN, body=refs_body([of]), realm=second), "beanr"),
        )
        for envelope, member in made:
            result = await one(core, envelope, member)
            assert (result.outcome, result.code) == (Outcome.REFUSED, "OTHER_REALM")
        assert (await one(core, fed.sighting("belgg", of=of, realm=first), "belgg")).outcome is Outcome.ACCEPTED

    tell(story)


def test_both_realms_may_be_in_one_group_of_envelopes(fed: Federation, tell: Callable[[Story], None]) -> None:
    async def story(core: HubCore) -> None:
        raw = fed.indicator("beanr")
        said = [
            fed.publish("beanr", objects=[raw], realm=EXERCISE),
            fed.retract("beanr", [stix_id_of(raw)]),
            fed.retract("beanr", [stix_id_of(raw)], realm=EXERCISE),
        ]
        assert [item.code for item in await core.intake.submit("beanr", said)] == ["", "OTHER_REALM", ""]

    tell(story)


def test_a_members_own_card_has_its_versions_in_each_realm(fed: Federation, tell: Callable[[Story], None]) -> None:
    async def story(core: HubCore) -> None:
        old, new = (
            stix.identity(
                stix.Header(
                    ident=uuid.UUID(fed.identity("beanr").partition("--")[2]),
                    issuer=fed.identity("beanr"),
                    created=fed.clock.now(),
                    modified=at,
                    tlp=Tlp.GREEN,
                ),
                federation=fed.name,
                member="beanr",
                name="Port of Antwerp-Bruges",
            )
            for at in (None, fed.clock.now().replace(year=2027))
        )
        await core.admit_all([fed.publish("beanr", objects=[new], realm=EXERCISE)])
        await core.admit_all([fed.publish("beanr", objects=[old])])
        result = await one(core, fed.publish("beanr", objects=[old], realm=EXERCISE))
        assert result.code == "OLD_VERSION"

    tell(story)


def test_a_hidden_object_of_another_realm_and_none_at_all_answer_alike(
    fed: Federation, tell: Callable[[Story], None]
) -> None:
    async def story(core: HubCore) -> None:
        raw = fed.indicator("beanr", tlp=Tlp.AMBER)
        hidden = fed.publish("beanr", objects=[raw], tlp=Tlp.AMBER, groups=("seaports",), realm=EXERCISE)
        await core.admit_all([hidden])
        made = [
            fed.content("belgg", "note", tlp=Tlp.AMBER, recipients=("beanr",), body=refs_body([("beanr", name)]))
            for name in (stix_id_of(raw), f"indicator--{uuid.uuid4()}")
        ]
        first, second = [await one(core, envelope, "belgg") for envelope in made]
        assert (first.outcome, first.code, first.text) == (Outcome.REFUSED, "NOT_FOUND", second.text)
        assert (second.outcome, second.code) == (first.outcome, first.code)

    tell(story)
