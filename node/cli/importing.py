"""``import`` and ``imports``: bring a file in, and see what came from outside and what was set apart."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Final, TextIO

from sqlalchemy.engine import Connection

from node.cli.desk import Desk, show
from node.foreign import keeping, taking
from node.foreign.normalising import Normaliser
from node.foreign.taking import Source
from node.imports.files import FileImport, Progress
from node.imports.service import members_of, stopped_by
from node.warning_lists.gate import Gate
from port2port.canonical import Json
from port2port.clock import from_ms, to_text
from port2port.errors import ConfigurationError
from port2port.imported import SOURCE_CHARS, Grade
from port2port.patterns import TemplateCache
from port2port.stix.validate import StixValidator
from port2port.tlp import parse as tlp_of

BAR: Final = 20
SHOWN: Final = 50


def run(args: argparse.Namespace) -> int:
    """Take a file in. Raises ConfigurationError, TooLargeError or ImportedError."""
    name = args.source or args.file.stem
    if ":" in name or "/" in name or not name.isprintable() or not 0 < len(name) <= SOURCE_CHARS:
        raise ConfigurationError(f"--source is a name of at most {SOURCE_CHARS} characters, without ':' and '/'")
    default = None if args.marking is None else tlp_of(args.marking)
    source = Source(name=name, grade=Grade.parse(args.reliability), default=default)
    with Desk.open(args.config) as desk:
        settings, now = desk.settings, desk.clock.now()
        maker = taking.Desk(
            defaults=desk.defaults(),
            normaliser=Normaliser(StixValidator(TemplateCache()).validate),
            members=members_of(settings.federation, desk.roster()),
            now=now,
            stopped=stopped_by(Gate(settings.warning_lists_dir, desk.rules.protected), now),
        )
        tell, end = progress_on(sys.stderr)
        report = FileImport(args.file, source, desk.store, tell=tell).run(maker)
        end()
        value = {"file": args.file.name, "sha256": report.digest, "source": name, "known_before": report.before}
        lines = [f"{args.file.name}: imported already" if report.before else f"{args.file.name}: imported from {name}"]
        lines += [f"  {count:>9,}  {word}" for word, count in sorted(report.counts.items())]
        lines += [f"  it could not be read further: {report.broken}"] if report.broken else []
        empty = not report.counts and not report.broken
        lines += ["  nothing was found in it: it is neither STIX nor a MISP event"] if empty else []
        lines += ["nothing is sent yet; see: port2port-node review list, and port2port-node imports"]
        show(args, {**value, "broken": report.broken, "counts": dict(report.counts)}, lines)
    return 0


def run_list(args: argparse.Namespace) -> int:
    """Feeds and files, and what was set apart, the newest first."""
    with Desk.open(args.config) as desk:
        show(args, *desk.read(_listed))
    return 0


def progress_on(stream: TextIO) -> tuple[Callable[[Progress], None], Callable[[], None]]:
    """How far it is, on one line of a terminal; elsewhere nothing. And how to end that line."""
    if not stream.isatty():
        return (lambda _progress: None), (lambda: None)

    def tell(progress: Progress) -> None:
        full = int(progress.share * BAR)
        counts = progress.counts
        text = f"{counts.get('met', 0):,} objects, {counts.get('quarantined', 0):,} quarantined"
        stream.write(f"\r[{'#' * full}{'.' * (BAR - full)}] {progress.share:4.0%}  {text}")
        stream.flush()

    return tell, lambda: print(file=stream)


def _listed(connection: Connection) -> tuple[Json, list[str]]:
    followed, odd, ended = (
        keeping.feeds(connection),
        keeping.apart(connection, limit=SHOWN),
        keeping.outcomes(connection),
    )
    value: dict[str, Json] = {
        "sources": [
            {"name": one.name, "kind": one.kind, "at": to_text(from_ms(one.at_ms)), **one.facts} for one in followed
        ],
        "outcomes": {source: dict[str, Json](counts) for source, counts in ended.items()},
        "quarantined": keeping.apart_count(connection),
        "quarantine": [
            {"source": one.source, "id": one.stix_id, "code": one.code, "text": one.text, "bytes": one.size}
            for one in odd
        ],
    }
    lines = []
    for one in followed:
        told = ", ".join(f"{count} {word}" for word, count in sorted(one.facts.items()) if isinstance(count, int))
        lines.append(f"{one.name}  {one.kind}, {to_text(from_ms(one.at_ms))}: {told or 'nothing yet'}")
        lines += [f"  error  {one.facts['error']}"] if one.facts.get("error") else []
    lines.append(f"quarantined  {value['quarantined']}")
    lines += [f"  {one.source}  {one.stix_id or '?'}  {one.code}: {one.text} ({one.size} bytes)" for one in odd]
    return value, lines
