"""Which routes of the desk look something up, and what the audit row says of it.

One draft, act, hit, indicator, photograph or thing that was said; the trail itself. A search for a container, badge,
vehicle or person is posted with its case and writes its own row (``node.lookups``). Every other page lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from starlette.requests import Request

from port2port.console.lookups import Asked, LookUp, by_path


def _trail(request: Request) -> Iterable[LookUp]:
    return (LookUp(action="audit-read", subject=request.query_params.get("subject", "").strip()),)


LOOKUPS: Final[Mapping[str, Asked]] = {
    "/drafts/{draft}": by_path("draft-opened", "draft"),
    "/photos/{draft}/{digest}": by_path("photo-opened", "draft", "digest"),
    "/photos/{draft}/{digest}/small": by_path("photo-opened", "draft", "digest"),
    "/acts/{act}": by_path("act-opened", "act"),
    "/acts/{act}/state": by_path("act-opened", "act"),
    "/acts/{act}/now": by_path("act-opened", "act"),
    "/acts/{act}/seen-by/{member}": by_path("bytes-opened", "act", "member"),
    "/sent/{ident:path}": by_path("sent-opened", "ident"),
    "/sent-progress/{ident:path}": by_path("sent-opened", "ident"),
    "/watch/hits/{hit}": by_path("hit-opened", "hit"),
    "/watch/indicators/{issuer}/{stix_id}": by_path("indicator-opened", "issuer", "stix_id"),
    "/audit": _trail,
}
