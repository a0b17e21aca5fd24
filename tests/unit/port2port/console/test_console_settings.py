"""The console's settings: what opens a door is refused, and every option is documented."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel, ValidationError

from port2port.console.settings import ConsoleSettings
from tests.fakes.checkout import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

_TLS = {"certificate": "c.pem", "key": "k.pem"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"listen": "127.0.0.1:0", "origin": "http://localhost:9000", "demo": True},
        {"listen": "0.0.0.0:443", "origin": "https://desk.port.example", **_TLS},
        {"listen": "[::1]:8443", "origin": "http://localhost:8443"},
        {"listen": "127.0.0.1:8080", "origin": "https://desk.port.example"},
    ],
    ids=["defaults", "demo", "TLS", "IPv6", "behind a proxy on this machine"],
)
def test_settings_that_are_safe_are_accepted(given: dict[str, object]) -> None:
    assert ConsoleSettings(**given).port >= 0


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param({"listen": "0.0.0.0:8443"}, "without a certificate", id="open without TLS"),
        pytest.param(
            {"listen": "0.0.0.0:8443", "origin": "https://a.example", "demo": True, **_TLS},
            "demo binds",
            id="open demo",
        ),
        pytest.param({"origin": "https://a.example", "demo": True}, "demo binds", id="demo under a public name"),
        pytest.param({"origin": "http://a.example"}, "https", id="plain http"),
        pytest.param({"origin": "https://a.example/x"}, "without a path", id="path"),
        pytest.param({"origin": "https://A.example"}, "lower case", id="capitals"),
        pytest.param({"origin": "https://u@a.example"}, "https", id="user"),
        pytest.param({"certificate": "c.pem"}, "go together", id="certificate alone"),
        pytest.param({"client_certificates": {"ca": "ca.pem"}}, "need TLS", id="client certificates without TLS"),
        pytest.param({"zone": "Mars/Phobos"}, "time zone", id="zone"),
        pytest.param({"zone": "../etc/passwd"}, "time zone", id="path as zone"),
        pytest.param({"languages": []}, "at least 1", id="no language"),
        pytest.param({"languages": ["es"]}, "'nl'", id="another language"),
        pytest.param({"listen": "8443"}, "host:port", id="no host"),
        pytest.param({"nonsense": 1}, "not permitted", id="unknown option"),
    ],
)
def test_settings_that_open_a_door_or_make_no_sense_are_refused(given: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        ConsoleSettings(**given)


def test_passkeys_belong_to_the_host_name_without_its_port() -> None:
    assert ConsoleSettings(origin="https://desk.port.example:8443").rp_id == "desk.port.example"


def _options(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        assert field.description, name
        tables = [kind for kind in getattr(field.annotation, "__args__", ()) if _is_model(kind)]
        for table in tables:
            yield from _options(table, f"{prefix}{name}.")
        if not tables:
            yield f"{prefix}{name}"


def _is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def test_every_option_is_documented_and_every_documented_option_exists() -> None:
    document = (REPOSITORY / "docs" / "configuration.md").read_text(encoding="utf-8")
    listed = {line.split("`")[1] for line in document.splitlines() if line.startswith("| `console.")}
    assert listed == set(_options(ConsoleSettings, "console."))
