"""What was imported goes out by an officer's hand only, as an import, and comes back as nothing new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from node import drafts, review, rules
from node.acts import at_once, preparing
from node.drafts import Draft
from node.foreign.normalising import Normaliser
from node.foreign.taking import Desk as Taking
from node.foreign.taking import Source, take
from node.redaction import Choices
from node.review import Choice, LooserError
from node.rules import AutomaticRule
from port2port.errors import Port2PortError
from port2port.imported import Grade, imported_in
from port2port.statement import commit
from port2port.stix.markings import TLP_IDS
from port2port.tlp import Tlp
from port2port.verify import RefusedError
from tests.fakes.desks import A, B, Desk, Harbour
from tests.fakes.federation import statement_of
from tests.fakes.foreign import PARTNER, an_indicator, items, stix_id

AMBER = {"object_marking_refs": [TLP_IDS[Tlp.AMBER]]}
GROUP = Choice(groups=("seaports",))
CERT = Source(name="cert", grade=Grade(reliability="B", credibility=2))


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    made = Harbour(tmp_path)
    yield made
    made.close()


@pytest.fixture
def desk(harbour: Harbour) -> Desk:
    return harbour.desks[B]


def bring(desk: Desk, *objects: dict[str, Any], source: Source = CERT) -> Counter[str]:
    taking = Taking(
        defaults=desk.defaults,
        normaliser=Normaliser(desk.fed.validate),
        members=frozenset(desk.fed.identity(member) for member in desk.fed.members),
        now=desk.fed.clock.now(),
    )
    return desk.node.store.write_now(lambda c: take(c, source, items(*objects), taking))


def newest(desk: Desk) -> Draft:
    return desk.node.store.read_now(drafts.listed)[-1]


def test_an_officer_publishes_it_and_the_other_port_looks_for_it(harbour: Harbour, desk: Desk) -> None:
    bring(desk, an_indicator(**AMBER))
    (queued,) = desk.publish(newest(desk), GROUP)
    said = statement_of(queued.envelope)
    told = imported_in(said.body)
    assert (said.kind, said.decided_by, said.tlp) == ("import", "officer:o1", Tlp.AMBER)
    assert (told.source, told.grade.code, told.objects[0].echo) == ("cert", "B2", False)
    desk.send()
    harbour.pull()
    there = harbour.desks[A].indicator(stix_id("evil.example"), issuer=B)
    assert there is not None
    assert there.may_match
    assert PARTNER.encode() in there.stix


def test_two_officers_sign_an_address(desk: Desk) -> None:
    bring(desk, an_indicator("198.51.100.7", path="ipv4-addr:value", **AMBER))
    with pytest.raises(Port2PortError):
        desk.publish(newest(desk), GROUP)
    (queued,) = desk.publish(newest(desk), GROUP, desk.both())
    assert statement_of(queued.envelope).personal_data


@pytest.mark.parametrize("tlp", [Tlp.CLEAR, Tlp.GREEN])
def test_no_officer_loosens_what_its_source_marked(desk: Desk, tlp: Tlp) -> None:
    bring(desk, an_indicator(**AMBER))
    with pytest.raises(LooserError):
        desk.publish(newest(desk), Choice(tlp=tlp))
    (queued,) = desk.publish(newest(desk), replace(GROUP, tlp=Tlp.AMBER_STRICT))
    assert statement_of(queued.envelope).tlp is Tlp.AMBER_STRICT


def test_what_an_officer_leaves_out_is_not_told_of(desk: Desk) -> None:
    bring(desk, an_indicator(**AMBER), an_indicator("worse.example", **AMBER))
    out = Choices(objects=frozenset({stix_id("worse.example")}))
    asked = at_once.asked_of(desk.act())
    made = desk.node.store.write_now(
        lambda c: preparing.publish_draft(c, desk.author, newest(desk).id, GROUP, asked, left_out=out)
    )
    (part,) = made.parts
    assert stix_id("worse.example").encode() not in part.statement
    assert stix_id("evil.example").encode() in part.statement


# --- never by itself ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("detector", ["", "import", "import:cert", "identity-clone"])
def test_no_rule_publishes_it_whatever_the_rule_says(desk: Desk, detector: str) -> None:
    bring(desk, an_indicator(**AMBER))
    draft = newest(desk)
    trusting = replace(draft, why={**draft.why, "single_open_source": False, "confidence": 100, "detector": detector})
    rule = AutomaticRule(
        id="all", version=1, detector=detector, min_confidence=0, tlp=Tlp.AMBER, groups=("seaports",), approved_by="o1"
    )
    rule = replace(rule, signature=rules.approval(rule, desk.officer()))
    told: list[str] = []
    now = desk.fed.clock.now()
    for given in (draft, trusting):
        queued = desk.node.store.write_now(
            lambda c, given=given: rules.apply(
                c, desk.author, [rule], given, roster=desk.roster, now=now, skipped=told.append
            )
        )
        assert queued == []
    assert told == ["all: from outside: an officer decides"] * 2


def test_every_reader_refuses_an_import_that_a_rule_decided(harbour: Harbour, desk: Desk) -> None:
    bring(desk, an_indicator(**AMBER))
    with pytest.raises(RefusedError, match="must be decided by an officer"):
        desk.node.store.write_now(
            lambda c: rules.publish.release(
                c,
                desk.author,
                newest(desk),
                newest(desk).proposal,
                replace(desk.act(), decided_by="rule:all@1", officers=()),
            )
        )
    before = len(harbour.feed.leaves)
    raw = desk.fed.content(B, "import", officer=False, objects=newest(desk).proposal.objects,
                           body=newest(desk).proposal.body, tlp=Tlp.AMBER, groups=("seaports",))  # fmt: skip
    harbour.feed.log(raw)
    harbour.pull([A])
    assert len(harbour.feed.leaves) == before + 1
    assert harbour.desks[A].indicator(stix_id("evil.example"), issuer=B) is None


# --- echoes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["evil.example", "EVIL[.]example."])
def test_what_a_member_had_said_is_an_echo_without_confidence(harbour: Harbour, desk: Desk, spelling: str) -> None:
    other = harbour.desks[A]
    ours = other.fed.indicator(A, pattern="[domain-name:value = 'evil.example']")
    harbour.feed.log(other.fed.publish(A, objects=[ours]))
    harbour.pull([A])
    desk.pull()
    bring(desk, an_indicator(spelling, confidence=80, id=stix_id("theirs"), **AMBER))
    draft = newest(desk)
    (told,) = imported_in(draft.proposal.body).objects
    assert told.echo
    assert b'"confidence"' not in draft.proposal.objects[0]
    assert f"echo       {stix_id('theirs')}: said before by {A}" in review.describe(draft)


def test_an_update_of_what_we_imported_ourselves_is_no_echo(harbour: Harbour, desk: Desk) -> None:
    bring(desk, an_indicator(**AMBER))
    desk.publish(newest(desk), GROUP)
    desk.send()
    desk.pull()
    bring(desk, an_indicator(modified="2026-11-21T00:00:00.000Z", **AMBER))
    assert not imported_in(newest(desk).proposal.body).objects[0].echo


def test_what_a_member_made_himself_is_not_imported(desk: Desk) -> None:
    counts = bring(desk, an_indicator(created_by_ref=desk.fed.identity(A)))
    assert (counts["own"], counts["drafts"]) == (1, 0)


# --- taking it back -----------------------------------------------------------------------------------------------


def test_it_is_taken_back_by_name_without_a_version_of_what_is_anothers(harbour: Harbour, desk: Desk) -> None:
    bring(desk, an_indicator(**AMBER))
    draft = newest(desk)
    desk.publish(draft, GROUP)
    desk.send()
    (queued,) = desk.node.store.write_now(lambda c: at_once.retract(c, desk.author, draft.id, "no more", desk.act()))
    said = statement_of(queued.envelope)
    assert (said.kind, said.objects, said.refs()) == ("retract", (), ((B, stix_id("evil.example")),))
    desk.send()
    harbour.pull()
    there = harbour.desks[A].indicator(stix_id("evil.example"), issuer=B)
    assert there is not None
    assert there.revoked


def test_the_officer_reads_source_and_grade_plainly(desk: Desk) -> None:
    bring(desk, an_indicator(**AMBER))
    lines = review.describe(newest(desk))
    assert "source     cert" in lines
    assert "reliable   B2: usually reliable, probably true" in lines


def test_the_commitment_opens_to_the_bytes_that_came(desk: Desk) -> None:
    given = an_indicator(**AMBER)
    bring(desk, given)
    (told,) = imported_in(newest(desk).proposal.body).objects
    row = desk.node.store.read_now(lambda c: c.exec_driver_sql("SELECT salt, raw FROM foreign_object").one())
    assert commit(row.salt, items(given)[0].raw) == told.commitment
