from __future__ import annotations

import pytest

from hub.members import DeniedError, Members, Peer, standing_key
from hub.revocation import Streams, TooManyStreamsError
from port2port.errors import NotMemberError
from tests.fakes.federation import Federation


@pytest.fixture
def fed() -> Federation:
    federation = Federation(members=("beanr", "belgg"))
    federation.founding()
    return federation


def peer(fed: Federation, member: str = "beanr", *, key_id: str | None = None, serial: str = "1") -> Peer:
    return Peer(member=member, node=1, key_id=key_id or fed.ports[member].machine.key_id, serial=serial)


def test_a_rostered_machine_key_lets_its_member_in(fed):
    assert Members(fed.roster).require(peer(fed)) is fed.roster


def test_a_certificate_alone_gives_nobody_a_voice(fed):
    members = Members(fed.roster)
    for stranger in (
        peer(fed, key_id="ff" * 32),
        Peer(member="ghent", node=1, key_id=fed.ports["beanr"].machine.key_id, serial="1"),
        Peer(member="belgg", node=1, key_id=fed.ports["beanr"].machine.key_id, serial="1"),
        peer(fed, key_id=fed.ports["beanr"].officer.key_id),
    ):
        with pytest.raises(NotMemberError):
            members.require(stranger)


def test_before_the_genesis_nobody_belongs(fed):
    with pytest.raises(NotMemberError):
        Members().require(peer(fed))
    Members().require_not_removed(peer(fed))


def test_a_rekey_keeps_the_connection_of_the_old_certificate_and_a_revocation_ends_it(fed):
    old = peer(fed)
    fed.rekey("beanr")
    members = Members(fed.roster)
    members.require(old)
    members.require(peer(fed))
    fed.revoke_key(fed.ports["beanr"].machine.key_id)
    assert standing_key(fed.roster, "beanr", old.key_id) is None


def test_a_revoked_key_no_longer_lets_in(fed):
    fed.revoke_key(fed.ports["beanr"].machine.key_id)
    members = Members(fed.roster)
    with pytest.raises(NotMemberError):
        members.require(peer(fed))
    with pytest.raises(NotMemberError):
        members.require_not_removed(peer(fed))
    members.require(peer(fed, "belgg"))


def test_a_denied_serial_is_out_whoever_it_names(fed):
    members = Members(fed.roster, frozenset({"2"}))
    members.require(peer(fed, serial="1"))
    with pytest.raises(DeniedError):
        members.require(peer(fed, serial="2"))
    with pytest.raises(DeniedError):
        members.require_not_removed(peer(fed, serial="2"))


@pytest.mark.parametrize("operation", ["suspend-member", "remove-member"])
def test_every_open_stream_of_a_member_that_goes_is_cut_and_no_other(fed, operation):
    members = Members(fed.roster)
    streams = Streams(members)
    with (
        streams.opened(peer(fed), "Follow", limit=4) as first,
        streams.opened(peer(fed), "Submit", limit=4) as second,
        streams.opened(peer(fed, "belgg"), "Follow", limit=4) as other,
    ):
        assert streams.judge() == 0
        fed.set_status(operation, "beanr")
        members.replace_roster(fed.roster)
        assert streams.judge() == 2
        assert first.killed.is_set()
        assert second.killed.is_set()
        assert isinstance(first.reason, NotMemberError)
        assert not other.killed.is_set()
    assert len(streams) == 0
    with pytest.raises(NotMemberError), streams.opened(peer(fed), "Follow", limit=4):
        pass


def test_denying_a_serial_cuts_its_streams_only(fed):
    members = Members(fed.roster)
    streams = Streams(members)
    with (
        streams.opened(peer(fed, serial="1"), "Follow", limit=4) as kept,
        streams.opened(peer(fed, serial="2"), "Follow", limit=4) as cut,
    ):
        members.replace_denied(frozenset({"2"}))
        assert streams.judge() == 1
        assert cut.killed.is_set()
        assert not kept.killed.is_set()


def test_streams_are_limited_for_each_member_and_kind_alone(fed):
    streams = Streams(Members(fed.roster))
    with streams.opened(peer(fed), "Follow", limit=1):
        with pytest.raises(TooManyStreamsError) as refused, streams.opened(peer(fed), "Follow", limit=1):
            pass
        assert refused.value.delay_ms > 0
        with streams.opened(peer(fed), "Submit", limit=1), streams.opened(peer(fed, "belgg"), "Follow", limit=1):
            pass
    with streams.opened(peer(fed), "Follow", limit=1):
        pass
