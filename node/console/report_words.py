"""The words of the form "new report": its kinds, its fields and what can be wrong in them, as message ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from node import quick_report
from port2port.console.words import N_

KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "vessel": (N_("Vessel with AIS"), "ship"),
    "no-ais": (N_("Vessel without AIS"), "anchor"),
    "small-craft": (N_("Small craft"), "waves"),
    "intruder": (N_("Intruder"), "user"),
    "vehicle": (N_("Vehicle"), "truck"),
    "diver": (N_("Diver"), "life-buoy"),
    "drone": (N_("Drone"), "drone"),
    "broken-seal": (N_("Broken seal"), "unlink"),
    "container": (N_("Container"), "container"),
    "account": (N_("Suspicious account"), "key"),
    "document": (N_("Suspicious document"), "file-text"),
    "domain": (N_("Domain name"), "link"),
    "address": (N_("Network address"), "git-branch"),
    "pollution": (N_("Pollution"), "triangle-alert"),
    "other": (N_("Something else"), "message-square"),
}
FIELDS: Final[Mapping[str, tuple[str, str]]] = {
    "number": (N_("Number"), ""),
    "vessel.number": (N_("MMSI, IMO or ENI number"), N_("Its check digit is tested when you send.")),
    "container.number": (N_("Container number"), N_("Four letters and seven figures; the check digit is tested.")),
    "broken-seal.number": (N_("Container number"), N_("If you can read it.")),
    "name": (N_("Name on the hull"), ""),
    "plate": (N_("Licence plate"), N_("Stays at this port.")),
    "model": (N_("Make and model"), ""),
    "remote_id": (N_("Remote id of the drone"), N_("Stays at this port.")),
    "seal": (N_("Number on the seal"), ""),
    "marks": (N_("Marks and damage"), ""),
    "account": (N_("E-mail address, web address or sign-in name"), ""),
    "reference": (N_("Number of the document"), N_("Stays at this port.")),
    "sha256": (N_("SHA-256 of the file"), N_("If it is a file.")),
    "domain": (N_("Domain name"), N_("As in example.com; example[.]com is read as meant.")),
    "address": (N_("IP address"), ""),
    "substance": (N_("What it looks or smells like"), ""),
    "extent": (N_("How far it reaches"), ""),
}
DIRECTIONS: Final[Mapping[str, str]] = {
    "inbound": N_("into port"),
    "outbound": N_("out of port"),
    "upstream": N_("upstream"),
    "downstream": N_("downstream"),
    "along": N_("along the quay"),
    "ashore": N_("ashore"),
    "none": N_("not moving"),
}
PURPOSES: Final[Mapping[str, str]] = {
    "isps": N_("Security of ships and port facilities (ISPS)"),
    "maritime-security": N_("Maritime security (Shipping Code)"),
    "drug-trafficking": N_("Drug trafficking"),
    "customs": N_("Customs"),
    "cyber-security": N_("Cyber security (NIS 2)"),
    "critical-entities": N_("Critical entities (CER)"),
    "safety-of-life": N_("Safety of life"),
}
RECOGNISED: Final[Mapping[str, str]] = {
    quick_report.CONTAINER: N_("Container"),
    quick_report.MMSI: N_("MMSI"),
    quick_report.IMO: N_("IMO number"),
    quick_report.ENI: N_("ENI number"),
    quick_report.PLATE: N_("Licence plate"),
    quick_report.EMAIL: N_("E-mail address"),
    quick_report.URL: N_("Web address"),
    quick_report.DOMAIN: N_("Domain name"),
    quick_report.IP: N_("IP address"),
}
SAY_WHAT: Final = N_("Say in a few words what you saw.")
BAD_TIME: Final = N_("A time looks like 22:41.")
BAD_COUNT: Final = N_("Say how many as a number, or leave it empty.")
BAD_DIGIT: Final = N_("This number cannot be right: its check digit should be %(right)s. Look at it once more.")
BAD_NUMBER: Final = N_("This number cannot be right. Look at it once more.")
BAD_POSITION: Final = N_("A position looks like 51.34, 4.28 (degrees north, degrees east).")
BAD_PHOTO: Final = N_("This picture cannot be taken: send JPEG, PNG or WebP of at most 12 MB.")
MISSING: Final = N_("This kind of report needs it.")


def field_words(kind: str, name: str) -> tuple[str, str]:
    """(label, hint) of a field of one kind's form, as message ids."""
    return FIELDS.get(f"{kind}.{name}") or FIELDS.get(name, (name, ""))
