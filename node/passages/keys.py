"""The secrets of the service: each gate's own, and the node's, behind the lots. Files for their owner alone.

Whoever reads a gate's secret can ask in its name; whoever reads the node's can foretell random checks, and try values
against the records.
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import Final

from node.passages.draw import Dice
from port2port.errors import ConfigurationError

KEY_BYTES: Final = 32
_SECRET: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


def read_secret(path: Path) -> bytes:
    """A gate's secret as its file has it. Raises ConfigurationError."""
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise ConfigurationError(f"{path} can be read by others than its owner: chmod 600")
        with path.open("rb") as file:
            text = file.read(2 * KEY_BYTES + 8).decode("ascii", "replace").strip()
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    if _SECRET.fullmatch(text) is None:
        raise ConfigurationError(f"{path} must hold 64 hex digits, as of openssl rand -hex 32")
    return text.encode()


def dice_of(path: Path) -> Dice:
    """Lots under the node's own key, which is made where there is none. Raises ConfigurationError."""
    if not path.exists():
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_hex(KEY_BYTES).encode())
        except OSError as error:
            raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error
    return Dice(bytes.fromhex(read_secret(path).decode()))
