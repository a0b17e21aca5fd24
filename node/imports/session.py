"""HTTP as a port asks strangers: bounded in time, bytes and direction, whatever the answer is and whoever sends it.

1. To the feed's own scheme, host and port only; credentials go nowhere else. No redirect is followed.
2. Nothing of the environment counts: no proxy, no ``.netrc``, no CA bundle.
3. Every address the name has is looked at before the first connection, and it is to one of these that the socket is
   opened: a name that answers differently the second time leads nowhere. Private, loopback, link-local, multicast and
   reserved ones are refused, unless the feed's settings allow them.
4. Connecting, each read and the whole answer with its head have an end; so has its size. Nothing compressed is taken.

``taxii2-client`` sees the envelope without its objects; these are in ``taken``, with their exact bytes.
"""

from __future__ import annotations

import contextlib
import io
import ipaddress
import socket
import threading
import time
from collections.abc import Callable
from itertools import islice
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.util.connection import create_connection

from node.feed_settings import FeedSettings
from node.imports.splitting import Part, Splitter
from node.settings import KeySettings
from port2port.errors import ConfigurationError, UnavailableError
from port2port.limits import KIB, MIB

CONNECT_S: Final = 10.0
READ_S: Final = 30.0
WHOLE_S: Final = 120.0
PAGE_BYTES: Final = 32 * MIB
PAGE_PARTS: Final = 50_000  # a hundred times what is asked for: a server may not know ``limit``
CHUNK_BYTES: Final = 64 * KIB
SECRET_BYTES: Final = 4 * KIB
Resolve = Callable[[str, int], list[str]]


class FeedError(UnavailableError):
    """A feed did not answer as it must; the text says how. It is asked again at its next turn."""

    code = "FEED"


class FeedAddressError(FeedError):
    """The feed's name leads to an address that it may not lead to."""

    code = "FEED_ADDRESS"


def resolve(host: str, port: int) -> list[str]:
    """Every address of a name, as the system has it. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet, also where IPv6 only wraps an IPv4 address."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is not None or found in _NAT64:
            return is_public(str(inner or ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)))
    return found.is_global and not found.is_multicast and not found.is_reserved


_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


class GuardedSession(requests.Session):
    """A session for one feed; ``taken`` are the objects of the last answer, ``headers_of_last`` its headers."""

    def __init__(self, feed: FeedSettings, keys: KeySettings, *, find: Resolve = resolve) -> None:
        super().__init__()
        self.trust_env = False
        self.taken: tuple[Part, ...] = ()
        self.last_headers: dict[str, str] = {}
        self.auth = _auth(feed)
        if feed.hub:
            self.verify, self.cert = str(keys.ca), (str(keys.certificate), str(keys.tls))
        else:
            self.verify = True if feed.ca is None else str(feed.ca)
            self.cert = None if feed.certificate is None else (str(feed.certificate), str(feed.key))
        adapter = _Guard(feed, find, self._note)
        self.adapters.clear()
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def _note(self, parts: tuple[Part, ...], headers: dict[str, str]) -> None:
        self.taken, self.last_headers = parts, headers


class _Guard(HTTPAdapter):
    """Steps 1, 3 and 4."""

    def __init__(
        self, feed: FeedSettings, find: Resolve, note: Callable[[tuple[Part, ...], dict[str, str]], None]
    ) -> None:
        self._origin = _origin(feed.url)
        self._pools = _pools(find, self._opened, allow_private=feed.allow_private_addresses)
        self._note = note
        self._line: socket.socket | None = None
        super().__init__(max_retries=0, pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)  # type: ignore[no-untyped-call,unused-ignore]  # typed or not by version
        self.poolmanager.pool_classes_by_scheme = self._pools

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Raises FeedError."""
        if _origin(str(request.url)) != self._origin:  # 1
            raise FeedAddressError("the feed names another server than its settings do: nothing is asked there")
        request.headers["Accept-Encoding"] = "identity"
        kwargs |= {"stream": True, "timeout": (CONNECT_S, READ_S), "proxies": None}
        end = time.monotonic() + WHOLE_S
        cut = threading.Timer(WHOLE_S, self._cut)  # a handshake or header that comes byte by byte, too
        cut.daemon = True
        cut.start()
        try:
            return self._answered(super().send(request, *args, **kwargs), end)
        finally:
            cut.cancel()

    def close(self) -> None:
        """Let go of the connection."""
        super().close()  # type: ignore[no-untyped-call,unused-ignore]  # typed or not by version
        if self._line is not None:
            self._line.close()

    def _opened(self, line: socket.socket) -> None:
        """A second handle on a connection: the first is inside TLS and whoever reads from it."""
        if self._line is not None:
            self._line.close()
        self._line = line.dup()

    def _cut(self) -> None:
        if self._line is not None:
            with contextlib.suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)

    def _answered(self, response: requests.Response, end: float) -> requests.Response:
        if response.is_redirect or 300 <= response.status_code < 400:
            response.close()
            raise FeedError("the feed answered with a redirect, which is not followed")
        try:
            return self._shortened(response, end)
        finally:
            response.raw.close()

    def _shortened(self, response: requests.Response, end: float) -> requests.Response:
        body = _body(response, end)
        splitter = Splitter(io.BytesIO(body).read)
        parts: tuple[Part, ...] = ()
        if response.ok:
            if not body.lstrip().startswith(b"{"):
                raise FeedError("the feed's answer is not TAXII: no JSON object")
            parts = tuple(islice(splitter.parts(), PAGE_PARTS + 1))
            if len(parts) > PAGE_PARTS:
                raise FeedError(f"an answer of the feed has more than {PAGE_PARTS} objects")
            body = orjson.dumps(splitter.rest)
        self._note(parts, {name.lower(): value for name, value in response.headers.items()})
        response._content, response._content_consumed = body, True  # noqa: SLF001  # what requests reads from then on
        return response


def _body(response: requests.Response, end: float) -> bytes:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise FeedError("the feed compressed its answer, which was not asked for")
    found = bytearray()
    try:
        while piece := response.raw.read1(CHUNK_BYTES):
            found += piece
            if len(found) > PAGE_BYTES:
                raise FeedError(f"an answer of the feed is larger than {PAGE_BYTES} bytes")
            if time.monotonic() > end:
                raise FeedError(f"an answer of the feed took longer than {WHOLE_S:g} s")
    except (HTTPError, OSError) as error:
        raise FeedError("an answer of the feed broke off") from error
    return bytes(found)


def _pools(find: Resolve, opened: Callable[[socket.socket], None], *, allow_private: bool) -> dict[str, Any]:
    """Connection pools whose sockets are opened by ``_opened`` only, and told to ``opened``."""

    def connected(connection: HTTPConnection) -> socket.socket:
        made = _opened(connection, find, allow_private=allow_private)
        opened(made)
        return made

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return connected(self)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return connected(self)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _opened(connection: HTTPConnection, find: Resolve, *, allow_private: bool) -> socket.socket:
    """A socket to an address that was looked at: step 3."""
    port = int(connection.port or 0)
    try:
        addresses = find(connection.host.strip("[]"), port)
        if not addresses:
            raise NewConnectionError(connection, "the name has no address")
        if not allow_private and not all(map(is_public, addresses)):
            raise FeedAddressError("the feed's name leads to a private address; see allow_private_addresses")
        return create_connection((addresses[0], port), CONNECT_S)
    except (OSError, UnicodeError) as error:
        raise NewConnectionError(connection, "no connection") from error


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise FeedAddressError("the feed names an impossible port") from error
    return parts.scheme, parts.hostname or "", port or (443 if parts.scheme == "https" else 80)


class _Bearer(AuthBase):
    """A token instead of name and password."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _auth(feed: FeedSettings) -> AuthBase | None:
    if feed.secret is None:
        return None
    try:
        with feed.secret.open("rb") as file:
            secret = file.read(SECRET_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the secret of feed {feed.name}") from error
    if not secret or not secret.isprintable():
        raise ConfigurationError(f"the secret of feed {feed.name} is empty or no text")
    return HTTPBasicAuth(feed.user, secret) if feed.user else _Bearer(secret)
