"""``warning-lists``: import them, say which there are, and ask about a value."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, TextIO

from node.cli.desk import Desk, show
from node.warning_lists import building, kept
from node.warning_lists.building import SUFFIX, Built
from node.warning_lists.index import Index, Listed, ListInfo
from node.warning_lists.kept import InForce
from port2port.clock import to_text
from port2port.errors import UnavailableError
from port2port.observables import guess

BAR: Final = 30
_NAME_CHARS: Final = 40


def run(args: argparse.Namespace) -> int:
    """The action of the command line."""
    with Desk.open(args.config) as desk:
        {"import": _import, "list": _list, "check": _check}[args.action](args, desk)
    return 0


def _import(args: argparse.Namespace, desk: Desk) -> None:
    """Build the new index beside the old one, then put it in force: whoever asks meanwhile asks the old one."""
    home = desk.settings.warning_lists_dir
    before = desk.read(kept.in_force)
    tell, end = progress_on(sys.stderr)
    built = building.build(building.sources(args.given), home, tell)
    end()
    desk.write(partial(kept.put_in_force, built=built, now=desk.clock.now()))
    building.clean(home, built.digest)
    gone = sorted({one.name for one in (before.lists if before else ())} - {one.name for one in built.lists})
    show(args, _built_json(built, gone), _built_lines(built, gone))


def _list(args: argparse.Namespace, desk: Desk) -> None:
    found = desk.read(kept.in_force)
    lists = () if found is None else found.lists
    made = None if found is None else to_text(found.made_at)
    none = ["no warning lists are imported: port2port-node warning-lists import DIRECTORY"]
    show(args, {"made_at": made, "lists": [one.to_json() for one in lists]}, [_line(one) for one in lists] or none)


def _check(args: argparse.Namespace, desk: Desk) -> None:
    """What a value looks like, and the lists on which it stands as that, or as anything else."""
    found = desk.read(kept.in_force)
    if found is None:
        raise UnavailableError("no warning lists are imported")
    what = guess(args.value)
    with _opened(desk, found) as index:
        stops = index.ask(what)
        every = index.found(what, wanted=None)
    elsewhere = [one for one in every if one not in stops]
    lines = [f"{what.value} ({what.kind}) stands, as that, on this many lists: {len(stops)}"]
    lines += [f"  {_hit(one)}" for one in stops]
    lines += [f"  (for something else) {_hit(one)}" for one in elsewhere]
    answer = {"value": what.value, "kind": what.kind.value, "lists": [_hit_json(one) for one in stops]}
    show(args, {**answer, "for_something_else": [_hit_json(one) for one in elsewhere]}, lines)


def progress_on(stream: TextIO) -> tuple[Callable[[int, int, str], None], Callable[[], None]]:
    """(how far it is, the end of it) on a terminal; nothing anywhere else."""
    if not stream.isatty():
        return (lambda _done, _total, _name: None), (lambda: None)

    def tell(done: int, total: int, name: str) -> None:
        share = done / total if total else 1.0
        full = int(share * BAR)
        stream.write(f"\r[{'#' * full}{'.' * (BAR - full)}] {share:4.0%}  {name[:_NAME_CHARS]:<{_NAME_CHARS}}")
        stream.flush()

    return tell, lambda: print(file=stream)


def _opened(desk: Desk, found: InForce) -> Index:
    path: Path = desk.settings.warning_lists_dir / (found.digest + SUFFIX)
    return Index(path, found.digest)


def _built_json(built: Built, gone: list[str]) -> dict[str, Any]:
    return {
        "digest": built.digest,
        "gone": gone,
        "lists": [one.to_json() for one in built.lists],
        "refused": [{"file": one.file, "why": one.why} for one in built.refused],
        "reused": built.reused,
    }


def _built_lines(built: Built, gone: list[str]) -> list[str]:
    entries = sum(one.entries for one in built.lists)
    left = sum(sum(one.refused.values()) for one in built.lists)
    return [
        f"asked from now on: {len(built.lists)} lists, {entries:,} values; {left:,} more could not be taken",
        *(f"not a list: {one.file}: {one.why}" for one in built.refused),
        *(f"no longer asked: {name}" for name in gone),
    ]


def _line(one: ListInfo) -> str:
    left = "".join(f"; left out: {count} ({why})" for why, count in one.refused.items())
    return f"{one.name}  version {one.version}, {one.type}, {one.entries:,} values, for {_kinds(one)}{left}"


def _kinds(one: ListInfo) -> str:
    return ", ".join(sorted(one.kinds))


def _hit(one: Listed) -> str:
    return f"{one.list}, version {one.version}: {one.entry}"


def _hit_json(one: Listed) -> dict[str, Any]:
    return {"list": one.list, "version": one.version, "entry": one.entry}
