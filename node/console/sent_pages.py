"""Sent: how far what this port said has got, member by member, and taking it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from node import act_store, explain, progress
from node.acts import preparing
from node.console import act_view
from node.console.context import DeskContext
from node.console.desk_pages import READERS, asked_of, tell
from node.progress import Progress
from port2port.console.pages import Tab, fragment, page, wording
from port2port.console.people import current, needs
from port2port.console.roles import Role
from port2port.console.told import told
from port2port.console.words import N_
from port2port.errors import ConflictError, MalformedError, NotFoundError, Port2PortError

TAB: Final = Tab(path="/sent", label=N_("Sent"), icon="send", key="s", roles=frozenset(READERS))
SENT_TOPIC: Final = "sent"
STEPS: Final[Mapping[str, str]] = {
    progress.SIGNED: N_("signed"),
    progress.STORED: N_("stored"),
    progress.SENT: N_("sent to the hub"),
    progress.ACCEPTED: N_("accepted by the hub"),
    progress.LOGGED: N_("in the log, proof checked"),
    progress.DELIVERED: N_("delivered"),
    progress.SEEN: N_("seen by an officer"),
}
STATES: Final[Mapping[str, tuple[str, str]]] = {
    "seen": ("ok", N_("seen by an officer")),
    "delivered": ("ok", N_("delivered")),
    "retracted": ("ok", N_("taken back there")),
    "unacknowledged": ("wait", N_("not acknowledged")),
    explain.NOT_ENTITLED: ("off", N_("does not read it")),
}
KINDS: Final[Mapping[str, str]] = {
    "publish": N_("Publication"),
    "report": N_("Report"),
    "retract": N_("Taken back"),
    "note": N_("Note"),
    "import": N_("Import"),
    "reshare": N_("Passed on"),
    "reaffirm": N_("Reaffirmed"),
    "level": N_("Security level"),
}


class SentRoom:
    """Endpoints under /sent."""

    def __init__(self, desk: DeskContext) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """What it answers."""
        read = needs(*READERS)
        return [
            Route("/sent", read(self.listed)),
            Route("/sent-rows", read(self.rows)),
            Route("/sent/{ident:path}", read(self.one)),
            Route("/sent-progress/{ident:path}", read(self.piece)),
            Route("/recall", needs(Role.APPROVER)(self.recall), methods=["POST"]),
        ]

    async def listed(self, request: Request) -> Response:
        """What was said last."""
        return page(request, "node/sent.html", **await self._recent())

    async def rows(self, request: Request) -> Response:
        """The list alone."""
        return fragment(request, "node/_sent.html", **await self._recent())

    async def one(self, request: Request) -> Response:
        """One thing that was said, at each of its readers."""
        return await self._page(request, request.path_params["ident"])

    async def piece(self, request: Request) -> Response:
        """The part of that page that changes."""
        return fragment(request, "node/_progress.html", **await self._facts(request.path_params["ident"]))

    async def recall(self, request: Request) -> Response:
        """Prepare taking it back; signing is the next page."""
        desk = self._desk
        async with request.form() as form:
            ident, reason = str(form.get("ident", "")).strip(), str(form.get("reason", "")).strip()
        if len(ident) > 200:
            raise MalformedError("this is no id")

        def action(connection: Connection) -> act_store.Prepared:
            act = preparing.retract(connection, desk.author, ident, reason, asked_of(desk, request))
            desk.signin.note(connection, request, "act-prepared", act.subject, act=act.id, kind=act.kind)
            return act

        try:
            act: act_store.Prepared = await desk.store.write(action)
        except NotFoundError as error:
            return await self._page(request, ident, error=error)
        except Port2PortError as error:
            return await self._page(request, ident, error=error)
        tell(desk)
        return RedirectResponse(f"/acts/{act.id}", 303)

    async def _page(self, request: Request, ident: str, *, error: Port2PortError | None = None) -> Response:
        facts = await self._facts(ident)
        status = 200 if error is None else 409 if isinstance(error, ConflictError) else 403
        return page(
            request,
            "node/sent_one.html",
            status=status,
            error="" if error is None else told(error, wording(request)),
            may_decide=current(request).has(Role.APPROVER),
            **facts,
        )

    async def _recent(self) -> dict[str, Any]:
        desk = self._desk
        roster = desk.known_roster()
        said = await desk.store.read(lambda c: progress.recent(c, desk.member, roster))
        return {"said": said, "steps": STEPS, "kinds": KINDS}

    async def _facts(self, ident: str) -> dict[str, Any]:
        desk = self._desk
        roster = desk.known_roster()

        def action(connection: Connection) -> dict[str, Any]:
            said = _all_about(connection, desk, ident)
            told = {one.statement_id: one for one in explain.explain(connection, desk.member, ident, roster)}
            return {"said": said, "told": told, "acts": act_store.about(connection, ident.upper())}

        facts = await desk.store.read(action)
        if not facts["said"]:
            raise NotFoundError("this port has said nothing of this id")
        taken_back = any(one.kind == "retract" and not one.refused for one in facts["said"])
        return {
            **facts,
            "ident": ident,
            "steps": STEPS,
            "states": STATES,
            "kinds": KINDS,
            "act_kinds": act_view.KINDS,
            "taken_back": taken_back,
        }


def _all_about(connection: Connection, desk: DeskContext, ident: str) -> list[Progress]:
    """What was said under an id, and what was said later about the same objects: that it is taken back."""
    roster = desk.known_roster()
    objects = {ref.id for own in explain.find_own(connection, ident) for ref in own.statement.objects}
    found: dict[str, Progress] = {}
    for one in (ident, *sorted(objects)):
        for item in progress.progress(connection, desk.member, one, roster):
            found.setdefault(item.statement_id, item)
    return [*found.values()]
