"""The page of a draft: its photos, what it is for, and what was said already of the same thing."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from PIL import Image

from node import act_store, drafts, photos
from node.drafts import Draft
from tests.fakes.console import form_token
from tests.fakes.desk_console import DeskConsole, desk_console
from tests.fakes.desks import B

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHOICE = {"tlp": "amber", "handling": "call_first", "group": "seaports"}


@pytest.fixture
def console(tmp_path: Path) -> Iterator[DeskConsole]:
    with desk_console(tmp_path) as made:
        yield made


def picture(colour: str = "navy") -> photos.Photo:
    out = io.BytesIO()
    Image.new("RGB", (600, 400), colour).save(out, "JPEG")
    return photos.clean(out.getvalue())


def reported(console: DeskConsole, **fields: str) -> Draft:
    visitor = console.visitor()
    sent = {"form_token": form_token(visitor.get("/report/diver").text), "text": "bubbles by the wall", **fields}
    answer = visitor.client.post("/report/diver", data=sent, files={"photo": ("", b"")})
    ident = answer.headers["location"].rpartition("/")[2]
    return console.do(lambda c: drafts.get(c, ident))


def with_photo(console: DeskConsole, draft: Draft, words: str, colour: str = "navy", *, shared: bool = False) -> str:
    made, now = picture(colour), console.context.now
    console.do(lambda c: photos.keep(c, made, draft=draft.id, officer="o1", now=now, description=words, shared=shared))
    return made.digest.hex()


def freeze(console: DeskConsole, ident: str = "D1", **fields: Any) -> Any:
    moved = console.do(lambda c: drafts.version(drafts.get(c, ident)))
    return console.visitor().send(f"/drafts/{ident}/publish", f"/drafts/{ident}", **CHOICE, version=moved, **fields)


def told(console: DeskConsole, act: str = "A1") -> dict[str, Any]:
    frozen = console.do(lambda c: act_store.get(c, act))
    found: dict[str, Any] = next(
        data for part in frozen.parts for item in part.objects if (data := orjson.loads(item.body))["type"] == "note"
    )
    return found


def test_photos_are_shown_small_and_none_goes_along_unless_ticked(console: DeskConsole) -> None:
    draft = reported(console)
    digest = with_photo(console, draft, "two hoses")
    text = console.visitor().get("/drafts/D1").text
    assert f'src="/photos/D1/{digest}/small"' in text
    ticks = re.findall(r'<input type="checkbox"[^>]*name="picture"[^>]*>', text)
    assert len(ticks) == 1
    assert "checked" not in ticks[0]
    small = console.visitor().get(f"/photos/D1/{digest}/small")
    with Image.open(io.BytesIO(small.content)) as image:
        assert max(image.size) == photos.SMALL_PX
    freeze(console, pictures="asked")
    assert digest not in told(console)["content"]
    assert "two hoses" not in told(console)["content"]


def test_exactly_the_ticked_photos_are_told_of_by_words_and_fingerprint(console: DeskConsole) -> None:
    draft = reported(console)
    first, second = with_photo(console, draft, "two hoses"), with_photo(console, draft, "a bag", "grey")
    freeze(console, pictures="asked", picture=second)
    assert "bubbles by the wall" in told(console)["content"]
    assert second in told(console)["content"]
    assert "a bag" in told(console)["content"]
    assert first not in told(console)["content"]


def test_what_the_reporter_ticked_can_be_unticked_before_signing(console: DeskConsole) -> None:
    draft = reported(console)
    kept = photos.Kept(
        photo=picture(), draft=draft.id, officer="o1", at=console.context.now, description="a bag", shared=True
    )
    objects = photos.tell(draft.proposal.objects, [kept], {kept.photo.digest.hex()})
    assert b"a bag" in objects[0]
    assert photos.tell(objects, [kept], set()) == draft.proposal.objects


def test_words_beside_a_photo_that_name_somebody_take_two_officers(console: DeskConsole) -> None:
    draft = reported(console)
    digest = with_photo(console, draft, "jan@dock.example")
    freeze(console, pictures="asked", picture=digest)
    act = console.do(lambda c: act_store.get(c, "A1"))
    assert "personal-data" in act.reasons


def test_the_purpose_is_chosen_on_the_page_and_signed(console: DeskConsole) -> None:
    console.draft()
    text = console.visitor().get("/drafts/D1").text
    assert re.search(r'<option value="maritime-security" selected>', text)
    freeze(console, purpose="isps", personal="yes")
    act = console.do(lambda c: act_store.get(c, "A1"))
    assert b'"purpose":"isps"' in act.parts[0].statement
    assert "Security of ships and port facilities" in console.visitor().get("/acts/A1").text
    answer = freeze(console, purpose="curiosity")
    assert answer.status_code in {400, 403}


def test_what_others_said_of_the_same_ship_stands_beside_it_with_a_link(console: DeskConsole) -> None:
    other = console.harbour.desks[B]
    other.publish(other.draft())
    other.send()
    console.harbour.pull()
    console.draft()
    text = console.visitor().get("/drafts/D1").text
    assert "Similar already published" in text
    found = re.search(r'href="/watch/indicators/north-sea-port/(indicator--[0-9a-f-]+)"', text)
    assert found is not None
    assert console.visitor().get(found.group(0)[6:-1]).status_code == 200
    freeze(console, relates=found.group(1))
    assert told(console)["object_refs"] == [found.group(1)]
    viewer_text = console.visitor("b2").get("/drafts/D1").text
    assert "Similar already published" in viewer_text
    assert 'name="relates"' not in viewer_text


def test_nothing_similar_is_no_section(console: DeskConsole) -> None:
    console.draft()
    assert "Similar already published" not in console.visitor().get("/drafts/D1").text
