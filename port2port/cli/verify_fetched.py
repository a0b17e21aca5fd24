"""What ``port2port verify --control`` says of fetched objects, for people and for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from port2port.clock import from_ms, to_text
from port2port.fetched import Control, Finding, Proof, Verdict

_GOOD = frozenset({Verdict.PROVED, Verdict.CONSTANT})


def accepted(findings: Sequence[Finding], *, allow_unwitnessed: bool) -> bool:
    """Whether there was anything, and every one of it is proved."""
    good = _GOOD | {Verdict.UNWITNESSED} if allow_unwitnessed else _GOOD
    return bool(findings) and all(item.verdict in good for item in findings)


def lines(findings: Sequence[Finding], control: Control) -> Iterator[str]:
    """One or two lines for each object, and a last one that counts."""
    for item in findings:
        version = "" if item.version is None else f"  {plain(item.version)}"
        yield f"{item.verdict.upper()}  {plain(item.id) or '(no id)'}{version}"
        if item.proof is not None:
            yield f"  {_said(item.proof)}"
        if item.why:
            yield f"  {plain(item.why)}"
    count = Counter(item.verdict for item in findings)
    yield ", ".join(f"{count[verdict]} {verdict}" for verdict in Verdict if count[verdict]) or "nothing was fetched"
    yield _judged_by(control)


def plain(text: str) -> str:
    """Foreign text for a terminal: what is not printable ASCII is written as its number."""
    return "".join(char if " " <= char <= "~" else f"\\u{ord(char):04x}" for char in text)


def as_json(findings: Sequence[Finding], control: Control, *, good: bool) -> str:
    """The same for programs."""
    report = {
        "all_proved": good,
        "control": {
            "genesis": control.genesis_hash,
            "places_proved": control.placed,
            "roster_version": control.now.version,
            "tree_size": control.head.size,
        },
        "objects": [_object(item) for item in findings],
    }
    return json.dumps(report, indent=2)


def _said(proof: Proof) -> str:
    said, entry = proof.entry.statement, proof.entry
    who = ", ".join(f"{voice.key_class} {voice.pseudonym or voice.key_id[:16]}" for voice in entry.voices)
    seen = "" if not entry.machine_only else "   (no officer has seen it before it was sent)"
    late = "" if not entry.late else "   (logged more than a day after it was issued)"
    realm = "" if said.realm == "real" else f", {said.realm}"
    when = to_text(from_ms(entry.received_ms))
    return f"{said.issuer} ({who}), {when}, {proof.tlp.label}{realm}, entry {entry.index}{seen}{late}"


def _judged_by(control: Control) -> str:
    where = "proved by the bundle" if control.placed else "as the hub says them: a proof bundle would prove them"
    return f"judged by roster version {control.now.version}, tree of {control.head.size}; places of its entries {where}"


def _object(item: Finding) -> dict[str, Any]:
    found: dict[str, Any] = {"id": item.id, "version": item.version, "verdict": item.verdict.value, "why": item.why}
    if item.proof is None:
        return found
    entry, said = item.proof.entry, item.proof.entry.statement
    return {
        **found,
        "index": entry.index,
        "issued": to_text(said.issued),
        "issuer": said.issuer,
        "kind": said.kind,
        "late": entry.late,
        "logged": to_text(from_ms(entry.received_ms)),
        "machine_only": entry.machine_only,
        "marking": item.proof.tlp.label,
        "realm": said.realm,
        "signed_by": [
            {"class": voice.key_class, "key_id": voice.key_id, "pseudonym": voice.pseudonym} for voice in entry.voices
        ],
        "statement": said.id,
        "witnesses": list(item.proof.witnesses),
    }
