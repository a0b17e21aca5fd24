"""Control protocols as far as their function codes tell reading from doing.

Modbus: Modbus Application Protocol 1.1b3, section 5.1; DNP3: IEEE 1815, table 4-2. Names are those of Zeek's logs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

_NUMBER: Final = re.compile(r"(?:unknown[-_ ]?)?(0x[0-9a-f]{1,4}|[0-9]{1,5})", re.ASCII)
PORTS: Final = frozenset({102, 502, 4840, 20000})  # S7, Modbus, OPC UA, DNP3
EXCEPTION_BIT: Final = 0x80


class Deed(StrEnum):
    """What a function does to a controller."""

    READ = "read"
    WRITE = "write"
    DIAGNOSTIC = "diagnostic"
    RESTART = "restart"
    UNKNOWN = "unknown"


_MODBUS_NAMES: Final[Mapping[str, int]] = {
    "read_coils": 1,
    "read_discrete_inputs": 2,
    "read_holding_registers": 3,
    "read_input_registers": 4,
    "write_single_coil": 5,
    "write_single_register": 6,
    "read_exception_status": 7,
    "diagnostics": 8,
    "get_comm_event_counter": 11,
    "get_comm_event_log": 12,
    "write_multiple_coils": 15,
    "write_multiple_registers": 16,
    "report_slave_id": 17,
    "read_file_record": 20,
    "write_file_record": 21,
    "mask_write_register": 22,
    "read_write_multiple_registers": 23,
    "read_fifo_queue": 24,
    "encap_interface_transport": 43,
}
_MODBUS: Final[Mapping[int, Deed]] = {
    **dict.fromkeys((1, 2, 3, 4, 7, 11, 12, 17, 20, 24), Deed.READ),
    **dict.fromkeys((5, 6, 15, 16, 21, 22, 23), Deed.WRITE),
    **dict.fromkeys((8, 43), Deed.DIAGNOSTIC),
}
_DNP3_NAMES: Final[Mapping[str, int]] = {
    "confirm": 0,
    "read": 1,
    "write": 2,
    "select": 3,
    "operate": 4,
    "direct_operate": 5,
    "direct_operate_nr": 6,
    "immed_freeze": 7,
    "cold_restart": 13,
    "warm_restart": 14,
    "initialize_data": 15,
    "initialize_appl": 16,
    "start_appl": 17,
    "stop_appl": 18,
    "enable_unsolicited": 20,
    "disable_unsolicited": 21,
    "delay_measure": 23,
    "response": 129,
    "unsolicited_response": 130,
}
_DNP3: Final[Mapping[int, Deed]] = {
    **dict.fromkeys((4, 5, 6), Deed.WRITE),
    **dict.fromkeys((13, 14, 18), Deed.RESTART),
}


def deed_of(protocol: str, function: str) -> Deed | None:
    """What a function of ``modbus`` or ``dnp3`` does; None for another protocol, or where nothing is said.

    Of DNP3 only what operates or stops counts: an outstation's day is full of the rest. Of Modbus what the standard
    does not know is UNKNOWN: a scanner, or somebody's own protocol.
    """
    text = function.strip().lower()
    if not text:
        return None
    if protocol == "dnp3":
        code = _code(text, _DNP3_NAMES)
        return Deed.READ if code is None else _DNP3.get(code, Deed.READ)
    if protocol != "modbus":
        return None
    code = _code(text.removesuffix("_exception"), _MODBUS_NAMES)
    if code is None:
        return Deed.UNKNOWN
    answered = code & ~EXCEPTION_BIT if EXCEPTION_BIT <= code < 2 * EXCEPTION_BIT else code
    return _MODBUS.get(answered, Deed.UNKNOWN)


def _code(text: str, names: Mapping[str, int]) -> int | None:
    found = _NUMBER.fullmatch(text)
    if found is not None:
        return int(found[1], 0) if found[1].startswith("0x") else int(found[1])
    return names.get(text.replace(" ", "_").replace("-", "_"))
