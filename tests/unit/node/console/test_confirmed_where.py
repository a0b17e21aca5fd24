"""What a passkey confirmed for one page is worth nothing at another, even where the fields are the same."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

from node import works
from tests.fakes.desk_console import desk_console

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_confirmed_for_another_page_calls_nothing_off(tmp_path: Path) -> None:
    with desk_console(tmp_path) as console:
        now = console.context.now
        made = console.do(
            lambda c: works.announce(
                c, kind="diving", what="hull inspection", owner="o2", starts_at=now, ends_at=now + timedelta(hours=2),
                now=now, identities=("mmsi:205123400",),
            )
        )  # fmt: skip
        device, visitor = console.passkey("o1"), console.visitor("o1")
        assert 'name="at" value="/works/call-off"' in visitor.get("/works").text
        for at, status, left in (("/duty/swap", 422, 1), ("/works/call-off", 303, 0)):
            sent = {"id": made.id, "reason": "too windy", "at": at}
            options = visitor.send("/confirm", "/works", **sent).json()
            answer = visitor.send("/works/call-off", "/works", **sent, assertion=device.sign(json.dumps(options)))
            assert answer.status_code == status, answer.text
            assert len(console.do(lambda c: works.listed(c, console.context.now))) == left
