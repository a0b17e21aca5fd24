"""Tells open pages that the picture grew: one event for each class of readers, so that nobody hears of the rest."""

from __future__ import annotations

import logging
from functools import partial
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.console.asking import reader_of
from hub.console.context import PictureContext
from hub.picture import catch_up, folded_to
from hub.tables import PICTURE_ITEM
from port2port.console.people import Person
from port2port.database import StorageError
from port2port.sharing import Outlet, permits

logger = logging.getLogger(__name__)
TOPIC: Final = "picture"
CHANGED: Final = "changed"
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
