"""``port2port-node``: join a federation, run a port's node, and sit at its desk."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

HANDLINGS = ("act", "call_first", "observe_only")
MARKINGS = ("clear", "green", "amber", "amber+strict", "red")


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; sub-commands load what they need when they run."""
    parser = argparse.ArgumentParser(
        prog="port2port-node",
        description="A port's node: it finds, asks an officer, signs, sends, verifies, matches and answers.",
        epilog="At the desk: review list, review show ID, preview ID, review publish ID, explain ID.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    join = commands.add_parser("join", help="redeem an invitation of the hub")
    join.add_argument("invitation", type=Path, help="file from the hub's operator")
    join.add_argument("--dir", type=Path, required=True, help="where keys, settings and data shall lie")
    join.add_argument("--officer", help="pseudonym of the first officer; a key file is made for him")
    join.add_argument("--passphrase-file", type=Path, help="file with the new key's passphrase (else it is asked for)")
    join.add_argument("--no-passphrase", action="store_true", help="do not encrypt the officer's key file (demo only)")
    run = commands.add_parser("run", help="run the node until SIGTERM or Ctrl-C")
    run.add_argument("--config", type=Path, required=True, help="settings file, made by join: node.toml")
    status = _command(commands, "status", "connected or since when not, what waits, how old the picture is")
    status.add_argument("--check", action="store_true", help="one line, and exit code 0 well, 1 look soon, 2 look now")
    _review(commands)
    _report(commands)
    _questions(commands)
    _decisions(commands)
    _officers(commands)
    _keeping(commands)
    _imports(commands)
    _exports(commands)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--config", type=Path, required=True, help="settings file, made by join: node.toml")
    parser.add_argument("--json", action="store_true", help="for machines")
    return parser


def _officer(parser: argparse.ArgumentParser, *, required: bool = True, second: bool = True) -> None:
    parser.add_argument("--officer", required=required, metavar="PSEUDONYM", help="who decides")
    parser.add_argument("--passphrase-file", type=Path, help="file with the key's passphrase (else it is asked for)")
    if second:
        parser.add_argument("--second-officer", metavar="PSEUDONYM", help="some decisions take two")
        parser.add_argument("--second-passphrase-file", type=Path, help="file with the second passphrase")


def _choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tlp", choices=MARKINGS, help="marking (default: as proposed)")
    parser.add_argument("--group", action="append", help="sharing group, may be repeated (default: as proposed)")
    parser.add_argument("--recipient", action="append", help="member, may be repeated; with groups both must hold")
    parser.add_argument("--handling", choices=HANDLINGS, help="what receivers shall do first")
    parser.add_argument("--purpose", help="why personal data may be shared, e.g. isps, drug-trafficking")
    parser.add_argument("--personal-data", action="store_true", help="it holds personal data: two officers sign")
    parser.add_argument("--suspect", choices=("newer", "older"), help="cloned identity: which track is the false one")


def _review(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    review = commands.add_parser("review", help="decide what leaves the port")
    actions = review.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = _command(actions, "list", "what waits for a decision")
    listed.add_argument("--state", choices=("open", "published", "rejected"), default="open", help="default: open")
    show = _command(actions, "show", "one draft, with the numbers, the limits and why")
    show.add_argument("id", metavar="ID")
    publish = _command(actions, "publish", "sign a draft and send it")
    publish.add_argument("id", metavar="ID")
    _choice(publish)
    _officer(publish)
    reject = _command(actions, "reject", "close a draft without sending anything")
    reject.add_argument("id", metavar="ID")
    reject.add_argument("--reason", required=True, help="why, for whoever reads it next week")
    _officer(reject)
    _command(actions, "waiting", "what waits for another officer's signature")
    approve = _command(actions, "approve", "sign what another officer prepared, or confirm his override")
    approve.add_argument("act", metavar="ACT")
    approve.add_argument("--reason", help="for the second check of an override: why it was right")
    _officer(approve, second=False)
    withdraw = _command(actions, "withdraw", "give up what waits for signatures; the draft is open again")
    withdraw.add_argument("act", metavar="ACT")
    withdraw.add_argument("--reason", required=True, help="why")
    _officer(withdraw, second=False)
    override = _command(actions, "override", "emergency: publish with one signature; another officer checks it after")
    override.add_argument("id", metavar="ID")
    override.add_argument("--reason", required=True, help="what the emergency is")
    _officer(override, second=False)


def _report(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    report = commands.add_parser("report", help="what an officer saw himself")
    kinds = report.add_subparsers(dest="what", required=True, metavar="WHAT")
    vessel = _command(kinds, "vessel", "a ship, by any of its numbers or names")
    for name, text in (("mmsi", "nine digits"), ("imo", "seven digits"), ("eni", "eight digits, barges")):
        vessel.add_argument(f"--{name}", help=text)
    vessel.add_argument("--call-sign", help="call sign")
    no_ais = _command(kinds, "no-ais", "a ship that shows no AIS")
    for parser in (vessel, no_ais):
        parser.add_argument("--name", help="name as read")
    container = _command(kinds, "container", "a box by its number, with check digit")
    domain = _command(kinds, "domain", "a domain name")
    address = _command(kinds, "address", "an IPv4 or IPv6 address (personal data: two officers)")
    for parser in (container, domain, address):
        parser.add_argument("value", metavar="VALUE")
    note = _command(kinds, "note", "free text with place and time")
    for parser in (vessel, no_ais, container, domain, address, note):
        parser.add_argument("--text", required=True, help="what you saw")
        parser.add_argument("--at", help="when, in UTC: 2026-11-22T03:15 (default: now)")
        parser.add_argument("--place", help="where, in words")
        parser.add_argument("--position", help="where: 51.2345,4.4012")
        parser.add_argument("--publish", action="store_true", help="publish at once instead of making a draft")
        _choice(parser)
        _officer(parser, required=False)


def _questions(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    preview = _command(commands, "preview", "who would read a draft; works without the hub")
    preview.add_argument("id", metavar="DRAFT")
    _choice(preview)
    explain = _command(commands, "explain", "who received it, who not, and why")
    explain.add_argument("id", metavar="ID", help="draft, statement or STIX id")
    evidence = _command(commands, "evidence", "write raw lines, statement, proof and custody as a ZIP")
    evidence.add_argument("id", metavar="ID", help="draft, statement or STIX id")
    evidence.add_argument("--out", type=Path, required=True, help="file to write")
    seen = _command(commands, "seen", "tell the author that an officer has seen it")
    seen.add_argument("id", metavar="ID", help="statement or STIX id")
    _command(commands, "hits", "what was seen under others' indicators, handling first")
    _command(commands, "sensors", "what was read of each log of a network sensor, and what was no record")
    _command(commands, "indicators", "what this port looks for, and whether it saw it before")


def _decisions(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    retract = _command(commands, "retract", "take back what was published")
    retract.add_argument("id", metavar="ID", help="draft, statement or STIX id")
    retract.add_argument("--reason", required=True, help="why; the readers see it")
    _officer(retract)
    level = _command(commands, "level", "set a security level, at the node of its authority; two officers sign")
    level.add_argument("port", nargs="+", metavar="LOCODE", help="ports whose authority this member is")
    level.add_argument("--level", type=int, choices=(1, 2, 3), required=True, help="ISPS level")
    level.add_argument("--reason", required=True, help="reason and measures; every member reads it")
    level.add_argument("--from", dest="starts", metavar="TIME", help="2026-11-22T18:00+01:00; now without it")
    level.add_argument("--until", metavar="TIME", help="its end; until further notice without it")
    level.add_argument("--then", type=int, choices=(1, 2, 3), default=1, help="the level after its end (1)")
    level.add_argument("--tlp", choices=("green", "clear"), default="green", help="marking (green)")
    _officer(level)
    suppress = commands.add_parser("suppress", help="silence findings for a while, under your name")
    actions = suppress.add_subparsers(dest="action", required=True, metavar="ACTION")
    _command(actions, "list", "what silences findings now, and how many")
    add = _command(actions, "add", "silence a detector, a ship or a place")
    add.add_argument("kind", choices=("mute", "exception", "own-fleet", "zone", "rule-off", "warning-list"))
    add.add_argument("subject", help="detector, identity such as mmsi:205123456, place id, or a listed value")
    add.add_argument("--days", type=int, required=True, help="for so many days, at most 366")
    add.add_argument("--reason", required=True, help="why")
    _officer(add, second=False)
    end = _command(actions, "end", "stop silencing before its time")
    end.add_argument("id", metavar="ID")
    end.add_argument("--reason", required=True, help="why it ends")
    _officer(end, second=False)
    approve = _command(commands, "approve-rule", "sign an automatic rule of the rules file")
    approve.add_argument("id", metavar="ID", help="id of the rule")
    _officer(approve, second=False)


def _officers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    officer = commands.add_parser("officer", help="keys of this port's officers, and desk keys")
    actions = officer.add_subparsers(dest="action", required=True, metavar="ACTION")
    _command(actions, "list", "whose keys are in force, offered, revoked or expired")
    add = _command(actions, "add", "make a key file for an officer and offer it to the coordinators")
    add.add_argument("pseudonym", metavar="PSEUDONYM", help="letters, digits, '-' and '_'; never a name")
    add.add_argument("--passphrase-file", type=Path, help="file with the new key's passphrase (else it is asked for)")
    add.add_argument("--no-passphrase", action="store_true", help="do not encrypt the key file (demo only)")
    more = _command(actions, "desk-keys", "make further desk keys, with which acts wait for officers, and offer them")
    more.add_argument("--count", type=int, choices=range(1, 17), default=8, metavar="N", help="how many (default 8)")


# Each command loads its own module only: a question at the desk does not wait for gRPC.
def _keeping(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    _command(commands, "rekey", "make a new machine key, signed for by the old one")
    checkpoint = _command(commands, "checkpoint", "export the checkpoint verified last, to compare with another port's")
    checkpoint.add_argument("--out", type=Path, required=True, help="file to write")
    checkpoint.add_argument(
        "--prove-from", type=Path, metavar="FILE", help="a smaller checkpoint (or size): also prove what it must be"
    )


def _imports(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    brought = _command(commands, "import", "make drafts of a file: STIX 2.1, a MISP event, an OpenCTI export")
    brought.add_argument("file", type=Path, metavar="FILE", help="bundle, envelope, list or MISP JSON")
    brought.add_argument("--source", help="whom it comes from (default: the name of the file)")
    brought.add_argument(
        "--reliability",
        default="F6",
        metavar="B2",
        help="Admiralty code: A to F for the source, 1 to 6 for what it says",
    )
    brought.add_argument(
        "--marking", choices=MARKINGS[1:], help="least marking of all in it (what is unmarked: amber+strict)"
    )
    _command(commands, "imports", "feeds and files that were read, and what was set apart in them, with the reason")
    lists = commands.add_parser("warning-lists", help="what is known to be harmless: neither published nor watched")
    actions = lists.add_subparsers(dest="action", required=True, metavar="ACTION")
    taken = _command(actions, "import", "ask these lists (MISP's list.json) from now on, instead of all before")
    taken.add_argument("given", type=Path, nargs="+", metavar="DIR|FILE", help="a copy of misp-warninglists, or files")
    _command(actions, "list", "which lists are asked, with their versions, and what of them could not be taken")
    check = _command(actions, "check", "on which lists a value stands")
    check.add_argument("value", metavar="VALUE", help="a domain, address, URL, mail address or digest")


def _exports(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    export = commands.add_parser("export", help="write what may leave as a file, with a line in the audit trail")
    kinds = export.add_subparsers(dest="what", required=True, metavar="WHAT")
    rules = _command(kinds, "suricata", "rules for Suricata; list files of digests are written beside them")
    values = _command(kinds, "csv", "the same values as a table")
    for parser in (rules, values):
        parser.add_argument("--ceiling", choices=MARKINGS[:-1], default="amber", help="strictest marking (amber)")
        parser.add_argument("--purpose", action="append", help="for personal data, IP addresses too; may be repeated")
    bundle = _command(kinds, "bundle", "statements of a period as a STIX bundle with their proofs, in a ZIP")
    bundle.add_argument("--first", required=True, metavar="DAY", help="2026-11-16, in UTC")
    bundle.add_argument("--last", required=True, metavar="DAY", help="2026-11-22, included")
    bundle.add_argument("--whose", choices=("both", "ours", "theirs"), default="both", help="default: both")
    bundle.add_argument("--purpose", help="for personal data of others; without it, it is left out")
    for parser in (rules, values, bundle):
        parser.add_argument("--out", type=Path, required=True, help="file to write")
    _command(commands, "passages", "which gates ask about passages, and how many were checked")


ACTIONS = {
    "export": ("exporting", "run"),
    "passages": ("gates", "run"),
    "import": ("importing", "run"),
    "imports": ("importing", "run_list"),
    "warning-lists": ("listing", "run"),
    "rekey": ("keeping", "run_rekey"),
    "checkpoint": ("keeping", "run_checkpoint"),
    "join": ("running", "run_join"),
    "run": ("running", "run"),
    "status": ("health", "run"),
    "review": ("reviewing", "run"),
    "report": ("reporting", "run"),
    "preview": ("asking", "run_preview"),
    "explain": ("asking", "run_explain"),
    "evidence": ("asking", "run_evidence"),
    "seen": ("asking", "run_seen"),
    "hits": ("asking", "run_hits"),
    "sensors": ("sensing", "run"),
    "indicators": ("asking", "run_indicators"),
    "officer": ("officers", "run"),
    "retract": ("reviewing", "run_retract"),
    "level": ("reviewing", "run_level"),
    "suppress": ("reviewing", "run_suppress"),
    "approve-rule": ("reviewing", "run_approve_rule"),
}


def _action(command: str) -> Callable[[argparse.Namespace], int]:
    module, function = ACTIONS[command]
    found: Callable[[argparse.Namespace], int] = getattr(import_module(f"node.cli.{module}"), function)
    return found


def main(argv: list[str] | None = None) -> int:
    """Run one command. An error that we foresaw is one plain sentence and exit code 2."""
    args = build_parser().parse_args(argv)
    from port2port.errors import Port2PortError

    try:
        return _action(args.command)(args)
    except Port2PortError as error:
        print(f"port2port-node: {error.text}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
