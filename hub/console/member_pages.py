"""The members: what their nodes, keys and certificates need, and decisions prepared for the coordinators' machines.

Nothing here decides. An invitation gives a certificate and no voice; everything else is an unsigned file that the
coordinators sign at home and that comes back through ``/members/admit``, verified like any other entry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub import desk_members as read
from hub.audience import Audiences
from hub.console import letting_in
from hub.console.asking import act, ask, looked_up
from hub.console.audit_pages import line
from hub.console.context import PictureContext
from hub.desk_members import Consequences, Waiting
from hub.enrolment import Invited, invite
from hub.intake import Checker, IntakeJudge, Outcome, Result
from hub.intake.results import of_error, of_outcome
from hub.picture import Reading
from hub.recovery import Admission
from hub.transparency import fold_roster
from port2port.canonical import Json
from port2port.clock import from_ms, to_ms
from port2port.console.app import Section
from port2port.console.challenges import ChallengeError
from port2port.console.pages import Tab, page, wording
from port2port.console.passkeys import PasskeyError
from port2port.console.people import current, needs
from port2port.console.roles import Role
from port2port.console.security import takes_files
from port2port.console.signin.context import SignInAgainError, fields, text
from port2port.console.signin.me import AGAIN
from port2port.console.signin.roll import NOT_CONFIRMED
from port2port.console.told import told
from port2port.console.words import N_
from port2port.coordination import Proposal, type_of
from port2port.errors import ConflictError, MalformedError, NotFoundError, PolicyError, Port2PortError
from port2port.ids import is_member_id
from port2port.invitation import Invitation
from port2port.stix.validate import ValidObject

READS: Final = (Role.VIEWER, Role.OFFICER, Role.APPROVER, Role.COORDINATOR, Role.AUDITOR, Role.ADMIN)
ACTS: Final = (Role.COORDINATOR, Role.ADMIN)
TAB: Final = Tab(path="/members", label=N_("Members"), icon="users", key="m", roles=frozenset(READS))
TYPED_GROUPS: Final = 4
UNCONFIRMED: Final = (SignInAgainError, PasskeyError, ChallengeError)
NOT_A_MEMBER: Final = N_("A member's name has small letters, digits and hyphens, as in port-of-ostend.")
NOT_THE_SAME: Final = N_("These are not the last four groups. Ask the port to read them again; do not approve before.")
NO_REASON: Final = N_("Say in a few words why.")
NO_TIME: Final = N_("Write day and time as in 2026-11-22 and 14:05.")
NOT_SIGNED: Final = N_("This file still needs signatures: the coordinators sign it with port2port coordinator approve.")
NOT_TAKEN: Final = N_("It was not admitted: %(why)s")
NO_FILE: Final = N_("Choose the signed file.")
WOULD_NOT_APPLY: Final = N_("It would not apply: %(why)s")
NO_GROUP: Final = N_("Name the group and tick at least one member.")
STATUS: Final = {"suspend-member": "suspend", "remove-member": "remove", "reinstate-member": "reinstate"}
STATES: Final = {
    "active": N_("active"),
    "expired": N_("expired"),
    "revoked": N_("revoked"),
    "suspended": N_("suspended"),
    "removed": N_("removed"),
}


class MemberPages:
    """Endpoints under /members."""

    def __init__(self, picture: PictureContext) -> None:
        self._picture = picture

    def section(self) -> Section:
        """The room."""
        reads, acts = needs(*READS), needs(*ACTS)
        post = ["POST"]
        return Section(
            name="hub",
            package="hub.console",
            tabs=(TAB,),
            routes=(
                Route("/members", reads(self.show), name="members"),
                letting_in.route(self._picture, *ACTS),
                Route("/members/invite", acts(self.invite), methods=post),
                Route("/members/approve", acts(self.approve), methods=post),
                Route("/members/admit", acts(self.admit), methods=post),
                Route("/members/group", acts(self.group), methods=post),
                Route("/members/{member}", reads(self.one)),
                Route("/members/{member}/revoke", acts(self.revoke), methods=["GET", "POST"]),
                Route("/members/{member}/status", acts(self.status), methods=["GET", "POST"]),
            ),
        )

    # --- reading ------------------------------------------------------------------------------------------------

    async def show(self, request: Request) -> Response:
        """The list."""
        return await self._list(request)

    async def one(self, request: Request) -> Response:
        """One member."""
        member = request.path_params["member"]
        row = await ask(self._picture, request, lambda c, reading: read.one_member(c, reading, member))
        person = current(request)
        trail = person.has(Role.AUDITOR, Role.ADMIN) and person.member == self._picture.signin.member
        found = await ask(self._picture, request, lambda c, _: read.audit_trail(c, member=member)) if trail else ()
        lines = [line(one) for one in found] if trail else None
        waiting = await ask(self._picture, request, read.waiting) if person.has(*ACTS) else ()
        return page(
            request,
            "hub/member.html",
            row=row,
            states=STATES,
            lines=lines,
            waiting=[one for one in waiting if one.request.member == member],
            **self._common(request),
        )

    async def _list(self, request: Request, status: int = 200, **errors: str) -> Response:
        def whole(connection: Connection, reading: Reading) -> dict[str, Any]:
            rows = read.members(connection, reading)
            return {
                "rows": rows,
                "versions": read.by_version(rows),
                "groups": read.sharing_groups(reading.roster),
                "waiting": read.waiting(connection, reading) if current(request).has(*ACTS) else (),
            }

        facts = await ask(self._picture, request, whole)
        names = {row.member: row.name for row in facts["rows"]}
        shown = {"invite": "", "approve": "", "admit": "", "group": "", "done": "", **errors}
        common = self._common(request)
        return page(
            request, "hub/members.html", status=status, names=names, shown_at=shown, states=STATES, **facts, **common
        )

    def _common(self, request: Request) -> dict[str, Any]:
        person = current(request)
        return {
            "may_act": person.has(*ACTS) and not person.display,
            "minimum": self._picture.known_roster().minimum_version,
        }

    # --- joining ------------------------------------------------------------------------------------------------

    async def invite(self, request: Request) -> Response:
        """A file that lets one node enrol, told once."""
        form, now_ms = await letting_in.sent(request), to_ms(self._picture.now)
        member = text(form.values, "member").strip()
        if not is_member_id(member):
            return await self._list(request, 422, invite=wording(request).text(NOT_A_MEMBER))

        def deed(connection: Connection, _reading: Reading) -> Invited:
            letting_in.require(self._picture, connection, request, form)
            return invite(connection, member=member, now_ms=now_ms)

        try:
            made = await act(self._picture, request, "member.invited", member, deed)
        except UNCONFIRMED as error:
            return await self._list(request, 403, invite=_unconfirmed(request, error))
        settings = self._picture.settings
        invitation = Invitation(
            federation=settings.federation,
            genesis=self._picture.genesis_hash,
            hub=settings.public_address or settings.listen,
            enrolment=settings.public_enrolment_address or settings.enrolment_listen,
            ca=self._picture.genesis.ca_root,
            member=member,
            node=made.node,
            token=made.token,
            expires=from_ms(made.expires_ms),
        )
        return _file(invitation.to_bytes() + b"\n", f"{member}-{made.node}.p2p-invitation")

    async def approve(self, request: Request) -> Response:
        """The request of a node as a file for the coordinators, once its fingerprint was read back by telephone."""
        form = await fields(request)
        named, typed = text(form, "request"), text(form, "groups")
        waiting = await ask(self._picture, request, read.waiting)
        found = next((one for one in waiting if one.fingerprint.replace(" ", "")[:12] == named), None)
        if found is None:
            raise NotFoundError("nobody waits under this fingerprint")
        if not same_groups(found, typed):
            await looked_up(self._picture, request, "member.fingerprint.refused", found.request.member)
            return await self._list(request, 422, approve=wording(request).text(NOT_THE_SAME))
        await looked_up(self._picture, request, "member.fingerprint.compared", found.request.member)
        return _file(found.file(), f"{found.request.member}-{named}.p2p-request")

    @takes_files
    async def admit(self, request: Request) -> Response:
        """Take in a statement that the coordinators signed; it is verified like any other."""
        say, form = wording(request).text, await letting_in.sent(request)
        raw = form.file
        if not raw:
            return await self._list(request, 422, admit=say(NO_FILE))
        if _is_unsigned(raw):
            return await self._list(request, 422, admit=say(NOT_SIGNED))
        try:
            result = await self._admitted(request, form)
        except UNCONFIRMED as error:
            return await self._list(request, 403, admit=_unconfirmed(request, error))
        if result.outcome not in {Outcome.ACCEPTED, Outcome.DUPLICATE}:
            return await self._list(request, 422, admit=say(NOT_TAKEN) % {"why": f"{result.code}, {result.text}"})
        self._picture.feed.wake()
        return await self._list(request, done=str(result.index))

    async def _admitted(self, request: Request, form: letting_in.Sent) -> Result:
        picture, raw = self._picture, form.file
        checker = Checker(
            federation=picture.settings.federation,
            genesis_hash=picture.genesis_hash,
            log=picture.log,
            validate=_no_objects,
            clock=picture.clock,
        )
        at = await picture.store.database.read(fold_roster)
        checked = await asyncio.to_thread(checker.check, raw, None, at)
        if checked.candidate is None:
            refused = checked.result or of_error(PolicyError("this statement could not be checked"))
            await picture.store.database.write(lambda c: self._note_admit(c, request, refused))
            return refused
        candidate, judge = checked.candidate, Admission(IntakeJudge(Audiences()), picture.clock)

        def append(connection: Connection) -> Result:
            letting_in.require(picture, connection, request, form)
            (outcome,) = picture.log.append_in(connection, [candidate], judge)
            result = of_outcome(outcome, candidate.work.digest)
            self._note_admit(connection, request, result)
            return result

        return await picture.store.database.write(append)

    def _note_admit(self, connection: Connection, request: Request, result: Result) -> None:
        outcome = result.outcome.name.lower()
        self._picture.signin.note(connection, request, "member.admit", str(result.index), outcome=outcome)

    # --- decisions ----------------------------------------------------------------------------------------------

    async def revoke(self, request: Request) -> Response:
        """Revoke a key: first what it would do, then the proposal."""
        member = request.path_params["member"]
        form = await fields(request) if request.method == "POST" else dict(request.query_params)
        key_id, reason = text(form, "key"), text(form, "reason").strip()
        errors: dict[str, str] = {}
        try:
            since = _since(text(form, "day"), text(form, "time"))
        except MalformedError:
            since, errors["day"] = None, NO_TIME
        if request.method == "POST" and not reason:
            errors["reason"] = NO_REASON
        propose = partial(
            read.propose_revocation,
            genesis_hash=self._picture.genesis_hash,
            key_id=key_id,
            reason=reason,
            invalid_since_ms=since,
        )
        count = partial(read.consequences, key_id=key_id, invalid_since_ms=since)
        given = {"key": key_id, "reason": reason, "day": text(form, "day"), "time": text(form, "time")}
        return await self._decide(request, member, "revoke-key", propose, count, given, errors)

    async def status(self, request: Request) -> Response:
        """Suspend, remove or take back a member: first what it would do, then the proposal."""
        member = request.path_params["member"]
        form = await fields(request) if request.method == "POST" else dict(request.query_params)
        operation, reason = text(form, "operation"), text(form, "reason").strip()
        if operation not in STATUS:
            raise NotFoundError("there is no such decision")
        errors = {"reason": NO_REASON} if request.method == "POST" and not reason else {}
        propose = partial(
            read.propose_status,
            genesis_hash=self._picture.genesis_hash,
            operation=operation,
            member=member,
            reason=reason,
        )
        streams = self._picture.streams.open_of(member)
        count = partial(read.consequences, member=member, open_streams=streams)
        given = {"operation": operation, "reason": reason}
        return await self._decide(request, member, operation, propose, count, given, errors)

    async def group(self, request: Request) -> Response:
        """The next version of a sharing group."""
        form = await fields(request)
        group, chosen = text(form, "group").strip(), text(form, "members", 20_000).split()
        say = wording(request).text
        if not group or not chosen:
            return await self._list(request, 422, group=say(NO_GROUP))
        propose = partial(read.propose_group, genesis_hash=self._picture.genesis_hash, group=group, members_=chosen)
        try:
            made = await act(self._picture, request, "member.group.proposed", group, propose)
        except (ConflictError, MalformedError, PolicyError) as error:
            return await self._list(request, 422, group=say(WOULD_NOT_APPLY) % {"why": told(error, wording(request))})
        return _file(made.encode() + b"\n", f"group-{group}.p2p-proposal")

    async def _decide(  # noqa: PLR0917  # one page for every decision about a member
        self,
        request: Request,
        member: str,
        decision: str,
        propose: Callable[[Connection, Reading], Proposal],
        count: Callable[[Connection, Reading], Consequences],
        given: dict[str, str],
        errors: dict[str, str],
    ) -> Response:
        say, key_id = wording(request).text, given.get("key", "")
        row = await ask(self._picture, request, lambda c, reading: read.one_member(c, reading, member))
        if key_id and key_id not in {key.key_id for key in row.keys}:
            raise NotFoundError("this member has no such key")
        if request.method == "POST" and not errors:
            facts: dict[str, Json] = {"reason": given["reason"], "key_id": key_id}
            try:
                made = await act(self._picture, request, f"member.{decision}.proposed", member, propose, **facts)
            except (ConflictError, MalformedError, PolicyError) as error:
                errors = {"form": say(WOULD_NOT_APPLY) % {"why": told(error, wording(request))}}
            else:
                return _file(made.encode() + b"\n", f"{decision}-{member}.p2p-proposal")
        done = await ask(self._picture, request, count)
        shown = {name: say(words) for name, words in errors.items()}
        asked = {**dict.fromkeys(("key", "operation", "reason", "day", "time"), ""), **given}
        return page(
            request,
            "hub/member_decide.html",
            status=422 if errors else 200,
            row=row,
            decision=decision,
            effect=done,
            given=asked,
            errors={"reason": "", "day": "", "form": "", **shown},
        )


def _unconfirmed(request: Request, error: Port2PortError) -> str:
    """Why nothing was changed, in the reader's language."""
    return wording(request).text(AGAIN if isinstance(error, SignInAgainError) else NOT_CONFIRMED)


def same_groups(waiting: Waiting, typed: str) -> bool:
    """Whether somebody typed the groups of a fingerprint that the page did not show him."""
    hidden = "".join(waiting.fingerprint.split()[-TYPED_GROUPS:])
    return "".join(typed.lower().split()) == hidden


def _since(day: str, time: str) -> int | None:
    """A moment in UTC in milliseconds; None where none was given. Raises MalformedError."""
    if not day and not time:
        return None
    try:
        return to_ms(datetime.strptime(f"{day} {time}", "%Y-%m-%d %H:%M").replace(tzinfo=UTC))
    except ValueError as error:
        raise MalformedError("a moment is a day and a time") from error


def _is_unsigned(raw: bytes) -> bool:
    """Whether it is one of our files on its way to the coordinators."""
    try:
        type_of(raw)
    except MalformedError:
        return False
    return True


def _file(raw: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(raw, media_type="application/octet-stream", headers=headers)


def _no_objects(_raw: bytes) -> ValidObject:
    raise PolicyError("a coordinators' statement carries no objects")
