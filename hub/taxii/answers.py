"""What each endpoint answers (TAXII 2.1 sections 4 and 5), inside one transaction.

A request is judged in this order, so that nobody learns of anything before he is let in:
1. who asks (401, 403); 2. whether the place exists (404); 3. its method (405); 4. what may be answered (406);
5. the parameters (400); 6. the collection, which must be one of his (404) and allow it (403).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import orjson
from sqlalchemy.engine import Connection

from hub.taxii import envelope, parameters
from hub.taxii.cursor import Cursors, continued
from hub.taxii.doors import Admitted, for_collection
from hub.taxii.errors import MEDIA_TYPE, Answer, TaxiiRequestError, absent
from hub.taxii.model import Collection, Filters, Page, Position, Principal
from hub.taxii.parameters import Asked, date_text
from hub.taxii.places import ROOT_PATH, Endpoint, Place
from hub.taxii.posting import Prepared
from hub.taxii.shelf import Shelf
from port2port.limits import LIMITS

MOST_BYTES: Final = LIMITS.batch_bytes
_STIX: Final = "application/stix+json;version=2.1"
_TITLE: Final = "Port 2 Port"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What the server is, whoever asks. ``public_url`` is without a path; empty makes API roots relative."""

    shelf: Shelf
    cursors: Cursors
    federation: str
    public_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request of somebody who was let in. ``objects`` are those that were posted."""

    server: Server
    connection: Connection
    admitted: Admitted
    place: Place
    query: bytes
    now_ms: int
    objects: tuple[Prepared, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An answer, and what a consumer was given by it. ``polling`` is true for a turn through a collection, which
    holds what was added behind ``begins_us``.
    """

    answer: Answer
    collection: str = ""
    polling: bool = False
    begins_us: int = 0
    page: Page = field(default_factory=lambda: Page(items=(), more=False, end=None))


def answer(call: Call, method: str) -> Given:
    """The answer to a method that the place has. Raises errors that ``errors.message`` puts into words."""
    if method == "POST":
        return _post(call)
    return _delete(call) if method == "DELETE" else _READERS[call.place.endpoint](call)


def require_writable(call: Call) -> Collection:
    """Whether this principal may post here: asked before a byte of the content is read."""
    collection = _collection(call)
    if not collection.can_write:
        raise TaxiiRequestError("you may not write to this collection", status=403)
    return collection


def _discovery(call: Call) -> Given:
    root = call.server.public_url + ROOT_PATH
    said = {
        "title": f"{_TITLE}: {call.server.federation}",
        "description": "What the members of this federation share, for the systems of those who may read it.",
        "default": root,
        "api_roots": [root],
    }
    return _plain(said)


def _root(call: Call) -> Given:
    said = {
        "title": f"{_TITLE}: {call.server.federation}",
        "description": "The collections of this federation that you may read or write.",
        "versions": [MEDIA_TYPE],
        "max_content_length": MOST_BYTES,
    }
    return _plain(said)


def _collections(call: Call) -> Given:
    rows = [_described(item) for item in call.server.shelf.collections(call.admitted.principal)]
    return Given(answer=Answer(body=envelope.listing(rows)))


def _one_collection(call: Call) -> Given:
    return _plain(_described(_collection(call)))


def _objects(call: Call) -> Given:
    return _turned(call, parameters.OBJECTS, envelope.of_page)


def _manifest(call: Call) -> Given:
    return _turned(call, parameters.OBJECTS, envelope.manifest)


def _object(call: Call) -> Given:
    given = _turned(call, parameters.OBJECT, envelope.of_page)
    return _there(call, given)


def _versions(call: Call) -> Given:
    return _there(call, _turned(call, parameters.VERSIONS, envelope.versions))


def _status(call: Call) -> Given:
    principal = call.admitted.principal
    if not parameters.is_uuid(call.place.ident):
        raise absent()
    for collection in call.server.shelf.collections(principal):
        if collection.can_write:
            found = call.server.shelf.status(call.connection, principal, collection, call.place.ident)
            if found is not None:
                return Given(answer=Answer(body=envelope.status(found)))
    raise absent()


def _post(call: Call) -> Given:
    collection = require_writable(call)
    principal = for_collection(call.admitted.principal, collection)
    found = call.server.shelf.post(call.connection, principal, collection, call.objects, now_ms=call.now_ms)
    return Given(answer=Answer(status=202, body=envelope.status(found)), collection=collection.id)


def _delete(call: Call) -> Given:
    filters = parameters.parse(call.query, parameters.DELETED).filters
    collection = _collection(call)
    if not (collection.can_read and collection.can_write):
        raise TaxiiRequestError("you may not delete from this collection", status=403)
    principal, ident = for_collection(call.admitted.principal, collection), call.place.ident
    if not parameters.is_stix_id(ident):
        raise absent()
    if not call.server.shelf.delete(call.connection, principal, collection, ident, filters):
        raise absent()
    return Given(answer=Answer(), collection=collection.id)


_READERS: Final[Mapping[Endpoint, Callable[[Call], Given]]] = {
    Endpoint.DISCOVERY: _discovery,
    Endpoint.ROOT: _root,
    Endpoint.STATUS: _status,
    Endpoint.COLLECTIONS: _collections,
    Endpoint.COLLECTION: _one_collection,
    Endpoint.MANIFEST: _manifest,
    Endpoint.OBJECTS: _objects,
    Endpoint.OBJECT: _object,
    Endpoint.VERSIONS: _versions,
}


def _turned(call: Call, known: frozenset[str], write: Callable[[Page, str], bytes]) -> Given:
    """One page of what the place holds, with its headers."""
    asked = parameters.parse(call.query, known)
    collection = _readable(call)
    principal = for_collection(call.admitted.principal, collection)
    filters, after = _from_where(call, principal, asked)
    page = _page(call, principal, collection, filters, after=after, limit=asked.limit)
    following = ""
    if page.more and page.end is not None:
        following = call.server.cursors.write(
            principal=principal.name, place=call.place.scope, filters=filters, position=page.end
        )
    return Given(
        answer=Answer(body=write(page, following), headers=_dates(page)),
        collection=collection.id,
        polling=call.place.endpoint is Endpoint.OBJECTS and not filters.ids,
        begins_us=max(filters.added_after_us or 0, 0 if after is None else after.date_us),
        page=page,
    )


def _from_where(call: Call, principal: Principal, asked: Asked) -> tuple[Filters, Position | None]:
    if not asked.cursor:
        return asked.filters, None
    carried, after = call.server.cursors.read(asked.cursor, principal=principal.name, place=call.place.scope)
    return continued(asked.filters, carried), after


def _page(
    call: Call,
    principal: Principal,
    collection: Collection,
    filters: Filters,
    *,
    after: Position | None,
    limit: int,
) -> Page:
    shelf, place = call.server.shelf, call.place
    if place.endpoint is Endpoint.VERSIONS:
        return shelf.versions(
            call.connection, principal, collection, _stix_id(place), filters, after=after, limit=limit
        )
    if place.endpoint is Endpoint.OBJECT:
        filters = _only(_stix_id(place), filters)
    with_raw = place.endpoint is not Endpoint.MANIFEST
    return shelf.page(call.connection, principal, collection, filters, after=after, limit=limit, with_raw=with_raw)


def _there(call: Call, given: Given) -> Given:
    """An empty page of an object that is there is a page; of one that is not, it is 404."""
    if given.page.items:
        return given
    collection = _readable(call)
    principal = for_collection(call.admitted.principal, collection)
    bare = _only(_stix_id(call.place), Filters())
    shelf = call.server.shelf
    if not shelf.page(call.connection, principal, collection, bare, after=None, limit=1, with_raw=False).items:
        raise absent()
    return given


def _only(stix_id: str, filters: Filters) -> Filters:
    return Filters(
        added_after_us=filters.added_after_us,
        ids=frozenset({stix_id}),
        versions=filters.versions,
        spec_versions=filters.spec_versions,
    )


def _stix_id(place: Place) -> str:
    if not parameters.is_stix_id(place.ident):
        raise absent()
    return place.ident


def _collection(call: Call) -> Collection:
    for item in call.server.shelf.collections(call.admitted.principal):
        if item.id == call.place.collection:
            return item
    raise absent()


def _readable(call: Call) -> Collection:
    collection = _collection(call)
    if not collection.can_read:
        raise TaxiiRequestError("you may not read this collection", status=403)
    return collection


def _dates(page: Page) -> Mapping[str, str]:
    """Section 3.2: the dates of the first and the last object of the answer."""
    if not page.items:
        return {}
    dates = [item.date_us for item in page.items]
    return {
        "X-TAXII-Date-Added-First": date_text(min(dates)),
        "X-TAXII-Date-Added-Last": date_text(max(dates)),
    }


def _described(item: Collection) -> Mapping[str, object]:
    return {
        "id": item.id,
        "title": item.title,
        "description": item.description,
        "can_read": item.can_read,
        "can_write": item.can_write,
        "media_types": [_STIX],
    }


def _plain(said: Mapping[str, object]) -> Given:
    return Given(answer=Answer(body=orjson.dumps(said)))
