"""Keep, leave out, redact: what an officer unticks never enters the bytes that are signed.

What is left out is not lost: it stays sealed with the act, in full, and its digest stands in the signed decision, so
that somebody can show next year what was known and not said. The scan warns of personal data in free text; it finds
what looks like a plate, a name, an address or a number, and cannot know whose it is.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final

import orjson

from node.drafts import Proposal
from port2port.canonical import Json
from port2port.errors import PolicyError
from port2port.stix.normalise import normalise

# Without these an object is another object, or none; the marking and the author are never an officer's to drop.
KEPT_FIELDS: Final = frozenset(
    {
        "created", "created_by_ref", "extensions", "id", "modified", "object_marking_refs", "pattern", "pattern_type",
        "spec_version", "type", "valid_from",
    }
)  # fmt: skip
_NOT_TEXT: Final = KEPT_FIELDS - {"extensions", "pattern"} | {"valid_until", "pattern_version"}
_LOCAL: Final = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}", re.ASCII)
_PHONE: Final = re.compile(r"(?<![\w.+-])(?:\+|00?)[1-9](?:[ ()./-]{0,2}\d){7,13}(?![\w-])", re.ASCII)
_IP: Final = re.compile(r"(?<![\w.:])[0-9a-fA-F.:]{7,45}(?![\w:])", re.ASCII)
_PLATE: Final = re.compile(r"(?<![\w-])[A-Z0-9]{1,3}-[A-Z0-9]{1,4}(?:[- ][A-Z0-9]{1,4})(?![\w-])", re.ASCII)
_NATIONAL: Final = re.compile(r"(?<!\w)\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}(?!\w)", re.ASCII)
_PERSON: Final = re.compile(
    r"\b(?:[Mm]rs?|[Mm]s|[Dd]r|[Dd]hr|[Mm]evr|[Mm]me|[Hh]err|[Ff]rau|[Dd]e heer|[Mm]evrouw|[Mm]onsieur|[Mm]adame|"
    r"[Cc]aptain|[Kk]apitein|[Ss]kipper|[Dd]river|[Cc]hauffeur|[Nn]amed|[Gg]enaamd|[Nn]ommée?|[Nn]amens)\.? "
    r"[A-ZÀ-Þ][\w'-]{1,40}(?: [A-ZÀ-Þ][\w'-]{1,40}){0,3}"
)
EXCERPT_CHARS: Final = 80


class RedactionError(PolicyError):
    """What is to be left out is not there, cannot be missed, or is all there is."""

    code = "REDACTION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What an officer unticked: objects by id, fields by (object id, JSON pointer of RFC 6901), lines by position."""

    objects: frozenset[str] = frozenset()
    fields: frozenset[tuple[str, str]] = frozenset()
    lines: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """``proposal`` is what remains, ``lines`` the evidence that is frozen with it, ``sealed`` all that was left out."""

    proposal: Proposal
    lines: tuple[Mapping[str, Json], ...]
    sealed: Mapping[str, Json] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of what was left out, hex; empty where nothing was."""
        return sha256(orjson.dumps(dict(self.sealed), option=orjson.OPT_SORT_KEYS)).hexdigest() if self.sealed else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something that looks like personal data: in which object, where in it, and the text itself."""

    kind: str
    id: str
    path: str
    text: str


def redact(proposal: Proposal, lines: Sequence[Mapping[str, Json]], choices: Choices) -> Redacted:
    """The proposal without what was unticked. What cannot stand without it goes too. Raises RedactionError."""
    data = {one["id"]: one for one in map(orjson.loads, proposal.objects)}
    raws = dict(zip(data, proposal.objects, strict=True))
    _require_known(data, lines, choices)
    gone = _with_dependants(data, choices.objects)
    if data and len(gone) == len(data):
        raise RedactionError("nothing would be left to say: reject the draft instead")
    fields = sorted((ident, path) for ident, path in choices.fields if ident not in gone)
    taken: list[Json] = []
    for ident, path in sorted(fields, key=_from_the_end, reverse=True):
        taken.append({"id": ident, "path": path, "value": _take(data[ident], path)})
    changed = {ident for ident, _ in fields}
    for ident in data.keys() - gone:
        if _forget(data[ident], gone):
            changed.add(ident)
    kept = tuple(normalise(data[ident]) if ident in changed else raws[ident] for ident in data if ident not in gone)
    sealed: dict[str, Json] = {
        "fields": taken[::-1],
        "lines": [dict(lines[at]) for at in sorted(choices.lines)],
        "objects": [raws[ident].decode() for ident in data if ident in gone],
    }
    return Redacted(
        proposal=replace(proposal, objects=kept),
        lines=tuple(line for at, line in enumerate(lines) if at not in choices.lines),
        sealed=sealed if any(sealed.values()) else {},
    )


def scan(proposal: Proposal) -> list[Found]:
    """What looks like personal data in the free text of the objects: a warning, never a proof of its absence."""
    found = []
    for raw in proposal.objects:
        data = orjson.loads(raw)
        for path, text in _texts(data, ""):
            found += [
                Found(kind=kind, id=str(data.get("id", "")), path=path, text=piece[:EXCERPT_CHARS])
                for kind, piece in look(text)
            ]
    return found


def look(text: str) -> Iterator[tuple[str, str]]:
    """(kind, the text found) for everything in ``text`` that looks like somebody's."""
    for kind, pattern in (("e-mail", _LOCAL), ("phone", _PHONE), ("national-number", _NATIONAL), ("name", _PERSON)):
        for match in pattern.finditer(text):
            yield kind, match.group()
    for match in _PLATE.finditer(text):
        letters = sum(char.isalpha() for char in match.group())
        digits = sum(char.isdigit() for char in match.group())
        if letters >= 1 and digits >= 1 and 5 <= letters + digits <= 9:
            yield "plate", match.group()
    for match in _IP.finditer(text):
        if _is_address(match.group().rstrip(".:")):
            yield "ip-address", match.group().rstrip(".:")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every text that a person may have written, with its JSON pointer."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _texts(item, f"{path}/{at}")
    elif isinstance(value, dict):
        for name, item in value.items():
            if name not in _NOT_TEXT and not name.endswith(("_ref", "_refs")):
                yield from _texts(item, f"{path}/{name.replace('~', '~0').replace('/', '~1')}")


def _require_known(data: Mapping[str, Any], lines: Sequence[object], choices: Choices) -> None:
    named = choices.objects | {ident for ident, _ in choices.fields}
    if not named <= data.keys() or any(not 0 <= at < len(lines) for at in choices.lines):
        raise RedactionError("this draft has no such object or line: it was changed meanwhile")


def _with_dependants(data: Mapping[str, dict[str, Any]], dropped: frozenset[str]) -> set[str]:
    """What is left out, and what points to it by a single reference and so cannot stand without it."""
    gone = set(dropped)
    while True:
        more = {
            ident
            for ident, one in data.items()
            if ident not in gone and any(name.endswith("_ref") and value in gone for name, value in one.items())
        }
        if not more:
            return gone
        gone |= more


def _forget(one: dict[str, Any], gone: set[str]) -> bool:
    """Take references to what is gone out of an object's lists; whether there were any.

    A list that would be empty names the author, as a note about nothing in particular does.
    """
    changed = False
    for name, value in list(one.items()):
        if not name.endswith("_refs") or not isinstance(value, list) or not gone & set(map(str, value)):
            continue
        kept = [item for item in value if item not in gone]
        if kept or "created_by_ref" in one:
            one[name] = kept or [one["created_by_ref"]]
        else:
            del one[name]
        changed = True
    return changed


def _from_the_end(one: tuple[str, str]) -> tuple[object, ...]:
    """An order in which the places in a list stay what they were while the later ones are taken out."""
    return one[0], *((0, int(part), "") if part.isdigit() else (1, 0, part) for part in one[1].split("/"))


def _take(one: dict[str, Any], path: str) -> Json:
    """Take the value at a JSON pointer out of an object. Raises RedactionError."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    if not path.startswith("/") or parts[0] in KEPT_FIELDS or parts[0].endswith(("_ref", "_refs")):
        raise RedactionError("this field cannot be left out: leave out the object, or reject the draft")
    holder: Any = one
    for part in parts[:-1]:
        holder = _at(holder, part)
    found: Json = _at(holder, parts[-1])
    if isinstance(holder, list):
        del holder[int(parts[-1])]
    else:
        del holder[parts[-1]]
    return found


def _at(holder: Any, part: str) -> Any:
    if isinstance(holder, dict) and part in holder:
        return holder[part]
    if isinstance(holder, list) and part.isascii() and part.isdigit() and int(part) < len(holder):
        return holder[int(part)]
    raise RedactionError("this draft has no such field: it was changed meanwhile")
