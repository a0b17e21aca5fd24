"""What members of a fake federation hold of the log, and how they give it back to a hub that lost entries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from hub.recovery import HeldEntry, Progress, Recovery
from hub.store import Store
from hub.tables import BODY, ENTRY
from hub.transparency import Log
from tests.contract.log_store_suite import candidate
from tests.fakes.federation import Federation
from tests.fakes.hub_core import HubCore


def recovery_of(core: HubCore, evidence: Path) -> Recovery:
    return Recovery(
        store=core.store,
        log=core.log,
        log_public=core.fed.log_key.public,
        evidence=evidence,
        clock=core.fed.clock,
        recovered=core.feed.wake,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What one member holds of the log."""

    member: str
    leaves: list[bytes]
    entries: list[HeldEntry]
    checkpoint: bytes


async def copy_of(core: HubCore, member: str, size: int) -> Copy:
    batches = await core.take(member, 0, size)
    joined = b"".join(batch.leaf_hashes for batch in batches)
    entries = [
        HeldEntry(index=item.index, received_ms=item.received_ms, envelope=item.envelope)
        for batch in batches
        for item in batch.entries
    ]
    return Copy(
        member=member,
        leaves=[joined[at : at + 32] for at in range(0, len(joined), 32)],
        entries=entries,
        checkpoint=batches[-1].checkpoint.encode(),
    )


async def give(recovery: Recovery, copy: Copy, *, first: int = 0, step: int = 4) -> Progress:
    """Hand a whole copy back, a few leaves at a time."""
    giving = recovery.giving(copy.member)
    note = copy.checkpoint
    for at in range(first, len(copy.leaves), step):
        entries = [item for item in copy.entries if at <= item.index < at + step]
        progress = await recovery.give(
            giving, first_index=at, leaves=copy.leaves[at : at + step], entries=entries, checkpoint=note
        )
        note = b""
    return progress


def copy_beginning(there: Store, store: Store, fed: Federation, size: int) -> None:
    """Make ``store``, which is empty, what a backup of ``there`` held when its log had ``size`` entries."""
    rows = (
        sa.select(BODY.c.envelope, ENTRY.c.received_ms)
        .join(ENTRY, ENTRY.c.index == BODY.c.index)
        .where(BODY.c.index < size)
        .order_by(BODY.c.index)
    )
    log = Log(store, origin=fed.origin, key=fed.log_key, clock=fed.clock)
    found = there.database.read_now(lambda connection: connection.execute(rows).all())
    log.restore([(candidate(log, bytes(raw)), received_ms) for raw, received_ms in found])
