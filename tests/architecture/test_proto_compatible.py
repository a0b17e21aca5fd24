"""The wire is frozen: what was released stays as it was; things are only added, and each is explained."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.fakes.checkout import REPOSITORY
from tests.vectors import build_proto_released as snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RELEASED: dict[str, str] = json.loads(snapshot.TARGET.read_text(encoding="utf-8"))
SOURCES = sorted((REPOSITORY / "proto" / "port2port" / "v1").glob("*.proto"))
CLOSED = ("SignedStatement", "Signature")
# Messages whose name says it all, and fields that the comment on their message explains.
PLAIN_MESSAGE = re.compile(r"(Request|Reply)$")


def broken(released: dict[str, str], now: dict[str, str]) -> dict[str, tuple[str, str | None]]:
    """Name → (was, is) of what is gone or different."""
    return {name: (was, now.get(name)) for name, was in released.items() if now.get(name) != was}


def test_nothing_that_was_released_is_changed_or_gone() -> None:
    assert broken(RELEASED, snapshot.current()) == {}


def test_the_snapshot_is_taken_anew_when_something_is_added() -> None:
    assert snapshot.current() == RELEASED, "run: python tests/vectors/build_proto_released.py"


@pytest.mark.parametrize("message", CLOSED)
def test_what_is_signed_is_closed_for_ever(message: str) -> None:
    prefix = f"port2port.v1.{message}."
    assert (
        sum(name.startswith(prefix) for name in snapshot.current()) == {"SignedStatement": 3, "Signature": 2}[message]
    )


@pytest.mark.parametrize(
    ("name", "change"),
    [
        pytest.param("port2port.v1.Envelope.signed", None, id="a field removed"),
        pytest.param("port2port.v1.Envelope.signed", "type 12 = 9", id="a field renumbered"),
        pytest.param("port2port.v1.FeedBatch.first_index", "type 12 = 1", id="a type changed"),
        pytest.param("port2port.v1.Exchange.Follow", None, id="a method removed"),
        pytest.param("port2port.v1.SubmitResult.Outcome.RETRY", "value 9", id="an enum value changed"),
    ],
)
def test_a_breaking_change_is_seen(name: str, change: str | None) -> None:
    now = dict(snapshot.current())
    assert name in now
    del now[name]
    if change is not None:
        now[name] = change
    assert name in broken(RELEASED, now)


def _uncommented(text: str) -> Iterator[str]:
    """Declarations without a comment above them; a file's first line is the comment on the file."""
    before = ""
    for line in text.splitlines():
        stripped = line.strip()
        declared = re.match(r"(?:message|enum|rpc|service)\b|[\w.]+(?: [\w.]+)? \w+ = \d+;|[A-Z_]+ = \d+;", stripped)
        if declared and not before.startswith("//"):
            yield stripped
        if stripped:
            before = stripped


def _may_be_bare(line: str) -> bool:
    name = line.split()[1] if line.startswith("message") else ""
    return bool(PLAIN_MESSAGE.search(name)) or "UNSPECIFIED = 0" in line or line.startswith("enum ")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_field_method_and_message_is_explained(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [line for line in _uncommented(text) if not _may_be_bare(line)] == []


def test_the_search_for_missing_comments_finds_them() -> None:
    text = (
        "// a file\nservice A {\n  rpc B(C) returns (D);\n}\nmessage E {\n  // yes\n  bytes f = 1;\n  bytes g = 2;\n}\n"
    )
    assert list(_uncommented(text)) == ["service A {", "rpc B(C) returns (D);", "message E {", "bytes g = 2;"][1:]
