"""What folding adds beside the objects, what it costs a reader, and that hidden entries leave no trace in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from hub.taxii.attesting import Attestor
from hub.taxii.catalogue import TOPICS, collection_id, collections
from hub.taxii.fold import Folding
from hub.taxii.keeping import STUCK_S, keep
from hub.taxii.model import Filters, Kind
from hub.taxii.topics import is_plain, topics_of
from hub.taxii.trial import DOMAIN, trial_indicator
from hub.transparency import Cosigning
from port2port.checkpoint import cosign
from port2port.clock import to_ms
from port2port.database import sqlite_url
from port2port.sharing import Outlet
from port2port.stix.objects import pattern_equals
from port2port.tlp import Tlp
from tests.fakes.clock import FakeClock
from tests.fakes.federation import Federation
from tests.fakes.taxii import TaxiiDesk, consumer, member, taxii_desk
from tests.fakes.taxii_world import World

WITNESSES = ("beanr", "belgg", "north-sea-port")
BELGG = member("belgg")


@pytest.fixture
def taxii(tmp_path: Path) -> Iterator[TaxiiDesk]:
    made = taxii_desk(Federation(witnesses=WITNESSES), sqlite_url(tmp_path / "hub.db"))
    made.folding = Folding(
        genesis_hash=made.fed.genesis_hash,
        federation=made.fed.name,
        attests=Attestor(made.desk.log, federation=made.fed.name),
        roster=lambda: made.fed.roster,
    )
    yield made
    made.close()


def witness(taxii: TaxiiDesk) -> None:
    """Two of the three co-sign the log as it is."""
    fed = taxii.fed
    at = taxii.desk.store.database.read_now(taxii.desk._roster_at)
    cosigning = Cosigning(store=taxii.desk.store, tree=taxii.desk.log, roster=lambda: at)
    head = taxii.desk.log.checkpoint()

    async def go() -> None:
        for name in WITNESSES[:2]:
            made = cosign(
                head.checkpoint,
                witness=name,
                key=fed.ports[name].witness,
                time=to_ms(fed.clock.now()) // 1_000,
            )
            await cosigning.cosign(name, head.with_signatures([made]).note)

    asyncio.run(go())


def test_a_proof_stands_beside_the_objects_and_is_replaced_once_it_is_witnessed(taxii: TaxiiDesk) -> None:
    domain = taxii.fed.indicator("beanr", pattern=pattern_equals("domain-name:value", ["evil.example"]))
    taxii.log([taxii.fed.publish("beanr", objects=[domain])])
    before = taxii.page(BELGG, Kind.PORT, "beanr")
    assert [orjson.loads(item.raw)["type"] for item in before.items] == ["indicator", "p2p-attestation"]
    taxii.fed.clock.advance(10)
    witness(taxii)
    taxii.fold()
    (news,) = taxii.page(BELGG, Kind.PORT, "beanr", after=before.end).items
    assert news.stix_id == before.items[1].stix_id
    assert "belgg" in orjson.loads(news.raw)["tlog_proof"]
    assert taxii.names(BELGG, Kind.TOPIC, "cyber") == ["cloned identity", "p2p-attestation"]
    assert taxii.names(BELGG, Kind.TOPIC, "other") == []
    assert taxii.names(BELGG, Kind.SIEM) == ["Test indicator: harmless", "cloned identity"], "no proof for machines"
    taxii.rebuild()
    assert taxii.page(BELGG, Kind.PORT, "beanr", after=before.end).items == (news,)


def test_what_a_reader_is_served_is_the_same_byte_for_byte_where_hidden_entries_exist(tmp_path: Path) -> None:
    told = []
    fed = Federation()
    founding = fed.founding()
    domain = pattern_equals("domain-name:value", ["evil.example"])
    visible = [fed.publish("beanr", objects=[fed.indicator("beanr", pattern=domain)]), fed.publish("beanr")]
    secret = fed.indicator("beanr", pattern=domain, tlp=Tlp.AMBER)
    hidden = fed.publish("beanr", objects=[secret], tlp=Tlp.AMBER, recipients=("belgg",))
    last = fed.publish("beanr")
    for raws in ([visible[0], visible[1], hidden, last], [visible[0], visible[1], last]):
        fed.clock = FakeClock()
        desk = taxii_desk(fed, sqlite_url(tmp_path / f"{len(raws)}.db"), founding=founding)
        answers = []
        for raw in raws:
            desk.desk.admit([raw])
            if raw is not hidden:
                desk.fold()
                answers.append(_everything(desk))
        told.append(answers)
        desk.close()
    assert told[0] == told[1]


def _everything(desk: TaxiiDesk) -> list[Any]:
    siem = consumer("siem", "north-sea-port")
    found: list[Any] = []
    for who in (member("north-sea-port"), siem):
        for kind, key in sorted(desk.catalogue(who)):
            place = None
            for _ in range(3):
                page = desk.page(who, kind, key, after=place, limit=1)
                found.append((who.name, kind, key, page))
                place = page.end
    return found


def test_the_cost_of_a_page_does_not_grow_with_the_collection() -> None:
    steps = [_steps(size) for size in (2_000, 20_000)]  # below it, there are too few of one type for a page
    assert all(after < before * 1.25 for before, after in zip(*steps, strict=True)), steps


def _steps(size: int) -> list[int]:
    """Hundreds of steps of SQLite's machine for the first page, one in the middle, one by type and one by id."""
    world = World()
    for start in range(0, size, 1_000):
        world.now_ms += 20_000
        world.fold([(("a", str(n % 5)), f"{'note' if n % 10 else 'tool'}--{start + n}") for n in range(1_000)])
    world.now_ms += 20_000
    world.fold([])
    middle = world.page("a", limit=1, filters=Filters(types=frozenset({"tool"}))).end
    asked: list[dict[str, Any]] = [
        {},
        {"after": middle},
        {"filters": Filters(types=frozenset({"tool"})), "limit": 15},
        {"filters": Filters(ids=frozenset({"note--501"}))},
        {"filters": Filters(versions=frozenset({"all"}))},
    ]
    found = []
    with world.engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
    for given in asked:
        world.page("a", **{"limit": 100, **given})
        count = [0]
        raw.set_progress_handler(lambda count=count: count.__setitem__(0, count[0] + 1), 100)
        assert world.page("a", **{"limit": 100, **given}).items
        raw.set_progress_handler(None, 0)
        found.append(count[0])
    world.close()
    return found


def test_superseded_versions_cost_a_reader_of_newest_ones_nothing() -> None:
    world = World()
    for version in range(1, 400):
        world.now_ms += 10
        world.fold([(("a",), "note--1")], version=version)
    world.fold([(("a",), "note--2")])
    world.now_ms += 1_000
    world.fold([])
    assert world.names("a", limit=1) == ["note--1"]
    assert [item.version[-4:] for item in world.page("a", limit=1).items] == ["399Z"]
    assert len(world.page("a", limit=500, filters=Filters(versions=frozenset({"all"}))).items) == 400
    world.close()


def test_the_keeper_brings_into_view_what_was_dated_ahead(taxii: TaxiiDesk) -> None:
    fed = taxii.fed
    taxii.desk.admit([fed.publish("beanr", objects=[fed.indicator("beanr") for _ in range(5)])])
    asked = asyncio.Event()

    async def not_yet(_seen: int) -> int:
        fed.clock.advance(0.01)
        if len(taxii.page(BELGG, Kind.PORT, "beanr").items) == 6:
            asked.set()
        await asyncio.Event().wait()
        return 0

    async def go() -> None:
        task = asyncio.create_task(keep(taxii.desk.store.database, taxii.folding, not_yet, fed.clock))
        async with asyncio.timeout(20):
            await asked.wait()
        task.cancel()
        await asyncio.wait({task})

    asyncio.run(go())


class Failing:
    """Proves nothing, and fails as nobody foresaw as often as it is told."""

    def __init__(self, times: int) -> None:
        self.left = times

    def attest(self, _connection: Any, _index: int, *, under: Any = None) -> None:
        assert under is None
        if self.left:
            self.left -= 1
            raise ZeroDivisionError

    def newest_witnessed(self, _connection: Any, _roster: Any) -> None:
        return None


def test_what_nobody_foresaw_in_one_entry_stops_the_outlet_aloud_and_never_the_hub(
    taxii: TaxiiDesk, caplog: pytest.LogCaptureFixture
) -> None:
    fed = taxii.fed
    taxii.desk.admit([fed.publish("beanr", objects=[fed.indicator("beanr")])])
    folding = replace(taxii.folding, attests=Failing(2))
    heard: list[bool] = []

    async def moved(_seen: int) -> int:
        await asyncio.Event().wait()
        return 0

    async def go() -> None:
        task = asyncio.create_task(keep(taxii.desk.store.database, folding, moved, fed.clock, heard.append))
        async with asyncio.timeout(20):
            while not heard or heard[-1]:
                assert not task.done()
                await asyncio.sleep(0)
                fed.clock.advance(STUCK_S if fed.clock.sleepers else 0)
        task.cancel()
        await asyncio.wait({task})

    asyncio.run(go())
    assert heard == [True, True, False]
    assert len(taxii.page(BELGG, Kind.PORT, "beanr").items) == 1
    assert "this outlet stands still" in caplog.text


def test_the_trial_indicator_is_valid_plain_and_the_same_for_ever(taxii: TaxiiDesk) -> None:
    raw = trial_indicator("p2p.test")
    found = taxii.fed.validate(raw)
    assert DOMAIN in str(found.pattern)
    assert is_plain(found.data)
    assert [item.raw for item in taxii.page(BELGG, Kind.SIEM).items] == [raw]
    assert found.id == "indicator--" + found.id.removeprefix("indicator--")


@pytest.mark.parametrize(
    ("pattern", "topics", "plain"),
    [
        ("[domain-name:value = 'a.example']", {"cyber"}, True),
        ("[url:value = 'http://a/vessel:mmsi']", {"cyber"}, True),
        ("[file:hashes.'SHA-256' = 'aa']", {"cyber"}, True),
        ("[user-account:user_id = 'x']", {"cyber"}, False),
        ("[vessel:mmsi = '1' OR freight-container:number = '2']", {"vessels", "containers"}, False),
        ("[waterway-lock:isrs_code = 'x']", {"waterways"}, False),
        ("[uas:serial_number = 'x']", {"drones"}, False),
        ("[x-other:name = 'it\\'s ipv4-addr:value']", set(), False),
    ],
)
def test_a_pattern_says_what_it_is_about(pattern: str, topics: set[str], plain: bool) -> None:
    data = {"type": "indicator", "pattern_type": "stix", "pattern": pattern, "valid_until": "2027-01-01T00:00:00Z"}
    assert topics_of([data]) == topics
    assert topics <= TOPICS.keys()
    assert is_plain(data) is plain
    assert not is_plain(data | {"x_own": 1})
    assert not is_plain({name: value for name, value in data.items() if name != "valid_until"})
    assert not is_plain(data | {"extensions": {}})


def test_collection_ids_follow_from_the_federation_and_are_version_4(taxii: TaxiiDesk) -> None:
    ident = collection_id("aa", Kind.PORT, "beanr")
    assert (ident[14], ident[19] in "89ab") == ("4", True)
    assert ident == collection_id("aa", Kind.PORT, "beanr")
    assert len({collection_id(one, kind, "beanr") for one in ("aa", "bb") for kind in Kind}) == 2 * len(Kind)
    roster = taxii.fed.roster
    for principal in (BELGG, consumer("siem", "belgg")):
        found = collections("aa", roster, principal)
        assert len({one.id for one in found}) == len({one.title for one in found}) == len(found)
        assert not any(one.can_write for one in found)
    assert collections("aa", roster, member("nobody")) == ()
    assert BELGG.outlet is Outlet.TAXII
