"""Indicators of other ports at a desk, and ships seen under them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from node import hits, sightings
from node.sightings import Sighter
from node.watch import Decision, Handling, Match, WatchedIndicator
from port2port.patterns import TemplateCache, compile_pattern
from port2port.tlp import Tlp
from tests.fakes.desks import B
from tests.fakes.federation import stix_id_of

if TYPE_CHECKING:
    from node.hits import Hit
    from node.indicators import Indicator
    from tests.fakes.desks import Desk, Harbour

TEMPLATES = TemplateCache()
SHIP = ("vessel:mmsi", "205123400")


def wanted(harbour: Harbour, desk: Desk, handling: str = "act", **changes: Any) -> Indicator:
    """An indicator of B on one ship that the desk has received."""
    raw = harbour.fed.indicator(B, tlp=Tlp.AMBER, **changes)
    harbour.feed.log(harbour.fed.publish(B, objects=[raw], tlp=Tlp.AMBER, groups=("seaports",), handling=handling))
    desk.pull()
    found = desk.indicator(stix_id_of(raw))
    assert found is not None
    return found


def a_hit(harbour: Harbour, desk: Desk, handling: Handling = Handling.ACT, at: datetime | None = None) -> Hit:
    """The ship of a new indicator is in view; what is told of it without an officer is told."""
    return sight(desk, wanted(harbour, desk, handling.value), handling, at=at)


def sight(
    desk: Desk,
    one: Indicator,
    handling: Handling = Handling.ACT,
    subject: tuple[str, str] = SHIP,
    at: datetime | None = None,
) -> Hit:
    """What this indicator names is in view of a desk, and what is told of it without an officer is told."""
    now, (path, value) = at or desk.fed.clock.now(), subject
    watched = WatchedIndicator(
        issuer=one.issuer,
        stix_id=one.stix_id,
        entry_index=one.index,
        pattern=compile_pattern(f"[{path} = '{value}']", TEMPLATES),
        handling=handling,
        valid_from=now,
    )
    sighter = Sighter()
    match = Match(
        indicator=watched, handling=handling, track=None, decision=Decision.SIGHT, subject=subject, observed_at=now
    )
    found = sighter.note(match, one, now)
    assert found is not None
    desk.node.store.write_now(
        lambda c: sightings.tell(c, desk.author, found, roster=desk.roster, now=now, decision=Decision.SIGHT)
    )
    return desk.node.store.read_now(lambda c: hits.get(c, str(found.sighting_id), now))
