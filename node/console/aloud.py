"""A hit in words for radio or telephone: what is asked first, then what, where and when, in the reader's language.

Built from structure, so that it says the same in every language; names and numbers are spelled. Foreign text (the
title another port wrote) is not read aloud: who speaks says only what this node knows itself.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Protocol

from node.hits import Hit
from node.spelling import Figures, spell
from node.watch import Handling, Track
from port2port.console.words import N_


class Words(Protocol):
    """One language, as ``port2port.console.words.Wording`` speaks it."""

    def text(self, message: str, /, **facts: object) -> str: ...
    def plural(self, one: str, many: str, n: int, /, **facts: object) -> str: ...
    def when_text(self, moment: datetime, style: str = "full") -> str: ...


_ASKS: Final = {
    Handling.ACT.value: N_("Act now."),
    Handling.CALL_FIRST.value: N_("Call before you act."),
    Handling.OBSERVE_ONLY.value: N_("Observe only, do not act."),
}
_KINDS: Final = {
    "vessel:mmsi": N_("Vessel, MMSI %(spelled)s."),
    "vessel:imo": N_("Vessel, IMO number %(spelled)s."),
    "vessel:eni": N_("Barge, ENI number %(spelled)s."),
    "vessel:name": N_("Vessel, name %(spelled)s."),
    "vessel:call_sign": N_("Vessel, call sign %(spelled)s."),
    "freight-container:number": N_("Container %(spelled)s."),
    "domain-name:value": N_("Domain %(spelled)s."),
    "ipv4-addr:value": N_("Address %(spelled)s."),
    "ipv6-addr:value": N_("Address %(spelled)s."),
}
_OTHER: Final = N_("%(spelled)s.")
_TRACKS: Final = {
    Track.CLONED.value: N_("This is the ship with the false identity."),
    Track.OTHER.value: N_("This is the other ship of that number: it is the victim."),
    Track.UNDETERMINED.value: N_("Two ships use this number, and which one it is cannot be told."),
}
_FROM: Final = N_("Wanted by %(port)s.")
_SEEN: Final = N_("Last seen here at %(when)s.")
_PAST: Final = N_("This is from our records: last seen here at %(when)s.")


def sentence(words: Words, hit: Hit, *, asked_by: str, figures: Figures = Figures.ICAO) -> str:
    """What somebody reads aloud of a hit. ``asked_by`` is the name of the port that made the indicator."""
    path, value = hit.subject
    window, track = hit.sighted.window, hit.sighted.track
    parts = [
        words.text(_ASKS.get(hit.handling, _ASKS[Handling.OBSERVE_ONLY.value])),
        words.text(_KINDS.get(path, _OTHER), spelled=spell(value, figures)),
        words.text(_TRACKS[track]) if track in _TRACKS else "",
        words.text(_FROM, port=asked_by),
        words.text(_PAST if hit.sighted.looking == "back" else _SEEN, when=words.when_text(window.last_seen)),
        words.plural("Once.", "%(n)s times.", window.count),
    ]
    return " ".join(filter(None, parts))
