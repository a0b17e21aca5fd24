"""Rules and values leave the desk as a file: what is in it, who may take it, and that it is written down first."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from suricataparser import parse_rules

from node import indicators, store
from node.indicators import REAL
from port2port.console.roles import Role
from port2port.tlp import Tlp
from tests.fakes.desk_console import DeskConsole, desk_console
from tests.fakes.desks import B
from tests.fakes.federation import stix_id_of

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = "/exports/rules"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskConsole]:
    with desk_console(tmp_path_factory.mktemp("rules")) as made:
        for pattern, tlp in (
            ("[domain-name:value = 'evil.example']", Tlp.GREEN),
            (f"[file:hashes.'SHA-256' = '{'ab' * 32}']", Tlp.GREEN),
            ("[domain-name:value = 'strict.example']", Tlp.AMBER_STRICT),
        ):
            raw = made.fed.indicator(B, tlp=tlp, pattern=pattern)
            groups = ("seaports",) if tlp is Tlp.AMBER_STRICT else ()
            made.harbour.feed.log(made.fed.publish(B, objects=[raw], tlp=tlp, groups=groups, handling="act"))
            made.harbour.pull()
            one = made.desk.indicator(stix_id_of(raw))
            assert one is not None
            key, index = (REAL, B, one.stix_id), one.index
            made.do(lambda c, k=key, i=index: indicators.note_state(c, k, "watched", index=i))
        yield made


def taken(console: DeskConsole, who: str = "o1", role: Role = Role.OFFICER, **form: str) -> Any:
    return console.visitor(who, role).send(PATH, "/exports", **{"at": PATH, **form})


def test_rules_come_with_their_list_files(console: DeskConsole) -> None:
    answer = taken(console, form="rules")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        (rules,) = [name for name in archive.namelist() if name.endswith(".rules")]
        found = parse_rules(archive.read(rules).decode())
        lists = [name for name in archive.namelist() if name.endswith(".sha256")]
    assert [rule.action for rule in found] == ["alert"] * 3
    assert len(lists) == 1


def test_the_strictest_marking_is_chosen_and_nothing_stricter_is_in_the_file(console: DeskConsole) -> None:
    assert "strict.example" not in taken(console, form="table").text
    assert "strict.example" in taken(console, form="table", ceiling="amber+strict").text
    assert "strict.example" not in taken(console, form="table", ceiling="red").text


def test_a_file_is_written_down_before_it_leaves(console: DeskConsole) -> None:
    taken(console, form="table")
    line = console.do(lambda c: store.audit_lines(c, limit=1)[0])
    facts = json.loads(line.facts)
    assert (line.officer, line.action, facts["values"], facts["ceiling"]) == ("o1", "export-values", 2, "amber")
    assert sum(facts["left_out"].values()) == 1


def test_an_old_sign_in_takes_nothing_away(console: DeskConsole) -> None:
    visitor = console.visitor("o1")
    console.fed.clock.advance(15 * 60)
    try:
        assert visitor.send(PATH, "/exports", at=PATH, form="rules").status_code == 403
    finally:
        console.fed.clock.advance(-15 * 60)


def test_it_is_for_officers(console: DeskConsole) -> None:
    assert taken(console, "a1", Role.AUDITOR, form="rules").status_code in {403, 404}
