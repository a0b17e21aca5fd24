"""What strict validation costs against ``stix2.parse``, and what proving a fetched object costs in verifications.

Run: ``python -m benchmarks.validation --json FILE`` (``--quick`` to see that it works). Objects a second of CPU time in
one thread, from bytes; ``stix2.parse`` gets the same bytes through ``json.loads`` in alternate rounds of the same
run, and its own way of strictness (``allow_custom`` only where the objects are others'). Trust the ratios.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import random
import time
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import stix2

from benchmarks.parts.measures import verify_cost_s
from port2port import bundle, ids
from port2port.fetched import Prover, Verdict, read_control, read_fetched
from port2port.patterns import TemplateCache
from port2port.stix import objects as make
from port2port.stix import publishing
from port2port.stix.profile import OUTLET_TYPES, TYPES
from port2port.stix.registration import register
from port2port.stix.validate import StixValidator
from port2port.tlp import Tlp
from tests.fakes.attested import attestation, objects_of
from tests.fakes.trust_log import founded

T0 = datetime(2026, 11, 22, 10, tzinfo=UTC)
ISSUER = ids.identity_of("p2p.bench", "north-sea-port")
CORPUS = Path(__file__).resolve().parents[2] / "shared" / "data" / "stix"
AIM = 20
VERIFICATIONS = 15
ROUNDS = 7
WITNESSES = ("beanr", "bebru", "belgg", "beost", "north-sea-port")


def header(rng: random.Random, tlp: Tlp = Tlp.GREEN) -> make.Header:
    """As a port's node makes them."""
    ident = uuid.UUID(int=rng.getrandbits(128), version=4)
    return make.Header(ident=ident, issuer=ISSUER, created=T0, tlp=tlp, confidence=50, labels=("identity-clone",))


def an_indicator(rng: random.Random) -> bytes:
    """On a ship, a box, a host or a hash."""
    number = rng.randrange(10**6)
    pattern = rng.choice(
        [
            f"[vessel:mmsi = '205{number:06}']",
            f"[vessel:mmsi = '205{number:06}' AND vessel:name = 'SHIP {number}']",
            f"[domain-name:value = 'port-{number}.example']",
            f"[url:value = 'https://port-{number}.example/login?id={number}']",
            f"[ipv4-addr:value = '198.51.100.{number % 256}']",
            f"[file:hashes.'SHA-256' = '{rng.getrandbits(256):064x}']",
            f"[email-addr:value = 'gate{number}@port.example']",
        ]
    )
    until = T0 + timedelta(days=14)
    return make.indicator(header(rng), name=f"seen {number}", pattern=pattern, valid_from=T0, valid_until=until)


def port_mix(rng: random.Random) -> bytes:
    """What ports send: half indicators, a quarter sightings, the rest ships, notes, relationships, reports."""
    kind, sighted = rng.randrange(20), f"indicator--{uuid.UUID(int=rng.getrandbits(128), version=4)}"
    if kind < 10:
        return an_indicator(rng)
    if kind < 15:
        return make.sighting(
            header(rng), indicator_id=sighted, first_seen=T0, last_seen=T0, count=1, track="cloned track", port="BEANR"
        )
    if kind < 17:
        return make.vessel(mmsi=f"205{rng.randrange(10**6):06}", imo="9074729", name="EXAMPLE", tlp=Tlp.GREEN)
    if kind < 18:
        return make.note(header(rng), content="seen at the lock, twice", object_refs=[sighted])
    if kind < 19:
        return make.relationship(header(rng), kind="indicates", source_ref=sighted, target_ref=ISSUER)
    return make.report(header(rng), name="the week", published=T0, object_refs=[sighted])


def corpus(rng: random.Random, count: int) -> list[bytes]:
    """Public objects of standard types, where the data lies beside the repository."""
    found = [
        orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        for path in sorted(CORPUS.glob("*.json"))
        for value in json.loads(path.read_text("utf-8"))["objects"]
        if value["type"] in TYPES and value.get("modified", "9") >= value.get("created", "")
    ]
    return rng.sample(found, min(count, len(found)))


def cpu(run: Callable[[], object]) -> float:
    """Seconds of CPU, the collector resting."""
    gc.collect()
    gc.disable()
    begun = time.process_time()
    run()
    taken = time.process_time() - begun
    gc.enable()
    return taken


def against_stix2(raws: list[bytes], *, custom: bool, rounds: int) -> dict[str, float]:
    """Rates of both over the same objects, in alternate rounds, the best of each; every eighth object for ``stix2``."""
    validator = StixValidator(TemplateCache(), types=TYPES | OUTLET_TYPES)
    some = raws[:: max(1, min(8, len(raws) // 50))]
    ours, theirs = [], []
    each(validator.validate, raws)
    for _ in range(rounds):
        ours.append(cpu(lambda: each(validator.validate, raws)))
        theirs.append(cpu(lambda: each(lambda raw: stix2.parse(json.loads(raw), allow_custom=custom), some)))
    mine, other = len(raws) / min(ours), len(some) / min(theirs)
    size = sum(map(len, raws)) / len(raws)
    return {"bytes": round(size), "objects_per_s": round(mine), "stix2_per_s": round(other), "ratio": mine / other}


def each(check: Callable[[bytes], object], raws: Iterable[bytes]) -> None:
    """One after the other."""
    for raw in raws:
        check(raw)


def proving(count: int, rounds: int) -> dict[str, Any]:
    """What each fetched object costs, in Ed25519 verifications, file and all; control entries were read before."""
    fed, log = founded(members=WITNESSES, witnesses=WITNESSES)
    indices = [log.append(fed.publish("beanr")) for _ in range(count)]
    control = read_control(bundle.encode(log.bundle(1)), fed.genesis_hash, fed.validate)
    pages = {
        "one checkpoint for all": [attestation(log, at, witnesses=WITNESSES[:3]) for at in indices],
        "a checkpoint for each": [attestation(log, at, witnesses=WITNESSES[:3], size=at + 1) for at in indices],
        "unwitnessed": [attestation(log, at, size=at + 1) for at in indices],
    }
    found = {}
    for name, made in pages.items():
        raw = json.dumps({"objects": [item for at in indices for item in objects_of(log, at)] + made}).encode()
        wanted = Verdict.UNWITNESSED if name == "unwitnessed" else Verdict.PROVED
        assert {item.verdict for item in Prover(control).prove(read_fetched(raw))} == {wanted}
        ratios = []
        for _ in range(rounds):
            one = verify_cost_s()
            ratios.append(cpu(lambda raw=raw: Prover(control).prove(read_fetched(raw))) / count / one)
        found[name] = min(ratios)
    return found


def main() -> None:
    """Measure, print, write the file."""
    parser = argparse.ArgumentParser(description="figures of validation")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--quick", action="store_true", help="few objects, to see that it works")
    arguments = parser.parse_args()
    count, rounds = (200, 2) if arguments.quick else (4_000, ROUNDS)
    register()
    rng = random.Random(1)
    figures: dict[str, Any] = {
        "python": platform.python_version(),
        "indicators": against_stix2([an_indicator(rng) for _ in range(count)], custom=False, rounds=rounds),
        "port_mix": against_stix2([port_mix(rng) for _ in range(count)], custom=False, rounds=rounds),
        "examples": against_stix2(
            [orjson.dumps(publishing.example(name), option=orjson.OPT_SORT_KEYS) for name in publishing.examples()]
            * (count // 20),
            custom=False,
            rounds=rounds,
        ),
    }
    public = corpus(rng, count)
    if public:
        figures["public_corpora"] = against_stix2(public, custom=True, rounds=rounds)
    figures["proving_in_verifications"] = proving(max(50, count // 20), rounds)
    figures["aims"] = {"ratio": AIM, "proving_in_verifications": VERIFICATIONS}
    print(json.dumps(figures, indent=2))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
