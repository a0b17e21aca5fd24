"""Settings of node and hub: one TOML file into frozen models, unknown keys refused, errors that say where.

Secrets are paths, never values. Relative paths count from the directory of the file that names them.
Whoever can write a settings file decides which federation and which keys its process believes in.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, ValidationInfo

from port2port.errors import ConfigurationError
from port2port.limits import LIMITS


class Settings(BaseModel):
    """Base of every table of a settings file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, validate_default=True)


S = TypeVar("S", bound=Settings)


def _from_file(value: Path, info: ValidationInfo) -> Path:
    base = (info.context or {}).get("directory")
    return value if base is None or value.is_absolute() else Path(base) / value


# A path in a settings file: relative ones count from the file's own directory.
FilePath = Annotated[Path, AfterValidator(_from_file)]


def load(path: Path, model: type[S]) -> S:
    """The settings in ``path``. Raises ConfigurationError, which names the file and each wrong key."""
    return parse(_read(path), model, name=path.name, directory=path.parent)


def parse(raw: bytes, model: type[S], *, name: str, directory: Path | None = None) -> S:
    """As ``load`` from bytes; ``name`` is for messages. Raises ConfigurationError, whatever the bytes."""
    if len(raw) > LIMITS.settings_bytes:
        raise ConfigurationError(f"{name} is larger than {LIMITS.settings_bytes} bytes")
    try:
        data = tomllib.loads(raw.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{name} is not TOML in UTF-8: {_first_line(error)}") from error
    try:
        return model.model_validate(data, context={"directory": directory})
    except ValidationError as error:
        raise ConfigurationError(f"{name}: {_explained(error)}") from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LIMITS.settings_bytes + 1)
    except OSError as error:
        raise ConfigurationError(f"cannot read {path.name}: {error.strerror}") from error


def _explained(error: ValidationError) -> str:
    """Each wrong key with the reason; the given value stays out, since it might be a secret put there by mistake."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(
        f"{'.'.join(map(str, item['loc'])) or 'file'}: {_reason(item['type'], item['msg'])}" for item in found
    )


def _reason(kind: str, message: str) -> str:
    return "unknown option" if kind == "extra_forbidden" else message


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["unreadable"])[0][:200]
