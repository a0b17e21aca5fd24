"""Certificates: who a peer is, and what a node puts in place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from port2port import tls
from port2port.errors import ConfigurationError, MalformedError
from port2port.tls import CertificateError
from tests.fakes.examples import many

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
FED = "p2p.test"
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")])


class Ca:
    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(self.key.public_key()).add_extension(x509.BasicConstraints(True, 0), critical=True)
        self.certificate = builder.sign(self.key, SHA256())
        self.pem = self.certificate.public_bytes(Encoding.PEM)

    def _builder(self, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(NAME)
            .issuer_name(NAME)
            .public_key(public)
            .serial_number(77)
            .not_valid_before(NOW - timedelta(hours=1))
            .not_valid_after(NOW + timedelta(hours=23))
        )

    def leaf(self, key: ec.EllipticCurvePrivateKey, *uris: str) -> bytes:
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in uris])
        builder = self._builder(key.public_key())
        return (
            (builder.add_extension(names, critical=False) if uris else builder)
            .sign(self.key, SHA256())
            .public_bytes(Encoding.DER)
        )


@pytest.fixture(scope="module")
def ca() -> Ca:
    return Ca()


URI = f"spiffe://{FED}/port/beanr/node/2"


def pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def test_a_certificate_for_our_key_by_our_ca_is_put_in_place(ca: Ca) -> None:
    key = tls.make_key()
    found = tls.check_certificate(ca.leaf(key, URI), federation=FED, ca_pem=ca.pem, key=key, now=NOW)
    assert (found.member, found.node, found.not_after) == ("beanr", 2, NOW + timedelta(hours=23))
    assert tls.der_of(found.pem) == found.der


@pytest.mark.parametrize("wrong", ["ca", "key", "time", "federation"])
def test_a_certificate_with_which_we_could_not_connect_is_refused(ca: Ca, wrong: str) -> None:
    key = tls.make_key()
    with pytest.raises(CertificateError):
        tls.check_certificate(
            ca.leaf(key, URI),
            federation="other.test" if wrong == "federation" else FED,
            ca_pem=Ca().pem if wrong == "ca" else ca.pem,
            key=tls.make_key() if wrong == "key" else key,
            now=NOW + timedelta(days=2) if wrong == "time" else NOW,
        )


def test_a_request_is_for_its_own_p256_key() -> None:
    key = tls.make_key()
    der = tls.make_csr(key)
    assert tls.read_csr(der) == key.public_key()
    other = x509.CertificateSigningRequestBuilder().subject_name(NAME).sign(Ed25519PrivateKey.generate(), None)
    broken = bytearray(der)
    broken[-1] ^= 1
    for raw in (other.public_bytes(Encoding.DER), bytes(broken), b"", der + b"x" * 20_000):
        with pytest.raises(MalformedError):
            tls.read_csr(raw)


@settings(max_examples=many(200), deadline=None)
@given(raw=st.binary(max_size=300))
def test_any_bytes_are_no_certificate_and_no_request(raw: bytes) -> None:
    with pytest.raises(CertificateError):
        tls.read_certificate(raw, federation=FED)
    with pytest.raises(CertificateError):
        tls.der_of(raw)
    with pytest.raises(MalformedError):
        tls.read_csr(raw)
    with pytest.raises(ConfigurationError):
        tls.key_from_pem(raw)


def test_a_key_file_is_for_its_owner_alone_and_can_be_replaced(tmp_path: Path) -> None:
    key = tls.make_key()
    for content in (b"old", tls.key_to_pem(key)):
        tls.write_private(tmp_path / "tls.key", content)
    assert (tmp_path / "tls.key").stat().st_mode & 0o777 == 0o600
    assert tls.key_from_pem((tmp_path / "tls.key").read_bytes()).public_key() == key.public_key()
    with pytest.raises(ConfigurationError):
        tls.write_private(tmp_path / "missing" / "tls.key", b"x")


def test_a_signing_key_is_no_tls_key() -> None:
    signing = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ConfigurationError):
        tls.key_from_pem(signing)


def test_a_silent_cut_is_noticed_and_the_hub_tolerates_the_pings() -> None:
    client, server = dict(tls.CHANNEL_OPTIONS), dict(tls.SERVER_OPTIONS)
    assert client["grpc.keepalive_time_ms"] + client["grpc.keepalive_timeout_ms"] <= 15_000
    assert server["grpc.http2.min_recv_ping_interval_without_data_ms"] < client["grpc.keepalive_time_ms"]
    assert client["grpc.max_receive_message_length"] == server["grpc.max_send_message_length"]
