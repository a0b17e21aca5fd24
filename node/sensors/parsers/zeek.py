"""Zeek's logs in JSON, one event a line, as a ``Record``: pure, and tolerant of every version's columns.

``_path`` says which log a line is of; without it (JSON logs written to one file each) the name of the file does.
Mail gateways and platforms of the port can write the same form: a line of ``smtp`` may carry ``spf``, ``dmarc``,
``iban`` and ``supplier``, and a line of ``account`` tells that an account was made, with keyed digests alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from node.records import Account, Endpoint, Mail, Record
from node.sensors.parsers.records import (
    Facts,
    Fields,
    RecordError,
    SensorLine,
    endpoint,
    fields_of,
    mailbox_of,
    many,
    observed_at,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KINDS: Final = {
    "conn": "flow",
    "dns": "dns",
    "ssl": "tls",
    "x509": "tls",
    "http": "http",
    "files": "file",
    "notice": "notice",
    "modbus": "modbus",
    "dnp3": "dnp3",
    "smtp": "smtp",
    "known_services": "service",
    "account": "account",
}
_KEYED: Final = re.compile(r"[0-9a-fA-F]{16,128}")


def parse(line: SensorLine, log: str = "") -> Record:
    """One event; ``log`` is the kind of a file whose lines do not say it. Raises RecordError for what is no event."""
    event = fields_of(line)
    path = text_of(event.get("_path"), 64) or log
    source, target = _ends(event, path)
    facts = Facts()
    facts.ends(source, target)
    read = _READERS.get(path)
    if read is not None:
        read(event, facts)
    return Record(
        kind=KINDS.get(path, "other"),
        observed_at=observed_at(event.get("ts"), line),
        received_at=line.received_at,
        sensor=line.sensor,
        source_class=line.source_class,
        source=source,
        target=target,
        protocol=_protocol(event),
        facts=facts.done(),
        raw=line.data,
        digest=line.digest,
        mail=_mail(event) if path == "smtp" else None,
        account=_account(event, line) if path == "account" else None,
        industrial=_industrial(event) if path in {"modbus", "dnp3"} else {},
    )


def _ends(event: Fields, path: str) -> tuple[Endpoint | None, Endpoint | None]:
    if path == "known_services":
        return None, endpoint(event.get("host"), event.get("port_num"))
    source = endpoint(event.get("id.orig_h", event.get("src")), event.get("id.orig_p"))
    return source, endpoint(event.get("id.resp_h", event.get("dst")), event.get("id.resp_p", event.get("p")))


def _protocol(event: Fields) -> str | None:
    found = event.get("service") or event.get("proto") or event.get("port_proto")
    text = text_of(next(iter(found), None) if isinstance(found, list) else found, 32)
    return None if text is None else text.lower()


def _dns(event: Fields, facts: Facts) -> None:
    facts.domain(event.get("query"))
    for answer in many(event.get("answers")):
        facts.domain(answer)


def _ssl(event: Fields, facts: Facts) -> None:
    facts.domain(event.get("server_name"))
    for name in ("cert_chain_fps", "client_cert_chain_fps"):
        for fingerprint in many(event.get(name)):
            facts.digest("x509-certificate", fingerprint)
    facts.add("x509-certificate:subject", event.get("subject"))
    facts.add("x509-certificate:issuer", event.get("issuer"))


def _x509(event: Fields, facts: Facts) -> None:
    facts.digest("x509-certificate", event.get("fingerprint"))
    facts.add("x509-certificate:subject", event.get("certificate.subject"))
    facts.add("x509-certificate:issuer", event.get("certificate.issuer"))
    facts.add("x509-certificate:serial_number", event.get("certificate.serial"))
    for name in many(event.get("san.dns")):
        facts.domain(name)


def _http(event: Fields, facts: Facts) -> None:
    facts.domain(event.get("host"))
    facts.url(event.get("host"), event.get("uri"))
    facts.add("user-account:account_login", event.get("username"))


def _files(event: Fields, facts: Facts) -> None:
    for name in ("md5", "sha1", "sha256"):
        facts.digest("file", event.get(name))
    facts.add("file:name", event.get("filename"))
    for name in ("tx_hosts", "rx_hosts"):
        for host in many(event.get(name)):
            facts.address(host)


def _smtp(event: Fields, facts: Facts) -> None:
    for name in ("mailfrom", "rcptto", "from", "reply_to", "to", "cc"):
        for box in many(event.get(name)):
            facts.mailbox(box)
    for host in many(event.get("path")):
        facts.address(host)


def _login(event: Fields, facts: Facts) -> None:
    for name in ("cookie", "user", "username", "client"):
        facts.add("user-account:account_login", event.get(name))


def _made(event: Fields, facts: Facts) -> None:
    facts.add("user-account:user_id", event.get("account"))


_READERS: Final[Mapping[str, Callable[[Fields, Facts], None]]] = {
    "dns": _dns,
    "ssl": _ssl,
    "x509": _x509,
    "http": _http,
    "files": _files,
    "smtp": _smtp,
    "rdp": _login,
    "ftp": _login,
    "ntlm": _login,
    "kerberos": _login,
    "radius": _login,
    "account": _made,
}


def _mail(event: Fields) -> Mail:
    name, sender = mailbox_of(event.get("from") or event.get("mailfrom"))
    found = [mailbox_of(one)[1] for one in (*many(event.get("rcptto")), *many(event.get("to")))]
    return Mail(
        sender=sender,
        display_name=name,
        reply_to=mailbox_of(event.get("reply_to"))[1],
        recipients=tuple(dict.fromkeys(one for one in found if one)),
        spf=_word(event.get("spf")),
        dmarc=_word(event.get("dmarc")),
        iban=text_of(event.get("iban"), 64),
        supplier=text_of(event.get("supplier"), 128),
    )


def _word(value: object) -> str | None:
    found = text_of(value, 32)
    return None if found is None else found.lower()


def _account(event: Fields, line: SensorLine) -> Account:
    """Raises RecordError for a value that is no digest: a name or a number in clear is not kept."""
    found = {name: event.get(name) for name in ("account", "device", "bank", "phone", "document")}
    kept = {name: value.lower() for name, value in found.items() if isinstance(value, str) and _KEYED.fullmatch(value)}
    if len(kept) != sum(value is not None for value in found.values()) or "account" not in kept:
        raise RecordError("an account is told by keyed digests alone", sensor=line.sensor)
    return Account(
        account=kept["account"],
        device=kept.get("device"),
        bank=kept.get("bank"),
        phone=kept.get("phone"),
        document=kept.get("document"),
    )


def _industrial(event: Fields) -> dict[str, str]:
    named = {
        "function": event.get("func", event.get("fc_request", event.get("fc_reply"))),
        "access": event.get("pdu_type"),
        "exception": event.get("exception"),
    }
    return {name: text[:64] for name, value in named.items() if (text := text_of(value)) is not None}
