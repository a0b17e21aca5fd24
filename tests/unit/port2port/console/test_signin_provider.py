"""Signing in by a provider or a certificate: what is judged here whatever they say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwk

from port2port.console import accounts, certificates
from port2port.console.roles import Role
from port2port.console.signin_settings import ClientCertificateSettings, OidcSettings
from tests.fakes.clock import FakeClock
from tests.fakes.oidc_provider import FakeProvider, running_provider
from tests.fakes.signin import SignedConsole, Visitor, console

ROLES = {"desk": ["officer"], "chiefs": ["viewer", "approver"], "board": ["coordinator"]}


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with running_provider(FakeClock()) as made:
        yield made


@pytest.fixture
def at(provider: FakeProvider) -> Iterator[Any]:
    """Makes a console that trusts the provider."""
    provider.changes, provider.metadata_changes = {}, {}
    provider.signing_key, provider.subject, provider.groups = provider.key, "pairwise-1", ["desk"]
    opened = []

    def make(**oidc: Any) -> SignedConsole:
        settings = {"issuer": provider.issuer, "client_id": "p2p", "roles": ROLES, **oidc}
        whole = console(clock=provider.clock, oidc=settings)
        opened.append(whole)
        return whole.__enter__()

    yield make
    for whole in opened:
        whole.__exit__(None, None, None)


def leave(visitor: Visitor, *, page: str = "/sign-in") -> str:
    """The provider's address, to which the browser is led."""
    answer = visitor.post("/sign-in/oidc", {"next": "/approve"}, page=page)
    assert answer.status_code == 200, answer.text
    assert answer.headers["set-cookie"].count("SameSite=lax") == 1
    return unescape(re.search(r'href="(http://127[^"]+)"', answer.text).group(1))


def come_back(visitor: Visitor, answer: dict[str, str]) -> Any:
    """The GET that changes nothing, then the POST that its page makes."""
    before = visitor.secret
    shown = visitor.client.get("/sign-in/oidc/back", params=answer, headers={"Sec-Fetch-Site": "cross-site"})
    assert "data-submit-now" in shown.text
    assert visitor.secret == before
    return visitor.post("/sign-in/oidc/done", answer)


def whole_way(desk: SignedConsole, provider: FakeProvider) -> tuple[Visitor, Any]:
    visitor = desk.browser()
    return visitor, come_back(visitor, provider.visit(leave(visitor)))


def test_a_known_person_comes_in_with_roles_that_both_his_groups_and_his_account_give(at: Any, provider: Any) -> None:
    desk = at()
    account = desk.account("A-17", Role.APPROVER, Role.ADMIN)
    desk.do(lambda c: accounts.set_subject(c, account.id, f"{provider.issuer} pairwise-1"))
    provider.groups = ["chiefs", "unknown", 7]
    visitor, answer = whole_way(desk, provider)
    assert (answer.status_code, answer.headers["location"]) == (303, "/approve")
    assert visitor.get("/approve").status_code == 200
    assert visitor.get("/accounts").status_code == 404
    assert provider.asked["code_challenge_method"] == "S256"
    assert provider.asked["nonce"]


def test_a_new_person_is_made_only_where_settings_say_so_and_never_an_approver(at: Any, provider: Any) -> None:
    refused = at()
    assert whole_way(refused, provider)[1].status_code == 403
    assert refused.do(accounts.everybody) == []
    desk = at(create=True)
    provider.groups = ["desk", "chiefs", "board"]
    visitor, answer = whole_way(desk, provider)
    assert answer.status_code == 303
    made = desk.do(accounts.everybody)
    assert [one.roles for one in made] == [frozenset({Role.OFFICER, Role.VIEWER})]
    assert visitor.get("/approve").status_code == 404


LIES = {
    "another nonce": {"nonce": "x"},
    "no nonce": {"nonce": None},
    "another audience": {"aud": "other"},
    "several audiences without azp": {"aud": ["p2p", "other"]},
    "azp of somebody else": {"azp": "other"},
    "another issuer": {"iss": "https://evil.example"},
    "expired": {"exp": 1},
    "no expiry": {"exp": None},
    "of the future": {"iat": 4_000_000_000},
    "weaker level": {"acr": "urn:example:low"},
    "no level": {"acr": None},
    "other method": {"amr": ["pwd"]},
    "method as text": {"amr": "hwk"},
    "no subject": {"sub": None},
    "empty subject": {"sub": ""},
    "groups as text": {"groups": "desk"},
    "no group of ours": {"groups": ["other"]},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_token_that_does_not_hold_lets_nobody_in(at: Any, provider: Any, lie: str) -> None:
    desk = at(create=True, acr=["urn:example:high"], amr=["hwk"])
    assert whole_way(desk, provider)[1].status_code == 303
    provider.changes = LIES[lie]
    visitor, answer = whole_way(desk, provider)
    assert answer.status_code == 403
    assert visitor.secret == ""


def test_a_token_signed_by_another_key_lets_nobody_in(at: Any, provider: Any) -> None:
    desk = at(create=True)
    provider.signing_key = jwk.RSAKey.generate_key(2048, {"kid": "k1"})
    assert whole_way(desk, provider)[1].status_code == 403


def test_an_answer_belongs_to_one_trip_of_one_browser(at: Any, provider: Any) -> None:
    desk = at(create=True)
    mine, other = desk.browser(), desk.browser()
    answer = provider.visit(leave(mine))
    assert come_back(other, answer).status_code == 403
    leave(other)
    assert come_back(other, answer).status_code == 403
    assert come_back(mine, {**answer, "iss": "https://evil.example"}).status_code == 403
    assert come_back(mine, answer).status_code == 403, "the trip was used up"


def test_a_code_without_the_verifier_is_worth_nothing(at: Any, provider: Any) -> None:
    desk = at(create=True)
    visitor = desk.browser()
    address = leave(visitor)
    answer = provider.visit(re.sub(r"code_challenge=[^&]+", "code_challenge=AAAA", address))
    assert come_back(visitor, answer).status_code == 403


@pytest.mark.parametrize("change", [{"issuer": "https://evil.example"}, {"token_endpoint": "http://evil.example/t"}])
def test_metadata_of_somebody_else_are_refused(at: Any, provider: Any, change: dict[str, str]) -> None:
    desk = at()
    provider.metadata_changes = change
    assert desk.browser().post("/sign-in/oidc").status_code == 403


def test_a_provider_that_is_away_leaves_the_other_ways_open(provider: FakeProvider) -> None:
    settings = {"issuer": "http://127.0.0.1:1", "client_id": "p2p"}
    with console(clock=provider.clock, oidc=settings) as desk:
        answer = desk.browser().post("/sign-in/oidc")
        assert answer.status_code == 403
        assert "/sign-in/passkey" in answer.text


def test_a_person_connects_the_provider_to_his_account_himself(at: Any, provider: Any) -> None:
    desk = at()
    account = desk.account("A-17", Role.APPROVER)
    provider.groups = ["chiefs"]
    visitor = desk.browser().as_(desk.session(account.id))
    answer = provider.visit(leave(visitor, page="/me"))
    assert visitor.post("/sign-in/oidc/done", answer, page="/me").status_code == 303
    assert desk.do(lambda c: accounts.by_id(c, account.id)).subject == f"{provider.issuer} pairwise-1"
    assert whole_way(desk, provider)[1].status_code == 303


def test_an_answer_for_one_persons_account_is_not_bound_to_anothers(at: Any, provider: Any) -> None:
    desk = at()
    first, second = desk.account("A-17"), desk.account("B-02")
    visitor = desk.browser().as_(desk.session(first.id))
    answer = provider.visit(leave(visitor, page="/me"))
    visitor.as_(desk.session(second.id))
    assert visitor.post("/sign-in/oidc/done", answer, page="/me").status_code == 403
    assert [one.subject for one in desk.do(accounts.everybody)] == [None, None]


@pytest.mark.parametrize("issuer", ["http://idp.example", "ftp://idp.example", "https://a b", "http://localhost.evil"])
def test_a_provider_is_reached_over_tls(issuer: str) -> None:
    with pytest.raises(ValueError, match="issuer"):
        OidcSettings(issuer=issuer, client_id="p2p")


def certificate(*names: x509.GeneralName) -> bytes:
    key = ec.derive_private_key(77, ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "card")])
    now = FakeClock().now()
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


SPIFFE = "spiffe://ports.example/desk/7"
DER = certificate(x509.UniformResourceIdentifier(SPIFFE), x509.RFC822Name("A17@Port.example"))
FINGERPRINT = x509.load_der_x509_certificate(DER).fingerprint(SHA256()).hex()


def settings(persons: dict[str, str], use: str = "sign-in") -> ClientCertificateSettings:
    return ClientCertificateSettings(ca=Path("ca.pem"), use=use, persons=persons, required_for=("admin",))


@pytest.mark.parametrize(
    ("persons", "found"),
    [
        ({f"sha256:{FINGERPRINT}": "A-17"}, "A-17"),
        ({"sha256:" + ":".join(re.findall("..", FINGERPRINT.upper())): "A-17"}, "A-17"),
        ({f"uri:{SPIFFE}": "A-17"}, "A-17"),
        ({"email:a17@port.EXAMPLE": "A-17"}, "A-17"),
        ({f"uri:{SPIFFE}": "A-17", f"sha256:{FINGERPRINT}": "B-02"}, None),
        ({"uri:spiffe://ports.example/desk/8": "A-17"}, None),
        ({}, None),
    ],
)
def test_a_certificate_is_one_person_s_or_nobody_s(persons: dict[str, str], found: str | None) -> None:
    assert certificates.pseudonym_of(settings(persons), DER) == found
    assert certificates.pseudonym_of(settings(persons), None) is None


def test_a_certificate_without_names_is_known_by_its_fingerprint() -> None:
    assert len(certificates.names_of(certificate())) == 1


@given(st.binary(max_size=200))
def test_bytes_that_are_no_certificate_have_no_names(raw: bytes) -> None:
    assert certificates.names_of(raw) == frozenset()


def test_a_role_that_needs_a_certificate_is_not_used_without_the_persons_own() -> None:
    roles = frozenset({Role.ADMIN, Role.OFFICER})
    mine = settings({f"uri:{SPIFFE}": "A-17"}, "condition")
    judged = [
        certificates.usable_roles(mine, roles, pseudonym=who, der=der)
        for who, der in [("A-17", DER), ("B-02", DER), ("A-17", None)]
    ]
    assert judged == [roles, frozenset({Role.OFFICER}), frozenset({Role.OFFICER})]
    anybody = settings({}, "condition")
    assert certificates.usable_roles(anybody, roles, pseudonym="B-02", der=DER) == roles
    assert certificates.usable_roles(None, roles, pseudonym="B-02", der=None) == roles
