"""Rules and values for machines that act, as a file from the desk; confirmed and written down as every other."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Final

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import Response

from node import rule_export
from node.console import confirming
from node.console.context import DeskContext
from node.console.report_words import PURPOSES
from node.rule_export import Chosen, Wanted
from node.warning_lists.gate import Gate
from port2port.canonical import Json
from port2port.console import spreadsheet
from port2port.console.signin.context import text
from port2port.console.words import N_
from port2port.tlp import Tlp

RULES, TABLE = "rules", "table"
FORMS: Final = {RULES: N_("Suricata rules that only alert (ZIP)"), TABLE: N_("table of values (CSV)")}
CEILINGS: Final = tuple(tlp.value for tlp in Tlp if tlp is not Tlp.RED)
_MODE: Final = 0o100600 << 16


async def file_of(desk: DeskContext, request: Request, form: dict[str, str]) -> Response:
    """The file. Raises SignInAgainError, TooLargeError, or UnavailableError while warning lists cannot be asked."""
    is_table = text(form, "form") == TABLE
    purpose, ceiling = text(form, "purpose"), text(form, "ceiling")
    wanted = Wanted(
        member=desk.member,
        ceiling=Tlp(ceiling if ceiling in CEILINGS else Tlp.AMBER.value),
        purposes=(purpose,) if purpose in PURPOSES else (),
    )
    gate, roster = Gate(desk.settings.warning_lists_dir, desk.rules.protected), desk.known_roster()

    def action(connection: Connection) -> Chosen:
        key_id = confirming.require(desk, connection, request, form)
        chosen = rule_export.choose(connection, roster, wanted, desk.now, gate=gate)
        facts: dict[str, Json] = {
            "ceiling": wanted.ceiling.value,
            "key_id": key_id,
            "left_out": {why.value: count for why, count in sorted(chosen.left_out.items())},
            "purpose": purpose if wanted.purposes else "",
            "values": len(chosen.values),
        }
        desk.signin.note(connection, request, "export-values" if is_table else "export-rules", desk.member, **facts)
        return chosen

    with closing(gate):
        chosen: Chosen = await desk.store.write(action)
    name = f"{desk.member}-{desk.now:%Y-%m-%d-%H%M}"
    if is_table:
        return spreadsheet.table(_one(spreadsheet.lines(list(rule_export.rows_of(chosen.values)))), f"{name}.csv")
    raw = await asyncio.to_thread(_archive, chosen, name)
    return spreadsheet.download(_one(raw), f"{name}.zip", "application/zip")


def _archive(chosen: Chosen, name: str) -> bytes:
    made, out = rule_export.rules_of(chosen.values), io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in {f"{name}.rules": made.text, **made.lists}.items():
            info = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, _MODE
            archive.writestr(info, content)
    return out.getvalue()


async def _one(chunk: bytes) -> AsyncIterator[bytes]:
    yield chunk
