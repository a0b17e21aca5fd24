"""``port2port-hub`` as an operator meets it, all in this process: found, admit, invite, requests, status, deny."""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys

import pytest

from hub.__main__ import build_parser, main
from hub.cli.desk import Desk
from hub.enrolment import invite, join_requests
from hub.settings import HubSettings
from hub.tables import JOIN_REQUEST, TLS_CERTIFICATE
from port2port import invitation, join_request, keys
from port2port.__main__ import main as coordinator
from port2port.clock import SystemClock
from port2port.coordination import read_control_log
from port2port.settings import load
from tests.fakes.federation import Federation


class Place:
    """A coordinator's desk and a hub's directory."""

    def __init__(self, root) -> None:
        self.root = root
        self.desk, self.hub = root / "desk", root / "hub"
        self.config = self.hub / "hub.toml"
        assert coordinator(["coordinator", "init", "--dir", str(self.desk), "--name", "ndc", "--no-passphrase"]) == 0
        self.public = self.desk / "ndc.coordinator.pub"

    def init(self, *more: str) -> int:
        given = ["--dir", self.hub, "--federation", "p2p.test", "--coordinator", self.public, *more]
        return main(["init", *map(str, given)])

    def call(self, command: str, *args: object) -> int:
        return main([command, *map(str, args), "--config", str(self.config)])

    def sign(self, path, *more: object):
        out = self.root / f"{path.stem}.p2p-control"
        given = ["approve", path, "--dir", self.desk, "--no-passphrase", "--yes", "--out", out, *more]
        assert coordinator(["coordinator", *map(str, given)]) == 0
        return out

    def found(self) -> None:
        assert self.init("--threshold", "1", "--demo") == 0
        assert self.call("admit", self.sign(self.hub / "genesis.p2p-proposal")) == 0

    def status(self, capsys) -> dict[str, object]:
        capsys.readouterr()
        assert self.call("status", "--json") == 0
        return json.loads(capsys.readouterr().out)


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(tmp_path)


def test_a_federation_is_founded_by_init_sign_admit(place, capsys):
    place.found()
    status = place.status(capsys)
    assert (status["log_size"], status["roster_version"], status["demo"]) == (1, 1, True)
    assert len(status["genesis"]) == 64


def test_init_overwrites_nothing_and_keys_are_for_their_owner_alone(place):
    assert place.init("--threshold", "1", "--demo") == 0
    before = {path.name: path.read_bytes() for path in place.hub.iterdir()}
    assert place.init("--threshold", "1", "--demo") == 2
    assert {path.name: path.read_bytes() for path in place.hub.iterdir()} == before
    for name in ("ca.key", "log.key", "hub.key"):
        assert (place.hub / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--threshold", "1"), "two organisations"),
        (("--threshold", "2"), "between 1 and 1"),
        (("--threshold", "0", "--demo"), "between 1 and 1"),
        (("--threshold", "1", "--demo", "--federation", "No Name"), "DNS name"),
        (("--threshold", "1", "--demo", "--coordinator", "/nowhere.pub"), "cannot read"),
        (("--threshold", "1", "--demo", "--coordinator", __file__), "not a coordinator's public key"),
    ],
)
def test_a_wrong_init_says_what_to_change_and_makes_nothing(place, capsys, more, said):
    assert place.init(*more) == 2
    assert said in capsys.readouterr().err
    assert not place.hub.exists()


def test_the_settings_that_init_writes_are_the_settings_that_serve_reads(place):
    place.init("--threshold", "1", "--demo")
    made = load(place.config, HubSettings)
    assert made.federation == "p2p.test"
    assert made.listen != made.enrolment_listen
    assert made.ca_key == place.hub / "ca.key"


def test_serve_refuses_before_the_genesis_and_where_a_coordinators_key_lies(place, capsys):
    place.init("--threshold", "1", "--demo")
    assert place.call("serve") == 2
    assert "no genesis" in capsys.readouterr().err
    place.call("admit", place.sign(place.hub / "genesis.p2p-proposal"))
    stray = place.hub / "backup"
    stray.mkdir()
    (stray / "ndc.coordinator.key").write_bytes((place.desk / "ndc.coordinator.key").read_bytes())
    assert place.call("serve") == 2
    assert "coordinator's private key" in capsys.readouterr().err


def test_serve_refuses_a_coordinators_key_under_any_name(place, capsys):
    place.found()
    (place.hub / "hub.key").unlink()
    keys.save(keys.load(place.desk / "ndc.coordinator.key"), place.hub / "hub.key")
    assert place.call("serve") == 2
    assert "names another federation or other keys" in capsys.readouterr().err


def test_keys_that_others_may_read_and_wrong_options_are_refused_in_one_sentence(place, capsys):
    place.found()
    (place.hub / "ca.key").chmod(0o644)
    assert place.call("status") == 2
    assert "chmod 600" in capsys.readouterr().err
    place.config.write_text('federation = "p2p.test"\nlissten = "x"\n')
    assert place.call("serve") == 2
    assert "lissten" in capsys.readouterr().err


def test_an_invitation_holds_all_a_node_needs_and_its_token_is_not_in_the_database(place):
    place.found()
    out = place.root / "beanr.p2p-invitation"
    assert place.call("invite", "beanr", "--out", out) == 0
    made = invitation.parse(out.read_bytes())
    settings = load(place.config, HubSettings)
    assert (made.member, made.node, made.federation) == ("beanr", 1, "p2p.test")
    assert (made.hub, made.enrolment) == (settings.listen, settings.enrolment_listen)
    assert made.ca.encode() == (place.hub / "ca.pem").read_bytes()
    assert out.stat().st_mode & 0o777 == 0o600
    assert place.call("invite", "No Member", "--out", out) == 2


def test_a_join_request_goes_to_the_coordinator_and_its_approval_makes_a_member(place, capsys):
    place.found()
    port = Federation().make_port("beanr")
    request = join_request.JoinRequest(
        federation="p2p.test",
        member="beanr",
        node=1,
        keys=(join_request.JoiningKey(public=port.machine.record("machine")),),
        witness_key=port.witness.public,
    )
    with Desk.open(place.config) as desk:
        now = SystemClock().now()
        row = {"key_id": port.machine.key_id, "member": "beanr", "node": 1, "created_ms": desk.now_ms}
        desk.store.database.write_now(
            lambda c: c.execute(JOIN_REQUEST.insert().values(offered=request.encode(now), **row))
        )
        assert len(desk.store.database.read_now(join_requests)) == 1
    capsys.readouterr()
    assert place.call("requests") == 0
    assert request.fingerprint in capsys.readouterr().out
    asked, control = place.root / "beanr.p2p-request", place.root / "control.p2p-log"
    assert place.call("requests", "--export", "beanr", "--out", asked) == 0
    assert join_request.decode(asked.read_bytes()) == request
    assert place.call("requests", "--export", "ghent", "--out", asked) == 2
    assert place.call("export-control", "--out", control) == 0
    signed = place.sign(asked, "--control-log", control, "--name", "Port of Antwerp-Bruges")
    assert place.call("admit", signed) == 0
    assert place.call("admit", signed) == 0
    status = place.status(capsys)
    assert (status["members"], status["join_requests_waiting"], status["log_size"]) == (1, 0, 2)
    place.call("export-control", "--out", control)
    assert read_control_log(control.read_bytes(), str(status["genesis"])).roster.is_member("beanr")
    _require_compared_before_admitting_more(place, control, capsys)


def _require_compared_before_admitting_more(place, control, capsys):
    """Once there are members, only a hub that has heard from them, or an operator, lets ``admit`` write."""
    decided, shown = place.root / "group.p2p-control", place.root / "checkpoint"
    desk = ["--dir", place.desk, "--no-passphrase", "--yes", "--control-log", control, "--out", decided]
    assert coordinator(["coordinator", "group", "seaports", "beanr", *map(str, desk)]) == 0
    assert place.call("admit", decided) == 2
    assert "HUB_NOT_OPEN" in capsys.readouterr().err
    shown.write_text("no checkpoint")
    assert place.call("admit", decided, "--i-have-compared", shown) == 2
    assert place.call("serve", "--i-have-compared", shown) == 2
    shown.write_text(json.loads(control.read_text())["checkpoint"])
    assert place.call("admit", decided, "--i-have-compared", shown) == 0
    assert place.status(capsys)["open"] is False


def test_what_more_coordinators_must_sign_is_told_from_what_is_broken(place, capsys):
    assert place.init("--threshold", "1", "--demo") == 0
    assert place.call("admit", place.hub / "genesis.p2p-proposal") == 2
    assert "coordinators must sign it first" in capsys.readouterr().err


def test_what_is_not_signed_by_the_coordinators_is_not_admitted(place, capsys):
    place.found()
    foreign = place.root / "foreign"
    for raw in (b"junk", Federation().founding()[0], Federation().founding()[1]):
        foreign.write_bytes(raw)
        capsys.readouterr()
        assert place.call("admit", foreign) == 2
        assert "not admitted" in capsys.readouterr().err
    assert place.call("admit", place.root / "nowhere") == 2


def test_the_first_entry_must_be_the_genesis_that_names_this_hubs_keys(place, capsys):
    place.init("--threshold", "1", "--demo")
    foreign = place.root / "foreign"
    foreign.write_bytes(Federation().founding()[0])
    assert place.call("admit", foreign) == 2
    assert "other keys" in capsys.readouterr().err


def test_a_denied_certificate_is_one_that_was_issued_here(place, capsys):
    place.found()
    assert place.call("deny", "abc") == 2
    with Desk.open(place.config) as desk:
        far = desk.now_ms + 86_400_000
        row = {"serial": "abc", "member": "beanr", "node": 1, "key_id": "k", "not_before_ms": 1, "not_after_ms": far}
        desk.store.database.write_now(lambda c: c.execute(TLS_CERTIFICATE.insert().values(**row)))
    assert place.status(capsys)["certificates_in_force"] == 1
    assert place.call("deny", "abc") == 0
    assert place.status(capsys)["certificates_in_force"] == 0


def test_every_command_and_option_explains_itself():
    def require(parser, name):
        for action in parser._actions:
            below = action.choices if isinstance(action, argparse._SubParsersAction) else {}
            assert action.help or parser.prog == "port2port-hub", (name, action.dest)
            for sub, further in below.items():
                require(further, f"{name} {sub}")

    require(build_parser(), "port2port-hub")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_says_ready_once_and_ends_cleanly_on_a_signal_while_admit_goes_on_beside_it(place, number, capsys):
    place.found()
    with place.config.open("a", encoding="utf-8") as file:
        file.write('\n[taxii]\nlisten = "127.0.0.1:0"\n')
    process = subprocess.Popen(
        [sys.executable, "-m", "hub", "serve", "--config", str(place.config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        said = process.stdout.readline()
        assert said.startswith("ready  nodes 127.0.0.1:")
        assert re.search(r"  taxii 127\.0\.0\.1:[1-9]\d*  federation ", said)
        assert place.status(capsys)["open"] is True
        assert place.call("admit", place.root / "genesis.p2p-control") == 0
        process.send_signal(number)
        said, errors = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert said == ""
    assert all(json.loads(line)["level"] == "info" for line in errors.splitlines())


def test_invitations_are_numbered_for_each_member(place):
    place.found()
    with Desk.open(place.config) as desk:
        made = [
            desk.store.database.write_now(lambda c, m=member: invite(c, member=m, now_ms=1)).node
            for member in ("beanr", "beanr", "belgg")
        ]
    assert made == [1, 2, 1]
