"""What a passkey confirmed for one page is worth nothing at another, even where the fields are the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from node import suppressions
from tests.fakes.desk_console import desk_console
from tests.fakes.watching import a_hit

if TYPE_CHECKING:
    from pathlib import Path


def test_a_confirmed_mute_mutes_the_hit_that_was_shown_and_no_other(tmp_path: Path) -> None:
    with desk_console(tmp_path) as console:
        hit = a_hit(console.harbour, console.desk)
        device, visitor = console.passkey("o1"), console.visitor("o1")
        address = f"/watch/hits/{hit.id}"
        assert f'name="at" value="{address}/mute"' in visitor.get(address).text
        for at, status, muted in (("/watch/hits/another/mute", 400, 0), (f"{address}/mute", 303, 1)):
            sent = {"mute_reason": "our own tug", "hours": "8", "at": at}
            options = visitor.send("/confirm", address, **sent).json()
            answer = visitor.send(f"{address}/mute", address, **sent, assertion=device.sign(json.dumps(options)))
            assert answer.status_code == status, answer.text
            assert len(console.do(lambda c: suppressions.muted_pairs(c, console.context.now))) == muted
