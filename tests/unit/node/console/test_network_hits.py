"""A hit on a value of the network is shown as what it is: not as a ship, and at no quay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.desk_console import DeskConsole, desk_console
from tests.fakes.watching import sight, wanted

VALUES = {
    "a domain": (("domain-name:value", "evil.example"), "Domain name", "Domain Echo Victor India Lima Decimal"),
    "an address": (("ipv4-addr:value", "64.135.77.30"), "Address", "Address Six Fower Decimal"),
    "a file": (("file:hashes.MD5", "ab" * 16), "File, by its digest", "Alfa Bravo"),
    "a web address": (("url:value", "http://evil.example/a?b=c,d"), "Web address", "Hotel Tango"),
    "an account": (("user-account:account_login", "x7"), "User account", "X-ray Seven"),
}


@pytest.fixture
def console(tmp_path: Path) -> Iterator[DeskConsole]:
    with desk_console(tmp_path) as made:
        yield made


@pytest.mark.parametrize(("subject", "words", "aloud"), VALUES.values(), ids=VALUES.keys())
def test_a_value_of_the_network_is_shown_as_one(
    console: DeskConsole, subject: tuple[str, str], words: str, aloud: str
) -> None:
    hit = sight(console.desk, wanted(console.harbour, console.desk), subject=subject)
    visitor = console.visitor()
    text = visitor.get(f"/watch/hits/{hit.id}").text
    main = text[text.index("<main") :]
    assert words in main
    assert subject[1] in main
    assert aloud in main
    assert "the exact times" in main
    assert "Quay, berth or lock" not in main
    assert "Which ship" not in main
    assert words in visitor.get("/watch").text


def test_a_ship_may_be_told_with_its_place(console: DeskConsole) -> None:
    hit = sight(console.desk, wanted(console.harbour, console.desk))
    assert "Quay, berth or lock" in console.visitor().get(f"/watch/hits/{hit.id}").text
