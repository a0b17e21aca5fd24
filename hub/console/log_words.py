"""What the browser's own check of an entry is told in: the parts, their outcomes, and a sentence for each reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from port2port.conflict import Verdict
from port2port.console.words import N_

PARTS: Final[Mapping[str, str]] = {
    "genesis": N_("Founding of the federation"),
    "checkpoint": N_("Checkpoint, signed by the log"),
    "roster": N_("Roster of keys"),
    "signature": N_("Signatures of the entry"),
    "objects": N_("Contents"),
    "inclusion": N_("Path from the entry to the checkpoint"),
    "witnesses": N_("Witnesses"),
    "disputed": N_("Keys not disputed since"),
    "rules": N_("Rules of the protocol"),
    "consistency": N_("One history"),
}
OUTCOMES: Final[Mapping[str, str]] = {
    "match": N_("match"),
    "mismatch": N_("MISMATCH"),
    "cannot": N_("cannot check here"),
}
VERDICTS: Final[Mapping[Verdict, str]] = {
    Verdict.SAME: N_("The same checkpoint twice."),
    Verdict.CONSISTENT: N_("The older is the beginning of the newer: one history."),
    Verdict.NEEDS_PROOF: N_("This hub has not come as far as the newer one, so it cannot prove that they agree."),
    Verdict.CONFLICT: N_("They contradict each other. Stop, keep both files, and call the coordinator."),
}
_FORM: Final = N_("The bytes are not of the form that the protocol asks for.")
_PATH: Final = N_("The path does not lead to the root of the checkpoint.")
_LOG: Final = N_("The log that your browser knows did not sign this.")
_SIGNATURE: Final = N_("A signature does not hold for what was signed.")
_KEY: Final = N_("The roster gives a key no right to sign this.")
_HISTORY: Final = N_("The log's history is not the one that was signed before.")
_CONTENT: Final = N_("The contents are not those that were signed.")
_BROWSER: Final = N_("This browser cannot do it. Download the proof and use port2port verify.")
_VERIFY: Final = N_("Only port2port verify checks this.")
_BY_SENTENCE: Final[Mapping[str, str]] = {
    N_("Your browser knows another federation under this address."): "another-genesis",
    _FORM: (
        "bad-key key-id key-twice not-a-bundle not-a-checkpoint not-a-hash not-an-assertion not-an-envelope not-base64 "
        "not-canonical not-hex not-json not-utf8 payload-type"
    ),
    _PATH: "inclusion proof-too-long proof-too-short no-such-leaf",
    _LOG: "another-log log-signature not-signed-by-log",
    _SIGNATURE: "another-message another-site cosignature no-person no-signature signature signer-missing threshold",
    _KEY: "key-expired key-of-another key-revoked not-a-member unknown-key",
    _HISTORY: "history-differs roots-differ roster-chain shrunk",
    _CONTENT: "object objects-count",
    N_("A key was revoked later, as of a time before this entry."): "disputed",
    N_("The contents were erased; what was signed about them remains."): "erased",
    N_("It rests on another part that did not match."): "needs-another",
    N_("Too few witnesses have signed this checkpoint yet."): "unwitnessed",
    _BROWSER: "no-ed25519 no-webcrypto unknown-scheme",
    _VERIFY: "needs-verify newer-control rekey",
    N_("Withheld: you may not read this entry."): "withheld",
    N_("The hub gave no proof for this entry."): "no-answer",
    N_("The proof is of another entry than the one on this page."): "another-entry",
}
REASONS: Final[Mapping[str, str]] = {
    code: sentence for sentence, codes in _BY_SENTENCE.items() for code in codes.split()
}
