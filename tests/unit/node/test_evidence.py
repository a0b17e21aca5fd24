"""Evidence is the bytes as received, the statement, and a proof that needs nobody; the same evidence, the same file."""

from __future__ import annotations

import io
import json
import subprocess
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from node import evidence
from node.acts import at_once
from node.evidence import NoEvidenceError
from node.outbox import Queued
from port2port import bundle
from port2port.cli.verify import lines as report_lines
from port2port.wire import decode_envelope
from tests.fakes.desks import A, B, Desk, Harbour, a_finding, amber


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    made = Harbour(tmp_path)
    yield made
    made.close()


@pytest.fixture
def desk(harbour: Harbour) -> Desk:
    return harbour.desks[B]


@pytest.fixture
def queued(desk: Desk) -> Queued:
    (made,) = desk.publish(desk.draft(), amber())
    return made


def collected(desk: Desk, statement_id: str) -> bytes:
    return desk.node.store.read_now(lambda c: evidence.collect(c, statement_id, desk.fed.genesis_hash))


def files(raw: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_zip_proves_itself_with_the_genesis_hash_alone(harbour: Harbour, desk: Desk, queued: Queued) -> None:
    desk.send()
    harbour.feed.log(harbour.fed.publish(A), harbour.fed.publish(A))
    harbour.pull()
    found = files(collected(desk, queued.statement_id))
    report = bundle.check(found["proof.p2p-bundle"], harbour.fed.genesis_hash, harbour.fed.validate)
    assert report.entry.envelope.statement == found["statement.json"]
    assert report_lines(report)[0] == "valid when logged: yes"
    assert (
        f"port2port verify proof.p2p-bundle --genesis {harbour.fed.genesis_hash}" in found["HOW-TO-CHECK.txt"].decode()
    )


def test_anothers_statement_under_the_same_id_is_not_proven_instead(
    harbour: Harbour, desk: Desk, queued: Queued
) -> None:
    harbour.feed.log(harbour.fed.publish(A, id=queued.statement_id))
    desk.send()
    harbour.pull()
    found = files(collected(desk, queued.statement_id))
    report = bundle.check(found["proof.p2p-bundle"], harbour.fed.genesis_hash, harbour.fed.validate)
    assert report.entry.envelope.statement == found["statement.json"]


def test_the_same_evidence_makes_the_same_file(harbour: Harbour, desk: Desk, queued: Queued) -> None:
    desk.send()
    harbour.pull()
    assert collected(desk, queued.statement_id) == collected(desk, queued.statement_id)


def test_raw_lines_are_kept_byte_for_byte_with_their_custody(desk: Desk, queued: Queued) -> None:
    found = files(collected(desk, queued.statement_id))
    line = a_finding().evidence[0].line
    assert found["raw/0001.bin"] == line
    (kept,) = json.loads(found["custody.json"])["lines"]
    assert (kept["sha256"], kept["station"], kept["clock_offset_ms"]) == (sha256(line).hexdigest(), "mast", 2_000)
    assert [(step["what"], step["by"]) for step in kept["custody"]] == [
        ("received (open_radio)", "mast"), ("frozen", "officer:o1"),
    ]  # fmt: skip


def test_statement_and_objects_are_those_that_were_signed(desk: Desk, queued: Queued) -> None:
    found = files(collected(desk, queued.statement_id))
    opened = decode_envelope(queued.envelope)
    assert (found["statement.json"], found["envelope.bin"]) == (opened.statement, queued.envelope)
    assert opened.objects[0].body in found.values()


def test_before_the_log_has_it_the_file_says_that_the_proof_is_missing(desk: Desk, queued: Queued) -> None:
    found = files(collected(desk, queued.statement_id))
    assert "proof.p2p-bundle" not in found
    assert "not yet in the log" in found["HOW-TO-CHECK.txt"].decode()


def test_sha256sum_agrees(desk: Desk, queued: Queued, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(collected(desk, queued.statement_id))) as archive:
        archive.extractall(tmp_path / "out")
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path / "out", capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_changed_line_is_found_by_its_sum(desk: Desk, queued: Queued, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(collected(desk, queued.statement_id))) as archive:
        archive.extractall(tmp_path / "out")
    (tmp_path / "out/raw/0001.bin").write_bytes(b"another line")
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path / "out", capture_output=True, check=False)
    assert done.returncode == 1


def test_releasing_is_part_of_the_custody_and_happens_once(desk: Desk, queued: Queued) -> None:
    for expected in (1, 0):
        count = desk.node.store.write_now(lambda c: evidence.let_go(c, queued.statement_id, by="o1", at_ms=5))
        assert count == expected
    (line,) = desk.node.store.read_now(lambda c: evidence.frozen(c, queued.statement_id))
    assert (line.released_ms, line.custody[-1]["what"]) == (5, "released")


def test_nothing_is_frozen_for_a_rejected_draft(desk: Desk) -> None:
    draft = desk.draft()
    desk.node.store.write_now(lambda c: at_once.reject_draft(c, desk.author, draft.id, "no", desk.both()))
    with pytest.raises(NoEvidenceError):
        collected(desk, f"urn:uuid:{'0' * 8}-0000-4000-8000-{'0' * 12}")
