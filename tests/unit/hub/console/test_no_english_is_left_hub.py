"""No page of a working hub shows English to who reads Dutch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.routing import Route

from port2port.console.roles import Role
from port2port.tlp import Tlp
from tests.fakes.left_over import left_over
from tests.fakes.picture_console import PictureConsole, picture_console

if TYPE_CHECKING:
    from pathlib import Path

WITHOUT = {"/live", "/sign-in/oidc/back"}


def paths(console: PictureConsole, values: dict[str, str]) -> list[str]:
    """Every address that is read and whose parameters are known here, and some with a query."""
    day = str(console.context.now.date())
    found = ["/?item=2", "/?class=decision", f"/briefing?first={day}&last={day}&size=4", "/log?member=beanr"]
    for route in console.app.routes:
        if isinstance(route, Route) and "GET" in (route.methods or ()) and route.path not in WITHOUT:
            names = re.findall(r"{(\w+)", route.path)
            if all(name in values for name in names):
                found.append(re.sub(r"{(\w+)(?::\w+)?}", lambda name: values[name.group(1)], route.path))
    return sorted(set(found))


def test_no_page_of_the_hub_shows_english_to_who_reads_dutch(tmp_path: Path) -> None:
    with picture_console(tmp_path) as console:
        fed = console.desk.fed
        console.desk.admit([fed.publish("beanr", handling="act"), fed.publish("beanr", tlp=Tlp.AMBER)])
        visitor, left, read = console.visitor("beanr", *Role), {}, 0
        opened = visitor.send("/incidents", "/?item=2", row="2", note="duikers").headers["location"]
        values = {
            "consumer": console.consumer("ndc-siem"),
            "member": "belgg",
            "index": "2",
            "ident": opened.rsplit("/", 1)[-1],
        }
        for path in paths(console, values):
            pages = [visitor.client.get(path, headers={"Accept-Language": language}) for language in ("en", "nl")]
            if pages[1].status_code == 200 and "html" in pages[1].headers["content-type"]:
                read += 1
                if found := left_over(pages[0].text, pages[1].text):
                    left[path] = found
        assert read > 15
        assert left == {}
