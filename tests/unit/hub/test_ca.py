from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from hub.ca import LEAF_LIFE, CertificateAuthority
from hub.rpc.peers import PeerCertificateError, TlsVersionError, peer_of
from port2port.errors import ConfigurationError
from port2port.tls import make_csr, make_key, read_csr

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
KEY_ID = "ab" * 32


@pytest.fixture(scope="module")
def ca() -> CertificateAuthority:
    return CertificateAuthority.create("p2p.test", NOW)


def issue(ca, *, member="beanr", node=1, key_id=KEY_ID, now=NOW):
    return ca.issue_node(read_csr(make_csr(make_key())), member=member, node=node, key_id=key_id, now=now)


def auth(der: bytes, version: bytes = b"TLSv1.3") -> dict[str, list[bytes]]:
    pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    return {"ssl_tls_version": [version], "x509_pem_cert": [pem]}


def test_a_nodes_certificate_verifies_against_the_root_for_24_hours(ca):
    made = issue(ca)
    store = Store([x509.load_pem_x509_certificate(ca.root_pem)])
    leaf = x509.load_der_x509_certificate(made.der)
    verified = PolicyBuilder().store(store).time(NOW).build_client_verifier().verify(leaf, [])
    assert verified.subjects[0].value == "spiffe://p2p.test/port/beanr/node/1"
    assert made.not_after - NOW == LEAF_LIFE
    assert made.serial == f"{leaf.serial_number:x}"


def test_a_nodes_certificate_names_the_machine_key_it_was_issued_against(ca):
    leaf = x509.load_der_x509_certificate(issue(ca).der)
    assert [item.value for item in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == [KEY_ID]


def test_a_nodes_certificate_is_for_clients_only_and_the_hubs_for_servers_only(ca):
    leaf = x509.load_der_x509_certificate(issue(ca).der)
    hub = x509.load_pem_x509_certificate(ca.issue_hub(("localhost", "127.0.0.1", "::1"), NOW).chain)
    store = Store([x509.load_pem_x509_certificate(ca.root_pem)])
    builder = PolicyBuilder().store(store).time(NOW)
    builder.build_server_verifier(x509.DNSName("localhost")).verify(hub, [])
    with pytest.raises(x509.verification.VerificationError):
        builder.build_client_verifier().verify(hub, [])
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.ObjectIdentifier("1.3.6.1.5.5.7.3.2")]


def test_the_hubs_own_certificate_is_due_at_half_its_life(ca):
    assert ca.issue_hub(("localhost",), NOW).half_life == NOW + timedelta(hours=12)


def test_no_certificate_outlives_the_root(ca):
    late = ca.not_after - timedelta(hours=1)
    assert issue(ca, now=late).not_after == ca.not_after


def test_an_authority_comes_back_from_its_two_files_and_not_from_two_strangers(ca):
    again = CertificateAuthority.load(federation="p2p.test", key_pem=ca.key_pem, root_pem=ca.root_pem)
    assert again.root_der == ca.root_der
    other = CertificateAuthority.create("p2p.test", NOW)
    with pytest.raises(ConfigurationError, match="belong together"):
        CertificateAuthority.load(federation="p2p.test", key_pem=other.key_pem, root_pem=ca.root_pem)
    with pytest.raises(ConfigurationError, match="damaged"):
        CertificateAuthority.load(federation="p2p.test", key_pem=ca.key_pem, root_pem=b"nothing")


def test_the_caller_is_read_from_the_certificate(ca):
    made = issue(ca, member="belgg", node=7)
    peer = peer_of(auth(made.der), federation="p2p.test", now=NOW)
    assert (peer.member, peer.node, peer.key_id, peer.serial) == ("belgg", 7, KEY_ID, made.serial)


def test_tls_before_1_3_is_refused(ca):
    with pytest.raises(TlsVersionError):
        peer_of(auth(issue(ca).der, b"TLSv1.2"), federation="p2p.test", now=NOW)
    with pytest.raises(TlsVersionError):
        peer_of({}, federation="p2p.test", now=NOW)


@pytest.mark.parametrize("hours", [-1, 25])
def test_a_certificate_that_is_not_in_force_is_refused_within_a_connection_too(ca, hours):
    with pytest.raises(PeerCertificateError, match="in force"):
        peer_of(auth(issue(ca).der), federation="p2p.test", now=NOW + timedelta(hours=hours))


def test_certificates_of_another_federation_or_of_the_hub_or_none_name_no_caller(ca):
    made = issue(ca)
    hub = ca.issue_hub(("localhost",), NOW).chain
    for given, federation in (
        (auth(made.der), "other.test"),
        ({"ssl_tls_version": [b"TLSv1.3"], "x509_pem_cert": [hub]}, "p2p.test"),
        ({"ssl_tls_version": [b"TLSv1.3"]}, "p2p.test"),
        ({"ssl_tls_version": [b"TLSv1.3"], "x509_pem_cert": [b"junk"]}, "p2p.test"),
        (auth(issue(ca, key_id="somebody").der), "p2p.test"),
    ):
        with pytest.raises(PeerCertificateError):
            peer_of(given, federation=federation, now=NOW)
