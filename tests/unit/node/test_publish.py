"""What an officer releases is split, judged by everybody's rules, signed and queued in one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from node import drafts, evidence, outbox, publish, review, tables
from node.drafts import Proposal
from port2port import statement as stm
from port2port.limits import LIMITS
from port2port.stix import objects as stix
from port2port.tlp import Tlp
from port2port.verify import RefusedError, SealedDeliveryError
from port2port.wire import decode_envelope
from tests.fakes.desks import A, B, C, Desk, Harbour, a_finding, amber
from tests.fakes.federation import statement_of, stix_id_of


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    made = Harbour(tmp_path)
    yield made
    made.close()


@pytest.fixture
def desk(harbour: Harbour) -> Desk:
    return harbour.desks[B]


def test_a_published_draft_reaches_the_group_and_nobody_else(harbour: Harbour, desk: Desk) -> None:
    draft = desk.draft()
    (queued,) = desk.publish(draft, amber())
    assert queued.state == outbox.QUEUED
    desk.send()
    harbour.pull()
    stix_id = stix_id_of(draft.proposal.objects[0])
    found = harbour.desks[A].indicator(stix_id)
    assert found is not None
    assert (found.handling, found.tlp, found.machine_only) == ("call_first", Tlp.AMBER, False)
    assert harbour.desks[C].indicator(stix_id) is None
    assert desk.node.state_of(queued.digest) == outbox.CLEARED


def test_the_statement_says_who_decided_and_what_was_known(desk: Desk) -> None:
    (queued,) = desk.publish(desk.draft(), amber())
    said = statement_of(queued.envelope)
    assert (said.decided_by, said.issuer, said.groups) == ("officer:o1", B, (("seaports", 1),))
    assert said.log_seen == desk.fed.seen
    assert said.signer == desk.fed.ports[B].machine.key_id
    signers = {item.key_id for item in decode_envelope(queued.envelope).signatures}
    assert signers == {desk.fed.ports[B].machine.key_id, desk.fed.ports[B].officer.key_id}


def test_publishing_freezes_the_raw_lines_and_closes_the_draft(desk: Desk) -> None:
    (queued,) = desk.publish(desk.draft(), amber())
    lines = desk.node.store.read_now(lambda c: evidence.frozen(c, queued.statement_id))
    assert [line.raw for line in lines] == [a_finding().evidence[0].line]
    assert lines[0].clock_offset_ms == 2_000
    closed = desk.node.store.read_now(lambda c: drafts.get(c, "D1"))
    assert (closed.state, closed.officer, closed.statements) == ("published", "o1", (queued.statement_id,))


def test_red_is_refused_before_anything_is_written(desk: Desk) -> None:
    draft = desk.draft()
    with pytest.raises(SealedDeliveryError, match="not before sealed delivery exists"):
        desk.publish(draft, review.Choice(tlp=Tlp.RED, recipients=(A,)))
    assert [desk.count(row) for row in (tables.Outbox, tables.EvidenceRow, tables.Sequence, tables.Audit)] == [0] * 4
    assert desk.node.store.read_now(lambda c: drafts.get(c, draft.id)).state == drafts.OPEN


@pytest.mark.parametrize(
    ("choice", "why"),
    [
        pytest.param(amber(tlp=Tlp.GREEN), "goes to all members", id="green names nobody"),
        pytest.param(amber(recipients=("nobody",)), "recipient is not in the roster", id="unknown recipient"),
        pytest.param(amber(personal_data=True), "two distinct officers, 1 signed", id="personal data"),
        pytest.param(amber(groups=("pilots",)), "no sharing group pilots; there are: seaports", id="unknown group"),
    ],
)
def test_what_receivers_would_refuse_is_refused_before_signing(desk: Desk, choice: review.Choice, why: str) -> None:
    draft = desk.draft()
    with pytest.raises((RefusedError, publish.UnknownGroupError), match=why):
        desk.publish(draft, choice)
    assert [desk.count(row) for row in (tables.Outbox, tables.EvidenceRow, tables.Audit)] == [0] * 3
    assert not (desk.node.home / "machine.key.seq").exists()


def test_two_officers_publish_personal_data(harbour: Harbour, desk: Desk) -> None:
    draft = desk.draft()
    desk.publish(draft, amber(personal_data=True, purpose="isps"), desk.act(desk.officer(), desk.officer(2)))
    desk.send()
    harbour.pull()
    found = harbour.desks[A].indicator(stix_id_of(draft.proposal.objects[0]))
    assert found is not None
    assert found.personal_data


def test_one_officer_with_two_keys_is_still_one(desk: Desk) -> None:
    act = desk.act(desk.officer(), desk.officer())
    with pytest.raises(RefusedError, match="two distinct officers"):
        desk.publish(desk.draft(), amber(personal_data=True), act)


def test_many_objects_become_several_statements_within_their_bounds(harbour: Harbour, desk: Desk) -> None:
    objects = tuple(desk.fed.indicator(B, tlp=Tlp.AMBER) for _ in range(150))
    proposal = Proposal(kind="publish", objects=objects, groups=("seaports",), body={"refs": []})
    queued = desk.node.store.write_now(lambda c: publish.publish(c, desk.author, proposal, desk.act()))
    sizes = [len(statement_of(item.envelope).objects) for item in queued]
    assert sum(sizes) == 150
    assert all(len(decode_envelope(item.envelope).statement) <= LIMITS.statement_bytes for item in queued)
    assert [item.seq for item in queued] == list(range(1, len(queued) + 1))
    desk.send()
    harbour.pull()
    assert harbour.desks[A].count(tables.IndicatorRow) == 150


def test_the_room_kept_for_each_object_is_what_it_needs(desk: Desk) -> None:
    (queued,) = desk.publish(desk.draft(), amber())
    whole = statement_of(queued.envelope)
    bare = stm.encode(replace(whole, objects=()))
    assert len(stm.encode(whole)) - len(bare) <= publish._REF_BYTES
    assert len(bare) <= publish._FIXED_BYTES


def test_objects_of_two_markings_never_share_a_statement(desk: Desk) -> None:
    objects = (desk.fed.indicator(B, tlp=Tlp.AMBER), desk.fed.indicator(B, tlp=Tlp.AMBER_STRICT))
    proposal = Proposal(kind="publish", objects=objects, groups=("seaports",))
    queued = desk.node.store.write_now(lambda c: publish.publish(c, desk.author, proposal, desk.act()))
    assert [statement_of(item.envelope).tlp for item in queued] == [Tlp.AMBER, Tlp.AMBER_STRICT]


def test_an_object_marked_red_inside_a_milder_proposal_is_refused(desk: Desk) -> None:
    proposal = Proposal(kind="publish", objects=(desk.fed.indicator(B, tlp=Tlp.RED),), groups=("seaports",))
    with pytest.raises(SealedDeliveryError):
        publish.split(proposal, desk.fed.validate)


def test_red_without_any_object_is_refused_too(desk: Desk) -> None:
    with pytest.raises(SealedDeliveryError):
        publish.split(Proposal(kind="note", objects=(), tlp=Tlp.RED, recipients=(A,)), desk.fed.validate)


def test_another_ports_object_cannot_be_published_as_ours(desk: Desk) -> None:
    proposal = Proposal(kind="publish", objects=(desk.fed.indicator(A, tlp=Tlp.AMBER),), groups=("seaports",))
    with pytest.raises(RefusedError, match="created by somebody else"):
        desk.node.store.write_now(lambda c: publish.publish(c, desk.author, proposal, desk.act()))


def test_a_key_the_roster_does_not_know_signs_nothing(desk: Desk) -> None:
    stranger = publish.Officer(pseudonym="o9", key=desk.fed.key("stranger"))
    with pytest.raises(publish.OfficerError, match="ask the coordinators"):
        desk.publish(desk.draft(), amber(), desk.act(stranger))


def test_an_officers_key_under_another_name_signs_nothing(desk: Desk) -> None:
    borrowed = publish.Officer(pseudonym="o1", key=desk.fed.ports[B].second_officer)
    with pytest.raises(publish.OfficerError, match="the key of o2, not of o1"):
        desk.publish(desk.draft(), amber(), desk.act(borrowed))


def test_a_revoked_officer_signs_nothing(harbour: Harbour, desk: Desk) -> None:
    harbour.feed.log(desk.fed.revoke_key(desk.fed.ports[B].officer.key_id))
    desk.pull()
    with pytest.raises(publish.OfficerError, match="was revoked"):
        desk.publish(desk.draft(), amber())


def test_an_expired_officer_signs_nothing(desk: Desk) -> None:
    desk.fed.clock.advance(400 * 86_400)
    with pytest.raises(publish.OfficerError, match="has expired"):
        desk.publish(desk.draft(), amber())


def naming(desk: Desk, other: str, tlp: Tlp) -> bytes:
    """A note of this port about another's object."""
    header = stix.Header(
        ident=uuid.uuid4(), issuer=desk.fed.identity(desk.member), created=desk.fed.clock.now(), tlp=tlp
    )
    return stix.note(header, content="seen at the quay", object_refs=[other])


def tell(desk: Desk, tlp: Tlp, other: str, **more: Any) -> list[outbox.Queued]:
    proposal = Proposal(kind="note", objects=(naming(desk, other, tlp),), tlp=tlp, **more)
    return desk.node.store.write_now(lambda c: publish.publish(c, desk.author, proposal, desk.act()))


def test_a_note_about_anothers_object_is_as_strict_and_for_nobody_else(harbour: Harbour, desk: Desk) -> None:
    draft = desk.draft()
    desk.publish(draft, amber())
    desk.send()
    harbour.pull()
    other, reader, outsider = stix_id_of(draft.proposal.objects[0]), harbour.desks[A], harbour.desks[C]
    before = reader.count(tables.Outbox)
    for tlp, more in ((Tlp.GREEN, {}), (Tlp.AMBER, {"recipients": (C,)})):
        with pytest.raises(publish.WiderError, match="which another port made"):
            tell(reader, tlp, other, **more)
    assert reader.count(tables.Outbox) == before
    assert tell(reader, Tlp.AMBER, other, groups=("seaports",))
    assert tell(desk, Tlp.GREEN, other), "its own object is its own affair"
    # What it has not read it cannot tell from what nobody has made: both pass, here and at the hub.
    for unknown in (other, f"indicator--{uuid.uuid4()}"):
        assert tell(outsider, Tlp.GREEN, unknown)
