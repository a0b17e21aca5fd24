"""``python -m node.simulate``: play simulated traffic to a node's UDP source."""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import timedelta

from node.simulate import ANTWERP, LIEGE, NORTH_SEA_PORT, Clone, Simulation, send_udp, traffic
from port2port.clock import SystemClock
from port2port.errors import Port2PortError

_STATIONS = {"antwerp": ANTWERP, "north-sea-port": NORTH_SEA_PORT, "liege": LIEGE}


def main(argv: list[str] | None = None) -> int:
    """Send the traffic that one station hears; 0 when all is sent."""
    parser = argparse.ArgumentParser(prog="python -m node.simulate", description="Simulated AIS traffic as datagrams.")
    parser.add_argument("--station", choices=sorted(_STATIONS), required=True)
    parser.add_argument("--port", type=int, required=True, help="UDP port of the node on this machine")
    parser.add_argument("--minutes", type=float, default=15.0, help="simulated minutes (default 15)")
    parser.add_argument("--speed", type=float, default=20.0, help="times faster than it would happen (default 20)")
    parser.add_argument("--ships", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--clone-after", type=float, help="seconds after which a second ship takes the first one's MMSI"
    )
    args = parser.parse_args(argv)
    clock = SystemClock()
    duration_s = args.minutes * 60.0
    clone = None if args.clone_after is None else Clone(after_s=args.clone_after)
    simulation = Simulation(
        start=clock.now() - timedelta(seconds=duration_s),
        duration_s=duration_s,
        ships=args.ships,
        seed=args.seed,
        clone=clone,
    )
    try:
        heard = traffic(simulation, _STATIONS[args.station])
        sent = asyncio.run(send_udp("127.0.0.1", args.port, heard, clock=clock, speed=args.speed))
    except Port2PortError as error:
        print(f"simulate: {error.text}", file=sys.stderr)
        return 2
    print(f"{sent} sentences sent")
    return 0


if __name__ == "__main__":
    sys.exit(main())
