"""Suricata's EVE JSON, one event a line, as a ``Record``: pure, and tolerant of every version's spelling.

DNS alone has three: version 1 tells each answer apart, 2 lists answers in the event, 3 lists questions too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from node.records import Alert, Mail, Record
from node.sensors.parsers.records import (
    Facts,
    Fields,
    SensorLine,
    endpoint,
    fields_of,
    mailbox_of,
    many,
    number_of,
    observed_at,
    table_of,
    tables_of,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KINDS: Final = {
    "alert": "alert",
    "dns": "dns",
    "tls": "tls",
    "http": "http",
    "fileinfo": "file",
    "flow": "flow",
    "netflow": "flow",
    "modbus": "modbus",
    "dnp3": "dnp3",
    "smtp": "smtp",
}
LOWEST_SEVERITY: Final = 4
_NAMES: Final = frozenset({"CNAME", "NS", "MX", "PTR", "SRV"})


def parse(line: SensorLine) -> Record:
    """One event. Raises RecordError for what is no event; unknown keys and kinds are borne."""
    event = fields_of(line)
    source = endpoint(event.get("src_ip"), event.get("src_port"))
    target = endpoint(event.get("dest_ip"), event.get("dest_port"))
    facts = Facts()
    facts.ends(source, target)
    for name, read in _READERS.items():
        if name in event:
            for part in tables_of(event[name]):
                read(part, facts)
    kind = KINDS.get(str(event.get("event_type")), "other")
    return Record(
        kind=kind,
        observed_at=observed_at(event.get("timestamp"), line),
        received_at=line.received_at,
        sensor=line.sensor,
        source_class=line.source_class,
        source=source,
        target=target,
        protocol=_protocol(event),
        facts=facts.done(),
        raw=line.data,
        digest=line.digest,
        alert=_alert(event, kind),
        mail=_mail(event),
        industrial=_industrial(event),
    )


def _protocol(event: Fields) -> str | None:
    found = text_of(event.get("app_proto"), 32)
    if found in {None, "failed"}:
        found = text_of(event.get("proto"), 32)
    return None if found is None else found.lower()


def _alert(event: Fields, kind: str) -> Alert | None:
    found = table_of(event.get("alert"))
    if kind != "alert" or not found:
        return None
    return Alert(
        sid=number_of(found.get("signature_id")),
        signature=text_of(found.get("signature")) or "",
        category=text_of(found.get("category")) or "",
        severity=number_of(found.get("severity"), LOWEST_SEVERITY),
        action=text_of(found.get("action"), 32) or "",
    )


def _dns(part: Fields, facts: Facts) -> None:
    facts.domain(part.get("rrname"))
    for name in ("queries", "query"):
        for asked in tables_of(part.get(name)):
            facts.domain(asked.get("rrname"))
    _answer(part, facts)
    for name in ("answers", "answer"):
        for answer in tables_of(part.get(name)):
            facts.domain(answer.get("rrname"))
            _answer(answer, facts)
    grouped = table_of(part.get("grouped"))
    for kind in ("A", "AAAA", "CNAME", "NS", "MX", "PTR"):
        for value in many(grouped.get(kind)):
            facts.domain(value)


def _answer(part: Fields, facts: Facts) -> None:
    kind = text_of(part.get("rrtype"), 64)
    if kind in {"A", "AAAA"}:
        facts.address(part.get("rdata"))
    elif kind in _NAMES:
        facts.domain(part.get("rdata"))


def _tls(part: Fields, facts: Facts) -> None:
    facts.domain(part.get("sni"))
    facts.digest("x509-certificate", part.get("fingerprint"))
    facts.add("x509-certificate:subject", part.get("subject"))
    facts.add("x509-certificate:issuer", part.get("issuerdn"))
    facts.add("x509-certificate:serial_number", part.get("serial"))


def _http(part: Fields, facts: Facts) -> None:
    facts.domain(part.get("hostname"))
    facts.url(part.get("hostname"), part.get("url"), part.get("http_port"))


def _file(part: Fields, facts: Facts) -> None:
    for name in ("md5", "sha1", "sha256"):
        facts.digest("file", part.get(name))
    facts.add("file:name", part.get("filename"))


def _smtp(part: Fields, facts: Facts) -> None:
    facts.mailbox(part.get("mail_from"))
    for receiver in many(part.get("rcpt_to")):
        facts.mailbox(receiver)


def _email(part: Fields, facts: Facts) -> None:
    for name in ("from", "to", "cc", "reply_to"):
        for box in many(part.get(name)):
            facts.mailbox(box)
    for address in many(part.get("url")):
        facts.url(None, address)


def _login(part: Fields, facts: Facts) -> None:
    for name in ("cname", "cookie", "user"):
        facts.add("user-account:account_login", part.get(name))


_READERS: Final[Mapping[str, Callable[[Fields, Facts], None]]] = {
    "dns": _dns,
    "tls": _tls,
    "http": _http,
    "fileinfo": _file,
    "files": _file,
    "smtp": _smtp,
    "email": _email,
    "krb5": _login,
    "rdp": _login,
}


def _mail(event: Fields) -> Mail | None:
    envelope, head = table_of(event.get("smtp")), table_of(event.get("email"))
    if not (envelope or head):
        return None
    name, sender = mailbox_of(head.get("from") or envelope.get("mail_from"))
    receivers = [*many(envelope.get("rcpt_to")), *many(head.get("to"))]
    found = [mailbox_of(one)[1] for one in receivers]
    return Mail(
        sender=sender,
        display_name=name,
        reply_to=mailbox_of(head.get("reply_to"))[1],
        recipients=tuple(dict.fromkeys(one for one in found if one)),
        spf=None,
        dmarc=None,
        iban=None,
        supplier=None,
    )


def _industrial(event: Fields) -> dict[str, str]:
    if "modbus" in event:
        return _modbus(table_of(event["modbus"]))
    return _dnp3(table_of(event["dnp3"])) if "dnp3" in event else {}


def _modbus(part: Fields) -> dict[str, str]:
    asked, answered = table_of(part.get("request")), table_of(part.get("response"))
    said = asked or answered
    fault = table_of(answered.get("exception")) or table_of(asked.get("exception"))
    return _texts(
        function=said.get("function_raw", said.get("function_code")),
        access=said.get("access_type"),
        exception=fault.get("code", fault.get("raw")),
    )


def _dnp3(part: Fields) -> dict[str, str]:
    asked = table_of(part.get("request")) or part
    return _texts(function=table_of(asked.get("application")).get("function_code"), access=asked.get("type"))


def _texts(**values: object) -> dict[str, str]:
    """What is a word or a whole number, as text."""
    right = {name: one for name, one in values.items() if isinstance(one, str | int) and not isinstance(one, bool)}
    return {name: str(one)[:64] for name, one in right.items()}
