"""At the hub's intake: what the objects of a statement name is judged as far as its author may read it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from hub.intake import Result
from port2port.database import sqlite_url
from port2port.sharing.references import NAMES_MAX
from port2port.stix import objects as stix
from port2port.tlp import Tlp
from tests.fakes.federation import Federation, refs_body, stix_id_of
from tests.fakes.hub_core import HubCore, running_core

PARENT, AUTHOR, OUTSIDER = "north-sea-port", "beanr", "belgg"
WIDER = "WIDER_THAN_REFERENCE"
Story = Callable[[HubCore], Awaitable[None]]
Maker = Callable[[stix.Header, str, str], bytes]
MAKERS: dict[str, Maker] = {
    "a note": lambda header, own, other: stix.note(header, content="seen", object_refs=[own, other]),
    "the source of a relationship": lambda header, own, other: stix.relationship(
        header, kind="related-to", source_ref=other, target_ref=own
    ),
    "the target of a relationship": lambda header, own, other: stix.relationship(
        header, kind="related-to", source_ref=own, target_ref=other
    ),
}


@pytest.fixture
def fed() -> Federation:
    return Federation()


@pytest.fixture
def tell(fed: Federation, tmp_path: Path) -> Callable[[Story], None]:
    def go(story: Story) -> None:
        async def whole() -> None:
            async with running_core(fed, sqlite_url(tmp_path / "hub.db")) as core:
                await core.admit_all([*fed.founding(), fed.group("seaports", AUTHOR, PARENT)])
                await story(core)

        asyncio.run(asyncio.wait_for(whole(), 60))

    return go


async def one(core: HubCore, raw: bytes, member: str = AUTHOR) -> Result:
    return (await core.intake.submit(member, [raw]))[0]


async def secret(core: HubCore, fed: Federation) -> str:
    """The id of an object that the seaports alone may read."""
    raw = fed.indicator(PARENT, tlp=Tlp.AMBER)
    said = fed.publish(PARENT, objects=[raw], tlp=Tlp.AMBER, groups=("seaports",))
    assert (await one(core, said, PARENT)).code == ""
    return stix_id_of(raw)


def naming(fed: Federation, member: str, other: str, maker: Maker, tlp: Tlp = Tlp.GREEN) -> bytes:
    """An object of ``member`` that names another's object beside one of its own."""
    header = stix.Header(ident=uuid.uuid4(), issuer=fed.identity(member), created=fed.clock.now(), tlp=tlp)
    return maker(header, stix_id_of(fed.indicator(member)), other)


@pytest.mark.parametrize("maker", MAKERS.values(), ids=list(MAKERS))
def test_what_names_anothers_object_is_as_strict_and_for_nobody_else(
    fed: Federation, tell: Callable[[Story], None], maker: Maker
) -> None:
    async def story(core: HubCore) -> None:
        other = await secret(core, fed)
        open_to_all = fed.publish(AUTHOR, objects=[naming(fed, AUTHOR, other, maker)])
        amber = naming(fed, AUTHOR, other, maker, Tlp.AMBER)
        to_outsider = fed.publish(AUTHOR, objects=[amber], tlp=Tlp.AMBER, recipients=(OUTSIDER,))
        fits = fed.publish(AUTHOR, objects=[amber], tlp=Tlp.AMBER, groups=("seaports",))
        results = await core.intake.submit(AUTHOR, [open_to_all, to_outsider, fits])
        assert [item.code for item in results] == [WIDER, WIDER, ""]

    tell(story)


@pytest.mark.parametrize("maker", MAKERS.values(), ids=list(MAKERS))
def test_a_hidden_id_a_random_one_and_an_own_one_are_let_pass_alike(
    fed: Federation, tell: Callable[[Story], None], maker: Maker
) -> None:
    async def story(core: HubCore) -> None:
        hidden = await secret(core, fed)
        for other in (hidden, f"indicator--{uuid.uuid4()}", stix_id_of(fed.indicator(OUTSIDER))):
            result = await one(core, fed.publish(OUTSIDER, objects=[naming(fed, OUTSIDER, other, maker)]), OUTSIDER)
            assert (result.outcome.name, result.code, result.text) == ("ACCEPTED", "", "")

    tell(story)


def test_the_newest_version_that_the_author_may_read_counts(fed: Federation, tell: Callable[[Story], None]) -> None:
    async def story(core: HubCore) -> None:
        ident = uuid.uuid4()
        first, third = (fed.indicator(PARENT, ident=ident, modified=at, tlp=Tlp.AMBER) for at in (0, 2))
        to_seaports = {"tlp": Tlp.AMBER, "groups": ("seaports",)}
        await core.admit_all([fed.publish(PARENT, objects=[first], **to_seaports)], PARENT)
        note = naming(fed, AUTHOR, stix_id_of(first), MAKERS["a note"])
        assert (await one(core, fed.publish(AUTHOR, objects=[note]))).code == WIDER
        opened = fed.indicator(PARENT, ident=ident, modified=1)
        await core.admit_all([fed.publish(PARENT, objects=[opened])], PARENT)
        assert (await one(core, fed.publish(AUTHOR, objects=[note]))).code == ""
        await core.admit_all([fed.publish(PARENT, objects=[third], tlp=Tlp.AMBER, recipients=(OUTSIDER,))], PARENT)
        another = naming(fed, AUTHOR, stix_id_of(first), MAKERS["a note"])
        assert (await one(core, fed.publish(AUTHOR, objects=[another]))).code == "", "a version that is hidden from it"

    tell(story)


def test_within_one_batch_what_was_logged_before_it_counts(fed: Federation, tell: Callable[[Story], None]) -> None:
    async def story(core: HubCore) -> None:
        raw = fed.indicator(PARENT, tlp=Tlp.AMBER)
        said = fed.publish(PARENT, objects=[raw], tlp=Tlp.AMBER, groups=("seaports",))
        note = naming(fed, AUTHOR, stix_id_of(raw), MAKERS["a note"])
        parent = asyncio.ensure_future(core.intake.submit(PARENT, [said]))
        child = asyncio.ensure_future(core.intake.submit(AUTHOR, [fed.publish(AUTHOR, objects=[note])]))
        results = [*(await parent), *(await child)]
        assert results[0].code == ""
        assert results[1].code == WIDER or results[1].index < results[0].index

    tell(story)


def test_an_id_that_a_statement_names_with_its_issuer_is_judged_by_that_issuers_object(
    fed: Federation, tell: Callable[[Story], None]
) -> None:
    """Whoever copies an id under his own name and a stricter marking cannot silence sightings of the original."""

    async def story(core: HubCore) -> None:
        ident = uuid.uuid4()
        raw = fed.indicator(PARENT, ident=ident)
        await core.admit_all([fed.publish(PARENT, objects=[raw])], PARENT)
        copy = fed.indicator(OUTSIDER, ident=ident, tlp=Tlp.AMBER)
        await core.admit_all([fed.publish(OUTSIDER, objects=[copy], tlp=Tlp.AMBER, recipients=(AUTHOR,))], OUTSIDER)
        of = (PARENT, stix_id_of(raw))
        assert (await one(core, fed.sighting(AUTHOR, of=of))).code == ""
        note = naming(fed, AUTHOR, of[1], MAKERS["a note"])
        assert (await one(core, fed.publish(AUTHOR, objects=[note]))).code == WIDER
        named = fed.content(AUTHOR, "note", objects=[note], tlp=Tlp.GREEN, body=refs_body([of]))
        assert (await one(core, named)).code == ""

    tell(story)


def test_an_object_of_another_realm_is_not_named(fed: Federation, tell: Callable[[Story], None]) -> None:
    async def story(core: HubCore) -> None:
        raw = fed.indicator(PARENT)
        await core.admit_all([fed.publish(PARENT, objects=[raw])], PARENT)
        note = naming(fed, AUTHOR, stix_id_of(raw), MAKERS["a note"])
        assert (await one(core, fed.publish(AUTHOR, objects=[note], realm="exercise:storm-1"))).code == WIDER
        assert (await one(core, fed.publish(AUTHOR, objects=[note]))).code == ""

    tell(story)


def test_an_envelope_names_a_bounded_number_of_objects(fed: Federation, tell: Callable[[Story], None]) -> None:
    async def story(core: HubCore) -> None:
        header = stix.Header(ident=uuid.uuid4(), issuer=fed.identity(AUTHOR), created=fed.clock.now(), tlp=Tlp.GREEN)
        for count, code in ((NAMES_MAX, ""), (NAMES_MAX + 1, "TOO_LARGE")):
            names = [f"indicator--{uuid.UUID(int=at + 2**80, version=4)}" for at in range(count)]
            raw = stix.note(header, content="many", object_refs=names)
            header = stix.Header(
                ident=uuid.uuid4(), issuer=fed.identity(AUTHOR), created=fed.clock.now(), tlp=Tlp.GREEN
            )
            assert (await one(core, fed.publish(AUTHOR, objects=[raw]))).code == code

    tell(story)
