"""What the desk's pages tell each other is heard by whoever may read the page it is about, and by nobody else."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from node.console import alarm_pages, desk_pages, watch_pages
from port2port.console.people import Person, Role
from tests.fakes.desk_console import DeskConsole, desk_console
from tests.fakes.watching import wanted


@pytest.fixture
def console(tmp_path: Path) -> Iterator[DeskConsole]:
    with desk_console(tmp_path) as made:
        yield made


def person(role: Role) -> Person:
    return Person(account=role.value, pseudonym="x", member="beanr", roles=frozenset({role}), session=role.value)


def hearing(console: DeskConsole) -> list[tuple[str, set[Role]]]:
    """Each alert in the ring, and the roles that hear it."""
    ring = console.context.live._ring
    return [(one.topic, {role for role in Role if one.to is None or one.to(person(role))}) for one in ring]


def test_the_desk_and_the_alarm_are_not_heard_by_auditors_and_admins(console: DeskConsole) -> None:
    desk_pages.tell(console.context)
    alarm_pages.tell(console.context)
    at_the_desk = {Role.VIEWER, Role.OFFICER, Role.APPROVER}
    assert hearing(console) == [("desk", at_the_desk), ("alarm", at_the_desk)]


def test_the_watch_asks_nothing_while_nobody_listens_and_tells_those_who_may_watch(console: DeskConsole) -> None:
    desk, asked = console.context, []
    read = desk.store.read

    async def counted(*given: object) -> object:
        asked.append(given)
        return await read(*given)  # type: ignore[arg-type]  # whatever it was given

    async def passes(times: int) -> None:
        for _ in range(times):
            console.fed.clock.advance(2)
            for _ in range(20):
                await asyncio.sleep(0.001)

    async def story() -> None:
        object.__setattr__(desk.store, "read", counted)
        task = asyncio.create_task(watch_pages.feed(desk))
        await passes(5)
        assert asked == []
        desk.live.readers = 1
        await passes(3)
        assert asked
        assert hearing(console) == []
        await asyncio.to_thread(wanted, console.harbour, console.desk)
        await passes(3)
        assert hearing(console) == [("watch", {Role.VIEWER, Role.OFFICER, Role.APPROVER})]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(story())


@pytest.mark.parametrize("package", ["node.console", "hub.console", "port2port.console"])
def test_every_page_says_who_may_hear_what_it_tells(package: str) -> None:
    silent = []
    for path in Path(str(files(package))).rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            if call.func.attr == "publish" and ast.unparse(call.func.value).endswith("live"):
                named = {one.arg for one in call.keywords}
                silent += [] if "to" in named else [f"{path.name}:{call.lineno}"]
    assert silent == []
