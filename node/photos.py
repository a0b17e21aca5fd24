"""Pictures behind reports: made new without their metadata, kept at the port, told by their digest at most.

A camera writes the place, the time, the owner's name and a small second picture into the file. We keep none of it: the
picture is decoded and encoded anew, pixel values and nothing else. What is no picture, too large, or swells when it is
decoded is refused before it is decoded in full. The picture itself never leaves: where the officer ticks it, its
SHA-256 and his description go out, and who needs to see it asks.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

import orjson
import sqlalchemy as sa
from PIL import Image, ImageOps, UnidentifiedImageError
from sqlalchemy.engine import Connection

from node import tables
from port2port.clock import from_ms, to_ms
from port2port.errors import MalformedError, NotFoundError
from port2port.limits import MIB
from port2port.stix.normalise import normalise

_TABLE: Final = tables.PhotoRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
PHOTO_BYTES: Final = 12 * MIB
PIXELS: Final = 50_000_000
SIDE_PX: Final = 2_048
SMALL_PX: Final = 320
PHOTOS_PER_REPORT: Final = 4
DESCRIPTION_CHARS: Final = 300
_FORMATS: Final = ("JPEG", "PNG", "WEBP")
_QUALITY: Final = 85


class PhotoError(MalformedError):
    """A file that is no picture we take, or one too large; the text says what would do."""

    code = "PHOTO"


class NoPhotoError(NotFoundError):
    """There is no such picture behind this report."""

    code = "NO_PHOTO"


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """A picture as it is kept: JPEG, turned upright, without metadata, its longer side at most ``SIDE_PX``."""

    jpeg: bytes
    width: int
    height: int

    @property
    def digest(self) -> bytes:
        """SHA-256 of what is kept."""
        return sha256(self.jpeg).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A picture at this port. ``shared``: its digest and description stand in the report that goes out."""

    photo: Photo
    draft: str
    officer: str
    at: datetime
    description: str
    shared: bool


def clean(raw: bytes) -> Photo:
    """The picture anew, without anything but its pixels. Raises PhotoError and nothing else, whatever the bytes."""
    if len(raw) > PHOTO_BYTES:
        raise PhotoError(f"a picture has at most {PHOTO_BYTES // MIB} MiB", given=len(raw))
    try:
        with warnings.catch_warnings():
            # Pillow warns of twice as many pixels as it trusts; ours is the smaller bound, asked before decoding.
            warnings.simplefilter("ignore")
            return _renewed(raw)
    # What decoders raise on broken files, by Pillow's documentation and its fuzzing history.
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError) as error:
        raise PhotoError("this is no picture that can be read: send JPEG, PNG or WebP") from error
    except (ArithmeticError, AttributeError, RuntimeError, MemoryError) as error:
        raise PhotoError("this picture is broken: take it once more") from error


def _renewed(raw: bytes) -> Photo:
    try:
        opened = Image.open(io.BytesIO(raw), formats=_FORMATS)
    except UnidentifiedImageError as error:
        raise PhotoError("this is no picture that can be read: send JPEG, PNG or WebP") from error
    except Image.DecompressionBombError as error:
        raise PhotoError("this picture has too many pixels") from error
    with opened as image:
        if image.width * image.height > PIXELS:
            raise PhotoError(f"a picture has at most {PIXELS // 1_000_000} million pixels", given=image.width)
        image.draft("RGB", (SIDE_PX, SIDE_PX))
        upright = ImageOps.exif_transpose(image)
        upright.thumbnail((SIDE_PX, SIDE_PX))
        bare = _on_white(upright)
    out = io.BytesIO()
    bare.save(out, "JPEG", quality=_QUALITY, optimize=True)
    return Photo(jpeg=out.getvalue(), width=bare.width, height=bare.height)


def _on_white(image: Image.Image) -> Image.Image:
    """Pixels on a new canvas: nothing that hangs on the old object comes along."""
    seen = image.convert("RGBA")
    canvas = Image.new("RGB", seen.size, "white")
    canvas.paste(seen, mask=seen.getchannel("A"))
    return canvas


def line(photo: Photo, description: str) -> str:
    """What goes out in a picture's stead. Raises PhotoError for too long a description."""
    _require_short(description)
    said = f"Photo: {description.strip()}. " if description.strip() else "Photo. "
    size = f"{photo.width} x {photo.height} pixels"
    return f"{said}It stays at our port; SHA-256 {photo.digest.hex()}, {size}. Ask us to see it."


def tell(objects: Sequence[bytes], kept: Sequence[Kept], chosen: Collection[str]) -> tuple[bytes, ...]:
    """The objects of a report in which exactly the pictures with these digests (hex) are told of."""
    notes = [at for at, raw in enumerate(objects) if orjson.loads(raw)["type"] == "note"]
    if not notes or not kept:
        return tuple(objects)
    data = orjson.loads(objects[notes[0]])
    words = str(data["content"])
    for one in kept:
        words = words.replace(f"\n\n{line(one.photo, one.description)}", "")
    told = [line(one.photo, one.description) for one in kept if one.photo.digest.hex() in chosen]
    renewed = normalise({**data, "content": "\n\n".join((words, *told))})
    return (*objects[: notes[0]], renewed, *objects[notes[0] + 1 :])


def small(photo: Photo) -> bytes:
    """The same, no side longer than ``SMALL_PX``, for a list."""
    with Image.open(io.BytesIO(photo.jpeg)) as image:
        image.thumbnail((SMALL_PX, SMALL_PX))
        out = io.BytesIO()
        image.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


def keep(
    connection: Connection,
    photo: Photo,
    *,
    draft: str,
    officer: str,
    now: datetime,
    description: str = "",
    shared: bool = False,
) -> None:
    """Keep a picture behind a draft; the same one again changes nothing. Raises PhotoError beyond four."""
    _require_short(description)
    held = connection.scalars(sa.select(_TABLE.c.digest).where(_TABLE.c.draft == draft)).all()
    if photo.digest in held:
        return
    if len(held) >= PHOTOS_PER_REPORT:
        raise PhotoError(f"a report has at most {PHOTOS_PER_REPORT} pictures")
    connection.execute(
        sa.insert(_TABLE).values(
            digest=photo.digest,
            draft=draft,
            officer=officer,
            at_ms=to_ms(now),
            description=description,
            shared=shared,
            width=photo.width,
            height=photo.height,
            jpeg=photo.jpeg,
        )
    )


def of_draft(connection: Connection, draft: str) -> list[Kept]:
    """The pictures behind a draft, the oldest first."""
    query = sa.select(_TABLE).where(_TABLE.c.draft == draft).order_by(_TABLE.c.at_ms, _TABLE.c.digest)
    return [
        Kept(
            photo=Photo(jpeg=row.jpeg, width=row.width, height=row.height),
            draft=row.draft,
            officer=row.officer,
            at=from_ms(row.at_ms),
            description=row.description,
            shared=row.shared,
        )
        for row in connection.execute(query)
    ]


def get(connection: Connection, draft: str, digest: str) -> Kept:
    """One picture behind a draft, by its SHA-256 in hex. Raises NoPhotoError."""
    found = next((one for one in of_draft(connection, draft) if one.photo.digest.hex() == digest), None)
    if found is None:
        raise NoPhotoError("there is no such picture")
    return found


def _require_short(description: str) -> None:
    if len(description) > DESCRIPTION_CHARS:
        raise PhotoError(f"a picture's description has at most {DESCRIPTION_CHARS} characters")
