"""How quickly warning lists are there and answer: our index beside pymispwarninglists, in the same run.

Run: ``python -m benchmarks.warning_lists --json FILE``; ``--quick`` takes small lists only. Both read the lists that
pymispwarninglists brings along. *Loading* is what each start of a program costs: ours opens the index (its SHA-256
included) and answers a first question, theirs makes ``WarningLists()``. *Building* is done once for each new version
of the lists. A look-up of ours asks every list, by suffix, network, part and expression; theirs (``search``) compares
whole values only, and with ``slow_search`` does what ours does, but for expressions.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pymispwarninglists

from node.warning_lists.building import build, sources
from node.warning_lists.index import Index
from port2port.observables import guess

T = TypeVar("T")
DATA = Path(pymispwarninglists.__file__).parent / "data"
LOOK_UPS = 20_000
SLOW_LOOK_UPS = 10
PER_LIST = 50
QUICK_BYTES = 100_000
FIRST = "mail.google.com"
PERCENTILES = {"p50_us": 0.5, "p99_us": 0.99, "max_us": 1.0}


def timed(run: Callable[[], T]) -> tuple[float, T]:
    """Seconds of CPU time, which others on the machine do not lengthen, and what came of it."""
    gc.collect()
    begun = time.process_time()
    made = run()
    return time.process_time() - begun, made


def values(files: Sequence[Path]) -> list[str]:
    """What is asked: half of it listed; names, URLs, mail addresses, digests, IPv4 and IPv6 addresses."""
    dice = random.Random(11)
    known = [value for file in files for value in some(json.loads(file.read_bytes())["list"], dice)]
    made = []
    for _ in range(LOOK_UPS // 2):
        value = dice.choice(known).lstrip(".")
        made.append(f"https://{value}/a/b?c=d" if dice.random() < 0.2 and "." in value and "/" not in value else value)
        made.append(
            dice.choice(
                [
                    f"{dice.getrandbits(50):x}.evil.example",
                    f"https://{dice.getrandbits(40):x}.example/login",
                    f"joe.{dice.getrandbits(20):x}@port.example",
                    f"{dice.getrandbits(256):064x}",
                    ".".join(str(dice.randrange(256)) for _ in range(4)),
                    ":".join(f"{dice.getrandbits(16):x}" for _ in range(8)),
                ]
            )
        )
    return made


def some(found: Sequence[str], dice: random.Random) -> list[str]:
    """Of each list as many, so that the long ones are not all there is."""
    return dice.sample(list(found), min(PER_LIST, len(found)))


def each(asked: Sequence[str], look: Callable[[str], object]) -> dict[str, float]:
    """Percentiles of the time of one look-up."""
    taken = []
    for value in asked:
        begun = time.process_time()
        look(value)
        taken.append(time.process_time() - begun)
    taken.sort()
    return {
        name: round(1e6 * taken[min(len(taken) - 1, int(share * len(taken)))], 1) for name, share in PERCENTILES.items()
    }


def first_answer(path: Path, digest: str) -> Index:
    """What every start costs."""
    index = Index(path, digest)
    index.ask(guess(FIRST))
    return index


def measure(files: Sequence[Path], home: Path) -> dict[str, object]:
    """Ours and theirs, in turns."""
    build_s, built = timed(lambda: build(files, home, lambda _done, _total, _name: None))
    loads = [timed(lambda: first_answer(built.path, built.digest)) for _ in range(5)]
    lists = [json.loads(file.read_bytes()) for file in files]
    theirs_s, theirs = timed(
        lambda: pymispwarninglists.WarningLists(lists=[json.loads(file.read_bytes()) for file in files])
    )
    slow_s, slow = timed(lambda: pymispwarninglists.WarningLists(slow_search=True, lists=lists))
    if len(files) == len(sources([DATA])):
        theirs_s, theirs = timed(pymispwarninglists.WarningLists)
    load_s = sorted(seconds for seconds, _ in loads)[len(loads) // 2]
    index, asked = loads[0][1], values(files)
    hits = sum(bool(index.found(guess(value), wanted=None)) for value in asked)
    figures = {
        "lists": len(files),
        "values": len(index),
        "index_mb": round(built.path.stat().st_size / 1e6, 1),
        "build_s": round(build_s, 2),
        "load_s": round(load_s, 4),
        "pymispwarninglists_load_s": round(theirs_s, 2),
        "pymispwarninglists_slow_load_s": round(slow_s, 2),
        "load_ratio": round(theirs_s / load_s, 1),
        "look_ups": len(asked),
        "listed": hits,
        "look_up": each(asked, lambda value: index.ask(guess(value))),
        "look_up_every_list": each(asked, lambda value: index.found(guess(value), wanted=None)),
        "pymispwarninglists_whole_values": each(asked, theirs.search),
        "pymispwarninglists_slow_search": each(asked[:SLOW_LOOK_UPS], slow.search),
    }
    for _, opened in loads:
        opened.close()
    return figures


def main() -> None:
    """Measure, print, write the file."""
    parser = argparse.ArgumentParser(description="figures of the warning lists")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--quick", action="store_true", help="small lists only")
    arguments = parser.parse_args()
    files = [file for file in sources([DATA]) if not arguments.quick or file.stat().st_size < QUICK_BYTES]
    with tempfile.TemporaryDirectory() as home:
        figures = {"python": platform.python_version(), **measure(files, Path(home))}
    print(json.dumps(figures, indent=2))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
