"""Modules and functions stay small enough to be read in one go (STYLE section 2)."""

from __future__ import annotations

import ast

import pytest

from tests.fakes.checkout import PACKAGES, parsed, python_files, relative

MODULE_LINES = 500
FUNCTION_LINES = 60
COMPLEXITY = 10

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.match_case)
_FILES = python_files(*PACKAGES, "tests", "benchmarks")


def _functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, _FUNCTIONS)]


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """From the signature to the last statement, without the docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def _complexity(function: ast.AST) -> int:
    """McCabe's number: one, and one more for each branch statement; a function inside counts for itself."""
    return 1 + _branches(function)


def _branches(node: ast.AST) -> int:
    inside = [child for child in ast.iter_child_nodes(node) if not isinstance(child, _FUNCTIONS)]
    return sum(isinstance(child, _BRANCHES) + _branches(child) for child in inside)


def test_no_module_is_longer_than_the_limit() -> None:
    lengths = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in _FILES}
    assert {name: lines for name, lines in lengths.items() if lines > MODULE_LINES} == {}


def test_no_function_is_longer_than_the_limit() -> None:
    found = {
        f"{relative(path)}:{function.lineno} {function.name}": _lines(function)
        for path in _FILES
        for function in _functions(parsed(path))
    }
    assert {name: lines for name, lines in found.items() if lines > FUNCTION_LINES} == {}


def test_no_function_is_more_complex_than_the_limit() -> None:
    found = {
        f"{relative(path)}:{function.lineno} {function.name}": _complexity(function)
        for path in _FILES
        for function in _functions(parsed(path))
    }
    assert {name: score for name, score in found.items() if score > COMPLEXITY} == {}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("def f(): return 1", 1, id="straight"),
        pytest.param("def f(x):\n if x: return 1\n elif not x: return 2\n return 3", 3, id="if and elif"),
        pytest.param("def f(x):\n for y in x:\n  while y: pass", 3, id="loops"),
        pytest.param("def f(x):\n try: pass\n except OSError: pass\n except ValueError: pass", 3, id="handlers"),
        pytest.param("def f(x):\n match x:\n  case 1: pass\n  case _: pass", 3, id="match"),
        pytest.param("def f(x):\n def g():\n  if x: pass\n return g", 1, id="nested function"),
    ],
)
def test_complexity_counts_branches(source: str, expected: int) -> None:
    assert _complexity(ast.parse(source).body[0]) == expected
