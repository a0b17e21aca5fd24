"""Look up one container, badge, vehicle or person: for a case, with a reason, never by wildcard, never unseen.

The question is posted, so that it stands in no address line or history; the audit row is written whatever is typed.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from node import lookups
from node.console import watch_view
from node.console.context import DeskContext
from node.lookups import Answer, Question
from port2port.console.app import Section
from port2port.console.audit import from_where
from port2port.console.pages import Tab, page
from port2port.console.people import current, needs
from port2port.console.roles import Role
from port2port.console.signin.context import fields
from port2port.console.words import N_

ASKS: Final = (Role.OFFICER, Role.APPROVER)
TAB: Final = Tab(path="/lookup", label=N_("Look up"), icon="search", key="f", roles=frozenset(ASKS))
KINDS: Final = {
    "container": N_("Container"),
    "badge": N_("Badge"),
    "vehicle": N_("Vehicle"),
    "person": N_("Person"),
}
NEEDS_CASE: Final = N_("Say which case this is for, and why: nothing is searched without.")
BAD_VALUE: Final = N_("This cannot be looked up: give one, in full, without wildcards and with the right check digit.")


class LookupPages:
    """Endpoints under /lookup."""

    def __init__(self, desk: DeskContext) -> None:
        self._desk = desk

    def section(self) -> Section:
        """The room."""
        asks = needs(*ASKS)
        return Section(
            name="node",
            package="node.console",
            tabs=(TAB,),
            routes=(
                Route("/lookup", asks(self.show), name="lookup"),
                Route("/lookup", asks(self.ask), methods=["POST"]),
            ),
        )

    async def show(self, request: Request) -> Response:
        """The form."""
        return self._page(request, {}, None)

    async def ask(self, request: Request) -> Response:
        """Answer one question."""
        form, desk = await fields(request), self._desk
        question = Question(
            kind=form.get("kind", ""),
            value=form.get("value", ""),
            who=current(request).pseudonym,
            case=form.get("case", ""),
            reason=form.get("reason", ""),
            where=from_where(request),
        )
        answer: Answer = await desk.store.write(lambda c: lookups.look_up(c, question, now=desk.now))
        return self._page(request, form, answer)

    def _page(self, request: Request, form: dict[str, str], answer: Answer | None) -> Response:
        roster = self._desk.roster()
        refused = ""
        if answer is not None and not answer.searched:
            refused = NEEDS_CASE if answer.text == lookups.NEEDS_CASE else BAD_VALUE
        return page(
            request,
            "node/lookup.html",
            kinds=KINDS,
            form=form,
            answer=answer,
            refused=refused,
            name=lambda member: member if roster is None else watch_view.member_name(member, roster),
        )
