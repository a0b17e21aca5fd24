"""``port2port coordinator`` end to end in temporary directories: two coordinators, a log, and every decision."""

from __future__ import annotations

import argparse
import dataclasses
import io
import stat
from pathlib import Path

import pytest

from port2port import canonical, coordination, genesis, key_request, keys, roster
from port2port import envelope as dsse
from port2port.cli import coordinator, describing
from port2port.errors import ConfigurationError, MalformedError, PolicyError, Port2PortError
from port2port.genesis import Genesis
from port2port.join_request import JoiningKey, JoinRequest
from port2port.roster import RosterConflictError
from port2port.wire import decode_envelope
from tests.fakes.federation import Federation, statement_of
from tests.fakes.passkey import Passkey
from tests.fakes.trust_log import FakeLog

PASSPHRASE = "a passphrase of some length"
INDICATOR = "indicator--9b2e8c1e-7c39-4b7e-8f3a-0c5d2b1a9e11"


class Desk:
    """A coordinator's machine: a directory and a command line."""

    def __init__(self, home: Path, name: str, fed: Federation) -> None:
        self.home, self.name, self.fed = home, name, fed
        self.dir = home / name
        self.passphrase = home / f"{name}.pass"
        self.passphrase.write_text(PASSPHRASE + "\n", encoding="utf-8")

    def run(self, action: str, *args: object, secret: bool = False) -> int:
        parser = argparse.ArgumentParser()
        coordinator.add_parser(parser.add_subparsers())
        more = ["--passphrase-file", str(self.passphrase)] if secret else ["--no-passphrase"]
        given = parser.parse_args(["coordinator", action, "--dir", str(self.dir), *more, *map(str, args)])
        return coordinator.run(given, self.fed.clock)

    @property
    def key_file(self) -> Path:
        return self.dir / f"{self.name}.coordinator.key"

    def key(self) -> keys.Ed25519Key:
        return keys.load(self.key_file)


class Scene:
    """Two coordinators, the log they speak to, and files that travel between them."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.fed = Federation(members=("beanr", "belgg"), name="cli.test")
        self.first, self.second = (Desk(home, name, self.fed) for name in ("ndc", "namb"))
        for desk in (self.first, self.second):
            assert desk.run("init", "--name", desk.name) == 0
        self.log = FakeLog(self.fed)

    def genesis_proposal(self) -> Path:
        made = Genesis(
            federation=self.fed.name,
            origin=self.fed.origin,
            ca_root=self.fed.ca_root,
            log_key=self.fed.log_key.public,
            hub_key=self.fed.hub_key.public,
            coordinators=tuple(desk.key().record("coordinator") for desk in (self.first, self.second)),
            threshold=2,
            demo=False,
        )
        return self.file(
            "genesis.p2p-proposal", canonical.dumps({"body": made.to_body(), "type": "genesis-proposal", "v": 1})
        )

    def file(self, name: str, content: bytes) -> Path:
        path = self.home / name
        path.write_bytes(content)
        return path

    def found(self) -> None:
        """Both approve the genesis; the log begins."""
        half, whole = self.home / "half", self.home / "whole"
        self.first.run("approve", self.genesis_proposal(), "--out", half, "--yes")
        self.second.run("approve", half, "--out", whole, "--yes")
        raw = whole.read_bytes()
        self.fed.genesis_statement = decode_envelope(raw).statement
        founded = genesis.from_statement(statement_of(raw))
        self.fed.roster = roster.found(founded, dsse.digest_of(self.fed.genesis_statement))
        self.log.append(raw)

    def control(self) -> Path:
        return self.file("control.p2p", self.log.control_log())

    def decide(self, action: str, *args: object) -> roster.Roster:
        """The first proposes, the second approves, the log takes it."""
        half, whole = self.home / "half", self.home / "whole"
        self.first.run(action, *args, "--control-log", self.control(), "--out", half, "--yes")
        assert coordination.type_of(half.read_bytes()) == "proposal"
        self.second.run("approve", half, "--control-log", self.control(), "--out", whole, "--yes")
        self.log.append(whole.read_bytes())
        assert self.log.roster is not None
        return self.log.roster

    def join_request(self, member: str, federation: str = "cli.test") -> Path:
        return self.file(f"{member}.p2p-join", self.joining(member, federation).encode(self.fed.clock.now()))

    def joining(self, member: str, federation: str = "cli.test", *, node: int = 1) -> JoinRequest:
        port = self.fed.ports[member] if node == 1 else self.fed.make_port(f"{member}-{node}")
        offered = (
            JoiningKey(public=port.machine.record("machine")),
            JoiningKey(public=port.officer.record("officer"), pseudonym="o1"),
        )
        return JoinRequest(
            federation=federation, member=member, node=node, keys=offered, witness_key=port.witness.public
        )


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_key_is_made_for_its_owner_alone_and_encrypted(tmp_path):
    fed = Federation(members=())
    desk = Desk(tmp_path, "ndc", fed)
    assert desk.run("init", "--name", "ndc", secret=True) == 0
    assert stat.S_IMODE(desk.key_file.stat().st_mode) == 0o600
    assert b"ENCRYPTED" in desk.key_file.read_bytes()
    raw = (desk.dir / "ndc.coordinator.pub").read_bytes()
    public = keys.PublicKey.from_json(canonical.loads_object(raw.strip(), limit=1_000))
    assert public == keys.load(desk.key_file, PASSPHRASE.encode()).record("coordinator")
    with pytest.raises(ConfigurationError, match="encrypted"):
        desk.run("approve", desk.key_file, "--out", tmp_path / "out")
    desk.passphrase.write_text("another passphrase", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="passphrase wrong"):
        desk.run("approve", desk.key_file, "--out", tmp_path / "out", secret=True)
    desk.passphrase.unlink()
    with pytest.raises(ConfigurationError, match="cannot read"):
        desk.run("approve", desk.key_file, "--out", tmp_path / "out", secret=True)


def test_a_fresh_directory_is_closed_to_others(tmp_path):
    desk = Desk(tmp_path, "new", Federation(members=()))
    assert desk.run("init", "--name", "new") == 0
    assert stat.S_IMODE(desk.dir.stat().st_mode) == 0o700
    assert keys.load(desk.key_file).scheme == "ed25519"


@pytest.mark.parametrize(
    ("name", "passphrase", "text"),
    [
        pytest.param("../evil", PASSPHRASE, "name of a coordinator", id="a path as a name"),
        pytest.param("ndc", "short", "12 characters", id="short passphrase"),
    ],
)
def test_init_refuses_what_it_should(name, passphrase, text, tmp_path):
    desk = Desk(tmp_path, "x", Federation(members=()))
    desk.passphrase.write_text(passphrase, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=text):
        desk.run("init", "--name", name, secret=True)
    assert not list(tmp_path.glob("**/*.key"))


def test_one_directory_holds_one_key(scene):
    with pytest.raises(ConfigurationError, match="already"):
        scene.first.run("init", "--name", "other")


def test_two_coordinators_found_a_federation(scene, capsys):
    scene.found()
    assert scene.log.roster.threshold == 2
    out = capsys.readouterr().out
    assert "1 more coordinator(s) must approve" in out
    assert out.count(f"genesis hash {scene.fed.genesis_hash}") == 2
    assert "port2port-hub admit" in out


def test_a_port_joins_with_two_approvals(scene, capsys):
    scene.found()
    request = scene.join_request("beanr")
    found = scene.decide(
        "approve", request, "--name", "Port of Antwerp-Bruges", "--locode", "BEANR", "--locode", "BEZEE"
    )
    member = found.member_table["beanr"]
    assert (member.name, member.locodes, member.witness) == ("Port of Antwerp-Bruges", ("BEANR", "BEZEE"), True)
    assert {key.public.key_class for key in found.keys_of("beanr")} == {"machine", "officer"}
    assert found.witness_keys() == {"beanr": (scene.fed.ports["beanr"].witness.public,)}
    fingerprint = JoinRequest(
        federation="cli.test",
        member="beanr",
        node=1,
        keys=(
            JoiningKey(public=scene.fed.ports["beanr"].machine.record("machine")),
            JoiningKey(public=scene.fed.ports["beanr"].officer.record("officer"), pseudonym="o1"),
        ),
        witness_key=scene.fed.ports["beanr"].witness.public,
    ).fingerprint
    assert fingerprint in capsys.readouterr().out


def test_the_second_coordinator_compares_the_fingerprint_of_what_the_first_proposed(scene, capsys):
    scene.found()
    request, half = scene.join_request("beanr"), scene.home / "half"
    how = ("--control-log", scene.control(), "--yes", "--out")
    scene.first.run("approve", request, "--name", "Port", *how, half)
    fingerprint = scene.joining("beanr").fingerprint
    capsys.readouterr()
    scene.second.run("approve", half, *how, scene.home / "unseen")
    said = capsys.readouterr().out
    assert fingerprint not in said
    assert "--request REQUEST" in said
    scene.second.run("approve", half, "--request", request, *how, scene.home / "whole")
    assert fingerprint in capsys.readouterr().out


@pytest.mark.parametrize("changed", ["key", "pseudonym", "witness_key", "member", "more"])
def test_a_proposal_that_gives_other_keys_than_were_asked_for_is_not_signed(changed, scene):
    scene.found()
    asked, port = scene.joining("beanr"), scene.fed.ports["beanr"]
    keys_of = list(asked.keys)
    if changed == "key":
        keys_of[1] = JoiningKey(public=scene.fed.key("hub's own").record("officer"), pseudonym="o1")
    elif changed == "pseudonym":
        keys_of[1] = dataclasses.replace(keys_of[1], pseudonym="o2")
    elif changed == "more":
        keys_of.append(JoiningKey(public=scene.fed.key("hub's own").record("officer"), pseudonym="o2"))
    witness = scene.fed.key("hub's own").public if changed == "witness_key" else port.witness.public
    member = "belgg" if changed == "member" else "beanr"
    proposed = dataclasses.replace(asked, keys=tuple(keys_of), witness_key=witness, member=member)
    half, out = scene.home / "half", scene.home / "out"
    how = ("--control-log", scene.control(), "--yes", "--out")
    other = scene.file("other.p2p-join", proposed.encode(scene.fed.clock.now()))
    scene.first.run("approve", other, "--name", "Port", *how, half)
    with pytest.raises(PolicyError, match="other keys than this request asks for"):
        scene.second.run("approve", half, "--request", scene.join_request("beanr"), *how, out)
    assert not out.exists()


def test_a_key_exchanged_on_the_way_is_noticed(scene):
    scene.found()
    request = scene.join_request("beanr")
    mine = genesis.to_b64(scene.fed.ports["beanr"].witness.public)
    request.write_bytes(
        request.read_bytes().replace(mine.encode(), genesis.to_b64(scene.fed.key("hub's own").public).encode())
    )
    with pytest.raises(MalformedError, match="changed on the way"):
        scene.decide("approve", request, "--name", "Port")


def test_a_join_request_for_another_federation_is_refused(scene):
    scene.found()
    with pytest.raises(PolicyError, match="another federation"):
        scene.decide("approve", scene.join_request("beanr", federation="other.test"))


def test_every_decision_of_coordinators(scene):
    scene.found()
    scene.decide("approve", scene.join_request("beanr"), "--name", "Port")
    scene.decide("approve", scene.join_request("belgg"), "--name", "Port", "--no-witness", "--kind", "police")
    assert scene.decide("group", "seaports", "beanr", "belgg").group("seaports", 1) == {"beanr", "belgg"}
    assert scene.decide("group", "seaports").group("seaports", 2) == frozenset()
    assert not scene.decide("suspend", "--member", "belgg", "--reason", "unpaid").is_member("belgg")
    assert scene.decide("suspend", "--member", "belgg", "--lift", "--reason", "paid").is_member("belgg")
    key_id = scene.fed.ports["beanr"].machine.key_id
    found = scene.decide("revoke", "--key", key_id, "--since", "2026-11-21T00:00:00.000Z", "--reason", "stolen")
    assert found.keys[key_id].invalid_since_ms == 1_795_219_200_000
    removed = scene.decide("revoke", "--member", "belgg", "--reason", "left")
    assert removed.member_table["belgg"].status == roster.REMOVED


def test_a_terminal_becomes_an_affiliate_of_its_member_and_its_ceiling_can_change(scene):
    scene.found()
    scene.decide("approve", scene.join_request("beanr"), "--name", "Port")
    about = ("affiliate", "terminal-1", "--member", "beanr", "--name", "Terminal One")
    made = scene.decide(*about).affiliates["terminal-1"]
    assert (made.member, made.name, made.ceiling.value) == ("beanr", "Terminal One", "green")
    assert scene.decide(*about, "--ceiling", "amber").affiliates["terminal-1"].ceiling.value == "amber"
    with pytest.raises(RosterConflictError, match="nobody is not in the roster"):
        scene.decide("affiliate", "terminal-2", "--member", "nobody", "--name", "Two")


def test_an_affiliate_is_never_let_read_red(scene, capsys):
    with pytest.raises(SystemExit):
        scene.first.run("affiliate", "t-1", "--member", "beanr", "--name", "One", "--ceiling", "red")
    assert "invalid choice: 'red'" in capsys.readouterr().err


def test_one_coordinator_suspends_an_object(scene, capsys):
    scene.found()
    scene.decide("approve", scene.join_request("beanr"), "--name", "Port")
    scene.decide("group", "seaports", "beanr")
    out = scene.home / "suspend"
    more = ("--control-log", scene.control(), "--out", out, "--yes")
    scene.second.run("suspend", "--object", "beanr", INDICATOR, "--group", "seaports", "--reason", "wrong", *more)
    entry = scene.log.entries[scene.log.append(out.read_bytes())]
    assert entry.statement.refs() == (("beanr", INDICATOR),)
    assert (entry.statement.tlp.value, entry.statement.groups) == ("amber", (("seaports", 1),))
    assert "TLP:AMBER to seaports@1" in capsys.readouterr().out


def test_sequence_numbers_never_repeat_even_from_a_restored_directory(scene):
    scene.found()
    before = (scene.first.dir / "coordinator.json").read_bytes()
    scene.decide("approve", scene.join_request("beanr"), "--name", "Port")
    scene.decide("group", "seaports", "beanr")
    (scene.first.dir / "coordinator.json").write_bytes(before)
    scene.decide("group", "seaports")
    seqs = [entry.statement.seq for entry in scene.log.entries]
    assert seqs == [1, 2, 3, 4]


def test_a_stale_proposal_is_refused_by_the_second_coordinator(scene):
    scene.found()
    scene.decide("approve", scene.join_request("beanr"), "--name", "Port")
    stale = scene.home / "stale"
    scene.first.run("group", "inland", "--control-log", scene.control(), "--out", stale, "--yes")
    scene.decide("group", "seaports", "beanr")
    with pytest.raises(RosterConflictError):
        scene.second.run("approve", stale, "--control-log", scene.control(), "--out", scene.home / "x", "--yes")


def test_what_would_not_apply_is_refused_before_anybody_signs(scene):
    scene.found()
    with pytest.raises(RosterConflictError):
        scene.decide("group", "seaports", "atlantis")
    with pytest.raises(Port2PortError):
        scene.decide("revoke", "--key", "00" * 32, "--reason", "lost")


@pytest.mark.parametrize(("answer", "code"), [("yes\n", 0), ("no\n", 1), ("", 1)])
def test_nothing_is_signed_without_a_yes(answer, code, scene, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    out = scene.home / "signed"
    assert scene.first.run("approve", scene.genesis_proposal(), "--out", out) == code
    assert out.exists() is (code == 0)


def test_a_directory_belongs_to_one_federation(scene):
    scene.found()
    with pytest.raises(ConfigurationError, match="another genesis"):
        scene.first.run("approve", scene.genesis_proposal(), "--out", scene.home / "again", "--yes")
    with pytest.raises(ConfigurationError, match="another genesis"):
        scene.decide("group", "seaports", "--genesis", "00" * 32)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param(b"{", "JSON", id="no JSON"),
        pytest.param(b'{"type":"recipe","v":1}', "join request", id="another file"),
        pytest.param(b'{"body":7,"type":"genesis-proposal","v":1}', "no genesis", id="an empty genesis"),
        pytest.param(b"x" * 300_000, "larger", id="too long"),
    ],
)
def test_another_file_is_refused_with_a_plain_sentence(content, text, scene):
    scene.found()
    path = scene.file("strange", content)
    arguments = ("approve", path, "--out", scene.home / "out", "--yes", "--control-log", scene.control())
    fresh = Desk(scene.home, "namb", scene.fed)
    (fresh.dir / "coordinator.json").unlink()
    with pytest.raises(Port2PortError, match=text):
        fresh.run(*arguments, "--genesis", scene.fed.genesis_hash)


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        pytest.param(lambda s: (s.first.dir / "coordinator.json").write_text("{}"), "damaged", id="memory"),
        pytest.param(lambda s: (s.first.dir / "coordinator.json").write_text("no"), "damaged", id="memory no JSON"),
        pytest.param(lambda s: s.first.key_file.chmod(0o644), "others may read", id="key open to others"),
        pytest.param(lambda s: s.first.key_file.unlink(), "exactly one", id="no key"),
    ],
)
def test_a_desk_out_of_order_is_named(spoil, text, scene):
    scene.found()
    spoil(scene)
    with pytest.raises(ConfigurationError, match=text):
        scene.decide("group", "seaports")


def test_what_a_stranger_wrote_does_not_steer_the_terminal():
    assert describing.describe({"ops": [{"op": "add-member", "name": "\x1b[2Jport"}]}) == [
        "add-member: name '\\x1b[2Jport'"
    ]


def test_an_output_that_cannot_be_written_is_named(scene):
    with pytest.raises(ConfigurationError, match="cannot write"):
        scene.first.run("approve", scene.genesis_proposal(), "--out", scene.home / "no" / "where", "--yes")


def test_the_log_is_needed_to_approve_anything_but_a_genesis(scene):
    scene.found()
    with pytest.raises(ConfigurationError, match="control-log"):
        scene.first.run("approve", scene.join_request("beanr"), "--out", scene.home / "out", "--yes")


def test_a_desk_is_a_value(scene):
    desk = coordinator.Desk(directory=scene.first.dir, key=scene.first.key())
    with pytest.raises(dataclasses.FrozenInstanceError):
        desk.key = None


def test_the_second_node_of_a_member_adds_a_witness_key_and_a_lost_one_is_dropped(scene):
    scene.found()
    scene.decide("approve", scene.join_request("beanr"), "--name", "Port")
    request = scene.joining("beanr", node=2)
    path = scene.file("second.p2p-join", request.encode(scene.fed.clock.now()))
    found = scene.decide("approve", path)
    first = scene.fed.ports["beanr"].witness.public
    assert found.witness_keys() == {"beanr": (first, request.witness_key)}
    assert found.witnesses() == {"beanr": "Port"}
    after = scene.decide("revoke", "--witness-key", genesis.to_b64(first), "--reason", "node scrapped")
    assert after.witness_keys() == {"beanr": (request.witness_key,)}
    with pytest.raises(ConfigurationError, match="no member has"):
        scene.decide("revoke", "--witness-key", genesis.to_b64(first), "--reason", "again")


def test_a_new_member_is_named_by_a_person_and_never_by_its_id(scene, monkeypatch):
    scene.found()
    request, out = scene.join_request("beanr"), scene.home / "out"
    given = ("approve", request, "--control-log", scene.control(), "--out", out)
    with pytest.raises(ConfigurationError, match="--name"):
        scene.first.run(*given, "--yes")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(ConfigurationError, match="--name"):
        scene.first.run(*given)
    monkeypatch.setattr("sys.stdin", io.StringIO("Port of Antwerp-Bruges\nyes\n"))
    assert scene.first.run(*given) == 0
    proposed = coordination.decode_proposal(out.read_bytes()).parsed
    assert proposed.body["ops"][0]["name"] == "Port of Antwerp-Bruges"


def test_further_keys_of_a_member_are_approved_after_their_machine_key_vouched_for_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = Scene(tmp_path)
    scene.found()
    scene.decide("approve", scene.join_request("beanr"), "--name", "Port of Antwerp-Bruges")
    passkey, port = Passkey(), scene.fed.ports["beanr"]
    offered = [JoiningKey(public=passkey.record(), pseudonym="o3")]
    request = key_request.offer("cli.test", "beanr", offered, port.machine)
    after = scene.decide("approve", scene.file("keys", request.encode(scene.fed.clock.now())))
    assert (after.keys[passkey.key_id].pseudonym, after.keys[passkey.key_id].public.rp_id) == ("o3", passkey.rp_id)
    said = capsys.readouterr().out
    assert "passkey of officer o3" in said
    assert request.fingerprint in said
    again = scene.file("again", request.encode(scene.fed.clock.now()))
    with pytest.raises(PolicyError, match="knows one of these keys"):
        scene.first.run("approve", again, "--control-log", scene.control(), "--out", tmp_path / "x", "--yes")
    other = key_request.offer(
        "other.test", "beanr", [JoiningKey(public=Passkey(9).record(), pseudonym="o4")], port.machine
    )
    foreign = scene.file("foreign", other.encode(scene.fed.clock.now()))
    with pytest.raises(PolicyError, match="for another federation"):
        scene.first.run("approve", foreign, "--control-log", scene.control(), "--out", tmp_path / "x", "--yes")
