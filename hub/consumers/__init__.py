"""Systems that read the hub through TAXII with a secret: who they are, and what use was made of them."""

from hub.consumers.register import (
    MOST_DAYS,
    Consumer,
    ConsumerError,
    add,
    admit,
    consumers,
    find,
    renew,
    revoke,
)
from hub.consumers.use import Poll, Seen, Use, note_polls, uses

__all__ = [
    "MOST_DAYS",
    "Consumer",
    "ConsumerError",
    "Poll",
    "Seen",
    "Use",
    "add",
    "admit",
    "consumers",
    "find",
    "note_polls",
    "renew",
    "revoke",
    "uses",
]
