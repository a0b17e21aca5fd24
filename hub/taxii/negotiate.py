"""Which media types a request offers and asks for (TAXII 2.1 section 1.6.8, RFC 9110 section 12.5).

Real clients leave the version out, put spaces around it, quote it, or ask for anything; each of them is served.
"""

from __future__ import annotations

from typing import Final

from hub.taxii.errors import MEDIA_TYPE, TaxiiRequestError

_TAXII: Final = "application/taxii+json"
_STIX: Final = "application/stix+json"  # as OpenCTI posts (OpenCTI-Platform/connectors#7499)
_VERSION: Final = "2.1"
_HEADER_CHARS: Final = 4_096
_WILDCARDS: Final = ("*/*", "application/*", _TAXII)  # the last is the most specific


def require_acceptable(header: str | None) -> None:
    """Raises TaxiiRequestError (406) unless our media type may be answered."""
    if header is None or not header.strip():
        return
    best: tuple[int, float] = (-1, 0.0)
    if len(header) <= _HEADER_CHARS:
        for part in header.split(","):
            best = max(best, _offer(part))
    if best[0] < 0 or best[1] <= 0:
        raise TaxiiRequestError(f"answers are {MEDIA_TYPE}", status=406)


def require_postable(header: str | None) -> None:
    """Raises TaxiiRequestError (415) unless the content is said to be an envelope of this version."""
    kind, parameters = _media_type(header or "")
    if kind not in {_TAXII, _STIX} or parameters.get("version", _VERSION) != _VERSION:
        raise TaxiiRequestError(f"content is {MEDIA_TYPE}", status=415)


def wants_gzip(header: str | None) -> bool:
    """Whether the answer may be compressed."""
    found: dict[str, float] = {}
    for part in (header or "")[:_HEADER_CHARS].split(","):
        kind, parameters = _media_type(part)
        found[kind] = _quality(parameters)
    return found.get("gzip", found.get("*", 0.0)) > 0


def _offer(part: str) -> tuple[int, float]:
    """(how specific, quality) of one element that fits; (-1, 0) of one that does not."""
    kind, parameters = _media_type(part)
    if kind not in _WILDCARDS or parameters.get("version", _VERSION) != _VERSION:
        return -1, 0.0
    specific = 2 * _WILDCARDS.index(kind) + ("version" in parameters)
    return specific, _quality(parameters)


def _media_type(text: str) -> tuple[str, dict[str, str]]:
    kind, *rest = text.split(";")
    parameters = {}
    for item in rest:
        name, _, value = item.partition("=")
        parameters[name.strip().lower()] = value.strip().strip('"')
    return kind.strip().lower(), parameters


def _quality(parameters: dict[str, str]) -> float:
    try:
        quality = float(parameters.get("q", "1"))
    except ValueError:
        return 1.0
    return quality if 0 <= quality <= 1 else 1.0
