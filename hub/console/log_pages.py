"""The log: every leaf by index and hash, what its reader may read of it, and proofs that the browser checks itself."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub import log_pages as read
from hub.console import taking
from hub.console.asking import act, ask, looked_up
from hub.console.context import PictureContext
from hub.console.log_words import OUTCOMES, PARTS, REASONS, VERDICTS
from hub.console.picture_view import KINDS
from hub.log_pages import Proof, Rows, Search
from hub.picture import Reading
from hub.tables import BODY
from port2port.checkpoint import CheckpointError, SignedCheckpoint
from port2port.conflict import Verdict
from port2port.console.app import Section
from port2port.console.pages import Tab, page, wording
from port2port.console.people import needs
from port2port.console.roles import Role
from port2port.console.signin.context import fields, text
from port2port.console.words import N_
from port2port.errors import MalformedError, NotFoundError, ProofError
from port2port.join_request import in_groups
from port2port.keys import SignatureError

READS: Final = (Role.VIEWER, Role.OFFICER, Role.APPROVER, Role.COORDINATOR, Role.AUDITOR)
TAB: Final = Tab(path="/log", label=N_("Log"), icon="layers", key="l", roles=frozenset(READS))
NOT_A_LEAF: Final = N_("A leaf is a whole number from 0.")
NOT_A_DAY: Final = N_("Write a day as year, month and day: 2026-11-22.")
NOT_A_CHECKPOINT: Final = N_("This is not a checkpoint: paste the whole text, with its signature lines.")
NOT_OURS: Final = N_("This log did not sign both of them.")
_CHECKPOINT_CHARS: Final = 20_000
_LEAF_DIGITS: Final = 12
_FIELDS: Final = ("indicator", "leaf", "member", "kind", "from", "to")


class LogPages:
    """Endpoints under /log."""

    def __init__(self, picture: PictureContext) -> None:
        self._picture = picture

    def section(self) -> Section:
        """The room."""
        reads = needs(*READS)
        return Section(
            name="hub",
            package="hub.console",
            tabs=(TAB,),
            routes=(
                Route("/log", reads(self.show), name="log"),
                Route("/log/genesis", reads(self.genesis)),
                Route("/log/consistency", reads(self.consistency)),
                Route("/log/compare", reads(self.compare), methods=["GET", "POST"]),
                Route("/log/{index:int}", reads(self.entry)),
                Route("/log/{index:int}/proof", reads(self.proof)),
                Route("/log/{index:int}/bundle", reads(self.bundle)),
                Route("/log/{index:int}/download", reads(self.download), methods=["POST"]),
            ),
        )

    async def show(self, request: Request) -> Response:
        """The newest leaves, or those that fit a search."""
        given = {name: value.strip() for name, value in request.query_params.items() if value.strip()}
        wanted, errors = wanted_of(given)
        if wanted.by_content:
            await looked_up(self._picture, request, "log.search", wanted.indicator, asked=" ".join(sorted(given)))
        found = await ask(self._picture, request, lambda c, reading: read.search(c, reading, wanted))
        return page(
            request,
            "hub/log.html",
            status=422 if errors else 200,
            found=found,
            older=_older(given, found),
            searched=bool(given),
            given={**dict.fromkeys(_FIELDS, ""), **given},
            errors={name: wording(request).text(errors[name]) if name in errors else "" for name in _FIELDS},
            kinds=KINDS,
            **self._facts(request),
        )

    async def entry(self, request: Request) -> Response:
        """One leaf with its path."""
        index = _index(request)
        made = await self._proved(request, index)
        return page(
            request,
            "hub/log_entry.html",
            proof=made,
            kinds=KINDS,
            command=read.verify_command(self._picture.genesis_hash, _file(index)),
            **self._facts(request),
        )

    async def proof(self, request: Request) -> Response:
        """The path of one leaf as the browser checks it; also of a leaf whose entry the reader may not read."""
        made = await self._proved(request, _index(request))
        return JSONResponse(
            {
                "index": made.row.index,
                "leaf": made.row.leaf_hash,
                "size": made.size,
                "root": made.root,
                "path": [_base64(bytes.fromhex(item)) for item in made.path],
                "checkpoint": made.checkpoint,
                "readable": made.row.entry is not None,
            }
        )

    async def bundle(self, request: Request) -> Response:
        """Everything that the page of one readable entry checks in the browser; it is no file to save."""
        index = _index(request)
        raw = await self._bundle(request, index)
        await looked_up(self._picture, request, "log.bundle", str(index))
        return Response(raw, media_type="application/octet-stream")

    async def download(self, request: Request) -> Response:
        """The same as a file to take away and verify offline, once that is confirmed."""
        index, form = request.path_params["index"], await fields(request)
        raw = await self._bundle(request, index)

        def deed(connection: Connection, _reading: Reading) -> None:
            taking.require(self._picture, connection, request, form)

        await act(self._picture, request, "log.download", str(index), deed)
        headers = {"Content-Disposition": f'attachment; filename="{_file(index)}"'}
        return Response(raw, media_type="application/octet-stream", headers=headers)

    async def _bundle(self, request: Request, index: int) -> bytes:
        """Under the checkpoint that witnesses signed, once it covers the entry. Raises NotFoundError."""
        checkpoint = self._picture.log.checkpoint
        signed = self._cosigned() or checkpoint()
        covering = signed if signed.checkpoint.size > index else checkpoint()
        return await ask(self._picture, request, lambda c, reading: read.bundle_of(c, reading, covering, index))

    async def genesis(self, request: Request) -> Response:
        """The founding entry as bytes, which the browser holds against the hash that it keeps."""
        raw = await ask(self._picture, request, _founding)
        return JSONResponse({"envelope": _base64(raw)})

    async def consistency(self, request: Request) -> Response:
        """The proof that the first ``first`` leaves of a browser's last visit are the beginning of today's log."""
        asked = request.query_params.get("first", "")
        first = _number(asked)
        signed = self._picture.log.checkpoint()
        size = signed.checkpoint.size
        if first is None or first > size:
            raise NotFoundError("the log is not that long")
        proved = partial(self._picture.log.consistency, first, size)
        path = await asyncio.to_thread(proved) if 0 < first < size else ()
        return JSONResponse({"checkpoint": signed.note.decode(), "path": [_base64(item) for item in path]})

    async def compare(self, request: Request) -> Response:
        """Two checkpoints, wherever they come from: one history or two."""
        form = await fields(request) if request.method == "POST" else {}
        given = {name: _spelled(text(form, name, _CHECKPOINT_CHARS)) for name in ("first", "second")}
        words, status = wording(request).text, 200
        facts: dict[str, Any] = {"verdict": "", "kind": "", "errors": dict.fromkeys(given, "")}
        if form:
            await looked_up(self._picture, request, "log.compare", "")
            try:
                deed = partial(self._compared, given)
                verdict = await ask(self._picture, request, deed)
                facts |= {"verdict": words(VERDICTS[verdict]), "kind": verdict.value}
            except CheckpointError:
                wrong = [name for name, note in given.items() if not _is_checkpoint(note)] or ["second"]
                facts["errors"] = {name: words(NOT_A_CHECKPOINT) if name in wrong else "" for name in given}
                status = 422
            except (SignatureError, ProofError):
                facts["errors"], status = {"first": "", "second": words(NOT_OURS)}, 422
        return page(request, "hub/log_compare.html", status=status, given=given, **facts)

    def _compared(self, given: Mapping[str, str], _connection: Connection, reading: Reading) -> Verdict:
        return read.compare(reading, self._picture.log, given["first"].encode(), given["second"].encode())

    async def _proved(self, request: Request, index: int) -> Proof:
        tree = self._picture.log
        return await ask(self._picture, request, lambda c, reading: read.proof(c, reading, tree, index))

    def _cosigned(self) -> SignedCheckpoint | None:
        note = self._picture.feed.cosigned
        return SignedCheckpoint.parse(note) if note else None

    def _facts(self, request: Request) -> dict[str, Any]:
        roster = self._picture.known_roster()
        say: Callable[[str], str] = wording(request).text
        words = {
            "parts": {name: say(value) for name, value in PARTS.items()},
            "outcomes": {name: say(value) for name, value in OUTCOMES.items()},
            "reasons": {name: say(value) for name, value in REASONS.items()},
        }
        return {
            "names": {member: one.name for member, one in sorted(roster.member_table.items())},
            "genesis_hash": self._picture.genesis_hash,
            "genesis_groups": in_groups(self._picture.genesis_hash),
            "words": orjson.dumps(words).decode(),
            "size": self._picture.log.head().next,
        }


def wanted_of(given: Mapping[str, str]) -> tuple[Search, dict[str, str]]:
    """What a query asks for, and what is wrong with its fields; a wrong field asks for nothing."""
    errors: dict[str, str] = {}
    leaf, before = _number(given.get("leaf", "")), _number(given.get("before", ""))
    if "leaf" in given and leaf is None:
        errors["leaf"] = NOT_A_LEAF
    days: dict[str, datetime | None] = {}
    for name in ("from", "to"):
        try:
            days[name] = _day(given.get(name, ""))
        except MalformedError:
            errors[name], days[name] = NOT_A_DAY, None
    last = days["to"]
    wanted = Search(
        indicator=given.get("indicator", ""),
        leaf=leaf,
        member=given.get("member", ""),
        kind=given.get("kind", ""),
        start=days["from"],
        end=None if last is None else last + timedelta(days=1),
        before=before,
    )
    return wanted, errors


def _day(words: str) -> datetime | None:
    """The beginning of a day in UTC. Raises MalformedError."""
    if not words:
        return None
    try:
        return datetime.strptime(words, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise MalformedError("a day is written as in 2026-11-22") from error


def _number(words: str) -> int | None:
    fits = words.isascii() and words.isdigit() and len(words) <= _LEAF_DIGITS
    return int(words) if fits else None


def _index(request: Request) -> int:
    """The leaf that a path names. Raises NotFoundError for a number that no log reaches and no database holds."""
    index = int(request.path_params["index"])
    if index >= 10**_LEAF_DIGITS:
        raise NotFoundError("the log is not that long")
    return index


def _older(given: Mapping[str, str], found: Rows) -> str:
    """The address of what follows; empty at the end."""
    return "" if found.cursor is None else "/log?" + urlencode({**given, "before": str(found.cursor)})


def _founding(connection: Connection, _reading: Reading) -> bytes:
    """Entry 0, which every member has in his invitation by its hash."""
    return bytes(connection.execute(sa.select(BODY.c.envelope).where(BODY.c.index == 0)).scalar_one())


def _spelled(words: str) -> str:
    """Browsers send line ends of two characters, and people copy without the last."""
    return words.replace("\r\n", "\n").strip() + "\n"


def _is_checkpoint(note: str) -> bool:
    try:
        SignedCheckpoint.parse(note.encode())
    except CheckpointError:
        return False
    return True


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode("ascii")


def _file(index: int) -> str:
    return f"entry-{index}.p2p-bundle"
