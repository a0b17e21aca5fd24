"""What somebody types to bring a file in, and what he is told."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.__main__ import main
from node.cli import desk as desk_module
from node.cli.importing import progress_on
from node.imports.files import Progress
from tests.fakes.desks import B, Harbour
from tests.fakes.foreign import a_bundle, an_indicator
from tests.fakes.prepared import key_file


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    harbour = Harbour(tmp_path)
    home = harbour.desks[B].node.home
    key_file(harbour.fed.ports[B].machine, home / "machine.key", None)
    made = home / "node.toml"
    made.write_text(
        f'federation = "{harbour.fed.name}"\ngenesis = "{harbour.fed.genesis_hash}"\nmember = "{B}"\n'
        'hub = "127.0.0.1:1"\nenrolment = "127.0.0.1:2"\n'
    )
    monkeypatch.setattr(desk_module, "SystemClock", lambda: harbour.fed.clock)
    yield made
    harbour.close()


def ask(capsys: pytest.CaptureFixture[str], config: Path, *args: str) -> Any:
    assert main([*args, "--config", str(config), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_file_is_imported_listed_and_known_the_second_time(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / "evil.json"
    given.write_bytes(a_bundle(an_indicator(), {"type": "indicator"}))
    said = ask(capsys, config, "import", str(given), "--source", "cert", "--reliability", "B2")
    assert (said["known_before"], said["counts"]["drafted"], said["counts"]["quarantined"]) == (False, 1, 1)
    (draft,) = ask(capsys, config, "review", "list")
    assert draft["kind"] == "import"
    assert ask(capsys, config, "import", str(given), "--source", "cert")["known_before"]
    told = ask(capsys, config, "imports")
    assert (told["quarantined"], told["outcomes"]) == (1, {"cert": {"drafted": 1}})
    assert main(["imports", "--config", str(config)]) == 0
    assert "not an object with a type and an id" in capsys.readouterr().out
    status = ask_status(capsys, config)
    assert "1 objects from outside are set apart; see: port2port-node imports" in status


def ask_status(capsys: pytest.CaptureFixture[str], config: Path) -> list[str]:
    main(["status", "--config", str(config), "--json"])
    return [line["text"] for line in json.loads(capsys.readouterr().out)["lines"]]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--reliability", "Z9"], "graded A to F"),
        (["--source", "a:b"], "--source is a name"),
        (["--source", "x" * 101], "--source is a name"),
    ],
)
def test_what_cannot_be_meant_is_told_plainly(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], args: list[str], said: str
) -> None:
    (tmp_path / "x.json").write_bytes(b"[]")
    assert main(["import", str(tmp_path / "x.json"), *args, "--config", str(config)]) == 2
    assert said in capsys.readouterr().err


def test_a_file_of_something_else_is_told_as_such(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.json").write_bytes(b'{"x": 1}')
    assert main(["import", str(tmp_path / "x.json"), "--config", str(config)]) == 0
    assert "nothing was found in it: it is neither STIX nor a MISP event" in capsys.readouterr().out


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_how_far_it_is_and_a_file_does_not() -> None:
    shown, kept = Terminal(), io.StringIO()
    for stream in (shown, kept):
        tell, end = progress_on(stream)
        tell(Progress(share=0.45, counts={"met": 1234, "quarantined": 2}))
        end()
    assert shown.getvalue() == "\r[#########...........]  45%  1,234 objects, 2 quarantined\n"
    assert kept.getvalue() == ""
