"""The desk: what waits, one draft with all that is needed to decide on it, and the first step of each decision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from sqlalchemy.engine import Connection
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from node import act_store, desk_items, drafts, photos
from node.acts import preparing
from node.acts.asked import Asked
from node.acts.similar import similar
from node.console import act_view, desk_queue, draft_view, excepting, report_words
from node.console.context import DeskContext
from node.console.draft_view import Readers
from node.drafts import Draft
from node.photos import Kept
from node.redaction import Choices
from node.review import Choice
from port2port.console.pages import Tab, fragment, page, starts, wording
from port2port.console.people import Person, current, needs
from port2port.console.roles import Role
from port2port.console.told import told
from port2port.console.words import N_
from port2port.errors import ConflictError, MalformedError, NotFoundError, Port2PortError

READERS: Final = (Role.VIEWER, Role.OFFICER, Role.APPROVER)
TAB: Final = Tab(path="/", label=N_("Desk"), icon="clipboard", key="d", roles=frozenset(READERS))
TOPIC: Final = "desk"
MOST_ROWS: Final = 100
REJECTIONS: Final = (
    ("1", N_("False positive")),
    ("2", N_("Known work or permit")),
    ("3", N_("Exercise")),
    ("4", N_("Duplicate")),
    ("5", N_("Too little evidence")),
    ("6", N_("Not ours")),
)


VALIDITIES: Final = (
    ("", N_("as proposed")),
    ("6", N_("6 hours")),
    ("24", N_("24 hours")),
    ("72", N_("3 days")),
    ("168", N_("7 days")),
    ("720", N_("30 days")),
)


class MovedError(ConflictError):
    """What the page showed has changed since."""

    code = "MOVED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A draft with what its page shows."""

    draft: Draft
    shown: draft_view.Shown
    readers: Readers | None
    waiting: str | None
    next: desk_queue.Item | None
    why_unreadable: str = ""


class DeskRoom:
    """Endpoints of the queue and of drafts."""

    def __init__(self, desk: DeskContext) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """What it answers."""
        read, decide = needs(*READERS), needs(Role.APPROVER)
        return [
            Route("/", starts(read(self.queue))),
            Route("/queue", read(self.rows)),
            Route("/queue/seen", needs(Role.OFFICER, Role.APPROVER)(self.seen), methods=["POST"]),
            Route("/queue/reject", decide(self.reject_many), methods=["POST"]),
            Route("/drafts/{draft}", read(self.draft)),
            Route("/drafts/{draft}/take-over", decide(self.take_over), methods=["POST"]),
            Route("/drafts/{draft}/readers", decide(self.readers), methods=["POST"]),
            Route("/drafts/{draft}/publish", decide(self.publish), methods=["POST"]),
            Route("/drafts/{draft}/reject", decide(self.reject), methods=["POST"]),
        ]

    async def queue(self, request: Request) -> Response:
        """The whole desk."""
        return page(request, "node/desk.html", error="", **await self._queue_facts(request))

    async def rows(self, request: Request) -> Response:
        """The list alone, asked for whenever something changed."""
        return fragment(request, "node/_queue.html", **await self._queue_facts(request))

    async def seen(self, request: Request) -> Response:
        """Acknowledge what waits, or take that back where nobody outside was told."""
        desk, person = self._desk, current(request)
        async with request.form() as form:
            chosen = [str(value) for value in form.getlist("row")][:MOST_ROWS]
            undo = form.get("undo") == "yes"

        def action(connection: Connection) -> list[str]:
            there = {item.id: item for item in desk_queue.every(connection, desk.now)}
            done = [one for one in chosen if one in there]
            for one in done:
                if undo:
                    desk_items.take_back(connection, one, person.pseudonym, desk.now)
                else:
                    desk_items.acknowledge(connection, one, person.pseudonym, desk.now)
            desk.signin.note(connection, request, "items-unseen" if undo else "items-seen", items=[*done])
            return [one for one in done if there[one].entry is None]

        back = await desk.store.write(action)
        tell(desk)
        return RedirectResponse("/" if undo or not back else f"/?{urlencode([('row', one) for one in back])}", 303)

    async def reject_many(self, request: Request) -> Response:
        """Freeze one decision not to publish several drafts; what takes two officers is left on the desk."""
        desk = self._desk
        async with request.form() as form:
            chosen = [str(value) for value in form.getlist("row")][:MOST_ROWS]
            reason = _text(form, "reason")
        named = [one.removeprefix("draft-") for one in chosen if one.startswith("draft-")]

        def action(connection: Connection) -> tuple[act_store.Prepared, tuple[str, ...]]:
            if not named:
                raise MalformedError("only drafts are rejected: choose some of them")
            act, left = preparing.reject_drafts(connection, desk.author, named, reason, asked_of(desk, request))
            desk.signin.note(connection, request, "act-prepared", act.subject, act=act.id, kind=act.kind)
            return act, left

        try:
            act, left = await desk.store.write(action)
        except Port2PortError as error:
            facts = await self._queue_facts(request)
            return page(request, "node/desk.html", status=409, error=told(error, wording(request)), **facts)
        tell(desk)
        query = urlencode([("left", one) for one in left])
        return RedirectResponse(f"/acts/{act.id}{'?' if query else ''}{query}", 303)

    async def draft(self, request: Request) -> Response:
        """One draft."""
        return await self._draft_page(request)

    async def take_over(self, request: Request) -> Response:
        """Work on it although somebody else has it before him."""
        desk, ident, officer = self._desk, request.path_params["draft"].upper(), current(request).pseudonym

        def action(connection: Connection) -> None:
            desk_items.look(connection, f"draft-{ident}", officer, desk.now, take_over=True)
            desk.signin.note(connection, request, "take-over", ident)

        await desk.store.write(action)
        tell(desk)
        return RedirectResponse(f"/drafts/{ident}", 303)

    async def readers(self, request: Request) -> Response:
        """Who would read it as the form stands."""
        async with request.form() as form:
            choice, out = draft_view.choice_of(form, self._desk.now), draft_view.left_out(form)
        opened = await self._desk.store.read(partial(self._open, request.path_params["draft"], choice, out))
        return fragment(request, "node/_readers.html", opened=opened)

    async def publish(self, request: Request) -> Response:
        """Freeze what would be published; signing is the next page."""
        async with request.form() as form:
            try:
                choice, out = draft_view.choice_of(form, self._desk.now), draft_view.left_out(form)
                emergency = _text(form, "emergency")
            except MalformedError as error:
                return await self._draft_page(request, error=error)
            version = _text(form, "version")

        def prepare(connection: Connection, asked: Asked) -> act_store.Prepared:
            self._require_same(connection, request, version)
            self._require_somebody(connection, request, choice, out)
            return preparing.publish_draft(
                connection, self._desk.author, request.path_params["draft"], choice, asked, left_out=out
            )

        return await self._prepared(request, prepare, emergency=emergency, choice=choice, out=out)

    async def reject(self, request: Request) -> Response:
        """Freeze the decision not to publish it."""
        async with request.form() as form:
            reason = "; ".join(filter(None, (_text(form, "reason"), _text(form, "note"))))
            version = _text(form, "version")

        def prepare(connection: Connection, asked: Asked) -> act_store.Prepared:
            self._require_same(connection, request, version)
            return preparing.reject_draft(connection, self._desk.author, request.path_params["draft"], reason, asked)

        return await self._prepared(request, prepare)

    async def _prepared(
        self,
        request: Request,
        prepare: Callable[[Connection, Asked], act_store.Prepared],
        *,
        emergency: str = "",
        choice: Choice | None = None,
        out: Choices | None = None,
    ) -> Response:
        desk = self._desk

        def action(connection: Connection) -> act_store.Prepared:
            act = prepare(connection, asked_of(desk, request, emergency=emergency))
            desk.signin.note(connection, request, "act-prepared", act.subject, act=act.id, kind=act.kind)
            return act

        try:
            act: act_store.Prepared = await desk.store.write(action)
        except NotFoundError:
            raise
        except Port2PortError as error:
            return await self._draft_page(request, error=error, choice=choice, out=out)
        tell(desk)
        return RedirectResponse(f"/acts/{act.id}", 303)

    async def _draft_page(
        self,
        request: Request,
        *,
        error: Port2PortError | None = None,
        choice: Choice | None = None,
        out: Choices | None = None,
    ) -> Response:
        desk, person = self._desk, current(request)
        ident = request.path_params["draft"].upper()
        opened = await desk.store.read(partial(self._open, ident, choice or Choice(), out or Choices()))
        may = person.has(Role.APPROVER)
        look = await self._look(opened, person) if may and opened.draft.state == drafts.OPEN else None
        beside = await desk.store.read(partial(self._beside, opened.draft))
        status = 200 if error is None else 409 if isinstance(error, ConflictError) else 403
        return page(
            request,
            "node/draft.html",
            status=status,
            opened=opened,
            version=drafts.version(opened.draft),
            roster_groups=draft_view.groups_of(desk.known_roster()),
            members=self._members(),
            picked=_picked(opened.draft, choice, out or Choices(), _hours(choice, desk.now), beside["pictures"]),
            markings=[(one.value, one.label.removeprefix("TLP:")) for one in draft_view.MARKINGS],
            handlings=draft_view.HANDLINGS,
            rejections=REJECTIONS,
            validities=VALIDITIES,
            severity=desk_queue.severity_of(opened.draft),
            error="" if error is None else told(error, wording(request)),
            may_decide=may,
            look=look,
            is_mine=look is None or look.looking == person.pseudonym,
            overrides=desk.rule.overrides,
            days=excepting.DAYS,
            usual_days=excepting.USUAL_DAYS,
            purposes=report_words.PURPOSES,
            issuers=dict(self._members()),
            member=desk.member,
            **beside,
        )

    def _beside(self, draft: Draft, connection: Connection) -> dict[str, Any]:
        """Its photos, and what was said already of the same thing."""
        objects = draft.proposal.objects if draft.state == drafts.OPEN else ()
        return {
            "pictures": photos.of_draft(connection, draft.id),
            "same": similar(connection, self._desk.member, objects, self._desk.now),
            "kept": excepting.of_draft(connection, self._desk, draft),
        }

    def _open(self, ident: str, choice: Choice, out: Choices, connection: Connection) -> Opened:
        desk = self._desk
        draft = drafts.get(connection, ident)
        waiting, readers, why = act_store.waits(connection, draft.id), None, ""
        try:
            proposal = draft_view.after(draft, choice, out)
            readers = draft_view.readers(
                connection, desk.member, proposal, desk.known_roster(), usual=desk.defaults.groups, now=desk.now
            )
        except Port2PortError as error:
            why = error.text
        return Opened(
            draft=draft,
            shown=draft_view.shown(draft),
            readers=readers,
            waiting=waiting,
            next=desk_queue.following(desk_queue.load(connection, desk.now), draft.id),
            why_unreadable=why,
        )

    async def _look(self, opened: Opened, person: Person) -> desk_items.Item | None:
        """Note that this officer has it before him, or say who has; nobody where an act about it waits already."""
        now, item = self._desk.now, f"draft-{opened.draft.id}"

        def action(connection: Connection) -> desk_items.Item | None:
            try:
                return desk_items.look(connection, item, person.pseudonym, now)
            except desk_items.ItemTakenError:
                return desk_items.items(connection, now).get(item)
            except desk_items.NoItemError:
                return None

        return await self._desk.store.write(action)

    def _members(self) -> list[tuple[str, str]]:
        roster = self._desk.known_roster()
        found = [(one, roster.member_table[one].name) for one in roster.members() if one != self._desk.member]
        return sorted(found, key=lambda item: item[1])

    async def _queue_facts(self, request: Request) -> dict[str, Any]:
        queue = await self._desk.store.read(lambda c: desk_queue.load(c, self._desk.now))
        undo = request.query_params.getlist("row")[:MOST_ROWS]
        return {
            "queue": queue,
            "undo": undo,
            "may_act": current(request).has(Role.OFFICER, Role.APPROVER),
            "may_decide": current(request).has(Role.APPROVER),
            "rejections": REJECTIONS,
            "act_kinds": act_view.KINDS,
            "name_of": self._name_of,
            "now": self._desk.now,
        }

    def _name_of(self, member: str) -> str:
        roster = self._desk.roster()
        known = None if roster is None else roster.member_table.get(member)
        return member if known is None else known.name

    def _require_same(self, connection: Connection, request: Request, version: str) -> None:
        draft = drafts.get(connection, request.path_params["draft"])
        if drafts.version(draft) != version:
            raise MovedError("this draft was brought up to date since the page was opened: read it again")

    def _require_somebody(self, connection: Connection, request: Request, choice: Choice, out: Choices) -> None:
        opened = self._open(request.path_params["draft"], choice, out, connection)
        if opened.readers is not None and opened.readers.nobody:
            raise MalformedError("nobody would read it: choose a group or a recipient")


def may_see(person: Person) -> bool:
    """Whether the desk's affairs are this person's: not an auditor's, not an admin's."""
    return person.has(*READERS)


def tell(desk: DeskContext) -> None:
    """Let whoever has the desk open read it again."""
    desk.live.publish(TOPIC, "changed", {}, to=may_see)


def asked_of(desk: DeskContext, request: Request, *, emergency: str = "") -> Asked:
    """Whoever is signed in asks for an act, now, under this port's rule; it waits for signatures."""
    return Asked(
        roster=desk.known_roster(),
        officer=current(request).pseudonym,
        now=desk.now,
        rule=desk.rule,
        override=emergency,
    )


def _picked(draft: Draft, choice: Choice | None, out: Choices, hours: str, pictures: Sequence[Kept]) -> dict[str, Any]:
    """What is ticked when the page opens: the proposal, or what was sent in vain. Pictures as the reporter chose."""
    said, chosen = draft.proposal, choice or Choice()
    shared = frozenset(one.photo.digest.hex() for one in pictures if one.shared)
    return {
        "hours": hours,
        "tlp": (chosen.tlp or said.tlp).value,
        "groups": said.groups if chosen.groups is None else chosen.groups,
        "recipients": said.recipients if chosen.recipients is None else chosen.recipients,
        "handling": chosen.handling or said.handling,
        "personal": said.personal_data or chosen.personal_data,
        "suspect": chosen.suspect or "newer",
        "purpose": chosen.purpose or said.purpose or "",
        "pictures": shared if chosen.pictures is None else chosen.pictures,
        "relates": chosen.relates,
        "out": {
            *(f"object:{one}" for one in out.objects),
            *(f"field:{one} {path}" for one, path in out.fields),
            *(f"line:{one}" for one in out.lines),
        },
    }


def _hours(choice: Choice | None, now: datetime) -> str:
    until = None if choice is None else choice.valid_until
    return "" if until is None else str(round((until - now).total_seconds() / 3600))


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    if not isinstance(value, str):
        raise MalformedError("this form takes no files")
    return value.strip()
