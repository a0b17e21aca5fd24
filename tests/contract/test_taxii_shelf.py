"""What the HTTP side may rely on, of the collections in the database and of the fake that its own tests use."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson
import pytest

from hub.audience import Audiences
from hub.taxii.log_shelf import LogShelf
from hub.taxii.model import Filters, Kind, Page, Position, Principal
from port2port.database import sqlite_url
from port2port.sharing import Outlet, affiliate_reader, member_reader
from tests.fakes.prepared import hub_store
from tests.fakes.taxii_shelf import GENESIS, FakeShelf
from tests.fakes.taxii_site import Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hub.taxii.shelf import Shelf
    from port2port.database import Database

MEMBER = Principal(name="beanr", member="beanr", reader=member_reader("beanr"), outlet=Outlet.TAXII)
TERMINAL = Principal(
    name="consumer:t", member="beanr", reader=affiliate_reader("mpet"), outlet=Outlet.SIEM, affiliate="mpet"
)
NOW_MS = 1_790_000_000_000


class Shelves:
    """A shelf with its database: an intake that the terminal writes and its member reads."""

    def __init__(self, shelf: Shelf, database: Database, site: Site) -> None:
        self.shelf = shelf
        self.database = database
        self.fed = site.fed

    def intake(self, principal: Principal) -> Any:
        return next(item for item in self.shelf.collections(principal) if item.kind is Kind.INTAKE)

    def post(self, *raws: bytes) -> Any:
        ready = self.shelf.prepare(raws)
        action = partial(self.shelf.post, principal=TERMINAL, collection=self.intake(TERMINAL), objects=ready)
        return self.database.write_now(lambda c: action(c, now_ms=NOW_MS))

    def page(self, filters: Filters | None = None, *, after: Position | None = None, limit: int = 100) -> Page:
        collection = self.intake(MEMBER)
        return self.database.read_now(
            lambda c: self.shelf.page(c, MEMBER, collection, filters or Filters(), after=after, limit=limit)
        )

    def indicators(self, count: int) -> list[bytes]:
        return [self.fed.indicator("beanr") for _ in range(count)]


@pytest.fixture(params=["fake", "log"])
def shelves(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelves]:
    site = Site.make(tmp_path)
    store = hub_store(sqlite_url(tmp_path / "shelf.sqlite"))
    roster = site.shelf.now
    log = LogShelf(
        genesis_hash=GENESIS, audiences=Audiences(), roster=lambda: roster, validate=site.fed.validator.validate
    )
    yield Shelves(FakeShelf(roster) if request.param == "fake" else log, store.database, site)
    store.close()
    site.database.close()


def ids(page: Page) -> list[str]:
    return [item.stix_id for item in page.items]


def named(raws: list[bytes]) -> list[str]:
    return [orjson.loads(raw)["id"] for raw in raws]


def test_pages_follow_the_order_of_posting_and_each_object_comes_once(shelves: Shelves) -> None:
    raws = shelves.indicators(7)
    shelves.post(*raws[:3])
    shelves.post(*raws[3:])
    found: list[str] = []
    after = None
    for _ in range(10):
        page = shelves.page(after=after, limit=3)
        found += ids(page)
        assert len(page.items) <= 3
        if not page.more:
            break
        assert page.end is not None
        after = page.end
    assert found == named(raws)


def test_dates_are_whole_milliseconds_and_added_after_excludes_its_own(shelves: Shelves) -> None:
    raws = shelves.indicators(4)
    shelves.post(*raws)
    page = shelves.page()
    dates = [item.date_us for item in page.items]
    assert dates == sorted(set(dates))
    assert ids(shelves.page(Filters(added_after_us=dates[1]))) == named(raws)[2:]
    assert ids(shelves.page(Filters(added_after_us=dates[-1]))) == []


def test_the_bytes_are_those_that_were_posted(shelves: Shelves) -> None:
    raws = shelves.indicators(2)
    shelves.post(*raws)
    assert [item.raw for item in shelves.page().items] == raws


def test_filters_go_together(shelves: Shelves) -> None:
    raws = shelves.indicators(3)
    shelves.post(*raws)
    some = frozenset(named(raws)[:2])
    assert ids(shelves.page(Filters(ids=some))) == named(raws)[:2]
    assert ids(shelves.page(Filters(ids=some, types=frozenset({"malware"})))) == []
    assert ids(shelves.page(Filters(spec_versions=frozenset({"2.0"})))) == []


@pytest.mark.parametrize(("asked", "expected"), [([], [2]), (["first"], [0]), (["all"], [0, 1, 2]), (["last"], [2])])
def test_of_several_versions_those_that_are_asked_for(shelves: Shelves, asked: list[str], expected: list[int]) -> None:
    ident = uuid4()
    raws = [shelves.fed.indicator("beanr", ident=ident, modified=at * 1_000) for at in range(3)]
    for raw in raws:
        shelves.post(raw)
    page = shelves.page(Filters(versions=frozenset(asked)))
    assert [item.version for item in page.items] == [orjson.loads(raws[at])["modified"] for at in expected]
    collection = shelves.intake(MEMBER)
    listed = shelves.database.read_now(
        lambda c: shelves.shelf.versions(c, MEMBER, collection, page.items[0].stix_id, Filters(), after=None, limit=9)
    )
    assert [item.version for item in listed.items] == [orjson.loads(raw)["modified"] for raw in raws]


def test_one_bad_object_never_takes_its_neighbours_with_it_and_the_outcome_is_kept_for_its_author(
    shelves: Shelves,
) -> None:
    good = shelves.indicators(1)[0]
    status = shelves.post(b'{"id":"x","type":"indicator"}', good, b"[]")
    assert [not one.why for one in status.objects] == [False, True, False]
    assert ids(shelves.page()) == named([good])

    def again(principal: Principal, ident: str) -> Any:
        collection = shelves.intake(principal)
        return shelves.database.read_now(lambda c: shelves.shelf.status(c, principal, collection, ident))

    assert again(TERMINAL, status.id) == status
    assert again(MEMBER, status.id) is None
    assert again(TERMINAL, "nothing") is None


def test_what_was_deleted_is_gone(shelves: Shelves) -> None:
    raws = shelves.indicators(2)
    shelves.post(*raws)
    collection = shelves.intake(MEMBER)

    def delete() -> int:
        gone = named(raws)[0]
        return shelves.database.write_now(lambda c: shelves.shelf.delete(c, MEMBER, collection, gone, Filters()))

    assert [delete(), delete()] == [1, 0]
    assert ids(shelves.page()) == named(raws)[1:]
