"""A new report: two keys away on every page, at most eight fields, and nothing of it leaves before officers sign.

What is pasted is recognised and handed to the right form; it is posted, never put into an address line.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Connection
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from node import photos, quick_report, report, report_kinds
from node.console import report_words as words
from node.console.context import DeskContext
from node.console.desk_pages import tell
from node.console.reading import clock_time, middle_of, place_named, position_of
from node.drafts import Draft
from node.photos import PhotoError
from node.report import ReportError, Sight
from node.report_kinds import Kind, Picture, Reported
from port2port.console.app import Section
from port2port.console.pages import page, wording
from port2port.console.people import current, needs
from port2port.console.roles import Role
from port2port.console.security import takes_files
from port2port.errors import MalformedError, ProfileError
from port2port.geo import Position
from port2port.identifiers import IdentifierError

REPORTS: Final = (Role.OFFICER, Role.APPROVER)
READS: Final = (Role.VIEWER, *REPORTS)
PURPOSE_KINDS: Final = frozenset({"intruder", "account", "address", "small-craft"})
_DIGITS: Final = "0123456789.,-; "


@dataclass(slots=True, kw_only=True)
class Typed:
    """A form as it was sent: the text fields, and the words for what is wrong, by field."""

    values: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    detail: str = ""
    photo: bytes = b""

    def get(self, name: str) -> str:
        """What stands in a field."""
        return self.values.get(name, "").strip()


class ReportPages:
    """Endpoints under /report."""

    def __init__(self, desk: DeskContext) -> None:
        self._desk = desk

    def section(self) -> Section:
        """The room. It has no tab: the button and the key n stand on every page."""
        reports = needs(*REPORTS)
        return Section(
            name="node",
            package="node.console",
            everywhere="node/_everywhere.html",
            routes=(
                Route("/report", reports(self.choose), name="report"),
                Route("/report/paste", reports(self.paste), methods=["POST"]),
                Route("/report/{kind}", reports(self.form)),
                Route("/report/{kind}", reports(self.send), methods=["POST"]),
                Route("/report/{kind}/start", reports(self.start), methods=["POST"]),
                Route("/photos/{draft}/{digest}", needs(*READS)(self.photo)),
                Route("/photos/{draft}/{digest}/small", needs(*READS)(self.small)),
            ),
        )

    async def choose(self, request: Request) -> Response:
        """The kinds, and the paste box."""
        return page(request, "node/report.html", kinds=words.KINDS, pasted="", found=None, words=words)

    async def paste(self, request: Request) -> Response:
        """What is in a pasted text, each with the form it belongs to."""
        desk, typed = self._desk, await _typed(request)
        pasted = typed.get("pasted")
        found = quick_report.recognise(pasted)
        kinds_found = [one.kind for one in found]
        await desk.store.write(lambda c: desk.signin.note(c, request, "paste-recognised", "", kinds=[*kinds_found]))
        return page(request, "node/report.html", kinds=words.KINDS, pasted=pasted, found=found, words=words)

    async def form(self, request: Request) -> Response:
        """The form of one kind."""
        return self._page(request, _kind(request), Typed())

    async def start(self, request: Request) -> Response:
        """The form of one kind with a pasted value in its place."""
        kind, typed = _kind(request), await _typed(request)
        allowed = {one.name for one in kind.fields}
        desk = self._desk
        await desk.store.write(lambda c: desk.signin.note(c, request, "report-started", kind.name))
        return self._page(request, kind, Typed(values={k: v for k, v in typed.values.items() if k in allowed}))

    @takes_files
    async def send(self, request: Request) -> Response:
        """Make it a draft on the desk."""
        desk, kind, typed = self._desk, _kind(request), await _typed(request)
        pictures = await asyncio.to_thread(self._pictures, typed)
        reported = self._reported(kind, typed, pictures)
        if reported is None:
            return self._page(request, kind, typed, status=422)
        officer, now = current(request).pseudonym, desk.now

        def submit(connection: Connection) -> Draft:
            draft = report_kinds.submit(connection, reported, officer=officer, now=now)
            desk.signin.note(connection, request, "report", draft.id, kind=kind.name, photos=len(pictures))
            return draft

        draft = await desk.store.write(submit)
        tell(desk)
        return RedirectResponse(f"/drafts/{draft.id}", 303)

    async def photo(self, request: Request) -> Response:
        """A picture behind a draft: it is seen at this port and nowhere else."""
        draft, digest = request.path_params["draft"], request.path_params["digest"]
        found = await self._desk.store.read(lambda c: photos.get(c, draft, digest))
        return Response(found.photo.jpeg, media_type="image/jpeg")

    async def small(self, request: Request) -> Response:
        """The same picture, for the page of its draft."""
        draft, digest = request.path_params["draft"], request.path_params["digest"]
        found = await self._desk.store.read(lambda c: photos.get(c, draft, digest))
        return Response(await asyncio.to_thread(photos.small, found.photo), media_type="image/jpeg")

    def _reported(self, kind: Kind, typed: Typed, pictures: tuple[Picture, ...]) -> Reported | None:
        """What the form says, or None with words at the fields."""
        sight, own = self._sight(typed), {one.name: typed.get(one.name) for one in kind.fields}
        for one in kind.fields:
            if one.required and not own[one.name]:
                typed.wrong[one.name] = words.MISSING
        if typed.wrong or sight is None:
            return None
        desk = self._desk
        making = report.Desk(defaults=desk.defaults, now=desk.now, new_id=uuid.uuid4, validate=desk.author.validate)
        try:
            return report_kinds.build(
                making, kind.name, own, sight, purpose=typed.get("purpose") or None, pictures=pictures
            )
        except IdentifierError as error:
            name = next((one.name for one in kind.fields if one.name in {"number", "plate"}), "text")
            right = error.facts.get("right")
            typed.wrong[name] = words.BAD_NUMBER if right is None else words.BAD_DIGIT
            typed.values["right"] = "" if right is None else str(right)
        except ProfileError as error:
            typed.detail = error.text
        return None

    def _sight(self, typed: Typed) -> Sight | None:
        if not typed.get("text"):
            typed.wrong["text"] = words.SAY_WHAT
        at, count, where = self._at(typed), _count(typed), self._where(typed)
        if typed.wrong or at is None:
            return None
        place, position = where
        direction = typed.get("direction")
        try:
            return Sight(
                text=typed.get("text"),
                at=at,
                place=place,
                position=position,
                count=count,
                direction=direction if direction in words.DIRECTIONS and direction != "none" else "",
            )
        except ReportError as error:
            typed.detail = error.text
            return None

    def _at(self, typed: Typed) -> datetime | None:
        try:
            return clock_time(typed.get("at"), self._desk.now, ZoneInfo(self._desk.console.zone))
        except MalformedError:
            typed.wrong["at"] = words.BAD_TIME
            return None

    def _where(self, typed: Typed) -> tuple[str, Position | None]:
        """A known place, a position, or words of the officer's own."""
        text = typed.get("where")
        known = place_named(self._desk.places, text) if text else None
        if known is not None:
            return known.name, middle_of(known)
        if not text or any(char not in _DIGITS for char in text):
            return text, None
        try:
            return "", position_of(text)
        except MalformedError:
            typed.wrong["where"] = words.BAD_POSITION
            return "", None

    def _pictures(self, typed: Typed) -> tuple[Picture, ...]:
        if not typed.photo:
            return ()
        try:
            made = photos.clean(typed.photo)
        except PhotoError:
            typed.wrong["photo"] = words.BAD_PHOTO
            return ()
        share = typed.get("share") == "yes"
        return (Picture(photo=made, description=typed.get("photo_says")[: photos.DESCRIPTION_CHARS], share=share),)

    def _page(self, request: Request, kind: Kind, typed: Typed, status: int = 200) -> Response:
        now = wording(request).when_text(self._desk.now, "time").partition(" ")[0]
        return page(
            request,
            "node/report_form.html",
            status,
            kind=kind,
            title=words.KINDS[kind.name][0],
            typed=typed,
            fields=[(one, *words.field_words(kind.name, one.name)) for one in kind.fields],
            directions=words.DIRECTIONS,
            purposes=words.PURPOSES if kind.name in PURPOSE_KINDS else {},
            places=[place.name for place in self._desk.places.places],
            at=now,
        )


def _kind(request: Request) -> Kind:
    found = report_kinds.KINDS.get(request.path_params["kind"])
    if found is None or found.name not in words.KINDS:
        raise HTTPException(404)
    return found


def _count(typed: Typed) -> int | None:
    text = typed.get("count")
    if text and not (text.isascii() and text.isdigit() and 0 < int(text) <= report.COUNT_MOST):
        typed.wrong["count"] = words.BAD_COUNT
        return None
    return int(text) if text else None


async def _typed(request: Request) -> Typed:
    """The form's text fields and its one file."""
    async with request.form() as form:
        values = {name: value for name, value in form.items() if isinstance(value, str)}
        upload = form.get("photo")
        raw = await upload.read(photos.PHOTO_BYTES + 1) if isinstance(upload, UploadFile) else b""
    return Typed(values=values, photo=raw)
