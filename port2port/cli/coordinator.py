"""``port2port coordinator``: decisions on who belongs, made where the coordinator's key is, never on the hub."""

from __future__ import annotations

import argparse
import getpass
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from port2port import canonical, coordination, key_request, keys
from port2port.canonical import Json
from port2port.cli.describing import describe
from port2port.clock import Clock, SystemClock, from_text, to_ms
from port2port.coordination import ControlLog, Proposal, document
from port2port.errors import ConfigurationError, MalformedError, PolicyError
from port2port.genesis import from_b64, from_statement, genesis_hash, to_b64
from port2port.ids import is_member_id
from port2port.join_request import JoiningKey, JoinRequest
from port2port.join_request import decode as decode_join_request
from port2port.key_request import KeyRequest
from port2port.keys import Ed25519Key
from port2port.roster import MEMBER_KINDS
from port2port.statement import Statement
from port2port.tlp import Tlp
from port2port.tlp import parse as tlp_of

MACHINE_KEY_DAYS: Final = 90
OFFICER_KEY_DAYS: Final = 365
_DAY_MS: Final = 86_400_000
_CEILINGS: Final = tuple(tlp.value for tlp in Tlp if tlp is not Tlp.RED)
KEY_SUFFIX: Final = ".coordinator.key"
PUBLIC_SUFFIX: Final = ".coordinator.pub"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Hang ``coordinator`` and its sub-commands into the command line."""
    parser = subparsers.add_parser("coordinator", help="decide who belongs (on the coordinator's own machine)")
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    init = commands.add_parser("init", help="make this coordinator's key")
    init.add_argument("--name", required=True, help="short name of the coordinator, e.g. ndc")
    _common(init, needs_log=False)
    approve = commands.add_parser("approve", help="sign a genesis, a request or another coordinator's proposal")
    approve.add_argument("file", type=Path, help="genesis proposal, join request, key request or proposal")
    _common(approve, needs_log=False)
    _output(approve)
    approve.add_argument(
        "--request",
        type=Path,
        help="another coordinator's proposal: the request it answers, to compare fingerprints",
    )
    approve.add_argument("--name", help="join request of a new member: its full name (else it is asked for)")
    approve.add_argument("--kind", choices=sorted(MEMBER_KINDS), default="port", help="new member: what it is")
    approve.add_argument("--locode", action="append", default=[], help="new member: UN/LOCODE, may be repeated")
    approve.add_argument("--organisation", help="new member: the organisation it counts for as witness")
    approve.add_argument("--no-witness", action="store_true", help="new member: its cosignatures do not count")
    revoke = commands.add_parser("revoke", help="revoke a key, a node's witness key, or remove a member for ever")
    what = revoke.add_mutually_exclusive_group(required=True)
    what.add_argument("--key", help="key id to revoke")
    what.add_argument("--member", help="member to remove with all its keys")
    what.add_argument("--witness-key", metavar="BASE64", help="witness key of a node that is gone")
    revoke.add_argument("--since", help="key was in wrong hands since, e.g. 2026-11-22T01:00:00.000Z")
    revoke.add_argument("--reason", required=True, help="why, as every member will read it")
    _common(revoke, needs_log=True)
    _output(revoke)
    group = commands.add_parser("group", help="make the next version of a sharing group")
    group.add_argument("group", help="name, e.g. seaports")
    group.add_argument("members", nargs="*", help="all its members; none makes it empty: nobody reads")
    _common(group, needs_log=True)
    _output(group)
    affiliate = commands.add_parser("affiliate", help="let a terminal read and post through its member")
    affiliate.add_argument("affiliate", help="its name for ever, e.g. terminal-1")
    affiliate.add_argument("--member", required=True, help="the member to which it belongs")
    affiliate.add_argument("--name", required=True, help="its full name, as everybody shall read it")
    affiliate.add_argument("--ceiling", choices=_CEILINGS, default="green", help="strictest marking it reads (green)")
    _common(affiliate, needs_log=True)
    _output(affiliate)
    suspend = commands.add_parser("suspend", help="suspend a member, or another member's object, with a reason")
    suspend.add_argument("--member", help="member to suspend (or to reinstate with --lift)")
    suspend.add_argument("--lift", action="store_true", help="reinstate the member")
    suspend.add_argument("--object", nargs=2, metavar=("ISSUER", "STIX_ID"), help="object that shall not be matched")
    suspend.add_argument("--tlp", default="green", help="object: marking of the suspension (default green)")
    suspend.add_argument("--group", action="append", default=[], help="object: sharing group told, may be repeated")
    suspend.add_argument("--reason", required=True)
    _common(suspend, needs_log=True)
    _output(suspend)


def _common(parser: argparse.ArgumentParser, *, needs_log: bool) -> None:
    parser.add_argument("--dir", type=Path, required=True, help="where this coordinator's key lies")
    parser.add_argument("--passphrase-file", type=Path, help="file with the key's passphrase (else it is asked for)")
    parser.add_argument("--no-passphrase", action="store_true", help="the key file is not encrypted (demo only)")
    parser.add_argument("--control-log", type=Path, required=needs_log, help="made by: port2port-hub export-control")
    parser.add_argument("--genesis", help="genesis hash; remembered after the first approval")


def _output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--yes", action="store_true", help="do not ask before signing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The coordinator's directory: one key, and what it remembers between calls."""

    directory: Path
    key: Ed25519Key

    def memory(self) -> dict[str, Json]:
        """{"genesis": hash or null, "seq": last sequence used}."""
        path = self.directory / "coordinator.json"
        if not path.exists():
            return {"genesis": None, "seq": 0}
        try:
            data = canonical.loads_object(_read(path), limit=coordination.PROPOSAL_BYTES)
        except MalformedError as error:
            raise ConfigurationError(f"{path.name} is damaged") from error
        if data.keys() != {"genesis", "seq"}:
            raise ConfigurationError(f"{path.name} is damaged")
        return data

    def remember(self, **changes: Json) -> None:
        """Write the memory anew, whole or not at all, durable before it returns."""
        draft = self.directory / ".coordinator.json"
        with draft.open("wb") as file:
            file.write(canonical.dumps({**self.memory(), **changes}))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.directory / "coordinator.json")

    def next_seq(self, control: ControlLog | None = None) -> int:
        """The next sequence number of this key; it is used up even if the proposal is thrown away.

        The control log is asked too, so that a directory restored from a copy does not use a number twice.
        """
        last = self.memory()["seq"]
        if not isinstance(last, int):
            raise ConfigurationError("coordinator.json is damaged")
        logged = 0 if control is None else control.last_seq.get(self.key.key_id, 0)
        following = max(last, logged) + 1
        self.remember(seq=following)
        return following


def run(args: argparse.Namespace, clock: Clock | None = None) -> int:
    """Carry out one action. Returns the exit code; raises Port2PortError for what cannot be done."""
    return _ACTIONS[args.action](args, clock or SystemClock())


def _init(args: argparse.Namespace, _clock: Clock) -> int:
    if not is_member_id(args.name):
        raise ConfigurationError("the name of a coordinator is lower-case letters and digits in words joined by '-'")
    if list(args.dir.glob(f"*{KEY_SUFFIX}")):
        raise ConfigurationError(f"{args.dir} holds a coordinator key already; one directory, one coordinator")
    try:
        args.dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigurationError(f"cannot make {args.dir}: {error.strerror}") from error
    key = keys.generate()
    keys.save(key, args.dir / f"{args.name}{KEY_SUFFIX}", _new_passphrase(args))
    public = args.dir / f"{args.name}{PUBLIC_SUFFIX}"
    _write(public, canonical.dumps(key.record("coordinator").to_json()) + b"\n")
    print(f"coordinator key made: {key.key_id[:16]}")
    print(f"give {public} to the operator of the hub; keep the other file here, and a copy in a safe")
    return 0


def _approve(args: argparse.Namespace, clock: Clock) -> int:
    desk = _desk(args)
    raw = _read(args.file)
    kind = coordination.type_of(raw)
    if kind == "genesis-proposal":
        body = document(raw, kind, {"body"}, coordination.PROPOSAL_BYTES)["body"]
        if not isinstance(body, dict):
            raise ConfigurationError(f"{args.file.name} has no genesis in it")
        made = coordination.propose_genesis(body, key=desk.key, issued=clock.now(), new_id=uuid.uuid4())
        _require_same_federation(desk, None)
        desk.remember(seq=made.parsed.seq)
        return _sign_and_write(args, desk, made, None)
    if kind == "proposal":
        made = coordination.decode_proposal(raw)
        if made.parsed.kind == "genesis":
            return _sign_and_write(args, desk, made, None)
        control = _log(args, desk)
        coordination.require_sound(made, control)
        _compare(args, made)
        return _sign_and_write(args, desk, made, control)
    control = _log(args, desk)
    request = _request(raw)
    if isinstance(request, KeyRequest):
        ops = _offer_ops(request, control, clock)
    else:
        ops = _join_ops(args, request, control, clock)
    return _decide(args, desk, control, "roster", ops=ops, clock=clock)


def _request(raw: bytes) -> JoinRequest | KeyRequest:
    return key_request.decode(raw) if coordination.type_of(raw) == key_request.TYPE else decode_join_request(raw)


def _compare(args: argparse.Namespace, made: Proposal) -> None:
    """What each further coordinator reads to the port, as the first one did: of the request, held to the proposal."""
    if args.request is not None:
        request = _request(_read(args.request))
        coordination.require_asked(made, request)
        print(_fingerprint(request))
    elif coordination.gives_keys(made):
        print("  no fingerprint to compare: give the port's own request, too, with --request REQUEST")


def _fingerprint(request: JoinRequest | KeyRequest) -> str:
    return f"  fingerprint  {request.fingerprint}   <- compare by telephone with what the node shows"


def _join_ops(
    args: argparse.Namespace, request: JoinRequest, control: ControlLog, clock: Clock
) -> list[dict[str, Json]]:
    """What the request asks of the roster. ``decode`` recomputed the fingerprint from the very keys approved here."""
    member = request.member
    if request.federation != control.roster.genesis.federation:
        raise PolicyError("the join request is for another federation")
    print(f"join request of {member}, node {request.node}")
    print(_fingerprint(request))
    ops: list[dict[str, Json]] = []
    if member not in control.roster.member_table:
        ops.append(_new_member(args, member, _full_name(args, member)))
    ops += [_added(member, item, clock) for item in request.keys]
    # Added, not set: each node of a member co-signs with a key of its own, and the member is one witness.
    ops.append({"op": "add-witness-key", "member": member, "public": to_b64(request.witness_key)})
    return ops


def _offer_ops(request: KeyRequest, control: ControlLog, clock: Clock) -> list[dict[str, Json]]:
    """Further keys of a member: signed by its rostered machine key, which this checks without asking the hub."""
    if request.federation != control.roster.genesis.federation:
        raise PolicyError("the key request is for another federation")
    key_request.require_sound(request, control.roster)
    print(f"further keys of {request.member}: {', '.join(map(_offered, request.keys))}")
    print(_fingerprint(request))
    return [_added(request.member, item, clock) for item in request.keys]


def _offered(item: JoiningKey) -> str:
    what = "passkey" if item.public.rp_id else "key file"
    return "a machine's key" if item.pseudonym is None else f"{what} of officer {item.pseudonym}"


def _added(member: str, item: JoiningKey, clock: Clock) -> dict[str, Json]:
    days = OFFICER_KEY_DAYS if item.public.key_class == "officer" else MACHINE_KEY_DAYS
    return {
        "op": "add-key",
        "member": member,
        "key": item.public.to_json(),
        "pseudonym": item.pseudonym,
        "not_after_ms": to_ms(clock.now()) + days * _DAY_MS,
    }


def _full_name(args: argparse.Namespace, member: str) -> str:
    """The name everybody will read in the roster, for ever: a join request has none, so a person says it."""
    name = args.name or ("" if args.yes else _asked(f"{member} is new; its full name, as everybody shall read it: "))
    if not name:
        raise ConfigurationError(f"{member} is new: give its full name with --name")
    return str(name)


def _asked(question: str) -> str:
    try:
        return input(question).strip()
    except EOFError:
        return ""


def _new_member(args: argparse.Namespace, member: str, name: str) -> dict[str, Json]:
    return {
        "op": "add-member",
        "member": member,
        "name": name,
        "kind": args.kind,
        "locodes": args.locode,
        "organisation": args.organisation or name,
        "witness": not args.no_witness,
    }


def _revoke(args: argparse.Namespace, clock: Clock) -> int:
    desk = _desk(args)
    control = _log(args, desk)
    if args.member:
        ops: list[dict[str, Json]] = [{"op": "remove-member", "member": args.member, "reason": args.reason}]
        return _decide(args, desk, control, "roster", ops=ops, clock=clock)
    if args.witness_key:
        ops = [_drop_witness_key(control, args.witness_key)]
        return _decide(args, desk, control, "roster", ops=ops, clock=clock)
    since = None if args.since is None else to_ms(from_text(args.since))
    op: dict[str, Json] = {
        "op": "revoke-key",
        "key_id": args.key,
        "reason": args.reason,
        "invalid_since_ms": since,
    }
    return _decide(args, desk, control, "revoke-key", ops=[op], clock=clock)


def _drop_witness_key(control: ControlLog, text: str) -> dict[str, Json]:
    owners = [name for name, held in control.roster.witness_table.items() if from_b64(text) in held]
    if not owners:
        raise ConfigurationError("no member has this witness key")
    return {"op": "drop-witness-key", "member": owners[0], "public": text}


def _group(args: argparse.Namespace, clock: Clock) -> int:
    desk = _desk(args)
    control = _log(args, desk)
    version = (control.roster.latest_group(args.group) or 0) + 1
    op: dict[str, Json] = {
        "op": "set-group",
        "group": args.group,
        "members": sorted(set(args.members)),
        "version": version,
    }
    return _decide(args, desk, control, "group", ops=[op], clock=clock)


def _affiliate(args: argparse.Namespace, clock: Clock) -> int:
    desk = _desk(args)
    control = _log(args, desk)
    op: dict[str, Json] = {
        "op": "add-affiliate",
        "affiliate": args.affiliate,
        "member": args.member,
        "name": args.name,
        "ceiling": args.ceiling,
    }
    return _decide(args, desk, control, "roster", ops=[op], clock=clock)


def _suspend(args: argparse.Namespace, clock: Clock) -> int:
    desk = _desk(args)
    control = _log(args, desk)
    if (args.member is None) == (args.object is None):
        raise ConfigurationError("say either --member or --object")
    if args.member is not None:
        op = "reinstate-member" if args.lift else "suspend-member"
        ops: list[dict[str, Json]] = [{"op": op, "member": args.member, "reason": args.reason}]
        return _decide(args, desk, control, "roster", ops=ops, clock=clock)
    if args.lift:
        raise ConfigurationError("--lift reinstates a member; it is not for objects")
    tlp = tlp_of(args.tlp)
    groups = tuple(sorted((name, control.roster.latest_group(name) or 0) for name in args.group))
    made = coordination.propose_suspension(
        control,
        issuer=args.object[0],
        stix_id=args.object[1],
        reason=args.reason,
        tlp=Tlp.AMBER if groups and tlp in {Tlp.CLEAR, Tlp.GREEN} else tlp,
        groups=groups,
        key=desk.key,
        seq=desk.next_seq(control),
        issued=clock.now(),
        new_id=uuid.uuid4(),
    )
    return _sign_and_write(args, desk, made, control)


def _decide(
    args: argparse.Namespace, desk: Desk, control: ControlLog, kind: str, *, ops: list[dict[str, Json]], clock: Clock
) -> int:
    made = coordination.propose(
        control,
        kind,
        ops,
        key=desk.key,
        seq=desk.next_seq(control),
        issued=clock.now(),
        new_id=uuid.uuid4(),
    )
    return _sign_and_write(args, desk, made, control)


def _sign_and_write(args: argparse.Namespace, desk: Desk, made: Proposal, control: ControlLog | None) -> int:
    said = made.parsed
    marking = "" if said.tlp is None else f", {said.tlp.label} to {_audience(said)}"
    print(f"this {said.kind} statement{marking} would:")
    for line in describe(said.body):
        print(f"  {line}")
    if not args.yes and not _confirmed():
        print("not signed")
        return 1
    signed = made.signed_by(desk.key)
    if control is None:
        genesis = from_statement(said)
        needed = coordination.missing(signed, {key.key_id: key for key in genesis.coordinators}, genesis.threshold)
        _require_same_federation(desk, genesis_hash(signed.statement))
        desk.remember(genesis=genesis_hash(signed.statement))
        print(f"genesis hash {genesis_hash(signed.statement)}")
    else:
        needed = coordination.missing(signed, control.roster.coordinators, control.roster.threshold)
    _write(args.out, signed.encode() + b"\n" if needed else signed.envelope())
    if needed:
        print(f"signed; {needed} more coordinator(s) must approve {args.out}")
    else:
        print(f"complete; on the hub: port2port-hub admit {args.out} --config HUB.TOML")
    return 0


def _confirmed() -> bool:
    return _asked("sign it? type yes: ") == "yes"


def _audience(said: Statement) -> str:
    return ", ".join(f"{name}@{version}" for name, version in said.groups) or "all whom the marking allows"


def _desk(args: argparse.Namespace) -> Desk:
    found = sorted(args.dir.glob(f"*{KEY_SUFFIX}"))
    if len(found) != 1:
        raise ConfigurationError(f"{args.dir} must hold exactly one *{KEY_SUFFIX} file, it holds {len(found)}")
    return Desk(directory=args.dir, key=keys.load(found[0], _passphrase(args)))


def _log(args: argparse.Namespace, desk: Desk) -> ControlLog:
    pinned = args.genesis or desk.memory()["genesis"]
    _require_same_federation(desk, pinned)
    if not isinstance(pinned, str) or args.control_log is None:
        raise ConfigurationError("give --control-log, and --genesis the first time")
    control = coordination.read_control_log(_read(args.control_log, coordination.CONTROL_LOG_BYTES), pinned)
    desk.remember(genesis=pinned)
    return control


def _require_same_federation(desk: Desk, pinned: Json) -> None:
    """One directory, one federation: a key that founded or served one does not found another (``pinned`` None)."""
    if desk.memory()["genesis"] not in {None, pinned}:
        raise ConfigurationError("this directory belongs to a federation with another genesis hash")


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error


def _read(path: Path, limit: int = coordination.PROPOSAL_BYTES) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(limit + 1)
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    if len(raw) > limit:
        raise ConfigurationError(f"{path} is larger than {limit} bytes")
    return raw


def _new_passphrase(args: argparse.Namespace) -> bytes | None:
    passphrase = _passphrase(args, twice=True)
    if passphrase is not None and len(passphrase) < 12:
        raise ConfigurationError("the passphrase must have at least 12 characters")
    return passphrase


def _passphrase(args: argparse.Namespace, *, twice: bool = False) -> bytes | None:
    if args.no_passphrase:
        return None
    if args.passphrase_file is not None:
        return _read(args.passphrase_file, 1_024).strip()
    first = getpass.getpass("passphrase of the coordinator key: ")
    if twice and getpass.getpass("once more: ") != first:
        raise ConfigurationError("the two passphrases differ")
    return first.encode()


_ACTIONS: Final[Mapping[str, Callable[[argparse.Namespace, Clock], int]]] = {
    "init": _init,
    "approve": _approve,
    "revoke": _revoke,
    "group": _group,
    "affiliate": _affiliate,
    "suspend": _suspend,
}
