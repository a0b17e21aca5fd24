"""``next``: where a page ended, carried by the client and believed because we signed it (TAXII 2.1 section 3.5).

A cursor has no state here and no end: it holds the filters and the position, under HMAC-SHA-256 with the principal
and the place it is for. So it survives restarts, serves every replica, can be used twice, goes with any limit, and
leads on rightly where a client drops the filters that it began with. Another principal's, or one for another place,
is refused like one that was made up.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from hashlib import sha256
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.taxii.errors import TaxiiRequestError, bad
from hub.taxii.model import Filters, Position
from hub.taxii_tables import TAXII_SECRET
from port2port import canonical

_TAG: Final = 16
_SECRET_BYTES: Final = 32
_ZONE: Final = b"port2port taxii cursor 1\n"


def stored_key(connection: Connection) -> bytes:
    """The key of this hub's cursors, made at the first start; for a writing transaction."""
    found = connection.scalar(sa.select(TAXII_SECRET.c.secret).where(TAXII_SECRET.c.id == 0))
    if found is not None:
        return bytes(found)
    made = secrets.token_bytes(_SECRET_BYTES)
    connection.execute(TAXII_SECRET.insert(), [{"id": 0, "secret": made}])
    return made


class Cursors:
    """Writes and reads ``next`` under one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, *, principal: str, place: str, filters: Filters, position: Position) -> str:
        """For the page behind ``position``."""
        said = orjson.dumps(
            [
                *(position.date_us, position.number, filters.added_after_us),
                *(sorted(values) for values in (filters.ids, filters.types, filters.versions, filters.spec_versions)),
            ]
        )
        tagged = self._tag(principal, place, said) + said
        return base64.urlsafe_b64encode(tagged).rstrip(b"=").decode()

    def read(self, text: str, *, principal: str, place: str) -> tuple[Filters, Position]:
        """What was written for this principal and place. Raises TaxiiRequestError (400)."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise _foreign() from error
        tag, said = raw[:_TAG], raw[_TAG:]
        if not hmac.compare_digest(tag, self._tag(principal, place, said)):
            raise _foreign()
        date_us, number, added_after_us, *lists = orjson.loads(said)
        ids, types, versions, spec_versions = map(frozenset, lists)
        filters: dict[str, Any] = {"added_after_us": added_after_us, "ids": ids, "types": types}
        return (
            Filters(**filters, versions=versions, spec_versions=spec_versions),
            Position(date_us=date_us, number=number),
        )

    def _tag(self, principal: str, place: str, said: bytes) -> bytes:
        bound = canonical.dumps([principal, place]) + b"\n" + said
        return hmac.new(self._key, _ZONE + bound, sha256).digest()[:_TAG]


def continued(asked: Filters, carried: Filters) -> Filters:
    """The filters of the following page: the cursor's own. Raises TaxiiRequestError (400) where others are asked.

    Dates are not compared: clients drop ``added_after``, cut it, or move it on while they turn pages.
    """
    for now, then in (
        (asked.ids, carried.ids),
        (asked.types, carried.types),
        (asked.versions, carried.versions),
        (asked.spec_versions, carried.spec_versions),
    ):
        if now and now != then:
            raise bad("next goes with the filters that it was given for")
    return carried


def _foreign() -> TaxiiRequestError:
    return bad("this next was not given out by this server, or not for this request")
