"""An officer sees at once that a draft came from outside, from whom, how far that is trusted, and what is an echo."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from node.drafts import Draft, get
from node.foreign.normalising import Normaliser
from node.foreign.taking import Desk, Source, take
from port2port.console.told import known
from port2port.imported import CREDIBILITIES, RELIABILITIES, Grade
from tests.fakes.desk_console import DeskConsole, desk_console
from tests.fakes.desks import A
from tests.fakes.foreign import an_indicator, items
from tests.fakes.left_over import left_over


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskConsole]:
    with desk_console(tmp_path_factory.mktemp("imported")) as made:
        yield made


def brought(console: DeskConsole, value: str) -> Draft:
    desk = console.desk
    taking = Desk(
        defaults=desk.defaults,
        normaliser=Normaliser(desk.fed.validate),
        members=frozenset(),
        now=desk.fed.clock.now(),
    )
    source = Source(name="national-cert", grade=Grade(reliability="B", credibility=2))
    desk.node.store.write_now(lambda c: take(c, source, items(an_indicator(value)), taking))
    number = desk.node.store.read_now(lambda c: c.exec_driver_sql("SELECT count(*) FROM draft").scalar())
    return desk.node.store.read_now(lambda c: get(c, f"D{number}"))


def page(console: DeskConsole, draft: Draft, language: str) -> str:
    text: str = console.visitor("o1").client.get(f"/drafts/{draft.id}", headers={"Accept-Language": language}).text
    return text


def test_the_page_names_source_and_grade_and_leaves_no_english(console: DeskConsole) -> None:
    desk = console.desk
    ours = desk.fed.indicator(A, pattern="[domain-name:value = 'evil.example']")
    desk.feed.log(desk.fed.publish(A, objects=[ours]))
    desk.pull()
    draft = brought(console, "evil.example")
    english = page(console, draft, "en")
    assert "national-cert" in english
    assert "B2: usually reliable, probably true" in english
    assert f"An echo: {A} said this before" in english
    for language, word in (("nl", "doorgaans betrouwbaar"), ("fr", "probablement vrai"), ("de", "Ein Echo")):
        told = page(console, draft, language)
        assert word in told
        assert left_over(english, told) == []


def test_what_is_no_echo_is_not_called_one(console: DeskConsole) -> None:
    assert "An echo" not in page(console, brought(console, "another.example"), "en")


def test_every_grade_has_words_in_every_language() -> None:
    assert [word for word in (*RELIABILITIES.values(), *CREDIBILITIES.values()) if not known(word)] == []
