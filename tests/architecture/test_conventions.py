"""Habits that a machine can check: docstrings, error names, how tests wait and fake."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from typing import TYPE_CHECKING

import pytest

from port2port.errors import Port2PortError
from tests.fakes.checkout import PACKAGES, parsed, python_files, relative

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TESTS = python_files("tests")


def _public(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in parsed(path).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node


def test_every_module_says_what_it_is_for() -> None:
    files = [path for path in python_files(*PACKAGES) if path.read_text(encoding="utf-8").strip()]
    assert [relative(path) for path in files if not ast.get_docstring(parsed(path))] == []


def test_every_public_name_of_the_kernel_has_a_docstring() -> None:
    bare = [
        f"{relative(path)}:{node.lineno} {node.name}"
        for path in python_files("port2port")
        for node in _public(path)
        if not ast.get_docstring(node)
    ]
    assert bare == []


def _imported(tree: ast.Module) -> set[str]:
    """Full names of everything imported, as in ``time.sleep`` and ``unittest.mock``."""
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _attributes(tree: ast.Module) -> set[str]:
    return {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize("banned", ["time.sleep", "unittest.mock", "mock", "pytest_mock"])
def test_tests_neither_sleep_nor_mock(banned: str) -> None:
    assert [relative(path) for path in _TESTS if banned in _imported(parsed(path)) | _attributes(parsed(path))] == []


def test_property_tests_draw_fewer_examples_in_the_quick_suite() -> None:
    """Every number of examples goes through ``tests.fakes.examples.many``, so that ``make test`` stays quick."""
    fixed = [
        f"{relative(path)}:{node.value.lineno}"
        for path in _TESTS
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.keyword) and node.arg == "max_examples" and isinstance(node.value, ast.Constant)
    ]
    assert fixed == []


def _all_errors() -> list[type[Port2PortError]]:
    """Every class of the tree, after importing all modules but programs and migration scripts."""
    for name in PACKAGES:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not re.search(r"\.(__main__|migrations|v1)(\.|$)", module.name):
                importlib.import_module(module.name)
    found = [Port2PortError]
    for error in found:
        found.extend(error.__subclasses__())
    return sorted({error for error in found if error.__module__.split(".")[0] in PACKAGES}, key=str)


def test_every_error_has_a_code_of_its_own() -> None:
    by_code: dict[str, list[str]] = {}
    for error in _all_errors():
        by_code.setdefault(str(error.__dict__.get("code", "(inherited)")), []).append(error.__qualname__)
    assert {code: names for code, names in by_code.items() if len(names) > 1 or code == "(inherited)"} == {}


def test_every_error_is_named_and_coded_in_one_form() -> None:
    errors = _all_errors()
    assert [error.__qualname__ for error in errors if not error.__name__.endswith("Error")] == []
    assert [error.code for error in errors if not re.fullmatch(r"[A-Z][A-Z0-9_]*", error.code)] == []
    assert [error.__qualname__ for error in errors if not error.__doc__] == []


def test_every_exception_we_define_is_in_the_tree() -> None:
    """A class whose name ends in Error, or that derives from an exception, descends from ours."""
    known = {error.__name__ for error in _all_errors()}
    strays = [
        f"{relative(path)}:{node.lineno} {node.name}"
        for path in python_files(*PACKAGES)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef) and node.name.endswith(("Error", "Exception")) and node.name not in known
    ]
    assert strays == []
