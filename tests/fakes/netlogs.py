"""What network sensors write down: records made by hand, and the recordings beside the repository."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from node.observations import SourceClass
from node.records import Account, Alert, Endpoint, Mail, Record
from tests.fakes.shared_data import shared_path

BEGIN = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
INSIDE, INSIDE_TOO, OUTSIDE = "10.1.2.3", "10.1.2.4", "198.51.100.7"
# Documentation addresses are of no network; a detector that asks whether an address is global needs these.
PEER, OTHER_PEER, OWN_PUBLIC = "93.184.216.34", "151.101.1.69", "193.191.1.9"


def record(kind: str, second: float = 0, **given: Any) -> Record:
    """One event ``second`` seconds after ``BEGIN``; ``source`` and ``target`` as address or (address, port)."""
    at = BEGIN + timedelta(seconds=second)
    raw = json.dumps({"kind": kind, "at": second, **given}, default=str).encode()
    base: dict[str, Any] = {
        "kind": kind,
        "observed_at": at,
        "received_at": at + timedelta(seconds=1),
        "sensor": "ids",
        "source_class": SourceClass.LOCAL,
        "protocol": "tcp",
        "facts": {},
        "raw": raw,
        "digest": hashlib.sha256(raw).digest(),
    }
    ends = {end: endpoint(given.pop(end, None)) for end in ("source", "target")}
    return Record(**{**base, **ends, **given})


def endpoint(given: Any) -> Endpoint | None:
    if given is None:
        return None
    return Endpoint(address=given) if isinstance(given, str) else Endpoint(address=given[0], port=given[1])


def alert(second: float = 0, *, source: Any = PEER, target: Any = INSIDE, sid: int = 2001219, **given: Any) -> Record:
    said = {"signature": "ET TEST rule", "category": "Web Application Attack", "severity": 1, "action": "allowed"}
    told = {name: given.pop(name, value) for name, value in said.items()}
    return record("alert", second, source=source, target=target, alert=Alert(sid=sid, **told), **given)


def modbus(
    second: float = 0,
    function: str = "5",
    *,
    source: Any = INSIDE,
    target: Any = ("10.9.9.9", 502),
    exception: str | None = None,
    kind: str = "modbus",
) -> Record:
    told = {"function": function} | ({} if exception is None else {"exception": exception})
    return record(kind, second, source=source, target=target, industrial=told)


def named(domain: str, second: float = 0, *, kind: str = "dns", **given: Any) -> Record:
    return record(kind, second, source=INSIDE, target=(PEER, 53), facts={"domain-name:value": (domain,)}, **given)


def mail(second: float = 0, **given: Any) -> Record:
    base: dict[str, Any] = {
        "sender": "jan@example.org",
        "display_name": None,
        "reply_to": None,
        "recipients": ("finance@northseaport.com",),
        "spf": "pass",
        "dmarc": "pass",
        "iban": None,
        "supplier": None,
    }
    return record("smtp", second, mail=Mail(**{**base, **given}))


def account(name: str, second: float = 0, **given: Any) -> Record:
    base: dict[str, Any] = {"device": None, "bank": None, "phone": None, "document": None}
    said = {key: given.pop(key, value) for key, value in base.items()}
    return record("account", second, account=Account(account=name, **said), **given)


# --- recordings ---------------------------------------------------------------------------------------------------


def zeek_lines(name: str) -> Iterator[dict[str, Any]]:
    """The rows of one Zeek log, such as ``dns.head1500``."""
    with shared_path(f"cyber/zeek_{name}.ndjson").open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def zeek_names() -> set[str]:
    """Every host name that the DNS, TLS, notice and mail logs mention."""
    found: set[str] = set()
    for log in ("dns.head1500", "ssl.head1500", "notice", "smtp"):
        for row in zeek_lines(log):
            said = [row.get(name) for name in ("query", "server_name", "helo")] + list(row.get("answers") or ())
            said.append(str(row.get("mailfrom", "")).rpartition("@")[2])
            found.update(one for one in said if isinstance(one, str) and one)
    return found
