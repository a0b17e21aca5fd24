"""The one indicator that stays in the plain collection for ever, so that the path to an alert can be tried.

It names a domain that nobody can register (RFC 2606); whoever looks it up on purpose must see an alert at his SIEM.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from port2port import ids
from port2port.stix.objects import Header, indicator, pattern_equals
from port2port.tlp import Tlp

DOMAIN: Final = "alert-path-test.port2port.example"
_MADE: Final = datetime(2026, 11, 1, tzinfo=UTC)
_UNTIL: Final = datetime(2099, 12, 31, tzinfo=UTC)


@lru_cache(8)
def trial_indicator(federation: str) -> bytes:
    """Its canonical bytes, always the same for one federation."""
    header = Header(
        ident=uuid.uuid5(ids.NAMESPACE, f"{federation}/trial-indicator"),
        issuer=ids.identity_of(federation, ids.FEDERATION_ISSUER),
        created=_MADE,
        tlp=Tlp.CLEAR,
        confidence=100,
        labels=("test",),
    )
    return indicator(
        header,
        name="Test indicator: harmless",
        description=(
            "Not a threat. Look up or visit this name on purpose to see whether an alert arrives where it should; "
            "nobody can own it (RFC 2606)."
        ),
        pattern=pattern_equals("domain-name:value", [DOMAIN]),
        indicator_types=("malicious-activity",),  # some consumers pass over every other kind
        valid_from=_MADE,
        valid_until=_UNTIL,
    )
