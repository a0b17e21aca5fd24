"""What a gate sends: one passage, as a small JSON object."""

from __future__ import annotations

from typing import Final

import orjson

from node.passages import listed
from node.passages.ledger import Question
from node.passages.listed import PATHS
from port2port.errors import MalformedError
from port2port.limits import KIB

QUESTION_BYTES: Final = 4 * KIB
TEXT_CHARS: Final = 100
_FIELDS: Final = frozenset({"kind", "number", "place", "passage"})


class QuestionError(MalformedError):
    """What a gate sent is no question: the text says what one looks like."""

    code = "PASSAGE_QUESTION"


def read_question(gate: str, raw: bytes) -> Question:
    """Raises QuestionError for what is no question; a wrong number is one."""
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise QuestionError("a question is a JSON object in UTF-8") from error
    if not isinstance(data, dict) or set(data) != _FIELDS:
        raise QuestionError("a question has exactly kind, number, place and passage")
    texts = {name: _text(name, value) for name, value in data.items()}
    if texts["kind"] not in PATHS:
        raise QuestionError(f"kind is one of {', '.join(PATHS)}")
    key = listed.spelled(texts["kind"], texts["number"])
    return Question(gate=gate, kind=texts["kind"], key=key, place=texts["place"], passage=texts["passage"])


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_CHARS or not value.isprintable():
        raise QuestionError(f"{name} is text of 1 to {TEXT_CHARS} characters")
    return value
