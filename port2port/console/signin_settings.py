"""What a console may be told about other ways to sign in: an OpenID Connect provider, client certificates.

Whoever can write these settings decides who may sign in, and as what.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from port2port.console.roles import Role
from port2port.settings import FilePath, Settings

Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class OidcSettings(Settings):
    """``[console.oidc]``: sign-in by the authority's own OpenID Connect provider (code flow with PKCE)."""

    issuer: Annotated[str, Field(pattern=r"^https?://[^\s?#]{1,500}$")] = Field(
        description="Address of the provider, as it writes it into its tokens."
    )
    client_id: Text = Field(description="Name of this console there.")
    client_secret: FilePath | None = Field(default=None, description="File with the secret agreed with the provider.")
    scopes: tuple[Text, ...] = Field(default=("openid",), max_length=20, description="Scopes that are asked for.")
    acr: tuple[Text, ...] = Field(
        default=(), max_length=20, description="Accepted levels of assurance; empty accepts every level."
    )
    amr: tuple[Text, ...] = Field(
        default=(), max_length=20, description="Methods of which the provider must name one; empty accepts every one."
    )
    subject_claim: Text = Field(default="sub", description="Claim of the token with the person's pairwise pseudonym.")
    groups_claim: Text = Field(default="groups", description="Claim of the token that lists groups.")
    roles: dict[Text, tuple[Role, ...]] = Field(
        default_factory=dict, description="Roles for each group of the provider; nobody becomes approver without it."
    )
    create: bool = Field(
        default=False, description="Make an account at the first sign-in; as viewer, officer or auditor only."
    )
    label: str = Field(default="", max_length=60, description="Words on the button; empty means a general text.")

    @model_validator(mode="after")
    def _safe(self) -> Self:
        local = self.issuer.startswith(("http://127.0.0.1:", "http://localhost:"))
        if not self.issuer.startswith("https://") and not local:
            raise ValueError("the issuer must be an https address")
        if "openid" not in self.scopes:
            raise ValueError("the scopes must contain openid")
        return self


class ClientCertificateSettings(Settings):
    """``[console.client_certificates]``: the browser shows a certificate; needs TLS here."""

    ca: FilePath = Field(description="Certificates of the authorities that issue them, PEM.")
    use: Literal["condition", "sign-in"] = Field(
        default="condition", description="'condition': asked besides the sign-in; 'sign-in': it signs in by itself."
    )
    required_for: tuple[Role, ...] = Field(
        default=(Role.ADMIN, Role.COORDINATOR), description="Roles that nobody uses without one (a managed device)."
    )
    persons: dict[Text, Text] = Field(
        default_factory=dict,
        description="Pseudonym for each certificate: 'sha256:<fingerprint>', 'uri:<SPIFFE id>', 'email:<address>'.",
    )

    @model_validator(mode="after")
    def _known(self) -> Self:
        if any(not name.startswith(("sha256:", "uri:", "email:")) for name in self.persons):
            raise ValueError("a certificate is named by sha256:, uri: or email:")
        return self
