"""Short commands of our programs, each in a process of its own, without loading the programs for each anew.

Loading is nine tenths of what a command costs, and a story runs fifty. One process loads what they load and forks for
each: the child has arguments, environment, directory and output of its own and runs ``main`` as ``python -m`` does.
What goes on (hub, nodes) is started as ever, and the demo's own commands are too: they show that each loads by itself.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from port2port.stage import CALL_S, Done, Stage, StageError
from tests.fakes.checkout import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_COMMANDS: Final = ("port2port.cli", "hub.cli", "node.cli")
_REQUEST_BYTES: Final = 100_000
_FILES: Final = 3  # output, errors, and where the child says who it is and how it ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Warm:
    """The process that has loaded everything, at the other end of ``control``. Threads may ask at the same time."""

    control: socket.socket

    def run(self, package: str, arguments: list[str], environment: Mapping[str, str]) -> Done:
        """Run a command to its end. Raises TimeoutExpired, and StageError where it ended without an exit code."""
        asked = {"package": package, "arguments": arguments, "environment": dict(environment), "where": str(Path.cwd())}
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            with theirs:
                socket.send_fds(
                    self.control, [json.dumps(asked).encode()], [out.fileno(), err.fileno(), theirs.fileno()]
                )
            code = _code(ours, [package, *arguments])
            said = [os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode() for file in (out, err)]
        if code is None:
            raise StageError(f"{package} {' '.join(arguments)} was killed: {said}")
        return Done(code=code, out=said[0], err=said[1])


def _code(child: socket.socket, command: list[str]) -> int | None:
    child.settimeout(CALL_S)
    pid = child.recv(_REQUEST_BYTES)
    try:
        return int(told) if (told := child.recv(_REQUEST_BYTES)) else None
    except TimeoutError:
        os.kill(int(pid), signal.SIGKILL)
        raise subprocess.TimeoutExpired(command, CALL_S) from None


@dataclass(slots=True, kw_only=True)
class WarmStage(Stage):
    """A stage whose short commands run warm."""

    warm: Warm = field(repr=False)

    def attempt(self, package: str, *args: object) -> Done:
        return self.warm.run(package, [*map(str, args)], {**os.environ, **self.environment})


@contextlib.contextmanager
def warmed() -> Iterator[Warm]:
    """Such a process, until the end of the block."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for one in (ours, theirs):
        one.settimeout(None)  # whatever a library made the default
    with ours:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.fakes.warm", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd=REPOSITORY,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # no thread may run where one forks
            )
        try:
            yield Warm(control=ours)
        finally:
            ours.close()  # the end of its requests
            assert process.wait(CALL_S) == 0


def _serve(control: socket.socket) -> None:
    for package in _COMMANDS:
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
            importlib.import_module(module.name)
    gc.collect()
    gc.freeze()
    assert len([*Path("/proc/self/task").iterdir()]) == 1
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody here asks how a child ended: it says so itself
    while True:
        request, files, _, _ = socket.recv_fds(control, _REQUEST_BYTES, _FILES)
        if not request:
            return
        if os.fork() == 0:
            control.close()
            _become(json.loads(request), *files)
        for file in files:
            os.close(file)


def _become(asked: dict[str, object], out: int, err: int, told: int) -> NoReturn:
    """In the child: run the command, say how it ended, and end without what is for the parent alone."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    asker, code = socket.socket(fileno=told), 1
    asker.send(str(os.getpid()).encode())
    try:
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.chdir(str(asked["where"]))
        os.environ.clear()
        os.environ.update(asked["environment"])  # type: ignore[call-overload]  # texts by name, as they were sent
        code = importlib.import_module(f"{asked['package']}.__main__").main(asked["arguments"])
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(bool(error.code))
    except BaseException:  # noqa: BLE001 as the interpreter does at the end of a process
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        asker.send(str(code).encode())
        os._exit(code)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
