from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from hub.ca import CertificateAuthority
from hub.enrolment import (
    ENROL_TAG,
    RENEW_TAG,
    Enrolment,
    KnownKeyError,
    NotFoundedError,
    Offer,
    Renewal,
    TokenError,
    invite,
    join_requests,
    pending,
)
from hub.members import Members
from hub.nonces import NonceError, Nonces, NonceUsedError
from hub.quota import QuotaError, Quotas
from port2port.clock import to_ms
from port2port.errors import MalformedError, NotMemberError
from port2port.join_request import JoiningKey, JoinRequest, JoinRequestError, decode
from port2port.keys import SignatureError, generate
from port2port.limits import MemberQuota
from port2port.tls import make_csr, make_key, read_certificate
from tests.fakes.federation import Federation
from tests.fakes.prepared import hub_store


class Desk:
    """A hub's enrolment with its database, and how a node asks."""

    def __init__(self, path) -> None:
        self.fed = Federation(members=("beanr", "belgg"))
        self.fed.founding()
        self.clock = self.fed.clock
        self.store = hub_store(f"sqlite:///{path}")
        self.members = Members(self.fed.roster)
        self.ca = CertificateAuthority.create(self.fed.name, self.clock.now())
        self.enrolment = Enrolment(
            database=self.store.database,
            ca=self.ca,
            members=self.members,
            clock=self.clock,
            nonces=Nonces(b"s" * 32),
            charge_renewal=Quotas(MemberQuota(renewals_per_hour=3), self.clock).charge_renewal,
        )

    def invite(self, member: str = "ghent"):
        now_ms = to_ms(self.clock.now())
        return self.store.database.write_now(lambda c: invite(c, member=member, now_ms=now_ms))

    def enrol(self, offer: Offer):
        return asyncio.run(self.enrolment.enrol(offer))

    def renew(self, renewal: Renewal):
        return asyncio.run(self.enrolment.renew(renewal))

    def requests(self):
        return self.store.database.read_now(join_requests)

    def renewal(self, key, *, nonce: bytes | None = None, node: int = 1) -> Renewal:
        nonce = self.enrolment.challenge() if nonce is None else nonce
        csr = make_csr(make_key())
        sig = key.sign(RENEW_TAG + nonce + sha256(csr).digest() + node.to_bytes(4, "big"))
        return Renewal(nonce=nonce, csr=csr, key_id=key.key_id, node=node, sig=sig)


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path / "hub.sqlite")
    yield made
    made.store.close()


def offer(token: bytes, machine=None, officer=None, witness=None) -> Offer:
    machine, officer, witness = machine or generate(), officer or generate(), witness or generate()
    message = ENROL_TAG + sha256(token).digest()
    return Offer(
        token=token,
        csr=make_csr(make_key()),
        keys=(
            JoiningKey(public=machine.record("machine")),
            JoiningKey(public=officer.record("officer"), pseudonym="o1"),
        ),
        proofs=(machine.sign(message), officer.sign(message)),
        witness_key=witness.public,
    )


def test_an_invitation_becomes_a_certificate_and_a_join_request(desk):
    invited = desk.invite()
    given = offer(invited.token)
    got = desk.enrol(given)
    certificate = read_certificate(got.issued.der, federation=desk.fed.name)
    assert (certificate.member, certificate.node) == ("ghent", 1)
    assert [request for request, _ in desk.requests()] == [got.request]
    assert got.request.keys == given.keys
    assert pending(desk.requests(), desk.fed.roster)


def test_the_names_in_a_request_for_a_certificate_are_ignored(desk):
    got = desk.enrol(offer(desk.invite().token))
    subject = x509.load_der_x509_certificate(got.issued.der).subject.rfc4514_string()
    assert subject == f"CN={got.request.machine_key.key_id}"


def test_a_token_is_used_once_and_its_holder_gets_the_same_answer_again(desk):
    token = desk.invite().token
    first = offer(token)
    got = desk.enrol(first)
    again = desk.enrol(first)
    assert again.request == got.request
    assert again.issued.serial != got.issued.serial
    with pytest.raises(TokenError, match="used already"):
        desk.enrol(offer(token))
    assert len(desk.requests()) == 1


def test_unknown_and_expired_tokens_get_nothing(desk):
    token = desk.invite().token
    with pytest.raises(TokenError):
        desk.enrol(offer(b"0" * 16))
    desk.clock.advance(24 * 3600 + 1)
    with pytest.raises(TokenError, match="run out"):
        desk.enrol(offer(token))
    assert desk.requests() == []


def test_the_token_itself_is_nowhere_in_the_database(desk, tmp_path):
    token = desk.invite().token
    desk.enrol(offer(token))
    desk.store.close()
    assert not any(token in file.read_bytes() for file in tmp_path.iterdir())


def test_a_refused_offer_does_not_use_the_token_up(desk):
    token = desk.invite().token
    good = offer(token)
    for bad, error in (
        (replace(good, proofs=(good.proofs[0], good.proofs[0])), SignatureError),
        (replace(good, proofs=good.proofs[:1]), SignatureError),
        (replace(good, csr=b"junk"), MalformedError),
        (replace(good, witness_key=b"short"), JoinRequestError),
        (replace(good, witness_key=good.keys[0].public.public), JoinRequestError),
        (replace(good, keys=good.keys[1:], proofs=good.proofs[1:]), JoinRequestError),
        (replace(good, keys=(), proofs=()), JoinRequestError),
    ):
        with pytest.raises(error):
            desk.enrol(bad)
    assert desk.requests() == []
    desk.enrol(good)


def test_a_key_that_the_roster_knows_is_not_offered_again(desk):
    known = desk.fed.ports["beanr"].machine
    with pytest.raises(KnownKeyError):
        desk.enrol(offer(desk.invite().token, machine=known))
    shared = generate()
    desk.enrol(offer(desk.invite().token, machine=shared))
    with pytest.raises(KnownKeyError):
        desk.enrol(offer(desk.invite().token, machine=shared))


def test_nodes_of_a_member_are_numbered_by_their_invitations(desk):
    assert [desk.invite("beanr").node, desk.invite("beanr").node, desk.invite("ghent").node] == [1, 2, 1]


def test_before_the_genesis_nobody_enrols(desk):
    token = desk.invite().token
    desk.members.replace_roster(None)
    with pytest.raises(NotFoundedError):
        desk.enrol(offer(token))


def test_a_rostered_machine_key_renews_by_itself(desk):
    machine = desk.fed.ports["beanr"].machine
    issued = desk.renew(desk.renewal(machine, node=2))
    certificate = read_certificate(issued.der, federation=desk.fed.name)
    assert (certificate.member, certificate.node) == ("beanr", 2)


def test_a_challenge_is_answered_once_and_in_time(desk):
    machine = desk.fed.ports["beanr"].machine
    nonce = desk.enrolment.challenge()
    desk.renew(desk.renewal(machine, nonce=nonce))
    with pytest.raises(NonceUsedError):
        desk.renew(desk.renewal(machine, nonce=nonce))
    late = desk.enrolment.challenge()
    desk.clock.advance(121)
    for wrong in (late, b"", bytes(32), Nonces(b"t" * 32).make(to_ms(desk.clock.now()))):
        with pytest.raises(NonceError):
            desk.renew(desk.renewal(machine, nonce=wrong))


def test_renewal_wants_the_machine_key_of_a_current_member(desk):
    port = desk.fed.ports["beanr"]
    for key in (generate(), port.officer, port.witness):
        with pytest.raises(NotMemberError):
            desk.renew(desk.renewal(key))
    forged = replace(desk.renewal(generate()), key_id=port.machine.key_id)
    with pytest.raises(SignatureError):
        desk.renew(forged)
    moved = replace(desk.renewal(port.machine), node=2)
    with pytest.raises(SignatureError):
        desk.renew(moved)


def test_after_revocation_or_removal_nothing_is_renewed(desk):
    machine = desk.fed.ports["beanr"].machine
    desk.fed.revoke_key(machine.key_id)
    desk.members.replace_roster(desk.fed.roster)
    with pytest.raises(NotMemberError):
        desk.renew(desk.renewal(machine))
    desk.fed.set_status("remove-member", "belgg")
    desk.members.replace_roster(desk.fed.roster)
    with pytest.raises(NotMemberError):
        desk.renew(desk.renewal(desk.fed.ports["belgg"].machine))


def test_a_member_renews_so_often_and_neither_another_nor_a_forger_uses_up_its_share(desk):
    machine = desk.fed.ports["beanr"].machine
    forged = [replace(desk.renewal(generate()), key_id=machine.key_id) for _ in range(5)]
    for renewal in forged:
        with pytest.raises(SignatureError):
            desk.renew(renewal)
    for node in (1, 2, 3):
        desk.renew(desk.renewal(machine, node=node))
    with pytest.raises(QuotaError):
        desk.renew(desk.renewal(machine))
    desk.renew(desk.renewal(desk.fed.ports["belgg"].machine))
    desk.clock.advance(1_200)
    desk.renew(desk.renewal(machine))


@pytest.mark.parametrize(("days", "renewed"), [(364, True), (454, True), (456, False)])
def test_a_node_renews_after_ninety_days_beyond_its_key_and_not_later(desk, days, renewed):
    machine = desk.fed.ports["beanr"].machine
    desk.clock.advance(timedelta(days=days).total_seconds())
    if renewed:
        desk.renew(desk.renewal(machine))
    else:
        with pytest.raises(NotMemberError, match="90 days"):
            desk.renew(desk.renewal(machine))


def request_of(*, witness: bytes = b"w" * 32) -> JoinRequest:
    key = Federation().ports["beanr"].machine.record("machine")
    return JoinRequest(
        federation="p2p.test", member="beanr", node=1, keys=(JoiningKey(public=key),), witness_key=witness
    )


def test_a_join_request_file_reads_back_and_shows_any_change(desk):
    made = request_of()
    raw = made.encode(desk.clock.now())
    assert decode(raw) == made
    assert len(made.fingerprint.split()) == 16
    changed = raw.replace(b'"node":1', b'"node":2')
    with pytest.raises(JoinRequestError, match="fingerprint"):
        decode(changed)
    assert request_of(witness=b"x" * 32).fingerprint != made.fingerprint


@given(st.binary(max_size=300))
def test_any_bytes_are_a_join_request_or_one_of_our_errors(raw):
    with pytest.raises(MalformedError):
        decode(raw)


@given(st.data())
def test_any_damage_to_a_join_request_is_one_of_our_errors(data):
    raw = bytearray(request_of().encode(Federation().clock.now()))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(raw))
    except MalformedError:
        return
