"""The log's pages: hidden leaves as index and hash, proofs to take away, and an audit row for whoever looks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
import sqlalchemy as sa

from hub.console.log_words import PARTS, REASONS
from hub.tables import AUDIT
from port2port import bundle
from port2port.checkpoint import Checkpoint, sign
from port2port.console.roles import Role
from port2port.tlp import Tlp
from tests.fakes.federation import stix_id_of
from tests.fakes.picture_console import PictureConsole, picture_console


@pytest.fixture
def console(tmp_path: Path) -> Iterator[PictureConsole]:
    with picture_console(tmp_path) as made:
        yield made


def leaves(text: str) -> list[int]:
    return [int(found) for found in re.findall(r'<a href="/log/(\d+)">', text)]


def actions(console: PictureConsole) -> list[str]:
    query = sa.select(AUDIT.c.event).order_by(AUDIT.c.id)
    return list(console.desk.store.database.read_now(lambda c: c.execute(query).scalars().all()))


def test_a_hidden_leaf_is_listed_by_index_and_hash(console: PictureConsole) -> None:
    (a,) = console.desk.admit([console.desk.fed.publish("beanr", tlp=Tlp.AMBER)])
    own, other = (console.visitor(name).get("/log").text for name in ("beanr", "belgg"))
    assert leaves(own) == leaves(other) == [a, 1, 0]
    assert "content withheld" not in own
    assert other.count("content withheld") == 1


def test_a_search_finds_what_its_reader_may_read_and_is_an_audit_row(console: PictureConsole) -> None:
    fed = console.desk.fed
    indicator = fed.indicator("beanr", tlp=Tlp.AMBER)
    (a,) = console.desk.admit([fed.publish("beanr", objects=[indicator], tlp=Tlp.AMBER)])
    query = f"/log?indicator={stix_id_of(indicator)}"
    assert leaves(console.visitor("beanr").get(query).text) == [a]
    assert leaves(console.visitor("belgg").get(query).text) == []
    assert actions(console)[-2:] == ["log.search"] * 2
    assert leaves(console.visitor().get("/log?member=beanr&kind=publish&from=2020-01-01&to=2099-01-01").text) == [a]


@pytest.mark.parametrize("query", ["leaf=-1", "leaf=two", "from=yesterday", "to=2026-13-01"])
def test_what_is_wrong_with_a_search_stands_at_its_field(console: PictureConsole, query: str) -> None:
    answer = console.visitor().get(f"/log?{query}")
    assert answer.status_code == 422
    assert f'id="f-{query.split("=", maxsplit=1)[0]}-error"' in answer.text


def test_older_leaves_follow_without_a_gap(console: PictureConsole) -> None:
    console.desk.admit([console.desk.fed.publish("beanr") for _ in range(51)])
    visitor = console.visitor()
    first = visitor.get("/log").text
    (older,) = re.findall(r'href="(/log\?before=\d+)"', first)
    assert leaves(first) + leaves(visitor.get(older).text) == list(range(52, -1, -1))


def test_an_entry_shows_its_path_and_a_hidden_one_nothing_else(console: PictureConsole) -> None:
    (a,) = console.desk.admit([console.desk.fed.publish("beanr", tlp=Tlp.AMBER)])
    own, other = (console.visitor(name).get(f"/log/{a}").text for name in ("beanr", "belgg"))
    assert "port2port verify" in own
    assert "port2port verify entry" not in other
    assert "You may not read this entry" in other
    given = [console.visitor(name).get(f"/log/{a}/proof").json() for name in ("beanr", "belgg")]
    assert [one.pop("readable") for one in given] == [True, False]
    assert given[0] == given[1]
    assert "log.open" in actions(console)


def test_the_bundle_verifies_and_is_for_readers_only(console: PictureConsole) -> None:
    fed = console.desk.fed
    (a,) = console.desk.admit([fed.publish("beanr", tlp=Tlp.AMBER)])
    given = console.visitor("beanr").get(f"/log/{a}/bundle")
    assert bundle.check(given.content, fed.genesis_hash, fed.validate).entry.index == a
    assert console.visitor("belgg").get(f"/log/{a}/bundle").status_code == 404
    assert actions(console).count("log.bundle") == 1


def test_beyond_the_log_there_is_nothing(console: PictureConsole) -> None:
    visitor = console.visitor()
    paths = ("/log/99", "/log/99/proof", "/log/99/bundle", "/log/consistency?first=99", "/log/consistency")
    assert {visitor.get(path).status_code for path in paths} == {404}


def test_two_checkpoints_are_compared(console: PictureConsole) -> None:
    desk, visitor = console.desk, console.visitor()
    early = desk.log.checkpoint().note.decode()
    desk.admit([desk.fed.publish("beanr")])
    late = desk.log.checkpoint().note.decode()
    fork = sign(Checkpoint(origin=desk.fed.origin, size=2, root=b"f" * 32), desk.fed.log_key).note.decode()

    def compared(first: str, second: str) -> str:
        return str(visitor.send("/log/compare", page="/log/compare", first=first, second=second).text)

    assert "one history" in compared(early, late.replace("\n", "\r\n").strip())
    assert "They contradict each other" in compared(early, fork)
    answer = visitor.send("/log/compare", page="/log/compare", first=early, second="nonsense")
    assert answer.status_code == 422
    assert 'id="f-second-error"' in answer.text
    assert "log.compare" in actions(console)


def test_an_auditor_reads_the_log_and_an_admin_does_not(console: PictureConsole) -> None:
    assert console.visitor("beanr", Role.AUDITOR).get("/log").status_code == 200
    assert console.visitor("beanr", Role.ADMIN).get("/log").status_code == 404
    assert console.stranger().get("/log").headers["location"].startswith("/sign-in")


def test_every_part_and_reason_of_the_check_has_words() -> None:
    source = files("port2port.console").joinpath("static/proof.mjs").read_text()
    parts = re.search(r"PARTS = \[(.*?)\]", source, re.DOTALL)
    reasons = re.search(r"REASONS = \((.*?)\)\.split", source, re.DOTALL)
    assert parts
    assert reasons
    assert set(re.findall(r'"([a-z]+)"', parts[1])) <= set(PARTS)
    assert set("".join(re.findall(r'"(.*?)"', reasons[1])).split()) <= set(REASONS)
