"""What other validators forgive and we do not: the cases in which no single one of them is right."""

from __future__ import annotations

import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import stix2

from port2port.errors import ProfileError
from port2port.patterns import TemplateCache
from port2port.stix import objects
from port2port.stix.validate import StixValidator
from port2port.tlp import Tlp

VALIDATORS = {
    "strict": StixValidator(TemplateCache()),
    "foreign": StixValidator(TemplateCache(), foreign=True),
}
T0 = datetime(2026, 11, 22, 10, tzinfo=UTC)
IDENT = uuid.UUID(int=7, version=4)
REF = f"identity--{IDENT}"
BASE: dict[str, Any] = orjson.loads(
    objects.indicator(
        objects.Header(ident=IDENT, issuer=REF, created=T0, tlp=Tlp.GREEN, confidence=50, labels=("a",)),
        name="n",
        pattern="[ipv4-addr:value = '198.51.100.1']",
        valid_from=T0,
        valid_until=T0 + timedelta(days=1),
    )
)
GONE = object()

# What is changed, and whether stix2.parse takes it without a word.
CASES: dict[str, tuple[dict[str, Any], bool]] = {
    "confidence 101": ({"confidence": 101}, True),
    "confidence -1": ({"confidence": -1}, True),
    "confidence as text": ({"confidence": "50"}, True),
    "confidence as a float": ({"confidence": 50.5}, True),
    "confidence as a boolean": ({"confidence": True}, True),
    "a name that is a number": ({"name": 5}, True),
    "revoked as text": ({"revoked": "true"}, True),
    "revoked as a number": ({"revoked": 1}, True),
    "a property that is null": ({"description": None}, True),
    "no labels in a list": ({"labels": []}, True),
    "labels as text": ({"labels": "a"}, True),
    "a label that is a number": ({"labels": [5]}, True),
    "changed before it was made": ({"modified": "2026-11-22T09:59:59.999Z"}, True),
    "created without milliseconds": ({"created": "2026-11-22T10:00:00Z"}, True),
    "created in another zone": ({"created": "2026-11-22T11:00:00.000+01:00"}, False),
    "created without a zone": ({"created": "2026-11-22T10:00:00.000"}, False),
    "created on a day alone": ({"created": "2026-11-22"}, False),
    "created on 30 February": ({"created": "2026-02-30T10:00:00.000Z"}, False),
    "created in a leap second": ({"created": "2016-12-31T23:59:60.000Z"}, False),
    "valid for no time": ({"valid_until": BASE["valid_from"]}, False),
    "valid until before it begins": ({"valid_until": "2026-11-21T10:00:00Z"}, False),
    "an id in capitals": ({"id": f"indicator--{str(IDENT).upper()[:-1]}A"}, True),
    "an id of no version": ({"id": "indicator--00000000-0000-0000-0000-000000000007"}, False),
    "an id without hyphens": ({"id": f"indicator--{IDENT.hex}"}, True),
    "an id of another type": ({"id": f"malware--{IDENT}"}, False),
    "no spec_version": ({"spec_version": GONE}, False),
    "STIX 2.0": ({"spec_version": "2.0"}, False),
    "made by no identity": ({"created_by_ref": f"malware--{IDENT}"}, False),
    "marked by no marking": ({"object_marking_refs": [REF]}, False),
    "a marking of a part that is not there": (
        {"granular_markings": [{"selectors": ["nothing"], "marking_ref": BASE["object_marking_refs"][0]}]},
        False,
    ),
    "an empty pattern": ({"pattern": ""}, False),
    "a pattern that is none": ({"pattern": "[ipv4-addr:value = ]"}, False),
    "kill chains, but none": ({"kill_chain_phases": []}, True),
    "a reference to nothing": ({"external_references": [{}]}, False),
    "an extension by a name of its own": ({"extensions": {"x-own": {}}}, False),
    "a time as a number": ({"valid_from": 1_700_000_000}, False),
    "a float that is whole": ({"x_length": 1.0}, False),
    "an integer beyond 2^53": ({"x_length": 2**53 + 1}, False),
}


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (BASE | changes).items() if value is not GONE}


@pytest.mark.parametrize("mode", VALIDATORS)
@pytest.mark.parametrize("name", CASES)
def test_what_others_forgive_is_refused_and_the_object_around_it_is_not(name, mode):
    VALIDATORS[mode].validate(orjson.dumps(BASE, option=orjson.OPT_SORT_KEYS))
    with pytest.raises(ProfileError) as caught:
        VALIDATORS[mode].validate(orjson.dumps(changed(CASES[name][0]), option=orjson.OPT_SORT_KEYS))
    assert caught.value.text != "the object could not be validated"


@pytest.mark.parametrize("name", [name for name, (_, forgiven) in CASES.items() if forgiven])
def test_stix2_takes_these_so_it_must_not_be_the_one_that_decides(name):
    stix2.parse(changed(CASES[name][0]))


# Attacks: answered by bounded steps. A process of its own is asked, so that a hang is a failure and not a wait.

ATTACKS = """
import json, orjson
from port2port.errors import Port2PortError
from port2port.patterns import TemplateCache
from port2port.stix.validate import StixValidator
base = json.loads(BASE)
def of(**changes):
    return orjson.dumps(base | changes, option=orjson.OPT_SORT_KEYS)
deep = "x"
for _ in range(31):
    deep = [deep]
texts = ["a" * 61 + "!", "a-" * 30_000 + "!", "a" * 60_000 + "!", "0" * 60_000, "[" * 60_000, "((((" * 2_400, "\\\\" * 30_000]
patterns = [
    "[a:b = 'x'" + " OR a:b = 'x'" * 600 + "]",
    "[" + "(" * 400 + "a:b = 'x'" + ")" * 400 + "]",
    "[" + "NOT " * 2_000 + "a:b = 'x']",
    "[a:b MATCHES '" + "(a+)+" * 400 + "$']",
    "[a:b IN (" + ", ".join(["'x'"] * 1_900) + ")]",
    "[a:b = 'x'] " + "AND [a:b = 'x'] " * 500,
    "[a:b = 'x'] " + "REPEATS 2 TIMES " * 500,
    "[a" + ":a" * 4_000 + " = 1]",
    "[a:b" + ".b" * 4_000 + " = 1]",
    "[a:b" + "[*]" * 3_000 + " = 1]",
    "/*" * 4_000, "'" * 9_999, "[a:b = h'" + "0" * 9_000 + "']", "[a:b LIKE '" + "%" * 9_000 + "']",
]
raws = [of(pattern=text) for text in patterns + texts]
for name in ("type", "id", "created", "created_by_ref", "lang", "name", "spec_version"):
    raws += [of(**{name: text}) for text in texts]
for text in texts:
    raws.append(of(type=text, id=text))
    raws.append(of(**{"x_" + text[:300]: 1}))
    raws.append(of(extensions={text: {"extension_type": text}}))
    raws.append(of(granular_markings=[{"selectors": [text], "marking_ref": text}]))
    raws.append(of(external_references=[{"source_name": text, "url": text, "hashes": {"SHA-256": text, text: text}}]))
raws += [of(granular_markings=[{"selectors": ["a." * 20_000], "marking_ref": base["object_marking_refs"][0]}])]
raws += [of(labels=["x"] * 15_000), of(object_marking_refs=base["object_marking_refs"] * 500), of(x_deep=deep)]
raws += [of(granular_markings=[{"selectors": ["name"], "marking_ref": base["object_marking_refs"][0]}] * 400)]
raws += [b"[" * 65_000, b'{"a":' * 12_000, b'{"a":[' * 9_000 + b"1", b'"' * 65_000, b'\\\\"' * 30_000, b"9" * 65_000]
raws += [b'{"a":1e' + b"9" * 60_000 + b"}", b'{"' + b"a" * 65_000, b"[]" * 32_000, b"\\xff" * 65_000]
answers = 0
for foreign in (False, True):
    validator = StixValidator(TemplateCache(), foreign=foreign)
    for raw in raws:
        try:
            validator.validate(raw)
        except Port2PortError as error:
            assert error.text != "the object could not be validated", raw[:80]
        answers += 1
assert answers == 2 * len(raws)
print(answers)
"""


@pytest.mark.slow
def test_attacks_on_expressions_and_nesting_are_all_answered_with_our_errors(tmp_path):
    script = tmp_path / "attacks.py"
    script.write_text(f"BASE = {orjson.dumps(BASE).decode()!r}\n{ATTACKS}", encoding="utf-8")
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, str(script)], cwd=root, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 200
