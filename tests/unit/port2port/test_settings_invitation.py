"""Files from outside: settings and invitations are read strictly, or refused with a clear reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from node.settings import AlarmSettings, KeySettings, NodeSettings, SourceSettings
from port2port import invitation, settings
from port2port.errors import ConfigurationError
from port2port.invitation import Invitation, InvitationError
from port2port.limits import LIMITS
from tests.fakes.examples import many

GOOD = f"""
federation = "p2p.test"
genesis = "{"a" * 64}"
member = "beanr"
hub = "localhost:7401"
enrolment = "[::1]:7402"
"""


def parse(text: str | bytes, directory: Path | None = None) -> NodeSettings:
    raw = text.encode() if isinstance(text, str) else text
    return settings.parse(raw, NodeSettings, name="node.toml", directory=directory)


def test_the_smallest_file_is_enough_and_paths_count_from_it(tmp_path: Path) -> None:
    found = parse(GOOD, tmp_path)
    assert found.keys.machine == tmp_path / "machine.key"
    assert found.database_url == f"sqlite:///{tmp_path / 'node.db'}"
    assert found.alarms.certificate_hours == 6
    absolute = parse(GOOD + '[keys]\nmachine = "/etc/p2p/m.key"\n', tmp_path)
    assert absolute.keys.machine == Path("/etc/p2p/m.key")
    assert absolute.keys.witness == tmp_path / "witness.key"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD + "hubb = 1", "hubb: unknown option"),
        (GOOD + "[keys]\nmaschine = 'x'", "keys.maschine: unknown option"),
        (GOOD.replace('"beanr"', '"BEANR"'), "member: "),
        (GOOD.replace("a" * 64, "a" * 63), "genesis: "),
        ("", "federation: "),
        ("a = ", "not TOML"),
        (b"\xff\xfe", "not TOML"),
        (GOOD + "[[sources]]\nname='x'\nkind='udp'", "sources.0: "),
        (GOOD + "[[sources]]\nname='x'\nkind='carrier-pigeon'", "sources.0.kind: "),
        ("a=" + "[" * 5_000, "not TOML"),
        ("#" * (LIMITS.settings_bytes + 1), "larger than"),
    ],
)
def test_a_wrong_file_names_itself_and_the_option(text: str | bytes, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(text)
    assert "node.toml" in str(caught.value)
    assert says in str(caught.value)


def test_a_value_is_never_repeated_in_the_message() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(GOOD + 'node = "correct horse battery staple"')
    assert "correct horse" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read node\.toml"):
        settings.load(tmp_path / "node.toml", NodeSettings)


@examples(max_examples=many(300), deadline=None)
@given(raw=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_any_settings_file_is_read_or_refused(raw: bytes) -> None:
    with pytest.raises(ConfigurationError):
        parse(raw)


def invite() -> Invitation:
    return Invitation(
        federation="p2p.test",
        genesis="b" * 64,
        hub="hub.example:7401",
        enrolment="hub.example:7402",
        ca="-----BEGIN CERTIFICATE-----\nx\n",
        member="beanr",
        node=1,
        token=bytes(16),
        expires=datetime(2026, 11, 23, tzinfo=UTC),
    )


def test_an_invitation_comes_back_as_it_was() -> None:
    assert invitation.parse(invite().to_bytes() + b"\n") == invite()


@pytest.mark.parametrize(
    "change",
    [
        {"member": "BEANR"}, {"node": 0}, {"node": 10_000}, {"genesis": "b" * 63}, {"hub": "nowhere"},
        {"enrolment": "host:70000"}, {"ca": "x"}, {"federation": "Not A Name"}, {"token": b"short"},
    ],
)  # fmt: skip
def test_an_impossible_invitation_is_never_written(change: dict[str, object]) -> None:
    with pytest.raises(InvitationError):
        replace(invite(), **change).to_bytes()  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"v": 2}, {"v": True}, {"extra": 1}, {"node": True}, {"expires": "tomorrow"}])
def test_another_form_of_invitation_is_refused(change: dict[str, object]) -> None:
    data = {**orjson.loads(invite().to_bytes()), **change}
    with pytest.raises(InvitationError):
        invitation.parse(orjson.dumps(data, option=orjson.OPT_SORT_KEYS))


@examples(max_examples=many(300), deadline=None)
@given(raw=st.binary(max_size=300))
def test_any_invitation_is_read_or_refused(raw: bytes) -> None:
    with pytest.raises(InvitationError):
        invitation.parse(raw)


@pytest.mark.parametrize(
    ("table", "prefix"),
    [(NodeSettings, ""), (KeySettings, "keys."), (AlarmSettings, "alarms."), (SourceSettings, "sources.")],
)
def test_every_option_of_the_node_stands_in_the_documentation_with_its_meaning(
    table: type[settings.Settings], prefix: str
) -> None:
    text = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text().partition("## Node")[2]
    for name, field in table.model_fields.items():
        assert f"| `{prefix}{name}` |" in text
        assert str(field.description) in text
