"""How many slips of the finger lie between two words."""

from __future__ import annotations


def edits(one: str, other: str, most: int) -> int:
    """Damerau-Levenshtein distance (each letter moved at most once), or ``most + 1`` where it is more than ``most``.

    Takes at most ``len(one) * len(other)`` steps, of words that differ in length by more than ``most`` none.
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, left in enumerate(one, start=1):
        now = [row]
        for column, right in enumerate(other, start=1):
            cost = min(last[column] + 1, now[-1] + 1, last[column - 1] + (left != right))
            swapped = row > 1 and column > 1 and left == other[column - 2] and one[row - 2] == right
            now.append(min(cost, before[column - 2] + 1) if swapped else cost)
        if min(now) > most:
            return most + 1
        before, last = last, now
    return last[-1]
