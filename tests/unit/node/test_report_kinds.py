"""Every kind of report becomes valid objects; what points at a person stays here, or waits for a purpose."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from node import photos, quick_report, report_kinds
from node.acts import preparing
from node.acts.asked import Asked
from node.drafts import Defaults
from node.report import Desk, ReportError, Sight
from node.report_kinds import COMMON, KINDS, Picture, Reported, build
from node.review import Choice
from node.two_person import ONE_OFFICER_SUBJECTS
from port2port.errors import Port2PortError, ProfileError
from port2port.geo import Position
from port2port.identifiers import IdentifierError
from port2port.statement import PURPOSES
from port2port.verify import RefusedError
from tests.fakes import desks
from tests.fakes.desks import NOW, B, Harbour
from tests.fakes.examples import many
from tests.fakes.federation import Federation

FED = Federation()
DESK = Desk(
    defaults=Defaults(issuer=FED.identity("beanr"), groups=("seaports",)),
    now=NOW,
    new_id=uuid.uuid4,
    validate=FED.validate,
)
SIGHT = Sight(
    text="no lights, two men",
    at=NOW - timedelta(minutes=20),
    place="Zandvliet lock",
    position=Position(latitude_deg=51.34, longitude_deg=4.28),
    count=2,
    direction="upstream",
)
FILLED: dict[str, dict[str, str]] = {
    "vessel": {"number": "IMO 9074729", "name": "MSC LEANNE"},
    "no-ais": {"name": "DARK STAR"},
    "small-craft": {},
    "intruder": {},
    "vehicle": {"plate": "1-ABC-123", "model": "white Transit"},
    "diver": {},
    "drone": {"model": "quadcopter", "remote_id": "1581F4ABC"},
    "broken-seal": {"number": "CSQU3054383", "seal": "ML-BE 123456"},
    "container": {"number": "csqu 305438 3"},
    "account": {"account": "jan.p@example.com"},
    "document": {"reference": "AWB 020-1234", "sha256": "ab" * 32},
    "domain": {"domain": "evil[.]example"},
    "address": {"address": "8.8.8.8"},
    "pollution": {"substance": "gas oil", "extent": "30 by 5 metres"},
    "other": {},
}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[desks.Desk]:
    harbour = Harbour(tmp_path)
    yield harbour.desks[B]
    harbour.close()


def made(kind: str, sight: Sight = SIGHT, **more: Any) -> Reported:
    return build(DESK, kind, more.pop("fields", FILLED.get(kind, {})), sight, **more)


def words(reported: Reported) -> str:
    return b"\n".join(reported.proposal.objects).decode()


def jpeg(**more: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), "navy").save(out, "JPEG", **more)
    return out.getvalue()


def test_every_kind_has_at_most_eight_fields() -> None:
    assert set(KINDS) == set(FILLED)
    for kind in KINDS.values():
        assert len(kind.all_fields) <= 8
        assert kind.all_fields[-len(COMMON) :] == COMMON


@pytest.mark.parametrize("kind", FILLED)
def test_every_kind_says_what_where_when_how_many_and_which_way(kind: str) -> None:
    reported = made(kind)
    note = orjson.loads(reported.proposal.objects[0])
    assert note["content"].startswith(
        "no lights, two men\n\nSeen 2026-11-22 07:40 UTC at Zandvliet lock. How many: 2. Direction: upstream."
    )
    assert '"latitude":51.34' in words(reported)
    for raw in reported.proposal.objects:
        FED.validate(raw)


@pytest.mark.parametrize("kind", FILLED)
def test_what_stays_here_stands_in_no_object(kind: str) -> None:
    reported = made(kind)
    stays = {field.name for field in KINDS[kind].fields if field.stays} & set(FILLED[kind])
    assert set(reported.stays) == stays
    for name in stays:
        assert FILLED[kind][name] not in words(reported)
        assert reported.why("o1")["stays_here"] == dict(reported.stays)


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("vessel", "[vessel:imo = '9074729']"),
        ("container", "[freight-container:number = 'CSQU3054383']"),
        ("broken-seal", "[freight-container:number = 'CSQU3054383']"),
        ("account", "[email-addr:value = 'jan.p@example.com']"),
        ("document", f"[file:hashes.'SHA-256' = '{'ab' * 32}']"),
        ("domain", "[domain-name:value = 'evil.example']"),
    ],
)
def test_what_others_can_match_is_an_indicator(kind: str, pattern: str) -> None:
    found = {data["type"]: data for data in map(orjson.loads, made(kind).proposal.objects)}
    assert found["indicator"]["pattern"] == pattern


def test_an_account_is_an_address_a_page_or_a_name() -> None:
    for value, path, personal in (
        ("hxxps://evil[.]example/login", "[url:value = 'https://evil.example/login']", False),
        ("wharf-admin", "[user-account:account_login = 'wharf-admin']", True),
    ):
        reported = made("account", fields={"account": value})
        assert path in words(reported)
        assert reported.proposal.personal_data is personal


@pytest.mark.parametrize("kind", ["vessel", "no-ais", "small-craft", "drone", "broken-seal", "container", "domain"])
def test_one_officer_may_publish_what_is_about_a_vessel_a_box_a_drone_or_a_domain(kind: str) -> None:
    reported = made(kind)
    assert not reported.proposal.personal_data
    assert preparing.subjects_of(reported.proposal.objects) <= ONE_OFFICER_SUBJECTS
    assert preparing.subjects_of(reported.proposal.objects)


@pytest.mark.parametrize("kind", ["intruder", "account", "address"])
def test_what_points_at_a_person_waits_for_a_purpose(kind: str) -> None:
    assert made(kind).needs_purpose
    purpose = next(iter(PURPOSES))
    told = made(kind, purpose=purpose)
    assert (told.needs_purpose, told.proposal.purpose) == (False, purpose)
    with pytest.raises(ReportError, match="a purpose is one of"):
        made(kind, purpose="curiosity")


def test_words_that_point_at_a_person_make_the_whole_report_personal() -> None:
    sight = Sight(text="driver Jan Peeters, jan@example.com", at=NOW)
    assert made("diver", sight).needs_purpose
    assert not made("diver").proposal.personal_data


def test_without_a_purpose_personal_data_is_published_by_nobody(desk: desks.Desk) -> None:
    mine = Desk(defaults=desk.defaults, now=desk.fed.clock.now(), new_id=uuid.uuid4, validate=desk.fed.validate)
    reported = build(mine, "intruder", {}, SIGHT)
    draft = desk.node.store.write_now(lambda c: report_kinds.submit(c, reported, officer="o1", now=mine.now))
    asked = Asked(roster=desk.roster, officer="o1", now=mine.now)
    with pytest.raises(RefusedError, match="purpose"):
        desk.node.store.write_now(lambda c: preparing.publish_draft(c, desk.author, draft.id, Choice(), asked))
    chosen = build(mine, "intruder", {}, SIGHT, purpose="isps")
    second = desk.node.store.write_now(lambda c: report_kinds.submit(c, chosen, officer="o1", now=mine.now))
    act = desk.node.store.write_now(lambda c: preparing.publish_draft(c, desk.author, second.id, Choice(), asked))
    assert act.need == 2
    assert act.barred == ("o1",)


def test_the_plate_is_left_out_of_the_words_too() -> None:
    for text in ("van 1-ABC-123 waited", "van 1abc123 waited"):
        with pytest.raises(ReportError, match="leave the plate out"):
            made("vehicle", Sight(text=text, at=NOW))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("vessel", {}),
        ("container", {}),
        ("container", {"number": "CSQU3054384"}),
        ("broken-seal", {"seal": "?"}),
        ("document", {"sha256": "ab"}),
        ("account", {"account": " "}),
        ("diver", {"name": "x"}),
        ("pollution", {"substance": "x" * 301}),
        ("pollution", {"substance": "a\nb"}),
        ("submarine", {}),
    ],
)
def test_a_form_that_says_too_little_or_what_cannot_be_is_refused(kind: str, fields: dict[str, str]) -> None:
    with pytest.raises((ReportError, IdentifierError)):
        made(kind, fields=fields)


@pytest.mark.parametrize("wrong", [{"count": 0}, {"count": 100_001}, {"direction": "x" * 2_001}])
def test_a_sight_says_a_number_there_can_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ReportError):
        Sight(text="x", at=NOW, **wrong)


def test_a_picture_is_told_by_its_digest_only_where_ticked(desk: desks.Desk) -> None:
    photo = photos.clean(jpeg())
    pictures = (Picture(photo=photo, description="the cut fence", share=True),)
    reported = made("diver", pictures=pictures)
    assert photo.digest.hex() in words(reported)
    assert "It stays at our port" in words(reported)
    unticked = made("diver", pictures=(Picture(photo=photo, description="the cut fence"),))
    assert photo.digest.hex() not in words(unticked)
    assert "cut fence" not in words(unticked)
    draft = desk.node.store.write_now(lambda c: report_kinds.submit(c, reported, officer="o1", now=NOW))
    (kept,) = desk.node.store.read_now(lambda c: photos.of_draft(c, draft.id))
    assert (kept.photo, kept.description, kept.shared, kept.officer) == (photo, "the cut fence", True, "o1")


def test_every_form_a_paste_leads_to_exists() -> None:
    for form, field in quick_report.FORMS.values():
        assert field in {one.name for one in KINDS[form].fields}


FIELD_NAMES = sorted({field.name for kind in KINDS.values() for field in kind.fields})


@given(
    st.sampled_from([*KINDS, "x"]),
    st.dictionaries(st.sampled_from(FIELD_NAMES), st.text(max_size=60), max_size=2),
    st.text(max_size=80),
)
@settings(max_examples=many(300))
def test_whatever_is_typed_becomes_valid_objects_or_an_error_of_ours(
    kind: str, fields: dict[str, str], text: str
) -> None:
    try:
        reported = build(DESK, kind, fields, Sight(text=text, at=NOW))
    except ProfileError:
        return
    except Port2PortError as error:
        pytest.fail(f"unexpected {error.code}")
    for raw in reported.proposal.objects:
        FED.validate(raw)
