"""A key file that anybody opens confirms nothing: without a passphrase a stolen session would be a signature."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node import act_store, drafts
from tests.fakes.desk_console import DeskConsole, desk_console
from tests.fakes.prepared import key_file

if TYPE_CHECKING:
    from pathlib import Path


def frozen(console: DeskConsole) -> None:
    console.draft()
    version = console.do(lambda c: drafts.version(drafts.get(c, "D1")))
    choice = {"tlp": "amber", "handling": "call_first", "group": "seaports", "version": version}
    assert console.visitor("o1").send("/drafts/D1/publish", "/drafts/D1", **choice).status_code == 303


def opened(console: DeskConsole) -> None:
    """The first officer's key file, saved as with ``--no-passphrase``."""
    path = console.context.settings.keys.officers[0]
    key_file(console.desk.fed.ports[console.context.member].officer, path)


def test_a_key_file_without_a_passphrase_signs_nothing_at_a_desk(tmp_path: Path) -> None:
    with desk_console(tmp_path) as console:
        frozen(console)
        opened(console)
        answer = console.visitor("o1").send("/acts/A1/sign", "/acts/A1", passphrase="")
        assert answer.status_code == 403
        assert console.do(lambda c: act_store.get(c, "A1")).state == act_store.WAITING
        assert "act-not-signed" in console.audit()
