"""A picture is kept without anything but its pixels, and what is no picture is refused whatever it is."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from node import photos
from node.photos import NoPhotoError, Photo, PhotoError
from tests.fakes.desks import NOW, B, Desk, Harbour
from tests.fakes.examples import many

SECRET = b"HENDRIK-OF-BERTH-7"


def encoded(form: str = "JPEG", size: tuple[int, int] = (60, 40), mode: str = "RGB", **more: object) -> bytes:
    out = io.BytesIO()
    image = Image.new(mode, size, "navy" if mode != "P" else 3)
    image.save(out, form, **more)
    return out.getvalue()


def with_exif(orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x013B] = SECRET.decode()  # artist
    exif[0x8825] = {1: "N", 2: (51.0, 20.0, 0.0)}  # GPS
    return encoded(exif=exif, comment=SECRET, icc_profile=SECRET)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    harbour = Harbour(tmp_path)
    yield harbour.desks[B]
    harbour.close()


def test_no_metadata_survives() -> None:
    raw = with_exif()
    assert SECRET in raw
    photo = photos.clean(raw)
    assert SECRET not in photo.jpeg
    with Image.open(io.BytesIO(photo.jpeg)) as image:
        assert dict(image.getexif()) == {}
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_what_hangs_behind_the_picture_does_not_survive() -> None:
    assert SECRET not in photos.clean(encoded() + SECRET).jpeg


def test_a_picture_stands_upright_although_its_metadata_is_gone() -> None:
    photo = photos.clean(with_exif(orientation=6))
    assert (photo.width, photo.height) == (40, 60)


@pytest.mark.parametrize(
    ("form", "mode"),
    [("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "1"), ("WEBP", "RGB")],
)
def test_pictures_of_cameras_and_screens_are_read(form: str, mode: str) -> None:
    photo = photos.clean(encoded(form, mode=mode))
    assert (photo.width, photo.height) == (60, 40)


def test_a_large_picture_becomes_smaller() -> None:
    photo = photos.clean(encoded(size=(5_000, 100)))
    assert (photo.width, photo.height) == (2_048, 41)


def bomb(side: int) -> bytes:
    """A PNG that says it is huge and holds next to nothing."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1_000)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [8_000, 20_000, 2**31 - 1])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(side: int) -> None:
    with pytest.raises(PhotoError):
        photos.clean(bomb(side))


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GIF89a" + bytes(100), id="a form we do not take"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", id="svg"),
        pytest.param(encoded()[:200], id="cut off"),
        pytest.param(encoded("PNG")[:50], id="png cut off"),
        pytest.param(bytes(photos.PHOTO_BYTES + 1), id="too many bytes"),
    ],
)
def test_what_is_no_picture_is_refused(raw: bytes) -> None:
    with pytest.raises(PhotoError):
        photos.clean(raw)


@given(
    st.binary(max_size=400),
    st.sampled_from([encoded(), encoded("PNG"), encoded("WEBP"), with_exif()]),
    st.integers(0, 2_000),
)
@settings(max_examples=many(300))
def test_broken_pictures_give_a_picture_or_an_error_of_ours(noise: bytes, raw: bytes, at: int) -> None:
    try:
        photo = photos.clean(raw[:at] + noise + raw[at + len(noise) :])
    except PhotoError:
        return
    assert photo.jpeg.startswith(b"\xff\xd8")


@given(st.binary(max_size=300))
@settings(max_examples=many(200))
def test_any_bytes_give_a_picture_or_an_error_of_ours(raw: bytes) -> None:
    for lead in (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x00\x00\x00\x00WEBPVP8 "):
        with pytest.raises(PhotoError):
            photos.clean(lead + raw)


def keep(desk: Desk, photo: Photo, draft: str = "D1") -> None:
    desk.node.store.write_now(lambda c: photos.keep(c, photo, draft=draft, officer="o1", now=NOW))


def test_a_picture_is_found_by_its_digest_behind_its_own_report_alone(desk: Desk) -> None:
    photo = photos.clean(encoded())
    keep(desk, photo)
    keep(desk, photo)
    found = desk.node.store.read_now(lambda c: photos.get(c, "D1", photo.digest.hex()))
    assert found.photo == photo
    for draft, digest in (("D2", photo.digest.hex()), ("D1", "00" * 32), ("D1", "")):
        with pytest.raises(NoPhotoError):
            desk.node.store.read_now(lambda c, d=draft, g=digest: photos.get(c, d, g))


def test_a_report_has_four_pictures_at_most(desk: Desk) -> None:
    for quality in (10, 20, 30, 40):
        keep(desk, photos.clean(encoded(size=(quality, quality))))
    with pytest.raises(PhotoError, match="at most 4"):
        keep(desk, photos.clean(encoded(size=(50, 50))))
    with pytest.raises(PhotoError, match="description"):
        photos.line(photos.clean(encoded()), "x" * 301)
