"""The national picture: what the log says, as far as its reader may read it. Values and queries, no HTML.

reading = read_as(connection, audiences, member_reader("beanr", roles=...), roster, clock.now())
strip(connection, reading); feed(connection, reading, View.from_query(...)); detail(connection, reading, checks, 7)
"""

from hub.picture.detail import detail, entry_row, recipients, why_of
from hub.picture.fold import PER_FOLD, clear, fold, folded_to, rebuild
from hub.picture.keeping import catch_up, keep
from hub.picture.people import SavedViewError, acknowledge, forget_view, save_view, saved_views, undo_acknowledge
from hub.picture.provenance import FAILS, HOLDS, UNKNOWN, Checks, check, roster_before, steps_of
from hub.picture.queries import (
    counts,
    feed,
    items_at,
    level_changes,
    levels_now,
    one_item,
    sightings,
    strip,
    timeline,
    tracks,
)
from hub.picture.reading import Reading, read_as
from hub.picture.related import REASONS, related
from hub.picture.unseen import AFTER_MS, LONGEST_MS, NotSeen, answers_known, by_member, knows, not_seen, owing
from hub.picture.values import (
    CLASSES,
    DECISION,
    INFORMATION,
    SEVERITIES,
    Bar,
    Detail,
    Item,
    LevelNow,
    Line,
    Page,
    Point,
    PortTile,
    Recipient,
    Related,
    Seen,
    Track,
    Why,
)
from hub.picture.view import View, ViewError

__all__ = [
    "AFTER_MS",
    "CLASSES",
    "DECISION",
    "FAILS",
    "HOLDS",
    "INFORMATION",
    "LONGEST_MS",
    "PER_FOLD",
    "REASONS",
    "SEVERITIES",
    "UNKNOWN",
    "Bar",
    "Checks",
    "Detail",
    "Item",
    "LevelNow",
    "Line",
    "NotSeen",
    "Page",
    "Point",
    "PortTile",
    "Reading",
    "Recipient",
    "Related",
    "SavedViewError",
    "Seen",
    "Track",
    "View",
    "ViewError",
    "Why",
    "acknowledge",
    "answers_known",
    "by_member",
    "catch_up",
    "check",
    "clear",
    "counts",
    "detail",
    "entry_row",
    "feed",
    "fold",
    "folded_to",
    "forget_view",
    "items_at",
    "keep",
    "knows",
    "level_changes",
    "levels_now",
    "not_seen",
    "one_item",
    "owing",
    "read_as",
    "rebuild",
    "recipients",
    "related",
    "roster_before",
    "save_view",
    "saved_views",
    "sightings",
    "steps_of",
    "strip",
    "timeline",
    "tracks",
    "undo_acknowledge",
    "why_of",
]
