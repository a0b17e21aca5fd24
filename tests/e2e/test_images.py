"""The two images build from their own Dockerfiles and run without any privilege."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.images import ImageBuilder, image_builder

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

_LIST_PACKAGES = "import importlib.metadata as m; print(*sorted(d.name.lower() for d in m.distributions()))"


@pytest.fixture(scope="module")
def builder() -> Iterator[ImageBuilder]:
    with image_builder() as ready:
        yield ready


@pytest.fixture(scope="module", params=["hub", "node"])
def container(builder: ImageBuilder, request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """(service, working container) of a freshly built image."""
    service = request.param
    tag = f"localhost/port2port-{service}"
    builder.build(f"docker/{service}.Dockerfile", tag=tag)
    with builder.container(tag) as name:
        yield service, name


def test_the_image_runs_as_an_unprivileged_user(builder: ImageBuilder, container: tuple[str, str]) -> None:
    _, name = container
    assert builder.run(name, "sh", "-c", "id -u; id -g").split() == ["65532", "65532"]


def test_it_may_write_to_its_own_state_and_nowhere_else(builder: ImageBuilder, container: tuple[str, str]) -> None:
    _, name = container
    probe = "for d in /var/lib/port2port /opt/port2port/bin /etc /etc/port2port; do test -w $d && echo $d; done; true"
    assert builder.run(name, "sh", "-c", probe).split() == ["/var/lib/port2port"]


def test_the_entry_point_explains_itself(builder: ImageBuilder, container: tuple[str, str]) -> None:
    service, name = container
    entry = builder.buildah("inspect", "--format={{.OCIv1.Config.Entrypoint}}", name).strip()
    assert entry == f"[port2port-{service}]"
    assert f"port2port-{service}" in builder.run(name, f"port2port-{service}", "--help")


def test_no_tool_of_the_tests_is_in_the_image(builder: ImageBuilder, container: tuple[str, str]) -> None:
    _, name = container
    packages = builder.run(name, "/opt/port2port/bin/python", "-c", _LIST_PACKAGES).split()
    assert {"port2port", "grpcio", "psycopg", "cryptography"} <= set(packages)
    assert not {"pytest", "mypy", "ruff", "pip", "setuptools", "grpcio-tools"} & set(packages)
