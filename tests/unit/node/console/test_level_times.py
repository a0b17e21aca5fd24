"""The time from which a level holds is read on the port's own clock, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from starlette.datastructures import FormData

from node.console.level_view import BAD_TIME, asked_levels

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "at"), [("2026-11-22", "12:00Z"), ("2026-11-22", "12:00+05:00"), ("0001-01-01", "00:00"), ("soon", "12:00")]
)
def test_a_time_of_another_clock_or_of_no_calendar_is_told(day: str, at: str) -> None:
    form = FormData(
        {"port": "BEANR", "level": "2", "reason": "drill", "start": "at", "from_day": day, "from_at": at}
    )  # fmt: skip
    assert asked_levels(form, ["BEANR"], NOW, ZoneInfo("Europe/Brussels")).wrong == {"from": BAD_TIME}
