"""Non-interference of what is posted: saved views, two checkpoints compared, proofs and tables to take away.

As in ``test_pages_tell_nothing_hidden``: two worlds whose logs differ in one entry that the reader may not read. What he
posts is the same, and so is every answer, but for hashes.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

import pytest

from port2port.console.roles import Role
from port2port.tlp import Tlp
from tests.fakes.federation import Federation
from tests.fakes.picture_console import PictureConsole, PictureVisitor, picture_console

READER = "north-sea-port"
ENTITLED = "belgg"
SHOWN, HIDDEN = 2, 3
ROLES = (Role.VIEWER, Role.COORDINATOR, Role.AUDITOR)
_HASHES = re.compile(
    r"urn:uuid:[0-9a-f-]{36}|[0-9a-f]{16,64}|(?<![\w+/])[A-Za-z0-9+/]{40,}={0,2}(?![\w+/=])|nonce=\"[^\"]*\""
)
_TOKENS = re.compile(r"value=\"[0-9a-f]{64}\"")


def world(console: PictureConsole, *, loud: bool) -> None:
    desk, fed = console.desk, console.desk.fed
    desk.admit([fed.publish("beanr", handling="call_first")])
    publish = partial(fed.publish, "beanr", tlp=Tlp.AMBER, recipients=("belgg",))
    desk.admit([publish(handling="act", objects=[fed.indicator("beanr", tlp=Tlp.AMBER)]) if loud else publish()])


def told(answer: Any) -> tuple[int, str]:
    """Status, headers that speak, and text, without hashes."""
    said = answer.headers.get("content-disposition", "") + answer.headers.get("location", "")
    return answer.status_code, said + _HASHES.sub("", _TOKENS.sub("", answer.text))


def answers(console: PictureConsole) -> dict[str, tuple[int, str]]:
    """Every answer to what a reader posts, and the pages that show it afterwards."""
    visitor, day = console.visitor(READER, *ROLES), str(console.context.now.date())
    notes = [console.context.log.checkpoint(size).note.decode() for size in (3, 4)]
    found: dict[str, tuple[int, str]] = {}
    for name, query in (("one", "text=identity"), ("hidden", f"item={HIDDEN}")):
        kept = visitor.send("/picture/views", "/", name=name, query=query)
        found[f"view {name}"] = told(kept)
    found["views"] = told(visitor.get("/"))
    found["compare"] = told(visitor.send("/log/compare", "/log/compare", first=notes[0], second=notes[1]))
    for path in ("/exports/picture", "/exports/briefing"):
        found[path] = told(visitor.send(path, "/exports", first=day, last=day, at=path))
    for index in (SHOWN, HIDDEN, 900):
        path = f"/log/{index}/download"
        found[path] = told(visitor.send(path, f"/log/{SHOWN}", at=path))
    found["bundle"] = _bundle(visitor)
    return found


def _bundle(visitor: PictureVisitor) -> tuple[int, str]:
    """Of the shown entry: all that it holds beside proofs, which follow from the leaves."""
    answer = visitor.get(f"/log/{SHOWN}/bundle")
    held = json.loads(answer.text)
    kept = [(part["index"], part["received_ms"], len(part["path"])) for part in (held["entry"], *held["control"])]
    return answer.status_code, str(kept)


def picture_of(console: PictureConsole, reader: str) -> tuple[int, str]:
    """The table of one who reads the other entry too."""
    day = str(console.context.now.date())
    return told(console.visitor(reader, *ROLES).send("/exports/picture", "/exports", first=day, last=day, at="/x"))


@pytest.fixture(scope="module")
def quiet_and_loud(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, tuple[int, str]]]:
    tmp_path, found = tmp_path_factory.mktemp("posts"), []
    for loud in (False, True):
        home = tmp_path / str(loud)
        home.mkdir()
        with picture_console(home, fed=Federation()) as console:
            world(console, loud=loud)
            found.append({**answers(console), ENTITLED: picture_of(console, ENTITLED)})
    return found


def test_what_is_hidden_changes_no_answer_to_what_is_posted(
    quiet_and_loud: list[dict[str, tuple[int, str]]],
) -> None:
    first, second = quiet_and_loud
    assert first.keys() == second.keys()
    for what in first.keys() - {ENTITLED}:
        assert first[what] == second[what], what


def test_everything_was_answered_as_meant(quiet_and_loud: list[dict[str, tuple[int, str]]]) -> None:
    statuses = {what: status for what, (status, _) in quiet_and_loud[0].items()}
    assert statuses[f"/log/{HIDDEN}/download"] == statuses["/log/900/download"] == 404
    assert {status for what, status in statuses.items() if "view " in what} <= {200, 303}
    assert {statuses[what] for what in ("views", "compare", "/exports/picture", "/exports/briefing", "bundle")} == {200}
    assert "one" in quiet_and_loud[0]["views"][1]


def test_a_hidden_entry_and_one_that_is_not_there_answer_alike(
    quiet_and_loud: list[dict[str, tuple[int, str]]],
) -> None:
    hidden, absent = (quiet_and_loud[1][f"/log/{index}/download"] for index in (HIDDEN, 900))
    assert hidden == (absent[0], absent[1].replace("900", str(HIDDEN)))


def test_the_walk_would_notice(quiet_and_loud: list[dict[str, tuple[int, str]]]) -> None:
    first, second = quiet_and_loud
    assert first[ENTITLED] != second[ENTITLED]
