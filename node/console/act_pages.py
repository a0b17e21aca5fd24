"""Acts: the frozen page, signing with a passkey or a key file, sending back, second checks of emergencies."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Any, Final

import orjson
from sqlalchemy.engine import Connection
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from node import act_store, acts
from node.act_store import Prepared
from node.acts import Outcome, Signed, preparing
from node.console import act_view
from node.console.context import DeskContext
from node.console.desk_pages import READERS, asked_of, tell
from node.console.officer_keys import KeyFiles
from node.console.report_words import PURPOSES
from port2port import keys
from port2port.console import passkeys, stepup
from port2port.console.pages import fragment, page, wording
from port2port.console.people import current, needs
from port2port.console.roles import Role
from port2port.console.told import told
from port2port.errors import ConflictError, MalformedError, NotFoundError, Port2PortError
from port2port.keys import Ed25519Key

SHARE_OF: Final = timedelta(days=30)
MOST_LEFT: Final = 100
DRAFT_ID: Final = re.compile(r"D[0-9]{1,9}", re.ASCII)


class ActRoom:
    """Endpoints under /acts."""

    def __init__(self, desk: DeskContext) -> None:
        self._desk = desk
        self._files = KeyFiles(desk)

    def routes(self) -> list[Route]:
        """What it answers."""
        read, decide = needs(*READERS), needs(Role.APPROVER)
        return [
            Route("/acts", read(self.listed)),
            Route("/acts/{act}", read(self.show)),
            Route("/acts/{act}/state", read(self.state)),
            Route("/acts/{act}/now", read(self.now)),
            Route("/acts/{act}/seen-by/{member}", read(self.seen_by)),
            Route("/acts/{act}/options", decide(self.options), methods=["POST"]),
            Route("/acts/{act}/sign", decide(self.sign), methods=["POST"]),
            Route("/acts/{act}/withdraw", decide(self.withdraw), methods=["POST"]),
            Route("/acts/{act}/check", decide(self.check), methods=["POST"]),
        ]

    async def listed(self, request: Request) -> Response:
        """What waits, which emergencies are unchecked, and how many acts were emergencies."""
        desk = self._desk

        def action(connection: Connection) -> dict[str, Any]:
            waiting = act_store.listed(connection)
            return {
                "waiting": [(act, acts.missing(connection, act)) for act in waiting],
                "unchecked": act_store.unchecked(connection),
                "share": acts.share(connection, since=desk.now - SHARE_OF, until=desk.now + timedelta(seconds=1)),
                "returned": act_store.listed(connection, acts.RETURNED)[-5:],
                "now": desk.now,
            }

        return page(request, "node/acts.html", kinds=act_view.KINDS, **await desk.store.read(action))

    async def show(self, request: Request) -> Response:
        """One act, as it was frozen."""
        return await self._page(request)

    async def state(self, request: Request) -> Response:
        """Where it stands, in words."""
        return fragment(request, "node/_act_state.html", **await self._facts(request))

    async def now(self, request: Request) -> Response:
        """What else of it changes while somebody looks: who has signed, and whose turn it is."""
        return fragment(request, "node/_act.html", **await self._facts(request))

    async def seen_by(self, request: Request) -> Response:
        """The exact bytes that one member would receive."""
        desk, member = self._desk, request.path_params["member"]
        act = await desk.store.read(lambda c: act_store.get(c, request.path_params["act"]))
        roster = desk.known_roster()
        if member not in roster.members():
            raise NotFoundError("there is no such member")
        shown = acts.seen_by(act, member, roster)
        name = roster.member_table[member].name
        return page(request, "node/seen_by.html", act=act, name=name, shown_parts=shown)

    async def options(self, request: Request) -> Response:
        """What the officer's passkey is asked to sign: one challenge for each statement, {} for a key file."""
        desk, person = self._desk, current(request)

        def ask(connection: Connection) -> bytes:
            shown = act_view.load(connection, desk, person, request.path_params["act"])
            if not shown.turn.passkey:
                return orjson.dumps({"options": []})
            made = [
                orjson.loads(
                    stepup.challenge(
                        connection,
                        person,
                        purpose=f"act {shown.act.id}",
                        digest=sha256(message).digest(),
                        relying=desk.signin.relying,
                        now=desk.now,
                    )
                )
                for message in acts.to_sign(shown.act, person.pseudonym)
            ]
            desk.signin.note(connection, request, "act-asked", shown.act.id)
            return orjson.dumps({"options": made})

        return Response(await desk.store.write(ask), media_type="application/json")

    async def sign(self, request: Request) -> Response:
        """Take the officer's signature; the last that is needed completes the act."""
        desk = self._desk
        async with request.form() as form:
            answers, passphrase = _answers(form), str(form.get("passphrase", ""))
        try:
            key = None if answers else await self._files.unlock(request, passphrase, request.path_params["act"])
            outcome: Outcome = await desk.store.write(partial(self._sign, request, answers, key))
        except NotFoundError:
            raise
        except Port2PortError as error:
            return await self._page(request, error=error)
        tell(desk)
        act = outcome.act
        if act.state != acts.DONE:
            return RedirectResponse(f"/acts/{act.id}", 303)
        if act.kind == preparing.LEVEL:
            return RedirectResponse("/levels", 303)
        return RedirectResponse(f"/sent/{act.subject}" if outcome.queued else f"/acts/{act.id}", 303)

    async def withdraw(self, request: Request) -> Response:
        """Send it back, or give it up: the draft is open as before."""
        desk, person = self._desk, current(request)
        async with request.form() as form:
            reason = str(form.get("reason", "")).strip()

        def action(connection: Connection) -> Prepared:
            act = acts.withdraw(
                connection, request.path_params["act"], by=person.pseudonym, reason=reason, now=desk.now
            )
            desk.signin.note(connection, request, "act-sent-back", act.subject, act=act.id)
            return act

        return await self._done(request, action, lambda act: f"/acts/{act.id}")

    async def check(self, request: Request) -> Response:
        """Another officer looks at an emergency: prepare the decision that it was right."""
        desk = self._desk
        async with request.form() as form:
            reason = str(form.get("reason", "")).strip()

        def action(connection: Connection) -> Prepared:
            act = acts.confirm_override(
                connection, desk.author, request.path_params["act"].upper(), reason, asked_of(desk, request)
            )
            desk.signin.note(connection, request, "act-prepared", act.subject, act=act.id, kind=act.kind)
            return act

        return await self._done(request, action, lambda act: f"/acts/{act.id}")

    async def _done(
        self, request: Request, action: Callable[[Connection], Prepared], onward: Callable[[Prepared], str]
    ) -> Response:
        try:
            act: Prepared = await self._desk.store.write(action)
        except NotFoundError:
            raise
        except Port2PortError as error:
            return await self._page(request, error=error)
        tell(self._desk)
        return RedirectResponse(onward(act), 303)

    async def _page(self, request: Request, *, error: Port2PortError | None = None) -> Response:
        status = 200 if error is None else 409 if isinstance(error, ConflictError) else 403
        left = [one for one in request.query_params.getlist("left") if DRAFT_ID.fullmatch(one)][:MOST_LEFT]
        facts = await self._facts(request)
        words = "" if error is None else told(error, wording(request))
        return page(request, "node/act.html", status=status, left_over=left, error=words, **facts)

    async def _facts(self, request: Request) -> dict[str, Any]:
        desk, person = self._desk, current(request)
        shown = await desk.store.read(lambda c: act_view.load(c, desk, person, request.path_params["act"]))
        return {
            "shown_act": shown,
            "now": desk.now,
            "purposes": PURPOSES,
            "may_decide": person.has(Role.APPROVER),
            "is_check": shown.act.check_by is not None and shown.act.checked_at is None,
            "publishing": shown.act.kind in {preparing.PUBLISH, preparing.RETRACT, preparing.SAY, preparing.LEVEL},
        }

    def _sign(self, request: Request, answers: list[str], key: Ed25519Key | None, connection: Connection) -> Outcome:
        desk, person = self._desk, current(request)
        act = act_store.get_waiting(connection, request.path_params["act"])
        messages = acts.to_sign(act, person.pseudonym)
        if key is None:
            signed = self._assertions(connection, request, act, messages, answers)
        else:
            made = tuple(key.sign(message) for message in messages)
            signed = Signed(officer=person.pseudonym, key_id=key.key_id, signatures=made)
        outcome = acts.add_signature(connection, desk.author, act.id, signed, desk.known_roster(), now=desk.now)
        desk.signin.note(connection, request, "act-signed", act.subject, act=act.id, state=outcome.act.state)
        return outcome

    def _assertions(
        self,
        connection: Connection,
        request: Request,
        act: Prepared,
        messages: tuple[bytes, ...],
        answers: list[str],
    ) -> Signed:
        desk, person = self._desk, current(request)
        if len(answers) != len(messages):
            raise acts.SignatureCountError(f"this act takes {len(messages)} signatures of each officer")
        found = [
            stepup.redeem(
                connection,
                person,
                purpose=f"act {act.id}",
                message=message,
                answer=answer,
                relying=desk.signin.relying,
                now=desk.now,
            )
            for message, answer in zip(messages, answers, strict=True)
        ]
        ids = {one.key.key_id for one in found}
        if len(ids) != 1:
            raise keys.SignatureError("one passkey signs the whole of an act")
        return Signed(officer=person.pseudonym, key_id=ids.pop(), signatures=tuple(one.signature for one in found))


def _answers(form: FormData) -> list[str]:
    """The browser's answers, in the order of the statements. Raises MalformedError."""
    found = [value for value in form.getlist("assertion") if value]
    if any(not isinstance(value, str) or len(value) > passkeys.ANSWER_BYTES for value in found):
        raise MalformedError("this is no answer of a passkey")
    return [str(value) for value in found]
