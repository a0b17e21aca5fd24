"""Lines of Suricata and Zeek become records: every version's spelling, and whatever bytes."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from node.records import Alert, Record
from node.sensors.parsers import eve, zeek
from node.sensors.parsers.records import RECORD_BYTES, VALUES, RecordError
from tests.fakes.cyber import EVE, NOW, ZEEK, eve_recording, sensor_line, zeek_dns, zeek_recording
from tests.fakes.examples import many

BASE = {
    "timestamp": "2026-11-22T08:59:00.000000+0100",
    "src_ip": "10.1.2.3",
    "src_port": 40000,
    "dest_ip": "198.51.100.7",
    "dest_port": 443,
    "proto": "TCP",
}
TS = {"ts": 1_795_334_340.5, "id.orig_h": "10.1.2.3", "id.orig_p": 1, "id.resp_h": "198.51.100.7", "id.resp_p": 2}
DIGEST = "ab" * 32
DNS = {
    "version 1, a question": {"type": "query", "rrname": "Evil.Example", "rrtype": "A"},
    "version 1, an answer": {"type": "answer", "rrname": "evil.example", "rrtype": "A", "rdata": "203.0.113.9"},
    "version 2": {"version": 2, "rrname": "evil.example", "answers": [{"rrtype": "A", "rdata": "203.0.113.9"}]},
    "version 2, grouped": {"version": 2, "rrname": "evil.example", "grouped": {"A": ["203.0.113.9"]}},
    "version 2, in an alert": {
        "query": [{"rrname": "evil.example"}],
        "answer": {"rrtype": "A", "rdata": "203.0.113.9"},
    },
    "version 3": {
        "version": 3,
        "queries": [{"rrname": "evil.example.", "rrtype": "A"}],
        "answers": [{"rrname": "evil.example", "rrtype": "A", "rdata": "203.0.113.9"}],
    },
}


def an_event(**more: Any) -> Record:
    return eve.parse(sensor_line({**BASE, **more}))


def an_entry(path: str, **more: Any) -> Record:
    return zeek.parse(sensor_line({"_path": path, **TS, **more}))


@pytest.mark.parametrize("dns", DNS.values(), ids=DNS.keys())
def test_every_version_of_dns_names_the_domain_and_its_address(dns: dict[str, Any]) -> None:
    record = an_event(event_type="dns", dns=dns)
    assert record.kind == "dns"
    assert record.facts["domain-name:value"] == ("evil.example",)
    if dns.get("type") != "query":
        assert "203.0.113.9" in record.facts["ipv4-addr:value"]


def test_an_alert_is_told_with_its_rule_and_both_ends() -> None:
    rule = {"signature_id": 2001219, "signature": "ET SCAN", "category": "Leak", "severity": 2, "action": "allowed"}
    record = an_event(
        event_type="alert", alert=rule, http={"hostname": "evil.example:8080", "url": "/a?b", "http_port": 80}
    )
    assert record.alert == Alert(sid=2001219, signature="ET SCAN", category="Leak", severity=2, action="allowed")
    assert record.facts["ipv4-addr:value"] == ("10.1.2.3", "198.51.100.7")
    assert record.facts["url:value"] == ("http://evil.example:8080/a?b",)
    assert record.facts["domain-name:value"] == ("evil.example",)
    assert record.facts["network-traffic:dst_port"] == ("443",)
    assert (record.observed_at.isoformat(), record.source_class.name) == ("2026-11-22T07:59:00+00:00", "LOCAL")


EVENTS = {
    "tls": ({"sni": "evil.example", "fingerprint": ":".join(["ab"] * 20)}, "x509-certificate:hashes.SHA-1", "ab" * 20),
    "fileinfo": ({"sha256": DIGEST.upper(), "filename": "x.exe"}, "file:hashes.SHA-256", DIGEST),
    "smtp": ({"mail_from": "<Boss@Evil.Example>"}, "email-addr:value", "boss@evil.example"),
    "http": ({"hostname": "198.51.100.9", "url": "/x"}, "ipv4-addr:value", "198.51.100.9"),
    "krb5": ({"cname": "x7"}, "user-account:account_login", "x7"),
}


@pytest.mark.parametrize(("name", "part", "path", "value"), [(name, *case) for name, case in EVENTS.items()])
def test_each_event_names_what_is_looked_for(name: str, part: dict[str, Any], path: str, value: str) -> None:
    assert value in an_event(event_type=name, **{name: part}).facts[path]


def test_control_protocols_tell_the_function() -> None:
    asked = {"function_raw": 5, "function_code": "WrSingleCoil", "access_type": "WRITE | COILS"}
    refused = {"request": asked, "response": {"exception": {"raw": 1, "code": "IllegalFunction"}}}
    assert an_event(event_type="modbus", modbus=refused).industrial == {
        "function": "5",
        "access": "WRITE | COILS",
        "exception": "IllegalFunction",
    }
    operated = {"type": "request", "application": {"function_code": 5}}
    assert an_event(event_type="dnp3", dnp3=operated).industrial == {"function": "5", "access": "request"}
    assert an_entry("modbus", func="WRITE_SINGLE_COIL", pdu_type="REQ").industrial["function"] == "WRITE_SINGLE_COIL"


ENTRIES = {
    "ssl": ({"server_name": "evil.example", "cert_chain_fps": [DIGEST]}, "x509-certificate:hashes.SHA-256", DIGEST),
    "http": ({"host": "evil.example", "uri": "/a"}, "url:value", "http://evil.example/a"),
    "files": ({"md5": "d41d8cd98f00b204e9800998ecf8427e"}, "file:hashes.MD5", "d41d8cd98f00b204e9800998ecf8427e"),
    "x509": ({"san.dns": ["evil.example"]}, "domain-name:value", "evil.example"),
    "rdp": ({"cookie": "administrator"}, "user-account:account_login", "administrator"),
    "account": ({"account": "ab" * 16, "phone": "cd" * 16}, "user-account:user_id", "ab" * 16),
    "dns": ({"query": "EVIL.example", "answers": ["2001:DB8::0:1"]}, "ipv6-addr:value", "2001:db8::1"),
}


@pytest.mark.parametrize(("name", "part", "path", "value"), [(name, *case) for name, case in ENTRIES.items()])
def test_each_log_names_what_is_looked_for(name: str, part: dict[str, Any], path: str, value: str) -> None:
    assert value in an_entry(name, **part).facts[path]


def test_mail_is_told_with_whom_it_claims_to_be_from() -> None:
    mail = an_entry(
        "smtp",
        mailfrom="bounce@mailer.example",
        rcptto=["clerk@port.example"],
        **{"from": '"The Director" <boss@evil.example>', "reply_to": "pay@evil.example", "spf": "FAIL"},
    ).mail
    assert mail is not None
    assert (mail.sender, mail.display_name) == ("boss@evil.example", "The Director")
    assert (mail.reply_to, mail.recipients, mail.spf) == ("pay@evil.example", ("clerk@port.example",), "fail")


def test_an_account_told_in_clear_is_refused() -> None:
    with pytest.raises(RecordError):
        an_entry("account", account="ab" * 16, phone="+32 3 000 00 00")


def test_the_name_of_the_file_says_what_its_lines_do_not() -> None:
    entry = {key: value for key, value in orjson.loads(zeek_dns("evil.example")).items() if key != "_path"}
    assert zeek.parse(sensor_line(entry)).kind == "other"
    assert zeek.parse(sensor_line(entry), "dns").facts["domain-name:value"] == ("evil.example",)


def test_a_record_has_no_more_values_than_are_looked_at() -> None:
    record = zeek.parse(sensor_line(zeek_dns("evil.example", answers=tuple(f"a{n}.example" for n in range(500)))))
    assert len(record.facts["domain-name:value"]) <= VALUES


REFUSED = {
    "no JSON": b"{",
    "no object": b"[1]",
    "no time": b"{}",
    "a time that is none": orjson.dumps({"ts": "yesterday", "timestamp": "yesterday"}),
    "a time beyond all calendars": orjson.dumps({"ts": 1e300, "timestamp": 1e300}),
    "a clock ahead": orjson.dumps(dict.fromkeys(("ts", "timestamp"), (NOW + timedelta(hours=1)).isoformat())),
    "no UTF-8": b'{"ts": 1795334340, "timestamp": 1795334340, "x": "\xff"}',
    "too long": b" " * (RECORD_BYTES + 1),
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("parser", [eve, zeek], ids=["eve", "zeek"])
@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_record_is_refused(parser: Any, raw: bytes) -> None:
    with pytest.raises(RecordError):
        parser.parse(sensor_line(raw))


@pytest.mark.parametrize("name", ZEEK)
def test_every_line_of_the_recordings_of_zeek_is_read(name: str) -> None:
    records = [zeek.parse(sensor_line(line)) for line in zeek_recording(name)]
    kinds = Counter(record.kind for record in records)
    assert (kinds.keys() == {"other"}) == (name == "rdp")
    assert all(record.target is not None and record.facts for record in records)


@pytest.mark.parametrize("name", EVE)
def test_every_alert_of_the_recordings_of_suricata_is_read(name: str) -> None:
    records = [eve.parse(sensor_line(line)) for line in eve_recording(name)]
    assert all(record.alert is not None and record.alert.sid and record.source for record in records)
    assert any("url:value" in record.facts for record in records)


VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["10.1.1.1", "a.b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
# Everything that either parser reads, with values of any type behind it.
_PARTS = st.dictionaries(
    st.sampled_from(
        [
            "rrname",
            "queries",
            "answers",
            "rdata",
            "rrtype",
            "grouped",
            "sni",
            "fingerprint",
            "hostname",
            "url",
            "http_port",
            "md5",
            "mail_from",
            "rcpt_to",
            "from",
            "to",
            "request",
            "response",
            "exception",
            "application",
            "signature_id",
        ]
    ),
    VALUE,
    max_size=5,
)
EVENT = st.dictionaries(
    st.sampled_from(
        ["src_ip", "src_port", "dest_ip", "proto", "app_proto", "event_type", "_path", "id.orig_h", "service"]
    )
    | st.sampled_from(
        ["query", "answers", "cert_chain_fps", "host", "uri", "mailfrom", "from", "rcptto", "func", "path"]
    )
    | st.sampled_from(["alert", "dns", "tls", "http", "fileinfo", "smtp", "email", "modbus", "dnp3", "krb5"]),
    VALUE | _PARTS | st.lists(_PARTS, max_size=2) | st.sampled_from([*zeek.KINDS, *eve.KINDS]),
    max_size=8,
)


@given(EVENT)
@example({"event_type": "dns", "dns": {"rrtype": []}})
@example({"_path": "known_services", "port_proto": []})
@settings(max_examples=many(150))
def test_fields_of_any_type_give_a_record_or_our_error(event: dict[str, Any]) -> None:
    line = sensor_line(orjson.dumps({"ts": 1_795_334_340, "timestamp": 1_795_334_340, **event}))
    for parse in (eve.parse, zeek.parse):
        try:
            record = parse(line)
        except RecordError:
            continue
        assert all(isinstance(value, str) and value for values in record.facts.values() for value in values)


@given(st.binary(max_size=200))
@settings(max_examples=many(100))
def test_any_bytes_give_a_record_or_our_error(data: bytes) -> None:
    for parse in (eve.parse, zeek.parse):
        with pytest.raises(RecordError):
            parse(sensor_line(data))
