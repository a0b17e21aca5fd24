"""Values that are allowed and extreme, on both engines: what one database takes, the other must take too."""

from __future__ import annotations

import asyncio
import random
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from port2port.database import sqlite_url
from port2port.errors import NotFoundError
from port2port.limits import LIMITS
from port2port.tlp import Tlp
from tests.fakes.federation import Federation
from tests.fakes.hub_core import HubCore, running_core


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "hub.db")
    else:
        yield request.getfixturevalue("postgres_url")


def run(url: str, fed: Federation, control: list[bytes], story: Any) -> None:
    async def go() -> None:
        async with running_core(fed, url) as core:
            await core.admit_all(control)
            await core.feed.catch_up()
            await story(core)

    asyncio.run(asyncio.wait_for(go(), 60))


def long_names(count: int, letter: str) -> list[str]:
    """Member ids of full length in which nothing repeats, so that no database can pack them."""
    dice = random.Random(letter)
    return [letter + "".join(dice.choices(string.ascii_lowercase + string.digits, k=39)) for _ in range(count)]


def test_an_id_that_no_database_can_hold_is_not_found(url: str) -> None:
    async def story(core: HubCore) -> None:
        for asked in ("\0", "urn:uuid:\0", "x" * 100, ""):
            with pytest.raises(NotFoundError):
                await core.feed.fetch("beanr", asked)

    fed = Federation()
    run(url, fed, fed.founding(), story)


def test_the_widest_audience_that_a_statement_can_name_is_stored(url: str) -> None:
    fed = Federation()
    control = fed.founding()
    others, groups = long_names(LIMITS.recipients, "m"), long_names(LIMITS.groups, "g")
    control += [fed.join(member) for member in others]
    control += [fed.group(name, *others[:2]) for name in groups]
    wide = fed.content("beanr", "note", tlp=Tlp.AMBER, groups=groups, recipients=others)

    async def story(core: HubCore) -> None:
        await core.admit_all([wide])

    run(url, fed, control, story)
