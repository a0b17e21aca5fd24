"""What network detectors found reads in the officer's language, with what stays here told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.detectors.account_fraud import AccountFraud
from node.detectors.beacon import Beacon
from node.detectors.cyber_alerts import CyberAlerts
from node.detectors.folding import Folding, FoldingSettings
from node.detectors.industrial import Industrial
from node.detectors.lookalike import SAID, LookalikeDomains
from node.detectors.mail_fraud import MailFraud
from node.findings import CYBER_KINDS, Finding
from node.lookalikes import LookalikeEngine, Ours
from node.proposals import Defaults, propose
from port2port.console.told import known, told_text
from port2port.console.words import load_words
from tests.fakes.desk_console import DeskConsole, desk_console
from tests.fakes.left_over import left_over
from tests.fakes.netlogs import INSIDE, PEER, account, alert, mail, modbus, named, record

if TYPE_CHECKING:
    from collections.abc import Iterator

ENGINE = LookalikeEngine(Ours(domains=("northseaport.com",)))
WEEK = 7 * 24 * 3600
HOSTS = (
    "northseaport.co", "n0rthseaport.com", "my-northseaport.com", "northseaport.com.example.org", "nortseaport.com",
)  # fmt: skip


def every_finding() -> list[Finding]:
    """At least one for each sentence that the detectors can say."""
    posts = [
        mail(sender="ceo@northseap0rt.com"),
        mail(display_name="Jan Vries", spf="fail"),
        mail(sender="jan@example.net", display_name="Jan Vries", reply_to="x@example.net"),
        mail(supplier="ACME", iban="BE68539007547034"),
        mail(1, supplier="ACME", iban="NL91ABNA0417164300"),
    ]
    deeds = [modbus(0, "5"), modbus(1, "8"), modbus(2, "unknown-100"), modbus(3, "COLD_RESTART", kind="dnp3")]
    faults = [modbus(60 + second, "3", exception="2") for second in range(20)]
    talker = record("flow", WEEK + 9, source=PEER, target=("10.9.9.9", 502))
    accounts = [account(f"a{n}", device="d", bank="b", phone="p", document="x") for n in range(3)]
    return [
        *CyberAlerts().detect([alert()]),
        *Folding(CyberAlerts(), FoldingSettings(subjects=1)).detect([alert(), alert(source="8.8.8.8")])[1:2],
        *Industrial().detect([*deeds, *faults, talker]),
        *LookalikeDomains(ENGINE).detect([named(host, kind=kind) for kind in ("dns", "tls") for host in HOSTS]),
        *MailFraud(ENGINE, ["Jan Vries"]).detect(posts),
        *AccountFraud().detect(accounts),
        *Beacon().detect([record("flow", 60 * n, source=INSIDE, target=(PEER, 443)) for n in range(20)]),
    ]


def title_of(finding: Finding) -> str:
    defaults = Defaults(issuer="identity--00000000-0000-4000-8000-000000000001")
    made = propose(finding, defaults, now=finding.found_at, ident=finding.id, created=finding.found_at)
    assert made is not None
    text = made.objects[0].decode()
    return text.partition('"name":"' if made.kind == "publish" else '"abstract":"')[2].partition('"')[0]


def test_every_sentence_of_a_detector_is_told_in_every_language() -> None:
    findings = every_finding()
    assert {one.kind for one in findings} == CYBER_KINDS
    said = [one.reason for one in findings] + [title_of(one) for one in findings]
    assert [text for text in said if not known(text)] == []
    assert [text for text in SAID.values() if not known(text)] == []
    words = load_words(["port2port.console"], ["en", "nl", "fr", "de"], "Europe/Brussels")
    for language in ("nl", "fr", "de"):
        wording = words.of(language)
        assert [text for text in said if told_text(text, wording) == text] == []


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskConsole]:
    with desk_console(tmp_path_factory.mktemp("network")) as made:
        yield made


def test_the_page_of_such_a_draft_holds_no_english_for_who_reads_dutch(console: DeskConsole) -> None:
    visitor, left = console.visitor("o1"), {}
    drafts = [console.desk.take(finding).draft for finding in every_finding()]
    names = sorted({draft.id for draft in drafts if draft is not None})
    assert len(names) > 8
    for name in names:
        english, dutch = (
            visitor.client.get(f"/drafts/{name}", headers={"Accept-Language": language}).text
            for language in ("en", "nl")
        )
        assert "lookalike@1" not in english or "northseaport" in english
        if found := left_over(english, dutch):
            left[name] = found
    assert left == {}


def test_what_stays_here_is_shown_to_the_officer(console: DeskConsole) -> None:
    draft = console.draft(Industrial().detect([modbus(7, "6", source="10.1.2.77")])[0])
    page = console.visitor("o1").get(f"/drafts/{draft.id}").text
    shown = page.partition("Concerns here, and is told to nobody")[2].partition("</dd>")[0]
    assert "10.1.2.77" in shown
    assert "mitre-attack T0855" in page
    assert b"10.1.2.77" not in draft.proposal.objects[0]
