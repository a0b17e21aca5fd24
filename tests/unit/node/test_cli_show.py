"""What a command says reaches whoever reads it, for as long as he reads."""

from __future__ import annotations

import argparse
import os
import sys

import pytest

from node.cli.desk import show


def test_who_reads_the_first_lines_only_gets_them_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8") as closed:  # noqa: PTH123 - a descriptor is no path
        monkeypatch.setattr(sys, "stdout", closed)
        show(argparse.Namespace(json=False), None, ["line"] * 100_000)
        monkeypatch.undo()
