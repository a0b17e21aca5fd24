"""Every error that a page can show has a sentence in every language: each class, and each text that the rooms raise."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest

import hub
import node
import port2port
from port2port.console.told import ALL, BY_CODE, by_code, known, told
from port2port.console.words import Wording, load_words
from port2port.errors import InvariantError, Port2PortError
from port2port.sharing.reasons import Reason

LANGUAGES = ("nl", "fr", "de")
ROOT = Path(__file__).parents[2]
# What ends as "something went wrong here", or ends the program before there are pages.
NEVER = {"INVARIANT", "UNKNOWN_ASSET", "STAGE", "ERROR", "PROCESS"}
# The modules whose errors officers and coordinators read as they are raised: each sentence of theirs is told exactly.
ROOMS = (
    "node/act_store.py",
    "node/acts",
    "node/desk_items.py",
    "node/drafts.py",
    "node/duty.py",
    "node/hits.py",
    "node/lookups.py",
    "node/photos.py",
    "node/publish.py",
    "node/redaction.py",
    "node/report.py",
    "node/report_kinds.py",
    "node/review.py",
    "node/shifts.py",
    "node/suppressions.py",
    "node/two_person.py",
    "node/works.py",
    "node/console",
    "hub/correlation.py",
    "hub/incidents.py",
    "hub/picture/people.py",
    "hub/picture/view.py",
    "hub/console",
    "port2port/console/accounts.py",
    "port2port/console/challenges.py",
    "port2port/console/local.py",
    "port2port/console/plain_text.py",
    "port2port/console/security.py",
    "port2port/console/signin",
    "port2port/identifiers.py",
)
# Their page says what to do in words of its own, and never what the error says.
SILENT = {
    "BatchError",
    "BackpressureError",
    "ConfigurationError",
    "DecisionError",
    "ForeignRequestError",
    "FormTokenError",
    "HitChangedError",
    "InvariantError",
    "LinkError",
    "NotFoundError",
    "NoticeDeliveryError",
    "PositionError",
    "ProviderError",
    "SignedOutError",
    "TooManyTriesError",
    "UnavailableError",
    "UnknownAssetError",
}


def classes() -> list[type[Port2PortError]]:
    """Every error class of the three packages."""
    for package in (port2port, node, hub):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__") and "migrations" not in module.name:
                importlib.import_module(module.name)
    found: dict[type[Port2PortError], None] = {}
    waiting: list[type[Port2PortError]] = [Port2PortError]
    while waiting:
        kind = waiting.pop()
        found[kind] = None
        waiting += kind.__subclasses__()
    return sorted((kind for kind in found if kind.__module__.split(".")[0] in {"port2port", "node", "hub"}), key=str)


@pytest.fixture(scope="module")
def languages() -> list[Wording]:
    words = load_words(["port2port.console"], LANGUAGES, "Europe/Brussels")
    return [words.of(language) for language in LANGUAGES]


def test_every_class_of_errors_has_a_sentence_in_every_language(languages: list[Wording]) -> None:
    untold = {}
    for kind in classes():
        if kind.code in NEVER or issubclass(kind, InvariantError):
            continue
        message = by_code(kind)
        if not message or any(wording.text(message) == message for wording in languages):
            untold[kind.__name__] = kind.code
    assert untold == {}


def test_an_error_with_a_text_nobody_knows_is_still_told_in_the_language(languages: list[Wording]) -> None:
    for kind in classes():
        if kind.code in NEVER or issubclass(kind, InvariantError):
            continue
        error = kind.__new__(kind)
        Port2PortError.__init__(error, "words that no page ever saw")
        assert all(told(error, wording) != error.text for wording in languages), kind.__name__


def test_no_code_is_told_that_no_error_has() -> None:
    assert set(BY_CODE) <= {kind.code for kind in classes()}


def raised() -> list[tuple[str, str]]:
    """Place and text of every error that the rooms raise; facts in it stand as 7."""
    found = []
    names = {kind.__name__ for kind in classes()} - SILENT
    absent = {kind.__name__ for kind in classes() if kind.__mro__[1].__name__ == "NotFoundError"}
    for room in ROOMS:
        path = ROOT / room
        for file in [path] if path.suffix else sorted(path.rglob("*.py")):
            for made in ast.walk(ast.parse(file.read_text())):
                if not isinstance(made, ast.Call) or not isinstance(made.func, ast.Name) or not made.args:
                    continue
                text = _text(made.args[0])
                if made.func.id in names - absent and text:
                    found.append((f"{file.relative_to(ROOT)}:{made.lineno} {made.func.id}", text))
    return found


def _text(node_: ast.expr) -> str:
    """The words of a literal, "" for what is put together elsewhere."""
    if isinstance(node_, ast.Constant) and isinstance(node_.value, str):
        return node_.value
    if isinstance(node_, ast.JoinedStr):
        return "".join(map(_part, node_.values))
    return ""


def _part(value: ast.expr) -> str:
    """A fact, of which one that is only sometimes there is left out."""
    if isinstance(value, ast.Constant):
        return str(value.value)
    return "" if isinstance(value, ast.FormattedValue) and isinstance(value.value, ast.IfExp) else "7"


def test_every_sentence_that_the_rooms_raise_is_told_exactly() -> None:
    found = raised()
    assert len(found) > 100
    assert {place: text for place, text in found if not known(text)} == {}


def test_every_rule_of_sharing_is_told() -> None:
    assert [reason for reason in Reason if not known(reason.sentence)] == []


def test_facts_of_a_sentence_are_kept_and_are_told_too(languages: list[Wording]) -> None:
    dutch, french, german = languages
    text = "two officers decide this: it holds personal data, and the finding is of high severity"
    assert told(Port2PortError(text), dutch) == (
        "twee officieren beslissen dit: het bevat persoonsgegevens, de bevinding is van hoge ernst"
    )
    text = "the container number is wrong: check digit should be 6"
    assert "6" in told(Port2PortError(text), french)
    assert told(Port2PortError("draft D7 was rejected already, by o1"), german) == (
        "Entwurf D7 war schon entschieden (abgelehnt), von o1"
    )


def test_english_stays_as_it_was_raised() -> None:
    english = load_words(["port2port.console"], ["en"], "Europe/Brussels").of("en")
    assert told(Port2PortError("say why it ends"), english) == "say why it ends"


def test_every_sentence_is_there_once() -> None:
    assert len(set(ALL)) == len(ALL)
