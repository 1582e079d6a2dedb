"""The OpenAPI document says what is there, is valid, and bad input within and beyond it is never a 500."""

import json
from typing import Any

import falcon.inspect
import pytest
from falcon.testing import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.api.server import make_app
from tests.app.api.twin import Twin, desk, two_hosts

TWIN = Twin()
CLIENT = TestClient(make_app(desk(TWIN)))
DOCUMENT: dict[str, Any] = CLIENT.simulate_get("/v1/openapi.json").json
OPERATIONS = [
    (method.upper(), path, said) for path, methods in DOCUMENT["paths"].items() for method, said in methods.items()
]
IDS = [f"{method} {path}" for method, path, _ in OPERATIONS]


def fitting(schema: Any) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def test_it_is_valid() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_every_route_is_described() -> None:
    routes = {
        (info.method, route.path)
        for route in falcon.inspect.inspect_routes(make_app(desk(Twin())))
        for info in route.methods
        if not info.internal
    }

    assert routes == {(method, path) for method, path, _ in OPERATIONS}


@pytest.mark.parametrize(("method", "path", "said"), OPERATIONS, ids=IDS)
def test_every_operation_says_what_people_need(method: str, path: str, said: dict[str, Any]) -> None:
    assert said["summary"]
    assert [each["name"] for each in said["parameters"] if each["in"] == "path"] == [
        part[1:-1] for part in path.split("/") if part.startswith("{")
    ]
    assert ("requestBody" in said) == (method in {"PUT", "PATCH", "POST"})
    assert "application/problem+json" in said["responses"]["default"]["content"]


def test_a_change_may_have_to_wait() -> None:
    waiting = {said["operationId"] for _, _, said in OPERATIONS if "202" in said["responses"]}

    assert waiting == {"delete_host", "change_endpoint", "change_endpoints", "replace_policy", "host_event"}


@pytest.mark.parametrize(
    "path",
    [
        "/v1/hosts",
        "/v1/networks",
        "/v1/endpoints",
        "/v1/flows",
        "/v1/topology",
        "/v1/policy",
        "/v1/healthz",
        "/v1/openapi.json",
        "/v1/endpoints/db1",
        "/v1/endpoints/web1",
        "/v1/flows?table=nonsense",
    ],
)
def test_answers_are_as_described(client: TestClient, path: str) -> None:
    described = DOCUMENT["paths"][path.partition("?")[0].replace("/db1", "/{name}").replace("/web1", "/{name}")]["get"]

    answer = client.simulate_get(path)

    kind = answer.headers["content-type"]
    fitting(described["responses"][str(answer.status_code)]["content"][kind]["schema"]).validate(answer.json)


def test_what_is_refused_is_described_as_refused() -> None:
    change = fitting(DOCUMENT["components"]["schemas"]["EndpointChange"])

    assert change.is_valid({"vlan": 10, "up": "10mbit"})
    assert not any(change.is_valid(body) for body in ({"vlan": 0}, {"vlan": None}, {"up": None}, {"up": 3}, {"x": 1}))


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
texts = st.sampled_from(["h1", "db1", "h1:web1", "web1", "1", "true", "classify", "10mbit", "10.0.0.1", "10.0.0.0/24"])
parameters = texts | texts | st.text(max_size=30)


def bodies(schema: Any) -> st.SearchStrategy[Any]:
    """Values near what the schema describes: its keys, some left out, with fitting and other values."""
    if "$ref" in schema:
        return bodies(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for either in ("anyOf", "oneOf"):
        if either in schema:
            return st.one_of([bodies(each) for each in schema[either]])
    more = schema.get("additionalProperties")
    match schema.get("type"):
        case "object" if "properties" in schema:
            known = {key: bodies(each) for key, each in schema["properties"].items()}
            return st.fixed_dictionaries(known) | st.fixed_dictionaries({}, optional=known | {"else": anything})
        case "object":
            values = bodies(more) if isinstance(more, dict) else anything
            return st.dictionaries(st.text("ab1-!", max_size=4), values, max_size=3)
        case "array":
            return st.lists(bodies(schema["items"]), max_size=3) | anything
        case "integer":
            return st.sampled_from([1, 10, 1500]) | st.integers(-1, 1 << 65) | anything
    return st.just(schema["const"]) if "const" in schema else texts | st.just("02:c7:00:00:00:01") | anything


@pytest.mark.parametrize(("method", "path", "said"), OPERATIONS, ids=IDS)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_bad_input_is_the_callers_fault(method: str, path: str, said: dict[str, Any], data: st.DataObject) -> None:
    TWIN.__init__()  # type: ignore[misc]  # as new, under the application that is there
    two_hosts(TWIN)
    values = {each["name"]: data.draw(parameters, each["name"]) for each in said["parameters"] if each["in"] == "path"}
    known = {each["name"]: parameters for each in said["parameters"] if each["in"] == "query"}
    query = data.draw(
        st.fixed_dictionaries(known) | st.fixed_dictionaries({}, optional=known | {"x": parameters}), "query"
    )
    content = said.get("requestBody", {}).get("content", {"application/json": {"schema": {}}})
    kind = data.draw(st.sampled_from([*content, *content, "text/plain"]), "type")
    near = bodies(next(iter(content.values()))["schema"]).map(json.dumps)
    body = data.draw(near | near | st.binary(max_size=40), "body")
    where = path
    for name, value in values.items():
        where = where.replace(f"{{{name}}}", falcon.uri.encode_value(value))
    answer = CLIENT.simulate_request(
        method,
        where,
        params=query,
        body=body,
        headers={"Content-Type": kind, "Accept": data.draw(parameters, "accept")},
    )

    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        fitting(DOCUMENT["components"]["schemas"]["Problem"]).validate(answer.json)
        assert answer.json["status"] == answer.status_code
    else:
        assert str(answer.status_code) in said["responses"]
