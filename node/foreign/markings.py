"""How strictly somebody else marked an object, in whichever spelling: never read as looser than he meant it.

The effective marking is the strictest of the object's own, of its granular markings, of whatever holds it together (a
grouping, report or event) and of the default set for its source. TLP 1 and 2 are read by their fixed ids, by the text
of a definition, and by tags and labels such as ``tlp:amber+strict``; OpenCTI's and MISP's forms are among them.

Where it is not clear it fails closed. A TLP word nobody knows is RED. A marking that is not TLP (a statement, another
scheme, an id without a definition) may restrict in words that no program reads: AMBER+STRICT at least. Nothing at all
is AMBER+STRICT, too: what is unmarked never becomes CLEAR.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from port2port.stix.markings import TLP_EXTENSION, tlp_of_id
from port2port.tlp import UNMARKED, Tlp, strictest

OTHER: Final = Tlp.AMBER_STRICT
UNKNOWN_WORD: Final = Tlp.RED
# OpenCTI's own definition of TLP:AMBER+STRICT, from before TLP 2.0 had one in STIX.
_OPENCTI: Final = {"marking-definition--826578e1-40ad-459f-bc73-ede076f81f37": Tlp.AMBER_STRICT}
_WORDS: Final = {
    "clear": Tlp.CLEAR,
    "white": Tlp.CLEAR,
    "green": Tlp.GREEN,
    "amber": Tlp.AMBER,
    "amber+strict": Tlp.AMBER_STRICT,
    "amber-strict": Tlp.AMBER_STRICT,
    "amber_strict": Tlp.AMBER_STRICT,
    "amber strict": Tlp.AMBER_STRICT,
    "amberstrict": Tlp.AMBER_STRICT,
    "red": Tlp.RED,
}
# ``tlp:amber``, ``TLP:AMBER+STRICT``, ``TLP-AMBER``, MISP's ``tlp:ex:chr`` and ``misp-galaxy:tlp="amber"`` alike.
_TAG: Final = re.compile(
    r"(?:.*[:/ ])?tlp(?:2|[ ._-]?2\.0)?[ ]?[:=_ -][ ]?\"?(?P<word>[^\"]*)\"?", re.IGNORECASE | re.DOTALL
)
_TEXT_CHARS: Final = 400


def of_word(text: str) -> Tlp:
    """The label of a TLP word in any spelling; what nobody knows is RED."""
    word = re.sub(r"\s*\+\s*", "+", text.strip().lower().removeprefix("tlp").lstrip(":=_- ").strip())
    return _WORDS.get(word, UNKNOWN_WORD)


def of_tag(text: str) -> Tlp | None:
    """The label that a tag or label says; None where it says nothing of TLP."""
    found = _TAG.fullmatch(text.strip()[:_TEXT_CHARS])
    return None if found is None else of_word(found["word"])


def of_tags(tags: Iterable[object]) -> Tlp | None:
    """The strictest label among tags; None where none says anything of TLP."""
    found = [tlp for tlp in (of_tag(tag) for tag in tags if isinstance(tag, str)) if tlp is not None]
    return strictest(*found) if found else None


def of_definition(data: Mapping[str, Any]) -> Tlp:
    """How strict a marking definition is, whatever form it has: the strictest that any part of it says."""
    said = [tlp for tlp in (_by_id(data), *_by_text(data)) if tlp is not None]
    return strictest(*said) if said else OTHER


class Markings:
    """The marking definitions of one source, as they are met; an id that was never defined is not TLP."""

    def __init__(self, known: Mapping[str, Tlp] | None = None) -> None:
        self._known: dict[str, Tlp] = {**_OPENCTI, **(known or {})}

    def learn(self, data: Mapping[str, Any]) -> Tlp:
        """Take in a definition; one that is said twice keeps the stricter reading."""
        ident, found = data.get("id"), of_definition(data)
        if isinstance(ident, str):
            self._known[ident] = strictest(found, self._known.get(ident))
        return found

    def of_ref(self, ident: object) -> Tlp:
        """The label of a reference. The fixed ids are read as what they are, and stricter where redefined so."""
        if not isinstance(ident, str):
            return OTHER
        fixed, learnt = tlp_of_id(ident), self._known.get(ident)
        return OTHER if fixed is None and learnt is None else strictest(fixed, learnt)

    def own(self, data: Mapping[str, Any]) -> Tlp | None:
        """What an object says of itself: its references, its granular markings, its labels. None: nothing."""
        refs = [*_listed(data.get("object_marking_refs")), *_granular(data.get("granular_markings"))]
        found: list[Tlp] = [self.of_ref(ref) for ref in refs]
        label = of_tags(_listed(data.get("labels")))
        if label is not None:
            found.append(label)
        return strictest(*found) if found else None


def effective(own: Tlp | None, container: Tlp | None, default: Tlp | None) -> Tlp:
    """The strictest of what was said anywhere; AMBER+STRICT where nothing was."""
    return strictest(own, container, default) if own or container or default else UNMARKED


def _by_id(data: Mapping[str, Any]) -> Tlp | None:
    ident = data.get("id")
    return (tlp_of_id(ident) or _OPENCTI.get(ident)) if isinstance(ident, str) else None


def _by_text(data: Mapping[str, Any]) -> list[Tlp | None]:
    definition = data.get("definition")
    inside = definition if isinstance(definition, Mapping) else {}
    extensions = data.get("extensions")
    extension = extensions.get(TLP_EXTENSION) if isinstance(extensions, Mapping) else None
    found = [_word_in(inside, "tlp")]
    if isinstance(extension, Mapping):
        found.append(_word_in(extension, "tlp_2_0") or UNKNOWN_WORD)
    if str(data.get("definition_type", "")).lower().startswith("tlp") and found == [None]:
        found.append(UNKNOWN_WORD)
    texts = (data.get("x_opencti_definition"), inside.get("statement"), data.get("name"))
    return [*found, *(of_tag(text) for text in texts if isinstance(text, str))]


def _word_in(data: Mapping[str, Any], name: str) -> Tlp | None:
    if name not in data:
        return None
    word = data[name]
    return of_word(word) if isinstance(word, str) else UNKNOWN_WORD


def _granular(value: object) -> list[object]:
    """The markings of parts; one of a language is none."""
    found: list[object] = []
    for item in _listed(value):
        if not isinstance(item, Mapping):
            found.append(None)
        elif "marking_ref" in item or "lang" not in item:
            found.append(item.get("marking_ref"))
    return found


def _listed(value: object) -> list[object]:
    """A list; something else in its place is one odd item, nothing is none."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
