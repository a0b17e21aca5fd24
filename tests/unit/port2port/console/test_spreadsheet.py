"""Tables to take away: no cell is a formula, whatever it holds."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port2port.console import spreadsheet

BEGINNINGS = ("=", "+", "-", "@", "\t", "\r", "|", "%", "\uff1d", "\uff0b")


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=1", "|calc", "\uff1d1", "\x00=1"]
)
def test_what_a_spreadsheet_would_compute_is_text(text: str) -> None:
    assert spreadsheet.cell(text).startswith("'")


@pytest.mark.parametrize(("value", "shown"), [("2026-11-22", "2026-11-22"), (-5, "-5"), (None, ""), ("a-b", "a-b")])
def test_plain_values_stay_as_they_are(value: object, shown: str) -> None:
    assert spreadsheet.cell(value) == shown


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4), max_size=4))
def test_a_table_reads_back_with_its_rows_and_no_formula(table: list[list[str]]) -> None:
    raw = spreadsheet.lines(table).decode()
    found = list(csv.reader(io.StringIO(raw, newline="")))
    assert [len(row) for row in found] == [len(row) for row in table]
    assert not any(value.lstrip().startswith(BEGINNINGS) for row in found for value in row)
