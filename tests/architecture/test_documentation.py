"""What the documents promise exists: commands, settings, layers."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel

from port2port.settings import load
from tests.fakes.checkout import PACKAGES, REPOSITORY, pyproject, tracked_texts

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAKE = re.compile(r"(?:^|`|\s)make ((?:[a-z-]+ )*[a-z-]+)`|^\s*make ([a-z-]+)\s*(?:#.*)?$", re.MULTILINE)
_SETTINGS = [
    pytest.param(f"{service}.settings", f"{service.capitalize()}Settings", id=service)
    for service in ("node", "hub")
    if (REPOSITORY / service / "settings.py").exists()
]


def _targets() -> set[str]:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


def _commands(text: str) -> set[str]:
    return {word for match in _MAKE.finditer(text) for word in (match.group(1) or match.group(2)).split()}


def test_every_make_command_in_the_documents_exists() -> None:
    documents = {name: text for name, text in tracked_texts().items() if name.endswith(".md")}
    missing = {name: sorted(_commands(text) - _targets()) for name, text in documents.items()}
    assert {name: commands for name, commands in missing.items() if commands} == {}


def test_commands_are_recognised_in_prose_and_in_blocks() -> None:
    assert _commands("run `make check` and\n```\nmake demo   # five minutes\n```\nto make sure") == {"check", "demo"}


def test_every_target_of_the_makefile_says_what_it_does() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    silent = [line for line in makefile.splitlines() if re.match(r"^[a-z-]+:(?!=)", line) and "##" not in line]
    assert silent == []


def _options(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str | None]]:
    """(dotted name, description) of every option that is not itself a table."""
    for name, field in model.model_fields.items():
        tables = [kind for kind in (field.annotation, *getattr(field.annotation, "__args__", ())) if _is_model(kind)]
        for table in tables:
            yield from _options(table, f"{prefix}{name}.")
        if not tables:
            yield f"{prefix}{name}", field.description


def _is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if _is_model(kind):
                yield from _models(kind)


@pytest.mark.parametrize(("module", "name"), _SETTINGS)
def test_every_option_is_explained_and_documented(module: str, name: str) -> None:
    options = dict(_options(getattr(importlib.import_module(module), name)))
    assert [option for option, description in options.items() if not description] == []
    document = (REPOSITORY / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert [option for option in options if f"`{option}`" not in document] == []


@pytest.mark.parametrize(("module", "name"), _SETTINGS)
def test_settings_are_frozen_and_refuse_unknown_keys(module: str, name: str) -> None:
    for model in _models(getattr(importlib.import_module(module), name)):
        assert model.model_config.get("frozen"), model
        assert model.model_config.get("extra") == "forbid", model


@pytest.mark.parametrize(("module", "name"), _SETTINGS)
def test_the_example_settings_of_the_images_are_accepted(module: str, name: str) -> None:
    example = REPOSITORY / "docker" / f"{module.split('.', maxsplit=1)[0]}.toml"
    load(example, getattr(importlib.import_module(module), name))


def test_every_package_is_under_an_exhaustive_layers_contract() -> None:
    contracts = pyproject()["tool"]["importlinter"]["contracts"]
    covered = {name for contract in contracts if contract.get("exhaustive") for name in contract["containers"]}
    assert covered == set(PACKAGES)
