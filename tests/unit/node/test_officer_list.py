"""``port2port-node officer list`` on passkeys: what is said of one between its first use and the roster."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from node import officers
from node.cli.officers import _lines
from port2port.clock import to_ms
from port2port.console import accounts
from port2port.console.roles import Role
from port2port.console.tables import PasskeyRow
from tests.fakes.desks import A, Harbour
from tests.fakes.passkey import Passkey

if TYPE_CHECKING:
    from pathlib import Path

    import sqlalchemy as sa


def test_a_passkey_is_listed_from_its_enrolment_to_its_offer(tmp_path: Path) -> None:
    harbour, device = Harbour(tmp_path), Passkey(rp_id="desk.example")
    fed, store = harbour.fed, harbour.desks[A].node.store
    now, roster = fed.clock.now(), harbour.desks[A].roster
    request = officers.offer_of(fed.name, A, "o7", device.record("officer"), fed.ports[A].machine)

    def enrol(connection: sa.Connection) -> None:
        for name, role in (("o7", Role.APPROVER), ("looker", Role.VIEWER)):
            accounts.create(connection, pseudonym=name, member=A, roles=frozenset({role}), now=now)
            account = accounts.by_pseudonym(connection, name)
            assert account is not None
            key = {"key_id": device.key_id if name == "o7" else "f" * 64, "public": device.public, "name": name}
            row = {"credential": name.encode(), "account": account.id, "rp_id": "desk.example", "counter": 0}
            times = {"synced": False, "created_ms": to_ms(now), "used_ms": None}
            connection.execute(PasskeyRow.__table__.insert().values({**key, **row, **times}))

    def said() -> str:
        found = store.read_now(lambda c: officers.listed(c, roster, A, now=now))
        return "\n".join(line for one in found if one.pseudonym not in {"o1", "o2"} for line in _lines(one))

    try:
        store.write_now(enrol)
        assert re.search(r"^o7 +\w{16}  passkey not offered\n.*Let it sign for this port", said())
        assert "looker" not in said()
        store.write_now(lambda c: officers.remember(c, request, now=now))
        assert f"passkey {officers.NOT_TAKEN}\n    fingerprint {request.fingerprint}" in said()
        store.write_now(lambda c: officers.taken(c, request, now=now))
        assert f"passkey {officers.OFFERED}\n    fingerprint {request.fingerprint}" in said()
        store.write_now(lambda c: officers.lost(c, device.key_id, now=now))
        assert officers.LOST in said()
        assert request.fingerprint not in said()
    finally:
        harbour.close()
