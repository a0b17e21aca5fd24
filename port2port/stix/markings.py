"""TLP inside STIX: the ids of the marking definitions, and the marking that an object's references add up to.

TLP 2.0 as its STIX extension publishes it. The four fixed ids of TLP 1 (STIX 2.1 section 7.2.1.4) are read as
aliases, since consumers still send them; we write TLP 2.0 only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from port2port import canonical
from port2port.tlp import Tlp, strictest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TLP_EXTENSION: Final = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
_CREATED: Final = "2022-10-01T00:00:00.000Z"

TLP_IDS: Final[Mapping[Tlp, str]] = {
    Tlp.CLEAR: "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    Tlp.GREEN: "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    Tlp.AMBER: "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    Tlp.AMBER_STRICT: "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    Tlp.RED: "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
TLP1_IDS: Final[Mapping[str, str]] = {
    "white": "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
    "green": "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
    "amber": "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
    "red": "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
}
_TLP1: Final = {"white": Tlp.CLEAR, "green": Tlp.GREEN, "amber": Tlp.AMBER, "red": Tlp.RED}
_BY_ID: Final[Mapping[str, Tlp]] = {
    **{marking_id: tlp for tlp, marking_id in TLP_IDS.items()},
    **{marking_id: _TLP1[word] for word, marking_id in TLP1_IDS.items()},
}


def tlp_of_id(marking_id: str) -> Tlp | None:
    """The label a marking definition's id stands for; None for other markings."""
    return _BY_ID.get(marking_id)


def effective_marking(marking_ids: Iterable[str]) -> Tlp | None:
    """The strictest TLP label among the references; None if there is none (the caller fails closed)."""
    found = [tlp for tlp in map(tlp_of_id, marking_ids) if tlp is not None]
    return (found[0] if len(found) == 1 else strictest(*found)) if found else None


def marking_definition(tlp: Tlp) -> bytes:
    """The published TLP 2.0 marking definition, as canonical bytes."""
    return canonical.dumps(
        {
            "type": "marking-definition",
            "spec_version": "2.1",
            "id": TLP_IDS[tlp],
            "created": _CREATED,
            "name": tlp.label,
            "extensions": {TLP_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": tlp.value}},
        }
    )
