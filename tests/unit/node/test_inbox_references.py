"""A receiver refuses an object that names another's to more readers than may know, whatever the hub lets through."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from node import store
from port2port.stix import objects as stix
from port2port.tlp import Tlp
from tests.fakes.desks import A, B, C, Desk, Harbour
from tests.fakes.federation import refs_body, stix_id_of


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    made = Harbour(tmp_path)
    yield made
    made.close()


def note(harbour: Harbour, member: str, other: str, tlp: Tlp = Tlp.GREEN) -> bytes:
    fed = harbour.fed
    header = stix.Header(ident=uuid.uuid4(), issuer=fed.identity(member), created=fed.clock.now(), tlp=tlp)
    return stix.note(header, content="seen at the quay", object_refs=[other])


def secret(harbour: Harbour) -> str:
    """The id of an object of B that the seaports, of which C is none, may read."""
    raw = harbour.fed.indicator(B, tlp=Tlp.AMBER)
    harbour.feed.log(harbour.fed.publish(B, objects=[raw], tlp=Tlp.AMBER, groups=("seaports",)))
    return stix_id_of(raw)


def refused(desk: Desk) -> list[tuple[int, int, str]]:
    desk.pull()
    rows = desk.node.store.read_now(store.quarantined)
    return sorted((row["index"], row["step"], row["code"]) for row in rows)


@pytest.mark.parametrize("at_once", [True, False], ids=["in one batch", "in two batches"])
def test_what_names_anothers_object_to_too_many_is_refused_by_those_who_know_it(
    harbour: Harbour, *, at_once: bool
) -> None:
    desk, outsider = harbour.desks[B], harbour.desks[C]
    other = secret(harbour)
    if not at_once:
        assert refused(desk) == []
    index = harbour.feed.log(harbour.fed.publish(A, objects=[note(harbour, A, other)]))
    amber = note(harbour, A, other, Tlp.AMBER)
    harbour.feed.log(harbour.fed.publish(A, objects=[amber], tlp=Tlp.AMBER, groups=("seaports",)))
    assert refused(desk) == [(index, 18, "WIDER_THAN_REFERENCE")]
    assert refused(outsider) == [], "who has not read the object cannot tell"


def test_what_the_author_may_not_read_does_not_exist_for_it_and_its_own_is_its_own(harbour: Harbour) -> None:
    """Else its author would learn, from receipts that do not come, what others can read."""
    desk, other = harbour.desks[B], secret(harbour)
    harbour.feed.log(harbour.fed.publish(C, objects=[note(harbour, C, other)]))
    harbour.feed.log(harbour.fed.publish(B, objects=[note(harbour, B, other)]))
    named = harbour.fed.content(
        A, "note", objects=[note(harbour, A, other)], tlp=Tlp.GREEN, body=refs_body([(B, other)])
    )
    harbour.feed.log(named)
    assert refused(desk) == []
