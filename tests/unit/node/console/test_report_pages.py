"""New reports: recognised from a paste, at most eight fields, words at the field, pictures without metadata."""

from __future__ import annotations

import html
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from PIL import Image

from node import drafts, photos
from node.console import report_words
from node.report_kinds import KINDS
from port2port.console.people import Role
from port2port.statement import PURPOSES
from tests.fakes.console import form_token
from tests.fakes.desk_console import DeskConsole, desk_console


@pytest.fixture
def console(tmp_path: Path) -> Iterator[DeskConsole]:
    with desk_console(tmp_path) as made:
        yield made


def send(console: DeskConsole, kind: str, fields: dict[str, str], files: dict[str, Any] | None = None) -> Any:
    visitor = console.visitor()
    token = form_token(visitor.get(f"/report/{kind}").text)
    sent = {"form_token": token, **fields}
    # A form with a file goes out in parts, as the page has it.
    return visitor.client.post(f"/report/{kind}", data=sent, files=files or {"photo": ("", b"")})


def picture() -> bytes:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "a camera that tells"
    Image.new("RGB", (60, 40), "navy").save(out, "JPEG", exif=exif)
    return out.getvalue()


def test_every_kind_has_a_form_with_at_most_eight_fields(console: DeskConsole) -> None:
    assert set(report_words.KINDS) == set(KINDS)
    assert set(report_words.PURPOSES) == set(PURPOSES)
    visitor = console.visitor()
    chooser = visitor.get("/report").text
    for name in KINDS:
        assert f'href="/report/{name}"' in chooser
        text = visitor.get(f"/report/{name}").text
        assert text.count('<div class="field') - text.count('id="f-photo_says"') <= 8, name
    assert visitor.get("/report/submarine").status_code == 404


def test_a_report_becomes_a_draft_on_the_desk(console: DeskConsole) -> None:
    fields = {"text": "a drone over the lock, third night", "where": "51.34, 4.28", "at": "08:55", "count": "2"}
    answer = send(console, "drone", {**fields, "direction": "upstream", "remote_id": "X-77-SECRET"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/drafts/D1")
    draft = console.do(lambda c: drafts.get(c, "D1"))
    said = b"\n".join(draft.proposal.objects)
    assert b"third night" in said
    assert b"How many: 2." in said
    assert b"upstream" in said
    assert b"51.34" in said
    assert b"X-77-SECRET" not in said
    assert draft.why["author"] == "o1"
    assert draft.why["stays_here"] == {"remote_id": "X-77-SECRET"}
    assert "report" in console.audit()


def test_a_place_by_its_name_is_told_with_its_position(console: DeskConsole) -> None:
    place = next(one for one in console.context.places.places)
    send(console, "diver", {"text": "bubbles by the wall", "where": place.name.upper()})
    kinds = [orjson.loads(raw)["type"] for raw in console.do(lambda c: drafts.get(c, "D1")).proposal.objects]
    assert "location" in kinds


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        ("drone", {"text": "  "}, "Say in a few words what you saw."),
        ("drone", {"text": "x", "at": "25:99"}, "A time looks like 22:41."),
        ("drone", {"text": "x", "count": "some"}, "Say how many as a number"),
        ("drone", {"text": "x", "where": "51.34"}, "A position looks like"),
        ("container", {"text": "x"}, "This kind of report needs it."),
        ("container", {"text": "x", "number": "CSQU3054384"}, "its check digit should be 3"),
        ("vessel", {"text": "x"}, "It cannot be reported like this:"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_lost(
    console: DeskConsole, kind: str, fields: dict[str, str], words: str
) -> None:
    answer = send(console, kind, fields)
    assert answer.status_code == 422
    assert words in answer.text
    for value in fields.values():
        assert value.strip() in answer.text
    assert console.do(drafts.listed) == []


def test_a_picture_loses_its_metadata_and_stays_unless_told(console: DeskConsole) -> None:
    raw = picture()
    send(console, "pollution", {"text": "oil on the dock"}, {"photo": ("p.jpg", raw, "image/jpeg")})
    (kept,) = console.do(lambda c: photos.of_draft(c, "D1"))
    assert b"a camera that tells" in raw
    assert b"a camera that tells" not in kept.photo.jpeg
    assert not kept.shared
    digest = kept.photo.digest.hex()
    assert digest.encode() not in b"".join(console.do(lambda c: drafts.get(c, "D1")).proposal.objects)
    shown = console.visitor().get(f"/photos/D1/{digest}")
    assert (shown.headers["content-type"], shown.content) == ("image/jpeg", kept.photo.jpeg)
    assert console.visitor().get("/photos/D1/00").status_code == 404


def test_a_ticked_picture_is_told_by_its_fingerprint(console: DeskConsole) -> None:
    fields = {"text": "oil on the dock", "photo_says": "a film of oil", "share": "yes"}
    send(console, "pollution", fields, {"photo": ("p.jpg", picture(), "image/jpeg")})
    (kept,) = console.do(lambda c: photos.of_draft(c, "D1"))
    said = b"".join(console.do(lambda c: drafts.get(c, "D1")).proposal.objects)
    assert kept.shared
    assert kept.photo.digest.hex().encode() in said
    assert b"a film of oil" in said


def test_what_is_no_picture_is_refused_at_its_field(console: DeskConsole) -> None:
    answer = send(console, "other", {"text": "x"}, {"photo": ("p.jpg", b"MZ not a picture", "image/jpeg")})
    assert answer.status_code == 422
    assert "This picture cannot be taken" in answer.text


def test_a_paste_is_recognised_checked_and_handed_over(console: DeskConsole) -> None:
    visitor = console.visitor()
    text = "box CSQU3054383 and CSQU3054384, plate 1-ABC-234, see evil[.]example.com"
    answer = visitor.send("/report/paste", "/report", pasted=text)
    assert answer.status_code == 200
    assert "4 things recognised" in answer.text
    assert "One slip away: CSQU3054383" in answer.text
    assert 'action="/report/vehicle/start"' in answer.text
    started = visitor.send("/report/container/start", "/report", number="CSQU3054383", text="not a field of it")
    assert 'value="CSQU3054383"' in started.text
    assert "not a field of it" not in started.text
    assert console.audit()[-2:] == ["paste-recognised", "report-started"]
    assert "Nothing in it is a number" in visitor.send("/report/paste", "/report", pasted="all quiet").text


@pytest.mark.parametrize(
    ("pasted", "form", "field", "value"),
    [
        pytest.param("box CSQU 305438-3 on deck", "container", "number", "CSQU3054383", id="container"),
        pytest.param("mmsi 205 123 456", "vessel", "number", "205123456", id="mmsi"),
        pytest.param("IMO 9074729", "vessel", "number", "9074729", id="imo"),
        pytest.param("ENI 06004321", "vessel", "number", "06004321", id="eni"),
        pytest.param("a van, 1-ABC-234", "vehicle", "plate", "1-ABC-234", id="plate"),
        pytest.param("evil[.]example.com", "domain", "domain", "evil.example.com", id="domain"),
        pytest.param("from 8.8.4.4 at night", "address", "address", "8.8.4.4", id="ip"),
        pytest.param("hxxps://evil[.]example/x", "account", "account", "https://evil.example/x", id="url"),
    ],
)
def test_what_is_pasted_arrives_in_the_form_it_belongs_to(
    console: DeskConsole, pasted: str, form: str, field: str, value: str
) -> None:
    visitor = console.visitor()
    page = visitor.send("/report/paste", "/report", pasted=pasted).text
    assert "1 thing recognised" in page
    row = page[page.index(f'action="/report/{form}/start"') :]
    assert f'name="{field}" value="{value}"' in row[: row.index("</form>")]
    started = visitor.send(f"/report/{form}/start", "/report", **{field: value}).text
    shown = started[started.index(f'id="f-{field}"') :]
    assert f'value="{value}"' in shown[: shown.index(">")]


@pytest.mark.parametrize(
    ("pasted", "form", "right"),
    [
        pytest.param("CSQU3054384", "container", "3", id="container"),
        pytest.param("IMO 9074728", "vessel", "9", id="imo"),
    ],
)
def test_a_wrong_digit_is_said_with_the_right_one_in_the_paste_and_in_the_form(
    console: DeskConsole, pasted: str, form: str, right: str
) -> None:
    page = console.visitor().send("/report/paste", "/report", pasted=pasted).text
    assert f"check digit should be {right}" in page
    answer = send(console, form, {"text": "seen at the gate", "number": pasted})
    assert answer.status_code == 422
    assert f"its check digit should be {right}" in answer.text
    assert console.do(drafts.listed) == []


def test_places_of_the_ports_map_are_offered_by_name(console: DeskConsole) -> None:
    text = console.visitor().get("/report/diver").text
    assert 'list="places"' in text
    for place in console.context.places.places:
        assert f'<option value="{html.escape(place.name)}">' in text


def test_only_officers_report(console: DeskConsole) -> None:
    viewer = console.visitor("v1", Role.VIEWER)
    assert 'data-key="n"' not in viewer.get("/watch").text
    for path in ("/report", "/report/drone"):
        assert viewer.get(path).status_code == 404
    for path in ("/report/paste", "/report/drone", "/report/drone/start"):
        assert viewer.send(path, "/watch", text="x").status_code == 404
    assert 'data-key="n"' in console.visitor().get("/watch").text


def test_a_purpose_goes_with_what_points_at_a_person(console: DeskConsole) -> None:
    send(console, "intruder", {"text": "a man on the fence", "purpose": "isps"})
    said = console.do(lambda c: drafts.get(c, "D1")).proposal
    assert (said.personal_data, said.purpose) == (True, "isps")
