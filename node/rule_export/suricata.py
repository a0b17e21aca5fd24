"""Suricata rules: only ``alert``, each value escaped so that nothing a stranger wrote can end an option or a line.

A value gives one rule or two: a domain is looked for in DNS queries and in TLS server names, an address in both
directions, a URL by host and raw URI, a digest of a file by a list file beside the rules. Numbers (``sid``) come from
the block 1,600,000,000 to 2,099,999,999, derived from issuer, object, path and value, so that the same rule keeps its
number in every file; ``rev`` are the seconds from 2020 to the version. Written for Suricata 6 and later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from node.rule_export.choosing import Ordered
from port2port.observables import Kind, network, observable

SID_FIRST: Final = 1_600_000_000
SID_COUNT: Final = 500_000_000
REV_FROM: Final = datetime(2020, 1, 1, tzinfo=UTC)
MSG_CHARS: Final = 120
CONTENT_BYTES: Final = 255  # of a longer value no rule is made: it would match something else
_PLAIN_MSG: Final = re.compile(r"[^A-Za-z0-9 ._@/+-]+", re.ASCII)
_PLAIN_CONTENT: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/")
_PLAIN_META: Final = re.compile(r"[^A-Za-z0-9._+:-]+", re.ASCII)
_LISTS: Final[Mapping[str, tuple[str, int]]] = {
    "MD5": ("md5", 32),
    "SHA-1": ("sha1", 40),
    "SHA-256": ("sha256", 64),
}
_HEX: Final = re.compile(r"[0-9a-f]+", re.ASCII)
WIDEST: Final = {4: 16, 6: 32}  # prefix length by version: of a wider network no rule is made


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """``text`` is the file of rules, ``lists`` the list files by name; ``no_rule`` counts values without any."""

    text: str
    lists: Mapping[str, str]
    count: int
    no_rule: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """One rule without message and number. ``digest`` is what goes into its list file, if it has one."""

    what: str
    header: str
    options: tuple[str, ...]
    list_kind: str = ""
    digest: str = ""


def rules_of(values: Sequence[Ordered]) -> Rules:
    """The rules for these values, in their order."""
    taken: set[int] = set()
    lines, lists, without = list[str](), dict[str, str](), 0
    for one in values:
        drafts = list(_drafts(one))
        without += not drafts
        for draft in drafts:
            sid = _sid(one, draft.what, taken)
            extra: tuple[str, ...] = ()
            if draft.list_kind:
                name = f"port2port-{sid}.{draft.list_kind}"
                lists[name] = draft.digest + "\n"
                extra = (f"file{draft.list_kind}:{name}",)
            lines.append(_line(one, draft, (*draft.options, *extra), sid))
    text = "".join(f"{line}\n" for line in lines)
    return Rules(text=text, lists=lists, count=len(lines), no_rule=without)


def content(value: bytes) -> str:
    """The argument of ``content``: everything but letters, digits and ``. _ - /`` stands as hexadecimal."""
    parts, plain = list[str](), True
    for byte in value:
        is_plain = byte in _PLAIN_CONTENT
        if is_plain:
            parts.append(chr(byte) if plain else f"|{chr(byte)}")
        else:
            parts.append(f"|{byte:02X}" if plain else f" {byte:02X}")
        plain = is_plain
    return "".join(parts) + ("" if plain else "|")


def message(one: Ordered, what: str) -> str:
    """What an alert says: foreign text cut to letters, digits and a few signs."""
    said = _PLAIN_MSG.sub(" ", f"Port 2 Port {what} from {one.issuer}: ".replace(":", " -") + one.name)
    return " ".join(said.split())[:MSG_CHARS].strip()


def rev(modified: datetime) -> int:
    """The number of a version: later ones are higher."""
    return max(1, int((modified - REV_FROM).total_seconds()))


def _line(one: Ordered, draft: _Draft, options: Sequence[str], sid: int) -> str:
    meta = {
        "issuer": one.issuer,
        "tlp": one.tlp.value,
        "stix_id": one.stix_id,
        "handling": one.handling or "call_first",
    }
    until = {} if one.valid_until is None else {"valid_until": one.valid_until.strftime("%Y-%m-%dT%H:%M:%SZ")}
    said = ", ".join(f"{name} {_PLAIN_META.sub('_', value)}" for name, value in {**meta, **until}.items())
    body = [f'msg:"{message(one, draft.what)}"', *options, f"metadata:{said}", f"sid:{sid}", f"rev:{rev(one.modified)}"]
    return f"alert {draft.header} ({' '.join(f'{option};' for option in body)})"


def _sid(one: Ordered, what: str, taken: set[int]) -> int:
    name = f"{one.issuer}\0{one.stix_id}\0{one.path}\0{one.value}\0{what}".encode("utf-8", "surrogatepass")
    offset = int.from_bytes(sha256(name).digest()[:8], "big") % SID_COUNT
    while SID_FIRST + offset in taken:
        offset = (offset + 1) % SID_COUNT
    taken.add(SID_FIRST + offset)
    return SID_FIRST + offset


def _drafts(one: Ordered) -> Iterator[_Draft]:
    kind = one.path.partition(":")[0]
    maker = _MAKERS.get(kind)
    if maker is not None:
        yield from maker(one)


def _domain(one: Ordered) -> Iterator[_Draft]:
    found = observable(one.path, one.value)
    if found.kind is not Kind.HOST:
        return
    exact = _exact(found.value.encode())
    yield _Draft(what="DNS", header="dns $HOME_NET any -> any any", options=("dns.query", *exact, "nocase"))
    yield _Draft(what="TLS", header="tls $HOME_NET any -> any any", options=("tls.sni", *exact, "nocase"))


def _address(one: Ordered) -> Iterator[_Draft]:
    found = network(one.value.strip())
    if found is None or found.prefixlen < WIDEST[found.version]:
        return
    where = str(found.network_address) if found.num_addresses == 1 else str(found)
    yield _Draft(what="IP", header=f"ip any any <> [{where}] any", options=())


def _url(one: Ordered) -> Iterator[_Draft]:
    found = observable(one.path, one.value)
    if found.kind is not Kind.URL:
        return
    parts = urlsplit(found.value)
    host, uri = parts.hostname or "", (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    raw = uri.encode("utf-8", "surrogatepass")
    if parts.scheme not in {"http", "https"} or not host or len(raw) > CONTENT_BYTES or len(host) > CONTENT_BYTES:
        return
    options = (
        "http.host",
        *_exact(host.encode()),
        "http.uri.raw",
        *_exact(raw),
    )
    yield _Draft(what="URL", header="http $HOME_NET any -> any any", options=options)


def _file(one: Ordered) -> Iterator[_Draft]:
    name, size = _LISTS.get(one.path.removeprefix("file:hashes.").strip("'").upper(), ("", 0))
    digest = one.value.strip().lower()
    if name and len(digest) == size and _HEX.fullmatch(digest):
        yield _Draft(what="file", header="http any any -> any any", options=(), list_kind=name, digest=digest)


def _exact(value: bytes) -> tuple[str, str]:
    """The whole buffer and nothing but it."""
    return f'content:"{content(value)}"', f"bsize:{len(value)}"


_MAKERS: Final[Mapping[str, Callable[[Ordered], Iterator[_Draft]]]] = {
    "domain-name": _domain,
    "ipv4-addr": _address,
    "ipv6-addr": _address,
    "url": _url,
    "file": _file,
}
