"""``port2port``: what needs neither node nor hub: verify, compare checkpoints, decide who belongs, run the demo."""

from __future__ import annotations

import argparse
import sys


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; sub-commands load what they need when they run."""
    from port2port.cli import checkpoint, coordinator, demo, verify

    parser = argparse.ArgumentParser(prog="port2port", description="Ports share threats and prove who said what.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (verify, checkpoint, coordinator, demo):
        module.add_parser(commands)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command. An error that we foresaw is one plain sentence and exit code 2."""
    from port2port.cli import checkpoint, coordinator, demo, verify
    from port2port.errors import Port2PortError

    args = build_parser().parse_args(argv)
    actions = {"verify": verify.run, "checkpoint": checkpoint.run, "coordinator": coordinator.run, "demo": demo.run}
    try:
        return actions[args.command](args)
    except Port2PortError as error:
        print(f"port2port: {error.text}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
