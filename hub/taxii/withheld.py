"""What a consumer is not given of what its member may read: how many objects, by marking, in one collection.

Counted for the member's own people: it is computed from what that member may read, and from nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.audience import Audiences
from hub.taxii.catalogue import number_of
from hub.taxii.doors import for_collection
from hub.taxii.model import Collection, Principal
from hub.taxii_tables import TAXII_ITEM
from port2port.roster import Roster
from port2port.sharing import Outlet, member_reader


def withheld(
    connection: Connection, audiences: Audiences, roster: Roster, principal: Principal, collection: Collection
) -> Mapping[str, int]:
    """Objects by the label of their marking; markings of which none is withheld are left out."""
    member = member_reader(principal.member)
    known = audiences.readable(connection, member, Outlet.LIVE_PAGE, roster)
    as_reader = for_collection(principal, collection)
    given = audiences.readable(connection, as_reader.reader, as_reader.outlet, roster, purpose=as_reader.purpose)
    kept = sorted(set(known) - set(given))
    item = TAXII_ITEM.c
    query = (
        sa.select(item.visibility, sa.func.count())
        .where(item.collection == number_of(collection.id), item.visibility.in_(kept), item.newest == 1)
        .group_by(item.visibility)
    )
    found: Counter[str] = Counter()
    for visibility, objects in connection.execute(query):
        found[audiences.audience(visibility).marking.label] += objects
    return dict(sorted(found.items()))
