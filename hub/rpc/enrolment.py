"""Enrolment: protobuf to ``hub.enrolment`` and back. Served on the port that asks for no client certificate."""

from __future__ import annotations

from hub.ca import CertificateAuthority
from hub.enrolment import Enrolment, Offer, Renewal
from hub.rpc.errors import RequestError
from port2port.join_request import KEYS_MAX, JoiningKey
from port2port.keys import PublicKey, Scheme, key_id_of
from port2port.v1 import enrolment_pb2


class EnrolmentService:
    """Challenge, Enrol, Renew."""

    def __init__(self, enrolment: Enrolment, ca: CertificateAuthority) -> None:
        self._enrolment = enrolment
        self._ca = ca

    async def enrol(self, request: enrolment_pb2.EnrolRequest) -> enrolment_pb2.EnrolReply:
        """Redeem an invitation."""
        if len(request.keys) > KEYS_MAX:
            raise RequestError(f"at most {KEYS_MAX} keys are offered at once")
        offer = Offer(
            token=request.token,
            csr=request.csr,
            keys=tuple(map(offered_key, request.keys)),
            proofs=tuple(item.proof for item in request.keys),
            witness_key=request.witness_key,
        )
        got = await self._enrolment.enrol(offer)
        return enrolment_pb2.EnrolReply(
            certificate=got.issued.der,
            ca=self._ca.root_der,
            fingerprint=got.request.fingerprint,
            node=got.request.node,
        )

    async def challenge(self, _request: enrolment_pb2.ChallengeRequest) -> enrolment_pb2.ChallengeReply:
        """A nonce to sign."""
        return enrolment_pb2.ChallengeReply(nonce=self._enrolment.challenge())

    async def renew(self, request: enrolment_pb2.RenewRequest) -> enrolment_pb2.RenewReply:
        """A new certificate against a rostered machine key."""
        renewal = Renewal(
            nonce=request.nonce, csr=request.csr, key_id=request.keyid.hex(), node=request.node, sig=request.sig
        )
        issued = await self._enrolment.renew(renewal)
        return enrolment_pb2.RenewReply(certificate=issued.der, ca=self._ca.root_der)


def offered_key(item: enrolment_pb2.OfferedKey) -> JoiningKey:
    """A key on the wire. Raises MalformedError."""
    if item.scheme not in {"ed25519", "webauthn-es256"} or item.key_class not in {"machine", "officer"}:
        raise RequestError("keys of class machine or officer are offered, of scheme ed25519 or webauthn-es256")
    scheme: Scheme = "ed25519" if item.scheme == "ed25519" else "webauthn-es256"
    public = PublicKey(
        key_id=key_id_of(item.public_key, scheme=scheme),
        scheme=scheme,
        key_class="machine" if item.key_class == "machine" else "officer",
        public=item.public_key,
        rp_id=item.rp_id or None,
    )
    return JoiningKey(public=public, pseudonym=item.pseudonym or None)
