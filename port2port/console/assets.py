"""Files the browser loads: read once at start, served from memory under one hash of them all.

One hash for the whole tree and not one for each file, so that modules may import each other by relative path: a
page always gets files that belong together. Trusted as code: who can write these files runs in every officer's page.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from port2port.errors import InvariantError

STATIC_PATH: Final = "/static"
FOR_EVER: Final = "public, max-age=31536000, immutable"
_DIGEST_CHARS: Final = 16
_WORTH_PACKING_BYTES: Final = 1_024
_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".geojson": "application/geo+json",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/plain; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".pmtiles": "application/vnd.pmtiles",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".toml": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".wav": "audio/wav",
    ".woff2": "font/woff2",
}
_PACKED: Final = frozenset({".png", ".woff2", ".pmtiles", ".ico"})


class UnknownAssetError(InvariantError):
    """A page names a file that is not there."""

    code = "UNKNOWN_ASSET"


class Assets:
    """All files of the consoles by name: those of the frame plainly, a section's below its own name."""

    def __init__(self, found: Mapping[str, bytes]) -> None:
        self._files = dict(found)
        whole = sha256()
        for name in sorted(self._files):
            whole.update(f"{name}\0{sha256(self._files[name]).hexdigest()}\n".encode())
        self.digest = whole.hexdigest()[:_DIGEST_CHARS]

    def url(self, name: str) -> str:
        """The address of a file. Raises UnknownAssetError, so that a wrong name fails in the first test."""
        if name not in self._files:
            raise UnknownAssetError("no such file among the assets", name=name)
        return f"{STATIC_PATH}/{self.digest}/{name}"

    def names(self) -> list[str]:
        """Every file, sorted."""
        return sorted(self._files)

    def content(self, name: str) -> bytes:
        """The bytes of a file. Raises UnknownAssetError."""
        if name not in self._files:
            raise UnknownAssetError("no such file among the assets", name=name)
        return self._files[name]

    def route(self) -> Route:
        """The route that serves them."""
        return Route(f"{STATIC_PATH}/{{digest}}/{{name:path}}", self._serve, name="asset")

    async def _serve(self, request: Request) -> Response:
        name = request.path_params["name"]
        suffix = PurePosixPath(name).suffix
        content = self._files.get(name)
        if content is None or request.path_params["digest"] != self.digest or suffix not in _TYPES:
            raise HTTPException(404)
        headers = {"Cache-Control": FOR_EVER, "Vary": "Accept-Encoding"}
        if suffix not in _PACKED and len(content) >= _WORTH_PACKING_BYTES and _takes_gzip(request):
            content = _packed(content)
            headers["Content-Encoding"] = "gzip"
        return Response(content, media_type=_TYPES[suffix], headers=headers)


def load_assets(packages: Mapping[str, str]) -> Assets:
    """The files below ``static/`` of each package; the key is the prefix of their names ("" for none)."""
    return Assets(
        {
            f"{prefix}/{name}".lstrip("/"): content
            for prefix, package in packages.items()
            for name, content in _files_of(package)
        }
    )


@cache
def _files_of(package: str) -> tuple[tuple[str, bytes], ...]:
    root = files(package) / "static"
    return tuple(_walk(root, "")) if root.is_dir() else ()


def _walk(folder: Traversable, inside: str) -> Iterator[tuple[str, bytes]]:
    for item in sorted(folder.iterdir(), key=lambda each: each.name):
        if item.is_dir():
            yield from _walk(item, f"{inside}{item.name}/")
        elif PurePosixPath(item.name).suffix in _TYPES:
            yield f"{inside}{item.name}", item.read_bytes()


def _takes_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")


@lru_cache(maxsize=256)
def _packed(content: bytes) -> bytes:
    """Compressed once for each file; the time of packing stays out, so that the bytes are always the same."""
    return gzip.compress(content, 6, mtime=0)
