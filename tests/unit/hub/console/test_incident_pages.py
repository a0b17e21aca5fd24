"""The incident board: opened from an entry, led by one, changed only by who saw how it stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from port2port.console.roles import Role
from port2port.tlp import Tlp
from tests.fakes.picture_console import PictureConsole, PictureVisitor, picture_console


@pytest.fixture
def console(tmp_path: Path) -> Iterator[PictureConsole]:
    with picture_console(tmp_path) as made:
        yield made


def opened(console: PictureConsole, visitor: PictureVisitor, **more: object) -> str:
    (index,) = console.desk.admit([console.desk.fed.publish("beanr", handling="act", **more)])
    answer = visitor.send("/incidents", f"/?item={index}", row=str(index))
    assert answer.status_code == 303
    return str(answer.headers["location"])


def test_an_incident_is_opened_from_an_entry_and_stands_on_the_board(console: PictureConsole) -> None:
    visitor = console.visitor()
    where = opened(console, visitor)
    board = visitor.get("/incidents").text
    assert where in board
    assert "cloned identity" in board
    assert "Take on" in board


def test_an_incident_goes_through_its_states_to_an_outcome(console: PictureConsole) -> None:
    visitor = console.visitor()
    where = opened(console, visitor)
    steps: list[tuple[str, dict[str, str]]] = [
        ("advance", {"state": "acknowledged"}),
        ("note", {"note": "quay 9 is closed"}),
        ("significant", {"reason": "gates stood open"}),
        ("reported", {"clock": "nis2-warning", "reference": "CCB-12"}),
        ("advance", {"state": "contained"}),
        ("advance", {"state": "closed", "outcome": "true-positive"}),
    ]
    for version, (deed, given) in enumerate(steps, start=1):
        answer = visitor.send(f"{where}/{deed}", where, version=str(version), **given)
        assert answer.status_code == 303, (deed, answer.text)
    text = visitor.get(where).text
    assert "It was real" in text
    assert "quay 9 is closed" in text
    assert where not in visitor.get("/incidents").text
    assert where in visitor.get("/incidents?closed=yes").text


def test_who_was_overtaken_sees_how_it_stands_and_nothing_is_done(console: PictureConsole) -> None:
    visitor = console.visitor()
    where = opened(console, visitor)
    visitor.send(f"{where}/note", where, version="1", note="first")
    answer = visitor.send(f"{where}/advance", where, version="1", state="contained")
    assert answer.status_code == 409
    assert "Nothing was done." in answer.text
    assert "Contained</dd>" not in answer.text


def test_the_lead_changes_hands_only_when_it_is_taken(console: PictureConsole) -> None:
    first, second = console.visitor(), console.visitor("beanr", Role.OFFICER)
    where = opened(console, first)
    refused = second.send(f"{where}/lead", where, version="1")
    assert refused.status_code == 409
    assert first.send(f"{where}/offer", where, version="1", to="beanr").status_code == 409
    first.send(f"{where}/offer", where, version="1", to="beanr/beanr-of")
    assert "Take the lead" in second.get(where).text
    second.send(f"{where}/lead", where, version="2")
    assert "beanr/beanr-of</bdi></dd>" in second.get(where).text


def test_entries_are_added_and_taken_out_and_incidents_merged(console: PictureConsole) -> None:
    visitor = console.visitor()
    where, other = opened(console, visitor), opened(console, visitor)
    (more,) = console.desk.admit([console.desk.fed.publish("beanr")])
    visitor.send(f"{where}/link", where, version="1", row=str(more))
    assert f'data-row="{more}"' in visitor.get(where).text
    visitor.send(f"{where}/unlink", where, version="2", row=str(more), reason="another quay")
    assert f'data-row="{more}"' not in visitor.get(where).text
    visitor.send(f"{where}/merge", where, version="3", into=other.rpartition("/")[2])
    assert "part of another</span>" in visitor.get(where).text
    visitor.send(f"{where}/unmerge", where, version="4")
    assert "part of another</span>" not in visitor.get(where).text


def test_an_incident_about_a_hidden_entry_is_not_there(console: PictureConsole) -> None:
    where = opened(console, console.visitor(), tlp=Tlp.AMBER, recipients=("belgg",))
    outside = console.visitor("north-sea-port")
    assert outside.get(where).status_code == 404
    assert where not in outside.get("/incidents").text
    assert outside.send(f"{where}/note", "/", version="1", note="x").status_code == 404


def test_who_only_reads_changes_nothing(console: PictureConsole) -> None:
    where = opened(console, console.visitor())
    reader = console.visitor("beanr", Role.VIEWER)
    assert "<form" not in reader.get(where).text.split("<main")[1].split("</main>")[0]
    assert reader.send(f"{where}/note", "/", version="1", note="x").status_code == 404
    assert console.visitor("beanr", Role.ADMIN).get("/incidents").status_code == 404
    assert console.stranger().get("/incidents").headers["location"].startswith("/sign-in")
