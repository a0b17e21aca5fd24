"""What the picture, incidents, spill-over, briefings, levels and contacts must answer on every engine.

Each suite tells one story on one log; a subclass gives ``url``, an empty database.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from hub import briefing, correlation, incidents, picture
from hub.contacts import Contact, Contacts, read_contacts
from hub.incidents import IncidentError, NoIncidentError, Who
from hub.log_pages import Search, search
from hub.members import Peer
from hub.picture import View
from hub.tables import PICTURE_FACT, PICTURE_ITEM
from port2port.errors import NotFoundError
from port2port.sharing import member_reader
from port2port.tlp import Tlp
from tests.fakes.federation import Federation, stix_id_of
from tests.fakes.picture import PictureDesk, picture_desk

ALL = View()
LEAD, OTHER = Who(pseudonym="c1", member="beanr"), Who(pseudonym="c2", member="belgg")
WEEKS = timedelta(days=14)


class _OnALog:
    """A founded federation with an empty picture."""

    @pytest.fixture
    def desk(self, url: str) -> Iterator[PictureDesk]:
        made = picture_desk(Federation(), url)
        yield made
        made.store.close()


def shown(desk: PictureDesk, member: str, view: View = ALL) -> list[int]:
    return [item.index for item in desk.ask(member, picture.feed, view).items]


class PictureSuite(_OnALog):
    def test_each_reader_is_answered_from_what_it_may_read(self, desk: PictureDesk) -> None:
        fed = desk.fed
        indicator = fed.indicator("beanr")
        a, b, c = desk.admit([
            fed.publish("beanr", objects=[indicator], handling="call_first"),
            fed.publish("beanr", tlp=Tlp.AMBER, recipients=("belgg",), handling="act"),
            fed.sighting("beanr", of=("beanr", stix_id_of(indicator))),
        ])  # fmt: skip
        assert shown(desk, "belgg") == [c, b, a]
        assert shown(desk, "north-sea-port") == [c, a]
        assert desk.ask("belgg", picture.counts, ALL)["decision"] == 2
        assert shown(desk, "belgg", View(text="CLONED identity", severities=("high", "critical", "medium", "low"))) == [
            b,
            a,
        ]
        (tile,) = [one for one in desk.ask("north-sea-port", picture.strip) if one.member == "beanr"]
        assert tile.open_items == 1
        with pytest.raises(NotFoundError):
            desk.ask("north-sea-port", picture.one_item, b)
        assert len(desk.ask("belgg", picture.detail, desk.checks, a).provenance) == 5
        assert len(desk.ask("belgg", picture.sightings, a)) == 1

    def test_acknowledgements_views_and_retractions_change_what_is_open(self, desk: PictureDesk) -> None:
        fed = desk.fed
        indicator = fed.indicator("beanr")
        (a,) = desk.admit([fed.publish("beanr", objects=[indicator], handling="act")])
        assert desk.act("belgg", picture.acknowledge, [a], who="o1") == 1
        assert desk.act("belgg", picture.acknowledge, [a], who="o2") == 0
        assert desk.ask("belgg", picture.counts, ALL)["decision"] == 0
        assert desk.act("belgg", picture.undo_acknowledge, [a], who="o1") == 1
        desk.admit([fed.retract("beanr", [stix_id_of(indicator)])])
        assert desk.ask("belgg", picture.one_item, a).over

    def test_bars_and_pages_join_without_a_gap(self, desk: PictureDesk) -> None:
        desk.admit([desk.fed.publish("beanr") for _ in range(5)])
        first = desk.ask("belgg", picture.feed, ALL, limit=3)
        rest = desk.ask("belgg", picture.feed, View(before=first.cursor), limit=3)
        assert [item.index for page in (first, rest) for item in page.items] == [6, 5, 4, 3, 2]
        found = desk.ask("belgg", search, Search(member="beanr"), limit=3)
        assert [row.index for row in found.rows] == [6, 5, 4]

    def test_folding_anew_gives_the_same_rows(self, desk: PictureDesk) -> None:
        fed = desk.fed
        indicator = fed.indicator("beanr")
        desk.admit([fed.publish("beanr", objects=[indicator]), fed.retract("beanr", [stix_id_of(indicator)])])

        def rows(table: sa.Table) -> list[tuple[object, ...]]:
            return desk.store.database.read_now(
                lambda c: [tuple(row) for row in c.execute(sa.select(table).order_by(*table.primary_key.columns))]
            )

        before = [rows(table) for table in (PICTURE_ITEM, PICTURE_FACT)]
        assert desk.store.database.write_now(picture.rebuild) == 4
        assert [rows(table) for table in (PICTURE_ITEM, PICTURE_FACT)] == before


class IncidentSuite(_OnALog):
    def test_an_incident_advances_under_its_lead_and_hides_what_is_hidden(self, desk: PictureDesk) -> None:
        fed = desk.fed
        a, b = desk.admit([
            fed.publish("beanr", handling="act"),
            fed.publish("beanr", tlp=Tlp.AMBER, recipients=("belgg",)),
        ])  # fmt: skip
        ident = desk.act("beanr", incidents.open_incident, LEAD, a, note="divers")
        found = desk.ask("belgg", incidents.incident, ident)
        assert (found.state, found.lead, [one.name for one in found.clocks]) == (
            "open",
            "beanr/c1",
            ["acknowledge", "contain"],
        )
        hidden = desk.act("belgg", incidents.open_incident, OTHER, b, note="")
        with pytest.raises(NoIncidentError):
            desk.ask("north-sea-port", incidents.incident, hidden)
        desk.act("beanr", incidents.advance, LEAD, ident, "acknowledged")
        with pytest.raises(IncidentError):
            desk.act("beanr", incidents.advance, LEAD, ident, "acknowledged")
        assert [one.id for one in desk.ask("north-sea-port", incidents.board)] == [ident]


class CorrelationSuite(_OnALog):
    def test_two_ports_with_one_ship_are_linked_until_a_member_says_they_are_not(self, desk: PictureDesk) -> None:
        (a,) = desk.admit([desk.fed.publish("beanr")])
        (b,) = desk.admit([desk.fed.publish("belgg")], "belgg")
        assert len(desk.ask("north-sea-port", correlation.spill_over, ALL)) == 1
        desk.act("beanr", correlation.not_related, who="c1", first=b, second=a, reason="another ship")
        assert desk.ask("beanr", correlation.spill_over, ALL) == ()
        assert len(desk.ask("belgg", correlation.spill_over, ALL)) == 1


class BriefingSuite(_OnALog):
    def test_a_briefing_regenerates_to_the_byte_whatever_was_logged_since(self, desk: PictureDesk) -> None:
        fed = desk.fed
        end = fed.clock.now() + timedelta(days=1)

        def brief(member: str, size: int | None = None) -> briefing.Briefing:
            return desk.store.database.read_now(
                lambda c: briefing.briefing(
                    c, desk.audiences, desk.log, member_reader(member), start=end - WEEKS, end=end, size=size
                )
            )

        desk.admit([fed.publish("beanr"), fed.publish("beanr", tlp=Tlp.AMBER)])
        first = brief("belgg")
        assert (first.total, brief("beanr").total, brief("beanr").tlp) == (1, 2, "amber")
        desk.admit([fed.publish("beanr"), fed.group("all", "belgg")])
        assert brief("belgg", first.size).to_bytes() == first.to_bytes()
        assert brief("belgg").total == 2


class ContactsSuite(_OnALog):
    def test_what_two_processes_saw_of_a_node_comes_together_and_never_grows_older(self, desk: PictureDesk) -> None:
        peer = Peer(member="beanr", node=1, key_id="0" * 64, serial="7")
        first, second = Contacts(), Contacts()
        first.follows(peer, at_ms=1_800_000_000_000, cursor=5_000_000_000)
        first.says(peer, "1.2.3")
        second.follows(peer, at_ms=1_700_000_000_000)
        for one in (first, second):
            assert desk.store.database.write_now(one.save) == 1
            assert desk.store.database.write_now(one.save) == 0
        (found,) = desk.store.database.read_now(read_contacts)
        assert found == Contact(member="beanr", node=1, at_ms=1_800_000_000_000, version="1.2.3", cursor=5_000_000_000)
