"""Keeping watch over the desk itself: health, what is silenced and by whom, and the audit trail."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, Final

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from node import drafts, review, store, suppressions
from node.act_store import Prepared
from node.acts import silencing
from node.alarms import Level
from node.console import excepting
from node.console.context import DeskContext
from node.console.desk_pages import READERS, asked_of, tell
from node.store import AuditLine
from port2port.clock import from_ms
from port2port.console.pages import Tab, page, wording
from port2port.console.people import current, needs
from port2port.console.roles import Role
from port2port.console.signin.context import fields, text
from port2port.console.told import told
from port2port.console.words import N_
from port2port.errors import MalformedError, NotFoundError, Port2PortError
from port2port.roster import Roster

STATUS_TAB: Final = Tab(path="/status", label=N_("Status"), icon="radio", key="u")
AUDIT_TAB: Final = Tab(path="/audit", label=N_("Audit"), icon="history", key="a", roles=frozenset({Role.AUDITOR}))
_SUBJECT_CHARS: Final = 200
_LINES: Final = 200
_MARKS: Final = {Level.OK: "ok", Level.WARNING: "late", Level.CRITICAL: "bad"}


class KeepingRoom:
    """Endpoints of status, suppressions and audit."""

    def __init__(self, desk: DeskContext) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("/status", needs()(self.status)),
            Route("/audit", needs(Role.AUDITOR)(self.audit)),
            Route("/suppressions", needs(*READERS, Role.AUDITOR)(self.suppressed)),
            Route("/suppressions/end", needs(Role.APPROVER)(self.end), methods=["POST"]),
            Route("/suppressions/except", needs(Role.APPROVER)(self.except_value), methods=["POST"]),
        ]

    async def status(self, request: Request) -> Response:
        """Connected or since when not, what waits, how old the picture is, what runs out."""
        found = await asyncio.to_thread(self._desk.status)
        return page(request, "node/status.html", status_=found, marks=_MARKS)

    async def audit(self, request: Request) -> Response:
        """The newest lines of the trail, each signature checked again."""
        subject = request.query_params.get("subject", "").strip()[:_SUBJECT_CHARS]
        roster = self._desk.roster()

        def action(connection: Connection) -> list[tuple[AuditLine, str]]:
            lines = store.audit_lines(connection, subject=subject or None, limit=_LINES)
            return [(line, _checked(line, roster)) for line in lines]

        lines = await self._desk.store.read(action)
        return page(request, "node/audit.html", lines=lines, subject=subject, at=from_ms)

    async def suppressed(self, request: Request) -> Response:
        """Everything that silences, with owner, reason and end."""
        return await self._list(request)

    async def end(self, request: Request) -> Response:
        """Prepare ending one before its time; signing is the next page."""
        desk = self._desk
        async with request.form() as form:
            ident, reason = str(form.get("id", "")), str(form.get("reason", "")).strip()

        def action(connection: Connection) -> Prepared:
            act = silencing.end(connection, desk.author, asked_of(desk, request), ident, reason)
            desk.signin.note(connection, request, "act-prepared", ident, act=act.id, kind=act.kind)
            return act

        try:
            act: Prepared = await desk.store.write(action)
        except NotFoundError:
            raise
        except Port2PortError as error:
            return await self._list(request, error=error)
        tell(desk)
        return RedirectResponse(f"/acts/{act.id}", 303)

    async def except_value(self, request: Request) -> Response:
        """Prepare excepting one value from the warning lists for some days; signing is the next page."""
        desk, form = self._desk, await fields(request)
        value, days = text(form, "value").strip(), text(form, "days")
        if days not in {str(each) for each in excepting.DAYS}:
            raise MalformedError("there is no such time")

        def action(connection: Connection) -> Prepared:
            act = silencing.suppress(
                connection,
                desk.author,
                asked_of(desk, request),
                kind=suppressions.LISTED,
                what=value,
                reason=text(form, "reason").strip(),
                until=desk.now + timedelta(days=int(days)),
            )
            desk.signin.note(connection, request, "act-prepared", act.subject, act=act.id, kind=act.kind)
            return act

        try:
            act: Prepared = await desk.store.write(action)
        except Port2PortError as error:
            return await self._list(request, error=error, form=form)
        tell(desk)
        return RedirectResponse(f"/acts/{act.id}", 303)

    async def _list(
        self, request: Request, *, error: Port2PortError | None = None, form: dict[str, str] | None = None
    ) -> Response:
        desk = self._desk

        def action(connection: Connection) -> dict[str, Any]:
            found = suppressions.in_force(connection, desk.now)
            since = min((one.made_at for one in found), default=desk.now)
            return {"found": found, "silenced": drafts.suppressed_count(connection, since)}

        return page(
            request,
            "node/suppressions.html",
            status=200 if error is None else 403,
            error="" if error is None else told(error, wording(request)),
            may_decide=current(request).has(Role.APPROVER),
            form=form or {},
            days=excepting.DAYS,
            usual_days=excepting.USUAL_DAYS,
            **await desk.store.read(action),
        )


def _checked(line: AuditLine, roster: Roster | None) -> str:
    """ok, bad, or off where a line carries no officer's signature."""
    if not line.signature or roster is None:
        return "off"
    try:
        review.verify_line(line, roster)
    except Port2PortError:
        return "bad"
    return "ok"
