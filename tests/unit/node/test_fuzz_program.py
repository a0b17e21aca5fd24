"""Loading the program that misspells changes nothing for whoever loads it."""

from __future__ import annotations

import importlib
import socket


def test_loading_the_program_of_misspellings_leaves_sockets_as_they_were() -> None:
    importlib.import_module("node.lookalikes.fuzz")
    assert socket.getdefaulttimeout() is None
