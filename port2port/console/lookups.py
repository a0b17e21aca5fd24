"""Look-ups: who opened or searched what leaves an audit row, also where nothing was found and who may not know it.

A console says in one table which of its routes look something up, and what a request asks for; every other GET only
lists. The row is written before the answer leaves: no row, no answer. A page that reads itself anew while it is open
asks the same again, so the same question of the same session within five minutes is one row.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import wraps
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from port2port.canonical import Json
from port2port.clock import to_ms
from port2port.console.app import Section
from port2port.console.people import Endpoint, signed_in
from port2port.console.signin.context import SignIn
from port2port.errors import Port2PortError

SAME_MS: Final = timedelta(minutes=5) // timedelta(milliseconds=1)
SUBJECT_CHARS: Final = 200
_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """One question: what the audit row says of it."""

    action: str
    subject: str = ""
    facts: Mapping[str, Json] = field(default_factory=dict)


Asked = Callable[[Request], Iterable[LookUp]]


class LookUps:
    """Writes the rows of one console."""

    def __init__(self, signin: SignIn) -> None:
        self._signin = signin
        self._written: OrderedDict[tuple[str, str, str, str], int] = OrderedDict()

    def section(self, section: Section, table: Mapping[str, Asked]) -> Section:
        """A section whose routes write the rows of ``table``, which is by path."""
        return replace(section, routes=tuple(self._route(one, table) for one in section.routes))

    def _route(self, route: BaseRoute, table: Mapping[str, Asked]) -> BaseRoute:
        if not isinstance(route, Route) or route.path not in table or "GET" not in (route.methods or ()):
            return route
        guarded = self._guarded(route.endpoint, table[route.path])
        return Route(route.path, guarded, methods=[*(route.methods or ())], name=route.name)

    def _guarded(self, endpoint: Endpoint, asked: Asked) -> Endpoint:
        @wraps(endpoint)
        async def looked(request: Request) -> Response:
            try:
                answer = await endpoint(request)
            except (Port2PortError, HTTPException):
                await self._write(request, asked, found=False)
                raise
            await self._write(request, asked, found=answer.status_code < 400)
            return answer

        return looked

    async def _write(self, request: Request, asked: Asked, *, found: bool) -> None:
        person, now = signed_in(request), to_ms(self._signin.clock.now())
        if person is None or request.method not in {"GET", "HEAD"}:
            return
        for one in asked(request):
            subject = one.subject[:SUBJECT_CHARS]
            key = (person.session, one.action, subject, repr((sorted(one.facts.items()), found)))
            if now - self._written.get(key, -SAME_MS) < SAME_MS:
                continue
            facts = {**one.facts, "found": found}
            await self._signin.write(
                lambda c, one=one, subject=subject, facts=facts: self._signin.note(  # type: ignore[misc]  # defaults bind
                    c, request, one.action, subject, **facts
                )
            )
            self._written[key] = now
            self._written.move_to_end(key)
            if len(self._written) > _REMEMBERED:
                self._written.popitem(last=False)


def by_path(action: str, *names: str) -> Asked:
    """The look-up of what parameters of the path name."""

    def asked(request: Request) -> Iterable[LookUp]:
        return (LookUp(action=action, subject="/".join(str(request.path_params[name]) for name in names)),)

    return asked
