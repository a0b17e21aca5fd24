"""What the architecture and the threat model point to exists, and no store is left out of the threat model."""

from __future__ import annotations

import re

import pytest

from hub.tables import HubRow
from node.tables import NodeRow
from tests.fakes.checkout import REPOSITORY

# A path in backticks, perhaps with ``::test_name`` behind it; a bare file name is a file of an operator.
_PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]*)(?:::(\w+))?`")
_DOCUMENTS = ("docs/architecture.md", "docs/threat-model.md")


def _text(document: str) -> str:
    return (REPOSITORY / document).read_text(encoding="utf-8")


@pytest.mark.parametrize("document", _DOCUMENTS)
def test_every_path_that_a_document_names_exists(document: str) -> None:
    named = _PATH.findall(_text(document))
    assert named
    assert [path for path, _ in named if not (REPOSITORY / path).exists()] == []


@pytest.mark.parametrize("document", _DOCUMENTS)
def test_every_test_that_a_document_names_exists(document: str) -> None:
    named = [(path, test) for path, test in _PATH.findall(_text(document)) if test]
    missing = [test for path, test in named if f"def {test}(" not in (REPOSITORY / path).read_text(encoding="utf-8")]
    assert missing == []


def test_every_attack_of_the_threat_model_names_the_tests_that_show_its_answer() -> None:
    section = _text("docs/threat-model.md").partition("## Attacks and answers")[2].partition("\n## ")[0]
    attacks = [row for row in section.splitlines() if row.startswith("|")][2:]
    assert len(attacks) >= 10
    assert [row for row in attacks if not _PATH.search(row.split("|")[3])] == []


@pytest.mark.parametrize(
    ("heading", "tables"),
    [("### At the hub", HubRow.metadata.tables), ("### At a node", NodeRow.metadata.tables)],
    ids=["hub", "node"],
)
def test_the_threat_model_says_of_every_table_what_who_writes_there_could_do(heading: str, tables: dict) -> None:
    section = _text("docs/threat-model.md").partition(heading)[2].partition("\n### ")[0].partition("\n## ")[0]
    assert [name for name in sorted(tables) if f"`{name}`" not in section] == []
