"""A child process that appends to a hub's log or queues in a node's outbox until its disk fails.

    python -m tests.fakes.log_writer hub URL FULL|NORMAL      appends one envelope after the other with the product's ``Log``
    python -m tests.fakes.log_writer outbox DIR FULL|NORMAL   signs and queues with the product's ``Outbox``

Prints the digest of each once the product has promised it, and ends with the first error of the disk. The federation
follows from its seed, so both sides of the test know all keys.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hub.audience import Audiences
from hub.intake import Checker, IntakeJudge
from hub.store import Store
from hub.transparency import Appended, Log, fold_roster
from node.outbox import Outbox, SequenceFile
from node.store import NodeStore
from port2port.clock import to_ms
from port2port.database import Database, make_engine, sqlite_url
from port2port.statement import Statement
from port2port.tlp import Tlp
from tests.fakes.federation import Federation, statement_of

MEMBER = "beanr"


def federation() -> Federation:
    """The same in every process, but for random statement ids."""
    return Federation(members=(MEMBER, "belgg"), seed="power")


def append_for_ever(url: str, synchronous: str) -> None:
    fed = federation()
    store = Store(make_engine(url, synchronous=synchronous))
    log = Log(store, origin=fed.origin, key=fed.log_key, clock=fed.clock)
    checker = Checker(
        federation=fed.name, genesis_hash=fed.genesis_hash, log=log, validate=fed.validate, clock=fed.clock
    )
    at = store.database.read_now(fold_roster)
    judge = IntakeJudge(Audiences())
    seq = log.head().next * 1_000
    while True:
        seq += 1
        checked = checker.check(fed.publish(MEMBER, seq=seq), MEMBER, at)
        assert checked.candidate is not None, checked
        (outcome,) = log.append([checked.candidate], judge)
        assert isinstance(outcome, Appended), outcome
        print(checked.candidate.work.digest.hex(), flush=True)


def queue_for_ever(directory: str, synchronous: str) -> None:
    fed = federation()
    home = Path(directory)
    store = NodeStore(Database(make_engine(sqlite_url(home / "node.db"), synchronous=synchronous)))
    machine = fed.ports[MEMBER].machine
    outbox = Outbox(machine, SequenceFile(home / "machine.key.seq", machine.key_id))
    while True:
        said = draft(fed)
        queued = store.write_now(lambda c, s=said: outbox.sign(c, s, at_ms=to_ms(fed.clock.now())))
        print(queued.digest.hex(), flush=True)


def draft(fed: Federation) -> Statement:
    """A statement to be signed: the outbox fills in signer and sequence."""
    return statement_of(fed.publish(MEMBER, tlp=Tlp.GREEN, officer=False))


def main(what: str, where: str, synchronous: str) -> None:
    {"hub": append_for_ever, "outbox": queue_for_ever}[what](where, synchronous)


if __name__ == "__main__":
    main(*sys.argv[1:])
