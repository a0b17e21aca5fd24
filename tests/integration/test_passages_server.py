"""Gates ask over TLS: the service with a real socket, started and stopped as the node does."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from node.passage_settings import GateSettings, PassageSettings
from node.passages import server
from node.passages.draw import Dice
from node.passages.server import Parts
from port2port.clock import SystemClock
from port2port.errors import ConfigurationError
from tests.fakes.desks import A, Harbour
from tests.fakes.passages import container

SECRET = "cd" * 32


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    made = Harbour(tmp_path)
    yield made
    made.close()


def certificate(home: Path) -> tuple[Path, Path]:
    """(certificate, key) for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = home / "gate.pem", home / "gate.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return paths


def parts(harbour: Harbour, **more: object) -> Parts:
    secret = harbour.home / "gate.secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    desk, clock = harbour.desks[A], SystemClock()
    gates = (GateSettings(name="gate", secret=secret),)
    return Parts(
        settings=PassageSettings(**{"listen": "127.0.0.1:0", "answer_ms": 20, "gates": gates, **more}),
        member=A,
        store=desk.node.store,
        clock=clock,
        trusted_ms=lambda: int(clock.now().timestamp() * 1_000),
        roster=lambda: desk.node.inbox.state.roster,
        dice=Dice(b"\x03" * 32),
    )


async def asked(port: int, raw: bytes, context: ssl.SSLContext, secret: str = SECRET) -> bytes:
    """One request on a connection of its own; all that came back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    head = f"POST /passage HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\nConnection: close\r\n"
    writer.write(head.encode() + f"Content-Length: {len(raw)}\r\n\r\n".encode() + raw)
    found = await reader.read()
    writer.close()
    return found


def test_a_gate_asks_over_tls_and_all_answers_have_one_length(harbour: Harbour) -> None:
    shown, key = certificate(harbour.home)
    given = parts(harbour, certificate=shown, key=key)
    context = ssl.create_default_context(cafile=str(shown))

    async def go() -> list[bytes]:
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(server.serve(given, ready=ready.set_result))
        port = await asyncio.wait_for(ready, 10)
        found = []
        for number in range(12):
            body = {"kind": "container", "number": container(number), "place": "p", "passage": str(number)}
            found.append(await asked(port, json.dumps(body).encode(), context))
        found.append(await asked(port, b"{}", context, secret="no"))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return found

    *answers, refused = asyncio.run(go())
    assert len({len(raw) for raw in answers}) == 1
    assert {json.loads(raw.partition(b"\r\n\r\n")[2])["answer"] for raw in answers} == {"proceed", "routine check"}
    assert refused.startswith(b"HTTP/1.1 401")


def test_an_address_that_is_taken_or_a_certificate_that_is_none_is_told(harbour: Harbour) -> None:
    nothing = harbour.home / "none.pem"
    with pytest.raises(ConfigurationError, match="certificate"):
        asyncio.run(server.serve(parts(harbour, certificate=nothing, key=nothing)))
    with pytest.raises(ConfigurationError, match="cannot"):
        asyncio.run(server.serve(parts(harbour, listen="no-such-host.invalid:1", certificate=nothing, key=nothing)))
