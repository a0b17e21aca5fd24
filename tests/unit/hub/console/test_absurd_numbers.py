"""Numbers and times that no page ever writes: an answer of 400, never an error of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fakes.picture_console import picture_console

if TYPE_CHECKING:
    from pathlib import Path


def test_a_time_that_no_zone_can_show_and_a_number_that_no_table_holds_are_refused(tmp_path: Path) -> None:
    with picture_console(tmp_path) as console:
        visitor = console.visitor()
        (index,) = console.desk.admit([console.desk.fed.publish("beanr", handling="act")])
        assert visitor.get("/?to=253402300799999").status_code == 400
        for row in ("9" * 20, "-1", "٣"):
            assert visitor.send("/picture/acknowledge", row=row).status_code == 400
            assert visitor.send("/incidents", row=row).status_code == 400
        opened = visitor.send("/incidents", row=str(index)).headers["location"]
        for step in ("note", "unlink"):
            answer = visitor.send(f"{opened}/{step}", version="1 2", row="1 2", note="x", reason="x")
            assert answer.status_code == 400
