"""Tells open pages that the picture grew, and who has answered: one event for each class of readers, so that nobody
hears of the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.console.asking import reader_of
from hub.console.context import PictureContext
from hub.picture import COORDINATOR, Answers, Reading, answers, catch_up, folded_to, not_seen
from hub.tables import PICTURE_ITEM, VISIBILITY
from port2port.console.people import Person
from port2port.console.roles import Role
from port2port.database import StorageError
from port2port.sharing import Outlet, member_reader, permits

logger = logging.getLogger(__name__)
TOPIC: Final = "picture"
CHANGED: Final = "changed"
ANSWERED: Final = "answered"
LOOK_S: Final = 5.0
_MOST: Final = 1_000
_AGAIN_S: Final = 1.0


async def tell(picture: PictureContext) -> None:
    """For ever: whenever the log is longer, fold it, and tell those who may read what is new."""
    told, _ = await picture.store.database.read(folded_to)
    seen = told
    while True:
        seen = await picture.feed.moved(seen)
        told = await _told(picture, told)


async def _told(picture: PictureContext, told: int) -> int:
    """Tell of everything since ``told``, as often as the database makes us try; where it ends."""
    database = picture.store.database
    while True:
        try:
            await catch_up(database)
            found = await database.read(partial(fresh, picture, told))
        except StorageError as error:
            logger.warning("the picture's readers are told later", extra={"cause": repr(error.__cause__)})
            await picture.clock.sleep(_AGAIN_S)
            continue
        if not found:
            return told
        [(told, classes)] = found
        for ident, count in classes.items():
            announce(picture, ident, count)


def fresh(picture: PictureContext, told: int, connection: Connection) -> list[tuple[int, dict[int, int]]]:
    """What was folded since ``told``: where that ends, and how many items there are of each class."""
    query = (
        sa.select(PICTURE_ITEM.c.index, PICTURE_ITEM.c.visibility)
        .where(PICTURE_ITEM.c.index >= told)
        .order_by(PICTURE_ITEM.c.index)
        .limit(_MOST)
    )
    classes: dict[int, int] = {}
    last = told - 1
    for index, ident in connection.execute(query):
        classes[ident] = classes.get(ident, 0) + 1
        last = index
    picture.audiences.load(connection, classes)
    return [(last + 1, classes)] if classes else []


def announce(picture: PictureContext, ident: int, count: int) -> None:
    """One event for the readers of a class. It says how many items are new and nothing of them."""
    picture.live.publish(TOPIC, CHANGED, {"new": count}, to=partial(may_hear, picture, ident))


def may_hear(picture: PictureContext, ident: int, person: Person) -> bool:
    """Whether a person may read the entries of a class, under the roster of now."""
    roster = picture.roster()
    if roster is None:
        return False
    audience = picture.audiences.audience(ident)
    return bool(permits(audience, reader_of(person), None, Outlet.LIVE_PAGE, roster))


# --- who has answered --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one entry that asks for action stands: what was answered, and who should have and has not."""

    answers: Answers
    late: frozenset[str]

    def changed(self, before: Standing | None) -> frozenset[str]:
        """The members of whom something else is said than before."""
        told = frozenset() if before is None else before.answers.told
        late = frozenset() if before is None else before.late
        return frozenset(member for member, _ in self.answers.told ^ told) | (self.late ^ late)


async def tell_answers(picture: PictureContext) -> None:
    """For ever: tell those who may know it that a member has answered, or should have by now. Idle without readers."""
    before: dict[int, Standing] | None = None
    while True:
        if picture.live.readers:
            found = await picture.store.database.read(partial(standing, picture))
            if before is not None:
                announce_answers(picture, before, found)
            before = found
        await picture.clock.sleep(LOOK_S)


def standing(picture: PictureContext, connection: Connection) -> dict[int, Standing]:
    """Of every entry, whoever may read it: what is told of it is limited when it is told."""
    roster = picture.roster()
    if roster is None:
        return {}
    classes = tuple(connection.execute(sa.select(VISIBILITY.c.id)).scalars())
    everything = Reading(
        reader=member_reader("", roles=frozenset({COORDINATOR})), roster=roster, classes=classes, now=picture.now
    )
    late = {one.item.index: frozenset(one.members) for one in not_seen(connection, everything, picture.audiences)}
    found = answers(connection, everything)
    picture.audiences.load(connection, {one.visibility for one in found.values()})
    return {index: Standing(answers=one, late=late.get(index, frozenset())) for index, one in found.items()}


def announce_answers(picture: PictureContext, before: Mapping[int, Standing], found: Mapping[int, Standing]) -> None:
    """One event for each entry of which something else is said now. It says nothing but to look again."""
    picture.shared.forget()
    for index, one in found.items():
        if members := one.changed(before.get(index)):
            picture.live.publish(TOPIC, ANSWERED, {}, to=partial(may_hear_answer, picture, one.answers, members))


def may_hear_answer(picture: PictureContext, asked: Answers, members: frozenset[str], person: Person) -> bool:
    """Whether a person may know what these members answered, or did not."""
    entitled = person.has(Role.COORDINATOR) or person.member == asked.issuer or person.member in members
    return entitled and may_hear(picture, asked.visibility, person)
