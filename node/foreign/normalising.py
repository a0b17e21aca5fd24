"""A foreign object as our profile says it: same id, same author, same version, its marking in TLP 2.0.

What the profile does not have (``x_`` properties, others' extensions, granular markings, whose strictness is in the
marking already) stays behind with the exact bytes. An indicator of the network without an end gets one: what is old is
only noise. Its confidence is at most what the grade of its source allows, and none where nothing can be judged or
where the federation had said it before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from node.foreign.reading import OddError
from port2port.clock import to_text
from port2port.errors import ProfileError
from port2port.imported import Grade
from port2port.limits import LIMITS
from port2port.stix.markings import TLP_IDS
from port2port.stix.normalise import normalise
from port2port.stix.profile import OWN_EXTENSIONS
from port2port.stix.schema_files import Schemas
from port2port.stix.validate import ValidObject
from port2port.tlp import Tlp

VALID_FOR: Final = timedelta(days=14)
FAR_TOO_LARGE: Final = 6 * LIMITS.object_bytes  # as JSON with escapes, of which normal form has none
MOMENT_CHARS: Final = 40  # longer than any precision
# What an officer can act on, or read as it stands; the rest is context that is counted, and makes no draft.
DRAFTED: Final = frozenset(
    {
        "access-point", "camera-zone", "domain-name", "email-addr", "file", "freight-container", "incident",
        "indicator", "ipv4-addr", "ipv6-addr", "mac-addr", "note", "report", "uas", "url", "vessel", "waterway-lock",
    }
)  # fmt: skip
_LEFT_BEHIND: Final = frozenset({"extensions", "granular_markings", "object_marking_refs"})
_PERSONAL: Final = re.compile(
    r"\b(?:ipv4-addr|ipv6-addr|email-addr|email-message|user-account|mac-addr|network-traffic|badge|vehicle|uas:operator)"
)
_PERSONAL_TYPES: Final = frozenset({"email-addr", "ipv4-addr", "ipv6-addr", "mac-addr"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalised:
    """``raw`` is what an officer would sign; ``left`` are the names of what stayed behind."""

    raw: bytes
    found: ValidObject
    left: tuple[str, ...]

    @property
    def personal(self) -> bool:
        """Whether it names an address, a mailbox or an account, which may be a person's (DESIGN 6)."""
        if self.found.type == "indicator":
            return _PERSONAL.search(str(self.found.data.get("pattern", ""))) is not None
        return self.found.type in _PERSONAL_TYPES


class Normaliser:
    """The profile's schemas with the step that hub and receivers run, for one process."""

    def __init__(self, validate: Callable[[bytes], ValidObject]) -> None:
        self._validate = validate
        self._schemas = Schemas()

    def normalise(
        self, data: Mapping[str, Any], *, tlp: Tlp, grade: Grade, now: datetime, echo: bool = False
    ) -> Normalised:
        """The object under its effective marking. Raises OddError, whatever it is."""
        try:
            kept, left = self._kept(data)
            if len(json.dumps(kept)) > FAR_TOO_LARGE:  # before the time that a profile takes for it
                raise OddError(f"larger than the {LIMITS.object_bytes} bytes that an object may have")
            said = {**kept, "object_marking_refs": [TLP_IDS[tlp]]}
            if data["type"] == "indicator":
                said.setdefault("valid_until", _end(data, now))
            said |= _confidence(said, grade, echo=echo)
            raw = normalise({name: value for name, value in said.items() if value is not None})
            if len(raw) > LIMITS.object_bytes:
                raise OddError(f"larger than the {LIMITS.object_bytes} bytes that an object may have")
            return Normalised(raw=raw, found=self._validate(raw), left=left)
        except ProfileError as error:
            raise OddError(f"not of our profile: {error.text}") from error

    def _kept(self, data: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        known = self._schemas.properties(str(data["type"])) - _LEFT_BEHIND
        kept = {name: value for name, value in data.items() if name in known}
        extensions = data.get("extensions")
        listed = extensions.items() if isinstance(extensions, Mapping) else ()
        own = {key: value for key, value in listed if key in OWN_EXTENSIONS}
        if own:
            kept["extensions"] = own
        left = sorted({name for name in data if name not in kept} - {"object_marking_refs"})
        return kept, tuple(left)


def _end(data: Mapping[str, Any], now: datetime) -> str:
    """Two weeks from when it was brought in, or from when it begins where that lies ahead."""
    begins = moment(data.get("valid_from"))
    return to_text(max(now, begins or now) + VALID_FOR)


def _confidence(said: Mapping[str, Any], grade: Grade, *, echo: bool) -> dict[str, Any]:
    own = said.get("confidence")
    if own is None and grade.confidence is None:
        return {}
    if grade.confidence is None or echo or "created" not in said:
        return {"confidence": None}
    return {"confidence": min(own, grade.confidence) if isinstance(own, int) else grade.confidence}


def moment(text: object) -> datetime | None:
    """An aware time in RFC 3339; None for anything else."""
    if not isinstance(text, str) or len(text) > MOMENT_CHARS:
        return None
    try:
        found = datetime.fromisoformat(text)
        return None if found.tzinfo is None or found.utcoffset() is None else found
    except (ValueError, OverflowError):
        return None
