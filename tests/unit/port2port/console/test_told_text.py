"""What a stranger wrote may stand in a sentence of ours, and does not choose how long it takes to tell it."""

from __future__ import annotations

import time

from port2port.console.told import told_text
from port2port.console.words import load_words

DUTCH = load_words(["port2port.console"], ["nl"], "Europe/Brussels").of("nl")


def test_a_strangers_words_are_looked_through_once() -> None:
    told_text("this reads the sentences", DUTCH)
    hostile = "seen at x, " + "first , last , " * 65
    before = time.process_time()
    told_text(hostile, DUTCH)
    assert time.process_time() - before < 0.25, "seconds, where each separator is tried with each other"


def test_facts_are_what_stands_between_our_words() -> None:
    said = told_text("seen at BEANR, first yesterday, last today, 2 times, from its records", DUTCH)
    assert all(fact in said for fact in ("BEANR", "yesterday", "today", "2"))
    assert "from its records" not in said
