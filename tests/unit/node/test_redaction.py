"""What an officer unticks is out of the bytes, whole; the scan warns of what looks like somebody's."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.drafts import Defaults, Proposal
from node.redaction import Choices, RedactionError, look, redact, scan
from node.report import Desk, Sight, vessel
from port2port.geo import Position
from port2port.ids import identity_of
from tests.fakes.desks import NOW
from tests.fakes.examples import many
from tests.fakes.federation import Federation

FED = Federation()
LINES = ({"line": "a"}, {"line": "b"}, {"line": "c"})


def reported(text: str = "no lights") -> Proposal:
    """A note, a vessel, an indicator and a place."""
    numbers = iter(range(1, 99))
    desk = Desk(
        defaults=Defaults(issuer=identity_of("p2p.test", "beanr")),
        now=NOW,
        new_id=lambda: UUID(int=next(numbers) << 96 | 4 << 76 | 2 << 62),
        validate=FED.validate,
    )
    return vessel(
        desk,
        Sight(text=text, at=NOW, place="quay 4", position=Position(latitude_deg=51.2, longitude_deg=4.4)),
        mmsi="205123456",
        name="ROAMER",
    )


def by_type(proposal: Proposal) -> dict[str, dict[str, object]]:
    return {one["type"]: one for one in map(orjson.loads, proposal.objects)}


def ident(proposal: Proposal, kind: str) -> str:
    return str(by_type(proposal)[kind]["id"])


def test_nothing_unticked_leaves_every_byte_alone() -> None:
    proposal = reported()
    made = redact(proposal, LINES, Choices())
    assert (made.proposal, made.lines, made.sealed, made.digest) == (proposal, LINES, {}, "")


def test_an_object_left_out_is_gone_from_the_references_too() -> None:
    proposal = reported()
    gone = ident(proposal, "location")
    made = redact(proposal, LINES, Choices(objects=frozenset({gone}), lines=frozenset({1})))
    assert all(gone.encode() not in raw for raw in made.proposal.objects)
    assert made.lines == (LINES[0], LINES[2])
    assert made.sealed["lines"] == [LINES[1]]
    assert gone in str(made.sealed["objects"])
    assert len(made.digest) == 64
    for raw in made.proposal.objects:
        FED.validate(raw)


def test_a_note_about_nothing_left_names_its_author() -> None:
    proposal = reported()
    others = frozenset(str(one["id"]) for kind, one in by_type(proposal).items() if kind != "note")
    (note,) = map(orjson.loads, redact(proposal, (), Choices(objects=others)).proposal.objects)
    assert note["object_refs"] == [note["created_by_ref"]]


def test_what_points_to_something_left_out_by_one_reference_goes_with_it() -> None:
    proposal = reported()
    target = ident(proposal, "indicator")
    related = orjson.dumps({"id": "relationship--x", "type": "relationship", "source_ref": target, "target_ref": "y"})
    both = replace(proposal, objects=(*proposal.objects, related))
    made = redact(both, (), Choices(objects=frozenset({target})))
    assert b"relationship--x" not in b"".join(made.proposal.objects)
    assert len(made.sealed["objects"]) == 2  # type: ignore[arg-type]  # a list of objects


def test_a_field_left_out_is_sealed_with_its_value() -> None:
    proposal = reported()
    note = ident(proposal, "note")
    made = redact(proposal, (), Choices(fields=frozenset({(note, "/abstract"), (note, "/labels/0")})))
    said = by_type(made.proposal)["note"]
    assert "abstract" not in said
    assert {"id": note, "path": "/labels/0", "value": "officer-report"} in made.sealed["fields"]  # type: ignore[operator]


def test_places_in_a_list_are_those_the_officer_saw() -> None:
    raw = orjson.dumps({"id": "note--1", "type": "note", "aliases": [str(number) for number in range(12)]})
    proposal = replace(reported(), objects=(raw,))
    from node import redaction

    one = orjson.loads(raw)
    for _, path in sorted({("x", "/aliases/2"), ("x", "/aliases/10")}, key=redaction._from_the_end, reverse=True):
        redaction._take(one, path)
    assert one["aliases"] == ["0", "1", "3", "4", "5", "6", "7", "8", "9", "11"]
    assert proposal.objects == (raw,)


@pytest.mark.parametrize(
    "path", ["/id", "/pattern", "/object_marking_refs", "/created_by_ref", "/nothing", "name", "/"]
)
def test_what_an_object_cannot_miss_or_does_not_have_is_refused(path: str) -> None:
    proposal = reported()
    with pytest.raises(RedactionError):
        redact(proposal, (), Choices(fields=frozenset({(ident(proposal, "indicator"), path)})))


@pytest.mark.parametrize(
    "choices",
    [Choices(objects=frozenset({"indicator--gone"})), Choices(lines=frozenset({3})), Choices(lines=frozenset({-1}))],
)
def test_what_is_not_there_any_more_is_refused(choices: Choices) -> None:
    with pytest.raises(RedactionError, match="changed meanwhile"):
        redact(reported(), LINES, choices)


def test_a_draft_with_nothing_left_is_not_published() -> None:
    proposal = reported()
    every = frozenset(str(one["id"]) for one in by_type(proposal).values())
    with pytest.raises(RedactionError, match="reject the draft"):
        redact(proposal, (), Choices(objects=every))


@settings(max_examples=many(200), deadline=None)
@given(st.data())
def test_whatever_is_left_out_is_in_no_byte_and_all_of_it_is_sealed(data: st.DataObject) -> None:
    proposal = reported(text="SECRETWORD here")
    ids = [str(one["id"]) for one in by_type(proposal).values()]
    out = data.draw(st.frozensets(st.sampled_from(ids), max_size=len(ids) - 1))
    lines = data.draw(st.frozensets(st.integers(0, 2)))
    made = redact(proposal, LINES, Choices(objects=out, lines=lines))
    kept = b"".join(made.proposal.objects)
    assert all(one.encode() not in kept for one in out)
    assert len(made.proposal.objects) + len(made.sealed.get("objects", [])) == len(proposal.objects)  # type: ignore[arg-type]
    assert len(made.lines) == 3 - len(lines)
    for raw in made.proposal.objects:
        FED.validate(raw)


@pytest.mark.parametrize(
    ("text", "kind", "piece"),
    [
        ("mail jan.peeters@example.be now", "e-mail", "jan.peeters@example.be"),
        ("call +32 470 12 34 56", "phone", "+32 470 12 34 56"),
        ("call 0032-3-205.12.34!", "phone", "0032-3-205.12.34"),
        ("a van, 1-ABC-234, grey", "plate", "1-ABC-234"),
        ("Dutch plate XX-99-YY", "plate", "XX-99-YY"),
        ("logged in from 203.0.113.7.", "ip-address", "203.0.113.7"),
        ("from 2001:db8::7 at night", "ip-address", "2001:db8::7"),
        ("kapitein Van Damme said", "name", "kapitein Van Damme"),
        ("a man named Jan Peeters", "name", "named Jan Peeters"),
        ("85.07.30-033.28", "national-number", "85.07.30-033.28"),
    ],
)
def test_what_looks_like_somebodys_is_pointed_at(text: str, kind: str, piece: str) -> None:
    assert (kind, piece) in list(look(text))


@pytest.mark.parametrize(
    "text",
    [
        "MMSI 205123456 passed at 22:31 on 2026-11-22",
        "IMO 9074729, container CSQU3054383, 51.2345 4.4012",
        "lights out near buoy 12-A, no answer on channel 12",
        "version 1.2.3 of the plotter",
    ],
)
def test_ships_boxes_and_times_are_nobodys(text: str) -> None:
    assert list(look(text)) == []


def test_the_scan_says_where_in_which_object() -> None:
    proposal = reported(text="skipper Jan Peeters, 1-ABC-234")
    found = {(one.kind, one.id, one.path) for one in scan(proposal)}
    assert {
        ("plate", ident(proposal, "note"), "/content"),
        ("name", ident(proposal, "indicator"), "/description"),
    } <= found


@settings(max_examples=many(300), deadline=None)
@given(st.text(max_size=2_000))
def test_any_text_can_be_scanned(text: str) -> None:
    assert all(piece and kind for kind, piece in look(text))
