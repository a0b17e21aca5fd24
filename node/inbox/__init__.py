"""What arrives from the hub: nothing is stored before the log it belongs to has been recomputed and verified.

The story of one batch. It carries every leaf hash since our cursor, the entries we may read, and a checkpoint.
``judge`` (pure) recomputes the root from all leaf hashes, checks the log's signature, runs the numbered steps over
every entry under the roster folded up to it, and says what follows: what to store, what to quarantine, which alarms
to raise. ``Inbox`` puts that into one transaction with the new head, and runs the registered handlers in it.

A batch whose root or signature does not hold is refused whole. An entry that a step refuses is quarantined alone:
its neighbours are not touched. Two log-signed checkpoints that contradict each other are evidence against the hub:
they are written to a file, and following stops.
"""

from node.inbox.batch import Batch, BatchEntry
from node.inbox.inbox import EntryHandler, Inbox, Received, load_state
from node.inbox.judge import (
    BatchError,
    InboxState,
    Memory,
    Outcome,
    Refusal,
    fold,
    judge,
)

__all__ = [
    "Batch",
    "BatchEntry",
    "BatchError",
    "EntryHandler",
    "Inbox",
    "InboxState",
    "Memory",
    "Outcome",
    "Received",
    "Refusal",
    "fold",
    "judge",
    "load_state",
]
