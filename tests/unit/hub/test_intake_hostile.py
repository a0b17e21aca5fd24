"""Envelopes by members who mean harm: valid in every single step, and aimed at what comes after."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from hub.intake import Outcome, Result
from hub.intake.judging import AUDIENCES_REMEMBERED
from hub.store import Head
from hub.tables import OBJECT
from hub.transparency import Candidate
from port2port import canonical
from port2port.database import StorageError, sqlite_url
from port2port.limits import MemberQuota
from port2port.stix.validate import ValidObject
from port2port.tlp import Tlp
from port2port.verify import STEPS, RefusedError
from tests.fakes.federation import Federation
from tests.fakes.hub_core import HubCore, running_core

TOP_LEVEL = {f"extension-definition--{uuid.UUID(int=9, version=4)}": {"extension_type": "toplevel-property-extension"}}


@pytest.fixture
def fed() -> Federation:
    return Federation()


def with_core(fed: Federation, tmp_path: Path, story: Any, **more: Any) -> None:
    async def go() -> None:
        async with running_core(fed, sqlite_url(tmp_path / "hub.db"), **more) as core:
            await core.admit_all([*fed.founding(), fed.group("seaports", "beanr", "north-sea-port")])
            await core.feed.catch_up()
            await story(core)

    asyncio.run(asyncio.wait_for(go(), 60))


async def one(core: HubCore, raw: bytes, member: str = "beanr") -> Result:
    return (await core.intake.submit(member, [raw]))[0]


def domain(modified: str) -> bytes:
    """A cyber-observable that claims a version by way of an extension."""
    ident = f"domain-name--{uuid.UUID(int=5, version=4)}"
    made = {"type": "domain-name", "spec_version": "2.1", "id": ident, "value": "a.be", "extensions": TOP_LEVEL}
    return orjson.dumps({**made, "modified": modified}, option=orjson.OPT_SORT_KEYS)


def test_times_without_a_zone_do_not_stop_the_hub(fed: Federation, tmp_path: Path) -> None:
    async def story(core: HubCore) -> None:
        for modified in ("2026-01-01", "2026-01-02T00:00:00Z"):
            raw = fed.publish("beanr", objects=[domain(modified)], tlp=None)
            assert (await one(core, raw)).outcome is Outcome.REFUSED
        assert (await one(core, fed.publish("beanr"))).outcome is Outcome.ACCEPTED

    with_core(fed, tmp_path, story)


class Lenient(Federation):
    """A validator with a hole in it: it takes a version without a zone."""

    def validate(self, raw: bytes) -> ValidObject:
        data = orjson.loads(raw)
        found = Federation.validate(
            self, canonical.dumps({**data, "modified": f"{data['modified'][:10]}T00:00:00.000Z"})
        )
        return replace(found, data=data)


def test_what_nobody_foresaw_in_the_last_judgement_refuses_that_envelope_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The committer is shared by all members: it goes on, whatever a validator lets pass one day."""
    fed = Lenient()

    async def story(core: HubCore) -> None:
        made = orjson.loads(fed.indicator("beanr"))
        raws = [
            fed.publish("beanr", objects=[canonical.dumps({**made, "modified": modified})])
            for modified in ("2026-12-01", "2026-12-01T00:00:00+25:00")
        ]
        results = await core.intake.submit("beanr", raws)
        other = await core.intake.submit("belgg", [fed.content("belgg", "note", tlp=Tlp.GREEN)])
        assert [item.outcome for item in (*results, *other)] == [Outcome.ACCEPTED, Outcome.REFUSED, Outcome.ACCEPTED]
        assert results[1].code == "NOT_JUDGED"
        assert "judgement failed unexpectedly" in caplog.text

    with_core(fed, tmp_path, story)


def test_a_member_cannot_fill_the_control_log_with_new_keys(fed: Federation, tmp_path: Path) -> None:
    """Every node and every coordinator folds each rekey for ever: a thousand of them are an attack on all."""
    quota = MemberQuota(rekeys_per_day=2)

    async def story(core: HubCore) -> None:
        results = [await one(core, fed.rekey("beanr", role=role)) for role in ("machine", "officer")]
        assert [item.outcome for item in results] == [Outcome.ACCEPTED] * 2
        again = fed.rekey("beanr")
        late = await one(core, again)
        assert (late.outcome, late.code) == (Outcome.RETRY, "QUOTA")
        assert (await one(core, fed.rekey("belgg"), "belgg")).outcome is Outcome.ACCEPTED
        fed.clock.advance(late.delay_ms / 1_000)
        assert (await one(core, again)).outcome is Outcome.ACCEPTED

    with_core(fed, tmp_path, story, quota=quota)


def test_what_is_remembered_of_an_object_is_bounded_by_audiences_and_not_by_versions(
    fed: Federation, tmp_path: Path
) -> None:
    """Every version and every reference is judged under the lock that all members share."""
    ident = uuid.uuid4()

    def version(number: int, **more: Any) -> bytes:
        made = fed.indicator("beanr", ident=ident, modified=number, tlp=more.get("tlp", Tlp.GREEN))
        return fed.publish("beanr", objects=[made], **more)

    async def story(core: HubCore) -> None:
        def remembered() -> int:
            query = sa.select(sa.func.count()).select_from(OBJECT)
            return core.store.database.read_now(lambda connection: connection.execute(query).scalar_one())

        results = await core.intake.submit("beanr", [version(number) for number in range(1, 81)])
        assert {item.outcome for item in results} == {Outcome.ACCEPTED}
        assert (await one(core, version(80))).code == "OLD_VERSION"
        assert await asyncio.to_thread(remembered) == 1
        await core.admit_all([fed.group("busy", "beanr", "belgg") for _ in range(50)])
        audiences = [(("busy", number),) for number in range(1, 51)]
        await core.admit_all([version(100 + at, tlp=Tlp.AMBER, groups=who) for at, who in enumerate(audiences)])
        assert (await one(core, version(100))).code == "OLD_VERSION"
        assert await asyncio.to_thread(remembered) == AUDIENCES_REMEMBERED
        assert (await one(core, fed.retract("beanr", [f"indicator--{ident}"]))).outcome is Outcome.ACCEPTED
        assert [(await one(core, version(number))).code for number in (300, 301)] == ["REVOKED"] * 2

    with_core(fed, tmp_path, story)


class AwayJudge:
    """Asks a database that does not answer."""

    def begin(self, connection: object, head: Head, group: Sequence[Candidate]) -> None:
        pass

    def judge(self, candidate: Candidate, index: int, received_ms: int) -> None:
        cause = StorageError("the database did not answer")
        raise RefusedError(cause.text, step=STEPS[13], cause=cause) from cause

    def end(self, stamp: tuple[int, bytes]) -> None:
        pass


def test_a_database_that_fails_while_the_group_is_judged_refuses_nobody(fed: Federation, tmp_path: Path) -> None:
    """Else the next envelope of the same key would be logged first, and shut this one out for ever."""

    async def story(core: HubCore) -> None:
        raw = fed.content("beanr", "note", tlp=Tlp.GREEN)
        candidate = core.checker.check(raw, "beanr", core.feed.at).candidate
        assert candidate is not None
        with pytest.raises(StorageError):
            await asyncio.to_thread(core.log.append, [candidate], AwayJudge())
        assert core.log.head().next == 3
        assert (await one(core, raw)).outcome is Outcome.ACCEPTED

    with_core(fed, tmp_path, story)
