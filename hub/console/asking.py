"""Reads the picture for whoever is at the screen: as his member, with his roles, and nothing beyond."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

from sqlalchemy.engine import Connection
from starlette.requests import Request

from hub.console.context import PictureContext
from hub.picture import Reading, folded_to, read_as
from port2port.canonical import Json
from port2port.console.audit import from_where
from port2port.console.people import Person, current
from port2port.sharing import Reader, member_reader

T = TypeVar("T")


def reader_of(person: Person) -> Reader:
    """The reader that stands for a person."""
    return member_reader(person.member, roles=frozenset(role.value for role in person.roles))


def reading_of(picture: PictureContext, connection: Connection, person: Person) -> Reading:
    """What a person may read now, in this transaction. Raises UnavailableError before the genesis."""
    return read_as(connection, picture.audiences, reader_of(person), picture.known_roster(), picture.now)


async def ask(picture: PictureContext, request: Request, question: Callable[[Connection, Reading], T]) -> T:
    """The answer to the person of this request, from one moment of the database."""
    person = current(request)
    return await picture.store.database.read(lambda c: question(c, reading_of(picture, c, person)))


async def ask_once(
    picture: PictureContext, request: Request, what: Hashable, question: Callable[[Connection, Reading], T]
) -> T:
    """As ``ask``, but worked out once for all who ask the same within a second. Nobody changes what he is given.

    ``what`` names the question with everything that its answer depends on besides the reader, what he may read, the
    log, and the second: an answer is shared by persons of one member and the same roles alone.
    """
    person = current(request)

    def moment(connection: Connection) -> Hashable:
        reading = reading_of(picture, connection, person)
        return reading.reader, reading.outlet, reading.classes, folded_to(connection), int(reading.now.timestamp())

    key = (what, await picture.store.database.read(moment))
    return await picture.shared.once(key, lambda: ask(picture, request, question))


async def act(
    picture: PictureContext,
    request: Request,
    action: str,
    subject: str,
    deed: Callable[[Connection, Reading], T],
    **facts: Json,
) -> T:
    """Do something for the person of this request; its audit row is written in the same transaction."""
    person, where = current(request), from_where(request)

    def change(connection: Connection) -> T:
        done = deed(connection, reading_of(picture, connection, person))
        picture.signin.audit.record(connection, person.pseudonym, action, subject, facts, where)
        return done

    try:
        return await picture.store.database.write(change)
    finally:
        picture.shared.forget()


async def looked_up(picture: PictureContext, request: Request, action: str, subject: str, **facts: Json) -> None:
    """The audit row of a look-up."""
    await act(picture, request, action, subject, lambda _connection, _reading: None, **facts)
