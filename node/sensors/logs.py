"""A log of Suricata or Zeek as a source of records: how it is followed, and how a line of it is read."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from node.sensors.parsers import eve, zeek
from node.sensors.parsers.records import RecordError, SensorLine
from node.sensors.transports.tail import FileTail
from port2port.errors import Port2PortError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta
    from pathlib import Path

    from node.observations import SourceClass
    from node.records import Record
    from node.tail_places import Chunk, TailPosition

logger = logging.getLogger(__name__)
EVE: Final = "eve"
ZEEK: Final = "zeek"


class LogSource:
    """Satisfies ``node.cyber.Source``. ``kind`` is ``eve`` or ``zeek``; a finished log is not followed."""

    def __init__(
        self,
        name: str,
        kind: str,
        path: Path,
        source_class: SourceClass,
        *,
        follow: bool = True,
        silent_after: timedelta | None = None,
    ) -> None:
        self._kind = kind
        self._silent_after = silent_after if follow else None
        self._source_class = source_class
        self._tail = FileTail(name, path, follow=follow)
        # A log of Zeek whose lines do not say what they are of is named after it: dns.log, conn.2026-11-22.log.
        of_zeek: Callable[[SensorLine], Record] = partial(zeek.parse, log=path.name.partition(".")[0])
        self._parse = eve.parse if kind == EVE else of_zeek

    @property
    def name(self) -> str:
        return self._tail.name

    @property
    def kind(self) -> str:
        return self._kind

    @property
    def silent_after(self) -> timedelta | None:
        return self._silent_after

    def read(self, position: TailPosition | None) -> Chunk:
        """The lines behind a place. Raises TailError."""
        return self._tail.read(position)

    def parse(self, data: bytes, digest: bytes, received_at: datetime) -> Record:
        """Raises RecordError, whatever the line is: a stranger writes into it, and its neighbours go on."""
        try:
            return self._parse(SensorLine(self.name, self._source_class, received_at, data, digest))
        except Port2PortError:
            raise
        except Exception as error:
            logger.exception("a line of a sensor met a fault of ours", extra={"source": self.name})
            raise RecordError("the line could not be read", sensor=self.name) from error

    def close(self) -> None:
        """Let go of the log."""
        self._tail.close()
