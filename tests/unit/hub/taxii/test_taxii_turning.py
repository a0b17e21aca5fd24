"""Pages are turned by clients of every manner: days later, or with a limit that no standard knows."""

from __future__ import annotations

import orjson

from hub.taxii.model import Kind
from tests.fakes.taxii_shelf import stix
from tests.fakes.taxii_site import Site


def test_a_next_kept_for_days_leads_on_and_to_what_was_added_meanwhile(site: Site) -> None:
    siem = site.collection(Kind.SIEM)
    site.shelf.add(siem, stix(1), stix(2))
    first = site.get(site.objects(siem), params={"limit": "1"}).json()
    site.clock.advance(60 * 86_400)  # within the days of the secret
    site.shelf.add(siem, stix(3))
    for _ in range(2):
        found = site.get(site.objects(siem), params={"next": first["next"]}).json()["objects"]
        assert found == [orjson.loads(stix(2)), orjson.loads(stix(3))]


def test_whoever_turns_an_empty_page_with_the_limit_that_it_held_gets_the_following_one(site: Site) -> None:
    siem = site.collection(Kind.SIEM)
    site.shelf.add(siem, stix(1), stix(2), stix(3))
    first = site.get(site.objects(siem), params={"limit": "1"}).json()
    found = site.get(site.objects(siem), params={"limit": "0", "next": first["next"]})
    assert [one["id"] for one in found.json()["objects"]] == [
        one["id"] for one in map(orjson.loads, (stix(2), stix(3)))
    ]
