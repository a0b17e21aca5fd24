"""Which rooms the console has: one module each, in the order of their tabs; all share one folder of templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hub.console.context import PictureContext
from port2port.console.app import Section
from port2port.console.opening import Service

NAME: Final = "hub"
PACKAGE: Final = "hub.console"


def sections(_picture: PictureContext) -> Sequence[Section]:
    """Every room."""
    return ()


def services(_picture: PictureContext) -> Sequence[Service]:
    """What feeds the live stream beside the server."""
    return ()
