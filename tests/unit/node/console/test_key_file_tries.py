"""Whoever found a session cannot guess the passphrase of its officer's key file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from node import act_store, drafts
from port2port.console import attempts
from tests.fakes.desk_console import PASSPHRASE, DeskConsole, DeskVisitor, desk_console

if TYPE_CHECKING:
    from pathlib import Path


def frozen(console: DeskConsole) -> DeskVisitor:
    """An act that waits for the first officer, in his browser."""
    console.draft()
    visitor = console.visitor("o1")
    version = console.do(lambda c: drafts.version(drafts.get(c, "D1")))
    choice = {"tlp": "amber", "handling": "call_first", "group": "seaports", "version": version}
    assert visitor.send("/drafts/D1/publish", "/drafts/D1", **choice).status_code == 303
    return visitor


def sign(visitor: DeskVisitor, passphrase: str) -> Any:
    return visitor.send("/acts/A1/sign", "/acts/A1", passphrase=passphrase)


def test_after_three_wrong_passphrases_even_the_right_one_waits(tmp_path: Path) -> None:
    with desk_console(tmp_path) as console:
        visitor = frozen(console)
        for guess in ("one", "two", "three"):
            assert "none of your key files" in sign(visitor, guess).text
        refused = sign(visitor, PASSPHRASE)
        assert refused.status_code == 403
        assert "too many tries" in refused.text.lower()
        assert console.audit().count("act-not-signed") == 3
        assert console.audit().count("key-file-refused") == 1
        assert console.do(lambda c: act_store.get(c, "A1")).state == act_store.WAITING
        console.fed.clock.advance(attempts.FIRST_DELAY_S)
        assert sign(visitor, PASSPHRASE).status_code == 303
        assert console.do(lambda c: act_store.get(c, "A1")).state == act_store.DONE


def test_tries_are_counted_for_each_person_and_machine_and_forgotten_when_a_file_opens(tmp_path: Path) -> None:
    with desk_console(tmp_path) as console:
        now = console.context.now

        def charge(person: str, address: str) -> bool:
            try:
                console.do(lambda c: attempts.charge_key_file(c, person, address, now))
            except attempts.TooManyTriesError:
                return False
            return True

        assert [charge("o1", "10.0.0.1") for _ in range(4)] == [True, True, True, False]
        assert charge("o2", "10.0.0.1")
        assert [charge("o1", "10.0.0.2") for _ in range(4)] == [True, True, True, False]
        assert not charge("o1", "10.0.0.3")
        console.do(lambda c: attempts.clear_key_file(c, "o1", "10.0.0.3"))
        assert charge("o1", "10.0.0.3")
        assert not charge("o1", "10.0.0.2")
