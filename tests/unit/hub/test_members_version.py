"""The hub names a node that is older than the federation asks for, once, and serves it."""

from __future__ import annotations

import logging

import pytest

from hub.members import Members, Peer
from tests.fakes.federation import Federation

OLDER = "node is older than the minimum version"


@pytest.fixture
def fed() -> Federation:
    made = Federation()
    made.founding()
    made.control("roster", [{"op": "set-minimum-version", "minimum_version": "1.2.0"}])
    return made


def peer(fed: Federation, node: int = 1) -> Peer:
    return Peer(member="beanr", node=node, key_id=fed.ports["beanr"].machine.key_id, serial="1")


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[object, ...]]:
    names = ("member", "node", "version", "minimum")
    return [tuple(vars(record)[name] for name in names) for record in caplog.records if record.message == OLDER]


def test_an_older_node_is_named_once_for_each_version(fed: Federation, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    members = Members(fed.roster)
    answers = [members.compare_version(peer(fed), version) for version in ("1.1.9", "1.1.9", "0.9.0", "1.2.0", "0.9.0")]
    assert answers == [False, False, False, True, False]
    assert told(caplog) == [
        ("beanr", 1, "1.1.9", "1.2.0"),
        ("beanr", 1, "0.9.0", "1.2.0"),
        ("beanr", 1, "0.9.0", "1.2.0"),
    ]
    members.compare_version(peer(fed, node=2), "0.9.0")
    assert told(caplog)[3:] == [("beanr", 2, "0.9.0", "1.2.0")]


def test_an_older_node_is_served_all_the_same(fed: Federation) -> None:
    members = Members(fed.roster)
    assert not members.compare_version(peer(fed), "0.1.0")
    assert members.require(peer(fed)) is fed.roster


@pytest.mark.parametrize("version", ["", "latest", "1.2", "x" * 10_000])
def test_what_is_no_version_is_an_old_one_and_is_not_repeated_at_length(
    fed: Federation, caplog: pytest.LogCaptureFixture, version: str
) -> None:
    caplog.set_level(logging.WARNING)
    assert not Members(fed.roster).compare_version(peer(fed), version)
    assert told(caplog) == [("beanr", 1, version[:20], "1.2.0")]


def test_before_the_genesis_nothing_is_asked_for(fed: Federation) -> None:
    assert Members().compare_version(peer(fed), "0.0.1")
