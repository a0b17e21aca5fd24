"""Files to take away: statements with proofs for officers, the trail for auditors; each confirmed and written down.

Who exports confirms it with his passkey, or has just signed in; the audit row says what went out before the first byte
does. A file is no wider than a page: what its reader may not read is not in it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from node.console import confirming, export_view, rule_files
from node.console.context import DeskContext
from node.console.export_view import BOTH, OURS, THEIRS, Chosen, Wanted
from node.console.report_words import PURPOSES
from port2port.canonical import Json
from port2port.console import spreadsheet
from port2port.console.app import Section
from port2port.console.pages import page
from port2port.console.people import current, needs
from port2port.console.roles import Role
from port2port.console.signin.context import SignInAgainError, fields, text
from port2port.console.words import N_
from port2port.errors import TooLargeError
from port2port.sharing import member_reader

TAKES: Final = (Role.OFFICER, Role.APPROVER)
READS: Final = (*TAKES, Role.AUDITOR)
LONGEST: Final = timedelta(days=92)
WHOSE: Final = {
    BOTH: N_("published and received"),
    OURS: N_("published by this port"),
    THEIRS: N_("received from others"),
}
WRONG_DAY: Final = N_("Write a day as 2026-11-22.")
WRONG_ORDER: Final = N_("The last day comes before the first.")
TOO_LONG: Final = N_("A file covers at most 92 days.")
TOO_MUCH: Final = N_("This is too much for one file: choose a shorter period.")
NOTHING: Final = N_("There is nothing of this period that you may take away.")
AGAIN: Final = N_("Sign in again first: nothing leaves the desk on an old sign-in.")
FIRST_YEAR, LAST_YEAR = 2000, 3000
_DAY: Final = timedelta(days=1)
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class ExportRoom:
    """Endpoints under /exports."""

    def __init__(self, desk: DeskContext) -> None:
        self._desk = desk

    def section(self) -> Section:
        """The room."""
        return Section(
            name="node",
            package="node.console",
            routes=(
                Route("/exports", needs(*READS)(self.show), name="exports"),
                Route("/exports/statements", needs(*TAKES)(self.statements), methods=["POST"]),
                Route("/exports/rules", needs(*TAKES)(self.rules), methods=["POST"]),
                Route("/exports/audit", needs(Role.AUDITOR)(self.audit), methods=["POST"]),
            ),
        )

    async def show(self, request: Request) -> Response:
        """The forms."""
        return self._page(request, {})

    async def statements(self, request: Request) -> Response:
        """The ZIP of a period."""
        form, desk, person = await fields(request), self._desk, current(request)
        start, end, wrong = period(form)
        if wrong:
            return self._page(request, form, wrong, 422)
        whose, purpose = text(form, "whose"), text(form, "purpose")
        wanted = Wanted(
            start=start,
            end=end,
            whose=whose if whose in WHOSE else BOTH,
            purpose=purpose if purpose in PURPOSES else "",
        )
        reader = member_reader(desk.member, roles=frozenset(role.value for role in person.roles))
        roster = desk.known_roster()

        def action(connection: Connection) -> Chosen | None:
            key_id = confirming.require(desk, connection, request, form)
            chosen = export_view.choose(connection, reader, roster, wanted)
            count = 0 if chosen is None else len(chosen.indices)
            facts: dict[str, Json] = {**_days(form, "first", "last"), "key_id": key_id, "statements": count}
            desk.signin.note(connection, request, "export-statements", wanted.whose, purpose=wanted.purpose, **facts)
            return chosen

        try:
            chosen: Chosen | None = await desk.store.write(action)
        except SignInAgainError:
            return self._page(request, form, AGAIN, 403)
        except TooLargeError:
            return self._page(request, form, TOO_MUCH, 413)
        if chosen is None:
            return self._page(request, form, NOTHING, 404)
        name = f"{desk.member}-{text(form, 'first')}-{text(form, 'last')}-TLP-{chosen.tlp.upper()}.zip"
        return spreadsheet.download(export_view.statements(desk, chosen, wanted), name, "application/zip")

    async def rules(self, request: Request) -> Response:
        """Rules or values for machines that act, as things stand."""
        form = await fields(request)
        try:
            return await rule_files.file_of(self._desk, request, form)
        except SignInAgainError:
            return self._page(request, form, AGAIN, 403)
        except TooLargeError:
            return self._page(request, form, TOO_MUCH, 413)

    async def audit(self, request: Request) -> Response:
        """The trail of a period as a table."""
        form, desk = await fields(request), self._desk
        start, end, wrong = period(form, "since", "until")
        if wrong:
            return self._page(request, form, wrong, 422)

        def action(connection: Connection) -> None:
            key_id = confirming.require(desk, connection, request, form)
            desk.signin.note(connection, request, "export-audit", "", key_id=key_id, **_days(form, "since", "until"))

        try:
            await desk.store.write(action)
        except SignInAgainError:
            return self._page(request, form, AGAIN, 403)
        name = f"audit-{desk.member}-{text(form, 'since')}-{text(form, 'until')}.csv"
        return spreadsheet.table(export_view.audit_table(desk, start, end), name)

    def _page(self, request: Request, form: dict[str, str], wrong: str = "", status: int = 200) -> Response:
        person, today = current(request), self._desk.now.astimezone(UTC).date()
        return page(
            request,
            "node/exports.html",
            status=status,
            wrong=wrong,
            first=text(form, "first") or str(today - timedelta(days=6)),
            last=text(form, "last") or str(today),
            since=text(form, "since") or str(today - timedelta(days=6)),
            until=text(form, "until") or str(today),
            whose=WHOSE,
            chosen=text(form, "whose") or BOTH,
            purposes=PURPOSES,
            purpose=text(form, "purpose"),
            forms=rule_files.FORMS,
            ceilings=rule_files.CEILINGS,
            may_take=person.has(*TAKES),
            may_audit=person.has(Role.AUDITOR),
        )


def _days(form: dict[str, str], first: str, last: str) -> dict[str, Json]:
    return {"first": text(form, first), "last": text(form, last)}


def period(form: dict[str, str], first: str = "first", last: str = "last") -> tuple[datetime, datetime, str]:
    """From the beginning of the first day to the end of the last, in UTC, and what is wrong with them."""
    try:
        start, end = (datetime.strptime(text(form, name), "%Y-%m-%d").replace(tzinfo=UTC) for name in (first, last))
    except ValueError:
        return _NEVER, _NEVER, WRONG_DAY
    if end < start:
        return start, end, WRONG_ORDER
    if not FIRST_YEAR <= start.year <= end.year < LAST_YEAR:
        return _NEVER, _NEVER, WRONG_DAY
    if end - start >= LONGEST:
        return start, end, TOO_LONG
    return start, end + _DAY, ""
