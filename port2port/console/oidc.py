"""Sign-in by the organisation's own OpenID Connect provider: code flow with PKCE, judged here.

The steps, by OpenID Connect Core 1.0 section 3.1 and RFC 9700:

1. metadata of exactly the configured issuer, over TLS (discovery section 4.3);
2. a trip of our own: state, nonce and PKCE verifier, kept in one single-use row that a cookie finds;
3. the answer belongs to the trip: same state, and our issuer where it names one (RFC 9207);
4. the code is exchanged with the verifier;
5. the id token: signature by a key of the provider, issuer, audience, times, nonce (3.1.3.7);
6. level and method of authentication are among those we accept, whatever was asked for;
7. groups give roles by configuration.

The provider decides who somebody is, never that somebody approves.
"""

from __future__ import annotations

import json
import secrets
import ssl
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from hmac import compare_digest
from typing import Final
from urllib.parse import urlsplit

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jwk, jwt
from joserfc.errors import JoseError

from port2port.clock import Clock
from port2port.console.roles import Role
from port2port.console.signin_settings import OidcSettings
from port2port.errors import ConfigurationError, PolicyError, UnavailableError

TRIP_LIFETIME: Final = timedelta(minutes=10)
CALLBACK_PATH: Final = "/sign-in/oidc/back"
_ALGORITHMS: Final = ["RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"]
_TIMEOUT_S: Final = 10
_SKEW_S: Final = 60
_ANSWER_BYTES: Final = 256 * 1024


class ProviderError(UnavailableError):
    """The provider does not answer, or not as it should."""

    code = "OIDC_PROVIDER"


class ProviderRefusedError(PolicyError):
    """What the provider said does not let this person in."""

    code = "OIDC_REFUSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """One person's way to the provider and back; ``account`` is set where an account is being bound to it."""

    state: str
    nonce: str
    verifier: str
    onward: str
    account: str = ""

    def to_text(self) -> str:
        """For the single-use row."""
        return json.dumps([self.state, self.nonce, self.verifier, self.onward, self.account])

    @classmethod
    def from_text(cls, text: str) -> Trip:
        """The reverse of ``to_text``, of a row that we wrote."""
        state, nonce, verifier, onward, account = json.loads(text)
        return cls(state=state, nonce=nonce, verifier=verifier, onward=onward, account=account)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who the provider says it is: a pairwise pseudonym. ``roles`` is None where no groups are configured."""

    subject: str
    roles: frozenset[Role] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Metadata:
    authorization: str
    token: str
    keys: str


def new_trip(onward: str, account: str = "") -> Trip:
    """Step 2."""
    return Trip(
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(64),
        onward=onward,
        account=account,
    )


class Provider:
    """The configured provider. Nothing is fetched before somebody wants to sign in."""

    def __init__(self, settings: OidcSettings, origin: str, clock: Clock) -> None:
        self._settings = settings
        self._redirect = origin + CALLBACK_PATH
        self._clock = clock

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Made once: reading the machine's authorities holds the event loop for 20 ms each time."""
        return httpx2.create_ssl_context(trust_env=False)

    @property
    def label(self) -> str:
        """Words for the button."""
        return self._settings.label

    async def address(self, trip: Trip) -> str:
        """Where the browser goes (step 1). Raises ProviderError."""
        metadata = await self._metadata()
        async with self._client() as client:
            more = {"acr_values": " ".join(self._settings.acr)} if self._settings.acr else {}
            url, _ = client.create_authorization_url(
                metadata.authorization, state=trip.state, nonce=trip.nonce, code_verifier=trip.verifier, **more
            )
        return str(url)

    async def identify(self, trip: Trip, *, code: str, state: str, issuer: str = "") -> Identity:
        """Who came back (steps 3 to 7). Raises ProviderRefusedError, ProviderError."""
        if not compare_digest(state.encode(), trip.state.encode()):  # 3
            raise ProviderRefusedError("this answer belongs to another sign-in: start again")
        if issuer and issuer != self._settings.issuer:
            raise ProviderRefusedError("another provider answered")
        metadata = await self._metadata()
        token = await self._exchange(metadata, trip, code)  # 4
        claims = self._claims(token, await self._keys(metadata), trip)  # 5
        self._require_level(claims)  # 6
        return Identity(subject=self._subject(claims), roles=self._roles(claims))  # 7

    async def _exchange(self, metadata: _Metadata, trip: Trip, code: str) -> str:
        try:
            async with self._client() as client:
                answer = await client.fetch_token(
                    metadata.token, grant_type="authorization_code", code=code, code_verifier=trip.verifier
                )
        except OAuthError as error:
            raise ProviderRefusedError("the provider did not accept this sign-in: start again") from error
        except (httpx2.HTTPError, ValueError) as error:
            raise ProviderError("the provider does not answer") from error
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise ProviderError("the provider gave no id token")
        return token

    def _claims(self, token: str, known: jwk.KeySet, trip: Trip) -> dict[str, object]:
        now = int(self._clock.now().timestamp())
        try:
            claims = jwt.decode(token, known, algorithms=_ALGORITHMS).claims
            jwt.JWTClaimsRegistry(
                now=now,
                leeway=_SKEW_S,
                iss={"essential": True, "value": self._settings.issuer},
                aud={"essential": True, "value": self._settings.client_id},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": trip.nonce},
            ).validate(claims)
        except (JoseError, ValueError, TypeError) as error:
            raise ProviderRefusedError("the provider's token does not hold: start again") from error
        audience = claims["aud"]
        several = isinstance(audience, list) and len(audience) > 1
        if claims.get("azp", None if several else self._settings.client_id) != self._settings.client_id:
            raise ProviderRefusedError("the provider's token is for somebody else")
        return dict(claims)

    def _require_level(self, claims: dict[str, object]) -> None:
        acr, amr = self._settings.acr, self._settings.amr
        if acr and claims.get("acr") not in acr:
            raise ProviderRefusedError("sign in at your provider with a stronger method")
        named = claims.get("amr")
        if amr and not (isinstance(named, list) and set(amr) & {item for item in named if isinstance(item, str)}):
            raise ProviderRefusedError("sign in at your provider with a stronger method")

    def _subject(self, claims: dict[str, object]) -> str:
        subject = claims.get(self._settings.subject_claim)
        if not isinstance(subject, str) or not 0 < len(subject) <= 255:
            raise ProviderRefusedError("the provider does not say who this is")
        return f"{self._settings.issuer} {subject}"

    def _roles(self, claims: dict[str, object]) -> frozenset[Role] | None:
        if not self._settings.roles:
            return None
        groups = claims.get(self._settings.groups_claim)
        named = [group for group in groups if isinstance(group, str)] if isinstance(groups, list) else []
        roles = frozenset(role for group in named for role in self._settings.roles.get(group, ()))
        if not roles:
            raise ProviderRefusedError("none of your groups may use this console")
        return roles

    async def _metadata(self) -> _Metadata:
        value = await self._fetch(self._settings.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if value.get("issuer") != self._settings.issuer:
            raise ProviderError("the provider's metadata are of another issuer")
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        found = [value.get(name) for name in names]
        addresses = [one for one in found if isinstance(one, str) and self._is_private(one)]
        if len(addresses) != len(names):
            raise ProviderError("the provider's metadata lack an https address")
        return _Metadata(authorization=addresses[0], token=addresses[1], keys=addresses[2])

    async def _keys(self, metadata: _Metadata) -> jwk.KeySet:
        value = await self._fetch(metadata.keys)
        try:
            return jwk.KeySet.import_key_set(value)  # type: ignore[arg-type]  # judged by the library
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise ProviderError("the provider's keys cannot be read") from error

    async def _fetch(self, url: str) -> dict[str, object]:
        try:
            async with httpx2.AsyncClient(
                verify=self._tls, timeout=_TIMEOUT_S, follow_redirects=False, trust_env=False
            ) as client:
                answer = await client.get(url)
            if answer.status_code != httpx2.codes.OK or len(answer.content) > _ANSWER_BYTES:
                raise ProviderError("the provider does not answer as it should")
            value = answer.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise ProviderError("the provider does not answer") from error
        if not isinstance(value, dict):
            raise ProviderError("the provider does not answer as it should")
        return value

    def _is_private(self, url: str) -> bool:
        """TLS, or this machine where the issuer is on it too: a test."""
        parts = urlsplit(url)
        local = self._settings.issuer.startswith("http://") and parts.hostname in {"127.0.0.1", "localhost"}
        return parts.scheme == "https" or local

    def _client(self) -> AsyncOAuth2Client:
        secret = _read_secret(self._settings)
        return AsyncOAuth2Client(
            client_id=self._settings.client_id,
            client_secret=secret,
            token_endpoint_auth_method="client_secret_basic" if secret else "none",
            redirect_uri=self._redirect,
            scope=" ".join(self._settings.scopes),
            code_challenge_method="S256",
            verify=self._tls,
            timeout=_TIMEOUT_S,
            follow_redirects=False,
            trust_env=False,
        )


def _read_secret(settings: OidcSettings) -> str | None:
    if settings.client_secret is None:
        return None
    try:
        return settings.client_secret.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the OIDC secret {settings.client_secret.name}") from error
