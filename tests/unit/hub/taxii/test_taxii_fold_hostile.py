"""What members and witnesses may say to harm the collections: each time the fold goes on, and nobody is shown more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from hub.taxii.attesting import Attestor
from hub.taxii.fold import Folding
from hub.taxii.model import Filters, Kind
from hub.taxii.store import PAGE_BYTES
from hub.taxii.topics import topics_of
from hub.taxii_tables import TAXII_BODY
from hub.transparency import Cosigning
from port2port.checkpoint import cosign
from port2port.clock import to_ms
from port2port.database import sqlite_url, write
from port2port.limits import LIMITS
from port2port.stix.objects import pattern_equals
from port2port.tlp import Tlp
from tests.fakes.federation import Federation, stix_id_of
from tests.fakes.taxii import TaxiiDesk, consumer, member, taxii_desk
from tests.fakes.taxii_world import World

WITNESSES = ("beanr", "belgg", "north-sea-port")
BELGG, NSP = member("belgg"), member("north-sea-port")
DOMAIN = pattern_equals("domain-name:value", ["evil.example"])


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


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


def witness(taxii: TaxiiDesk, **times: int) -> None:
    """These members co-sign the log as it is, at the seconds that they say."""
    at = taxii.desk.store.database.read_now(taxii.desk._roster_at)
    cosigning = Cosigning(store=taxii.desk.store, tree=taxii.desk.log, roster=lambda: at)
    head = taxii.desk.log.checkpoint()

    async def go() -> None:
        for name, seconds in times.items():
            made = cosign(head.checkpoint, witness=name, key=taxii.fed.ports[name].witness, time=seconds)
            await cosigning.cosign(name, head.with_signatures([made]).note)

    asyncio.run(go())


def test_a_witness_that_lies_about_the_time_neither_stops_the_fold_nor_dates_a_proof(taxii: TaxiiDesk) -> None:
    taxii.log([taxii.fed.publish("beanr")])
    now_s = to_ms(taxii.fed.clock.now()) // 1_000 + 10
    witness(taxii, beanr=now_s, belgg=2**62)
    taxii.fold()
    (proof,) = [one for one in taxii.objects(BELGG, Kind.PORT, "beanr") if one["type"] == "p2p-attestation"]
    assert "belgg" in proof["tlog_proof"]
    assert proof["modified"].startswith("20")


def test_witnesses_that_all_lie_about_the_time_do_not_stop_the_fold(taxii: TaxiiDesk) -> None:
    taxii.log([taxii.fed.publish("beanr")])
    witness(taxii, beanr=2**62, belgg=2**62)
    taxii.fold()
    taxii.log([taxii.fed.publish("beanr", objects=[taxii.fed.indicator("beanr", name="next")])])
    assert "next" in taxii.names(BELGG, Kind.PORT, "beanr")


def test_what_has_no_later_time_can_be_retracted_and_then_reaches_no_machine(taxii: TaxiiDesk) -> None:
    fed = taxii.fed
    data = orjson.loads(fed.indicator("beanr", name="last", pattern=DOMAIN)) | {"modified": "9999-12-31T23:59:59.999Z"}
    raw = orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
    taxii.log([fed.publish("beanr", objects=[raw])])
    assert "last" in taxii.names(BELGG, Kind.SIEM)
    taxii.log([fed.retract("beanr", [stix_id_of(raw)])])
    assert "last" not in taxii.names(BELGG, Kind.SIEM)


def test_a_retraction_shows_nobody_a_version_that_was_not_for_him(taxii: TaxiiDesk) -> None:
    fed = taxii.fed
    secret = fed.indicator("beanr", name="secret", pattern=DOMAIN, tlp=Tlp.AMBER)
    amber = consumer("siem", "belgg", ceiling=Tlp.AMBER)
    taxii.log([fed.publish("beanr", objects=[secret], tlp=Tlp.AMBER, recipients=("belgg",))])
    taxii.log([fed.retract("beanr", [stix_id_of(secret)], tlp=Tlp.GREEN)])
    assert taxii.names(NSP, Kind.SIEM) == ["Test indicator: harmless"]
    told = [one.get("revoked") for one in taxii.objects(amber, Kind.SIEM) if one["name"] == "secret"]
    assert told == [True], "who had it hears that it no longer holds"


def test_a_retraction_for_some_is_told_to_no_others(taxii: TaxiiDesk) -> None:
    fed = taxii.fed
    raw = fed.indicator("beanr", name="open", pattern=DOMAIN)
    taxii.log([fed.publish("beanr", objects=[raw])])
    taxii.log([fed.retract("beanr", [stix_id_of(raw)], tlp=Tlp.AMBER, recipients=("belgg",))])
    assert [one.get("revoked") for one in taxii.objects(NSP, Kind.SIEM) if one["name"] == "open"] == [None]
    assert [one.get("revoked") for one in taxii.objects(BELGG, Kind.SIEM) if one["name"] == "open"] == [True]


def test_a_retraction_that_no_reader_of_the_object_need_know_of_makes_it_quiet_for_those_who_do(
    taxii: TaxiiDesk,
) -> None:
    fed = taxii.fed
    raw = fed.indicator("beanr", name="named", pattern=DOMAIN, tlp=Tlp.AMBER)
    taxii.log([fed.publish("beanr", objects=[raw], tlp=Tlp.AMBER, recipients=("belgg",))])
    taxii.log([fed.retract("beanr", [stix_id_of(raw)], tlp=Tlp.AMBER, recipients=("belgg", "north-sea-port"))])
    assert "named" not in taxii.names(BELGG, Kind.SIEM)
    assert "named" not in taxii.names(NSP, Kind.SIEM)


def test_a_retraction_marked_clear_opens_nothing_to_systems_that_read_only_that(taxii: TaxiiDesk) -> None:
    fed = taxii.fed
    raw = fed.indicator("beanr", name="green", pattern=DOMAIN)
    taxii.log([fed.publish("beanr", objects=[raw]), fed.retract("beanr", [stix_id_of(raw)], tlp=Tlp.CLEAR)])
    assert "green" not in taxii.names(consumer("siem", "belgg", ceiling=Tlp.CLEAR), Kind.SIEM)
    (told,) = [one for one in taxii.objects(consumer("siem", "belgg"), Kind.SIEM) if one["name"] == "green"]
    assert told["revoked"] is True


def test_a_pattern_with_a_name_without_end_is_read_in_no_time() -> None:
    data = {"type": "indicator", "pattern_type": "stix", "pattern": f"[file:{'b' * 9_900} = 'x']"}
    began = time.perf_counter()
    assert topics_of([data]) == {"cyber"}
    assert time.perf_counter() - began < 0.2


def test_a_page_of_large_objects_ends_early_and_the_next_goes_on(world: World) -> None:
    names = [f"note--{number}" for number in range(300)]
    world.fold([(("a",), name) for name in names])
    world.now_ms += 1_000
    world.fold([])
    write(world.engine, lambda c: c.execute(TAXII_BODY.update().values(raw=bytes(LIMITS.object_bytes))))
    first = world.page("a", limit=5_000)
    assert first.more
    assert sum(len(item.raw) for item in first.items) <= PAGE_BYTES
    second = world.page("a", limit=5_000, after=first.end)
    assert not second.more
    assert [item.stix_id for item in (*first.items, *second.items)] == names


def test_an_object_larger_than_a_page_is_a_page(world: World) -> None:
    world.fold([(("a",), "note--1"), (("a",), "note--2")])
    world.now_ms += 1_000
    world.fold([])
    write(world.engine, lambda c: c.execute(TAXII_BODY.update().values(raw=bytes(PAGE_BYTES + 1))))
    first = world.page("a")
    assert ([item.stix_id for item in first.items], first.more) == (["note--1"], True)
    assert world.names("a", after=first.end) == ["note--2"]


def test_a_version_between_two_that_are_not_served_yet_is_served(world: World) -> None:
    world.fold([(("a",), "note--1")], version=2)
    world.now_ms += 10
    world.fold([*[(("a",), f"tool--{number}") for number in range(50)], (("a",), "note--1")], version=1)
    world.now_ms += 1
    world.fold([(("a",), "note--1")], version=3)
    every = frozenset({"all"})
    for filters in (Filters(versions=every), Filters(versions=every, ids=frozenset({"note--1"}))):
        found = [item.version[-5:] for item in world.page("a", filters=filters).items if item.stix_id == "note--1"]
        assert found == [".002Z"]
