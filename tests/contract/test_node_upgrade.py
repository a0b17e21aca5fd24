"""A node's database of an earlier version is brought to this one with all its rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext

import node.migrations
from node import alarms, indicators, store, tables
from node.alarms import Code
from node.store import NodeStore, open_store
from port2port.clock import from_ms, to_ms
from port2port.console.tables import console_metadata
from port2port.database import make_engine, sqlite_url, write
from port2port.tlp import Tlp
from tests.fakes.federation import Federation, stix_id_of
from tests.fakes.feed import digest_in

EXERCISE = "exercise:storm-1"


def at_revision(url: str, revision: str, fill: list[tuple[str, dict[str, object]]]) -> None:
    """A database as an earlier version left it, with these rows."""

    def make(connection: sa.Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(node.migrations.__file__).parent))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        for table, values in fill:
            columns = ", ".join(f'"{name}"' for name in values)
            marks = ", ".join(f":{name}" for name in values)
            connection.execute(sa.text(f'INSERT INTO "{table}" ({columns}) VALUES ({marks})'), values)  # our own names

    engine = make_engine(url)
    write(engine, make)
    engine.dispose()


def indicator_row(number: int, realm: str) -> dict[str, object]:
    flags = dict.fromkeys(("revoked", "suspended", "disputed", "machine_only"), False)
    times = {"modified_ms": 5, "valid_from_ms": None, "valid_until_ms": 9}
    said = {"handling": "act", "tlp": "green", "state": "watched", "reason": "", "body": b'{"stix":"{}"}'}
    name = {"issuer": "belgg", "stix_id": f"indicator--{number:08}-0000-4000-8000-000000000000", "realm": realm}
    return {**name, "index": number, **times, **said, **flags}


def entry_row(index: int, raw: bytes, realm: str, fed: Federation) -> dict[str, object]:
    digest = digest_in(raw)
    names = {"statement_id": f"urn:uuid:{index}", "kind": "publish", "issuer": "belgg", "signer": "k", "seq": index}
    flags = dict.fromkeys(("control", "late", "machine_only", "own", "disputed", "reaffirmed"), False)
    at_ms = to_ms(fed.clock.now())
    given = {"index": index, "digest": digest, "realm": realm, "issued_ms": at_ms, "received_ms": at_ms}
    return {**given, **names, "envelope": raw, "understood": True, **flags}


@pytest.fixture
def old(tmp_path: Path) -> Iterator[tuple[NodeStore, list[str]]]:
    fed, url = Federation(), sqlite_url(tmp_path / "n.db")
    raws = [fed.indicator("belgg"), fed.indicator("belgg")]
    entries = [
        fed.publish("belgg", objects=[raw], realm=realm) for raw, realm in zip(raws, ("real", EXERCISE), strict=True)
    ]
    alarm = {"subject": "", "level": "critical", "text": "upgrade", "raised_ms": 1, "last_ms": 1, "times": 1}
    at_revision(
        url,
        "0002",
        [
            ("indicator", indicator_row(1, "real")),
            ("indicator", indicator_row(2, EXERCISE)),
            ("entry", entry_row(1, entries[0], "real", fed)),
            ("entry", entry_row(2, entries[1], EXERCISE, fed)),
            ("alarm", {"code": "UPGRADE", "seen_by": "", **alarm}),
        ],
    )
    opened = open_store(url)
    yield opened, [stix_id_of(raw) for raw in raws]
    opened.close()


def test_indicators_keep_all_they_had_and_stand_under_their_realm(old: tuple[NodeStore, list[str]]) -> None:
    found = old[0].read_now(lambda c: indicators.changed_since(c, -1))
    assert [(one.realm, one.issuer, one.index, one.stix, one.tlp) for one in found] == [
        ("real", "belgg", 1, b"{}", Tlp.GREEN),
        (EXERCISE, "belgg", 2, b"{}", Tlp.GREEN),
    ]
    assert [one.may_match for one in found] == [True, False]

    def twice(connection: sa.Connection) -> None:
        row = {**indicator_row(1, EXERCISE), "index": 7}
        connection.execute(sa.insert(tables.IndicatorRow).values(row))

    old[0].write_now(twice)
    assert len(old[0].read_now(lambda c: indicators.by_stix_id(c, found[0].stix_id))) == 2
    with pytest.raises(sa.exc.IntegrityError):
        old[0].write_now(twice)


def test_the_realms_of_objects_are_read_from_the_entries(old: tuple[NodeStore, list[str]]) -> None:
    names = [("belgg", stix_id) for stix_id in old[1]]
    assert old[0].read_now(lambda c: store.realm_of(c, names)) == {names[0]: "real", names[1]: EXERCISE}


def test_a_standing_alarm_has_its_new_code(old: tuple[NodeStore, list[str]]) -> None:
    assert [one.code for one in old[0].read_now(alarms.standing)] == [Code.UPGRADE_NEEDED]


def test_the_upgraded_tables_are_those_of_a_new_database(old: tuple[NodeStore, list[str]]) -> None:
    def differences(connection: sa.Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, [tables.metadata, console_metadata]))

    assert old[0].read_now(differences) == []
    keys = old[0].read_now(lambda c: sa.inspect(c).get_pk_constraint("indicator"))
    assert keys["constrained_columns"] == ["realm", "issuer", "stix_id"]


def test_what_indicators_name_is_read_from_the_patterns_there_are(tmp_path: Path) -> None:
    url, rows = sqlite_url(tmp_path / "n.db"), [indicator_row(number, "real") for number in (1, 2, 3)]
    patterns = ("[vessel:mmsi = '205123456']", "[vessel:mmsi = '205000001']", "[vessel:name MATCHES 'x']")
    for row, pattern in zip(rows, patterns, strict=True):
        said = {"type": "indicator", "pattern": pattern}
        row["body"] = orjson.dumps({"stix": orjson.dumps(said).decode()})
    at_revision(url, "0009", [("indicator", row) for row in rows])
    opened, asked = open_store(url), [("vessel:mmsi", "205123456"), ("vessel:name", "x")]
    found = opened.read_now(lambda c: indicators.naming(c, asked, from_ms(5), most=9))
    opened.close()
    assert [one.stix_id for one in found] == [rows[0]["stix_id"]]
