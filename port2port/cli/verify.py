"""``port2port verify FILE``: check a proof bundle, or what was fetched by TAXII, without network and without hub.

A bundle needs the genesis hash alone. Objects fetched with their attestations need the control entries as well: a proof
bundle of any newer entry has them, with their places in the log proved; ``port2port-hub export-control`` writes them as
the hub says they are.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Final

from port2port import bundle
from port2port.bundle import Report
from port2port.cli import verify_fetched as told
from port2port.clock import from_ms, to_text
from port2port.errors import ConfigurationError, Port2PortError
from port2port.fetched import CONTROL_BYTES, FETCHED_BYTES, Prover, read_control, read_fetched
from port2port.ids import is_key_id
from port2port.patterns import TemplateCache
from port2port.stix.validate import StixValidator
from port2port.verify import RefusedError

VALID: Final = 0
INVALID: Final = 1


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Hang ``verify`` into the command line."""
    parser = subparsers.add_parser(
        "verify",
        help="check a proof bundle, or fetched STIX objects with their attestations, offline",
        description="Exit code: 0 valid when logged (of fetched objects: every one proved), 1 not, 2 nothing to judge.",
    )
    parser.add_argument(
        "file", type=Path, help="proof bundle; with --control: TAXII envelope, list of them, STIX bundle"
    )
    parser.add_argument("--genesis", required=True, help="hash of the genesis you trust (64 hexadecimal digits)")
    parser.add_argument("--control", type=Path, help="who may sign what: a proof bundle, or made by export-control")
    parser.add_argument("--json", action="store_true", help="write the report as JSON")
    parser.add_argument(
        "--allow-unwitnessed",
        action="store_true",
        help="take fetched objects for proved that no majority witnessed yet",
    )


def run(args: argparse.Namespace) -> int:
    """Print the report; the exit code says whether the entry was valid when it was logged.

    Raises ConfigurationError where there is nothing to judge: no such file, no such hash.
    """
    raw = read_limited(args.file, bundle.BUNDLE_BYTES if args.control is None else FETCHED_BYTES)
    control = None if args.control is None else read_limited(args.control, CONTROL_BYTES)
    if not is_key_id(args.genesis):
        raise ConfigurationError("a genesis hash has 64 hexadecimal digits in lower case")
    try:
        if control is not None:
            return _fetched(args, raw, control)
        report = bundle.check(raw, args.genesis, StixValidator(TemplateCache()).validate)
    except Port2PortError as error:
        why = f"step {error.number} {error.name}: {error.text}" if isinstance(error, RefusedError) else error.text
        print(json.dumps({"valid": False, "why": why}) if args.json else f"NOT VALID: {why}")
        if control is None and not isinstance(error, RefusedError) and not args.json:
            print("For objects fetched with their attestations give the control entries as well: --control FILE")
        return INVALID
    print(json.dumps({"valid": True, "report": lines(report)}, indent=2) if args.json else "\n".join(lines(report)))
    return VALID


def _fetched(args: argparse.Namespace, raw: bytes, control_file: bytes) -> int:
    """Judge fetched objects. Raises the error of a control file that does not hold, or of a file that is none."""
    control = read_control(control_file, args.genesis, StixValidator(TemplateCache()).validate)
    findings = Prover(control).prove(read_fetched(raw))
    good = told.accepted(findings, allow_unwitnessed=args.allow_unwitnessed)
    print(told.as_json(findings, control, good=good) if args.json else "\n".join(told.lines(findings, control)))
    return VALID if good else INVALID


def read_limited(path: Path, limit: int) -> bytes:
    """The bytes of a file of at most ``limit``. Raises ConfigurationError."""
    try:
        with path.open("rb") as file:
            raw = file.read(limit + 1)
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    if len(raw) > limit:
        raise ConfigurationError(f"{path} is larger than {limit} bytes")
    return raw


def lines(report: Report) -> list[str]:
    """The report for a person: what was valid when logged, and what has been disputed since, apart."""
    said, entry = report.entry.statement, report.entry
    head = report.checkpoint.checkpoint
    marking = "none (control)" if said.tlp is None else said.tlp.label
    who = ", ".join(f"{voice.key_class} {voice.pseudonym or voice.key_id[:16]}" for voice in entry.voices)
    witnesses = ", ".join(report.witnesses) or "nobody"
    understood = "" if entry.understood else "   (of a kind or version this program does not understand)"
    out = [
        f"valid when logged: yes{understood}",
        f"  who        {said.issuer}, signed by {who}",
        f"  what       {said.kind}, {marking}, realm {said.realm}",
        f"  when       issued {to_text(said.issued)}, logged {to_text(from_ms(entry.received_ms))}",
        f"  where      index {entry.index} of {head.origin}, tree of {head.size}",
        f"  witnesses  {witnesses}{'' if report.witnessed else '   (no majority: unwitnessed)'}",
        f"  id         {said.id}",
        f"  objects    {len(entry.objects)} of {len(said.objects)} present",
    ]
    if entry.late:
        out.append("  late       logged more than a day after it was issued")
    if entry.machine_only and not said.is_control:
        out.append("  note       no officer has seen this before it was sent")
    disputed = "yes: a key that signed it was later declared stolen as of before" if report.disputed else "no"
    out.append(f"disputed since: {disputed}   (as far as roster version {report.roster.version} of this bundle says)")
    return out
