"""Who may see what: one pure function, ``permits``, asked by every outlet of node and hub."""

from port2port.sharing.preview import HUB_OPERATORS, explain, may_ask_why, no_wider_than, resolve_readers
from port2port.sharing.readers import (
    OPERATOR,
    PUBLIC,
    REAL,
    Audience,
    Reader,
    ReaderKind,
    RosterView,
    affiliate_reader,
    audience_of,
    consumer_reader,
    member_reader,
    visibility_key,
)
from port2port.sharing.realm import Name, OtherRealmError, RealmOf, nothing_known, realm_bound, require_one_realm
from port2port.sharing.reasons import Decision, Reason
from port2port.sharing.references import (
    Versions,
    VersionsOf,
    WiderError,
    named_in,
    nothing_made,
    require_named_no_wider,
    require_no_wider,
)
from port2port.sharing.rule import permits
from port2port.sharing.table import Outlet

__all__ = [
    "HUB_OPERATORS",
    "OPERATOR",
    "PUBLIC",
    "REAL",
    "Audience",
    "Decision",
    "Name",
    "OtherRealmError",
    "Outlet",
    "Reader",
    "ReaderKind",
    "RealmOf",
    "Reason",
    "RosterView",
    "Versions",
    "VersionsOf",
    "WiderError",
    "affiliate_reader",
    "audience_of",
    "consumer_reader",
    "explain",
    "may_ask_why",
    "member_reader",
    "named_in",
    "no_wider_than",
    "nothing_known",
    "nothing_made",
    "permits",
    "realm_bound",
    "require_named_no_wider",
    "require_no_wider",
    "require_one_realm",
    "resolve_readers",
    "visibility_key",
]
