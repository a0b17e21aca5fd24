"""Why a session ended: which of several errors counts, and what a human is told."""

from __future__ import annotations

from typing import Final

from node.alarms import Alarm, Code
from port2port.errors import NotMemberError, Port2PortError, ProofError

_FATAL: Final = {"SPLIT_VIEW": Code.SPLIT_VIEW, "ROLLBACK": Code.ROLLBACK, "UPGRADE_NEEDED": Code.UPGRADE_NEEDED}


def first_error(group: BaseExceptionGroup[Port2PortError]) -> Port2PortError:
    """Of several errors the fatal one, else the first."""
    found: list[Port2PortError] = []
    stack: list[BaseException] = [group]
    while stack:
        item = stack.pop(0)
        if isinstance(item, BaseExceptionGroup):
            stack.extend(item.exceptions)
        elif isinstance(item, Port2PortError):
            found.append(item)
    return next((error for error in found if error.fatal), found[0])


def alarm_of(error: Port2PortError) -> Alarm | None:
    if error.code == "SPLIT_VIEW":
        return None  # the inbox has raised it, with its evidence
    if error.code in _FATAL:
        return Alarm(code=_FATAL[error.code], text=error.text)
    if error.fatal:
        return Alarm(code=Code.INVARIANT, text=error.text)
    if isinstance(error, NotMemberError):
        return Alarm(code=Code.CUT_OFF, text=error.text)
    if isinstance(error, ProofError):
        return Alarm(code=Code.LOG_ROOT, text=error.text)
    return None
