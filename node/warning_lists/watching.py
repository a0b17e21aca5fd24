"""What the watch asks of the gate: which indicators stand on a list now, and which ones another answer holds for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.engine import Connection

from node import alarms, indicators
from node.alarms import Alarm, Code
from node.indicators import Indicator, Key
from node.warning_lists.gate import Gate
from port2port import canonical
from port2port.clock import to_ms
from port2port.errors import MalformedError
from port2port.limits import LIMITS


class Listing:
    """The lists of each indicator as they were last asked for; without a gate nothing is listed."""

    def __init__(self, gate: Gate | None) -> None:
        self._gate = gate
        self._lists: dict[Key, tuple[str, ...]] = {}
        self._noted: set[Key] = set()

    def refresh(self, connection: Connection, now: datetime) -> bool:
        """Look whether lists or exceptions have changed, and so what was answered before."""
        return self._gate is not None and self._gate.refresh(connection, now)

    def names(self, one: Indicator) -> tuple[str, ...]:
        """The lists on which what an indicator names stands."""
        found = self._ask(one)
        if found:
            self._lists[one.key] = found
        else:
            self._lists.pop(one.key, None)
        return found

    def known(self, key: Key) -> tuple[str, ...]:
        """What was answered last."""
        return self._lists.get(key, ())

    def moved(self, every: Iterable[Indicator]) -> list[Indicator]:
        """Those of which the answer is another one now."""
        return [one for one in every if one.may_match and self._ask(one) != self._lists.get(one.key, ())]

    def note(self, connection: Connection, one: Indicator) -> None:
        """Write the lists down beside the indicator, for whoever opens it."""
        found = self.known(one.key)
        if found or one.listed or one.key in self._noted:
            indicators.note_listed(connection, one.key, found)
            self._noted.add(one.key)

    def note_fault(self, connection: Connection, now: datetime) -> None:
        """An alarm while the index cannot be read."""
        fault = "" if self._gate is None else self._gate.fault
        if fault:
            alarms.raise_alarm(connection, Alarm(code=Code.WARNING_LISTS, text=fault), to_ms(now))
        else:
            alarms.clear_alarm(connection, Code.WARNING_LISTS, "", to_ms(now))

    def _ask(self, one: Indicator) -> tuple[str, ...]:
        if self._gate is None or not one.stix:
            return ()
        try:
            data = canonical.loads_object(one.stix, limit=LIMITS.object_bytes)
        except MalformedError:
            return ()  # what is not read is not watched either
        found = {listed.list: None for listed in self._gate.lists_of(str(data.get("pattern", "")))}
        return tuple(found)
