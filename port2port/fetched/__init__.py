"""Checking what was fetched from a TAXII server against the attestations that travelled with it.

Whatever carried the objects (a TAXII client, a file, another product) may have written their JSON anew; it may not have
changed what they say. ``reading`` takes the file apart, ``spelling`` finds the canonical bytes again, ``control`` knows
who may sign what, and ``proving`` judges object by object. Nothing here asks the network.
"""

from port2port.fetched.control import CONTROL_BYTES, Control, read_control
from port2port.fetched.proving import Finding, Proof, Prover, Verdict
from port2port.fetched.reading import FETCHED_BYTES, FetchedError, read_fetched

__all__ = [
    "CONTROL_BYTES",
    "FETCHED_BYTES",
    "Control",
    "FetchedError",
    "Finding",
    "Proof",
    "Prover",
    "Verdict",
    "read_control",
    "read_fetched",
]
