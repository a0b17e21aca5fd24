"""Which rooms the desk has: one module each, in the order of their tabs; all share one folder of templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from node.console.context import DeskContext
from port2port.console.app import Section
from port2port.console.opening import Service

NAME: Final = "node"
PACKAGE: Final = "node.console"


def sections(_desk: DeskContext) -> Sequence[Section]:
    """Every room."""
    return ()


def services(_desk: DeskContext) -> Sequence[Service]:
    """What feeds the live stream beside the server."""
    return ()
