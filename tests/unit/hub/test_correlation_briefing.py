"""Links between ports, and briefings that come out the same again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub import briefing, correlation
from hub.correlation import NotRelatedError
from hub.picture import View
from port2port.database import sqlite_url
from port2port.errors import NotFoundError
from port2port.imported import Brought, Grade, Imported
from port2port.sharing import member_reader
from port2port.tlp import Tlp
from tests.fakes.federation import Federation, stix_id_of
from tests.fakes.picture import PictureDesk, picture_desk

VIEW = View()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[PictureDesk]:
    made = picture_desk(Federation(), sqlite_url(tmp_path / "hub.db"))
    yield made
    made.store.close()


def links(desk: PictureDesk, member: str) -> Any:
    return desk.ask(member, correlation.spill_over, VIEW)


def test_two_ports_with_one_ship_are_linked_with_the_reason(desk: PictureDesk) -> None:
    fed = desk.fed
    (a,) = desk.admit([fed.publish("beanr")])
    fed.clock.advance(24 * 3_600)
    (b,) = desk.admit([fed.publish("belgg")], "belgg")
    (link,) = links(desk, "north-sea-port")
    assert (link.source, link.target, link.reasons, link.score) == ("beanr", "belgg", ("vessel",), 0.45)
    assert [(pair.first, pair.second, pair.value) for pair in link.pairs] == [(a, b, "mmsi:205123400")]


def test_a_sighting_is_the_strongest_link(desk: PictureDesk) -> None:
    fed = desk.fed
    indicator = fed.indicator("beanr")
    desk.admit([fed.publish("beanr", objects=[indicator])])
    desk.admit([fed.sighting("belgg", of=("beanr", stix_id_of(indicator)))], "belgg")
    (link,) = links(desk, "north-sea-port")
    assert (link.reasons, link.score) == (("sighting",), 1.0)


def test_a_link_needs_both_ends_readable(desk: PictureDesk) -> None:
    desk.admit([desk.fed.publish("beanr")])
    desk.admit([desk.fed.publish("belgg", tlp=Tlp.AMBER, recipients=("beanr",))], "belgg")
    assert links(desk, "north-sea-port") == ()
    assert len(links(desk, "beanr")) == 1


def test_an_import_of_what_was_told_before_links_nobody(desk: PictureDesk) -> None:
    """It may have come from here: what left the federation and returns confirms nothing."""
    fed = desk.fed
    desk.admit([fed.publish("beanr")])
    foreign = fed.indicator("nobody-here")
    said = Brought(id=stix_id_of(foreign), original="x", commitment="ab" * 32, echo=True)
    body = Imported(source="cert", grade=Grade(), objects=(said,)).to_body()
    raw = fed.content("belgg", "import", objects=[foreign], body=body, tlp=Tlp.GREEN, handling="act")
    desk.admit([raw], "belgg")
    assert links(desk, "beanr") == ()


def test_a_pair_called_not_related_is_left_out_for_that_member_alone(desk: PictureDesk) -> None:
    (a,) = desk.admit([desk.fed.publish("beanr")])
    (b,) = desk.admit([desk.fed.publish("belgg")], "belgg")
    desk.act("beanr", correlation.not_related, who="c1", first=b, second=a, reason="another ship")
    assert links(desk, "beanr") == ()
    assert len(links(desk, "belgg")) == 1
    desk.act("beanr", correlation.related_again, first=a, second=b)
    assert len(links(desk, "beanr")) == 1
    with pytest.raises(NotRelatedError):
        desk.act("beanr", correlation.not_related, who="c1", first=a, second=b, reason=" ")
    with pytest.raises(NotFoundError):
        desk.act("beanr", correlation.not_related, who="c1", first=a, second=99, reason="x")


def brief(desk: PictureDesk, member: str, size: int | None = None) -> briefing.Briefing:
    end = desk.fed.clock.now().replace(year=2026, month=11, day=30)
    start = end - timedelta(days=14)
    return desk.store.database.read_now(
        lambda c: briefing.briefing(c, desk.audiences, desk.log, member_reader(member), start=start, end=end, size=size)
    )


def test_a_briefing_regenerates_to_the_byte_whatever_was_logged_since(desk: PictureDesk) -> None:
    fed = desk.fed
    indicator = fed.indicator("beanr")
    desk.admit([fed.publish("beanr", objects=[indicator]), fed.publish("beanr", tlp=Tlp.AMBER)])
    first = brief(desk, "belgg")
    assert (first.total, first.tlp, first.by_port[0].count) == (1, "green", 1)
    assert brief(desk, "beanr").tlp == "amber"
    desk.admit([fed.retract("beanr", [stix_id_of(indicator)]), fed.publish("beanr"), fed.group("all", "belgg")])
    assert brief(desk, "belgg", size=first.size).to_bytes() == first.to_bytes()
    assert brief(desk, "belgg").total == 3
