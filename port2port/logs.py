"""Logs as JSON lines: the message is a constant event, everything variable a field.

Fields carry identifiers and digests only; never payloads, keys or names of people. Decisions by people go to the
audit table. Write ``logger.info("checkpoint verified", extra={"size": size})``.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Final, TextIO

import orjson

# What logging puts into every record by itself; all else came in through ``extra``.
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_TEXT_MAX: Final = 500


class JsonFormatter(logging.Formatter):
    """One record as one line of JSON: at, level, logger, event, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        fields.update((name, _plain(value)) for name, value in vars(record).items() if name not in _STANDARD)
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(fields).decode()


def start(*, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send every logger's records as JSON to ``stream`` (standard error). Called once, by ``__main__``."""
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def _plain(value: object) -> object:
    """What JSON can carry; bytes as hex (digests), anything else as bounded text without its innards."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else str(value)
    if isinstance(value, bytes):
        return value.hex()[:_TEXT_MAX]
    return str(value).encode("utf-8", "replace").decode()[:_TEXT_MAX]
