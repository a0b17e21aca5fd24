"""AIS from bytes to findings, against pyais decoding alone in the same run.

    python benchmarks/ais.py [--json FILE] [--input RECORDING] [--repeat N]

pyais alone is assembling and decoding with nothing around it: no checksum, no tag block, no duplicates, no gate.
The rate of both is in lines per second on one core; what counts is the ratio (aim: a third).
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pyais import IterMessages
from pyais.exceptions import AISBaseException

from node.data import starter_places
from node.detectors import Scene, all_detectors
from node.places import Places, load_places
from node.sensors.gate import Gate
from node.sensors.parsers.ais import AisParser, line_time
from node.sensors.transports.lines import ReceivedLine
from node.simulate import NORTH_SEA_PORT, Clone, Simulation, traffic
from node.tracks import Tracks
from node.visits import VisitFold

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")
RECORDING = Path(__file__).resolve().parents[2] / "shared/data/ais/aishub_20120314_benelux_tagged.nmea"
START = datetime(2026, 11, 22, tzinfo=UTC)
BATCH = 512
AIM = 1 / 3


def lines_of(path: Path | None) -> tuple[str, list[bytes]]:
    """The recording, or ten minutes of 400 simulated ships."""
    if path is not None:
        return path.name, path.read_bytes().splitlines()
    simulation = Simulation(start=START, duration_s=600.0, ships=400, clone=Clone())
    return "simulated", [sentence for _, sentence in traffic(simulation, NORTH_SEA_PORT)]


def decode_alone(lines: list[bytes]) -> None:
    """What pyais does by itself."""
    for sentence in IterMessages(lines):
        try:
            sentence.decode()
        except (AISBaseException, ValueError):
            continue


def fenced_map() -> Places:
    """The starter map with a fence around every lock and terminal, so that the geofence has work to do."""
    document = json.loads(starter_places())
    for feature in document["features"]:
        if feature["properties"]["kind"] in ("lock", "terminal"):
            feature["properties"]["rules"] = {"allowed_ship_types": ["0-99"]}
    return load_places(json.dumps(document).encode())


class Pipeline:
    """The stages as the node wires them, with a clock around each."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.parser, self.gate, self.tracks, self.visits = AisParser(), Gate(), Tracks(), VisitFold()
        self.detectors = all_detectors()
        self.seconds: dict[str, float] = {}
        self.findings = 0

    def timed(self, stage: str, work: Callable[[], Result]) -> Result:
        """Run ``work`` and add its time to the stage."""
        begin = time.perf_counter()
        result = work()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - begin
        return result

    def run(self, lines: list[ReceivedLine]) -> None:
        """All lines in batches."""
        for begin in range(0, len(lines), BATCH):
            batch = lines[begin : begin + BATCH]
            parsed = self.timed("parse", lambda batch=batch: self.parser.parse(batch))
            admitted = self.timed("gate", lambda parsed=parsed: self.gate.admit(parsed))
            for detector in self.detectors:
                found = self.timed(
                    detector.name, lambda detector=detector, seen=admitted: detector.detect(seen, self.scene)
                )
                self.findings += len(found)
            self.timed("tracks", lambda seen=admitted: self.tracks.fold(seen))
            self.timed("visits", lambda seen=admitted: self.visits.fold(seen, self.scene.places))


def main() -> None:
    """Measure, print, and write the figures where asked."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", type=Path)
    arguments.add_argument("--input", type=Path)
    arguments.add_argument("--repeat", type=int, default=3)
    given = arguments.parse_args()
    name, raw = lines_of(given.input or (RECORDING if RECORDING.exists() else None))
    at, received = START, []
    for line in raw:
        at = line_time(line) or at
        received.append(ReceivedLine("bench", at, line))
    scene = Scene(places=fenced_map())
    alone, whole, best = [], [], None
    for _ in range(given.repeat):
        begin = time.perf_counter()
        decode_alone(raw)
        alone.append(time.perf_counter() - begin)
        pipeline = Pipeline(scene)
        begin = time.perf_counter()
        pipeline.run(received)
        whole.append(time.perf_counter() - begin)
        best = pipeline if whole[-1] == min(whole) else best
    stages = {stage: 1e6 * spent / len(raw) for stage, spent in (best.seconds if best else {}).items()}
    ratio = min(alone) / min(whole)
    figures = {
        "input": name,
        "lines": len(raw),
        "pyais_alone_lines_per_s": round(len(raw) / min(alone)),
        "bytes_to_findings_lines_per_s": round(len(raw) / min(whole)),
        "ratio": round(ratio, 3),
        "aim": round(AIM, 3),
        "findings": best.findings if best else 0,
        "microseconds_per_line": {stage: round(cost, 2) for stage, cost in stages.items()},
    }
    print(f"{name}: {len(raw)} lines, best of {given.repeat}")
    print(f"  pyais alone        {figures['pyais_alone_lines_per_s']:>9} lines/s")
    print(f"  bytes to findings  {figures['bytes_to_findings_lines_per_s']:>9} lines/s")
    print(f"  ratio              {ratio:>9.2f} (aim {AIM:.2f})")
    for stage, cost in stages.items():
        print(f"    {stage:<16} {cost:>9.2f} microseconds a line")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
