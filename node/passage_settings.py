"""The ``[passages]`` table of node.toml: which gates and terminals may ask about a passage, and where.

Whoever can write it decides who may ask, and how many are checked at random.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from port2port.console.settings import is_loopback
from port2port.settings import FilePath, Settings
from port2port.statement import PURPOSES


def _purpose(value: str) -> str:
    if value not in PURPOSES:
        raise ValueError(f"must be one of {', '.join(PURPOSES)}")
    return value


Purpose = Annotated[str, AfterValidator(_purpose)]


class GateSettings(Settings):
    """One ``[[passages.gates]]`` table: a system that asks."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")] = Field(description="Name of the asking system.")
    secret: FilePath = Field(description="File with its secret: 64 hex digits, its password at this service.")
    ceiling: Literal["clear", "green", "amber", "amber+strict"] = Field(
        default="amber", description="The strictest marking on which it acts; `amber+strict` for the port's own gates."
    )
    purposes: tuple[Purpose, ...] = Field(
        default=(), max_length=10, description="Purposes for which it may be told of badges and vehicles; none: never."
    )
    per_minute: int = Field(default=120, ge=1, le=6_000, description="Questions a minute; more are told to wait.")


class PassageSettings(Settings):
    """The ``[passages]`` table."""

    listen: Annotated[str, Field(pattern=r"^(?:[A-Za-z0-9._-]{1,253}|\[[0-9a-fA-F:.]{2,45}\]):[0-9]{1,5}$")] = Field(
        default="127.0.0.1:7443", description="host:port where gates ask."
    )
    certificate: FilePath | None = Field(default=None, description="Its TLS certificate; needed beyond this machine.")
    key: FilePath | None = Field(default=None, description="Private key of that certificate.")
    lots: FilePath = Field(
        default=Path("passages.key"), description="Secret behind random checks; made by itself, for its owner alone."
    )
    random_share: float = Field(
        default=0.05, ge=0.005, le=0.5, description="The least share of passages that are checked at random."
    )
    answer_ms: int = Field(
        default=250, ge=20, le=2_000, description="Each answer leaves so many milliseconds after its question."
    )
    gates: tuple[GateSettings, ...] = Field(default=(), max_length=100, description="Who may ask.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        if self.certificate is None and not is_loopback(self.host):
            raise ValueError("beyond this machine it needs certificate and key")
        if len({gate.name for gate in self.gates}) != len(self.gates):
            raise ValueError("two gates have one name")
        return self

    @property
    def host(self) -> str:
        """Without the port."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """0 for any."""
        return int(self.listen.rpartition(":")[2])
