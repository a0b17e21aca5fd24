"""Fetched objects and their attestations: what is proved, what is caught, and that writing JSON anew changes neither."""

from __future__ import annotations

import argparse
import copy
import json
import random
import uuid
from dataclasses import dataclass, replace
from typing import Any

import pytest
import stix2
from hypothesis import given, settings
from hypothesis import strategies as st

from port2port import bundle
from port2port.checkpoint import format_proof, parse_proof, sign
from port2port.cli import verify as command
from port2port.errors import ConfigurationError, Port2PortError
from port2port.fetched import FetchedError, Finding, Prover, Verdict, read_control, read_fetched
from port2port.fetched.control import Control
from port2port.fetched.spelling import respelled, spellings
from port2port.stix import definitions
from port2port.stix.markings import TLP_IDS, marking_definition
from port2port.stix.registration import register
from port2port.tlp import Tlp
from tests.fakes.attested import attestation, force, objects_of
from tests.fakes.examples import many
from tests.fakes.federation import Federation
from tests.fakes.trust_log import FakeLog, founded

MEMBERS = ("beanr", "belgg", "north-sea-port")
MOST = MEMBERS[:2]


@dataclass
class Scene:
    """A log with a publication of two objects and one of AMBER, all witnessed."""

    fed: Federation
    log: FakeLog
    first: int
    amber: int

    def control(self, *, placed: bool = True) -> Control:
        raw = bundle.encode(self.log.bundle(1)) if placed else self.log.control_log()
        return read_control(raw, self.fed.genesis_hash, self.fed.validate)

    def served(self, *indices: int, witnesses: tuple[str, ...] = MOST) -> list[dict[str, Any]]:
        """Objects, then their attestations, as a collection would have them."""
        chosen = indices or (self.first, self.amber)
        made = [attestation(self.log, index, witnesses=witnesses) for index in chosen]
        return [item for index in chosen for item in objects_of(self.log, index)] + made

    def verdicts(self, fetched: Any, **options: Any) -> list[str]:
        return [item.verdict.value for item in self.prove(fetched, **options)]

    def prove(self, fetched: Any, **options: Any) -> list[Finding]:
        raw = fetched if isinstance(fetched, bytes) else json.dumps(fetched).encode()
        return Prover(self.control(**options)).prove(read_fetched(raw))


def scene(**options: Any) -> Scene:
    fed, log = founded(members=MEMBERS, witnesses=MEMBERS, **options)
    log.append(fed.group("seaports", "beanr", "north-sea-port"))
    two = [fed.indicator("beanr"), fed.indicator("beanr", pattern="[url:value = 'x']", description="a \u2013 b")]
    first = log.append(fed.publish("beanr", objects=two))
    amber = log.append(fed.publish("north-sea-port", tlp=Tlp.AMBER, groups=("seaports",)))
    return Scene(fed, log, first, amber)


SCENE = scene()
PAGE = SCENE.served()


def page(**more: Any) -> dict[str, Any]:
    return {"more": False, "objects": copy.deepcopy(PAGE), **more}


# What proves.


@pytest.mark.parametrize("placed", [True, False], ids=["proof bundle", "control log"])
def test_objects_are_proved_with_who_when_and_marking(placed):
    found = SCENE.prove(page(), placed=placed)
    assert [item.verdict for item in found] == [Verdict.PROVED] * 3
    proof = found[2].proof
    assert proof is not None
    assert (proof.entry.statement.issuer, proof.tlp, proof.witnesses) == ("north-sea-port", Tlp.AMBER, MOST)
    assert proof.entry.index == SCENE.amber


def reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value


def by_stix2(value: dict[str, Any]) -> Any:
    register()
    parsed = stix2.parse(value, allow_custom=True)
    return json.loads(parsed.serialize(pretty=True)) if not isinstance(parsed, dict) else parsed


def other_times(value: dict[str, Any]) -> dict[str, Any]:
    """As writers do that cut zeroes, add them, or prefer +00:00."""
    style = {"created": "Z", "modified": "+00:00", "valid_from": ".000Z", "valid_until": ".000000+00:00"}
    out = dict(value)
    for name, end in style.items():
        if name in value:
            out[name] = str(value[name]).removesuffix("Z").removesuffix(".000") + end
    return out


FORMS = {
    "a TAXII envelope": lambda: page(more=True, next="x"),
    "a list of pages": lambda: [{"more": True, "objects": PAGE[:2]}, {"objects": PAGE[2:]}, {"more": False}],
    "a STIX bundle": lambda: {"type": "bundle", "id": "bundle--x", "objects": PAGE},
    "a list of objects": lambda: PAGE,
    "spaces": lambda: json.dumps(page(), indent=4).encode(),
    "not ASCII": lambda: json.dumps(page(), ensure_ascii=False).encode(),
    "another order of keys": lambda: reversed_keys(page()),
    "attestations first": lambda: {"objects": PAGE[::-1]},
    "stix2": lambda: {"objects": [by_stix2(item) for item in PAGE]},
    "other times": lambda: {"objects": [other_times(item) for item in PAGE]},
    "without what stix2 adds": lambda: {
        "objects": [{k: v for k, v in i.items() if k != "pattern_version"} for i in PAGE]
    },
    "an object twice": lambda: {"objects": [*PAGE, PAGE[0]]},
}


@pytest.mark.parametrize("form", FORMS)
def test_whoever_wrote_the_json_anew_the_objects_are_proved(form):
    fetched = FORMS[form]()
    verdicts = SCENE.verdicts(fetched)
    assert verdicts == ["proved"] * (4 if form == "an object twice" else 3)


def test_each_of_these_forms_is_another_spelling():
    assert respelled(other_times(PAGE[0])) == PAGE[0]
    assert len({json.dumps(FORMS[form]() if form != "spaces" else form, default=str) for form in FORMS}) == len(FORMS)


def test_numbers_and_times_are_written_as_stix2_writes_them():
    given = {"created": "2026-11-22T11:00:00+01:00", "start": "2026-11-22T10:00:00.500Z", "n": [1.0, 0.5, True]}
    assert respelled(given) == {
        "created": "2026-11-22T10:00:00.000Z",
        "start": "2026-11-22T10:00:00.5Z",
        "n": [1, 0.5, True],
    }
    for odd in ("2026-02-30T00:00:00+25:99", "0001-01-01T00:00:00+14:00", "2026-11-22", "10:00"):
        assert respelled(odd) == odd


def test_markings_and_definitions_as_published_are_told_apart_from_what_looks_like_them():
    constants = [json.loads(marking_definition(Tlp.GREEN)), *map(dict, definitions.definitions().values())]
    assert set(SCENE.verdicts({"objects": constants})) == {"published constant"}
    changed = [constants[0] | {"name": "TLP:CLEAR"}, constants[1] | {"schema": "https://evil.example/"}]
    assert SCENE.verdicts({"objects": changed}) == ["no attestation"] * 2


# What is caught.


def one_changed(**changes: Any) -> dict[str, Any]:
    fetched = page()
    fetched["objects"][0] = {k: v for k, v in (fetched["objects"][0] | changes).items() if v is not None}
    return fetched


@pytest.mark.parametrize(
    ("changes", "verdict", "why"),
    [
        ({"pattern": "[url:value = 'y']"}, "tampered", "beanr in publish"),
        ({"name": "cloned identitY"}, "tampered", ""),
        ({"x_more": 1}, "tampered", ""),
        ({"revoked": True}, "tampered", ""),
        ({"valid_until": "2036-01-01T00:00:00Z"}, "tampered", ""),
        ({"description": None, "name": None}, "tampered", ""),
        ({"object_marking_refs": [TLP_IDS[Tlp.CLEAR]]}, "marking changed", "marked TLP:CLEAR; nothing else"),
        ({"object_marking_refs": [TLP_IDS[Tlp.RED]]}, "marking changed", "marked TLP:RED; nothing else"),
        ({"object_marking_refs": None}, "marking changed", "without any; nothing else"),
        (
            {"object_marking_refs": [TLP_IDS[Tlp.CLEAR]], "name": "x"},
            "marking changed",
            "TLP:CLEAR instead of TLP:GREEN",
        ),
        ({"modified": "2036-01-01T00:00:00.000Z"}, "no attestation", "another version"),
    ],
)
def test_a_changed_object_is_caught_and_its_neighbours_stay_proved(changes, verdict, why):
    found = SCENE.prove(one_changed(**changes))
    assert found[0].verdict.value == verdict
    assert why in found[0].why
    assert found[0].proof is None
    assert [item.verdict for item in found[1:]] == [Verdict.PROVED] * 2


def test_an_object_without_its_attestation_is_not_proved():
    assert SCENE.verdicts({"objects": PAGE[:2]}) == ["no attestation"] * 2


def test_a_missing_witness_is_told_and_a_later_version_of_the_attestation_heals_it():
    bare = SCENE.served(SCENE.first, witnesses=("beanr",))
    found = SCENE.prove({"objects": bare})
    assert {item.verdict for item in found} == {Verdict.UNWITNESSED}
    assert "co-signed by beanr, no majority" in found[0].why
    again = attestation(SCENE.log, SCENE.first, witnesses=MOST, later_ms=5)
    assert SCENE.verdicts({"objects": [*bare, again]}) == ["proved"] * 2
    assert SCENE.verdicts({"objects": [again, *bare]}) == ["proved"] * 2


def test_a_key_revoked_before_the_entry_is_caught_though_the_hub_logged_it():
    here = scene(seed="revoked")
    here.log.append(here.fed.revoke_key(here.fed.ports["beanr"].machine.key_id))
    late = force(here.log, here.fed.publish("beanr"))
    here.log.append(here.fed.join("bebru"))
    found = here.prove({"objects": here.served(here.first, late)})
    assert [item.verdict for item in found] == [Verdict.PROVED, Verdict.PROVED, Verdict.REVOKED]
    assert "step 9 KEYS" in found[2].why


def test_a_key_declared_stolen_as_of_before_the_entry_is_a_dispute():
    here = scene(seed="stolen")
    before = here.fed.clock.now()
    here.fed.clock.advance(60)
    later = here.log.append(here.fed.publish("beanr"))
    here.fed.clock.advance(60)
    here.log.append(here.fed.revoke_key(here.fed.ports["beanr"].machine.key_id, invalid_since=before))
    (found,) = here.prove({"objects": here.served(later)})
    assert found.verdict is Verdict.DISPUTED
    assert found.proof is not None
    assert found.proof.disputed


def test_control_entries_that_end_before_the_entry_prove_nothing_about_it():
    here = scene(seed="early")
    old = here.control()
    later = here.log.append(here.fed.publish("beanr"))
    (found,) = Prover(old).prove(here.served(later))
    assert found.verdict is Verdict.CONTROL_TOO_OLD
    assert here.verdicts(here.served(later)) == ["proved"]


def test_a_member_s_object_in_another_member_s_statement_is_no_proof():
    here = scene(seed="thief")
    stolen = here.fed.indicator("belgg")
    index = force(here.log, here.fed.publish("beanr", objects=[stolen]))
    (found,) = here.prove({"objects": here.served(index)})
    assert found.verdict is Verdict.INVALID
    assert "created by somebody else" in found.why


def test_an_object_marked_otherwise_than_its_own_statement_is_no_proof():
    here = scene(seed="looser")
    index = force(
        here.log,
        here.fed.publish(
            "beanr", objects=[here.fed.indicator("beanr", tlp=Tlp.CLEAR)], tlp=Tlp.AMBER, recipients=("belgg",)
        ),
    )
    (found,) = here.prove({"objects": here.served(index)})
    assert found.verdict is Verdict.INVALID
    assert "not marked TLP:AMBER" in found.why


def test_two_roots_of_one_size_convict_the_log():
    one, two = scene(seed="split"), scene(seed="split")
    assert one.log.roots[-1] != two.log.roots[-1]
    found = one.prove({"objects": [*one.served(one.first), *two.served(two.first)]})
    assert [item.verdict for item in found] == [Verdict.PROVED] * 2 + [Verdict.INVALID] * 2
    assert "two roots" in found[2].why


def spoiled(**changes: Any) -> dict[str, Any]:
    return {"objects": [*PAGE[:2], {**PAGE[3], **changes}]}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"received_ms": PAGE[3]["received_ms"] + 1}, "step 19 INCLUSION"),
        ({"signed_statement": PAGE[4]["signed_statement"]}, "step 14 TIME"),
        ({"tlog_proof": PAGE[4]["tlog_proof"]}, "step 19 INCLUSION"),
        ({"object_refs": PAGE[3]["object_refs"][::-1]}, "other objects than the statement"),
        ({"signed_statement": "AAAA"}, "step 2 ENCODING"),
        ({"tlog_proof": "c2sp.org/tlog-proof@v1\nx"}, "ends its last line|index|tlog-proof"),
    ],
)
def test_an_attestation_with_another_part_proves_nothing(changes, why):
    found = SCENE.prove(spoiled(**changes))
    assert {item.verdict for item in found} == {Verdict.INVALID}
    assert any(part in found[0].why for part in why.split("|")), found[0].why


def test_a_checkpoint_that_the_log_did_not_sign_proves_nothing():
    stranger = Federation(members=(), seed="stranger", name=SCENE.fed.name)
    proof = parse_proof(PAGE[3]["tlog_proof"].encode())
    forged = replace(proof, signed=sign(proof.signed.checkpoint, stranger.log_key))
    found = SCENE.prove(spoiled(tlog_proof=format_proof(forged).decode()))
    assert {item.verdict for item in found} == {Verdict.INVALID}
    assert "not signed with the log's key" in found[0].why


def test_salts_in_another_order_prove_nothing():
    assert SCENE.verdicts(spoiled(salts=PAGE[3]["salts"][::-1])) == ["tampered"] * 2


@pytest.mark.parametrize("broken", [{"salts": []}, {"received_ms": -1}, {"object_refs": "x"}, {"created": "yesterday"}])
def test_what_is_no_attestation_is_told_and_its_objects_have_none(broken):
    found = SCENE.prove(spoiled(**broken))
    assert [item.verdict for item in found] == [Verdict.INVALID, Verdict.UNATTESTED, Verdict.UNATTESTED]


def test_a_crowd_of_attestations_of_one_object_is_not_all_tried():
    crowd = [{**PAGE[3], "modified": f"2030-01-01T00:00:00.{n:03}Z", "received_ms": n} for n in range(200)]
    prover = Prover(SCENE.control())
    assert [item.verdict for item in prover.prove([PAGE[0], PAGE[3], *crowd])] == [Verdict.INVALID]
    assert len(prover._entries) <= 16


def test_a_second_attestation_of_the_same_proof_changes_nothing_about_the_first():
    """It has other names and salts: what was judged once is this attestation, not all that resemble it."""
    more = [*PAGE[3]["object_refs"], f"indicator--{uuid.UUID(int=9, version=4)}"]
    twin = {**PAGE[3], "object_refs": more, "salts": [PAGE[3]["salts"][0]] * 3}
    for both in ([PAGE[3], twin], [twin, PAGE[3]]):
        assert SCENE.verdicts({"objects": [*PAGE[:2], *both]}) == ["proved"] * 2


# Files.


@pytest.mark.parametrize("form", ["utf-16", "utf-32", "utf-8-sig"])
def test_json_comes_in_utf_8(form):
    with pytest.raises(FetchedError, match="not JSON in UTF-8"):
        read_fetched(json.dumps(page()).encode(form))


def test_foreign_text_does_nothing_to_a_terminal(tmp_path, capsys):
    odd = {"id": "\x1b[2J\ud800", "type": "p2p-attestation", "modified": "\x07"}
    assert run(tmp_path, {"objects": [odd, {**odd, "type": "indicator"}, {**PAGE[0], "modified": "\x1b[1m"}]}) == 1
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    assert out.isascii()
    assert "\\u001b[2J\\ud800" in out


def test_a_key_that_is_there_twice_spoils_its_object_alone():
    raw = json.dumps(page()).encode()
    doubled = raw.replace(b'"name": "cloned identity"', b'"name": "x", "name": "cloned identity"', 1)
    assert SCENE.verdicts(doubled) == ["no object", "proved", "proved"]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        b"1",
        b"{}x",
        b'{"objects": NaN}',
        b'{"objects": {}}',
        b'{"type":"bundle"}',
        b'{"type":"indicator"}',
        b'{"title":"no envelope"}',
        b"[" * 100_000,
        b'{"objects":[' + b"[" * 60 + b"]" * 60 + b"]}",
        b'{"objects":[' + b"9" * 5_000 + b"]}",
    ],
)
def test_another_file_is_refused(raw):
    with pytest.raises(Port2PortError):
        read_fetched(raw)


@pytest.mark.parametrize("odd", [None, 1, "x", [], {"id": 5}, {"id": "indicator--1"}, {"type": "p2p-attestation"}])
def test_what_is_no_object_is_told(odd):
    assert SCENE.verdicts({"objects": [odd]}) in (["no object"], ["proof not valid"])


def test_too_many_objects_are_refused():
    with pytest.raises(FetchedError, match="at most"):
        read_fetched(b"[" + b"0," * 200_000 + b"0]")


@settings(max_examples=many(300), deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet='[]{}":,01ntf\\u', max_size=80).map(str.encode))
def test_any_bytes_are_a_list_or_refused(raw):
    try:
        found = read_fetched(raw)
    except Port2PortError:
        return
    assert Prover(SCENE.control()).prove(found) is not None


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda s: st.lists(s, max_size=3)
)


@settings(max_examples=many(300), deadline=None)
@given(st.data())
def test_whatever_is_changed_in_a_page_nothing_is_proved_but_what_was_signed(data):
    fetched = copy.deepcopy(PAGE)
    at = data.draw(st.integers(0, len(fetched) - 1))
    name = data.draw(st.sampled_from(sorted(fetched[at])))
    fetched[at][name] = data.draw(ODD)
    whole = {item["id"]: item for item in PAGE}
    proved = [item for item in Prover(SCENE.control()).prove(fetched) if item.verdict is Verdict.PROVED]
    for item in proved:
        shown = next(value for value in fetched if value.get("id") == item.id)
        assert next(spellings(respelled(shown))) == next(spellings(whole[item.id]))


def test_a_bit_changed_in_a_proof_is_caught_or_costs_a_cosignature():
    rng = random.Random(4)
    whole = PAGE[3]["tlog_proof"].encode()
    for at in sorted(rng.sample(range(len(whole)), many(200))):
        bent = bytearray(whole)
        bent[at] ^= 1 << rng.randrange(7)
        text = bytes(bent).decode(errors="replace")
        verdicts = set(SCENE.verdicts(spoiled(tlog_proof=text)))
        assert "proved" not in verdicts or text == whole.decode(), (at, verdicts)


# The command.


def run(tmp_path, fetched: Any, *more: str, control: bytes | None = None, genesis: str = "") -> int:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    path, beside = tmp_path / "page.json", tmp_path / "control"
    path.write_bytes(fetched if isinstance(fetched, bytes) else json.dumps(fetched).encode())
    beside.write_bytes(SCENE.log.control_log() if control is None else control)
    arguments = ["verify", str(path), "--genesis", genesis or SCENE.fed.genesis_hash, "--control", str(beside)]
    return command.run(parser.parse_args([*arguments, *more]))


def test_the_command_tells_each_object_and_counts(tmp_path, capsys):
    assert run(tmp_path, page()) == command.VALID
    out = capsys.readouterr().out
    assert out.count("PROVED  indicator--") == 3
    assert "\n  north-sea-port (" in out
    assert "officer o1" in out
    assert "TLP:AMBER, entry" in out
    assert "\n3 proved\n" in out
    assert "as the hub says them" in out


def test_the_command_fails_where_one_object_is_not_proved(tmp_path, capsys):
    assert run(tmp_path, one_changed(name="x"), control=bundle.encode(SCENE.log.bundle(2))) == command.INVALID
    out = capsys.readouterr().out
    assert "TAMPERED  indicator--" in out
    assert "\n2 proved, 1 tampered\n" in out
    assert "proved by the bundle" in out


def test_nothing_fetched_is_nothing_proved(tmp_path, capsys):
    assert run(tmp_path, {"objects": []}) == command.INVALID
    assert "nothing was fetched" in capsys.readouterr().out


def test_unwitnessed_objects_pass_only_when_allowed(tmp_path):
    bare = {"objects": SCENE.served(witnesses=())}
    assert run(tmp_path, bare) == command.INVALID
    assert run(tmp_path, bare, "--allow-unwitnessed") == command.VALID
    broken = {"objects": [*bare["objects"], {**PAGE[0], "name": "x"}]}
    assert run(tmp_path, broken, "--allow-unwitnessed") == command.INVALID


def test_the_command_writes_json_for_programs(tmp_path, capsys):
    assert run(tmp_path, one_changed(name="x"), "--json") == command.INVALID
    report = json.loads(capsys.readouterr().out)
    assert report["all_proved"] is False
    assert report["control"]["places_proved"] is False
    assert [item["verdict"] for item in report["objects"]] == ["tampered", "proved", "proved"]
    assert report["objects"][1]["issuer"] == "beanr"
    assert report["objects"][1]["witnesses"] == list(MOST)


@pytest.mark.parametrize(
    ("fetched", "control", "genesis"),
    [(b"x", None, ""), (b"[]", b"{}", ""), (b"[]", b'{"type":"proposal"}', ""), (b"[]", None, "00" * 32)],
)
def test_files_that_do_not_hold_are_not_valid(tmp_path, capsys, fetched, control, genesis):
    assert run(tmp_path, fetched, control=control, genesis=genesis) == command.INVALID
    assert capsys.readouterr().out.startswith("NOT VALID: ")


def test_a_control_file_that_is_not_there_is_not_a_verdict(tmp_path):
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    (tmp_path / "page").write_bytes(b"[]")
    given = ["verify", str(tmp_path / "page"), "--genesis", "00" * 32, "--control", str(tmp_path / "none")]
    with pytest.raises(ConfigurationError, match="cannot read"):
        command.run(parser.parse_args(given))
