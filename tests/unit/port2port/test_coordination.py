"""Proposals on their way from coordinator to coordinator, and the control log they are made from."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from port2port import canonical, coordination, verify
from port2port.coordination import Proposal, ProposalError
from port2port.errors import ConflictError, MalformedError, PolicyError, Port2PortError
from port2port.keys import SignatureError
from port2port.roster import RosterConflictError, RosterError
from port2port.tlp import Tlp
from port2port.wire import decode_envelope
from tests.fakes.examples import many
from tests.fakes.federation import statement_of
from tests.fakes.trust_log import founded

FED, LOG = founded(members=("beanr", "belgg"), coordinators=2)
LOG.append(FED.group("seaports", "beanr"), FED.publish("beanr"), FED.rekey("belgg"))
FILE = LOG.control_log()
CONTROL = coordination.read_control_log(FILE, FED.genesis_hash)
FIRST, SECOND = FED.coordinator_keys
GROUP = {"op": "set-group", "group": "seaports", "members": ["belgg"], "version": 2}


def propose(kind="group", *ops, key=FIRST, seq=50):
    return coordination.propose(
        CONTROL, kind, ops or [GROUP], key=key, seq=seq, issued=FED.clock.now(), new_id=uuid.uuid4()
    )


def missing(proposal):
    return coordination.missing(proposal, CONTROL.roster.coordinators, CONTROL.roster.threshold)


def test_the_control_log_folds_to_the_roster_of_the_log():
    assert CONTROL.roster == LOG.roster
    assert CONTROL.seen == FED.seen
    assert CONTROL.last_seq[FIRST.key_id] == LOG.last_seq[FIRST.key_id][0]


def test_two_coordinators_make_an_entry_that_the_log_takes():
    made = propose()
    assert (missing(made), made.parsed.kind) == (2, "group")
    once = coordination.decode_proposal(made.signed_by(FIRST).encode() + b"\n")
    assert missing(once) == 1
    twice = coordination.decode_proposal(once.signed_by(SECOND).encode())
    assert missing(twice) == 0
    fed, log = founded(members=("beanr", "belgg"), coordinators=2)
    log.append(fed.group("seaports", "beanr"))
    control = coordination.read_control_log(log.control_log(), fed.genesis_hash)
    again = coordination.propose(
        control, "group", [GROUP], key=FIRST, seq=50, issued=fed.clock.now(), new_id=uuid.uuid4()
    )
    log.append(again.signed_by(SECOND).signed_by(FIRST).envelope())
    assert log.roster is not None
    assert log.roster.group("seaports", 2) == {"belgg"}


def test_one_signature_is_not_enough_for_the_log():
    with pytest.raises(verify.RefusedError, match="2 coordinator signatures are needed, 1"):
        LOG.append(propose().signed_by(FIRST).envelope())


def test_nobody_signs_twice():
    with pytest.raises(ConflictError):
        propose().signed_by(FIRST).signed_by(FIRST)


def test_a_file_with_one_signature_twice_is_refused():
    once = propose().signed_by(FIRST)
    with pytest.raises(ProposalError, match="distinct"):
        coordination.decode_proposal(Proposal(statement=once.statement, signatures=once.signatures * 2).encode())


def test_a_signature_by_no_coordinator_is_refused():
    stranger = FED.key("stranger")
    with pytest.raises(PolicyError):
        missing(propose().signed_by(stranger))


def test_a_signature_of_another_proposal_is_refused():
    other = propose().signed_by(FIRST)
    with pytest.raises(SignatureError):
        missing(Proposal(statement=propose().statement, signatures=other.signatures))


@pytest.mark.parametrize(
    ("kind", "op", "error"),
    [
        ("group", {**GROUP, "version": 5}, RosterConflictError),
        ("group", {**GROUP, "members": ["atlantis"]}, RosterConflictError),
        ("roster", GROUP, RosterError),
        ("publish", GROUP, PolicyError),
    ],
)
def test_what_the_roster_would_not_take_is_not_proposed(kind, op, error):
    with pytest.raises(error):
        propose(kind, op)


def test_a_proposal_by_a_stranger_is_not_sound():
    with pytest.raises(PolicyError):
        propose(key=FED.key("stranger"))


def test_a_member_s_statement_is_nothing_for_coordinators_to_sign():
    statement = decode_envelope(LOG.raws[3]).statement
    with pytest.raises(PolicyError, match="coordinators make"):
        coordination.require_sound(Proposal(statement=statement), CONTROL)


def test_a_proposal_made_for_an_older_roster_is_not_sound():
    fed, log = founded(members=("beanr", "belgg"), coordinators=2)
    log.append(fed.group("seaports", "beanr"))
    newer = coordination.read_control_log(log.control_log(), fed.genesis_hash)
    first = coordination.propose(newer, "group", [GROUP], key=FIRST, seq=9, issued=fed.clock.now(), new_id=uuid.uuid4())
    log.append(fed.group("seaports", "belgg"))
    later = coordination.read_control_log(log.control_log(), fed.genesis_hash)
    with pytest.raises(RosterConflictError, match="made for another roster"):
        coordination.require_sound(first, later)


def test_one_coordinator_suspends_an_object():
    made = coordination.propose_suspension(
        CONTROL,
        issuer="beanr",
        stix_id="indicator--9b2e8c1e-7c39-4b7e-8f3a-0c5d2b1a9e11",
        reason="a false alarm",
        tlp=Tlp.AMBER,
        groups=(("seaports", 1),),
        key=SECOND,
        seq=60,
        issued=FED.clock.now(),
        new_id=uuid.uuid4(),
    ).signed_by(SECOND)
    coordination.require_sound(made, CONTROL)
    assert missing(made) == 0
    fed, log = founded(members=("beanr", "belgg"), coordinators=2)
    log.append(fed.group("seaports", "beanr"))
    with pytest.raises(verify.RefusedError, match="log_seen"):
        log.append(made.envelope())


# --- genesis ----------------------------------------------------------------------------------------------------


def body(**changes):
    return {**statement_of(FED.genesis_envelope).body, **changes}


def test_coordinators_found_a_federation_together():
    made = coordination.propose_genesis(body(), key=FIRST, issued=FED.clock.now(), new_id=uuid.uuid4())
    known = {key.key_id: key.record("coordinator") for key in FED.coordinator_keys}
    assert coordination.missing(made.signed_by(FIRST), known, 2) == 1
    assert coordination.missing(made.signed_by(FIRST).signed_by(SECOND), known, 2) == 0
    assert made.parsed.seq == 1


def test_a_coordinator_founds_nothing_that_does_not_name_it():
    with pytest.raises(PolicyError):
        coordination.propose_genesis(body(), key=FED.key("stranger"), issued=FED.clock.now(), new_id=uuid.uuid4())


# --- files ------------------------------------------------------------------------------------------------------


def edited(raw, **changes):
    return canonical.dumps({**canonical.loads_object(raw, limit=2**25), **changes})


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"type": "join-request"}, id="type"),
        pytest.param({"v": True}, id="true for 1"),
        pytest.param({"statement": 7}, id="statement no text"),
        pytest.param({"statement": "*"}, id="statement no base64"),
        pytest.param({"signatures": {}}, id="signatures no list"),
        pytest.param({"signatures": [1]}, id="a signature no object"),
        pytest.param({"signatures": [{"key_id": "x", "sig": "AA=="}]}, id="a key id that is none"),
        pytest.param({"signatures": [{"key_id": "00" * 32, "sig": "AA=="}] * 9}, id="nine"),
        pytest.param({"more": 1}, id="a field too many"),
    ],
)
def test_another_file_is_no_proposal(changes):
    with pytest.raises(MalformedError):
        coordination.decode_proposal(edited(propose().encode(), **changes))


ENTRIES = canonical.loads_object(FILE, limit=2**25)["entries"]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"entries": []}, id="nothing"),
        pytest.param({"entries": ENTRIES[1:]}, id="no genesis"),
        pytest.param({"entries": [ENTRIES[0], *ENTRIES[2:]]}, id="a gap in the chain"),
        pytest.param({"entries": [*ENTRIES, ENTRIES[-1]]}, id="one twice"),
        pytest.param({"entries": [ENTRIES[0], ENTRIES[0], *ENTRIES[1:]]}, id="the genesis twice: back to the start"),
        pytest.param({"entries": [{**ENTRIES[0], "index": 1}, *ENTRIES[1:]]}, id="the genesis elsewhere"),
        pytest.param({"entries": [ENTRIES[0], {**ENTRIES[1], "index": 0}, *ENTRIES[2:]]}, id="two at one place"),
        pytest.param({"entries": [{**ENTRIES[0], "received_ms": -1}, *ENTRIES[1:]]}, id="before 1970"),
        pytest.param({"entries": [{**ENTRIES[0], "received_ms": 2**52}, *ENTRIES[1:]]}, id="time falls"),
        pytest.param({"entries": [{**ENTRIES[0], "index": "0"}]}, id="index as text"),
        pytest.param({"entries": [{"index": 0}]}, id="half an entry"),
        pytest.param({"entries": [7]}, id="no entry"),
        pytest.param({"entries": "all"}, id="no list"),
        pytest.param({"checkpoint": LOG.checkpoint(2).note.decode()}, id="a checkpoint from before"),
        pytest.param({"checkpoint": "x"}, id="no checkpoint"),
        pytest.param({"checkpoint": 7}, id="a checkpoint that is no text"),
    ],
)
def test_a_control_log_that_is_not_whole_and_in_order_is_refused(changes):
    with pytest.raises(Port2PortError):
        coordination.read_control_log(edited(FILE, **changes), FED.genesis_hash)


def test_a_content_entry_has_no_place_in_a_control_log():
    raw = LOG.raws[3]
    entries = [(0, LOG.entries[0].received_ms, LOG.raws[0]), (1, LOG.entries[1].received_ms, LOG.raws[1])]
    stray = coordination.encode_control_log(
        [*entries, (3, LOG.entries[3].received_ms, raw)], LOG.checkpoint().note.decode()
    )
    with pytest.raises(Port2PortError):
        coordination.read_control_log(stray, FED.genesis_hash)


def test_a_control_log_of_another_federation_is_refused():
    with pytest.raises(MalformedError, match="pinned"):
        coordination.read_control_log(FILE, "00" * 32)


@settings(max_examples=many(300), deadline=None)
@given(st.binary(max_size=100) | st.integers(0, len(FILE) - 6).map(lambda at: FILE[:at] + FILE[at + 5 :]))
def test_any_bytes_are_refused_with_one_of_our_errors(raw):
    for read in (coordination.decode_proposal, coordination.type_of):
        try:
            read(raw)
        except Port2PortError:
            continue
    with pytest.raises(Port2PortError):
        coordination.read_control_log(raw, FED.genesis_hash)
