"""The rooms around the desk: watch, reports, shift, works, rota. The desk itself stands in ``desk_pages``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from node.console import confirming, level_pages, watch_pages
from node.console.alarm_pages import AlarmPages
from node.console.context import DeskContext
from node.console.duty_pages import DutyPages
from node.console.level_pages import LevelPages
from node.console.lookup_pages import LookupPages
from node.console.report_pages import ReportPages
from node.console.shift_pages import ShiftPages
from node.console.watch_pages import WatchPages
from node.console.works_pages import WorksPages
from port2port.console.app import Section
from port2port.console.opening import Service


def sections(desk: DeskContext) -> Sequence[Section]:
    """In the order of their tabs."""
    watch, around = (
        WatchPages(desk).section(),
        Section(name="node", package="node.console", routes=(confirming.route(desk),)),
    )
    return (
        watch,
        ShiftPages(desk).section(),
        WorksPages(desk).section(),
        DutyPages(desk).section(),
        LookupPages(desk).section(),
        ReportPages(desk).section(),
        AlarmPages(desk).section(),
        LevelPages(desk).section(),
        around,
    )


def services(desk: DeskContext) -> Sequence[Service]:
    """What tells their open pages that something changed."""
    return (partial(watch_pages.feed, desk), partial(level_pages.feed, desk))
