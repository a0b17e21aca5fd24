"""The committed protobuf code is what the committed generator makes of ``proto/``."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.fakes.checkout import GENERATED, REPOSITORY, pyproject

_PROTO = REPOSITORY / "proto"
_SUFFIXES = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")
_SOURCES = sorted((_PROTO / "port2port" / "v1").glob("*.proto"))


@pytest.fixture(scope="module")
def regenerated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of freshly generated modules, made as ``make proto`` does."""
    target = tmp_path_factory.mktemp("proto")
    programs = Path(sys.executable).parent
    plugins = [f"--plugin=protoc-gen-{name}={programs}/protoc-gen-{name}" for name in ("mypy", "mypy_grpc")]
    outputs = [f"--{kind}_out={target}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    names = [str(path.relative_to(_PROTO)) for path in _SOURCES]
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", str(_PROTO), *plugins, *outputs, *names]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    return target / "port2port" / "v1"


def test_the_contract_is_there() -> None:
    assert "envelope" in {path.stem for path in _SOURCES}


@pytest.mark.parametrize("source", [path.stem for path in _SOURCES])
def test_the_committed_code_equals_the_generated(source: str, regenerated: Path) -> None:
    for suffix in _SUFFIXES:
        made = (regenerated / f"{source}{suffix}").read_bytes()
        assert (GENERATED / f"{source}{suffix}").read_bytes() == made, f"{source}{suffix} is stale: run `make proto`"


def test_nothing_else_lies_among_the_generated_code() -> None:
    expected = {"__init__.py"} | {f"{path.stem}{suffix}" for path in _SOURCES for suffix in _SUFFIXES}
    assert {path.name for path in GENERATED.iterdir() if path.is_file()} == expected


@pytest.mark.parametrize(
    ("distribution", "suffix", "pattern"),
    [
        pytest.param("protobuf", "_pb2.py", r"^# Protobuf Python Version: (\S+)$", id="protobuf"),
        pytest.param("grpcio", "_pb2_grpc.py", r"^GRPC_GENERATED_VERSION = '(\S+)'$", id="grpcio"),
    ],
)
def test_the_oldest_runtime_we_allow_is_the_one_that_made_the_code(
    distribution: str, suffix: str, pattern: str
) -> None:
    """Generated code refuses a runtime older than itself, so the lower bound must not be below it."""
    versions = {
        match.group(1)
        for path in GENERATED.glob(f"*{suffix}")
        for match in re.finditer(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    requirements = map(Requirement, pyproject()["project"]["dependencies"])
    (specifiers,) = (requirement.specifier for requirement in requirements if requirement.name == distribution)
    assert {specifier.version for specifier in specifiers if specifier.operator == ">="} == versions
