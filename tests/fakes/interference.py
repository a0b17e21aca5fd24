"""What happens in two worlds that differ in one entry a reader may not see: made once, so that the rest is the same bytes."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson

from port2port.clock import from_ms, to_ms, to_text
from port2port.stix.objects import pattern_equals
from port2port.tlp import Tlp
from port2port.wire import decode_envelope
from tests.fakes.federation import Federation, refs_body, stix_id_of

READER, AUTHOR, FRIEND = "belgg", "north-sea-port", "beanr"
LURE: Final = pattern_equals("domain-name:value", ["lure.example"])
SEQ: Final = 5  # of the author's hidden statement, in every world


@dataclass(slots=True)
class Script:
    """What happens in every world, made once: the same bytes. ``hidden`` are the variants of the one entry."""

    fed: Federation
    key: str  # of the reader's SIEM
    secret: uuid.UUID = field(default_factory=uuid.uuid4)
    nowhere: uuid.UUID = field(default_factory=uuid.uuid4)
    shown: bytes = field(init=False)
    early: list[bytes] = field(init=False)
    late: list[bytes] = field(init=False)
    asked: list[tuple[str, bytes]] = field(init=False)
    begin: datetime = field(init=False)

    def __post_init__(self) -> None:
        fed = self.fed
        self.begin = fed.clock.now()
        self.shown = fed.indicator(AUTHOR, pattern=LURE)
        self.early = [fed.publish(AUTHOR, objects=[self.shown], seq=1), fed.publish(FRIEND), fed.publish(READER)]
        self.late = [fed.publish(AUTHOR, seq=9), fed.publish(FRIEND, tlp=Tlp.AMBER, recipients=(READER,))]
        self.asked = list(self._asked())

    def hidden(self, name: str) -> bytes:
        """The entry in which the worlds differ."""
        fed, secret = self.fed, self.secret
        indicator = fed.indicator(AUTHOR, tlp=Tlp.AMBER, ident=secret, pattern=LURE)
        amber = {"tlp": Tlp.AMBER, "seq": SEQ}
        made: dict[str, Callable[[], bytes]] = {
            "an indicator": lambda: fed.publish(AUTHOR, objects=[indicator], recipients=(FRIEND,), **amber),
            "another indicator": lambda: fed.publish(AUTHOR, recipients=(FRIEND,), **amber),
            "twenty large ones": lambda: fed.publish(AUTHOR, objects=self._large(), recipients=(FRIEND,), **amber),
            "for the issuer alone": lambda: fed.publish(AUTHOR, **amber),
            "for a group": lambda: fed.publish(AUTHOR, groups=("seaports",), **amber),
            "an exercise": lambda: fed.publish(AUTHOR, recipients=(FRIEND,), realm="exercise:x1", **amber),
            "a note": lambda: fed.content(AUTHOR, "note", body={"text": "x" * 900}, **amber),
            "a retraction": self._retraction,
            "a sighting": lambda: fed.content(AUTHOR, "sighting", objects=[self._sighting()], body=self._of(), **amber),
        }
        return made[name]()

    def _large(self) -> list[bytes]:
        return [self.fed.indicator(AUTHOR, tlp=Tlp.AMBER, description="y" * 2_000) for _ in range(20)]

    def _retraction(self) -> bytes:
        """Of an object that everybody sees, told to one friend only."""
        shown = (stix_id_of(self.shown),)
        return self.fed.retract(AUTHOR, shown, tlp=Tlp.AMBER, recipients=(FRIEND,), seq=SEQ)

    def _sighting(self) -> bytes:
        raw = self.fed.sighting(AUTHOR, of=(AUTHOR, stix_id_of(self.shown)), tlp=Tlp.AMBER, seq=77)
        return bytes(decode_envelope(raw).objects[0].body)

    def _of(self) -> dict[str, Any]:
        return refs_body([(AUTHOR, stix_id_of(self.shown))])

    @property
    def secret_id(self) -> str:
        return f"indicator--{self.secret}"

    @property
    def words(self) -> dict[str, str]:
        """What TAXII filters name."""
        return {
            "hidden": self.secret_id,
            "random": f"indicator--{self.nowhere}",
            "shown": stix_id_of(self.shown),
            "modified": orjson.loads(self.shown)["modified"],
            "during": to_text(from_ms(to_ms(self.fed.clock.now()) - 2_000)),
            "uuid": str(self.nowhere),
            "author": self.fed.roster.member_table[AUTHOR].name,
        }

    def _asked(self) -> Sequence[tuple[str, bytes]]:
        """What the reader hands in to find something out, first about the hidden object, then about a random one."""
        fed, random = self.fed, f"indicator--{uuid.uuid4()}"
        shown = (AUTHOR, stix_id_of(self.shown))
        own = fed.indicator(READER, ident=self.secret, pattern=LURE)
        return [
            ("sighting of hidden", fed.sighting(READER, of=(AUTHOR, self.secret_id))),
            ("sighting of random", fed.sighting(READER, of=(AUTHOR, random))),
            (
                "retract hidden",
                fed.content(READER, "retract", body=refs_body([(AUTHOR, self.secret_id)]), tlp=Tlp.GREEN),
            ),
            ("retract random", fed.content(READER, "retract", body=refs_body([(AUTHOR, random)]), tlp=Tlp.GREEN)),
            (
                "reaffirm hidden",
                fed.content(READER, "reaffirm", body=refs_body([(AUTHOR, self.secret_id)]), tlp=Tlp.GREEN),
            ),
            ("reaffirm random", fed.content(READER, "reaffirm", body=refs_body([(AUTHOR, random)]), tlp=Tlp.GREEN)),
            ("sighting of shown", fed.sighting(READER, of=shown)),
            ("own object under the hidden id", fed.publish(READER, objects=[own])),
        ]
