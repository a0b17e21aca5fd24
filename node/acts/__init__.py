"""Acts: what officers decide, frozen first, signed one by one, and done in one transaction or not at all.

``publish_draft``, ``reject_draft``, ``retract``, ``say`` and ``decide`` of ``preparing`` freeze an act; ``to_sign``
gives the messages, ``add_signature`` takes what an officer's passkey or key file made of them. ``at_once`` does both
with key files at hand. ``silencing`` has what silences, ``overriding`` the second check of an emergency and the clocks,
``reach`` the readers.
"""

from node.act_store import DONE, RETURNED, WAITING, WITHDRAWN, ActClosedError, NoActError, Part, Prepared
from node.acts.asked import ActWaitsError, Asked, DeskKeysTakenError, NoDeskKeyError
from node.acts.at_once import asked_of
from node.acts.overriding import Share, confirm_override, share, sweep, watch
from node.acts.reach import Reader, Shown, readers, seen_by
from node.acts.signing import (
    Outcome,
    SignatureCountError,
    Signed,
    add_signature,
    missing,
    sign_at_once,
    to_sign,
    why_stale,
    withdraw,
)

__all__ = [
    "DONE",
    "RETURNED",
    "WAITING",
    "WITHDRAWN",
    "ActClosedError",
    "ActWaitsError",
    "Asked",
    "DeskKeysTakenError",
    "NoActError",
    "NoDeskKeyError",
    "Outcome",
    "Part",
    "Prepared",
    "Reader",
    "Share",
    "Shown",
    "SignatureCountError",
    "Signed",
    "add_signature",
    "asked_of",
    "confirm_override",
    "missing",
    "readers",
    "seen_by",
    "share",
    "sign_at_once",
    "sweep",
    "to_sign",
    "watch",
    "why_stale",
    "withdraw",
]
