"""Lists are read once, a bad one never takes the others with it, and an interrupted import goes on where it was."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.warning_lists import building
from node.warning_lists.building import build, clean, sources
from node.warning_lists.index import Index
from node.warning_lists.lists import WarningList, WarningListError, parse
from port2port.errors import ConfigurationError
from port2port.observables import guess
from tests.fakes.warning_lists import a_list, built_in, write_lists


def quiet(_done: int, _total: int, _name: str) -> None:
    return


def test_the_same_lists_make_the_same_file(tmp_path: Path) -> None:
    assert built_in(tmp_path / "a").digest == built_in(tmp_path / "b").digest


def test_a_kill_in_the_middle_loses_nothing_that_was_read(tmp_path: Path) -> None:
    whole = built_in(tmp_path / "whole")
    files, home = sources([write_lists(tmp_path / "given")]), tmp_path / "home"
    done = 0

    def dies(_done: int, _total: int, _name: str) -> None:
        nonlocal done
        done += 1
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(files, home, dies)
    assert not list(home.glob("*.idx"))
    again = build(files, home, quiet)
    assert (again.reused, again.digest) == (3, whole.digest)


def test_a_part_that_is_not_whole_is_read_again(tmp_path: Path) -> None:
    whole = built_in(tmp_path)
    for part in (tmp_path / "warning-lists").glob("*.part*"):
        part.write_bytes(part.read_bytes()[:-1])
    again = built_in(tmp_path)
    assert (again.reused, again.digest) == (0, whole.digest)


def test_the_old_index_stands_until_the_new_one_is_in_force(tmp_path: Path) -> None:
    old = built_in(tmp_path)
    (tmp_path / "given/lists/list-0/list.json").write_text(json.dumps(a_list(list=["other.example"])))
    new = build(sources([tmp_path / "given"]), tmp_path / "warning-lists", quiet)
    with Index(old.path, old.digest) as before, Index(new.path, new.digest) as after:
        assert before.ask(guess("google.com"))
        assert not after.ask(guess("google.com"))
        clean(tmp_path / "warning-lists", new.digest)
        assert before.ask(guess("google.com"))  # whoever has it open goes on
    assert [path.name for path in (tmp_path / "warning-lists").iterdir()] == [new.path.name]


def test_a_file_that_is_no_list_is_named_and_takes_no_other_with_it(tmp_path: Path) -> None:
    given = write_lists(tmp_path / "given")
    for number, raw in enumerate(
        [b"{", b"[]", json.dumps(a_list(type="new type")).encode(), json.dumps(a_list()).encode()]
    ):
        home = given / "lists" / f"x{number}"
        home.mkdir()
        (home / "list.json").write_bytes(raw)
    made = build(sources([given]), tmp_path / "home", quiet)
    assert len(made.lists) == 7
    assert [one.why.split(",")[0] for one in made.refused] == [
        "this is not JSON",
        "a warning list is an object with a member list",
        "a warning list is of type string",
        "another file has a list of this name already",
    ]


def test_where_nothing_is_a_list_nothing_is_built(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_bytes(b"{}")
    with pytest.raises(ConfigurationError, match="none of these files"):
        build(sources([tmp_path]), tmp_path / "home", quiet)
    with pytest.raises(ConfigurationError, match="there is no warning list"):
        sources([tmp_path / "home"])
    with pytest.raises(ConfigurationError, match="there is no "):
        sources([tmp_path / "nowhere"])


def test_more_values_than_an_index_takes_are_refused_by_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "TOTAL_MOST", 8)
    made = built_in(tmp_path)
    assert {one.why for one in made.refused} == {"all lists together have at most 8 values, and there are 4096"}
    assert sum(one.entries for one in made.lists) <= 8


WRONG: list[dict[str, Any]] = [
    {"name": ""},
    {"name": "two\nlines"},
    {"name": "x" * 201},
    {"name": 5},
    {"version": "1"},
    {"version": -1},
    {"version": True},
    {"type": None},
    {"list": {}},
]


@pytest.mark.parametrize("changes", WRONG)
def test_a_list_that_says_something_impossible_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(WarningListError):
        parse(json.dumps(a_list(**changes)).encode())


def test_values_that_are_none_are_counted() -> None:
    found = parse(json.dumps(a_list(list=["a.example", 5, None, "", " ", "x" * 3_000, ["y"]])).encode())
    assert (found.values, found.refused) == (("a.example",), 6)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3)
)


@given(
    raw=st.binary(max_size=200)
    | st.fixed_dictionaries({}, optional=dict.fromkeys(a_list(), JSON)).map(lambda data: json.dumps(data).encode())
)
def test_for_any_bytes_there_is_a_list_or_our_error(raw: bytes) -> None:
    with contextlib.suppress(WarningListError):
        assert isinstance(parse(raw), WarningList)
