"""The same values as rows of a table, for whoever feeds something that reads no rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from node.rule_export.choosing import Ordered
from port2port.clock import to_text

TITLES: Final = ("kind", "value", "handling", "issuer", "marking", "name", "valid until", "modified", "stix id")


def rows_of(values: Sequence[Ordered]) -> Iterator[tuple[str, ...]]:
    """The titles, then one row for each value; whoever writes them keeps formulas from being obeyed."""
    yield TITLES
    for one in values:
        yield (
            one.path,
            one.value,
            one.handling,
            one.issuer,
            one.tlp.label,
            one.name,
            "" if one.valid_until is None else to_text(one.valid_until),
            to_text(one.modified),
            one.stix_id,
        )
