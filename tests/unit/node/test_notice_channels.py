"""What leaves by mail, webhook and syslog, received by real servers on loopback."""

from __future__ import annotations

import email
import hmac
import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from pydantic import ValidationError

from node.duty import ZONE
from node.duty_settings import DutySettings, SmtpSettings, SyslogSettings, WebhookSettings
from node.notice_channels import Email, NoticeDeliveryError, Syslog, Webhook, channels_of
from node.notices import Message
from port2port.errors import ConfigurationError
from tests.fakes import receivers
from tests.fakes.receivers import Pki

NOW = datetime(2026, 11, 22, 21, 36, tzinfo=UTC)
SINCE = datetime(2026, 11, 22, 21, 31, tzinfo=UTC)
MESSAGE = Message(id="notice-1-1", port="North Sea Port", severity="high", since=SINCE, zone=ZONE)
TEXT = "Port 2 Port: an item waits at North Sea Port since 22:31, severity high, open the desk"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return receivers.make_pki(tmp_path_factory.mktemp("pki"))


def secret(home: Path, text: str) -> Path:
    path = home / "secret"
    path.write_text(text + "\n")
    return path


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_mail_says_that_something_waits_and_nothing_else(pki: Pki, tmp_path: Path, security: str) -> None:
    with receivers.mail_server(pki, starttls=security == "starttls") as (box, port):
        settings = SmtpSettings.model_validate({
            "host": "localhost", "port": port, "security": security, "sender": "desk@port.example", "user": "desk",
            "password": secret(tmp_path, "mail password"), "ca": pki.ca,
        })  # fmt: skip
        Email(settings).send(MESSAGE, "o2@port.example", NOW)
    (got,) = box.mails
    mail = email.message_from_bytes(got.content)
    assert (got.mail_from, got.rcpt_tos) == ("desk@port.example", ["o2@port.example"])
    assert mail.get_payload(decode=True) == TEXT.encode() + b"\r\n"
    assert mail["Subject"] == "Port 2 Port: an item waits"
    assert box.logins == [b"desk"]
    assert box.encrypted == [security == "starttls"]  # the other port speaks nothing but TLS


def test_a_mail_server_that_nobody_vouches_for_gets_nothing(pki: Pki) -> None:
    with receivers.mail_server(pki) as (box, port):
        settings = SmtpSettings(host="localhost", port=port, sender="desk@port.example")
        with pytest.raises(NoticeDeliveryError):
            Email(settings).send(MESSAGE, "o2@port.example", NOW)
    assert box.mails == []


def test_a_webhook_is_signed_with_its_time(pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://localhost:9")
    key = "k" * 32
    with receivers.web_server(pki) as (posted, port):
        settings = WebhookSettings(url=f"https://localhost:{port}/hook", secret=secret(tmp_path, key), ca=pki.ca)
        Webhook(settings).send(MESSAGE, "", NOW)
    ((path, headers, body),) = posted.requests
    stamp = headers["X-Port2Port-Timestamp"]
    signed = hmac.new(key.encode(), stamp.encode() + b"." + body, sha256).hexdigest()
    assert (path, stamp) == ("/hook", str(int(NOW.timestamp())))
    assert headers["X-Port2Port-Signature"] == f"sha256={signed}"
    assert json.loads(body) == {
        "id": "notice-1-1", "port": "North Sea Port", "severity": "high", "since": "2026-11-22T21:31:00.000Z",
        "text": TEXT,
    }  # fmt: skip


@pytest.mark.parametrize("status", [307, 404, 503])
def test_a_webhook_that_redirects_or_refuses_is_a_failure(pki: Pki, tmp_path: Path, status: int) -> None:
    with receivers.web_server(pki) as (posted, port):
        posted.status = status
        settings = WebhookSettings(url=f"https://localhost:{port}/hook", secret=secret(tmp_path, "k" * 32), ca=pki.ca)
        with pytest.raises(NoticeDeliveryError):
            Webhook(settings).send(MESSAGE, "", NOW)
    assert [path for path, _, _ in posted.requests] == ["/hook"]


def test_syslog_over_tls_counts_its_octets(pki: Pki) -> None:
    with receivers.syslog_server(pki) as (lines, port, came):
        Syslog(SyslogSettings(host="localhost", port=port, ca=pki.ca)).send(MESSAGE, "", NOW)
        assert came.wait(5)
    length, _, line = lines[0].partition(b" ")
    assert int(length) == len(line)
    assert line == b"<131>1 2026-11-22T21:36:00.000Z North-Sea-Port port2port-node - NOTICE - " + TEXT.encode()


def test_syslog_by_udp() -> None:
    with receivers.syslog_server() as (lines, port, came):
        Syslog(SyslogSettings(host="127.0.0.1", port=port, transport="udp")).send(MESSAGE, "", NOW)
        assert came.wait(5)
    assert lines[0].endswith(TEXT.encode())


def test_who_is_not_there_is_a_failure(pki: Pki, tmp_path: Path) -> None:
    port = receivers.free_port()
    ways = [
        Email(SmtpSettings(host="localhost", port=port, security="none", sender="d@port.example")),
        Webhook(WebhookSettings(url=f"https://localhost:{port}/", secret=secret(tmp_path, "k" * 32))),
        Syslog(SyslogSettings(host="localhost", port=port, ca=pki.ca)),
    ]
    for way in ways:
        with pytest.raises(NoticeDeliveryError):
            way.send(MESSAGE, "o2@port.example", NOW)


def test_what_is_not_encrypted_stays_on_this_machine(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="only to this machine"):
        SmtpSettings(host="mail.example", security="none", sender="d@port.example")
    with pytest.raises(ValidationError, match="https"):
        WebhookSettings(url="http://hook.example/", secret=tmp_path)


def test_a_weak_or_missing_secret_is_refused_at_the_start(tmp_path: Path) -> None:
    for path in (secret(tmp_path, "short"), tmp_path / "none"):
        hook = WebhookSettings(url="https://hook.example/", secret=path)
        with pytest.raises(ConfigurationError):
            channels_of(DutySettings(rota=tmp_path / "rota.toml", webhook=hook))
