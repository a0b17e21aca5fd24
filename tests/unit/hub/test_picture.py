"""The picture's queries over a real log: what they answer, and to whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from hub import picture
from hub.picture import View
from hub.tables import BODY, PICTURE_ITEM
from port2port.database import sqlite_url
from port2port.errors import NotFoundError
from port2port.tlp import Tlp
from tests.fakes.federation import Federation, stix_id_of
from tests.fakes.picture import PictureDesk, picture_desk

EVERYTHING = View()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[PictureDesk]:
    made = picture_desk(Federation(), sqlite_url(tmp_path / "hub.db"))
    yield made
    made.store.close()


def shown(desk: PictureDesk, member: str, view: View = EVERYTHING) -> list[int]:
    return [item.index for item in desk.ask(member, picture.feed, view).items]


def test_the_feed_shows_what_its_reader_may_read_newest_first(desk: PictureDesk) -> None:
    fed = desk.fed
    (a,) = desk.admit([fed.publish("beanr", tlp=Tlp.GREEN)])
    (b,) = desk.admit([fed.publish("beanr", tlp=Tlp.AMBER, recipients=("belgg",))])
    assert shown(desk, "belgg") == [b, a]
    assert shown(desk, "north-sea-port") == [a]


def test_what_the_federation_logs_for_itself_is_a_class_of_its_own(desk: PictureDesk) -> None:
    (a,) = desk.admit([desk.fed.publish("beanr")])
    housekeeping = View(cls="housekeeping")
    assert shown(desk, "belgg", housekeeping) == [1, 0]
    assert shown(desk, "belgg", View(kinds=("publish", "roster"))) == [a, 1]
    assert shown(desk, "belgg", View(cls="information")) == [a]
    assert desk.ask("belgg", picture.counts, EVERYTHING) == {"decision": 0, "information": 1, "housekeeping": 2}
    assert desk.ask("belgg", picture.counts, housekeeping)["information"] == 1


def test_pages_join_without_a_gap(desk: PictureDesk) -> None:
    desk.admit([desk.fed.publish("beanr") for _ in range(5)])
    first = desk.ask("belgg", picture.feed, EVERYTHING, limit=3)
    second = desk.ask("belgg", picture.feed, replace(EVERYTHING, before=first.cursor), limit=3)
    assert [item.index for page in (first, second) for item in page.items] == [6, 5, 4, 3, 2]
    assert second.cursor is None


def test_what_asks_for_a_call_needs_a_decision_until_it_is_acknowledged(desk: PictureDesk) -> None:
    (a,) = desk.admit([desk.fed.publish("beanr", handling="call_first")])
    assert desk.ask("belgg", picture.counts, EVERYTHING)["decision"] == 1
    assert desk.act("belgg", picture.acknowledge, [a], who="o1") == 1
    assert desk.ask("belgg", picture.counts, EVERYTHING)["decision"] == 0
    assert desk.ask("north-sea-port", picture.counts, EVERYTHING)["decision"] == 1
    assert desk.act("belgg", picture.undo_acknowledge, [a], who="o1") == 1
    assert desk.ask("belgg", picture.counts, EVERYTHING)["decision"] == 1


def test_a_retracted_item_is_over_and_open_no_longer(desk: PictureDesk) -> None:
    fed = desk.fed
    indicator = fed.indicator("beanr")
    (a,) = desk.admit([fed.publish("beanr", objects=[indicator], handling="act")])
    tile = {one.member: one for one in desk.ask("belgg", picture.strip)}["beanr"]
    assert tile.open_items == 1
    desk.admit([fed.retract("beanr", [stix_id_of(indicator)])])
    tile = {one.member: one for one in desk.ask("belgg", picture.strip)}["beanr"]
    assert tile.open_items == 0
    assert desk.ask("belgg", picture.one_item, a).over


def test_a_hidden_entry_cannot_be_opened_nor_acknowledged(desk: PictureDesk) -> None:
    (a,) = desk.admit([desk.fed.publish("beanr", tlp=Tlp.AMBER)])
    for query in (picture.one_item, picture.entry_row):
        with pytest.raises(NotFoundError) as hidden:
            desk.ask("belgg", query, a)
        with pytest.raises(NotFoundError) as absent:
            desk.ask("belgg", query, 10_000)
        assert str(hidden.value) == str(absent.value)
    with pytest.raises(NotFoundError):
        desk.act("belgg", picture.acknowledge, [a], who="o1")


def test_the_detail_verifies_the_entry_anew_in_five_lines(desk: PictureDesk) -> None:
    (a,) = desk.admit([desk.fed.publish("beanr", handling="act")])
    found = desk.ask("belgg", picture.detail, desk.checks, a)
    assert [line.step for line in found.provenance] == ["observed", "reviewed", "signed", "logged", "delivered"]
    assert [line.result for line in found.provenance] == ["holds"] * 4 + ["unknown"]
    assert found.item.title == "cloned identity"
    assert [one.member for one in found.recipients] == ["beanr", "belgg", "north-sea-port"]


def test_what_no_officer_has_seen_is_not_called_reviewed(desk: PictureDesk) -> None:
    (a,) = desk.admit([desk.fed.publish("beanr", officer=False)])
    found = desk.ask("belgg", picture.detail, desk.checks, a)
    assert [line.result for line in found.provenance][:4] == ["holds", "unknown", "holds", "holds"]


def test_a_body_that_was_changed_in_the_database_fails_its_check(desk: PictureDesk) -> None:
    a, b = desk.admit([desk.fed.publish("beanr"), desk.fed.publish("beanr")])

    def swap(connection: sa.Connection) -> None:
        other = connection.execute(sa.select(BODY.c.envelope).where(BODY.c.index == b)).scalar_one()
        connection.execute(BODY.update().where(BODY.c.index == a).values(envelope=other))

    desk.store.database.write_now(swap)
    found = desk.ask("belgg", picture.detail, desk.checks, a)
    results = {line.step: line.result for line in found.provenance}
    assert "fails" in results.values()
    assert results["logged"] != "holds"


def test_sightings_are_counted_and_listed_at_what_they_saw(desk: PictureDesk) -> None:
    fed = desk.fed
    indicator = fed.indicator("beanr")
    (a,) = desk.admit([fed.publish("beanr", objects=[indicator])])
    desk.admit([fed.sighting("belgg", of=("beanr", stix_id_of(indicator)), count=3)], "belgg")
    secret = fed.sighting("belgg", of=("beanr", stix_id_of(indicator)), tlp=Tlp.AMBER, recipients=("beanr",))
    desk.admit([secret], "belgg")
    assert [(one.by, one.count) for one in desk.ask("north-sea-port", picture.sightings, a)] == [("belgg", 3)]
    assert len(desk.ask("beanr", picture.sightings, a)) == 2
    assert desk.ask("north-sea-port", picture.one_item, a).sightings == 1
    newest = desk.ask("north-sea-port", picture.feed, EVERYTHING).items[0]
    assert newest.about == ("cloned identity",)


def test_related_items_say_why(desk: PictureDesk) -> None:
    fed = desk.fed
    a, b = desk.admit([fed.publish("beanr"), fed.publish("beanr")])
    (c,) = desk.admit([fed.publish("belgg", tlp=Tlp.AMBER, recipients=("beanr",))], "belgg")
    found = desk.ask("north-sea-port", picture.related, a)
    assert [(one.item.index, one.reason, one.value) for one in found] == [(b, "vessel", "mmsi:205123400")]
    assert [one.item.index for one in desk.ask("beanr", picture.related, a)] == [c, b]


def test_bars_count_what_the_reader_may_read(desk: PictureDesk) -> None:
    fed = desk.fed
    start = fed.clock.now()
    desk.admit([fed.publish("beanr", handling="act"), fed.publish("beanr", tlp=Tlp.AMBER, handling="act")])
    window = {"start": start - timedelta(hours=1), "end": start + timedelta(hours=1), "buckets": 2}
    view = View(ports=("beanr",))
    own = desk.ask("beanr", picture.timeline, view, **window)
    other = desk.ask("belgg", picture.timeline, view, **window)
    assert [(bar.severity, bar.count) for bar in own] == [("high", 2)]
    assert [(bar.severity, bar.count) for bar in other] == [("high", 1)]


def test_a_search_for_words_does_not_look_at_numbers(desk: PictureDesk) -> None:
    fed = desk.fed
    box = fed.indicator("beanr", name="Reported container MSCU6639871 at quay 730")
    (a,) = desk.admit([fed.publish("beanr", objects=[box])])
    assert shown(desk, "beanr", View(text="quay REPORTED")) == [a]
    assert shown(desk, "beanr", View(text="mscu")) == []


def test_folding_again_gives_the_same_rows(desk: PictureDesk) -> None:
    desk.admit([desk.fed.publish("beanr") for _ in range(3)])

    def everything(connection: sa.Connection) -> list[tuple[object, ...]]:
        return [tuple(row) for row in connection.execute(sa.select(PICTURE_ITEM).order_by(PICTURE_ITEM.c.index))]

    before = desk.store.database.read_now(everything)
    assert desk.store.database.write_now(picture.rebuild) == 5
    assert desk.store.database.read_now(everything) == before
    assert desk.store.database.read_now(picture.folded_to) == (5, 5)


def test_saved_views_belong_to_their_account(desk: PictureDesk) -> None:
    view = View(cls="decision", ports=("beanr",))
    write, read = desk.store.database.write_now, desk.store.database.read_now
    write(lambda c: picture.save_view(c, "a", "night", view, at_ms=1))
    write(lambda c: picture.save_view(c, "a", "night", replace(view, text="drone"), at_ms=2))
    assert read(lambda c: picture.saved_views(c, "a")) == (("night", replace(view, text="drone")),)
    assert read(lambda c: picture.saved_views(c, "b")) == ()
    with pytest.raises(picture.SavedViewError):
        write(lambda c: picture.save_view(c, "a", " ", view, at_ms=3))
    write(lambda c: picture.forget_view(c, "a", "night"))
    assert read(lambda c: picture.saved_views(c, "a")) == ()
