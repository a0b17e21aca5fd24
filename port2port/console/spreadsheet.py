"""Tables as CSV that a spreadsheet opens without obeying: no cell of ours is a formula.

RFC 4180 with CRLF, every cell quoted, UTF-8 with a byte order mark, because spreadsheets guess another encoding
without. A cell that begins as a formula would (OWASP "CSV injection") begins with an apostrophe instead.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final

from starlette.responses import StreamingResponse

CUT: Final = "more follows than fits into one file: choose a shorter period"  # the last line then
MARK: Final = b"\xef\xbb\xbf"
_FORMULA: Final = re.compile(r"[\s\x00]*[=+\-@|%\t\r\uff0b\uff0d\uff1d\uff20]")
_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)


def cell(value: object) -> str:
    """A value as a cell shows it: text that a spreadsheet would compute with begins with an apostrophe."""
    text = "" if value is None else str(value)
    is_number = isinstance(value, int | float)
    return f"'{text}" if not is_number and _FORMULA.match(text) else text.replace("\x00", "")


def lines(rows: Iterable[Sequence[object]]) -> bytes:
    """Some rows of a table."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    for row in rows:
        writer.writerow([cell(value) for value in row])
    return out.getvalue().encode()


def download(chunks: AsyncIterator[bytes], name: str, media_type: str) -> StreamingResponse:
    """A file that the browser saves under this name, handed over piece by piece."""
    headers = {"Content-Disposition": f'attachment; filename="{_NAME.sub("-", name)}"'}
    return StreamingResponse(chunks, media_type=media_type, headers=headers)


def table(chunks: AsyncIterator[bytes], name: str) -> StreamingResponse:
    """A CSV file; ``chunks`` are made with ``lines``, the titles first."""
    return download(_marked(chunks), name, "text/csv; charset=utf-8")


async def _marked(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield MARK
    async for chunk in chunks:
        yield chunk
