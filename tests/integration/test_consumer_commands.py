"""``port2port-hub consumer`` as an operator meets it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from hub import consumers
from hub.__main__ import main
from hub.cli.desk import Desk
from port2port.clock import SystemClock, to_ms
from tests.fakes.hub_home import make_hub_home

if TYPE_CHECKING:
    from pathlib import Path


MEMBER = "beanr"


@dataclass
class Home:
    """A founded hub's directory with a member, and its command line."""

    config: Path

    def call(self, *words: str) -> int:
        return main(["consumer", *words, "--config", str(self.config)])

    def admitted(self, name: str, secret: str, address: str = "192.0.2.7") -> bool:
        asked: dict[str, Any] = {"name": name, "secret": secret, "address": ip_address(address)}
        now_ms = to_ms(SystemClock().now())
        with Desk.open(self.config) as desk:
            return desk.store.database.read_now(lambda c: consumers.admit(c, **asked, now_ms=now_ms)) is not None


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(make_hub_home(tmp_path).config)


def test_a_system_is_let_in_with_a_secret_that_is_shown_once(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert home.call("add", "ndc-siem", "--member", MEMBER, "--network", "192.0.2.0/24") == 0
    said = capsys.readouterr().out
    secret = re.search(r"user ndc-siem {2}password (\S{43})", said)
    assert secret is not None
    assert f"ndc-siem.{secret[1]}" in said
    assert "taxii.consumer_listen is not set" in said
    assert home.admitted("ndc-siem", secret[1])
    assert not home.admitted("ndc-siem", secret[1], "198.51.100.1")
    assert home.call("list") == 0
    listed = capsys.readouterr().out
    assert secret[1] not in listed
    for words in ("ndc-siem", MEMBER, "TLP:GREEN", "192.0.2.0/24", "until "):
        assert words in listed


def test_renewing_ends_the_old_secret_and_revoking_every_one(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert home.call("list") == 0
    assert "no consumers" in capsys.readouterr().out
    secrets = []
    for words in (["add", "ndc-siem", "--member", MEMBER], ["renew", "ndc-siem", "--days", "7"]):
        assert home.call(*words) == 0
        secrets += re.findall(r"password (\S+)", capsys.readouterr().out)
    assert [home.admitted("ndc-siem", secret) for secret in secrets] == [False, True]
    assert home.call("revoke", "ndc-siem") == 0
    assert not home.admitted("ndc-siem", secrets[1])
    assert home.call("renew", "ndc-siem") == 2
    capsys.readouterr()
    assert home.call("list") == 0
    assert "revoked " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--member", "nobody"], "no member"),
        (["--member", MEMBER, "--affiliate", "nobody"], "no affiliate"),
        (["--member", MEMBER, "--ceiling", "amber"], "--i-have-their-word"),
        (["--member", MEMBER, "--ceiling", "pink"], "clear, green"),
        (["--member", MEMBER, "--network", "192.0.2.1/24"], "without host bits"),
        (["--member", MEMBER, "--days", "91"], "90 days"),
        (["--member", MEMBER, "--purpose", "curiosity"], "--purpose"),
    ],
)
def test_what_cannot_be_is_one_plain_sentence(
    home: Home, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert home.call("add", "ndc-siem", *words) == 2
    assert said in capsys.readouterr().err


def test_a_ceiling_above_green_stands_in_the_list_with_the_word_it_rests_on(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--member", MEMBER, "--ceiling", "amber", "--i-have-their-word", "letter of 3 November"]
    assert home.call("add", "ndc-siem", *words) == 0
    assert home.call("list") == 0
    assert "TLP:AMBER" in (listed := capsys.readouterr().out)
    assert "letter of 3 November" in listed
