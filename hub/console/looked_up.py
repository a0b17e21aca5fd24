"""Which routes of the hub's console look something up, and what the audit row says of it.

Searches for words, one entry, one member: the pages, and the pieces and pictures that carry the same search. Incidents,
briefings, searches of the log and the audit write their rows themselves, with facts that only they know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from starlette.requests import Request

from port2port.console.lookups import Asked, LookUp, by_path


def _searched(request: Request) -> Iterable[LookUp]:
    """What a view of the picture asks for by words; its other filters only list."""
    words = request.query_params.get("text", "").strip()
    return (LookUp(action="picture.search", facts={"words": words[:200]}),) if words else ()


def _opened(request: Request) -> Iterable[LookUp]:
    item = request.query_params.get("item", "").strip()
    return (*_searched(request), *((LookUp(action="picture.open", subject=item),) if item else ()))


LOOKUPS: Final[Mapping[str, Asked]] = {
    "/": _opened,
    "/picture/feed": _searched,
    "/picture/drawn": _searched,
    "/picture/spill-over": _searched,
    "/log/{index:int}": by_path("log.open", "index"),
    "/log/{index:int}/proof": by_path("log.open", "index"),
    "/consumers/{consumer}": by_path("consumer.open", "consumer"),
    "/members/{member}": by_path("member.open", "member"),
    "/members/{member}/revoke": by_path("member.open", "member"),
    "/members/{member}/status": by_path("member.open", "member"),
}
