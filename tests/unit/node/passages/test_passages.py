"""One passage, one answer: who is looked for is checked and told of to officers, and nothing tells the gate why."""

from __future__ import annotations

import asyncio
import json
import logging
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node import hits, tables
from node.passage_settings import PassageSettings
from node.passages import ledger
from node.passages.draw import DAY_MS, HOUR_MS
from node.passages.keys import dice_of, read_secret
from node.passages.ledger import Question
from node.passages.questions import QUESTION_BYTES, QuestionError, read_question
from port2port.clock import from_ms
from port2port.errors import ConfigurationError
from port2port.stix.pseudonyms import pseudonym
from port2port.tlp import Tlp
from tests.fakes.desks import A, B
from tests.fakes.federation import refs_body, statement_of
from tests.fakes.gates import LISTED, GatedPort
from tests.fakes.passages import MemoryLedger, container

PROCEED, CHECK = "proceed", "routine check"
ON_LISTED = f"[freight-container:number = '{LISTED}']"
BADGE = pseudonym("badge", "BEANR000001", epoch_key=b"\x05" * 32)
ROW = tables.PassageRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
DAY = tables.PassageDayRow.__table__  # type: ignore[attr-defined]  # as above


@pytest.fixture
def port(tmp_path: Path) -> Iterator[GatedPort]:
    made = GatedPort(tmp_path, random_share=0.005)
    made.covered()
    yield made
    made.close()


def rows(port: GatedPort) -> list[Any]:
    return list(port.desk.node.store.read_now(lambda c: c.execute(sa.select(ROW).order_by(ROW.c.id)).all()))


def listed_now(port: GatedPort, number: str = LISTED, kind: str = "container") -> bool:
    """Whether a question found it looked for, whatever the answer was."""
    port.question(number, kind=kind)
    return bool(rows(port)[-1].listed)


def test_a_container_that_is_looked_for_is_checked_and_another_passes(port: GatedPort) -> None:
    port.lists(ON_LISTED)
    port.question(container(1))  # the one random check of the day, should it fall here
    assert port.question(LISTED) == CHECK
    assert [port.question(container(n)) for n in range(2, 12)].count(PROCEED) >= 8


def test_both_answers_are_of_one_length_and_one_form(port: GatedPort) -> None:
    port.lists(ON_LISTED)
    ask = {"kind": "container", "place": "lane 2"}
    one = port.post(json.dumps({**ask, "number": LISTED, "passage": "1"}).encode())
    two = port.post(json.dumps({**ask, "number": container(77), "passage": "2"}).encode())
    assert {one.json()["answer"], two.json()["answer"]} == {CHECK, PROCEED}
    assert len(one.content) == len(two.content)
    assert one.headers == two.headers
    assert set(one.json()) == {"answer"}


def test_an_answer_leaves_a_fixed_time_after_its_question_however_long_the_work_took(port: GatedPort) -> None:
    port.lists(ON_LISTED)
    began = port.clock.monotonic()
    for number in (LISTED, container(3), container(4)):
        port.question(number)
    assert port.clock.slept == [pytest.approx(0.25)] * 3
    assert port.clock.monotonic() - began == pytest.approx(0.75)


def test_every_question_runs_the_same_statements(port: GatedPort) -> None:
    port.lists(ON_LISTED)
    port.question(container(1))
    ran: list[list[str]] = []
    engine = port.desk.node.store.database.engine

    def note(*given: Any) -> None:
        ran[-1].append(str(given[2]))

    sa.event.listen(engine, "before_cursor_execute", note)
    for number in (LISTED, container(2), "no number at all"):
        ran.append([])
        port.question(number)
    assert ran[0] == ran[1] == ran[2]


@pytest.mark.parametrize(
    "why",
    ["observe only", "quarantined", "disputed", "too strict", "revoked", "expired", "suspended", "held", "not meant"],
)
def test_what_no_machine_may_act_on_is_as_unlisted_as_anything(port: GatedPort, why: str) -> None:
    fed = port.harbour.fed
    more: dict[str, Any] = {
        "observe only": {"handling": "observe_only"},
        "quarantined": {"state": "quarantined"},
        "too strict": {"tlp": Tlp.AMBER, "groups": (), "recipients": ()},
        "not meant": {"pattern": f"[freight-container:number = '{LISTED}' AND freight-container:size_type = '45G1']"},
        "expired": {"stix": {"valid_until": fed.clock.now() + timedelta(hours=1)}},
    }.get(why, {})
    ident = port.lists(more.pop("pattern", ON_LISTED), **more)
    later = {
        "revoked": lambda: fed.retract(B, [ident]),
        "suspended": lambda: fed.suspend((B, ident)),
        "held": lambda: fed.content(B, "hold", tlp=Tlp.GREEN, body=refs_body([(B, ident)])),
    }.get(why)
    if later is not None:
        port.harbour.feed.log(later())
        port.desk.pull()
    if why == "disputed":
        table = tables.IndicatorRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
        port.desk.node.store.write_now(lambda c: c.execute(sa.update(table).values(disputed=True)))
    if why == "expired":
        port.clock.advance(7_200)
    assert not listed_now(port)


def test_the_counter_test_the_same_indicator_without_any_of_this_is_found(port: GatedPort) -> None:
    port.lists(ON_LISTED)
    assert listed_now(port)


def test_a_hold_counts_for_questions_asked_after_it_and_of_its_author_alone(port: GatedPort) -> None:
    ident = port.lists(ON_LISTED)
    assert listed_now(port)
    port.harbour.feed.log(port.harbour.fed.content(B, "hold", tlp=Tlp.GREEN, body=refs_body([(B, ident)])))
    port.desk.pull()
    assert not listed_now(port)


def test_a_badge_is_asked_for_by_its_pseudonym_and_for_the_purpose_it_was_shared_for(port: GatedPort) -> None:
    given: dict[str, Any] = {"personal_data": True, "two_officers": True}
    port.lists(f"[badge:pseudonym = '{BADGE}']", purpose="drug-trafficking", **given)
    assert listed_now(port, BADGE.upper(), kind="badge")
    assert not listed_now(port, BADGE, kind="vehicle")
    other = pseudonym("badge", "BEANR000002", epoch_key=b"\x05" * 32)
    port.lists(f"[badge:pseudonym = '{other}']", purpose="customs", **given)
    assert not listed_now(port, other, kind="badge")


def test_officers_are_told_at_their_desk_and_its_author_by_a_sighting(
    port: GatedPort, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    port.lists(ON_LISTED)
    port.question(container(9))
    port.question(LISTED)
    port.question(LISTED)
    asyncio.run(port.telling.tell())
    (hit,) = port.desk.node.store.read_now(lambda c: hits.undecided(c, port.clock.now()))
    assert hit.subject == ("freight-container:number", LISTED)
    assert [statement_of(raw).kind for raw in port.desk.send()] == ["sighting"]
    asyncio.run(port.telling.tell())
    assert port.desk.send() == []
    ours = [record for record in caplog.records if record.name.partition(".")[0] in {"node", "port2port"}]
    assert ours == []


def test_officers_are_told_also_of_one_of_their_own_and_where_the_gate_let_it_pass(tmp_path: Path) -> None:
    port = GatedPort(tmp_path)
    port.lists(ON_LISTED, issuer=A, state="")
    assert port.question(LISTED) == PROCEED  # a new gate has no cover
    asyncio.run(port.telling.tell())
    (hit,) = port.desk.node.store.read_now(lambda c: hits.undecided(c, port.clock.now()))
    assert hit.indicator.issuer == A
    assert port.desk.send() == []
    port.close()


def test_officers_read_at_which_gate_it_was_and_what_the_gate_was_told(port: GatedPort) -> None:
    ident, began = port.lists(ON_LISTED), port.clock.now()
    port.question(container(9))
    port.question(LISTED, passage="lorry 7")
    (one,) = port.desk.node.store.read_now(
        lambda c: ledger.passed(c, ("real", B, ident), began, port.clock.now() + timedelta(minutes=1))
    )
    assert (one.gate, one.place, one.passage, one.checked) == ("gate-1", "lane 2", "lorry 7", True)


def test_before_the_first_entry_of_the_log_a_gate_is_told_to_do_without(port: GatedPort) -> None:
    port.service = type(port.service)(replace(port.service._parts, roster=lambda: None))
    response = port.post(b'{"kind":"container","number":"X","place":"p","passage":"1"}')
    assert response.status_code == 503
    assert rows(port) == []


def test_each_question_is_written_down_without_the_number(port: GatedPort) -> None:
    port.lists(ON_LISTED)
    port.question(LISTED, passage="first")
    port.question("nonsense ☃", passage="second")
    one, two = rows(port)
    assert (one.gate, one.kind, one.place, one.passage) == ("gate-1", "container", "lane 2", "first")
    assert (one.listed, two.listed) == (True, False)
    assert one.digest != two.digest
    assert all(LISTED.encode() not in repr(tuple(row)).encode().replace(row.found, b"") for row in (one, two))


def test_one_passage_asked_twice_has_one_answer_days_later_too(port: GatedPort) -> None:
    port.question(container(1))  # the one random check of the day, should it fall here
    first = port.question(LISTED, passage="p")
    port.lists(ON_LISTED)
    port.clock.advance(2 * 86_400)
    assert port.question(LISTED, passage="p") == first == PROCEED
    assert port.question(LISTED, passage="another") == CHECK


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "JSON object"),
        (b"\xff\xfe", "JSON object"),
        (b"[]", "exactly"),
        (b"{}", "exactly"),
        (b'{"kind":"container","number":"X","place":"","passage":"1"}', "place"),
        (b'{"kind":"ship","number":"X","place":"p","passage":"1"}', "kind is one of"),
        (b'{"kind":"container","number":7,"place":"p","passage":"1"}', "number"),
        (b'{"kind":"container","number":"a\\nb","place":"p","passage":"1"}', "number"),
        (b" " * (QUESTION_BYTES + 1), "at most"),
        (b'{"a":' * 700, "JSON object"),
    ],
)
def test_what_is_no_question_is_refused_in_words(port: GatedPort, body: bytes, says: str) -> None:
    response = port.post(body)
    assert response.status_code == 400
    assert says in response.json()["error"]
    assert rows(port) == []


@pytest.mark.parametrize("secret", [None, "", "cd" * 32, "☃", "ab" * 31])
def test_who_has_no_secret_is_told_nothing(port: GatedPort, secret: str | None) -> None:
    shown = None if secret is None else secret.encode("ascii", "replace").decode()
    assert port.post(b"{}", secret=shown).status_code == 401


def test_a_gate_that_asks_too_fast_is_told_to_wait_and_another_goes_on(tmp_path: Path) -> None:
    port = GatedPort(tmp_path, per_minute=2)
    for _ in range(2):
        port.question(container(1))
    response = port.post(b"{}")
    assert (response.status_code, response.headers["retry-after"]) == (429, "60")
    port.clock.advance(30)
    port.question(container(1))
    port.close()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=200) | st.text(max_size=80).map(str.encode))
def test_any_bytes_are_a_question_or_no_question(raw: bytes) -> None:
    try:
        read_question("gate", raw)
    except QuestionError:
        return


@given(number=st.text(min_size=1, max_size=60).filter(str.isprintable), kind=st.sampled_from(["container", "badge"]))
def test_any_number_is_a_question(number: str, kind: str) -> None:
    raw = json.dumps({"kind": kind, "number": number, "place": "p", "passage": "1"}).encode()
    assert read_question("gate", raw).kind == kind


def test_the_ledger_of_sql_answers_as_the_one_of_memory(tmp_path: Path) -> None:
    """The same questions over ten weeks, at two gates, some again: the guessing tests speak for the real one."""
    port = GatedPort(tmp_path)
    dice, store = dice_of(tmp_path / "passages.key"), port.desk.node.store
    key = bytes.fromhex((tmp_path / "passages.key").read_text())
    numbers = [container(n) for n in range(60)]
    listed = set(numbers[::6])
    memory = MemoryLedger(listed, floor=0.2, key=key)
    one = port.desk.indicator(port.lists(ON_LISTED))
    assert one is not None

    def action(c: sa.Connection, gate: str, number: str, at_ms: int, turn: int) -> bool:
        question = Question(
            gate=gate, kind="container", key=("freight-container:number", number), place="p", passage=str(turn)
        )
        found = [one] if number in listed else []
        return ledger.answer(c, question, finds=lambda _c, _key: found, dice=dice, floor=0.2, now=from_ms(at_ms))

    def every(c: sa.Connection) -> list[tuple[bool, bool]]:
        asked = [
            (("a", "b")[(turn // 7) % 2], numbers[turn * turn % 60 if turn % 3 else turn % 60], turn * 2 * HOUR_MS)
            for turn in range(800)
        ]
        start = 20_000 * DAY_MS
        return [
            (action(c, gate, number, start + at, turn), memory.ask(gate, number, start + at))
            for turn, (gate, number, at) in enumerate(asked)
        ]

    answers = store.write_now(every)
    assert [real for real, _ in answers] == [fake for _, fake in answers]
    assert {real for real, _ in answers} == {True, False}
    counted = store.read_now(lambda c: {(row.gate, row.day): tuple(row)[3:8] for row in c.execute(sa.select(DAY))})
    kept = {key: (one[0], one[1], one[3], one[4]) for key, one in counted.items()}
    assert kept == memory.counts
    assert any(shown for *_, shown in kept.values())
    shown = store.read_now(lambda c: c.execute(sa.select(ROW.c.why).where(ROW.c.why != "").distinct()).scalars().all())
    assert set(shown) == {"random", "listed"}
    port.close()


def test_secrets_are_files_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "gate.secret"
    path.write_text("ab" * 32)
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        read_secret(path)
    path.chmod(0o600)
    assert read_secret(path) == b"ab" * 32
    path.write_text("password")
    with pytest.raises(ConfigurationError, match="64 hex digits"):
        read_secret(path)
    dice = dice_of(tmp_path / "made.key")
    assert stat.S_IMODE((tmp_path / "made.key").stat().st_mode) == 0o600
    assert dice_of(tmp_path / "made.key").roll("x") == dice.roll("x")


@pytest.mark.parametrize(
    "wrong",
    [
        {"listen": "0.0.0.0:7443"},
        {"certificate": "a.pem"},
        {"gates": [{"name": "a", "secret": "x"}, {"name": "a", "secret": "y"}]},
        {"gates": [{"name": "a", "secret": "x", "purposes": ["curiosity"]}]},
        {"gates": [{"name": "a", "secret": "x", "ceiling": "red"}]},
        {"random_share": 0.0},
    ],
)
def test_settings_that_would_tell_or_reveal_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        PassageSettings.model_validate(wrong)
