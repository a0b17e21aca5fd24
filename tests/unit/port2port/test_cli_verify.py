"""``port2port verify FILE``: exit codes, what it says of a valid entry, and of one that is not."""

from __future__ import annotations

import argparse

import pytest

from port2port import bundle
from port2port.cli import verify
from port2port.errors import ConfigurationError
from port2port.tlp import Tlp
from tests.fakes.trust_log import founded

MEMBERS = ("beanr", "belgg", "north-sea-port")


@pytest.fixture(scope="module")
def scene():
    fed, log = founded(members=MEMBERS, witnesses=MEMBERS)
    log.append(fed.group("seaports", "beanr", "north-sea-port"))
    return fed, log


def run(tmp_path, raw, genesis_hash):
    parser = argparse.ArgumentParser()
    verify.add_parser(parser.add_subparsers())
    path = tmp_path / "entry.p2p-bundle"
    path.write_bytes(raw)
    return verify.run(parser.parse_args(["verify", str(path), "--genesis", genesis_hash]))


def test_a_valid_entry_is_told_line_by_line(scene, tmp_path, capsys):
    fed, log = scene
    index = log.append(fed.publish("north-sea-port", tlp=Tlp.AMBER, groups=("seaports",)))
    raw = bundle.encode(log.bundle(index, witnesses=("beanr", "belgg")))
    assert run(tmp_path, raw, fed.genesis_hash) == verify.VALID
    out = capsys.readouterr().out
    assert out.startswith("valid when logged: yes\n")
    assert "who        north-sea-port, signed by" in out
    assert "officer o1" in out
    assert "what       publish, TLP:AMBER, realm real" in out
    assert f"where      index {index} of p2p.test/log, tree of {index + 1}" in out
    assert "witnesses  beanr, belgg\n" in out
    assert "disputed since: no" in out
    assert "late" not in out


def test_disputed_since_is_told_apart_from_valid_when_logged(scene, tmp_path, capsys):
    fed, log = founded(members=MEMBERS, seed="disputed")
    index = log.append(fed.publish("belgg"))
    moment = fed.clock.now()
    fed.clock.advance(3_600)
    log.append(fed.revoke_key(fed.ports["belgg"].machine.key_id, invalid_since=moment))
    assert run(tmp_path, bundle.encode(log.bundle(index)), fed.genesis_hash) == verify.VALID
    out = capsys.readouterr().out
    assert "valid when logged: yes" in out
    assert "disputed since: yes" in out
    assert "nobody   (no majority: unwitnessed)" in out or "witnesses  nobody" in out


def test_late_and_machine_only_and_unwitnessed_are_said(tmp_path, capsys):
    fed, log = founded(members=MEMBERS, witnesses=MEMBERS, seed="late")
    queued = fed.publish("belgg", officer=False)
    fed.clock.advance(40 * 86_400)
    index = log.append(queued)
    assert run(tmp_path, bundle.encode(log.bundle(index)), fed.genesis_hash) == verify.VALID
    out = capsys.readouterr().out
    for text in ("logged more than a day after", "no officer has seen this", "(no majority: unwitnessed)"):
        assert text in out


def test_a_control_entry_is_told_without_a_marking(scene, tmp_path, capsys):
    fed, log = scene
    assert run(tmp_path, bundle.encode(log.bundle(2)), fed.genesis_hash) == verify.VALID
    assert "what       group, none (control)" in capsys.readouterr().out


def test_an_invalid_entry_names_the_step(scene, tmp_path, capsys):
    fed, log = scene
    made = log.bundle(log.append(fed.publish("beanr")))
    spoiled = bundle.Bundle(
        entry=bundle.Part(
            index=made.entry.index,
            received_ms=made.entry.received_ms + 1,
            envelope=made.entry.envelope,
            path=made.entry.path,
            seen_path=made.entry.seen_path,
        ),
        control=made.control,
        checkpoint=made.checkpoint,
    )
    assert run(tmp_path, bundle.encode(spoiled), fed.genesis_hash) == verify.INVALID
    assert capsys.readouterr().out.startswith("NOT VALID: step 19 INCLUSION: ")


@pytest.mark.parametrize("raw", [b"", b"{}", b"\xff" * 100])
def test_another_file_is_not_valid(raw, scene, tmp_path, capsys):
    assert run(tmp_path, raw, scene[0].genesis_hash) == verify.INVALID
    assert capsys.readouterr().out.startswith("NOT VALID: ")


def test_another_genesis_is_not_valid(scene, tmp_path, capsys):
    _fed, log = scene
    assert run(tmp_path, bundle.encode(log.bundle(0)), "00" * 32) == verify.INVALID
    assert "another federation" in capsys.readouterr().out


@pytest.mark.parametrize("hash_", ["", "00", "AA" * 32])
def test_a_hash_that_is_none_is_not_a_verdict(hash_, scene, tmp_path):
    with pytest.raises(ConfigurationError, match="64 hexadecimal"):
        run(tmp_path, b"{}", hash_)


def test_a_file_that_is_not_there_is_not_a_verdict(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot read"):
        verify.read_limited(tmp_path / "missing", 10)
    (tmp_path / "long").write_bytes(bytes(11))
    with pytest.raises(ConfigurationError, match="larger"):
        verify.read_limited(tmp_path / "long", 10)
