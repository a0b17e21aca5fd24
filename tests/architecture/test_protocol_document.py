"""docs/protocol.md says what the code does: limits, steps, kinds, statuses, codes, operations and the example."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import pkgutil
import re
from typing import TYPE_CHECKING

from port2port import roster, statement, verify, wire
from port2port.errors import Port2PortError
from port2port.limits import LIMITS, QUOTA, Limits, MemberQuota
from tests.fakes.checkout import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

# What only programs on one machine meet: it never travels.
LOCAL = frozenset({"STAGE"})
PATH = REPOSITORY / "docs" / "protocol.md"
TEXT = PATH.read_text(encoding="utf-8") if PATH.exists() else ""


def limit_rows(table: Limits | MemberQuota) -> list[str]:
    return [f"| `{name}` | {value:,} |" for name, value in dataclasses.asdict(table).items()]


def status_rows() -> list[str]:
    return [f"| `{error.__name__}` | {status} |" for error, status in wire.STATUS.items()]


def code_rows() -> list[str]:
    rows = set()
    for error in _errors():
        again = "yes" if error.retryable else "no"
        rows.add(f"| `{error.code}` | {wire.status_of(error.__new__(error))} | {again} |")
    return sorted(rows)


def _errors() -> Iterator[type[Port2PortError]]:
    for name in ("port2port", "hub"):
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not re.search(r"\.(__main__|migrations|v1)(\.|$)", module.name):
                importlib.import_module(module.name)
    found = [Port2PortError]
    for error in found:
        found.extend(error.__subclasses__())
    for error in dict.fromkeys(found):
        if error.__module__.split(".")[0] in {"port2port", "hub"} and error.code not in LOCAL:
            yield error


def _section(title: str) -> list[str]:
    """The lines of the section whose heading ends so."""
    return re.split(r"^## ", TEXT.split(f" {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0].splitlines()


def _rows(title: str, pattern: str) -> list[str]:
    return [line for line in _section(title) if re.match(pattern, line)]


def test_every_limit_stands_in_the_table_with_its_value() -> None:
    rows = _rows("Limits", r"\| `")
    assert rows == limit_rows(LIMITS) + limit_rows(QUOTA)


def test_every_family_of_errors_has_its_status() -> None:
    assert _rows("Errors", r"\| `[A-Z]\w*Error` \|") == status_rows()


def test_the_list_of_codes_is_closed() -> None:
    """Paste what is missing; what is gone must stay, with a word on since when it is not sent any more."""
    assert _rows("Errors", r"\| `[A-Z0-9_]+` \|") == code_rows()


def test_every_step_stands_in_the_table_with_codes_that_exist() -> None:
    rows = [re.split(r" *\| *", row) for row in _rows("The twenty steps", r"\| \d")]
    assert [(int(row[1]), row[2]) for row in rows] == [(step.number, step.name) for step in verify.STEPS]
    codes = {error.code for error in _errors()}
    assert {code for row in rows for code in row[4].split(", ")} <= codes


def test_every_kind_stands_in_the_table_with_its_number() -> None:
    rows = [re.match(r"\| (\d+) \| `([a-z-]+)` \| (federation|member) \|", row) for row in _rows("Kinds", r"\| \d")]
    assert {row[2]: int(row[1]) for row in rows if row} == dict(statement.KIND_NUMBERS)


def test_every_field_of_a_statement_is_described() -> None:
    named = [re.match(r"\| `(\w+)` \|", row) for row in _rows("Statement", r"\| `")]
    assert {row[1] for row in named if row} == set(statement._FIELDS)


def test_every_purpose_and_handling_is_listed() -> None:
    text = "\n".join(_section("Statement"))
    assert [word for word in (*statement.PURPOSES, *statement.HANDLINGS) if f"`{word}`" not in text] == []


def test_every_roster_operation_is_described_with_its_fields() -> None:
    lines = _rows("Trust", r"\| `[a-z-]+`")
    described = {op: line for line in lines for op in re.findall(r"`([a-z-]+)`", line.split("|")[1])}
    assert set(described) == set(roster.OPS)
    for op, function in roster.OPS.items():
        source = inspect.getsource(function)
        match = re.search(r"\bexactly\(op, ([^)]*)\)", source)
        assert match, op
        fields = re.findall(r'"(\w+)"', match[1])
        assert [field for field in fields if f"`{field}`" not in described[op]] == [], op


def test_the_example_is_that_of_the_vectors() -> None:
    vectors = (REPOSITORY / "tests" / "vectors" / "trust.json").read_text(encoding="utf-8")
    found = re.findall(r"```hex\n([0-9a-f]+)\n```", TEXT)
    assert len(found) == 4
    assert [text for text in found if f'"{text}"' not in vectors] == []
    (note,) = re.findall(r"```note\n(.*?)\n```", TEXT, re.DOTALL)
    assert json.loads(vectors)["checkpoint"] == f"{note}\n"
