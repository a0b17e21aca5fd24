"""What a reader is told by every address of a desk, without what is random: to be compared between two worlds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from port2port.console.people import Person
from tests.fakes.routes import Kind, Known
from tests.fakes.walks import filled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from port2port.console.roles import Role
    from tests.fakes.desk_console import DeskConsole, DeskVisitor

Told = dict[str, tuple[int, str]]
_RANDOM = re.compile(
    r"urn:uuid:[0-9a-f-]{36}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|nonce=\"[^\"]*\"|(?:[0-9a-f]{4} ){15}[0-9a-f]{4}"
    r"|[0-9a-f]{16,64}…?|(?<![0-9a-z])[0-9a-f]{8}(?![0-9a-z])|(?<![\w+/])[A-Za-z0-9+/_-]{40,}={0,2}(?![\w+/=])|\b[A-Z2-7]{32}\b|data:image/[^\"]*"
)
# what is not there, and cursors and filters over what is
ODD = (
    "/drafts/D99",
    "/acts/A99",
    "/sent/nothing",
    "/sent-progress/nothing",
    "/watch/hits/99",
    "/watch/indicators/belgg/indicator--0",
    "/nowhere",
    "/audit?subject=D1",
    "/audit?before=3",
    "/?row=draft-D1",
    "/queue?row=draft-D1",
    "/exports?first=2026-11-01&last=2026-11-30",
    "/rules?x=1",
)


def plain(text: str) -> str:
    """An answer without tokens, nonces, hashes and names that are drawn at random."""
    return _RANDOM.sub("", text)


def told(visitor: DeskVisitor, table: Iterable[Known], values: Mapping[str, str]) -> Told:
    """Status and text of every address, by its route; of an error also as htmx asks for it."""
    skipped = {Kind.STREAM, Kind.ABSENT}
    rows = [one for one in table if one.kind not in skipped and not one.path.startswith("/static/")]
    named = {f"{one.path}{query}": filled(one.path + query, values) for one in rows for query in one.queries}
    found: Told = {}
    for name, address in (named | dict(zip(ODD, ODD, strict=True))).items():
        answer = visitor.get(address)
        found[name] = (answer.status_code, plain(answer.headers.get("location", "") + answer.text))
        if answer.status_code != 200:
            piece = visitor.client.get(address, headers={"HX-Request": "true"})
            found[f"piece {name}"] = (piece.status_code, plain(piece.text))
    return found


def heard(console: DeskConsole, role: Role) -> list[str]:
    """The topics of what was published so far that a person of this role hears, in their order."""
    person = Person(account="p", pseudonym="p", member=console.context.member, roles=frozenset({role}), session="s")
    ring = console.context.live._ring
    return [one.topic for one in ring if one.to is None or one.to(person)]


def differing(first: Told, second: Told) -> list[str]:
    """The routes that answered differently."""
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
