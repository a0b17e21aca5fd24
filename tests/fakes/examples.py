"""How many cases a test tries: a tenth of them in ``make test``, all in ``make test-all``, by the same body.

``make test`` sets ``P2P_QUICK=1``. Whoever runs pytest by hand, and ``make test-all``, gets the full number.
"""

from __future__ import annotations

import os
from typing import Final

QUICK: Final = os.environ.get("P2P_QUICK") == "1" and os.environ.get("P2P_FUZZ") != "1"


def many(full: int, *, fewest: int = 25) -> int:
    """``full``, or in the quick suite a tenth of it, but no fewer than ``fewest``."""
    return max(full // 10, min(full, fewest)) if QUICK else full
