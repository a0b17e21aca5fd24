"""Traffic that never was, for demonstrations, exercises and load: ships on the Scheldt, heard by several ports."""

from __future__ import annotations

from node.simulate.scheldt import ANTWERP, LIEGE, NORTH_SEA_PORT, Clone, Receiver, Simulation, traffic
from node.simulate.udp import send_udp

__all__ = [
    "ANTWERP",
    "LIEGE",
    "NORTH_SEA_PORT",
    "Clone",
    "Receiver",
    "Simulation",
    "send_udp",
    "traffic",
]
