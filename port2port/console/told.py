"""What our errors, alarms and rules say, in the reader's language.

The domain speaks English in whole sentences with facts in them; a page never shows these as they are. ``told`` finds
the sentence by its text (in ``told_words``, or ``told_findings``), takes the facts out again, and says both in the
reader's language; facts that are words themselves are said too. An error whose sentence is not there is told by its
code. English is left only for what no page can meet: a test lists every error, and every sentence that the rooms of the
consoles raise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from port2port.console import told_findings, told_words
from port2port.console.words import N_, SOURCE_LANGUAGE, Wording
from port2port.errors import Port2PortError

POLICY: Final = N_("This is not allowed by the rules.")
CONFLICT: Final = N_("Something else happened to this in the meantime.")
ABSENT: Final = N_("It is not there, or not there for you.")
MALFORMED: Final = N_("A value has not the form that it must have.")
TOO_LARGE: Final = N_("This is larger than it may be.")
LATER: Final = N_("This is not possible at the moment; it may work later.")
UNPROVEN: Final = N_("A signature, proof or certificate does not hold.")
SETTINGS: Final = N_("A setting of this node or hub is wrong: tell the people who run it.")
KEY: Final = N_("Your key does not count here, or no longer.")
SECOND: Final = N_("Another officer has to decide this.")
AGAIN: Final = N_("Sign in again first: this needs a fresh sign-in.")
PASSKEY: Final = N_("The passkey was not accepted, or you have none here.")
TRIES: Final = N_("Too many tries: wait a while.")
SIGN_IN: Final = N_("The sign-in was not accepted.")
MEMBER: Final = N_("This member is not, or no longer, in the roster.")
ROSTER: Final = N_("The federation's roster does not admit this change.")
STOP: Final = N_("The node and the log do not agree: stop, and call the coordinator.")
# By code; a code that is not here is told as its family, the nearest class above that is.
BY_CODE: Final[Mapping[str, str]] = {
    "POLICY": POLICY,
    "CONFLICT": CONFLICT,
    "NOT_FOUND": ABSENT,
    "MALFORMED": MALFORMED,
    "TOO_LARGE": TOO_LARGE,
    "UNAVAILABLE": LATER,
    "VERIFICATION": UNPROVEN,
    "CONFIGURATION": SETTINGS,
    "NOT_MEMBER": MEMBER,
    "ROSTER": ROSTER,
    "ROSTER_CONFLICT": ROSTER,
    "OFFICER": KEY,
    "KEY_FILE": KEY,
    "TWO_PERSON": SECOND,
    "SIGN_IN_AGAIN": AGAIN,
    "NO_PASSKEY": PASSKEY,
    "PASSKEY": PASSKEY,
    "TOO_MANY_TRIES": TRIES,
    "SIGN_IN": SIGN_IN,
    "SIGNED_OUT": SIGN_IN,
    "OIDC_PROVIDER": SIGN_IN,
    "OIDC_REFUSED": SIGN_IN,
    "ROLLBACK": STOP,
    "SPLIT_VIEW": STOP,
    "SEQUENCE_BEHIND": STOP,
}
ALL: Final = (*told_words.ALL, *told_findings.ALL)
_FACT: Final = re.compile(r"%\((\w+)\)s")
_SENTENCE_END: Final = re.compile(r"(?<=\.) (?=[A-Z])")
_JOINED: Final = re.compile(r", (?:and )?")
_MOST: Final = 1_000
_DEEP: Final = 3


def told(error: Port2PortError, wording: Wording) -> str:
    """What an error says, for a page. Never more than the error's own safe text."""
    if wording.language == SOURCE_LANGUAGE:
        return error.text
    said = _said(error.text, wording, _DEEP)
    return wording.text(by_code(type(error)) or error.text) if said is None else said


def told_text(text: str, wording: Wording) -> str:
    """The same for a sentence of ours that was stored or handed on; any other text comes back as it is."""
    if wording.language == SOURCE_LANGUAGE:
        return text
    said = _said(text, wording, _DEEP)
    return text if said is None else said


def by_code(kind: type[Port2PortError]) -> str:
    """The message for a class of errors: its own, or that of its family; empty for what no page can meet."""
    codes = (str(above.code) for above in kind.__mro__ if issubclass(above, Port2PortError))
    return next((BY_CODE[code] for code in codes if code in BY_CODE), "")


def known(text: str) -> bool:
    """Whether a sentence is one of ours."""
    return _found(text) is not None


def _said(text: str, wording: Wording, deep: int) -> str | None:
    """The translation, or None for what is no sentence of ours. Reasons that were joined are told one by one."""
    if len(text) > _MOST or not deep:
        return None
    found = _found(text)
    if found is not None:
        message, facts = found
        return wording.text(message, **{name: _fact(value, wording, deep) for name, value in facts.items()})
    for parts, joint in ((_SENTENCE_END.split(text), " "), (_JOINED.split(text), ", ")):
        if len(parts) > 1 and all(known(part) for part in parts):
            return joint.join(_said(part, wording, deep - 1) or part for part in parts)
    return None


def _fact(value: str, wording: Wording, deep: int) -> str:
    said = _said(value, wording, deep - 1)
    return value if said is None else said


def _found(text: str) -> tuple[str, dict[str, str]] | None:
    plain, patterns = _sentences()
    if text in plain:
        return text, {}
    for message, words, names in patterns:
        facts = _facts_in(text, words)
        if facts is not None:
            return message, dict(zip(names, facts, strict=True))
    return None


@cache
def _sentences() -> tuple[frozenset[str], tuple[tuple[str, list[str], list[str]], ...]]:
    """Those without facts, and those with: the one that says most of its own first, so that it is preferred.

    With facts: the message, the words around the facts, and the facts' names.
    """
    with_facts = sorted((one for one in ALL if _FACT.search(one)), key=lambda one: -len(_FACT.sub("", one)))
    split = [(one, _FACT.split(one)) for one in with_facts]  # words and names of facts take turns
    plain = frozenset(one for one in ALL if not _FACT.search(one))
    return plain, tuple((one, parts[::2], parts[1::2]) for one, parts in split)


def _facts_in(text: str, words: Sequence[str]) -> list[str] | None:
    """The facts between these words, each as short as it can be; None where the text is not made of them.

    In one pass and without going back: what is told holds words of strangers, who would choose what takes longest.
    """
    first, *middle, last = words
    end = len(text) - len(last)
    if not (text.startswith(first) and text.endswith(last)):
        return None
    found, at = [], len(first)
    for word in middle:
        here = text.find(word, at + 1, end)
        if here < 0:
            return None
        found.append(text[at:here])
        at = here + len(word)
    return [*found, text[at:end]] if at < end else None
