"""No page of a working desk shows English to who reads Dutch."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from starlette.routing import Route

from node import alarms, suppressions
from port2port.clock import to_ms
from port2port.console.roles import Role
from port2port.tlp import Tlp
from tests.fakes.desk_console import DeskConsole, desk_console
from tests.fakes.desks import B, a_finding
from tests.fakes.left_over import left_over

if TYPE_CHECKING:
    from pathlib import Path

VALUES = {"draft": "D2", "ident": "D1", "act": "A1", "member": B, "kind": "vessel"}
WITHOUT = {"/live", "/sign-in/oidc/back"}


def busy(console: DeskConsole) -> None:
    """A published draft, an open one, an alarm, a suppression, and what others sent."""
    now = console.context.now
    console.desk.publish(console.draft())
    console.desk.send()
    console.draft(a_finding(mmsi="205999111"))
    alarm = alarms.Alarm(code=alarms.Code.CLOCK, text="our clock is 5 s ahead of the hub's")
    console.do(lambda c: alarms.raise_alarm(c, alarm, to_ms(now)))
    ends = now + timedelta(days=1)
    console.do(
        lambda c: suppressions.add(
            c, kind="mute", subject="geofence", owner="o1", reason="werken", now=now, expires_at=ends
        )
    )
    console.harbour.feed.log(console.fed.publish(B, tlp=Tlp.GREEN))
    console.harbour.pull()


def paths(console: DeskConsole) -> list[str]:
    """Every address that is read and whose parameters are known here."""
    found = []
    for route in console.app.routes:
        if isinstance(route, Route) and "GET" in (route.methods or ()) and route.path not in WITHOUT:
            names = re.findall(r"{(\w+)", route.path)
            if all(name in VALUES for name in names):
                found.append(re.sub(r"{(\w+)(?::\w+)?}", lambda name: VALUES[name.group(1)], route.path))
    return sorted(set(found))


def test_no_page_of_the_desk_shows_english_to_who_reads_dutch(tmp_path: Path) -> None:
    with desk_console(tmp_path) as console:
        busy(console)
        visitor, left, read = console.visitor("o1", *Role), {}, 0
        for path in paths(console):
            pages = [visitor.client.get(path, headers={"Accept-Language": language}) for language in ("en", "nl")]
            if pages[1].status_code == 200 and "html" in pages[1].headers["content-type"]:
                read += 1
                if found := left_over(pages[0].text, pages[1].text):
                    left[path] = found
        assert read > 20
        assert left == {}


def test_what_is_left_in_english_is_found() -> None:
    page = "<h1>{}</h1><p>the node waits for the hub</p><bdi class='foreign'>written by the author</bdi>"
    assert left_over(page.format("Desk"), page.format("Balie")) == ["the node waits for the hub"]
