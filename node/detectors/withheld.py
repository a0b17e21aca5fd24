"""Texts without the addresses in them that are not to be told."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

WITHHELD: Final = "[withheld]"
# What looks like an address, with or without a port behind it; hexadecimal groups that make none are left alone.
_ADDRESS: Final = re.compile(
    r"(?<![\w.])(?:[0-9]{1,4}(?:\.[0-9]{1,4}){3}(?![0-9])"
    r"|(?<!:)[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}(?:\.[0-9]{1,3}){0,3}(?![\w:]))"
)


def without_addresses(text: str, is_told: Callable[[str], bool]) -> str:
    """A text in which each address stands only if ``is_told`` says so; four numbers that are none are none to tell."""

    def one(found: re.Match[str]) -> str:
        said = found[0]
        try:
            address = str(ip_address(said))
        except ValueError:
            return said if ":" in said and "." not in said else WITHHELD
        return said if is_told(address) else WITHHELD

    return _ADDRESS.sub(one, text)
