"""Systems that read with a secret: let in while everything holds, told of when something looks stolen."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import consumers
from hub.consumers import Consumer, ConsumerError, Poll, Seen
from hub.consumers.register import ConsumerExistsError, networks_from, until_ms
from hub.store import audit_rows
from hub.tables import AUDIT
from hub.taxii.doors import credentials, principal_of
from hub.taxii.errors import TaxiiRequestError
from hub.taxii.model import Kind
from hub.taxii.places import DISCOVERY_PATH, ROOT_PATH
from hub.taxii_tables import CONSUMER
from port2port.clock import to_ms
from port2port.errors import NotFoundError, NotMemberError
from port2port.sharing import Outlet, ReaderKind
from port2port.tlp import Tlp
from tests.fakes.taxii_shelf import stix
from tests.fakes.taxii_site import SIEM, TERMINAL, Site

DAY = 86_400


def now_ms(site: Site) -> int:
    return to_ms(site.clock.now())


def status(site: Site, who: str = SIEM, **more: Any) -> int:
    return site.get(DISCOVERY_PATH, who=who, **more).status_code


# --- the secret -----------------------------------------------------------------------------------------------------


def test_a_secret_has_256_bits_and_is_nowhere_in_the_database(site: Site) -> None:
    secret = site.secrets[SIEM]
    assert len(secret) == 43
    row = site.database.read_now(lambda c: c.execute(CONSUMER.select()).first())
    audited = site.database.read_now(lambda c: c.execute(AUDIT.select()).all())
    assert secret not in f"{row}{audited}"
    assert len(set(site.secrets.values())) == len(site.secrets)


def test_it_ends_with_its_days_with_its_renewal_and_with_its_revocation(site: Site) -> None:
    assert status(site) == 200
    site.clock.advance(90 * DAY)
    assert status(site) == 401
    site.secrets[SIEM] = site.database.write_now(partial(consumers.renew, name=SIEM, days=10, now_ms=now_ms(site)))
    assert status(site) == 200
    site.database.write_now(partial(consumers.revoke, name=SIEM, now_ms=now_ms(site)))
    assert status(site) == 401
    with pytest.raises(ConsumerError):
        site.database.write_now(partial(consumers.renew, name=SIEM, days=10, now_ms=now_ms(site)))


def test_unknown_wrong_ended_and_elsewhere_answer_alike_byte_for_byte(site: Site) -> None:
    site.consumer("at-home", networks=networks_from(["198.51.100.0/24"]))
    site.consumer("gone")
    site.database.write_now(partial(consumers.revoke, name="gone", now_ms=now_ms(site)))
    site.secrets |= {"nobody": "x" * 43}
    answers = [site.get(DISCOVERY_PATH, who=who) for who in ("at-home", "gone", "nobody")]
    site.secrets["at-home"] = "y" * 43
    answers.append(site.get(DISCOVERY_PATH, who="at-home", client="198.51.100.9"))
    assert {(found.status_code, found.content) for found in answers} == {(401, answers[0].content)}
    assert len({tuple(found.headers.raw) for found in answers}) == 1


@pytest.mark.parametrize(
    ("client", "let_in"),
    [("198.51.100.9", True), ("::ffff:198.51.100.9", True), ("198.51.101.9", False), ("2001:db8::1", False)],
)
def test_source_networks_are_kept(site: Site, client: str, let_in: bool) -> None:
    site.consumer("at-home", networks=networks_from(["198.51.100.0/24"]))
    assert (status(site, "at-home", client=client) == 200) is let_in


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "Not A Name"},
        {"member": "nobody"},
        {"affiliate": "mpet", "member": "belgg"},
        {"affiliate": "nobody"},
        {"ceiling": Tlp.RED, "word": "a letter"},
        {"ceiling": Tlp.AMBER},
        {"ceiling": Tlp.AMBER, "word": "  "},
        {"word": "x" * 201},
    ],
)
def test_what_no_consumer_may_be_is_refused(site: Site, changed: dict[str, Any]) -> None:
    with pytest.raises(ConsumerError):
        site.consumer(**{"name": "new-one", **changed})


def test_a_ceiling_above_green_needs_the_members_word_which_is_audited(site: Site) -> None:
    site.consumer("amber-siem", ceiling=Tlp.AMBER, word="letter of 3 November")
    rows = site.database.read_now(lambda c: audit_rows(c, "consumer-added"))
    assert "letter of 3 November" in rows[-1]["facts"]
    assert rows[-1]["member"] == "beanr"


def test_a_name_is_never_given_twice(site: Site) -> None:
    site.database.write_now(partial(consumers.revoke, name=SIEM, now_ms=now_ms(site)))
    with pytest.raises(ConsumerExistsError):
        site.consumer(SIEM)
    with pytest.raises(NotFoundError):
        site.database.write_now(partial(consumers.revoke, name="nobody", now_ms=now_ms(site)))


@pytest.mark.parametrize("days", [0, -1, 91])
def test_no_secret_is_good_for_more_than_90_days(days: int) -> None:
    with pytest.raises(ConsumerError):
        until_ms(0, days)


@pytest.mark.parametrize("network", ["192.0.2.1/24", "nothing", "192.0.2.0/33", ""])
def test_a_network_that_is_none_is_refused(network: str) -> None:
    with pytest.raises(ConsumerError):
        networks_from([network])


@given(st.text(max_size=100))
def test_whatever_stands_in_authorization_is_credentials_or_401(header: str) -> None:
    try:
        given = credentials(header)
    except TaxiiRequestError as error:
        status_of = error.status
    else:
        status_of = 401 if all(given) else 500
    assert status_of == 401


# --- what it is to the sharing rule ---------------------------------------------------------------------------------


def test_a_system_of_a_member_is_a_consumer_and_one_of_an_affiliate_acts(site: Site) -> None:
    found = {one.name: one for one in site.database.read_now(consumers.consumers)}
    siem, terminal = (principal_of(found[name], site.shelf.now) for name in (SIEM, TERMINAL))
    assert (siem.reader.kind, siem.reader.ceiling, siem.outlet) == (ReaderKind.CONSUMER, Tlp.GREEN, Outlet.TAXII)
    assert (terminal.reader.kind, terminal.reader.ceiling) == (ReaderKind.AFFILIATE, Tlp.GREEN)
    assert (terminal.outlet, terminal.affiliate) == (Outlet.SIEM, "mpet")


def test_the_plain_collection_is_read_as_siem_and_others_as_taxii(site: Site) -> None:
    for kind, key, outlet in ((Kind.SIEM, "", Outlet.SIEM), (Kind.PORT, "belgg", Outlet.TAXII)):
        site.get(site.objects(site.collection(kind, key)))
        assert site.shelf.seen[-1].outlet is outlet


def test_a_system_whose_member_or_affiliate_is_none_now_is_403(site: Site) -> None:
    whole = site.shelf.now
    site.shelf.now = replace(whole, affiliates={})
    assert (status(site), status(site, TERMINAL)) == (200, 403)
    beanr = replace(whole.member_table["beanr"], status="suspended")
    site.shelf.now = replace(whole, member_table={**whole.member_table, "beanr": beanr})
    assert (status(site), status(site, TERMINAL)) == (403, 403)
    found = site.database.read_now(lambda c: consumers.find(c, SIEM))
    with pytest.raises(NotMemberError):
        principal_of(found, site.shelf.now)


# --- slowing down ---------------------------------------------------------------------------------------------------


def test_guessing_slows_a_network_down_and_nobody_who_has_a_secret(site: Site) -> None:
    wrong = {"Authorization": f"Bearer {SIEM}.wrong"}
    answers = [site.get(DISCOVERY_PATH, headers=wrong) for _ in range(25)]
    assert [found.status_code for found in answers] == [401] * 20 + [429] * 5
    assert int(answers[-1].headers["retry-after"]) > 0
    assert status(site) == 200
    assert status(site, client="203.0.113.1") == 200
    site.clock.advance(60)
    assert site.get(DISCOVERY_PATH, headers=wrong).status_code == 401
    assert site.door.take_refused() == {"192.0.2.0/24": 26}
    assert site.door.take_refused() == {}


def test_a_consumer_that_asks_too_often_is_told_when_to_come_back(site: Site) -> None:
    site.door._calls[SIEM] = replace_level(site, 1)
    assert status(site) == 200
    slow = site.get(DISCOVERY_PATH)
    assert (slow.status_code, slow.json()["http_status"]) == (429, "429")
    assert status(site, TERMINAL) == 200
    site.clock.advance(int(slow.headers["retry-after"]))
    assert status(site) == 200


def replace_level(site: Site, level: float) -> Any:
    """A bucket that is nearly empty."""
    bucket = site.door._full(600, 10)
    bucket.level = level
    return bucket


# --- what use is made of it -----------------------------------------------------------------------------------------


def noted(site: Site) -> list[tuple[str, str]]:
    """Write down the polls so far; what was told."""
    found: list[tuple[str, str]] = []
    polls = [*site.polls]
    site.polls.clear()

    def tell(what: Seen, poll: Poll) -> None:
        found.append((what.value, str(poll.address)))

    site.database.write_now(lambda c: consumers.note_polls(c, polls, tell))
    return found


def poll(site: Site, **params: str) -> str:
    siem = site.collection(Kind.SIEM)
    return str(site.get(site.objects(siem), params=params).json().get("next", ""))


def test_use_from_a_new_network_is_told_once(site: Site) -> None:
    for client in ("192.0.2.7", "192.0.2.8", "203.0.113.1", "203.0.113.200", "2001:db8:1:2::3", "2001:db8:1:9::3"):
        site.get(DISCOVERY_PATH, client=client)
    told = [address for _, address in noted(site)]
    assert told == ["192.0.2.7", "203.0.113.1", "2001:db8:1:2::3"]
    site.get(DISCOVERY_PATH)
    assert noted(site) == []
    rows = site.database.read_now(lambda c: audit_rows(c, "consumer-new-network"))
    assert '"network":"203.0.113.0/24"' in rows[1]["facts"]


def test_use_from_a_configured_network_is_no_news(site: Site) -> None:
    site.consumer("at-home", networks=networks_from(["198.51.0.0/16"]))
    for client in ("198.51.100.9", "198.51.7.9"):
        assert status(site, "at-home", client=client) == 200
    assert noted(site) == []


def test_a_reader_that_had_come_far_and_begins_anew_is_told_of_once_a_day(site: Site) -> None:
    siem = site.collection(Kind.SIEM)
    items = site.shelf.add(siem, *map(stix, range(6)))
    following = poll(site, limit="3")
    poll(site, next=following)
    noted(site)
    use = site.database.read_now(lambda c: consumers.uses(c, SIEM))[0]
    assert (use.collection, use.delivered, use.cursor_us) == (siem.id, 6, items[5].date_us)
    poll(site, next=following)  # a killed reader asks for its page again
    site.get(f"{site.objects(siem)}{items[0].stix_id}/")  # and one looks a single object up
    poll(site, added_after="2099-01-01T00:00:00Z")
    assert noted(site) == []
    poll(site, limit="3")
    assert [what for what, _ in noted(site)] == ["consumer-restarted"]
    poll(site)
    poll(site, added_after="1970-01-01T00:00:00Z")
    assert noted(site) == []
    site.clock.advance(timedelta(days=1).total_seconds())
    poll(site)
    assert [what for what, _ in noted(site)] == ["consumer-restarted"]


def test_a_reader_that_begins_anew_is_told_of_though_the_oldest_object_has_a_newer_version(site: Site) -> None:
    siem = site.collection(Kind.SIEM)
    site.shelf.add(siem, *map(stix, range(4)))
    poll(site)
    noted(site)
    site.shelf.add(siem, stix(0, version=1))
    poll(site)
    assert [what for what, _ in noted(site)] == ["consumer-restarted"]


def test_a_manifest_and_a_look_at_the_collections_deliver_nothing(site: Site) -> None:
    siem = site.collection(Kind.SIEM)
    site.shelf.add(siem, stix(1))
    site.get(f"{ROOT_PATH}collections/{siem.id}/manifest/")
    site.get(f"{ROOT_PATH}collections/")
    noted(site)
    assert [use.delivered for use in site.database.read_now(lambda c: consumers.uses(c, SIEM))] == [0]


def test_a_network_is_an_address_of_its_consumer() -> None:
    one = Consumer(name="x", member="beanr", created_ms=0, expires_ms=1, networks=networks_from(["10.0.0.0/8"]))
    assert one.welcomes(ipaddress.ip_address("10.9.9.9"))
    assert not one.welcomes(ipaddress.ip_address("::1"))
