"""An OpenID Connect provider on loopback: code flow, PKCE S256 enforced, RS256; attributes are switches for lies."""

from __future__ import annotations

import base64
import contextlib
import secrets
import socket
import threading
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import uvicorn
from joserfc import jwk, jwt
from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.responses import Response

    from port2port.clock import Clock


class FakeProvider:
    """Signs everybody in as ``subject``; ``changes`` go over the claims, a change to None drops one."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.issuer = ""
        self.subject = "pairwise-1"
        self.groups: list[str] = []
        self.changes: dict[str, Any] = {}
        self.metadata_changes: dict[str, Any] = {}
        self.key = jwk.RSAKey.generate_key(2048, {"kid": "k1"})
        self.signing_key = self.key
        self.asked: dict[str, str] = {}
        self._codes: dict[str, dict[str, str]] = {}

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._metadata),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/keys", self._keys),
            ]
        )

    def visit(self, address: str) -> dict[str, str]:
        """What the browser brings back after signing in at ``address``, without leaving this process."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        return self._given(query)

    def _given(self, query: dict[str, str]) -> dict[str, str]:
        self.asked = query
        code = secrets.token_hex(8)
        self._codes[code] = query
        return {"code": code, "state": query["state"], "iss": self.issuer}

    async def _metadata(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                **self.metadata_changes,
            }
        )

    async def _authorize(self, request: Request) -> Response:
        query = dict(request.query_params)
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode(self._given(query))}", 302)

    async def _token(self, request: Request) -> Response:
        form = await request.form()
        query = self._codes.pop(str(form.get("code", "")), None)
        if query is None or query["redirect_uri"] != form.get("redirect_uri"):
            return JSONResponse({"error": "invalid_grant"}, 400)
        digest = sha256(str(form["code_verifier"]).encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != query["code_challenge"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(self.clock.now().timestamp())
        claims = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": query["client_id"],
            "exp": now + 300,
            "iat": now,
            "nonce": query["nonce"],
            "acr": "urn:example:high",
            "amr": ["hwk", "pin"],
            "groups": self.groups,
            **self.changes,
        }
        token = jwt.encode(
            {"alg": "RS256", "kid": "k1"}, {k: v for k, v in claims.items() if v is not None}, self.signing_key
        )
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "expires_in": 60, "id_token": token})

    async def _keys(self, _request: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False, alg="RS256", use="sig")]})


@contextlib.contextmanager
def running_provider(clock: Clock) -> Iterator[FakeProvider]:
    """The provider, answering on loopback from a thread of its own."""
    provider = FakeProvider(clock)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        provider.issuer = f"http://127.0.0.1:{listener.getsockname()[1]}"
        started = threading.Event()
        config = uvicorn.Config(provider.app(), log_config=None, lifespan="off", ws="none")

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                started.set()

        server = Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), name="oidc")
        thread.start()
        try:
            assert started.wait(10)
            yield provider
        finally:
            server.should_exit = True
            thread.join(10)
