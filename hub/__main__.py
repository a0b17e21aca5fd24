"""``port2port-hub``: found a hub, serve a federation, invite ports, admit what coordinators decided."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; sub-commands load what they need when they run."""
    parser = argparse.ArgumentParser(
        prog="port2port-hub",
        description="The hub of a federation of ports. It checks, logs and hands on; it cannot forge.",
        epilog="Order for a new federation: init, (coordinators sign), admit, serve, invite, requests, admit.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _init(commands.add_parser("init", help="make a new hub: keys, settings, and the genesis to be signed"))
    serve = _command(commands, "serve", "serve the federation until SIGTERM or Ctrl-C")
    serve.epilog = "Prints one line beginning with 'ready' once both ports answer."
    _compared(serve)
    invite = _command(commands, "invite", "write an invitation for the next node of a member (good for 24 hours, once)")
    invite.add_argument("member", help="member id, e.g. north-sea-port")
    invite.add_argument("--out", type=Path, required=True, help="file to write")
    requests = _command(commands, "requests", "list the nodes that wait for the coordinators")
    requests.add_argument(
        "--export", metavar="MEMBER", help="write this member's request (or: first fingerprint digits)"
    )
    requests.add_argument("--out", type=Path, help="file to write, for `port2port coordinator approve`")
    admit = _command(
        commands, "admit", "log what the coordinators signed; once there are members, while the hub serves"
    )
    admit.add_argument("file", type=Path, help="*.p2p-control, made by `port2port coordinator`")
    _compared(admit)
    export = _command(commands, "export-control", "write the control log from which coordinators decide")
    export.add_argument("--out", type=Path, required=True, help="file to write")
    deny = _command(commands, "deny", "deny a TLS certificate before its day is over")
    deny.add_argument("serial", help="serial in hex, as in the log and the audit table")
    _command(commands, "rebuild", "fold the national picture anew from the log")
    _consumer(commands.add_parser("consumer", help="systems that read through TAXII with a secret"))
    status = _command(commands, "status", "how the hub stands, whether or not it serves")
    status.add_argument("--json", action="store_true", help="for machines")
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--config", type=Path, required=True, help="settings file, made by init: hub.toml")
    return parser


def _consumer(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="consumer_command", required=True, metavar="COMMAND", help="what to do")
    add = _command(commands, "add", "take a system in, and show its secret once")
    add.add_argument("name", help="its name for ever: lower-case words joined by '-'")
    add.add_argument("--member", required=True, help="the member whose system it is")
    add.add_argument("--affiliate", help="the affiliate of that member whose system it is; it may post to its intake")
    add.add_argument("--ceiling", default="green", help="clear, green (default), amber or amber+strict")
    add.add_argument("--network", action="append", help="where it may come from, as 192.0.2.0/24; repeat; else any")
    add.add_argument("--purpose", help="the purpose for which it may read personal data; else it reads none")
    add.add_argument("--days", type=int, default=90, help="how long its secret is good (default and most: 90)")
    add.add_argument(
        "--i-have-their-word",
        default="",
        metavar="REFERENCE",
        help="where the member's word is kept that grants a ceiling above green; audited, and shown to that member",
    )
    renew = _command(commands, "renew", "give a system another secret; the old one ends at once")
    renew.add_argument("name", help="its name, as in `consumer list`")
    renew.add_argument("--days", type=int, default=90, help="how long it is good (default and most: 90)")
    revoke = _command(commands, "revoke", "refuse a system from now on")
    revoke.add_argument("name", help="its name, as in `consumer list`")
    _command(commands, "list", "list systems, with their ceilings and days")


def _compared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--i-have-compared",
        type=Path,
        metavar="CHECKPOINT",
        help="the members' newest checkpoint (port2port-node checkpoint), obtained by another way: the log has lost "
        "nothing, so do not wait for them. Wrong, it signs a second history, which cannot be repaired",
    )


def _init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dir", type=Path, required=True, help="where keys, settings and data shall lie")
    parser.add_argument("--federation", required=True, help="its name for ever, like a DNS name: ports.example")
    parser.add_argument(
        "--coordinator", type=Path, action="append", required=True, help="public key file of a coordinator; repeat"
    )
    parser.add_argument("--threshold", type=int, required=True, help="how many coordinators must agree; at least 2")
    parser.add_argument("--demo", action="store_true", help="a trial on one machine: threshold 1 and free ports")
    parser.add_argument("--listen", help="host:port for nodes (default 127.0.0.1:7401)")
    parser.add_argument("--enrolment-listen", help="host:port for enrolment (default 127.0.0.1:7402)")


ACTIONS = {
    "init": ("founding", "run"),
    "serve": ("serving", "run"),
    "invite": ("desk", "run_invite"),
    "requests": ("desk", "run_requests"),
    "admit": ("desk", "run_admit"),
    "export-control": ("desk", "run_export_control"),
    "deny": ("desk", "run_deny"),
    "consumer add": ("consumers", "run_add"),
    "consumer renew": ("consumers", "run_renew"),
    "consumer revoke": ("consumers", "run_revoke"),
    "consumer list": ("consumers", "run_list"),
    "rebuild": ("rebuilding", "run"),
    "status": ("desk", "run_status"),
}


def _action(command: str) -> Callable[[argparse.Namespace], int]:
    """Only what this command needs is loaded: the server costs a second that ``invite`` need not wait for."""
    module, function = ACTIONS[command]
    found: Callable[[argparse.Namespace], int] = getattr(import_module(f"hub.cli.{module}"), function)
    return found


def main(argv: list[str] | None = None) -> int:
    """Run one command. An error that we foresaw is one plain sentence and exit code 2."""
    args = build_parser().parse_args(argv)
    from port2port.errors import Port2PortError

    try:
        within = f" {args.consumer_command}" if args.command == "consumer" else ""
        return _action(args.command + within)(args)
    except Port2PortError as error:
        print(f"port2port-hub: {error.text}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
