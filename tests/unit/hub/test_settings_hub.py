from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.settings import HubSettings, split_address, template
from port2port.errors import ConfigurationError
from port2port.settings import parse


def settings(text: str) -> HubSettings:
    return parse(text.encode(), HubSettings, name="hub.toml")


def test_the_template_is_a_valid_file_with_every_option_and_its_comment():
    text = template("ports.example", {"listen": "127.0.0.1:1234"})
    made = settings(text)
    assert made.federation == "ports.example"
    assert made.listen == "127.0.0.1:1234"
    for name, field in HubSettings.model_fields.items():
        assert name in text
        assert field.description in text


def test_options_that_the_template_shows_are_at_their_defaults():
    shown = template("ports.example", {})
    uncommented = "\n".join(
        line.removeprefix("#") if line.startswith("#") and not line.startswith("# ") else line
        for line in shown.splitlines()
        if line
        not in (
            "#public_address = ",
            "#public_enrolment_address = ",
            "#metrics_listen = ",
            "#operator = ",
            "#[console]",
        )
    )
    assert settings(uncommented) == settings('federation = "ports.example"')


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "federation"),
        ('federation = "No Name"', "federation"),
        ('federation = "p2p.test"\nlisten = "nowhere"', "listen"),
        ('federation = "p2p.test"\nlisten = "h:99999"', "listen"),
        ('federation = "p2p.test"\nlissten = "127.0.0.1:1"', "lissten"),
        ('federation = "p2p.test"\ndatabase = "mysql://x"', "database"),
        ('federation = "p2p.test"\nlog_level = "LOUD"', "log_level"),
        ('federation = "p2p.test"\nnames = []', "names"),
        ('federation = "p2p.test"\nverify_threads = -1', "verify_threads"),
    ],
)
def test_a_wrong_file_is_refused_and_the_option_named(text, named):
    with pytest.raises(ConfigurationError, match=named):
        settings(text)


def test_paths_count_from_the_file(tmp_path):
    made = parse(b'federation = "p2p.test"', HubSettings, name="hub.toml", directory=tmp_path)
    assert made.ca_key == tmp_path / "ca.key"
    assert made.database_url == f"sqlite:///{tmp_path / 'hub.sqlite'}"


def test_port_zero_means_any_free_one():
    assert split_address(settings('federation = "p2p.test"\nlisten = "127.0.0.1:0"').listen) == ("127.0.0.1", 0)


@given(st.binary(max_size=200))
def test_any_bytes_are_settings_or_a_configuration_error(raw):
    with pytest.raises(ConfigurationError):
        parse(raw, HubSettings, name="hub.toml")


def test_a_console_says_whose_coordinators_sit_at_it():
    with pytest.raises(ConfigurationError, match="a console needs operator"):
        settings('federation = "ports.example"\n[console]\n')
    made = settings('federation = "ports.example"\noperator = "namb"\n[console]\n')
    assert made.console is not None
    with pytest.raises(ConfigurationError, match="member id"):
        settings('federation = "ports.example"\noperator = "N A"\n')
