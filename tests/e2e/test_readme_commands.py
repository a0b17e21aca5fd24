"""Every command that the documents show is one that the programs take."""

from __future__ import annotations

import argparse
import re
import shlex
from typing import TYPE_CHECKING

import pytest

import hub.__main__ as hub_cli
import node.__main__ as node_cli
import port2port.__main__ as port2port_cli
from tests.fakes.checkout import REPOSITORY, tracked_texts

if TYPE_CHECKING:
    from collections.abc import Iterator

PARSERS = {
    "port2port": port2port_cli.build_parser,
    "port2port-hub": hub_cli.build_parser,
    "port2port-node": node_cli.build_parser,
}
_FENCE = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LEFT_OUT = "..."


class WrongCommandError(Exception):
    """A command in a document that its program does not know."""


def commands(text: str) -> Iterator[list[str]]:
    """The words of every command of ours in fenced blocks and code spans, without comments."""
    blocks = [line for block in _FENCE.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    for line in (*blocks, *_SPAN.findall(_FENCE.sub("", text))):
        first = line.strip().split(" ")[0].rsplit("/")[-1]
        if first in PARSERS and " " in line.strip():
            yield [first, *shlex.split(line, comments=True)[1:]]


def walk(words: list[str]) -> argparse.ArgumentParser:
    """The parser of the sub-command named. Raises WrongCommandError for one, or a flag, that does not exist."""
    parser = PARSERS[words[0]]()
    for word in words[1:]:
        choices = _sub_commands(parser)
        if word.startswith("-"):
            flag = word.partition("=")[0]
            if flag not in parser._option_string_actions:
                raise WrongCommandError(f"{parser.prog} has no {flag}")
        elif choices and word != _LEFT_OUT:
            if not set(word.split("|")) <= choices.keys():
                raise WrongCommandError(f"{parser.prog} has no sub-command {word}")
            parser = choices[word.split("|")[0]]
    return parser


def _sub_commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= action.choices
    return found


README = list(commands((REPOSITORY / "README.md").read_text(encoding="utf-8")))
DOCUMENTS = {name: text for name, text in tracked_texts().items() if name.endswith(".md")}


@pytest.mark.parametrize("words", README, ids=" ".join)
def test_a_command_of_the_readme_is_taken_as_it_stands(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    parser = walk(words)
    if _LEFT_OUT in words:
        return
    # The officer's table says that --config is left out there.
    known = words[1:] if "--config" in words or "--config" not in parser._option_string_actions else None
    arguments = [*words[1:], "--config", "node.toml"] if known is None else known
    try:
        PARSERS[words[0]]().parse_args(arguments)
    except SystemExit:
        pytest.fail(capsys.readouterr().err)


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_commands_in_every_document_name_sub_commands_and_flags_that_exist(name: str) -> None:
    for words in commands(DOCUMENTS[name]):
        walk(words)


def test_the_readme_shows_each_of_the_three_programs() -> None:
    assert {words[0] for words in README} == PARSERS.keys()


@pytest.mark.parametrize(
    "line", ["port2port-hub fly", "port2port verify F --hash 1", "port2port coordinator approve F --nobody"]
)
def test_what_does_not_exist_is_noticed(line: str) -> None:
    (words,) = commands(f"`{line}`")
    with pytest.raises(WrongCommandError):
        walk(words)
