"""An answer is worked out once for those who may share it, and for nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from pathlib import Path

import pytest

from hub.console.shared_answers import SharedAnswers
from port2port.console.roles import Role
from port2port.errors import NotFoundError
from port2port.tlp import Tlp
from tests.fakes.federation import Federation
from tests.fakes.picture_console import PictureConsole, picture_console

PIECES = ("/picture/strip", "/picture/feed", "/picture/drawn", "/picture/spill-over")


class Work:
    """Counts how often it is done; goes on when told to."""

    def __init__(self) -> None:
        self.begun = 0
        self.go_on = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        await self.go_on.wait()
        return self.begun


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_who_comes_while_it_is_worked_out_waits_for_the_same_answer() -> None:
    async def story() -> None:
        answers, work = SharedAnswers(), Work()
        asked = [asyncio.create_task(answers.once("a", work)) for _ in range(100)]
        await settle()
        work.go_on.set()
        assert await asyncio.gather(*asked) == [1] * 100
        assert await answers.once("b", work) == 2

    asyncio.run(story())


def test_who_hangs_up_or_fails_leaves_the_work_to_the_next() -> None:
    async def refuse() -> int:
        raise NotFoundError("no")

    async def story() -> None:
        answers, work = SharedAnswers(), Work()
        first, second = (asyncio.create_task(answers.once("a", work)) for _ in range(2))
        await settle()
        first.cancel()
        await settle()
        work.go_on.set()
        assert await second == 2
        with pytest.raises(NotFoundError):
            await answers.once("b", refuse)
        assert await answers.once("b", work) == 3

    asyncio.run(story())


def test_what_was_asked_before_somebody_acted_is_no_answer_for_who_asks_afterwards() -> None:
    async def story() -> None:
        answers, work = SharedAnswers(), Work()
        before = asyncio.create_task(answers.once("a", work))
        await settle()
        answers.forget()
        after = asyncio.create_task(answers.once("a", work))
        await settle()
        work.go_on.set()
        await asyncio.gather(before, after)
        assert work.begun == 2

    asyncio.run(story())


def test_few_answers_are_kept() -> None:
    async def story() -> None:
        answers, work = SharedAnswers(most=2), Work()
        work.go_on.set()
        for key in ("a", "b", "a", "c", "a", "b"):
            await answers.once(key, work)
        assert work.begun == 4  # c took the place of b, b that of c; a was asked again in time

    asyncio.run(story())


class Counted(SharedAnswers):
    """Remembers for which keys work was done."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[Hashable] = []

    async def once(self, key, work):  # type: ignore[no-untyped-def]
        async def noted():  # type: ignore[no-untyped-def]
            self.keys.append(key)
            return await work()

        return await super().once(key, noted)


@pytest.fixture
def console(tmp_path: Path):  # type: ignore[no-untyped-def]
    with picture_console(tmp_path, fed=Federation()) as made:
        made.context = replaced(made)
        made.desk.admit([made.desk.fed.publish("beanr"), made.desk.fed.publish("beanr", tlp=Tlp.GREEN)])
        yield made


def replaced(made: PictureConsole):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    return replace(made.context, shared=Counted())


def worked(console: PictureConsole) -> int:
    counted = console.context.shared
    assert isinstance(counted, Counted)
    return len(counted.keys)


def test_persons_of_one_member_share_what_their_pages_are_written_from(console: PictureConsole) -> None:
    one, other = console.visitor("beanr"), console.visitor("beanr")
    for piece in PIECES:
        assert one.get(piece).text == one.get(piece).text
        assert other.get(piece).status_code == 200
    assert worked(console) == len(PIECES)


@pytest.mark.parametrize(
    ("member", "role", "query"),
    [("belgg", Role.COORDINATOR, ""), ("beanr", Role.VIEWER, ""), ("beanr", Role.COORDINATOR, "?class=decision")],
    ids=["another member", "another role", "another view"],
)
def test_nothing_is_shared_beyond_member_roles_and_view(
    console: PictureConsole, member: str, role: Role, query: str
) -> None:
    one, other = console.visitor("beanr", Role.COORDINATOR), console.visitor(member, role)
    for piece in PIECES:
        assert one.get(piece).status_code == other.get(piece + query).status_code == 200
    assert worked(console) == 2 * len(PIECES)


def test_each_person_reads_in_his_language(console: PictureConsole) -> None:
    one, other = console.visitor("beanr"), console.visitor("beanr")
    other.client.headers["accept-language"] = "nl"
    assert "Nothing" not in other.get("/picture/spill-over").text
    assert one.get("/picture/feed").text != other.get("/picture/feed").text


def test_an_entry_and_a_deed_and_a_second_make_answers_anew(console: PictureConsole) -> None:
    reader = console.visitor("beanr")
    before = reader.get("/picture/feed").text
    (index,) = console.desk.admit([console.desk.fed.publish("beanr", tlp=Tlp.GREEN)])
    after = reader.get("/picture/feed").text
    assert f'data-row="{index}"' in after
    assert f'data-row="{index}"' not in before
    done = worked(console)
    reader.send("/picture/acknowledge", row=str(index))
    assert reader.get("/picture/feed").text != after
    console.desk.fed.clock.advance(1)
    reader.get("/picture/feed")
    assert worked(console) == done + 2
