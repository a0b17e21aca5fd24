"""The tables that walks go over hold every route that the consoles serve, and each example answers as it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from tests.fakes.busy_consoles import EVERYTHING, busy_desk, busy_hub
from tests.fakes.desk_console import desk_console
from tests.fakes.picture_console import picture_console
from tests.fakes.routes import DESK, HUB, Kind, Known

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def served(app: Any) -> list[str]:
    """Every path that is read."""
    return sorted(one.path for one in app.routes if isinstance(one, Route) and "GET" in (one.methods or ()))


def kind_of(answer: Any) -> Kind | None:
    """What an answer is."""
    if answer.status_code != 200:
        return Kind.ABSENT if answer.status_code == 404 else None
    if "html" not in answer.headers["content-type"]:
        return Kind.FILE
    return Kind.PAGE if "<html" in answer.text else Kind.PIECE


def wrong(visitor: Any, stranger: Any, table: tuple[Known, ...], values: Mapping[str, str]) -> dict[str, Kind | None]:
    """The examples that do not answer as their row says."""
    found = {}
    for one in table:
        if one.kind is Kind.STREAM or one.path.startswith("/static/"):
            continue
        who, wanted = (stranger, Kind.PAGE) if one.kind is Kind.DOOR else (visitor, one.kind)
        for address in one.addresses(values):
            given = kind_of(who.get(address))
            if given is not wanted:
                found[address] = given
    return found


def test_every_route_of_the_desk_is_in_the_table_and_its_example_answers(tmp_path: Path) -> None:
    with desk_console(tmp_path) as console:
        assert served(console.app) == sorted(one.path for one in DESK)
        visitor = console.visitor("o1", *EVERYTHING)
        assert wrong(visitor, console.stranger(), DESK, busy_desk(console)) == {}


def test_every_route_of_the_hub_is_in_the_table_and_its_example_answers(tmp_path: Path) -> None:
    with picture_console(tmp_path) as console:
        assert served(console.app) == sorted(one.path for one in HUB)
        values = busy_hub(console)
        assert wrong(console.visitor("beanr", *EVERYTHING), console.stranger(), HUB, values) == {}
