"""Joining, renewing and rekeying: keys stay here, answers are checked, a long absence needs no human."""

from __future__ import annotations

import random
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from node import app, desk_keys, identity, store
from node.identity import EnrolmentRefusedError, JoinError, Officer
from node.settings import NodeSettings
from port2port import keys, tls
from port2port.errors import ConfigurationError, UnavailableError
from port2port.settings import load
from port2port.tls import CertificateError
from tests.fakes.enrolment import FakeEnrolment
from tests.fakes.federation import Federation

A = "beanr"
OFFICER = Officer(pseudonym="o1", passphrase=None)


@pytest.fixture
def hub() -> FakeEnrolment:
    fed = Federation(members=(A, "belgg"))
    fed.founding()
    return FakeEnrolment(fed)


def join(hub: FakeEnrolment, home: Path, officer: Officer | None = OFFICER) -> identity.Joined:
    raw = hub.invitation(A).to_bytes()
    return identity.join(raw, home, enrolment=hub, clock=hub.fed.clock, officer=officer)


def settings_of(hub: FakeEnrolment, home: Path) -> NodeSettings:
    """A joined node whose machine key is the rostered one of the fake federation."""
    join(hub, home)
    (home / "machine.key").unlink()
    keys.save(hub.fed.ports[A].machine, home / "machine.key")
    return load(home / "node.toml", NodeSettings)


def test_joining_makes_keys_settings_and_a_database_that_knows_them(hub: FakeEnrolment, tmp_path: Path) -> None:
    joined = join(hub, tmp_path / "n")
    settings = load(joined.settings, NodeSettings)
    assert (settings.member, settings.genesis, settings.hub) == (A, hub.fed.genesis_hash, "localhost:7401")
    assert settings.keys.officers == (tmp_path / "n" / "officer-o1.key",)
    offered = hub.offers[0].request
    assert joined.fingerprint == offered.fingerprint
    assert len(joined.fingerprint.split()) == 16
    opened = store.open_store(settings.database_url)
    assert opened.read_now(store.own_keys) == {item.public.key_id for item in offered.keys}
    opened.close()
    modes = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "n").glob("*.key")}
    assert modes == {"machine.key": 0, "witness.key": 0, "officer-o1.key": 0, "tls.key": 0}
    found = identity.certificate_of(settings)
    assert found is not None
    assert found.not_after == joined.not_after


def test_a_joined_node_opens_and_its_status_says_what_is_missing(hub: FakeEnrolment, tmp_path: Path) -> None:
    settings = load(join(hub, tmp_path / "n").settings, NodeSettings)
    node = app.open_node(settings, clock=hub.fed.clock)
    health = app.status_of(settings, node.store, clock=hub.fed.clock)
    node.close()
    assert (health.running, health.connected, health.size) == (False, False, 0)
    assert {line.name for line in health.lines} >= {"process", "hub", "TLS certificate"}


def test_one_key_in_two_roles_is_refused(hub: FakeEnrolment, tmp_path: Path) -> None:
    settings = load(join(hub, tmp_path / "n").settings, NodeSettings)
    shutil.copy(settings.keys.machine, settings.keys.witness)
    with pytest.raises(ConfigurationError, match="one key has one role"):
        app.open_node(settings, clock=hub.fed.clock)


def test_after_a_lost_answer_the_same_keys_are_offered_again(hub: FakeEnrolment, tmp_path: Path) -> None:
    hub.lose_answer = True
    with pytest.raises(UnavailableError):
        join(hub, tmp_path / "n")
    join(hub, tmp_path / "n")
    assert hub.offers[0].request == hub.offers[1].request


def test_a_hub_that_answers_about_other_keys_is_not_believed(hub: FakeEnrolment, tmp_path: Path) -> None:
    hub.fingerprint = " ".join(["0000"] * 16)
    with pytest.raises(JoinError, match="tell the coordinators"):
        join(hub, tmp_path / "n")
    assert not (tmp_path / "n" / "node.toml").exists()


def test_a_certificate_by_another_authority_is_not_put_in_place(hub: FakeEnrolment, tmp_path: Path) -> None:
    raw = hub.invitation(A).to_bytes()
    hub.key = tls.make_key()
    with pytest.raises(CertificateError):
        identity.join(raw, tmp_path / "n", enrolment=hub, clock=hub.fed.clock)
    assert not (tmp_path / "n" / "tls.pem").exists()


def test_an_invitation_that_has_run_out_is_not_even_sent(hub: FakeEnrolment, tmp_path: Path) -> None:
    raw = hub.invitation(A).to_bytes()
    hub.fed.clock.advance(25 * 3600)
    with pytest.raises(JoinError, match="run out"):
        identity.join(raw, tmp_path / "n", enrolment=hub, clock=hub.fed.clock)
    assert hub.offers == []


@pytest.mark.parametrize("days", [0, 3, 40, 365 + 89])
def test_a_node_comes_back_after_an_absence_without_a_human(hub: FakeEnrolment, tmp_path: Path, days: int) -> None:
    settings = settings_of(hub, tmp_path / "n")
    hub.fed.clock.advance(days * 86_400)
    before = settings.keys.tls.read_bytes()
    found = identity.renew(settings, hub.fed.ports[A].machine, enrolment=hub, clock=hub.fed.clock)
    assert found.not_after == hub.fed.clock.now() + timedelta(hours=24)
    assert identity.certificate_of(settings) == found
    assert settings.keys.tls.read_bytes() != before


def test_after_more_than_ninety_days_beyond_its_key_it_must_enrol_again(hub: FakeEnrolment, tmp_path: Path) -> None:
    settings = settings_of(hub, tmp_path / "n")
    hub.fed.clock.advance((365 + 91) * 86_400)
    with pytest.raises(EnrolmentRefusedError):
        identity.renew(settings, hub.fed.ports[A].machine, enrolment=hub, clock=hub.fed.clock)


def test_a_key_and_certificate_that_do_not_fit_call_for_renewal(hub: FakeEnrolment, tmp_path: Path) -> None:
    settings = settings_of(hub, tmp_path / "n")
    tls.write_private(settings.keys.tls, tls.key_to_pem(tls.make_key()))
    assert identity.certificate_of(settings) is None
    assert identity.renewal_due(None, hub.fed.clock.now(), dice=random.Random(1)) == timedelta()


def test_renewal_is_due_about_half_way_and_not_for_all_at_once(hub: FakeEnrolment, tmp_path: Path) -> None:
    found = identity.certificate_of(settings_of(hub, tmp_path / "n"))
    assert found is not None
    waits = {identity.renewal_due(found, hub.fed.clock.now(), dice=random.Random(seed)) for seed in range(50)}
    assert len(waits) == 50
    assert min(waits) > timedelta(hours=9)
    assert max(waits) < timedelta(hours=15)


def test_a_new_machine_key_is_adopted_once_the_log_has_it(hub: FakeEnrolment, tmp_path: Path) -> None:
    settings = settings_of(hub, tmp_path / "n")
    old = hub.fed.ports[A].machine
    (settings.keys.machine.parent / "machine.key.seq").write_text("x")
    fresh = hub.fed.key(f"{A}/machine/{old.key_id}")
    keys.save(fresh, identity.next_key_path(settings))
    assert not identity.adopt_next_key(settings, hub.fed.roster)
    hub.fed.rekey(A)
    assert identity.adopt_next_key(settings, hub.fed.roster)
    assert keys.load(settings.keys.machine).key_id == fresh.key_id
    kept = sorted(path.name for path in settings.keys.machine.parent.glob("machine.key.*"))
    assert kept == [f"machine.key.{old.key_id[:16]}", f"machine.key.{old.key_id[:16]}.seq"]
    assert not identity.adopt_next_key(settings, hub.fed.roster)


def waiting_for_adoption(hub: FakeEnrolment, home: Path) -> tuple[NodeSettings, str, str]:
    """A node whose rekey is in the log; the ids of its old and its new key."""
    settings = settings_of(hub, home)
    old = hub.fed.ports[A].machine
    (home / "machine.key.seq").write_text("of the old key")
    fresh = hub.fed.key(f"{A}/machine/{old.key_id}")
    keys.save(fresh, identity.next_key_path(settings))
    hub.fed.rekey(A)
    return settings, old.key_id, fresh.key_id


@pytest.mark.parametrize("steps", range(5))
def test_a_crash_between_any_two_steps_of_adopting_a_key_leaves_one_that_loads_and_the_next_start_finishes(
    hub: FakeEnrolment, tmp_path: Path, steps: int
) -> None:
    settings, old, fresh = waiting_for_adoption(hub, tmp_path / "n")
    crashing = identity.adoption(settings.keys.machine, identity.next_key_path(settings))
    for _ in range(steps):
        next(crashing, None)
    crashing.close()
    loaded = keys.load(settings.keys.machine).key_id
    assert loaded in {old, fresh}
    beside = settings.keys.machine.with_name("machine.key.seq")
    assert loaded == old or not beside.exists(), "the old key's sequence file lies beside the new key"
    identity.adopt_next_key(settings, hub.fed.roster)
    assert keys.load(settings.keys.machine).key_id == fresh
    names = {path.name for path in settings.keys.machine.parent.glob("machine.key*")}
    assert names == {"machine.key", f"machine.key.{old[:16]}", f"machine.key.{old[:16]}.seq"}
    assert (tmp_path / "n" / f"machine.key.{old[:16]}.seq").read_text() == "of the old key"


def test_a_node_joins_with_desk_keys_and_has_them_at_its_desk(hub: FakeEnrolment, tmp_path: Path) -> None:
    settings = load(join(hub, tmp_path / "n").settings, NodeSettings)
    (offer,) = hub.offers
    machines = [item.public.key_id for item in offer.request.keys if item.public.key_class == "machine"]
    assert machines[0] == offer.request.machine_key.key_id == keys.load(settings.keys.machine).key_id
    assert sorted(machines[1:]) == sorted(one.key_id for one in desk_keys.load(settings.keys.desk))
    assert len(machines) == 1 + desk_keys.COUNT
    more = desk_keys.more(settings.keys.desk, 2)
    assert not {key.key_id for key in more} & set(machines)
    assert len(desk_keys.load(settings.keys.desk)) == desk_keys.COUNT + 2
    assert desk_keys.load(tmp_path / "nowhere") == ()
