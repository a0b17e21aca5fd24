"""What docs/openapi says of our HTTP interfaces holds for whatever is asked: no 5xx, no other status, type or content."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from hub.taxii.errors import MEDIA_TYPE
from hub.taxii.places import Endpoint
from tests.fakes.examples import QUICK
from tests.fakes.gates import GatedPort
from tests.fakes.taxii_live import Site, told, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemathesis import Case

OPENAPI: Final = Path(__file__).parents[2] / "docs" / "openapi"
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES: Final = 6 if QUICK else 25
TRIED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)


def described(name: str) -> Any:
    """An interface as its description has it."""
    schema = schemathesis.openapi.from_dict(json.loads((OPENAPI / name).read_text()))
    schema.validate()
    return schema


def operations(name: str) -> list[Any]:
    return [found.ok() for found in described(name).get_all_operations()]


def tried(operation: Any, ask: Callable[[Case, st.DataObject], None]) -> None:
    """Ask as it is described, and as it is not, where a request can be wrong at all."""
    for mode in GenerationMode.POSITIVE, GenerationMode.NEGATIVE:
        given_cases = given(operation.as_strategy(generation_mode=mode), st.data())
        if mode is GenerationMode.NEGATIVE and not (operation.query or operation.path_parameters or operation.body):
            continue
        seed(20_211)(TRIED(given_cases(ask)))()


def test_every_endpoint_is_described_with_its_methods() -> None:
    paths = json.loads((OPENAPI / "taxii.json").read_text())["paths"]
    found = sorted(sorted({name.upper() for name in said} & {"GET", "POST", "DELETE"}) for said in paths.values())
    assert found == sorted(sorted(set(one.methods) - {"HEAD"}) for one in Endpoint)


@pytest.mark.slow
def test_whatever_is_asked_of_taxii_is_answered_as_it_is_described(tmp_path: Path) -> None:
    def story(site: Site) -> None:
        shown = site.publish("belgg", 4)
        known = site.collection("SIEM", member="beanr")
        until(lambda: len(known.get_objects().get("objects", [])) == 5)
        collections = st.sampled_from([item.id for item in site.root(member="beanr").collections])
        taken = {"collection": collections, "object": st.sampled_from(shown)}
        session = requests.Session()
        session.trust_env, authority = False, str(site.home / "ca.pem")
        session.cert = site.certificate("beanr")[:2]
        statuses: set[int] = set()

        def ask(case: Case, data: st.DataObject) -> None:
            for name in taken.keys() & case.path_parameters.keys():
                if data.draw(st.integers(0, 3)):
                    case.path_parameters[name] = data.draw(taken[name])
            answer = case.call(
                base_url=site.member_url, session=session, headers={"Accept": MEDIA_TYPE}, verify=authority
            )
            statuses.add(answer.status_code)
            assert answer.headers["content-type"] == [MEDIA_TYPE]
            case.validate_response(answer, checks=CHECKS)

        for operation in operations("taxii.json"):
            tried(operation, ask)
        assert {200, 202, 400, 404} <= statuses, "too little was tried"

    told(tmp_path, story, deadline_s=400)


def test_whatever_a_gate_sends_is_answered_as_it_is_described(tmp_path: Path) -> None:
    port = GatedPort(tmp_path)
    statuses: set[int] = set()

    def ask(case: Case, _data: st.DataObject) -> None:
        sent = requests.Request(**case.as_transport_kwargs(base_url="https://node.test")).prepare()
        body = sent.body.encode() if isinstance(sent.body, str) else sent.body or b""
        answer = port.post(body)
        statuses.add(answer.status_code)
        case.validate_response(answer, checks=CHECKS)

    for operation in operations("passages.json"):
        tried(operation, ask)
    unknown = port.post(b"{}", secret="no")
    port.close()
    assert {200, 400} <= statuses
    assert unknown.status_code == 401
