"""After a start: who must be heard before the log may grow, and how members make a restored log whole."""

from hub.recovery.opening import Admission, NotOpenError, is_open, require_compared, voices
from hub.recovery.state import (
    Giving,
    HeldEntry,
    Progress,
    Recovery,
    State,
    TamperedError,
    WaitingError,
)

__all__ = [
    "Admission",
    "Giving",
    "HeldEntry",
    "NotOpenError",
    "Progress",
    "Recovery",
    "State",
    "TamperedError",
    "WaitingError",
    "is_open",
    "require_compared",
    "voices",
]
