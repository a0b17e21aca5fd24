"""Who may sign what at every place of the log, from the pinned genesis: what attestations are judged by.

Comes from a proof bundle, which proves where in the log each control entry stands, or from a control log
(``port2port-hub export-control``), whose chain is as sound but whose places are the hub's word: a hub that lies could
date a revocation too late. ``placed`` says which.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from port2port import bundle, coordination
from port2port.checkpoint import Checkpoint
from port2port.errors import MalformedError
from port2port.roster import Roster
from port2port.stix.validate import ValidObject

CONTROL_BYTES: Final = max(bundle.BUNDLE_BYTES, coordination.CONTROL_LOG_BYTES)


class ControlError(MalformedError):
    """Neither a control log nor a proof bundle."""

    code = "CONTROL_FILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The rosters of a log up to ``head``, as (index of the control entry, roster after it)."""

    genesis_hash: str
    rosters: tuple[tuple[int, Roster], ...]
    head: Checkpoint
    placed: bool

    @property
    def now(self) -> Roster:
        """The newest."""
        return self.rosters[-1][1]

    def before(self, index: int) -> Roster | None:
        """The roster by which the entry at ``index`` is judged; None: there was none yet."""
        at = bisect_left(self.rosters, index, key=lambda item: item[0])
        return self.rosters[at - 1][1] if at else None


def read_control(raw: bytes, genesis_hash: str, validate: Callable[[bytes], ValidObject]) -> Control:
    """The control entries of a file, verified from the pinned genesis. Raises the error of the first that fails."""
    kind = coordination.type_of(raw)
    if kind == "p2p-bundle":
        report = bundle.check(raw, genesis_hash, validate)
        head = report.checkpoint.checkpoint
        return Control(genesis_hash=genesis_hash, rosters=report.rosters, head=head, placed=True)
    if kind == "control-log":
        log = coordination.read_control_log(raw, genesis_hash)
        head = Checkpoint(origin=log.roster.genesis.origin, size=log.seen.size, root=log.seen.root)
        return Control(genesis_hash=genesis_hash, rosters=log.rosters, head=head, placed=False)
    raise ControlError("this is neither a control log nor a proof bundle", found=kind[:40])
