"""Match what the port sees, now and in the past, against the indicators in force; pure, and told the time."""

from node.watch.discriminate import Track, which_track
from node.watch.facts import NETWORK_TYPES, Facts, ManyFacts, ObservedFacts, facts_of_ais
from node.watch.index import Admission, Decision, Handling, Match, WatchedIndicator, WatchIndex, WatchLimits
from node.watch.past import Past, identities_of, look_back
from node.watch.window import SightingWindow, due, fold, published

__all__ = [
    "NETWORK_TYPES",
    "Admission",
    "Decision",
    "Facts",
    "Handling",
    "ManyFacts",
    "Match",
    "ObservedFacts",
    "Past",
    "SightingWindow",
    "Track",
    "WatchIndex",
    "WatchLimits",
    "WatchedIndicator",
    "due",
    "facts_of_ais",
    "fold",
    "identities_of",
    "look_back",
    "published",
    "which_track",
]
