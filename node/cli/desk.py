"""What every command at a desk needs: the settings, the database, the roster, and an officer who unlocks his key."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy.engine import Connection

from node import desk_keys
from node.drafts import Defaults
from node.inbox import load_state
from node.officers import require_kept
from node.outbox import Outbox, SequenceFile
from node.publish import Act, Author, Officer, require_officer
from node.rules import RuleFile
from node.settings import NodeSettings
from node.store import NodeStore, open_store
from node.warning_lists.gate import Gate
from port2port import keys
from port2port import settings as toml
from port2port.clock import Clock, SystemClock
from port2port.errors import ConfigurationError, UnavailableError
from port2port.ids import identity_of
from port2port.keys import Ed25519Key
from port2port.limits import KIB
from port2port.patterns import TemplateCache
from port2port.roster import Roster
from port2port.stix.validate import StixValidator

T = TypeVar("T")
PASSPHRASE_BYTES = 4 * KIB


@dataclass(slots=True, kw_only=True)
class Desk(AbstractContextManager["Desk"]):
    """An opened node, running or not. Use as context manager."""

    settings: NodeSettings
    rules: RuleFile
    store: NodeStore
    clock: Clock

    @classmethod
    def open(cls, config: Path) -> Desk:
        """Raises ConfigurationError."""
        settings = toml.load(config, NodeSettings)
        return cls(
            settings=settings, rules=rules_of(settings), store=open_store(settings.database_url), clock=SystemClock()
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.store.close()

    def read(self, action: Callable[[Connection], T]) -> T:
        """One reading transaction."""
        return self.store.read_now(action)

    def write(self, action: Callable[[Connection], T]) -> T:
        """One writing transaction; durable when it returns."""
        return self.store.write_now(action)

    @property
    def member(self) -> str:
        """This port."""
        return self.settings.member

    def roster(self) -> Roster:
        """As the verified log has it. Raises UnavailableError before the first entry was ever received."""
        settings = self.settings
        found = self.read(
            lambda connection: load_state(
                connection, federation=settings.federation, genesis_hash=settings.genesis, member=settings.member
            )
        ).roster
        if found is None:
            raise UnavailableError("this node has not heard from the hub yet: start it with port2port-node run")
        return found

    def author(self) -> Author:
        """This port as somebody who says things. Raises ConfigurationError where the machine key cannot be read."""
        path = self.settings.keys.machine
        machine = keys.load(path)
        return Author(
            federation=self.settings.federation,
            genesis_hash=self.settings.genesis,
            member=self.member,
            outbox=Outbox(machine, SequenceFile.beside(path, machine.key_id)),
            validate=StixValidator(TemplateCache()).validate,
            desk=desk_keys.load(self.settings.keys.desk),
            gate=Gate(self.settings.warning_lists_dir, self.rules.protected),
        )

    def defaults(self) -> Defaults:
        """What this port proposes unless told otherwise."""
        return defaults_of(self.settings, self.rules)

    def act(self, officers: tuple[Officer, ...], roster: Roster) -> Act:
        """An act of these officers, now; the first of them decides."""
        return Act(
            roster=roster, decided_by=f"officer:{officers[0].pseudonym}", now=self.clock.now(), officers=officers
        )

    def officers(self, args: argparse.Namespace) -> tuple[Officer, ...]:
        """Those named on the command line, their keys unlocked. Raises ConfigurationError."""
        named = [(args.officer, args.passphrase_file)]
        if getattr(args, "second_officer", None):
            named.append((args.second_officer, args.second_passphrase_file))
        return tuple(self._officer(pseudonym, path) for pseudonym, path in named)

    def _officer(self, pseudonym: str, passphrase_file: Path | None) -> Officer:
        """One officer whose key the roster knows as his today. Raises ConfigurationError or OfficerError."""
        paths = self.settings.keys.officers
        mine = [path for path in paths if path.name == f"officer-{pseudonym}.key"] or list(paths)
        if not mine:
            raise ConfigurationError("no officer's key file is named in the settings, under [keys] officers")
        secret = passphrase(passphrase_file, f"passphrase of {pseudonym}: ")
        roster = self.roster()
        for path in mine:
            key = _unlocked(path, secret, alone=len(mine) == 1)
            known = None if key is None else roster.keys.get(key.key_id)
            if key is not None and (len(mine) == 1 or (known is not None and known.pseudonym == pseudonym)):
                officer = Officer(pseudonym=pseudonym, key=key)
                require_officer(roster, self.member, officer, self.clock.now())
                self.read(partial(require_kept, pseudonym=pseudonym, key_id=key.key_id))
                return officer
        raise ConfigurationError(f"none of the officers' key files opens for {pseudonym} with this passphrase")


def rules_of(settings: NodeSettings) -> RuleFile:
    """The rules file, or the defaults where none is named. Raises ConfigurationError."""
    return RuleFile() if settings.rules is None else toml.load(settings.rules, RuleFile)


def defaults_of(settings: NodeSettings, rules: RuleFile) -> Defaults:
    """What this port proposes unless told otherwise."""
    return Defaults(
        issuer=identity_of(settings.federation, settings.member), groups=rules.groups, handling=rules.handling
    )


def passphrase(path: Path | None, prompt: str) -> bytes | None:
    """From a file (without its last line end), or asked for at a terminal; None for an empty one.

    Raises ConfigurationError where there is neither.
    """
    if path is not None:
        try:
            with path.open("rb") as file:
                return file.read(PASSPHRASE_BYTES).rstrip(b"\r\n") or None
        except OSError as error:
            raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    if not sys.stdin.isatty():
        raise ConfigurationError("no terminal to ask for the passphrase: give --passphrase-file")
    return getpass.getpass(prompt).encode() or None


def show(args: argparse.Namespace, value: object, lines: Iterable[str]) -> None:
    """``value`` as JSON where it was asked for, else the lines, for as long as somebody reads (``| head`` does not)."""
    try:
        print(json.dumps(value, ensure_ascii=False) if args.json else "\n".join(lines), flush=True)
    except BrokenPipeError:
        # What is still in the buffer would fail once more at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_new(path: Path, content: bytes) -> None:
    """A new file for its owner alone. Raises ConfigurationError; nothing is overwritten."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
    except FileExistsError as error:
        raise ConfigurationError(f"{path} exists already; choose another name") from error
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error


def _unlocked(path: Path, secret: bytes | None, *, alone: bool) -> Ed25519Key | None:
    try:
        return keys.load(path, secret)
    except ConfigurationError:
        if alone:
            raise
        return None
