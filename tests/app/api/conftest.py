"""A caller of the REST interface over the Desk's twin with two hosts."""

from collections.abc import Callable
from typing import Any

import pytest
from falcon.testing import Result, TestClient

from app.api.server import make_app
from tests.app.api.twin import Twin, desk, two_hosts

Refused = Callable[..., dict[str, Any]]


@pytest.fixture
def twin() -> Twin:
    return two_hosts(Twin())


@pytest.fixture
def client(twin: Twin) -> TestClient:
    return TestClient(make_app(desk(twin)))


@pytest.fixture
def refused(client: TestClient) -> Refused:
    """Call, and get the problem document that has to come."""

    def call(status: int, slug: str, method: str, path: str, **more: object) -> dict[str, Any]:
        answer: Result = client.simulate_request(method, path, **more)
        problem: dict[str, Any] = answer.json
        assert (answer.status_code, problem["type"]) == (status, f"urn:containet:problem:{slug}"), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["status"] == status
        assert problem["title"]
        assert problem["detail"]
        return problem

    return call
