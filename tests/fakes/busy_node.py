"""A node process with much to say: ``python -m tests.fakes.busy_node node.toml EVERY_MS``.

It is the product's own node (``node.app``) with one service more, which signs and queues one indicator after the
other, as officers would, and prints the digest of each once it is durable: that line is what was promised to them.
The failpoints of the publishing transaction are those of the node: ``node.before_commit``, ``node.after_commit``.
"""

from __future__ import annotations

import asyncio
import hashlib
import signal
import sys
import uuid
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from sqlalchemy.engine import Connection

from node.app import Node, Plugin, Service, open_node, run
from node.outbox import Queued
from node.settings import NodeSettings
from port2port import keys
from port2port.clock import to_ms
from port2port.envelope import SaltedObject
from port2port.failpoints import reach
from port2port.ids import identity_of
from port2port.keys import Ed25519Key
from port2port.merkle import EMPTY_ROOT
from port2port.settings import load
from port2port.statement import LogSeen, ObjectRef, Statement, commit
from port2port.stix import objects as stix
from port2port.tlp import Tlp
from tests.fakes.federation import stix_id_of


def queue_one(connection: Connection, node: Node, officer: Ed25519Key) -> Queued:
    """Sign and queue one indicator, in the caller's transaction."""
    member, now = node.settings.member, node.clock.now().replace(microsecond=0)
    header = stix.Header(
        ident=uuid.uuid4(), issuer=identity_of(node.settings.federation, member), created=now, tlp=Tlp.GREEN
    )
    body = stix.indicator(
        header,
        name="cloned identity",
        pattern=stix.pattern_equals("vessel:mmsi", ["205123400"]),
        valid_from=now,
        valid_until=now + timedelta(days=30),
    )
    item = SaltedObject(salt=hashlib.sha256(body).digest(), body=body)
    ref = ObjectRef(
        id=stix_id_of(body),
        modified=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        commitment=commit(item.salt, body),
    )
    said = Statement(
        kind="publish",
        issuer=member,
        signer=node.machine.key_id,
        seq=1,
        id=f"urn:uuid:{uuid.uuid4()}",
        issued=now,
        log_seen=LogSeen(size=0, root=EMPTY_ROOT),
        decided_by="officer:o1",
        tlp=Tlp.GREEN,
        objects=(ref,),
    )
    queued = node.outbox.sign(connection, said, officers=[officer], objects=[item], at_ms=to_ms(now))
    reach("node.before_commit")
    return queued


async def publish_for_ever(node: Node, officer: Ed25519Key, every_s: float) -> None:
    while True:
        queued = await node.store.write(lambda connection: queue_one(connection, node, officer))
        reach("node.after_commit")
        print("promised", queued.digest.hex(), flush=True)
        node.uplink.wake()
        await node.clock.sleep(every_s)


async def main(config: str, every_ms: str) -> None:
    settings = load(Path(config), NodeSettings)
    officer = keys.load(Path(config).parent / "officer.key")

    def services(node: Node) -> Sequence[Service]:
        return [lambda: publish_for_ever(node, officer, int(every_ms) / 1000)] if int(every_ms) else []

    plugin = Plugin(services=services)
    node = open_node(settings, plugin=plugin)
    try:
        working = asyncio.create_task(run(node, plugin))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)
        await asyncio.wait({working})
        if not working.cancelled():
            working.result()
    finally:
        node.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
