"""``port2port checkpoint compare A B``: do two ports see the same log?

Two officers exchange exported checkpoints by any means they trust. The command needs nothing but the two files
and the log's key, so that it works where the hub cannot be asked or is the one under suspicion.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from port2port.checkpoint import SignedCheckpoint, VerifierKey
from port2port.conflict import Evidence, PrefixProof, Verdict, compare, write_evidence
from port2port.errors import ConfigurationError, Port2PortError
from port2port.limits import LIMITS

AGREE: Final = 0
CONFLICT: Final = 1
REFUSED: Final = 2  # also what argparse answers to wrong usage
NEEDS_PROOF: Final = 3


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``checkpoint compare``."""
    group = subparsers.add_parser("checkpoint", help="look at exported checkpoints of the log")
    commands = group.add_subparsers(dest="checkpoint_command", required=True)
    command = commands.add_parser(
        "compare",
        help="tell whether two checkpoints can both be true",
        description="Exit code: 0 they agree, 1 they contradict each other, 2 refused, 3 a proof is needed.",
    )
    command.add_argument("a", type=Path, metavar="A", help="file with a checkpoint")
    command.add_argument("b", type=Path, metavar="B", help="file with another")
    command.add_argument("--log-key", required=True, metavar="VKEY", help="the log's key: name+hash+base64")
    command.add_argument("--proof", type=Path, help="prefix proof of the port that has the larger checkpoint")
    command.add_argument(
        "--evidence",
        type=Path,
        default=Path("log-conflict.json"),
        help="where evidence is written if they conflict (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Run ``checkpoint compare``; the exit code."""
    code, text = compare_files(args.a, args.b, args.log_key, proof_path=args.proof, evidence_path=args.evidence)
    print(text)
    return code


def compare_files(
    path_a: Path, path_b: Path, log_key: str, *, evidence_path: Path, proof_path: Path | None = None
) -> tuple[int, str]:
    """Exit code and text. Writes ``evidence_path``, which must not exist, where the log is convicted."""
    try:
        log = VerifierKey.from_text(log_key)
        a, b = (SignedCheckpoint.parse(_read(path)) for path in (path_a, path_b))
        proof = None if proof_path is None else PrefixProof.from_bytes(_read(proof_path))
        verdict = compare(a, b, log, proof)
        if verdict is Verdict.CONFLICT:
            evidence = Evidence(log=log, first=a, second=b, proof=proof if _sizes_differ(a, b) else None)
            return CONFLICT, _convict(evidence, evidence_path)
    except Port2PortError as error:
        return REFUSED, f"refused ({error.code}): {error}"
    if verdict is Verdict.NEEDS_PROOF:
        return NEEDS_PROOF, _what_is_needed(a, b)
    return AGREE, f"{verdict.value}: {log.name} showed both the same history\n{_both(a, b)}"


def _convict(evidence: Evidence, path: Path) -> str:
    content = write_evidence(evidence)
    try:
        with path.open("xb") as file:
            file.write(content)
        written = f"evidence written to {path}"
    except FileExistsError:
        same = path.read_bytes() == content
        written = f"evidence is in {path} already" if same else f"evidence NOT written: {path} exists"
    except OSError as error:
        written = f"evidence NOT written to {path}: {error.strerror}"
    return (
        f"CONFLICT: the hub that runs {evidence.log.name} signed two histories that cannot both be true\n"
        f"{_both(evidence.first, evidence.second)}\n{written}\n"
        "Keep both files, stop trusting this log, and tell the coordinators by another way than the hub."
    )


def _what_is_needed(a: SignedCheckpoint, b: SignedCheckpoint) -> str:
    small, large = sorted(item.checkpoint.size for item in (a, b))
    return (
        f"a proof is needed: the checkpoints are of different sizes\n{_both(a, b)}\n"
        f"Ask the port that holds the checkpoint of {large} entries for its prefix proof from {small} to "
        f"{large}, and give it with --proof."
    )


def _both(a: SignedCheckpoint, b: SignedCheckpoint) -> str:
    heads = (("A", a.checkpoint), ("B", b.checkpoint))
    return "\n".join(f"  {name}: {head.size} entries, root {head.root.hex()}" for name, head in heads)


def _sizes_differ(a: SignedCheckpoint, b: SignedCheckpoint) -> bool:
    return a.checkpoint.size != b.checkpoint.size


def _read(path: Path) -> bytes:
    """At most one byte more than a checkpoint may have: the parser refuses the rest."""
    try:
        with path.open("rb") as file:
            return file.read(LIMITS.checkpoint_bytes + 1)
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
