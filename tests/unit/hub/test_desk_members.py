"""The members page's facts, and decisions prepared here that coordinators sign elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import desk_members
from hub.contacts import Contacts, read_contacts
from hub.intake import Outcome, admit
from hub.members import Peer
from port2port.clock import to_ms
from port2port.database import sqlite_url
from port2port.errors import NotFoundError
from port2port.roster import RosterConflictError
from port2port.tlp import Tlp
from tests.fakes.federation import Federation
from tests.fakes.picture import PictureDesk, picture_desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[PictureDesk]:
    made = picture_desk(Federation(), sqlite_url(tmp_path / "hub.db"))
    yield made
    made.store.close()


def follow(desk: PictureDesk, member: str, *, cursor: int, version: str = "1.0.0") -> None:
    contacts, peer = Contacts(), Peer(member=member, node=1, key_id="", serial="")
    contacts.says(peer, version)
    contacts.follows(peer, at_ms=to_ms(desk.fed.clock.now()), cursor=cursor)
    assert desk.store.database.write_now(contacts.save) == 1
    assert desk.store.database.write_now(contacts.save) == 0


def test_a_member_is_listed_with_keys_nodes_and_groups(desk: PictureDesk) -> None:
    desk.admit([desk.fed.group("seaports", "beanr", "north-sea-port")])
    follow(desk, "beanr", cursor=1)
    row = desk.ask("belgg", desk_members.one_member, "beanr")
    assert [(key.key_class, key.state, key.days_left) for key in row.keys] == [
        (key.key_class, "active", 365) for key in row.keys
    ]
    assert len(row.keys) == 3
    assert row.groups == (("seaports", 1),)
    assert [(node.cursor, node.backlog, node.silent) for node in row.nodes] == [(1, 2, False)]
    assert row.key_days_left == 365
    listed = desk.ask("belgg", desk_members.members)
    assert desk_members.by_version(listed) == (("1.0.0", ("beanr",)),)
    with pytest.raises(NotFoundError):
        desk.ask("belgg", desk_members.one_member, "nobody")


def test_a_node_is_silent_after_a_minute_and_an_older_report_does_not_make_it_so(desk: PictureDesk) -> None:
    follow(desk, "beanr", cursor=1)
    desk.fed.clock.advance(61)
    assert desk.ask("belgg", desk_members.one_member, "beanr").nodes[0].silent
    late = Contacts()
    late.follows(Peer(member="beanr", node=1, key_id="", serial=""), at_ms=5)
    desk.store.database.write_now(late.save)
    (kept,) = desk.store.database.read_now(read_contacts)
    assert (kept.at_ms > 5, kept.version, kept.cursor) == (True, "1.0.0", 1)


def test_the_consequences_of_a_revocation_count_what_the_reader_may_read(desk: PictureDesk) -> None:
    fed = desk.fed
    desk.admit([fed.publish("beanr"), fed.publish("beanr", tlp=Tlp.AMBER)])
    machine, officer = fed.ports["beanr"].machine.key_id, fed.ports["beanr"].officer.key_id
    own = desk.ask("beanr", desk_members.consequences, key_id=machine, open_streams=2)
    other = desk.ask("belgg", desk_members.consequences, key_id=officer, invalid_since_ms=1)
    assert (own.stay, own.disputed, own.open_streams, own.is_last_key) == (2, 0, 2, True)
    assert (other.stay, other.disputed, other.is_last_key) == (0, 1, False)
    assert desk.ask("belgg", desk_members.consequences, member="beanr").stay == 1
    with pytest.raises(NotFoundError):
        desk.ask("beanr", desk_members.consequences, key_id="f" * 64)


def test_a_prepared_revocation_is_signed_elsewhere_and_admitted(desk: PictureDesk) -> None:
    fed = desk.fed
    key_id = fed.ports["beanr"].second_officer.key_id
    proposal = desk.ask(
        "belgg",
        desk_members.propose_revocation,
        fed.genesis_hash,
        key_id=key_id,
        reason="lost",
        invalid_since_ms=None,
    )
    assert proposal.signatures == ()
    refused = admit(store=desk.store, log=desk.log, checker=desk.checker, judge=desk.judge, raw=proposal.envelope())
    assert refused.outcome is Outcome.REFUSED
    signed = proposal.signed_by(fed.coordinator_keys[0]).envelope()
    taken = admit(store=desk.store, log=desk.log, checker=desk.checker, judge=desk.judge, raw=signed)
    assert taken.outcome is Outcome.ACCEPTED
    row = desk.ask("belgg", desk_members.one_member, "beanr")
    assert [key.state for key in row.keys if key.key_id == key_id] == ["revoked"]


def test_what_would_not_apply_is_refused_before_anybody_signs(desk: PictureDesk) -> None:
    ask = {"operation": "suspend-member", "member": "nobody", "reason": "test"}
    with pytest.raises(RosterConflictError):
        desk.ask("belgg", desk_members.propose_status, desk.fed.genesis_hash, **ask)
    made = desk.ask("belgg", desk_members.propose_group, desk.fed.genesis_hash, group="all", members_=["beanr"])
    assert made.parsed.kind == "group"
