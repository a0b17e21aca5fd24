"""``next``: believed where we wrote it, for whom and for what we wrote it, and for ever."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.taxii.cursor import Cursors, stored_key
from hub.taxii.errors import TaxiiRequestError
from hub.taxii.model import Filters, Kind, Position
from hub.taxii.parameters import OBJECTS as PARAMETERS
from hub.taxii.parameters import date_text, microseconds, parse
from hub.taxii.places import ROOT_PATH
from tests.fakes.taxii_shelf import BEGIN_US, stix
from tests.fakes.taxii_site import SIEM, Site

CURSORS = Cursors(b"k" * 32)
FILTERS = Filters(added_after_us=5, ids=frozenset({"indicator--1"}), types=frozenset({"indicator", "malware"}))
POSITION = Position(date_us=BEGIN_US, number=7)


def written() -> str:
    return CURSORS.write(principal="a", place="objects/c/", filters=FILTERS, position=POSITION)


def test_a_cursor_brings_back_its_filters_and_its_position_after_a_restart_too() -> None:
    again = Cursors(b"k" * 32)
    assert again.read(written(), principal="a", place="objects/c/") == (FILTERS, POSITION)


@pytest.mark.parametrize(
    ("key", "principal", "place"),
    [(b"k", "b", "objects/c/"), (b"k", "a", "manifest/c/"), (b"k", "a", "objects/d/"), (b"x", "a", "objects/c/")],
)
def test_a_cursor_of_somebody_else_or_for_another_place_or_of_another_hub_is_refused(
    key: bytes, principal: str, place: str
) -> None:
    with pytest.raises(TaxiiRequestError) as caught:
        Cursors(key * 32).read(written(), principal=principal, place=place)
    assert caught.value.status == 400


def test_no_character_of_a_cursor_can_be_changed() -> None:
    text = written()
    for at, was in enumerate(text[:-1]):  # of the last one some bits are padding
        changed = text[:at] + ("A" if was != "A" else "B") + text[at + 1 :]
        with pytest.raises(TaxiiRequestError):
            CURSORS.read(changed, principal="a", place="objects/c/")


@given(st.text(max_size=200))
def test_whatever_is_sent_as_a_cursor_is_refused_with_400(text: str) -> None:
    with pytest.raises(TaxiiRequestError) as caught:
        CURSORS.read(text, principal="a", place="objects/c/")
    assert caught.value.status == 400


@given(st.binary(max_size=300))
def test_whatever_stands_in_a_url_is_parameters_or_400(query: bytes) -> None:
    try:
        limit, status = parse(query, PARAMETERS).limit, 400
    except TaxiiRequestError as error:
        limit, status = 1, error.status
    assert (1 <= limit <= 5_000, status) == (True, 400)


@given(st.integers(0, 4_000_000_000_000_000))
def test_a_date_is_read_as_it_is_written(date_us: int) -> None:
    assert microseconds(date_text(date_us)) == date_us


def test_the_key_is_made_once_and_stays(site: Site) -> None:
    first = site.database.write_now(stored_key)
    assert len(first) == 32
    assert site.database.write_now(stored_key) == first


# --- the habits of real clients -------------------------------------------------------------------------------------


def ids(site: Site, path: str, **params: str) -> tuple[list[str], str]:
    found = site.get(path, params=params).json()
    return [item["id"] for item in found.get("objects", [])], found.get("next", "")


def test_a_client_that_drops_added_after_goes_on_with_it(site: Site) -> None:
    siem = site.collection(Kind.SIEM)
    items = site.shelf.add(siem, *map(stix, range(6)))
    begin = date_text(items[0].date_us)
    _, following = ids(site, site.objects(siem), added_after=begin, limit="2")
    alone, _ = ids(site, site.objects(siem), next=following)
    beside, _ = ids(site, site.objects(siem), next=following, added_after=begin[:-4] + "Z", limit="9")
    assert alone == beside == [item.stix_id for item in items[3:]]


def test_a_cursor_can_be_used_again_and_shows_what_was_added_since(site: Site) -> None:
    siem = site.collection(Kind.SIEM)
    site.shelf.add(siem, *map(stix, range(4)))
    _, following = ids(site, site.objects(siem), limit="2")
    first, _ = ids(site, site.objects(siem), next=following)
    later = site.shelf.add(siem, stix(9))[0]
    site.clock.advance(86_400 * 40)
    again, _ = ids(site, site.objects(siem), next=following)
    assert again == [*first, later.stix_id]


def test_a_cursor_goes_with_its_own_filters_alone(site: Site) -> None:
    siem = site.collection(Kind.SIEM)
    site.shelf.add(siem, *map(stix, range(4)))
    _, following = ids(site, site.objects(siem), limit="2", **{"match[type]": "indicator"})
    same = {"next": following, "match[type]": "indicator"}
    assert site.get(site.objects(siem), params=same).status_code == 200
    assert site.get(site.objects(siem), params={**same, "match[type]": "malware"}).status_code == 400


def test_a_cursor_of_one_collection_or_consumer_is_400_for_another(site: Site) -> None:
    siem, port = site.collection(Kind.SIEM), site.collection(Kind.PORT, "belgg")
    site.shelf.add(siem, *map(stix, range(4)))
    site.consumer("other-siem")
    _, following = ids(site, site.objects(siem), limit="2")
    assert site.get(site.objects(port), params={"next": following}).status_code == 400
    assert site.get(site.objects(siem), params={"next": following}, who="other-siem").status_code == 400
    assert site.get(site.objects(siem), params={"next": following}, who=SIEM).status_code == 200
    manifest = f"{ROOT_PATH}collections/{siem.id}/manifest/"
    assert site.get(manifest, params={"next": following}).status_code == 400
