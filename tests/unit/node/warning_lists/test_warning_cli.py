"""What an operator types about warning lists, and what an officer types to except a value."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.__main__ import main
from node.cli import desk as desk_module
from node.cli.listing import progress_on
from node.store import audit_lines
from tests.fakes.desks import B, Desk, Harbour
from tests.fakes.prepared import key_file
from tests.fakes.warning_lists import a_list, write_lists


class Terminal:
    """One operator's terminal at a port."""

    def __init__(self, harbour: Harbour, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.desk: Desk = harbour.desks[B]
        self._capsys = capsys
        home, port = self.desk.node.home, harbour.fed.ports[B]
        key_file(port.machine, home / "machine.key", None)
        key_file(port.officer, home / "officer-o1.key", b"secret")
        (home / "secret").write_bytes(b"secret\n")
        self.secret, self.config = home / "secret", home / "node.toml"
        self.config.write_text(
            f'federation = "{harbour.fed.name}"\ngenesis = "{harbour.fed.genesis_hash}"\nmember = "{B}"\n'
            'hub = "127.0.0.1:1"\nenrolment = "127.0.0.1:2"\n[keys]\nofficers = ["officer-o1.key"]\n'
        )
        monkeypatch.setattr(desk_module, "SystemClock", lambda: harbour.fed.clock)

    def call(self, *args: object, code: int = 0) -> str:
        assert main([*map(str, args), "--config", str(self.config)]) == code
        said = self._capsys.readouterr()
        return said.out if code == 0 else said.err

    def ask(self, *args: object) -> Any:
        return json.loads(self.call(*args, "--json"))


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    harbour = Harbour(tmp_path)
    yield Terminal(harbour, capsys, monkeypatch)
    harbour.close()


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    return write_lists(tmp_path / "misp-warninglists")


def publish(terminal: Terminal, code: int = 0) -> str:
    who = ("--officer", "o1", "--passphrase-file", terminal.secret)
    what = ("--text", "seen in the proxy log", "--publish", "--tlp", "amber", "--group", "seaports")
    return terminal.call("report", "domain", "mail.google.com", *what, *who, code=code)


def test_lists_are_imported_listed_and_asked(terminal: Terminal, lists: Path) -> None:
    assert "no warning lists are imported" in terminal.call("warning-lists", "list")
    assert "no warning lists are imported" in terminal.call("warning-lists", "check", "google.com", code=2)
    said = terminal.call("warning-lists", "import", lists)
    assert "asked from now on: 7 lists, 13 values; 3 more could not be taken" in said
    listed = terminal.call("warning-lists", "list")
    assert "top sites  version 20261122, hostname, 2 values, for host, url" in listed
    assert "left out: 1 (no address and no network)" in listed
    assert "top sites, version 20261122: google.com" in terminal.call("warning-lists", "check", "mail[.]google[.]com")
    found = terminal.ask("warning-lists", "check", "0-mail.com")
    assert (found["kind"], found["lists"]) == ("host", [])
    assert [one["list"] for one in found["for_something_else"]] == ["throw-away mail"]


def test_importing_again_replaces_all_and_says_what_is_gone(terminal: Terminal, lists: Path, tmp_path: Path) -> None:
    terminal.call("warning-lists", "import", lists)
    other = write_lists(tmp_path / "other", [a_list(name="ours", list=["own.example"])])
    (tmp_path / "broken.json").write_text("{")
    said = terminal.call("warning-lists", "import", other, tmp_path / "broken.json")
    assert "no longer asked: top sites" in said
    assert "broken.json: this is not JSON" in said
    assert [one["name"] for one in terminal.ask("warning-lists", "list")["lists"]] == ["ours"]
    home = terminal.desk.node.home / "warning-lists"
    assert len(list(home.iterdir())) == 1
    trail = terminal.desk.node.store.read_now(audit_lines)
    assert [(line.officer, line.action) for line in trail] == [("operator", "warning-lists")] * 2


def test_importing_the_same_lists_again_changes_nothing(terminal: Terminal, lists: Path) -> None:
    first = terminal.ask("warning-lists", "import", lists)
    assert terminal.ask("warning-lists", "import", lists)["digest"] == first["digest"]
    assert len(terminal.desk.node.store.read_now(audit_lines)) == 1


def test_an_officers_own_report_is_stopped_until_he_excepts_the_value(terminal: Terminal, lists: Path) -> None:
    terminal.call("warning-lists", "import", lists)
    stopped = publish(terminal, code=2)
    assert "mail.google.com is on the warning list top sites: an officer may except it for a while" in stopped
    except_it = stopped.partition("with port2port-node ")[2].split()
    who = ("--officer", "o1", "--passphrase-file", terminal.secret)
    terminal.call(*except_it, "--days", 2, "--reason", "its mail server was taken over", *who)
    assert "warning-list mail.google.com until" in terminal.call("suppress", "list")
    publish(terminal)
    assert len(terminal.desk.send()) == 1


def test_the_progress_of_an_import_is_shown_on_a_terminal_only() -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen, file = Screen(), io.StringIO()
    for stream in (screen, file):
        tell, end = progress_on(stream)
        tell(1, 4, "tranco")
        end()
    assert " 25%  tranco" in screen.getvalue()
    assert file.getvalue() == ""
