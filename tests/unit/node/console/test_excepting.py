"""Where a list keeps an indicator back, the page says which value it is, and an officer excepts it from there."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from node import act_store, drafts, indicators, suppressions
from node.drafts import Draft, Proposal
from node.two_person import TwoPersonRule
from node.watch import Admission
from port2port.console.roles import Role
from port2port.tlp import Tlp
from tests.fakes.desk_console import PASSPHRASE, DeskConsole, desk_console
from tests.fakes.warning_lists import a_gate
from tests.fakes.watching import wanted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LISTED = "[domain-name:value = 'mail.google.com' OR ipv4-addr:value = '8.8.8.8']"
OFFER = "Kept back by a list"
LANGUAGES = {
    "nl": "Tegengehouden door een lijst",
    "fr": "Retenu par une liste",
    "de": "Von einer Liste zurückgehalten",
}
SENT = {"value": "mail.google.com", "reason": "seen in the mail of the harbour master", "days": "7"}


@pytest.fixture
def console(tmp_path: Path) -> Iterator[DeskConsole]:
    with desk_console(tmp_path) as made:
        gate = a_gate(made.desk.node.store, tmp_path / "lists", made.context.now, protected=["mmsi:205123456"])
        guard(made, gate)
        yield made
        gate.close()


def guard(console: DeskConsole, gate: Any) -> None:
    console.desk.gate = gate
    console.context = dataclasses.replace(
        console.context, author=dataclasses.replace(console.context.author, gate=gate)
    )


def a_draft(console: DeskConsole, pattern: str, kind: str = "publish") -> Draft:
    raw = console.fed.indicator(console.desk.member, tlp=Tlp.AMBER, pattern=pattern)
    proposal = Proposal(
        kind=kind, objects=(raw,), groups=("seaports",), handling="call_first", purpose="maritime-security"
    )
    return console.do(lambda c: drafts.add(c, f"test/{pattern}", proposal, {}, now=console.context.now))


def in_force(console: DeskConsole) -> list[tuple[str, str, str, str]]:
    found = console.do(lambda c: suppressions.in_force(c, console.context.now))
    return [(one.kind, one.subject, one.owner, one.reason) for one in found]


def test_a_draft_names_the_values_that_lists_keep_back_and_one_is_excepted_with_a_signature(
    console: DeskConsole,
) -> None:
    a_draft(console, LISTED)
    visitor = console.visitor()
    text = visitor.get("/drafts/D1").text
    for words in (OFFER, "mail.google.com", "8.8.8.8", "top sites", "resolvers"):
        assert words in text
    answer = visitor.send("/suppressions/except", "/drafts/D1", **SENT)
    assert answer.headers["location"] == "/acts/A1"
    assert "mail.google.com" in visitor.get("/acts/A1").text
    assert in_force(console) == []
    visitor.send("/acts/A1/sign", "/acts/A1", passphrase=PASSPHRASE)
    assert in_force(console) == [("warning-list", "mail.google.com", "o1", SENT["reason"])]
    text = visitor.get("/drafts/D1").text
    assert '<option value="8.8.8.8"' in text
    assert '<option value="mail.google.com"' not in text


def test_a_protected_identity_is_named_as_such(console: DeskConsole) -> None:
    a_draft(console, "[vessel:mmsi = '205123456']")
    assert "a protected identity of this port" in console.visitor().get("/drafts/D1").text


def test_nothing_is_offered_where_nothing_is_kept_back_or_to_who_does_not_decide(console: DeskConsole) -> None:
    a_draft(console, "[domain-name:value = 'evil.example']")
    a_draft(console, LISTED)
    assert OFFER not in console.visitor().get("/drafts/D1").text
    assert OFFER not in console.visitor("b9", Role.OFFICER).get("/drafts/D2").text
    assert console.visitor("b9").send("/suppressions/except", "/drafts/D2", **SENT).status_code == 404


def test_a_received_indicator_that_is_listed_offers_the_same(console: DeskConsole) -> None:
    one = wanted(console.harbour, console.desk, pattern=LISTED)
    address = f"/watch/indicators/{one.issuer}/{one.stix_id}"
    assert OFFER not in console.visitor().get(address).text
    console.do(lambda c: indicators.note_state(c, one.key, Admission.LISTED.value, index=one.index))
    assert OFFER in console.visitor().get(address).text
    assert OFFER not in console.visitor("v1", Role.VIEWER).get(address).text
    assert console.visitor().send("/suppressions/except", address, **SENT).headers["location"] == "/acts/A1"


def test_an_exception_without_a_reason_is_told_with_what_was_written(console: DeskConsole) -> None:
    a_draft(console, LISTED)
    answer = console.visitor().send("/suppressions/except", "/drafts/D1", **{**SENT, "reason": " ", "days": "30"})
    assert answer.status_code == 403
    assert "say why" in answer.text
    assert 'value="mail.google.com" selected' in answer.text
    assert 'value="30" selected' in answer.text
    assert console.do(act_store.listed) == []


def test_an_exception_lasts_one_of_the_times_that_are_offered(console: DeskConsole) -> None:
    a_draft(console, LISTED)
    visitor = console.visitor()
    for days in ("", "0", "366", "-1", "7.5", "x"):
        answer = visitor.send("/suppressions/except", "/drafts/D1", **{**SENT, "days": days})
        assert answer.status_code == 400, days
    assert console.do(act_store.listed) == []


def test_a_port_that_asks_for_two_officers_asks_for_them_here_too(console: DeskConsole) -> None:
    console.context = dataclasses.replace(console.context, rule=TwoPersonRule(actions=frozenset({"suppress"})))
    a_draft(console, LISTED)
    visitor = console.visitor()
    visitor.send("/suppressions/except", "/drafts/D1", **SENT)
    visitor.send("/acts/A1/sign", "/acts/A1", passphrase=PASSPHRASE)
    assert in_force(console) == []
    console.visitor("o2").send("/acts/A1/sign", "/acts/A1", passphrase=PASSPHRASE)
    assert [subject for _, subject, _, _ in in_force(console)] == ["mail.google.com"]


def test_a_damaged_index_leaves_the_page_readable(console: DeskConsole, tmp_path: Path) -> None:
    a_draft(console, LISTED)
    for file in (tmp_path / "lists" / "warning-lists").iterdir():
        file.write_bytes(b"no index")
    answer = console.visitor().get("/drafts/D1")
    assert answer.status_code == 200
    assert OFFER not in answer.text


def test_it_is_said_in_the_readers_language(console: DeskConsole) -> None:
    a_draft(console, LISTED)
    visitor = console.visitor()
    for language, words in LANGUAGES.items():
        text = visitor.client.get("/drafts/D1", headers={"Accept-Language": language}).text
        assert words in text
        assert OFFER not in text
