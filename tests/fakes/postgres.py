"""A private PostgreSQL: own data directory, own port on loopback, ours to stop, kill and throw away.

Tests that only need a database ask for ``postgres_url``: a fresh database, on the server that ``P2P_TEST_PG`` names
or on a private cluster. Tests that kill the server use ``postgres_cluster()``, which is always private.
Anybody on this machine can connect (trust, loopback only): the data in it are made up.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from tests.fakes.needs import need
from tests.fakes.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

_REMEDY = (
    "install PostgreSQL 15 or newer (Debian: apt-get install postgresql), or set P2P_TEST_PG=postgresql+psycopg://..."
)
_SUPERUSER = "postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """A running server on which databases may be made. ``url`` is SQLAlchemy's and names a database to connect to."""

    url: str

    @contextmanager
    def database(self) -> Iterator[str]:
        """A new empty database's URL; it is dropped afterwards, open connections or not."""
        name = f"p2p_{uuid.uuid4().hex[:12]}"
        self._run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        base, _, _ = self.url.rpartition("/")
        try:
            yield f"{base}/{name}"
        finally:
            self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url.replace("+psycopg", "", 1), autocommit=True) as connection:
            connection.execute(statement)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresCluster:
    """A private cluster with data checksums. ``start`` after ``stop`` or ``kill9`` uses the same data and port."""

    directory: Path
    binaries: Path
    port: int
    settings: tuple[str, ...] = ()  # as in "synchronous_commit=off"

    @property
    def server(self) -> PostgresServer:
        return PostgresServer(url=f"postgresql+psycopg://{_SUPERUSER}@127.0.0.1:{self.port}/postgres")

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def log(self) -> str:
        """What the server has said so far, for the message of a failing test."""
        with suppress(FileNotFoundError):
            return (self.directory / "log").read_text(encoding="utf-8", errors="replace")
        return ""

    def create(self) -> None:
        """Run initdb, once. Its own fsync is left out; the server's is not."""
        self._call(
            "initdb",
            "-D",
            str(self.data),
            "-U",
            _SUPERUSER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "-k",
            "-N",
        )

    def start(self) -> None:
        """Start and return when connections are accepted; after ``kill9`` this includes crash recovery."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            **dict(setting.split("=", 1) for setting in self.settings),
        }
        flags = " ".join(f"-c {name}={value}" for name, value in options.items())
        log = str(self.directory / "log")
        self._call("pg_ctl", "-D", str(self.data), "-l", log, "-o", flags, "-w", "-t", "60", "start")

    def stop(self) -> None:
        """Shut down in order, cutting open connections."""
        self._call("pg_ctl", "-D", str(self.data), "-m", "fast", "-w", "-t", "60", "stop")

    def kill9(self) -> None:
        """Kill the postmaster and every backend with SIGKILL; returns when all are gone."""
        postmaster = self._postmaster()
        assert postmaster is not None, "the cluster is not running"
        victims = [postmaster, *_children(postmaster)]
        for pid in victims:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(_alive(pid) for pid in victims), what="PostgreSQL killed")
        # The machine's init may not have reaped the postmaster yet, and its lock file would count as held.
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def destroy(self) -> None:
        """Stop whatever still runs and remove the directory."""
        if self._postmaster() is not None:
            with suppress(subprocess.CalledProcessError):
                self._call("pg_ctl", "-D", str(self.data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.directory, ignore_errors=True)

    def _postmaster(self) -> int | None:
        with suppress(FileNotFoundError, IndexError, ValueError):
            pid = int((self.data / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
            return pid if _alive(pid) else None
        return None

    def _call(self, program: str, *arguments: str) -> None:
        """PostgreSQL refuses to run as root, so root becomes the package's own user."""
        account = _SUPERUSER if os.geteuid() == 0 else None
        try:
            subprocess.run(
                [str(self.binaries / program), *arguments],
                check=True,
                user=account,
                group=account,
                extra_groups=[] if account else None,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # a pipe would be held open by the server
                stderr=subprocess.DEVNULL,
                cwd=self.directory,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
                timeout=90,
            )
        except subprocess.CalledProcessError as error:
            error.add_note(self.log[-2000:])
            raise


@contextmanager
def postgres_cluster(*settings: str) -> Iterator[PostgresCluster]:
    """A private, running cluster; skips (or fails under P2P_REQUIRE_ALL=1) where there is no PostgreSQL."""
    binaries = _binaries()
    need(binaries is not None, what="PostgreSQL's own programs (initdb, pg_ctl)", remedy=_REMEDY)
    assert binaries is not None
    directory = Path(tempfile.mkdtemp(prefix="p2p-pg-"))
    cluster = PostgresCluster(directory=directory, binaries=binaries, port=_free_port(), settings=settings)
    try:
        if os.geteuid() == 0:
            shutil.chown(directory, _SUPERUSER)
        cluster.create()
        cluster.start()
        yield cluster
    finally:
        cluster.destroy()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The server that ``P2P_TEST_PG`` names, or a private one for the whole session."""
    given = os.environ.get("P2P_TEST_PG")
    if given:
        yield PostgresServer(url=given)
        return
    with postgres_cluster() as cluster:
        yield cluster.server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A fresh database for one test."""
    with postgres_server.database() as url:
        yield url


def _binaries() -> Path | None:
    """The newest installation. Debian keeps versions apart; elsewhere the programs are on the PATH."""
    if os.geteuid() == 0 and not _account_exists():
        return None
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def _account_exists() -> bool:
    try:
        pwd.getpwnam(_SUPERUSER)
    except KeyError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _children(parent: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], check=False, capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


def _alive(pid: int) -> bool:
    """Whether it runs; a zombie that nobody has waited for does not."""
    with suppress(OSError, IndexError):
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}
    return False
