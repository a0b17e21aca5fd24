"""What an operator does between founding and serving: invite, hand on join requests, admit decisions, look."""

from __future__ import annotations

import argparse
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub import keyring
from hub.audience import Audiences
from hub.enrolment import deny, invite, join_requests, key_requests, pending, pending_keys
from hub.intake import Checker, IntakeJudge, Outcome, admit
from hub.keyring import Keyring
from hub.recovery import Admission, is_open, require_compared
from hub.settings import HubSettings
from hub.store import Store, audit, open_store, read_head
from hub.tables import BODY, CONTROL, ENTRY, TLS_CERTIFICATE
from hub.transparency import Log, fold_roster
from port2port import settings as toml
from port2port.checkpoint import log_key
from port2port.clock import SystemClock, from_ms, to_ms, to_text
from port2port.coordination import encode_control_log, type_of
from port2port.errors import ConfigurationError, MalformedError, PolicyError
from port2port.genesis import Genesis, from_statement, genesis_hash
from port2port.invitation import Invitation
from port2port.join_request import JoinRequest
from port2port.key_request import KeyRequest
from port2port.limits import LIMITS
from port2port.roster import Roster
from port2port.statement import decode
from port2port.stix.validate import ValidObject
from port2port.wire import decode_envelope

DAY_MS: Final = 86_400_000
Waiting: TypeAlias = tuple[JoinRequest | KeyRequest, int]


@dataclass(slots=True, kw_only=True)
class Desk:
    """An opened hub: settings, keys and database. Use as context manager."""

    settings: HubSettings
    keyring: Keyring
    store: Store
    clock: SystemClock

    @classmethod
    def open(cls, config: Path) -> Desk:
        """Raises ConfigurationError."""
        settings = toml.load(config, HubSettings)
        return cls(
            settings=settings,
            keyring=keyring.load(settings),
            store=open_store(settings.database_url),
            clock=SystemClock(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.store.close()

    @property
    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return to_ms(self.clock.now())

    def roster(self) -> Roster | None:
        """As the log has it now."""
        return self.store.database.read_now(fold_roster).roster

    def waiting(self) -> list[Waiting]:
        """What nodes and members have offered and coordinators have not approved, oldest first."""
        roster = self.roster()
        joining = pending(self.store.database.read_now(join_requests), roster)
        further = pending_keys(self.store.database.read_now(key_requests), roster)
        return sorted([*joining, *further], key=lambda item: item[1])

    def genesis(self) -> tuple[Genesis, str]:
        """The genesis in the log, and its hash. Raises ConfigurationError before there is one."""
        found = self.store.database.read_now(founded)
        if found is None:
            raise ConfigurationError("the log has no genesis yet: the coordinators sign it, then `admit` takes it")
        self.keyring.require_named_in(found[0])
        return found


def founded(connection: Connection) -> tuple[Genesis, str] | None:
    """(genesis, its hash in hex) of entry 0, or None in an empty log."""
    raw = connection.scalar(sa.select(BODY.c.envelope).where(BODY.c.index == 0))
    if raw is None:
        return None
    statement = decode_envelope(bytes(raw)).statement
    return from_statement(decode(statement)), genesis_hash(statement)


def run_invite(args: argparse.Namespace) -> int:
    """Write an invitation file for one node."""
    with Desk.open(args.config) as desk:
        _, anchor = desk.genesis()
        made = desk.store.database.write_now(lambda c: invite(c, member=args.member, now_ms=desk.now_ms))
        invitation = Invitation(
            federation=desk.settings.federation,
            genesis=anchor,
            hub=desk.settings.public_address or desk.settings.listen,
            enrolment=desk.settings.public_enrolment_address or desk.settings.enrolment_listen,
            ca=desk.keyring.ca.root_pem.decode(),
            member=args.member,
            node=made.node,
            token=made.token,
            expires=from_ms(made.expires_ms),
        )
        _write_new(args.out, invitation.to_bytes() + b"\n")
    print(f"invitation for {args.member}, node {made.node}, good until {to_text(from_ms(made.expires_ms))}: {args.out}")
    print("hand it over in person or sealed: whoever opens it first can use it, once")
    return 0


def run_requests(args: argparse.Namespace) -> int:
    """List what waits for the coordinators, or write one of them to a file."""
    with Desk.open(args.config) as desk:
        waiting = desk.waiting()
    if args.export is not None:
        if args.out is None:
            raise ConfigurationError("--export needs --out FILE")
        request, asked_ms = _chosen(waiting, args.export)
        _write_new(args.out, request.encode(from_ms(asked_ms)) + b"\n")
        print(f"{_what(request)}: {args.out}")
        print(f"fingerprint {request.fingerprint}")
        return 0
    if not waiting:
        print("nobody waits")
    for request, asked_ms in waiting:
        print(f"{request.fingerprint.replace(' ', '')[:12]}  {_what(request)}")
        print(f"    asked {to_text(from_ms(asked_ms))}  keys {len(request.keys)}")
        print(f"    fingerprint {request.fingerprint}")
    return 0


def _what(request: JoinRequest | KeyRequest) -> str:
    if isinstance(request, JoinRequest):
        return f"join request of {request.member}, node {request.node}"
    officers = [item.pseudonym for item in request.keys if item.pseudonym is not None]
    return f"further keys of {request.member}" + (f", officer {', '.join(officers)}" if officers else "")


def _chosen(waiting: Sequence[Waiting], name: str) -> Waiting:
    """By member id, or by the beginning of the fingerprint. Raises ConfigurationError unless exactly one fits."""
    short = name.replace(" ", "").lower()
    found = [
        item for item in waiting if item[0].member == name or item[0].fingerprint.replace(" ", "").startswith(short)
    ]
    if len(found) != 1:
        raise ConfigurationError(f"{len(found)} waiting requests fit {name!r}: see `port2port-hub requests`")
    return found[0]


def run_admit(args: argparse.Namespace) -> int:
    """Put a signed control statement into the log, verified like any other, beside a hub that serves an open log.

    A log without members is open to it; of one that may have lost entries an operator must say that he compared.
    """
    raw = read_bounded(args.file)
    _require_complete(raw)
    with Desk.open(args.config) as desk:
        anchor, origin = _anchor(desk, raw)
        log = Log(desk.store, origin=origin, key=desk.keyring.log, clock=desk.clock)
        checker = Checker(
            federation=desk.settings.federation,
            genesis_hash=anchor,
            log=log,
            validate=_no_objects,
            clock=desk.clock,
        )
        compared = _compared(args.i_have_compared, desk, log)
        judge = Admission(IntakeJudge(Audiences()), desk.clock, compared=compared)
        result = admit(store=desk.store, log=log, checker=checker, judge=judge, raw=raw)
    if result.outcome not in {Outcome.ACCEPTED, Outcome.DUPLICATE}:
        raise PolicyError(f"not admitted ({result.code}): {result.text}")
    known = " already" if result.outcome is Outcome.DUPLICATE else ""
    print(f"in the log{known} as entry {result.index}")
    if result.index == 0:
        print(f"the genesis hash of this federation is {anchor}")
    return 0


def _compared(path: Path | None, desk: Desk, log: Log) -> bool:
    """Whether an operator says that nothing was lost; what he shows is checked and noted."""
    if path is None:
        return False
    size = require_compared(log, log_key(log.origin, desk.keyring.log.public), read_bounded(path))
    note = partial(audit, at_ms=desk.now_ms, event="compared", member=None, facts={"size": size})
    desk.store.database.write_now(note)
    return True


def _require_complete(raw: bytes) -> None:
    """Raises PolicyError for one of our files that is on its way to, or between, the coordinators."""
    try:
        kind = type_of(raw)
    except MalformedError:
        return
    raise PolicyError(f"this is a {kind} file: coordinators must sign it first, with port2port coordinator approve")


def _anchor(desk: Desk, raw: bytes) -> tuple[str, str]:
    """(genesis hash, origin): of the log, or, while it is empty, of the genesis that names this hub's keys."""
    found = desk.store.database.read_now(founded)
    if found is not None:
        desk.keyring.require_named_in(found[0])
        return found[1], found[0].origin
    statement = decode_envelope(raw).statement
    genesis = from_statement(decode(statement))
    desk.keyring.require_named_in(genesis)
    return genesis_hash(statement), genesis.origin


def _no_objects(_raw: bytes) -> ValidObject:
    raise PolicyError("a coordinators' statement carries no objects")


def run_export_control(args: argparse.Namespace) -> int:
    """Write the control log that coordinators work from."""
    with Desk.open(args.config) as desk:
        genesis, _ = desk.genesis()
        log = Log(desk.store, origin=genesis.origin, key=desk.keyring.log, clock=desk.clock)
        size, entries = desk.store.database.read_now(_control_entries)
        note = log.checkpoint(size).note.decode()
        args.out.write_bytes(encode_control_log(entries, note) + b"\n")
    print(f"{len(entries)} control entries, log size {size}: {args.out}")
    return 0


def _control_entries(connection: Connection) -> tuple[int, list[tuple[int, int, bytes]]]:
    query = (
        sa.select(ENTRY.c.index, ENTRY.c.received_ms, BODY.c.envelope)
        .join(CONTROL, CONTROL.c.index == ENTRY.c.index)
        .join(BODY, BODY.c.index == ENTRY.c.index)
        .order_by(CONTROL.c.version)
    )
    rows = [(index, ms, bytes(raw)) for index, ms, raw in connection.execute(query)]
    return read_head(connection).next, rows


def run_deny(args: argparse.Namespace) -> int:
    """Deny a TLS certificate before its day is over; a running hub cuts its streams within seconds."""
    with Desk.open(args.config) as desk:
        member = desk.store.database.write_now(lambda c: deny(c, serial=args.serial, now_ms=desk.now_ms))
    print(f"denied: certificate {args.serial} of {member}")
    print("its node can renew with its signing key: to keep it out, the coordinators revoke that key")
    return 0


def run_status(args: argparse.Namespace) -> int:
    """How the hub stands, from its database and keys, whether or not it serves."""
    with Desk.open(args.config) as desk:
        found = _status(desk)
    if args.json:
        print(json.dumps(found, sort_keys=True))
        return 0
    for name, value in found.items():
        print(f"{name.replace('_', ' '):22} {'none' if value is None else value}")
    return 0


def _status(desk: Desk) -> dict[str, object]:
    head = desk.store.database.read_now(read_head)
    known = desk.store.database.read_now(founded)
    roster = desk.roster()
    waiting, ours = desk.waiting(), version("port2port")
    active = sa.select(sa.func.count()).where(
        TLS_CERTIFICATE.c.not_after_ms > desk.now_ms, TLS_CERTIFICATE.c.denied_ms.is_(None)
    )
    return {
        "federation": desk.settings.federation,
        "genesis": None if known is None else known[1],
        "demo": None if known is None else known[0].demo,
        "open": desk.store.database.read_now(partial(is_open, now_ms=desk.now_ms)),
        "log_size": head.next,
        "log_root": head.root.hex(),
        "last_entry": to_text(from_ms(head.last_received_ms)) if head.next else None,
        "roster_version": 0 if roster is None else roster.version,
        "software_version": ours,
        "minimum_version": None if roster is None else roster.minimum_version,
        "upgrade_needed": roster is not None and not roster.admits(ours),
        "members": 0 if roster is None else len(roster.members()),
        "join_requests_waiting": len(waiting),
        "certificates_in_force": desk.store.database.read_now(lambda c: c.scalar(active)),
        "ca_days_left": (desk.keyring.ca.not_after - desk.clock.now()) // timedelta(days=1),
    }


def _write_new(path: Path, content: bytes) -> None:
    """Write a file for its owner alone; an older one of that name is replaced in one step."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        draft.replace(path)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error


def read_bounded(path: Path) -> bytes:
    """A file that was given on the command line, one byte more than an envelope may have at most.

    Raises ConfigurationError.
    """
    try:
        with path.open("rb") as file:
            return file.read(LIMITS.envelope_bytes + 1)
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
