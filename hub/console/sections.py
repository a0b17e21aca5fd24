"""Which rooms the console has: one module each, in the order of their tabs; all share one folder of templates."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from hub.console import level_pages, picture_pages, profile_pages
from hub.console.audit_pages import AuditPages
from hub.console.briefing_pages import ReadingPages
from hub.console.consumer_pages import ConsumerPages
from hub.console.context import PictureContext
from hub.console.export_pages import ExportPages
from hub.console.incident_pages import IncidentPages
from hub.console.level_pages import LevelPages
from hub.console.log_pages import LogPages
from hub.console.member_pages import MemberPages
from hub.console.picture_pages import PicturePages
from port2port.console.app import Section
from port2port.console.opening import Service

NAME: Final = "hub"
PACKAGE: Final = "hub.console"


def sections(picture: PictureContext) -> Sequence[Section]:
    """Every room."""
    return (
        PicturePages(picture).section(),
        IncidentPages(picture).section(),
        LevelPages(picture).section(),
        ReadingPages(picture).section(),
        MemberPages(picture).section(),
        ConsumerPages(picture).section(),
        LogPages(picture).section(),
        AuditPages(picture).section(),
        ExportPages(picture).section(),
        profile_pages.section(NAME, PACKAGE),
    )


def services(picture: PictureContext) -> Sequence[Service]:
    """What feeds the live stream beside the server."""
    return (*picture_pages.services(picture), partial(level_pages.tell, picture))
