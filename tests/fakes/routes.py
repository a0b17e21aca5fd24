"""Every address that is read of both consoles: what kind of answer it gives, and an example that answers with one.

The walks in browsers (axe, 320 px, languages and themes) and the walks of non-interference go over these tables, and a
test compares them with what the consoles serve: a new route that is not here is a failure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tests.fakes.walks import filled

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(StrEnum):
    """What a route answers with."""

    PAGE = "page"  # whole, of who is signed in
    DOOR = "door"  # whole, of who is not
    PIECE = "piece"  # of a page, which shows it: its own page is walked in the browser
    FILE = "file"  # a picture, JSON, bytes
    ABSENT = "absent"  # unless something is configured that these consoles do not have
    STREAM = "stream"  # never ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One route. ``queries`` are what a page is also asked; ``mark`` is drawn by a script before a page is whole."""

    path: str
    kind: Kind = Kind.PAGE
    queries: tuple[str, ...] = ("",)
    mark: str = ""

    def addresses(self, values: Mapping[str, str]) -> list[str]:
        """Its examples in a world whose things are called so."""
        return [filled(self.path + query, values) for query in self.queries]


def _all(kind: Kind, *paths: str) -> tuple[Known, ...]:
    return tuple(Known(path=path, kind=kind) for path in paths)


KERNEL = (
    *_all(Kind.DOOR, "/sign-in", "/enrol"),
    *_all(Kind.PAGE, "/me", "/accounts"),
    *_all(Kind.FILE, "/static/{digest}/{name:path}"),
    *_all(Kind.ABSENT, "/sign-in/oidc/back"),
    *_all(Kind.STREAM, "/live"),
)
DESK = (
    *KERNEL,
    Known(path="/drafts/{draft}", mark="#evidence-map[data-drawn='1']"),
    Known(path="/audit", queries=("", "?subject=D1")),
    *_all(
        Kind.PAGE,
        "/",
        "/acts",
        "/acts/{act}",
        "/acts/{act}/seen-by/{member}",
        "/sent",
        "/sent/{ident:path}",
        "/map",
        "/watch",
        "/watch/hits/{hit}",
        "/watch/indicators/{issuer}/{stix_id}",
        "/shift",
        "/works",
        "/lookup",
        "/report",
        "/report/{kind}",
        "/levels",
        "/levels/set",
        "/duty",
        "/rules",
        "/exports",
        "/status",
        "/suppressions",
        "/accounts/keys",
    ),
    *_all(
        Kind.PIECE,
        "/queue",
        "/acts/{act}/now",
        "/acts/{act}/state",
        "/sent-rows",
        "/sent-progress/{ident:path}",
        "/watch/now",
        "/alarm",
        "/levels/now",
        "/levels/banner",
        "/duty/now",
        "/duty/notices",
    ),
    *_all(Kind.FILE, "/photos/{draft}/{digest}", "/photos/{draft}/{digest}/small"),
)
HUB = (
    *KERNEL,
    Known(path="/", queries=("", "?class=decision", "?item={index}", "?text=identity"), mark="#map[data-drawn]"),
    Known(path="/log", queries=("", "?member=beanr", "?leaf={index}")),
    Known(path="/briefing", queries=("", "?first={day}&last={day}&size=3")),
    Known(path="/members/{member}/status", queries=("?operation=suspend-member",)),
    Known(path="/members/{member}/revoke", queries=("?key={key}",)),
    Known(path="/audit", queries=("", "?event=picture.open")),
    *_all(
        Kind.PAGE,
        "/incidents",
        "/incidents/{ident}",
        "/levels",
        "/members",
        "/members/{member}",
        "/consumers",
        "/consumers/{consumer}",
        "/log/{index:int}",
        "/log/compare",
        "/exports",
    ),
    *_all(Kind.PIECE, "/picture/strip", "/picture/feed", "/picture/spill-over", "/levels/now"),
    *_all(
        Kind.FILE,
        "/picture/drawn",
        "/log/genesis",
        "/log/{index:int}/proof",
        "/log/{index:int}/bundle",
        "/profile/{version}/{name:path}",
    ),
    Known(path="/log/consistency", kind=Kind.FILE, queries=("?first=2&second=3",)),
)


def of_kind(table: tuple[Known, ...], *kinds: Kind) -> tuple[Known, ...]:
    """The rows of these kinds."""
    return tuple(one for one in table if one.kind in kinds)
