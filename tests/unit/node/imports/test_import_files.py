"""Files of partners are read whole, once, and go on where they were stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node import drafts
from node.foreign import keeping
from node.foreign.reading import OBJECT_BYTES
from node.foreign.taking import Source
from node.imports import files
from node.imports.files import FileImport, Progress, Report
from node.store import NodeStore
from port2port.errors import ConfigurationError, Port2PortError
from port2port.imported import imported_in
from port2port.stix.markings import TLP_IDS, tlp_of_id
from port2port.tlp import Tlp, at_least_as_strict, strictest
from tests.fakes.foreign import a_bundle, a_desk, a_report, a_store, an_indicator, stix_id
from tests.fakes.shared_data import shared_path

CERT = Source(name="cert")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[NodeStore]:
    made = a_store(tmp_path)
    yield made
    made.close()


def run(store: NodeStore, path: Path, source: Source = CERT, **more: Any) -> Report:
    return FileImport(path, source, store, **more).run(a_desk())


def written(home: Path, raw: bytes, name: str = "given.json") -> Path:
    path = home / name
    path.write_bytes(raw)
    return path


def many(count: int) -> bytes:
    return a_bundle(*(an_indicator(f"evil{number}.example") for number in range(count)))


def taken(store: NodeStore) -> list[str]:
    return [one.id for draft in store.read_now(drafts.listed) for one in imported_in(draft.proposal.body).objects]


def test_a_bundle_is_taken_in_and_a_second_time_known(store: NodeStore, tmp_path: Path) -> None:
    path = written(tmp_path, many(5))
    assert run(store, path).counts["drafted"] == 5
    again = run(store, path)
    assert (again.before, again.counts["drafted"]) == (True, 5)
    copy = written(tmp_path, many(5) + b"\n", "copy.json")
    assert run(store, copy).counts == {"met": 5, "known": 5}


def test_a_list_and_an_envelope_are_read_as_well(store: NodeStore, tmp_path: Path) -> None:
    assert run(store, written(tmp_path, json.dumps([an_indicator("a.example")]).encode())).counts["drafted"] == 1
    envelope = json.dumps({"more": False, "objects": [an_indicator("b.example")]}).encode()
    assert run(store, written(tmp_path, envelope)).counts["drafted"] == 1


class StoppedError(Port2PortError):
    """As if the process had been killed there."""

    code = "STOPPED"


@pytest.mark.parametrize("stretches", [1, 2, 3])
def test_stopped_anywhere_it_goes_on_without_gap_or_double(
    store: NodeStore, tmp_path: Path, stretches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "STRETCH", 3)
    path, told = written(tmp_path, many(10)), []

    def stop(progress: Progress) -> None:
        told.append(progress)
        if sum(bool(one.counts) for one in told) == stretches:
            raise StoppedError("killed")

    with pytest.raises(StoppedError):
        run(store, path, tell=stop)
    assert len(taken(store)) == 3 * stretches
    report = run(store, path)
    assert sorted(taken(store)) == sorted(stix_id(f"evil{number}.example") for number in range(10))
    assert (report.before, report.counts["met"], report.counts["drafted"]) == (False, 10, 10)


def test_a_container_at_the_end_of_a_long_file_marks_the_beginning(
    store: NodeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "STRETCH", 2)
    report = a_report(stix_id("evil0.example"), object_marking_refs=[TLP_IDS[Tlp.RED]])
    raw = a_bundle(*(an_indicator(f"evil{number}.example") for number in range(6)), report)
    counts = run(store, written(tmp_path, raw)).counts
    (red,) = [
        draft
        for draft in store.read_now(drafts.listed)
        if draft.proposal.tlp is Tlp.RED and b"evil0" in draft.proposal.objects[0]
    ]
    assert len(red.proposal.objects) == 1
    assert "tightened" not in counts


def test_a_file_that_breaks_off_is_taken_in_up_to_there_and_says_so(store: NodeStore, tmp_path: Path) -> None:
    raw = many(3)
    report = run(store, written(tmp_path, raw[: raw.rindex(b'"indicator"')]))
    assert (report.counts["drafted"], report.broken != "") == (2, True)


@pytest.mark.parametrize("raw", [b"", b"\x00\xff", b"hello", b"<xml/>"])
def test_what_is_no_json_is_told_and_takes_nothing_in(store: NodeStore, tmp_path: Path, raw: bytes) -> None:
    assert run(store, written(tmp_path, raw)).broken


def test_what_cannot_be_read_is_a_plain_error(store: NodeStore, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        run(store, tmp_path / "absent.json")


def test_the_progress_grows_to_the_whole(store: NodeStore, tmp_path: Path) -> None:
    told: list[float] = []
    run(store, written(tmp_path, many(450)), tell=lambda progress: told.append(progress.share))
    assert told == sorted(told)
    assert told[-1] == 1.0


# --- MISP ---------------------------------------------------------------------------------------------------------


def an_attribute(kind: str, value: str, **more: Any) -> dict[str, Any]:
    uuid = stix_id(f"{kind}{value}").partition("--")[2]
    return {"uuid": uuid, "type": kind, "value": value, "to_ids": True, "timestamp": "1763600000", **more}


def an_event(*attributes: Any, **more: Any) -> dict[str, Any]:
    made = {"uuid": "5b4f0000-0000-4000-8000-000000000000", "info": "x", "Attribute": [*attributes], **more}
    return {"Event": {"Orgc": {"uuid": "99999999-9999-4999-8999-999999999999"}, **made}}


def proposed(store: NodeStore) -> dict[str, tuple[str, Tlp]]:
    """By pattern: the author and marking."""
    found = {}
    for draft in store.read_now(drafts.listed):
        for raw in draft.proposal.objects:
            data = json.loads(raw)
            found[data["pattern"]] = (data["created_by_ref"], draft.proposal.tlp)
    return found


def test_attributes_for_detection_become_indicators_and_others_are_counted(store: NodeStore, tmp_path: Path) -> None:
    event = an_event(
        an_attribute("domain", "EVIL.example"),
        an_attribute("ip-dst|port", "198.51.100.7|443"),
        an_attribute("ip-src", "2001:db8::1"),
        an_attribute("filename|sha256", f"a.exe|{'A' * 64}"),
        an_attribute("url", "hxxp://evil[.]example/x"),
        an_attribute("email-src", "a@evil.example", to_ids=False),
        an_attribute("text", "words"),
        an_attribute("yara", "rule x {}"),
        an_attribute("ip-dst", "not an address"),
        Object=[{"Attribute": [an_attribute("md5", "b" * 32)], "distribution": "0"}],
        Tag=[{"name": "tlp:green"}],
    )
    report = run(store, written(tmp_path, json.dumps(event).encode()))
    assert {name: count for name, count in report.counts.items() if name.startswith(("skip", "quar"))} == {
        "quarantined": 1,
        "skipped email-src (not for detection)": 1,
        "skipped text": 1,
        "skipped yara": 1,
    }
    found = proposed(store)
    assert set(found) == {
        "[domain-name:value = 'evil.example']",
        "[ipv4-addr:value = '198.51.100.7']",
        "[ipv6-addr:value = '2001:db8::1']",
        f"[file:hashes.'SHA-256' = '{'a' * 64}']",
        "[url:value = 'http://evil.example/x']",
        f"[file:hashes.'MD5' = '{'b' * 32}']",
    }
    assert found["[domain-name:value = 'evil.example']"][1] is Tlp.GREEN
    assert found[f"[file:hashes.'MD5' = '{'b' * 32}']"][1] is Tlp.AMBER_STRICT


@pytest.mark.parametrize(
    ("event", "own", "tlp"),
    [
        pytest.param(["tlp:amber+strict"], [], Tlp.AMBER_STRICT, id="the tag of the event"),
        pytest.param(["tlp:green"], ["tlp:red"], Tlp.RED, id="a stricter tag of its own"),
        pytest.param(["tlp:red"], ["tlp:white"], Tlp.RED, id="a looser tag of its own"),
        pytest.param([], [], Tlp.AMBER_STRICT, id="no tag"),
        pytest.param([], ["tlp:white"], Tlp.CLEAR, id="only its own"),
    ],
)
def test_the_tags_of_an_event_count_for_its_attributes(
    store: NodeStore, tmp_path: Path, event: list[str], own: list[str], tlp: Tlp
) -> None:
    given = an_event(
        an_attribute("domain", "evil.example", Tag=[{"name": name} for name in own]), Tag=[{"name": n} for n in event]
    )
    run(store, written(tmp_path, json.dumps({"response": [given]}).encode()))
    assert [marking for _, marking in proposed(store).values()] == [tlp]


def test_beside_an_object_too_large_to_be_read_nothing_is_marked_loosely(store: NodeStore, tmp_path: Path) -> None:
    """It could be what holds the others together, under a stricter marking."""
    open_one = an_indicator("evil.example", object_marking_refs=[TLP_IDS[Tlp.GREEN]])
    large = a_report(open_one["id"], description="x" * OBJECT_BYTES)
    run(store, written(tmp_path, a_bundle(open_one, large)))
    (draft,) = store.read_now(drafts.listed)
    assert draft.proposal.tlp is Tlp.AMBER_STRICT


def test_what_the_converter_of_misp_makes_is_marked_no_looser(store: NodeStore, tmp_path: Path) -> None:
    """MISP's own converter puts the label on the grouping only; read from either form, the indicator has it."""
    from tests.fakes.misp import bundle_of  # seconds of imports that the other tests need not wait for

    event = an_event(
        an_attribute("domain", "evil.example", category="Network activity"),
        date="2026-11-20", timestamp="1763600000", Tag=[{"name": "tlp:amber+strict"}],
    )  # fmt: skip
    event["Event"]["Orgc"]["name"] = "CERT"
    bundle = bundle_of(event)
    run(store, written(tmp_path, json.dumps(event).encode(), "misp.json"), Source(name="misp"))
    (ours,) = store.read_now(drafts.listed)
    run(store, written(tmp_path, bundle, "stix.json"), Source(name="stix"))
    assert ours.proposal.tlp is Tlp.AMBER_STRICT
    ident = json.loads(ours.proposal.objects[0])["id"]
    theirs = store.read_now(lambda c: keeping.known(c, "stix", [ident]))[ident]
    assert (theirs.outcome, theirs.tlp) == ("duplicate", Tlp.AMBER_STRICT)
    assert {draft.proposal.tlp for draft in store.read_now(drafts.listed)} == {Tlp.AMBER_STRICT}


def test_an_odd_attribute_is_set_apart_under_its_uuid(store: NodeStore, tmp_path: Path) -> None:
    odd = an_attribute("ip-dst", "999.1.1.1")
    run(store, written(tmp_path, json.dumps(an_event(odd)).encode()))
    (apart,) = store.read_now(keeping.apart)
    assert (apart.stix_id, apart.text) == (odd["uuid"], "not an address")


# --- real ones ----------------------------------------------------------------------------------------------------

CORPUS = [
    "amnesty-cytrox", "mitre-atlas", "mvt-predator", "oasis-apt1", "oasis-poisonivy", "oasis-using-granular-markings",
    "oasis-using-marking-definitions", "oasis-indicator-for-malicious-url", "oasis-sighting-of-an-indicator",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", [*CORPUS, "ics-attack-18.1"])
def test_real_bundles_are_taken_in_whole(store: NodeStore, name: str) -> None:
    path = shared_path(f"stix/{name}.json")
    objects = json.loads(path.read_bytes())["objects"]
    report = run(store, path)
    counts = dict(report.counts)
    ended = sum(
        counts.get(word, 0) for word in ("drafted", "duplicate", "context", "expired", "revoked", "older", "known")
    )
    assert (counts["met"], ended, counts.get("quarantined", 0), report.broken) == (len(objects), len(objects), 0, "")
    plain = {one["id"]: one.get("object_marking_refs", []) for one in objects}
    for draft in store.read_now(drafts.listed):
        for told in imported_in(draft.proposal.body).objects:
            said = [tlp for ref in plain[told.id] if (tlp := tlp_of_id(ref))]
            least = strictest(*said) if said else Tlp.AMBER_STRICT
            assert at_least_as_strict(draft.proposal.tlp, least)
    assert run(store, path).before
