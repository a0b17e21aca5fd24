"""What an object says of itself and its statement has to say, too: that it is about a person, or of an exercise."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from port2port.errors import PolicyError
from port2port.statement import Statement
from port2port.stix.profile import EXERCISE_EXTENSION
from port2port.stix.pseudonyms import names_person
from port2port.stix.validate import ValidObject

_PERSONAL: Final = frozenset({"badge", "vehicle"})


def is_personal(item: ValidObject) -> bool:
    """Whether it stands for a person: a badge, a vehicle, a drone's operator, or a pattern that asks for one."""
    if item.type in _PERSONAL or (item.type == "uas" and "operator_pseudonym" in item.data):
        return True
    return item.pattern is not None and names_person(item.pattern)


def exercise_of(item: ValidObject) -> str | None:
    """The id of the exercise that it says it is of; None: it says nothing."""
    extensions = item.data.get("extensions")
    content = extensions.get(EXERCISE_EXTENSION) if isinstance(extensions, dict) else None
    return str(content["exercise"]) if isinstance(content, dict) else None


def require_declared(said: Statement, objects: Iterable[ValidObject]) -> None:
    """That the statement declares personal data (and so a purpose) and the realm of its objects. Raises PolicyError."""
    for item in objects:
        if not said.personal_data and is_personal(item):
            raise PolicyError(
                "a badge, a vehicle or a drone's operator is personal data: it needs a purpose", id=item.id
            )
        exercise = exercise_of(item)
        if exercise is not None and said.realm != f"exercise:{exercise}":
            raise PolicyError("an object of an exercise stands in a statement of that exercise", id=item.id)
