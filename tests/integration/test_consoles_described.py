"""Both consoles, described from their own routes and asked by schemathesis: whatever the request, no 5xx."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error

from port2port.console.roles import Role
from tests.fakes import walks
from tests.fakes.desk_console import desk_console
from tests.fakes.examples import many
from tests.fakes.picture_console import picture_console

if TYPE_CHECKING:
    from pathlib import Path

    from schemathesis import Case
    from starlette.applications import Starlette

TRIED = settings(
    max_examples=many(3),
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
TEXT = {"type": "string"}
FORM = {"type": "object", "properties": dict.fromkeys(walks.NAMES, TEXT), "additionalProperties": TEXT}


def described(app: Starlette) -> Any:
    """Every route with the parameters of its path, and what any page might read of a query or form."""
    found: dict[str, Any] = {}
    for method, path, _ in walks.routes(app):
        if method not in {"GET", "POST"} or path == walks.STREAM or path in walks.ENDS:
            continue
        plain = walks.filled(path, {name: f"{{{name}}}" for name in walks.parameters(path)})
        inside = [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in walks.parameters(path)]
        asked = [{"name": name, "in": "query", "schema": TEXT} for name in walks.NAMES[:: len(walks.NAMES) // 12]]
        said: dict[str, Any] = {"responses": {"default": {"description": "any"}}}
        if method == "POST":
            said["requestBody"] = {"content": {"application/x-www-form-urlencoded": {"schema": FORM}}}
        found.setdefault(plain, {})[method.lower()] = {
            **said,
            "parameters": inside + (asked if method == "GET" else []),
        }
    whole = {"openapi": "3.1.0", "info": {"title": "console", "version": "1"}, "paths": found}
    return schemathesis.openapi.from_dict(whole)


def ask_everything(visitor: Any, token: dict[str, str]) -> set[int]:
    statuses: set[int] = set()

    def ask(case: Case) -> None:
        sent = requests.Request(**case.as_transport_kwargs(base_url="https://console.test")).prepare()
        kind = {"content-type": str(sent.headers["content-type"])} if "content-type" in sent.headers else {}
        answer = visitor.client.request(
            str(sent.method), str(sent.path_url), content=sent.body or b"", headers=token | kind
        )
        statuses.add(answer.status_code)
        case.validate_response(answer, checks=[not_a_server_error])

    for found in described(visitor.client.app).get_all_operations():
        for mode in GenerationMode.POSITIVE, GenerationMode.NEGATIVE:
            seed(20_211)(TRIED(given(found.ok().as_strategy(generation_mode=mode))(ask)))()
    return statuses


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_no_request_breaks_the_desk_of_a_port(tmp_path: Path) -> None:
    with desk_console(tmp_path) as console:
        console.draft()
        visitor = console.visitor("e9", *Role)
        assert {200, 404} <= ask_everything(visitor, walks.token_of(visitor, "/status"))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_no_request_breaks_the_national_picture(tmp_path: Path) -> None:
    with picture_console(tmp_path) as console:
        visitor = console.visitor("beanr", *Role)
        assert {200, 404} <= ask_everything(visitor, walks.token_of(visitor))
