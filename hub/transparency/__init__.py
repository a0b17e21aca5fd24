"""The federation's transparency log: append, read as a tree, fold the roster, collect cosignatures."""

from hub.transparency.candidates import (
    Appended,
    Candidate,
    Duplicate,
    Judge,
    Leaf,
    Outcome,
    Refused,
    Tail,
    object_rows,
)
from hub.transparency.cosigning import Cosigning, WitnessError
from hub.transparency.log import Log
from hub.transparency.rosters import NO_ROSTER, RosterAt, fold_roster, next_roster
from hub.transparency.tree import LEAVES_PER_CALL, Tree, leaf_hashes, stored_root

__all__ = [
    "LEAVES_PER_CALL",
    "NO_ROSTER",
    "Appended",
    "Candidate",
    "Cosigning",
    "Duplicate",
    "Judge",
    "Leaf",
    "Log",
    "Outcome",
    "Refused",
    "RosterAt",
    "Tail",
    "Tree",
    "WitnessError",
    "fold_roster",
    "leaf_hashes",
    "next_roster",
    "object_rows",
    "stored_root",
]
