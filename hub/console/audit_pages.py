"""The hub's own trail, for its operator's auditors and admins: who did or looked up what, when, and from where.

It names the persons of every member and what they searched for, so that no other member's auditor reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub import desk_members as read
from hub.console.asking import ask, looked_up
from hub.console.context import PictureContext
from hub.desk_members import AuditRow
from port2port.console.app import Section
from port2port.console.pages import Tab, page
from port2port.console.people import needs, of_member
from port2port.console.roles import Role
from port2port.console.words import N_
from port2port.errors import MalformedError

READS: Final = (Role.AUDITOR, Role.ADMIN)
TAB: Final = Tab(path="/audit", label=N_("Audit"), icon="clipboard", key="u", roles=frozenset(READS))
_NAMED: Final = frozenset({"who", "subject", "from"})
_WORD_CHARS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row as it is shown; ``more`` are its other facts in words."""

    at: datetime
    event: str
    member: str
    who: str
    subject: str
    where: str
    more: str


class AuditPages:
    """Endpoints under /audit."""

    def __init__(self, picture: PictureContext) -> None:
        self._picture = picture

    def section(self) -> Section:
        """The room."""
        reads, ours = needs(*READS), of_member(self._picture.signin.member)
        return Section(
            name="hub",
            package="hub.console",
            tabs=(replace(TAB, member=self._picture.signin.member),),
            routes=(Route("/audit", reads(ours(self.show)), name="audit"),),
        )

    async def show(self, request: Request) -> Response:
        """The newest rows, or those of one event or member. Looking is a row too."""
        given = {name: request.query_params.get(name, "").strip() for name in ("event", "member")}
        if any(len(value) > _WORD_CHARS for value in given.values()):
            raise MalformedError("what to look for is too long")
        event, member = given["event"], given["member"]
        rows = await ask(self._picture, request, lambda c, _: read.audit_trail(c, member=member, event=event))
        await looked_up(self._picture, request, "audit.read", member, event=event)
        return page(request, "hub/audit.html", lines=[line(row) for row in rows], given=given)


def line(row: AuditRow) -> Line:
    """A row of the trail in words."""
    facts = row.facts
    more = ", ".join(f"{name} {facts[name]}" for name in sorted(facts) if name not in _NAMED and facts[name] != "")
    return Line(
        at=row.at,
        event=row.event,
        member=row.member or "",
        who=str(facts.get("who", "")),
        subject=str(facts.get("subject", "")),
        where=str(facts.get("from", "")),
        more=more,
    )
