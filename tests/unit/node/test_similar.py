"""What stands on the same thing already is shown, and words about it need no second indicator."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import cast

import orjson
import pytest
import sqlalchemy as sa

from node import act_store, acts, drafts, indicators, publish, tables
from node.acts import preparing
from node.acts.asked import Asked
from node.acts.similar import RelatesError, Similar, similar
from node.drafts import Draft
from node.review import Choice
from port2port.clock import to_text
from port2port.errors import Port2PortError
from port2port.stix.normalise import normalise
from port2port.stix.objects import pattern_equals
from port2port.tlp import Tlp
from tests.fakes.desks import A, B, Desk, Harbour, a_finding


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    made = Harbour(tmp_path)
    yield made
    made.close()


def same(desk: Desk, draft: Draft) -> tuple[Similar, ...]:
    now = desk.fed.clock.now()
    return desk.node.store.read_now(lambda c: similar(c, desk.member, draft.proposal.objects, now))


def said(harbour: Harbour, member: str, mmsi: str = "205123456") -> None:
    desk = harbour.desks[member]
    desk.publish(desk.draft(a_finding(mmsi=mmsi)))
    desk.send()
    harbour.pull()


def prepare(desk: Desk, draft: Draft, choice: Choice) -> acts.Prepared:
    asked = Asked(roster=desk.roster, officer="o1", now=desk.fed.clock.now())
    return desk.node.store.write_now(lambda c: preparing.publish_draft(c, desk.author, draft.id, choice, asked))


def test_what_others_and_ourselves_said_of_the_same_ship_is_listed(harbour: Harbour) -> None:
    desk = harbour.desks[A]
    said(harbour, B)
    said(harbour, B, mmsi="205000001")
    draft = desk.draft(a_finding(at=a_finding().found_at + timedelta(hours=1)))
    (found,) = same(desk, draft)
    assert (found.issuer, found.value, found.name) == (B, "205123456", "Cloned identity: MMSI 205123456")
    assert found.index is not None


def test_our_own_is_listed_before_the_hub_has_logged_it(harbour: Harbour) -> None:
    desk = harbour.desks[A]
    first = desk.draft()
    desk.publish(first)
    second = desk.draft(a_finding(places=("dock-7",), at=a_finding().found_at + timedelta(hours=1)))
    (found,) = same(desk, second)
    assert (found.issuer, found.index) == (A, None)
    assert same(desk, first) == (), "it is not like itself"


def test_what_was_taken_back_or_has_ended_is_not_similar(harbour: Harbour) -> None:
    desk = harbour.desks[A]
    said(harbour, B)
    draft = desk.draft()
    assert len(same(desk, draft)) == 1
    desk.fed.clock.advance(8 * 86_400)
    assert same(desk, draft) == ()


def test_a_new_version_is_found_by_what_it_names_and_no_longer_by_what_it_named(harbour: Harbour) -> None:
    fed, desk = harbour.fed, harbour.desks[A]
    first = fed.indicator(B, pattern=pattern_equals("vessel:mmsi", ["205123456"]))
    harbour.feed.log(fed.publish(B, objects=[first]))
    harbour.pull()
    about = [desk.draft(a_finding(mmsi=mmsi)) for mmsi in ("205123456", "205000001")]
    assert [len(same(desk, draft)) for draft in about] == [1, 0]
    fed.clock.advance(60)
    data = orjson.loads(first.replace(b"205123456", b"205000001"))
    later = normalise({**data, "modified": to_text(fed.clock.now())})
    harbour.feed.log(fed.publish(B, objects=[later]))
    harbour.pull()
    assert [len(same(desk, draft)) for draft in about] == [0, 1]


def test_what_it_costs_does_not_grow_with_the_indicators_there_are(harbour: Harbour) -> None:
    desk = harbour.desks[A]
    said(harbour, B)
    draft = desk.draft()

    def steps(connection: sa.Connection) -> int:
        """Instructions of the database's machine: one or more for each row it reads."""
        counted: list[int] = []
        driver = cast("sqlite3.Connection", connection.connection.driver_connection)
        driver.set_progress_handler(lambda: counted.append(1), 1)
        try:
            found = indicators.naming(connection, wanted, desk.fed.clock.now(), most=20)
        finally:
            driver.set_progress_handler(None, 1)
        assert len(found) == 1
        return len(counted)

    def others(connection: sa.Connection) -> None:
        table, values = tables.IndicatorRow.__table__, tables.IndicatorValueRow.__table__
        one = dict(connection.execute(sa.select(table)).mappings().one())
        names = [f"indicator--{number:08}-0000-4000-8000-000000000000" for number in range(2_000)]
        connection.execute(sa.insert(table), [{**one, "stix_id": name} for name in names])
        key = {"realm": one["realm"], "issuer": one["issuer"]}
        rows = [{**key, "stix_id": name, "digest": sha256(name.encode()).digest()} for name in names]
        connection.execute(sa.insert(values), rows)

    wanted = {key for raw in draft.proposal.objects for key in indicators.values_in(raw)}
    few = desk.node.store.read_now(steps)
    desk.node.store.write_now(others)
    assert desk.node.store.read_now(steps) < few + 10


def test_words_relate_to_the_indicator_there_is_instead_of_another(harbour: Harbour) -> None:
    desk = harbour.desks[A]
    said(harbour, B)
    draft = desk.draft()
    (found,) = same(desk, draft)
    act = prepare(desk, draft, Choice(relates=(found.stix_id,)))
    assert act.need == 1, "it is about a vessel as before"
    objects = [orjson.loads(item.body) for part in act.parts for item in part.objects]
    assert [one["type"] for one in objects] == ["note"]
    assert objects[0]["object_refs"] == [found.stix_id]
    assert "205123456" in objects[0]["content"]
    outcome = desk.node.store.write_now(
        lambda c: acts.sign_at_once(c, desk.author, act, (desk.officer(),), desk.roster, now=desk.fed.clock.now())
    )
    assert outcome.act.state == act_store.DONE
    desk.send()
    harbour.pull()
    assert desk.node.store.read_now(lambda c: drafts.get(c, draft.id)).state == drafts.PUBLISHED


def test_words_about_anothers_indicator_go_to_nobody_who_may_not_read_it(harbour: Harbour) -> None:
    desk = harbour.desks[A]
    said(harbour, B)
    draft = desk.draft()
    (found,) = same(desk, draft)
    with pytest.raises(Port2PortError) as caught:
        prepare(desk, draft, Choice(tlp=Tlp.GREEN, relates=(found.stix_id,)))
    assert isinstance(caught.value, publish.WiderError)


def test_words_relate_to_nothing_that_was_not_shown(harbour: Harbour) -> None:
    desk = harbour.desks[A]
    draft = desk.draft()
    with pytest.raises(RelatesError):
        prepare(desk, draft, Choice(relates=("indicator--00000000-0000-4000-8000-000000000000",)))
