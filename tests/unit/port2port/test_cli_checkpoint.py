"""Two officers compare what their ports were shown."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from port2port import conflict
from port2port.checkpoint import VerifierKey
from port2port.cli import checkpoint as cli

V = json.loads((Path(__file__).parents[2] / "vectors" / "checkpoint.json").read_text(encoding="utf-8"))
ORIGIN = "vectors.port2port.example/log"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("empty", "signed", "cosigned", "forked", "earlier_fork", "prefix_proof"):
        (tmp_path / name).write_text(V[name], encoding="utf-8")
    (tmp_path / "junk").write_bytes(b"\xff" * 100_000)
    return tmp_path


def run(files: Path, *names: str, key: str = V["vkey"]) -> int:
    parser = argparse.ArgumentParser()
    cli.add_parser(parser.add_subparsers())
    paths = [str(files / name) for name in names[:2]] + ["--log-key", key, "--evidence", str(files / "out.json")]
    proof = ["--proof", str(files / names[2])] if names[2:] else []
    return cli.run(parser.parse_args(["checkpoint", "compare", *paths, *proof]))


def test_checkpoints_of_one_history_agree(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(files, "signed", "cosigned") == cli.AGREE
    assert ORIGIN in capsys.readouterr().out
    assert run(files, "empty", "cosigned") == cli.AGREE
    assert not (files / "out.json").exists()


@pytest.mark.parametrize("names", [("signed", "forked"), ("cosigned", "earlier_fork", "prefix_proof")])
def test_a_fork_names_the_hub_and_writes_evidence_that_convicts_it(
    files: Path, capsys: pytest.CaptureFixture[str], names: tuple[str, ...]
) -> None:
    assert run(files, *names) == cli.CONFLICT
    told = capsys.readouterr().out
    assert "CONFLICT" in told
    assert ORIGIN in told
    conflict.check_evidence((files / "out.json").read_bytes(), VerifierKey.from_text(V["vkey"]))
    assert run(files, *names) == cli.CONFLICT
    assert "already" in capsys.readouterr().out


def test_a_needless_proof_is_left_out_of_the_evidence(files: Path) -> None:
    assert run(files, "signed", "forked", "prefix_proof") == cli.CONFLICT
    assert (files / "out.json").read_text(encoding="utf-8") == V["evidence"]


def test_evidence_never_replaces_another_file(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "out.json").write_text("mine", encoding="utf-8")
    assert run(files, "signed", "forked") == cli.CONFLICT
    assert "NOT written" in capsys.readouterr().out
    assert (files / "out.json").read_text(encoding="utf-8") == "mine"


def test_different_sizes_say_what_is_needed(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(files, "earlier_fork", "signed") == cli.NEEDS_PROOF
    assert "prefix proof from 2 to 3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "key"),
    [
        pytest.param(("signed", "missing"), V["vkey"], id="no such file"),
        pytest.param(("signed", "junk"), V["vkey"], id="no checkpoint"),
        pytest.param(("signed", "forked"), "x", id="no key"),
        pytest.param(
            ("signed", "forked"),
            "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            id="other log",
        ),
        pytest.param(("earlier_fork", "signed", "junk"), V["vkey"], id="no proof"),
    ],
)
def test_what_cannot_be_judged_is_refused_and_convicts_nobody(
    files: Path, capsys: pytest.CaptureFixture[str], names: tuple[str, ...], key: str
) -> None:
    assert run(files, *names, key=key) == cli.REFUSED
    assert capsys.readouterr().out.startswith("refused (")
    assert not (files / "out.json").exists()
