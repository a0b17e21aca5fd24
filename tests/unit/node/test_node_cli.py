"""The desk: what an officer types, what he is told, and what leaves the port because of it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from node import desk_keys, identity, officers, review, store
from node.__main__ import ACTIONS, build_parser, main
from node.cli import desk as desk_module
from node.cli.running import host_and_port, transport_of
from node.sensors.transports.file import FileReplay
from node.sensors.transports.lines import LineQueue
from node.sensors.transports.tcp import TcpClient
from node.sensors.transports.udp import UdpListener
from node.settings import NodeSettings, SourceSettings
from port2port import bundle, keys
from port2port.__main__ import main as port2port_main
from port2port.errors import ConfigurationError
from port2port.settings import load
from tests.fakes.clock import FakeClock
from tests.fakes.desks import A, B, C, Desk, Harbour, a_finding
from tests.fakes.federation import statement_of, stix_id_of
from tests.fakes.prepared import key_file

PASSPHRASE = b"correct horse"
PUBLISH = ("--tlp", "amber", "--group", "seaports", "--handling", "call_first", "--officer", "o1")


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    made = Harbour(tmp_path)
    yield made
    made.close()


@dataclass
class Terminal:
    """One officer's terminal at a port."""

    desk: Desk
    config: Path
    secret: Path
    capsys: pytest.CaptureFixture[str]

    def call(self, *args: str, code: int = 0) -> str:
        """Type a command; what it printed (or, where it fails, said)."""
        assert main([*args, "--config", str(self.config)]) == code
        said = self.capsys.readouterr()
        return said.out if code == 0 else said.err

    def ask(self, *args: str) -> Any:
        return json.loads(self.call(*args, "--json"))

    def signed(self, *args: str, code: int = 0) -> str:
        return self.call(*args, "--passphrase-file", str(self.secret), code=code)


@pytest.fixture
def terminal(
    harbour: Harbour, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Terminal:
    return a_terminal(harbour, B, capsys, monkeypatch)


def a_terminal(
    harbour: Harbour, member: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Terminal:
    desk, port = harbour.desks[member], harbour.fed.ports[member]
    home = desk.node.home
    secret = home / "secret"
    secret.write_bytes(PASSPHRASE + b"\n")
    for name, key, passphrase in (
        ("machine.key", port.machine, None),
        ("witness.key", port.witness, None),
        ("officer-o1.key", port.officer, PASSPHRASE),
        ("officer-o2.key", port.second_officer, PASSPHRASE),
    ):
        key_file(key, home / name, passphrase)
    config = home / "node.toml"
    config.write_text(
        f'federation = "{harbour.fed.name}"\ngenesis = "{harbour.fed.genesis_hash}"\nmember = "{member}"\n'
        'hub = "127.0.0.1:1"\nenrolment = "127.0.0.1:2"\n[keys]\n'
        'officers = ["officer-o1.key", "officer-o2.key"]\n'
    )
    # The desk's clock is the federation's: everything else of the desk is as in production.
    monkeypatch.setattr(desk_module, "SystemClock", lambda: harbour.fed.clock)
    return Terminal(desk, config, secret, capsys)


def test_a_draft_is_listed_shown_previewed_published_and_explained(harbour: Harbour, terminal: Terminal) -> None:
    terminal.desk.draft()
    assert "D1" in terminal.call("review", "list")
    shown = terminal.call("review", "show", "d1")
    assert "separation: 28 nm (limit 10 nm)" in shown
    assert "single open source" in shown
    previewed = terminal.call("preview", "D1")
    assert "reads     Port beanr (beanr)" in previewed
    assert "does not  Port belgg (belgg)" in previewed
    assert "hub operators" in previewed
    assert "verified 0 min ago" in previewed
    terminal.signed("review", "publish", "D1", *PUBLISH)
    assert "waits for the hub" in terminal.call("explain", "D1")
    terminal.desk.send()
    harbour.pull()
    explained = terminal.ask("explain", "D1")
    assert {row["member"]: row["state"] for row in explained["members"]} == {A: "unacknowledged", C: "not entitled"}
    assert explained["statements"][0]["state"].startswith("in the log at index 3, verified")


def test_json_answers_have_what_scripts_need(terminal: Terminal) -> None:
    terminal.desk.draft()
    (row,) = terminal.ask("review", "list")
    assert (row["id"], row["kind"], row["confidence"]) == ("D1", "IDENTITY_CLONE", 50)
    said = json.loads(terminal.signed("review", "publish", "D1", *PUBLISH, "--json"))
    assert said["statements"][0]["id"].startswith("urn:uuid:")


def test_a_hidden_id_and_a_random_id_are_explained_byte_for_byte_alike(
    harbour: Harbour, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    author = harbour.desks[B]
    draft = author.draft()
    (queued,) = author.publish(draft)
    author.send()
    harbour.pull()
    stranger = a_terminal(harbour, C, capsys, monkeypatch)
    reader = a_terminal(harbour, A, capsys, monkeypatch)
    stix_id = stix_id_of(draft.proposal.objects[0])
    asked = [
        queued.statement_id, stix_id, "urn:uuid:00000000-0000-4000-8000-000000000000",
        "indicator--00000000-0000-4000-8000-000000000000", "D7", "nonsense",
    ]  # fmt: skip
    for terminal in (stranger, reader):
        assert len({terminal.call("explain", ident) for ident in asked}) == 1
        assert len({terminal.call("explain", ident, "--json") for ident in asked}) == 1


def test_evidence_is_written_once_and_its_proof_holds_offline(
    harbour: Harbour, terminal: Terminal, tmp_path: Path
) -> None:
    terminal.desk.draft()
    terminal.signed("review", "publish", "D1", *PUBLISH)
    terminal.desk.send()
    harbour.pull()
    out = tmp_path / "evidence.zip"
    said = terminal.call("evidence", "D1", "--out", str(out))
    assert "HOW-TO-CHECK.txt" in said
    with zipfile.ZipFile(out) as archive:
        report = bundle.check(archive.read("proof.p2p-bundle"), harbour.fed.genesis_hash, harbour.fed.validate)
        assert archive.read("raw/0001.bin") == a_finding().evidence[0].line
        assert f"--genesis {harbour.fed.genesis_hash}" in archive.read("HOW-TO-CHECK.txt").decode()
    assert report.entry.statement.issuer == B
    assert "exists already" in terminal.call("evidence", "D1", "--out", str(out), code=2)


def test_a_retraction_reaches_the_readers_and_the_old_object_is_gone(harbour: Harbour, terminal: Terminal) -> None:
    draft = terminal.desk.draft()
    terminal.signed("review", "publish", "D1", *PUBLISH)
    terminal.desk.send()
    harbour.feed.log(harbour.fed.group("seaports", B))
    harbour.pull()
    assert harbour.desks[A].indicator(stix_id_of(draft.proposal.objects[0])) is not None
    terminal.signed("retract", "D1", "--reason", "it was the pilot", "--officer", "o1")
    (raw,) = terminal.desk.send()
    assert statement_of(raw).groups == (("seaports", 1),), "the readers are those of the original"
    harbour.pull()
    found = harbour.desks[A].indicator(stix_id_of(draft.proposal.objects[0]))
    assert found is not None
    assert (found.revoked, found.reason) == (True, "it was the pilot")


def test_two_officers_of_the_authority_set_a_level_and_one_or_another_member_does_not(
    harbour: Harbour, terminal: Terminal
) -> None:
    given = ("level", "BEANR", "--level", "2", "--reason", "drones", "--until", "2026-11-23T06:00+01:00")
    both = ("--officer", "o1", "--second-officer", "o2", "--second-passphrase-file", str(terminal.secret))
    assert "another authority" in terminal.signed(*given, *both, code=2)
    harbour.feed.log(harbour.fed.control("roster", [{"op": "set-level-authority", "locode": "BEANR", "member": B}]))
    harbour.pull([B])
    assert "offset" in terminal.signed(*given[:-1], "2026-11-23T06:00", *both, code=2)
    terminal.signed(*given, *both)
    sent = [statement_of(raw) for raw in harbour.desks[B].send()]
    assert [(said.kind, said.body["level"]) for said in sent] == [("level", 2), ("level", 1)]


def test_what_was_never_published_cannot_be_retracted(terminal: Terminal) -> None:
    terminal.desk.draft()
    said = terminal.signed("retract", "D1", "--reason", "x", "--officer", "o1", code=2)
    assert "nothing of this id" in said


def test_two_officers_sign_personal_data_at_one_terminal(terminal: Terminal) -> None:
    terminal.desk.draft()
    personal = ("--personal-data", "--purpose", "isps")
    assert "two distinct officers" in terminal.signed("review", "publish", "D1", *PUBLISH, *personal, code=2)
    second = ("--second-officer", "o2", "--second-passphrase-file", str(terminal.secret))
    assert "published as" in terminal.signed("review", "publish", "D1", *PUBLISH, *personal, *second)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        pytest.param(("review", "publish", "D1", "--tlp", "red", "--officer", "o1"), "not before sealed", id="red"),
        pytest.param(("review", "publish", "D9", "--officer", "o1"), "no draft D9; see", id="no such draft"),
        pytest.param(("review", "reject", "D1", "--reason", " ", "--officer", "o1"), "say why", id="no reason"),
        pytest.param(("review", "publish", "D1", "--officer", "o7"), "none of the officers' key files", id="stranger"),
        pytest.param(("seen", "nonsense"), "nothing of this id was received", id="seen nothing"),
        pytest.param(("evidence", "D1", "--out", "x.zip"), "published nothing", id="evidence of a draft"),
        pytest.param(("report", "note", "--text", "x", "--publish"), "--publish needs --officer", id="unsigned"),
        pytest.param(("report", "vessel", "--text", "x", "--imo", "9074728"), "check digit should be 9", id="imo"),
        pytest.param(("report", "container", "--text", "x", "CSQU3054384"), "check digit should be 3", id="container"),
        pytest.param(("report", "note", "--text", "x", "--at", "yesterday"), "a time looks like", id="time"),
        pytest.param(("report", "note", "--text", "x", "--at", "2099-01-01"), "in the future", id="future"),
        pytest.param(("report", "note", "--text", "x", "--position", "51"), "a position looks like", id="position"),
        pytest.param(("approve-rule", "clones", "--officer", "o1"), "no rule clones", id="no such rule"),
    ],
)
def test_what_cannot_be_done_is_one_plain_sentence_and_sends_nothing(
    terminal: Terminal, args: tuple[str, ...], said: str
) -> None:
    terminal.desk.draft()
    needs_key = "--officer" in args
    answer = terminal.signed(*args, code=2) if needs_key else terminal.call(*args, code=2)
    assert said in answer
    assert answer.count("\n") == 1
    assert terminal.desk.send() == []


def test_a_wrong_passphrase_opens_nothing(terminal: Terminal, tmp_path: Path) -> None:
    terminal.desk.draft()
    terminal.secret.write_text("wrong")
    assert "passphrase wrong" in terminal.signed("review", "publish", "D1", *PUBLISH, code=2)


def test_an_officers_report_is_drafted_or_published_at_once(harbour: Harbour, terminal: Terminal) -> None:
    terminal.call(
        "report", "note", "--text", "a dinghy at the lock", "--at", "2026-11-22T03:15", "--place", "Zandvliet"
    )
    assert "a dinghy at the lock" in terminal.call("review", "show", "D1")
    args = ("report", "vessel", "--text", "no lights", "--imo", "9074729", "--publish", *PUBLISH)
    assert "published as" in terminal.signed(*args)
    (raw,) = terminal.desk.send()
    assert statement_of(raw).kind == "report"


def test_seen_is_owed_to_the_author_once(
    harbour: Harbour, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = harbour.fed.indicator(B)
    harbour.feed.log(harbour.fed.publish(B, objects=[raw]))
    harbour.pull()
    terminal = a_terminal(harbour, A, capsys, monkeypatch)
    for _ in range(2):
        assert "author is told" in terminal.call("seen", stix_id_of(raw))


def test_suppressions_are_added_listed_and_ended_under_a_name(terminal: Terminal) -> None:
    assert "nothing is silenced" in terminal.call("suppress", "list")
    added = ("suppress", "add", "exception", "mmsi:205123456", "--days", "3", "--reason", "trials", "--officer", "o1")
    assert "by o1: trials" in terminal.signed(*added)
    terminal.desk.take(a_finding())
    (row,) = terminal.ask("suppress", "list")
    assert (row["owner"], row["silenced_30_days"]) == ("o1", 1)
    ending = ("suppress", "end", row["id"], "--reason", "they are over", "--officer", "o1")
    assert "nothing is silenced" in terminal.signed(*ending)
    assert "no such suppression is in force" in terminal.signed(*ending, code=2)


def test_where_silencing_takes_two_officers_one_ends_it(with_desk_keys: Terminal) -> None:
    terminal = with_desk_keys
    terminal.config.with_name("rules.toml").write_text('[two_person]\nactions = ["suppress"]\n')
    terminal.config.write_text('rules = "rules.toml"\n' + terminal.config.read_text())
    adding = ("suppress", "add", "mute", "geofence", "--days", "1", "--reason", "works", "--officer", "o1")
    assert "waits" in terminal.signed(*adding)
    assert terminal.ask("suppress", "list") == []
    terminal.signed("review", "approve", "A1", "--officer", "o2")
    (row,) = terminal.ask("suppress", "list")
    terminal.signed("suppress", "end", row["id"], "--reason", "we want to see it", "--officer", "o2")
    assert terminal.ask("suppress", "list") == []
    lines = terminal.desk.node.store.read_now(store.audit_lines)
    assert sorted((line.action, line.officer) for line in lines) == [
        ("end-suppression", "o2"), ("suppress", "o1"), ("suppress", "o2"),
    ]  # fmt: skip
    for line in lines:
        review.verify_line(line, terminal.desk.roster)


def test_a_rule_is_approved_with_an_officers_key(terminal: Terminal) -> None:
    rules = terminal.config.with_name("rules.toml")
    rules.write_text(
        '[[rules]]\nid = "clones"\nversion = 1\ndetector = "identity-clone"\nmin_confidence = 60\ntlp = "amber"\n'
        'groups = ["seaports"]\napproved_by = "o1"\n'
    )
    terminal.config.write_text('rules = "rules.toml"\n' + terminal.config.read_text())
    assert terminal.signed("approve-rule", "clones", "--officer", "o1").startswith('signature = "')
    (line,) = terminal.desk.node.store.read_now(store.audit_lines)
    assert (line.action, line.subject, line.officer) == ("approve-rule", "clones", "o1")


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(("suppress", "add", "mute", "geofence", "--days", "1", "--reason", "noise"), id="suppress"),
        pytest.param(("review", "publish", "D1", "--group", "seaports"), id="publish"),
    ],
)
def test_who_uses_anothers_key_or_a_revoked_one_decides_nothing(terminal: Terminal, args: tuple[str, ...]) -> None:
    terminal.desk.draft()
    said = terminal.signed(*args, "--officer", "o9", code=2)
    assert "opens for o9" in said
    terminal.desk.feed.log(terminal.desk.fed.revoke_key(terminal.desk.officer().key.key_id))
    terminal.desk.pull()
    assert "was revoked" in terminal.signed(*args, "--officer", "o1", code=2)
    assert terminal.desk.node.store.read_now(store.audit_lines) == []
    assert terminal.desk.send() == []


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(("review", "publish", "D1", "--group", "seaports"), id="publish"),
        pytest.param(("review", "reject", "D1", "--reason", "a survey"), id="reject"),
        pytest.param(("suppress", "add", "mute", "geofence", "--days", "1", "--reason", "noise"), id="suppress"),
        pytest.param(("suppress", "end", "S-12345678", "--reason", "over"), id="end"),
        pytest.param(("approve-rule", "clones"), id="rule"),
    ],
)
def test_a_key_file_that_was_reported_lost_decides_nothing_at_once(terminal: Terminal, args: tuple[str, ...]) -> None:
    desk = terminal.desk
    desk.draft()
    desk.node.store.write_now(lambda c: officers.lost(c, desk.officer().key.key_id, now=desk.fed.clock.now()))
    assert "the key of o1 was reported lost" in terminal.signed(*args, "--officer", "o1", code=2)
    assert desk.node.store.read_now(store.audit_lines) == []
    assert desk.send() == []


def test_status_works_while_the_node_does_not_run(terminal: Terminal) -> None:
    said = terminal.call("status")
    assert "process: never ran" in said
    assert "DEMO FEDERATION" in said
    assert terminal.ask("status")["connected"] is False
    assert main(["status", "--check", "--config", str(terminal.config)]) == 2
    assert terminal.capsys.readouterr().out.startswith("CRITICAL north-sea-port: ")


def test_hits_show_their_handling_first(terminal: Terminal) -> None:
    assert terminal.call("hits") == "no hits\n"


def test_every_command_has_its_action_and_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    (commands,) = [action for action in build_parser()._actions if getattr(action, "choices", None)]
    assert set(commands.choices) == set(ACTIONS)  # type: ignore[arg-type]  # argparse leaves it untyped
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "review" in capsys.readouterr().out


def test_without_settings_the_desk_says_which_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--config", "/nowhere/node.toml"]) == 2
    assert capsys.readouterr().err == "port2port-node: cannot read node.toml: No such file or directory\n"


@pytest.mark.parametrize(
    ("address", "found"), [("127.0.0.1:10110", ("127.0.0.1", 10110)), ("[::1]:5", ("::1", 5)), ("ais:1", ("ais", 1))]
)
def test_addresses_are_read(address: str, found: tuple[str, int]) -> None:
    assert host_and_port(address) == found


@pytest.mark.parametrize("address", ["", "x", ":1", "x:", "x:70000", "x:-1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError):
        host_and_port(address)


def test_sources_become_transports(tmp_path: Path) -> None:
    queue, clock = LineQueue(), FakeClock()
    made = [
        transport_of(source, queue, clock)
        for source in (
            SourceSettings(name="a", kind="udp", listen="127.0.0.1:0"),
            SourceSettings(name="b", kind="tcp", connect="127.0.0.1:1"),
            SourceSettings(name="c", kind="file", path=tmp_path / "x.nmea", speed=10),
        )
    ]
    assert [type(one) for one in made] == [UdpListener, TcpClient, FileReplay]
    assert [one.name for one in made] == ["a", "b", "c"]


def test_a_new_machine_key_is_queued_once_and_named_by_the_old_one(harbour: Harbour, terminal: Terminal) -> None:
    said = terminal.ask("rekey")
    assert said["old"] == harbour.fed.ports[B].machine.key_id != said["new"]
    assert keys.load(terminal.config.with_name("machine.key.next")).key_id == said["new"]
    assert "is on its way already" in terminal.call("rekey", code=2)
    terminal.desk.draft()
    assert "rekey" in terminal.signed("review", "publish", "D1", *PUBLISH, code=2)


def test_an_exported_checkpoint_agrees_with_another_ports(
    harbour: Harbour, terminal: Terminal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, proven = tmp_path / "mine", tmp_path / "proven"
    said = terminal.ask("checkpoint", "--out", str(mine))
    terminal.desk.draft()
    terminal.signed("review", "publish", "D1", *PUBLISH)
    terminal.desk.send()
    harbour.pull()
    assert "proof of what its first" in terminal.call("checkpoint", "--out", str(proven), "--prove-from", str(mine))
    more = ("--log-key", said["log_key"], "--proof", str(proven) + ".prefix")
    assert port2port_main(["checkpoint", "compare", str(mine), str(proven), *more]) == 0


@pytest.fixture
def with_desk_keys(terminal: Terminal) -> Terminal:
    """The terminal of a node that joined with desk keys."""
    home = terminal.desk.node.home / "desk-keys"
    home.mkdir(mode=0o700)
    for number, key in enumerate(terminal.desk.fed.ports[B].desk):
        keys.save(key, home / f"desk-{number}.key")
    return terminal


def test_what_takes_two_waits_for_the_second_officer_at_another_terminal(with_desk_keys: Terminal) -> None:
    terminal = with_desk_keys
    terminal.desk.draft()
    personal = ("--personal-data", "--purpose", "isps")
    said = terminal.signed("review", "publish", "D1", *PUBLISH, *personal)
    assert "UTC: it holds personal data\n" in said
    assert "review approve A1" in said
    assert terminal.desk.send() == []
    (row,) = terminal.ask("review", "waiting")
    assert (row["id"], row["about"], row["missing"], row["readers"]) == ("A1", "D1", 1, [A])
    assert row["rules"] == ["personal-data"]
    assert "signed this already" in terminal.signed("review", "approve", "A1", "--officer", "o1", code=2)
    assert "published as" in terminal.signed("review", "approve", "A1", "--officer", "o2")
    (raw,) = terminal.desk.send()
    assert len(statement_of(raw).objects) == 1
    assert terminal.call("review", "waiting") == "nothing waits for a signature\n"


def test_an_override_is_published_at_once_and_confirmed_by_another(with_desk_keys: Terminal) -> None:
    terminal = with_desk_keys
    terminal.desk.draft()
    terminal.config.with_name("rules.toml").write_text('[two_person]\nsubjects = ["vessel"]\n')
    terminal.config.write_text('rules = "rules.toml"\n' + terminal.config.read_text())
    said = terminal.signed("review", "override", "D1", "--reason", "on fire", "--officer", "o1")
    assert "another officer checks it by 08:30 UTC" in said
    (row,) = terminal.ask("review", "waiting")
    assert (row["second_check"], row["missing"]) == (True, 1)
    assert "signed this already" in terminal.signed("review", "approve", "A1", "--officer", "o1", code=2)
    terminal.signed("review", "approve", "A1", "--reason", "it was", "--officer", "o2")
    assert terminal.ask("review", "waiting") == []


def test_what_waits_is_given_up_with_a_reason(with_desk_keys: Terminal) -> None:
    terminal = with_desk_keys
    terminal.desk.draft()
    terminal.signed("review", "reject", "D1", "--reason", "a test", "--officer", "o1")
    assert "given up" in terminal.signed("review", "withdraw", "A1", "--reason", "ask first", "--officer", "o2")
    assert "D1" in terminal.call("review", "list")


def test_a_high_finding_is_rejected_by_two_at_one_terminal(terminal: Terminal) -> None:
    terminal.desk.draft()
    one = ("review", "reject", "D1", "--reason", "a test", "--officer", "o1")
    assert "two officers decide this: the finding is of high severity" in terminal.signed(*one, code=2)
    second = ("--second-officer", "o2", "--second-passphrase-file", str(terminal.secret))
    assert "rejected; nothing was sent" in terminal.signed(*one, *second)


def test_officers_are_listed_with_the_state_of_their_keys(terminal: Terminal) -> None:
    rows = terminal.ask("officer", "list")
    assert [(row["pseudonym"], row["state"]) for row in rows] == [("o1", "in force"), ("o2", "in force")]


def test_a_rekey_replaces_the_free_desk_keys_and_spares_one_that_an_act_holds(with_desk_keys: Terminal) -> None:
    terminal = with_desk_keys
    terminal.desk.draft()
    terminal.signed("review", "publish", "D1", *PUBLISH, "--personal-data", "--purpose", "isps")
    said = terminal.ask("rekey")
    assert (len(said["desk"]), said["held"]) == (2, 1)
    harbour_home, fed = terminal.config.parent, terminal.desk.fed
    terminal.desk.send()
    terminal.desk.pull()
    settings = load(terminal.config, NodeSettings)
    assert identity.adopt_desk_keys(settings, terminal.desk.roster) == 2
    now = {one.key_id for one in desk_keys.load(harbour_home / "desk-keys")}
    assert {row["new"] for row in said["desk"]} <= now
    assert len(now & {key.key_id for key in fed.ports[B].desk}) == 1
    assert terminal.desk.node.store.read_now(store.quarantined_count) == 0
    assert identity.adopt_desk_keys(settings, terminal.desk.roster) == 0
