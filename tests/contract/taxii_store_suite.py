"""What the collections must answer on every engine. Each class tells stories on one log; a subclass gives ``url``."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from hub.tables import BODY
from hub.taxii import store
from hub.taxii.model import Filters, Kind, Position, Status
from hub.taxii.posting import Caps
from hub.taxii_tables import TAXII_BODY, TAXII_CLASS, TAXII_HEAD, TAXII_ITEM, TAXII_QUIET
from port2port.clock import to_text
from port2port.database import write
from port2port.errors import InvariantError
from port2port.stix.objects import pattern_equals, revoked
from port2port.tlp import Tlp
from tests.fakes.federation import Federation, stix_id_of
from tests.fakes.taxii import TaxiiDesk, consumer, member, taxii_desk, terminal
from tests.fakes.taxii_world import World

TRIAL = "Test indicator: harmless"
SIEM, PORT, TOPIC, INTAKE = Kind.SIEM, Kind.PORT, Kind.TOPIC, Kind.INTAKE
BELGG, NSP, BEANR = member("belgg"), member("north-sea-port"), member("beanr")


class _OnALog:
    """A founded federation with empty collections."""

    @pytest.fixture
    def taxii(self, url: str) -> Iterator[TaxiiDesk]:
        made = taxii_desk(Federation(), url)
        yield made
        made.close()


def plain(fed: Federation, name: str = "bad domain", value: str = "evil.example", **more: Any) -> bytes:
    return fed.indicator("beanr", name=name, pattern=pattern_equals("domain-name:value", [value]), **more)


class FoldSuite(_OnALog):
    def test_an_object_stands_with_its_port_and_its_topics_for_whom_it_is(self, taxii: TaxiiDesk) -> None:
        fed = taxii.fed
        secret = plain(fed, "secret", tlp=Tlp.AMBER)
        hidden = {"objects": [secret], "tlp": Tlp.AMBER, "recipients": ("belgg",)}
        taxii.log([fed.publish("beanr"), fed.publish("beanr", objects=[plain(fed)]), fed.publish("beanr", **hidden)])
        assert taxii.names(BELGG, TOPIC, "vessels") == ["cloned identity"]
        assert sorted(taxii.names(BELGG, PORT, "beanr")) == ["bad domain", "cloned identity", "secret"]
        assert taxii.names(NSP, PORT, "beanr") == ["cloned identity", "bad domain"]
        assert taxii.names(NSP, TOPIC, "cyber") == ["bad domain"]
        assert taxii.names(NSP, PORT, "belgg") == taxii.names(NSP, TOPIC, "containers") == []

    def test_what_is_served_are_the_bytes_that_were_signed(self, taxii: TaxiiDesk) -> None:
        raw = taxii.fed.indicator("beanr")
        taxii.log([taxii.fed.publish("beanr", objects=[raw])])
        assert [item.raw for item in taxii.page(BELGG, PORT, "beanr").items] == [raw]

    def test_machines_are_shown_plain_indicators_only(self, taxii: TaxiiDesk) -> None:
        fed = taxii.fed
        odd = fed.indicator("beanr", name="two", pattern="[domain-name:value = 'a.example' AND vessel:mmsi = '1']")
        taxii.log([fed.publish("beanr", objects=[one]) for one in (plain(fed), odd, fed.indicator("beanr"))])
        taxii.log([fed.publish("beanr", objects=[plain(fed, "quiet")], handling="observe_only")])
        amber = plain(fed, "amber", tlp=Tlp.AMBER)
        taxii.log([fed.publish("beanr", objects=[amber], tlp=Tlp.AMBER, recipients=("belgg",))])
        siem = consumer("siem", "belgg")
        assert taxii.names(siem, SIEM) == [TRIAL, "bad domain"]
        assert taxii.names(consumer("siem", "belgg", ceiling=Tlp.AMBER), SIEM) == [TRIAL, "bad domain", "amber"]

    def test_an_exercise_stays_out(self, taxii: TaxiiDesk) -> None:
        fed = taxii.fed
        taxii.log([fed.publish("beanr", objects=[plain(fed)], realm="exercise:spring")])
        assert taxii.names(BELGG, PORT, "beanr") == []
        assert taxii.names(BELGG, SIEM) == [TRIAL]

    def test_a_revoked_version_replaces_the_indicator_for_machines(self, taxii: TaxiiDesk) -> None:
        fed, raw = taxii.fed, plain(taxii.fed)
        taxii.log([fed.publish("beanr", objects=[raw])])
        before = taxii.page(BELGG, SIEM).end
        taxii.log([fed.retract("beanr", [stix_id_of(raw)], objects=[revoked(raw, fed.clock.now())])])
        (news,) = taxii.objects(BELGG, SIEM, after=before)
        assert news["revoked"] is True
        assert taxii.names(BELGG, SIEM) == [TRIAL, "bad domain"]

    def test_a_retraction_without_a_version_is_said_to_machines_by_the_hub(self, taxii: TaxiiDesk) -> None:
        fed, raw = taxii.fed, plain(taxii.fed)
        taxii.log([fed.publish("beanr", objects=[raw])])
        taxii.log([fed.retract("beanr", [stix_id_of(raw)])])
        (news,) = [one for one in taxii.objects(BELGG, SIEM) if one["name"] == "bad domain"]
        assert news["revoked"] is True
        assert [one.get("revoked") for one in taxii.objects(BELGG, PORT, "beanr")] == [None]

    def test_a_suspended_object_vanishes_from_machines_and_stays_elsewhere(self, taxii: TaxiiDesk) -> None:
        fed, raw = taxii.fed, plain(taxii.fed)
        taxii.log([fed.publish("beanr", objects=[raw])])
        taxii.log([fed.suspend(("beanr", stix_id_of(raw)), tlp=Tlp.AMBER, recipients=("belgg",))])
        assert taxii.names(BELGG, SIEM) == [TRIAL]
        assert taxii.names(consumer("siem", "belgg"), SIEM) == [TRIAL], "the member behind it may know why"
        assert taxii.names(NSP, SIEM) == [TRIAL, "bad domain"], "who may not know of it is not told by it"
        assert taxii.names(BELGG, PORT, "beanr") == ["bad domain"]

    def test_what_becomes_quiet_vanishes_from_machines_until_it_is_loud_again(self, taxii: TaxiiDesk) -> None:
        fed, raw = taxii.fed, plain(taxii.fed)

        def say(number: int, **more: Any) -> None:
            data = orjson.loads(raw) | {"modified": to_text(fed.clock.now() + timedelta(seconds=number))}
            changed = orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
            taxii.log([fed.publish("beanr", objects=[changed], **more)])

        taxii.log([fed.publish("beanr", objects=[raw])])
        say(1, handling="observe_only")
        assert taxii.names(BELGG, SIEM) == [TRIAL]
        say(2, handling="act")
        assert taxii.names(BELGG, SIEM) == [TRIAL, "bad domain"]

    def test_an_indicator_that_expires_is_announced_again_with_the_same_bytes(self, taxii: TaxiiDesk) -> None:
        fed = taxii.fed
        raw = plain(fed, valid_until=fed.clock.now() + timedelta(hours=1))
        taxii.log([fed.publish("beanr", objects=[raw])])
        seen = taxii.page(BELGG, SIEM)
        fed.clock.advance(3_700)
        taxii.fold()
        (news,) = taxii.page(BELGG, SIEM, after=seen.end).items
        assert news.raw == raw
        taxii.fold()
        assert taxii.page(BELGG, SIEM, after=taxii.page(BELGG, SIEM).end).items == ()

    def test_a_security_level_is_said_by_the_hub(self, taxii: TaxiiDesk) -> None:
        fed = taxii.fed
        taxii.log([fed.control("roster", [{"op": "set-level-authority", "locode": "BEANR", "member": "beanr"}])])
        body = {"effective": to_text(fed.clock.now()), "level": 2, "port": "BEANR", "reason": "threat"}
        taxii.log([fed.content("beanr", "level", two_officers=True, tlp=Tlp.GREEN, body=body)])
        (level,) = taxii.objects(BELGG, TOPIC, "levels")
        assert (level["type"], level["level"], level["port"]) == ("p2p-level", 2, "BEANR")

    def test_a_sighting_follows_the_topics_of_what_it_saw(self, taxii: TaxiiDesk) -> None:
        fed, raw = taxii.fed, plain(taxii.fed)
        taxii.log([fed.publish("beanr", objects=[raw])])
        taxii.log([fed.sighting("belgg", of=("beanr", stix_id_of(raw)))], "belgg")
        assert taxii.names(NSP, TOPIC, "cyber") == ["bad domain", "sighting"]
        assert taxii.names(NSP, TOPIC, "other") == []

    def test_folding_anew_keeps_every_row_and_date(self, taxii: TaxiiDesk) -> None:
        fed, raw = taxii.fed, plain(taxii.fed, valid_until=taxii.fed.clock.now() + timedelta(hours=1))
        taxii.log([fed.publish("beanr", objects=[raw]), fed.publish("beanr")])
        taxii.log([fed.sighting("belgg", of=("beanr", stix_id_of(raw)))], "belgg")
        fed.clock.advance(4_000)
        taxii.fold()
        before = [_rows(taxii, table) for table in (TAXII_ITEM, TAXII_BODY, TAXII_QUIET)]
        fed.clock.advance(500)
        assert taxii.rebuild() == 5
        assert [_rows(taxii, table) for table in (TAXII_ITEM, TAXII_BODY, TAXII_QUIET)] == before
        taxii.fold()
        assert _rows(taxii, TAXII_ITEM) == before[0]

    def test_another_log_in_the_database_starts_anew_with_later_dates(self, taxii: TaxiiDesk) -> None:
        taxii.log([taxii.fed.publish("beanr", objects=[plain(taxii.fed)])])
        seen = taxii.page(BELGG, PORT, "beanr").end
        taxii.desk.store.database.write_now(lambda c: c.execute(TAXII_HEAD.update().values(root=b"other")))
        taxii.fold()
        assert taxii.names(BELGG, PORT, "beanr", after=seen) == ["bad domain"]

    def test_an_entry_that_cannot_be_read_takes_no_neighbour_with_it(self, taxii: TaxiiDesk) -> None:
        fed = taxii.fed
        taxii.log([fed.publish("beanr")])
        (index,) = taxii.desk.admit([fed.publish("beanr")])
        change = BODY.update().where(BODY.c.index == index).values(envelope=b"\xff")
        taxii.desk.store.database.write_now(lambda c: c.execute(change))
        taxii.log([fed.publish("beanr")])
        assert taxii.names(BELGG, PORT, "beanr") == ["cloned identity"] * 2


def _rows(taxii: TaxiiDesk, table: sa.Table) -> list[tuple[object, ...]]:
    query = sa.select(table).order_by(*table.primary_key.columns)
    return taxii.desk.store.database.read_now(lambda c: [tuple(row) for row in c.execute(query)])


class PageSuite:
    @pytest.fixture
    def world(self, url: str) -> Iterator[World]:
        made = World(url=url)
        yield made
        made.close()

    def test_the_last_version_is_the_last_that_this_reader_may_see(self, world: World) -> None:
        for version, readers in enumerate((("a", "b"), ("b",), ("a",)), start=1):
            world.now_ms += 10
            world.fold([(readers, "indicator--1")], version=version)
        assert [item.version[-5:] for item in world.page("a").items] == [".003Z"]
        assert [item.version[-5:] for item in world.page("b").items] == [".002Z"]
        every = Filters(versions=frozenset({"all"}))
        assert [item.version[-4:] for item in world.page("a", filters=every).items] == ["001Z", "003Z"]
        first = Filters(versions=frozenset({"first", "2026-01-01T00:00:00.002Z"}))
        assert [item.version[-4:] for item in world.page("b", filters=first).items] == ["001Z", "002Z"]

    def test_an_id_is_whose_it_was_first_for_this_reader(self, world: World) -> None:
        world.fold([(("a",), "indicator--1")], version=1)
        world.now_ms += 10
        world.fold([(("a", "b"), "indicator--1")], issuer="other", version=2)
        world.now_ms += 10
        assert [b'"issuer"' in item.raw for item in world.page("a").items] == [True]
        assert len(world.names("a", filters=Filters(versions=frozenset({"all"})))) == 1
        assert [b'"other"' in item.raw for item in world.page("b").items] == [True]

    def test_a_version_that_is_not_served_yet_hides_none_that_is(self, world: World) -> None:
        world.fold([(("a", "b"), "indicator--1")], version=1)
        world.now_ms += 10
        world.fold([(("a",), "indicator--0")])
        world.fold([(("a",), "indicator--3"), (("a",), "indicator--1")], version=2)
        assert world.names("a") == ["indicator--1", "indicator--0", "indicator--3"]
        world.now_ms += 10
        world.fold([])
        assert world.names("a") == ["indicator--0", "indicator--3", "indicator--1"]

    def test_the_same_version_in_two_classes_is_one_object(self, world: World) -> None:
        world.fold([(("a", "b"), "indicator--1"), (("a",), "indicator--1")])
        world.now_ms += 10
        world.fold([])
        assert world.names("a") == ["indicator--1"]
        assert world.names("a", filters=Filters(versions=frozenset({"all"}))) == ["indicator--1"]

    def test_filters_hold_together(self, world: World) -> None:
        world.fold([(("a",), f"{kind}--{number}") for number in range(3) for kind in ("indicator", "sighting", "note")])
        world.now_ms += 100
        world.fold([])
        two = Filters(types=frozenset({"sighting", "note"}))
        assert world.names("a", filters=two) == [
            f"{kind}--{number}" for number in range(3) for kind in ("sighting", "note")
        ]
        ids = Filters(ids=frozenset({"note--1", "note--2", "indicator--0"}), types=frozenset({"note"}))
        assert world.names("a", filters=ids) == ["note--1", "note--2"]
        assert world.names("a", filters=Filters(spec_versions=frozenset({"2.0"}))) == []
        third = world.page("a").items[2].date_us
        assert world.names("a", filters=Filters(added_after_us=third), limit=2) == ["indicator--1", "sighting--1"]
        assert world.names("b", filters=ids) == []

    def test_named_objects_come_in_pages_too(self, world: World) -> None:
        names = [f"note--{number}" for number in range(7)]
        for name in names:
            world.fold([(("a",), name), (("a", "b"), f"{name}-x")])
            world.now_ms += 10
        world.fold([])
        wanted = Filters(ids=frozenset({*names, *(f"{name}-x" for name in names)}))
        got: list[str] = []
        place: Position | None = None
        while True:
            page = world.page("a", filters=wanted, after=place, limit=3)
            got += [item.stix_id for item in page.items]
            if not page.more:
                break
            place = page.end
        assert sorted(got) == sorted(wanted.ids)

    def test_pages_over_many_classes_join_without_a_gap(self, world: World) -> None:
        names = []
        for number in range(70):
            world.fold([(("a", f"m{number}"), f"note--{number}-{one}") for one in range(3)])
            names += [f"note--{number}-{one}" for one in range(3)]
            world.now_ms += 1
        world.now_ms += 100
        world.fold([])
        got: list[str] = []
        place: Position | None = None
        while True:
            page = world.page("a", after=place, limit=40)
            got += [item.stix_id for item in page.items]
            if not page.more:
                break
            place = page.end
        assert len(got) == len(names)
        assert set(got) == set(names)

    def test_writers_at_once_never_share_a_date_in_a_class(self, world: World) -> None:
        world.fold([(("a",), "note--start")])
        other = World.beside(world, first=1_000_000)

        def work(one: World, name: str) -> None:
            for number in range(15):
                one.fold([(("a",), f"note--{name}-{number}")])

        threads = [threading.Thread(target=work, args=given) for given in ((world, "x"), (other, "y"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        other.close()
        world.now_ms += 1_000
        world.fold([])
        dates = [item.date_us for item in world.page("a").items]
        assert len(dates) == 31
        assert dates == sorted(set(dates))


class IntakeSuite(_OnALog):
    @pytest.fixture
    def taxii(self, url: str) -> Iterator[TaxiiDesk]:
        made = taxii_desk(Federation(), url)
        op = {"op": "add-affiliate", "affiliate": "mpet", "ceiling": "amber", "member": "beanr", "name": "MPET"}
        made.log([made.fed.control("roster", [op])])
        yield made
        made.close()

    def post(self, taxii: TaxiiDesk, objects: list[bytes], **more: Any) -> Status:
        who = terminal("mpet", "beanr")
        place = taxii.collection(who, INTAKE, "mpet")
        given: dict[str, Any] = {"validate": taxii.fed.validate, "now_ms": taxii.now_ms, **more}
        return write(taxii.desk.store.engine, lambda c: store.post(c, place, who, objects, **given))

    def delete(self, taxii: TaxiiDesk, stix_id: str, *versions: str) -> int:
        place = taxii.collection(BEANR, INTAKE, "mpet")
        filters = Filters(versions=frozenset(versions))
        return write(taxii.desk.store.engine, lambda c: store.delete(c, place, BEANR, stix_id, filters))

    def test_an_intake_exists_for_the_facility_and_its_port_only(self, taxii: TaxiiDesk) -> None:
        rights = {}
        for who in (terminal("mpet", "beanr"), BEANR, BELGG, consumer("siem", "beanr"), terminal("no", "beanr")):
            found = taxii.catalogue(who).get((INTAKE, "mpet"))
            rights[who.name] = None if found is None else (found.can_read, found.can_write)
        assert rights == {"mpet": (False, True), "beanr": (True, True), "belgg": None, "siem": None, "no": None}
        titles = [one.title for one in taxii.catalogue(BEANR).values()]
        assert len(set(titles)) == len(titles)

    def test_good_objects_are_kept_once_and_bad_ones_refused_one_by_one(self, taxii: TaxiiDesk) -> None:
        good, more = plain(taxii.fed), taxii.fed.indicator("beanr")
        made = self.post(taxii, [good, b"{}", good, b"\xff", more])
        assert [one.why == "" for one in made.objects] == [True, False, True, False, True]
        again = self.post(taxii, [good])
        assert again.objects[0].why == ""
        page = taxii.page(BEANR, INTAKE, "mpet")
        assert [item.raw for item in page.items] == [good, more], "seen at once"
        assert made.objects[0].stix_id == stix_id_of(good)

    def test_only_who_posted_reads_the_status(self, taxii: TaxiiDesk) -> None:
        made = self.post(taxii, [plain(taxii.fed)])
        place = taxii.collection(BEANR, INTAKE, "mpet")

        def ask(principal: Any, ident: str) -> Status | None:
            return taxii.desk.store.database.read_now(lambda c: store.status(c, place, principal, ident))

        assert ask(terminal("mpet", "beanr"), made.id) == made
        assert ask(BEANR, made.id) is None
        assert ask(terminal("mpet", "beanr"), "other") is None

    def test_a_full_intake_refuses_what_is_new_and_says_so_until_its_port_took_something(
        self, taxii: TaxiiDesk
    ) -> None:
        caps = Caps(objects=2)
        first, second, third = (plain(taxii.fed, str(number)) for number in range(3))
        made = self.post(taxii, [first, second, third, first], caps=caps)
        assert [bool(one.why) for one in made.objects] == [False, False, True, False]
        assert "full" in made.objects[2].why
        assert self.delete(taxii, stix_id_of(first)) == 1
        assert self.post(taxii, [third], caps=caps).objects[0].why == ""
        small = Caps(held_bytes=len(second) + len(third))
        assert "full" in self.post(taxii, [first], caps=small).objects[0].why

    def test_versions_are_deleted_by_name_and_the_rest_stays_in_order(self, taxii: TaxiiDesk) -> None:
        raw = orjson.loads(plain(taxii.fed))
        times = [to_text(taxii.fed.clock.now() + timedelta(seconds=number)) for number in range(3)]
        objects = [orjson.dumps(raw | {"modified": time}, option=orjson.OPT_SORT_KEYS) for time in times]
        self.post(taxii, objects)
        assert [item.version for item in taxii.page(BEANR, INTAKE, "mpet").items] == [times[2]]
        assert self.delete(taxii, raw["id"], times[1]) == 1
        assert self.delete(taxii, raw["id"], "last") == 1
        assert [item.version for item in taxii.page(BEANR, INTAKE, "mpet").items] == [times[0]]
        assert self.delete(taxii, raw["id"]) == 1
        assert taxii.page(BEANR, INTAKE, "mpet").items == ()
        assert self.delete(taxii, raw["id"]) == 0
        counted = sa.select(TAXII_CLASS.c.objects, TAXII_CLASS.c.held_bytes).where(TAXII_CLASS.c.objects != 0)
        assert taxii.desk.store.database.read_now(lambda c: c.execute(counted).all()) == []

    def test_folding_anew_leaves_intakes_alone(self, taxii: TaxiiDesk) -> None:
        self.post(taxii, [plain(taxii.fed)])
        before = taxii.page(BEANR, INTAKE, "mpet")
        taxii.rebuild()
        assert taxii.page(BEANR, INTAKE, "mpet") == before

    def test_nobody_deletes_from_a_collection_of_the_log_or_without_the_right(self, taxii: TaxiiDesk) -> None:
        who = terminal("mpet", "beanr")
        for principal, place in (
            (who, taxii.collection(who, INTAKE, "mpet")),
            (BEANR, taxii.collection(BEANR, PORT, "beanr")),
        ):
            with pytest.raises(InvariantError):
                write(
                    taxii.desk.store.engine,
                    lambda c, principal=principal, place=place: store.delete(
                        c, place, principal, "indicator--x", Filters()
                    ),
                )
