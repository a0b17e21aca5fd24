"""Whether a domain name is made to be taken for one of ours.

``names`` reads a name: its registered part, what it looks like to a reader. ``engine`` compares it with what is ours,
by rules, and by a table of misspellings that ``permutations`` has made in a process of its own. All offline.
"""

from __future__ import annotations

from node.lookalikes.engine import Lookalike, LookalikeEngine, Ours, Rule
from node.lookalikes.names import Name, Suffixes, skeleton
from node.lookalikes.permutations import PermutationError, permutations

__all__ = [
    "Lookalike",
    "LookalikeEngine",
    "Name",
    "Ours",
    "PermutationError",
    "Rule",
    "Suffixes",
    "permutations",
    "skeleton",
]
