"""The marking table as data: five labels, six classes of outlets, one reach in each cell."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

from port2port.tlp import Tlp


class Outlet(enum.Enum):
    """Every way in which an entry, or anything computed from it, is shown."""

    FEED = "feed"
    TAXII = "taxii"
    SIEM = "siem"
    LIVE_PAGE = "live-page"
    EXPORT = "export"
    RULE_EXPORT = "rule-export"
    HOT_LIST = "hot-list"
    SEARCH = "search"
    COUNT = "count"
    MAP = "map"
    CORRELATION = "correlation"
    RECEIPT = "receipt"  # who may see who received and opened the entry
    GREEN_OUTLET = "green-outlet"  # what private parties read
    HUB_OPERATOR = "hub-operator"  # what the hub's operators can read, because delivery is not sealed yet


class OutletClass(enum.Enum):
    """Outlets that the marking table treats alike."""

    DESK = "desk"
    MACHINE = "machine"
    DERIVED = "derived"
    RECEIPT = "receipt"
    OUTSIDE = "outside"
    OPERATOR = "operator"


class Reach(enum.Enum):
    """How far a marking goes in a class of outlets: one cell of the table."""

    NOBODY = "nobody"
    ISSUER = "the issuer's own officers"
    NAMED_INSIDE = "issuer and named members, with their own systems"
    NAMED_CLIENTS = "issuer and named members, with their own systems and affiliates"
    MEMBERS = "all members, with their own systems and affiliates"
    EVERYBODY = "everybody"
    OPERATORS = "the hub's operators"


def _row(*reaches: Reach) -> Mapping[OutletClass, Reach]:
    return dict(zip(OutletClass, reaches, strict=True))


_NONE, _ISSUER, _HUB = Reach.NOBODY, Reach.ISSUER, Reach.OPERATORS
_INSIDE, _CLIENTS, _MEMBERS, _ALL = Reach.NAMED_INSIDE, Reach.NAMED_CLIENTS, Reach.MEMBERS, Reach.EVERYBODY
_GRID: Final[Mapping[Tlp, Mapping[OutletClass, Reach]]] = {
    #                      DESK      MACHINE   DERIVED   RECEIPT  OUTSIDE  OPERATOR
    Tlp.CLEAR: _row(_ALL, _ALL, _ALL, _ISSUER, _ALL, _HUB),
    Tlp.GREEN: _row(_MEMBERS, _MEMBERS, _MEMBERS, _ISSUER, _ALL, _HUB),
    Tlp.AMBER: _row(_CLIENTS, _CLIENTS, _CLIENTS, _ISSUER, _NONE, _HUB),
    Tlp.AMBER_STRICT: _row(_INSIDE, _INSIDE, _INSIDE, _ISSUER, _NONE, _HUB),
    Tlp.RED: _row(_ISSUER, _NONE, _NONE, _ISSUER, _NONE, _NONE),
}
Table = Mapping[tuple[Tlp, OutletClass], Reach]
TABLE: Final[Table] = {(tlp, cls): reach for tlp, row in _GRID.items() for cls, reach in row.items()}

CLASS_OF: Final[Mapping[Outlet, OutletClass]] = {
    Outlet.FEED: OutletClass.DESK,
    Outlet.LIVE_PAGE: OutletClass.DESK,
    Outlet.EXPORT: OutletClass.DESK,
    Outlet.TAXII: OutletClass.MACHINE,
    Outlet.SIEM: OutletClass.MACHINE,
    Outlet.RULE_EXPORT: OutletClass.MACHINE,
    Outlet.HOT_LIST: OutletClass.MACHINE,
    Outlet.SEARCH: OutletClass.DERIVED,
    Outlet.COUNT: OutletClass.DERIVED,
    Outlet.MAP: OutletClass.DERIVED,
    Outlet.CORRELATION: OutletClass.DERIVED,
    Outlet.RECEIPT: OutletClass.RECEIPT,
    Outlet.GREEN_OUTLET: OutletClass.OUTSIDE,
    Outlet.HUB_OPERATOR: OutletClass.OPERATOR,
}
