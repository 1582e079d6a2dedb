"""Whatever goes wrong is a problem document (RFC 9457) that shows nothing of the inside."""

import logging
from collections.abc import Sequence

import falcon
import pytest
from falcon.testing import TestClient

from app.api.server import make_app
from app.desk import HostView
from tests.app.api.conftest import Refused
from tests.app.api.twin import Twin, desk


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/v1/endpoint", "did you mean /v1/endpoints?"),
        ("/v1/host/", "did you mean /v1/hosts?"),
        ("/v1/hosts/h1/want", "did you mean /v1/hosts/{host}/wants?"),
        ("/", "all paths are in /v1/openapi.json"),
        ("/" + "x" * 5000, "all paths are in /v1/openapi.json"),
    ],
    ids=lambda value: value[:30],
)
def test_a_lost_caller_is_shown_the_way(refused: Refused, path: str, hint: str) -> None:
    problem = refused(404, "no-such-path", "GET", path)

    assert hint in problem["detail"]
    assert len(problem["detail"]) < 250


def test_another_method(client: TestClient, refused: Refused) -> None:
    problem = refused(405, "method-not-allowed", "DELETE", "/v1/policy")

    assert problem["allowed"] == ["GET", "PUT", "OPTIONS"]
    assert "takes GET, PUT, OPTIONS, not DELETE" in problem["detail"]
    assert client.simulate_delete("/v1/policy").headers["allow"] == "GET, PUT, OPTIONS"


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "x" * 1000, "", ";", "application/yaml"]
)
def test_another_type_of_body(refused: Refused, kind: str) -> None:
    problem = refused(
        415, "unsupported-media-type", "PATCH", "/v1/endpoints/db1", body="vlan=3", headers={"Content-Type": kind}
    )

    assert problem["allowed"] == ["application/json"]


@pytest.mark.parametrize(
    "body", ["", "{", "{'vlan': 3}", "nul", "\x00", '{"vlan": 3} {}', "[" * 60_000, "\xff"], ids=lambda body: body[:20]
)
def test_json_that_is_none(refused: Refused, body: str) -> None:
    problem = refused(
        400, "not-json", "PATCH", "/v1/endpoints/db1", body=body.encode("latin-1"), content_type="application/json"
    )

    assert problem["detail"].startswith("This is not JSON: ")


def test_a_body_that_is_too_big_is_not_read(refused: Refused) -> None:
    for headers in ({"Content-Length": "50000000"}, {"Transfer-Encoding": "chunked"}):
        problem = refused(
            413,
            "too-big",
            "PATCH",
            "/v1/endpoints/db1",
            body="x" * 70_000,
            headers=headers | {"Content-Type": "application/json"},
        )
        assert problem["limit"] == 65536


def test_a_parameter_that_nobody_knows(refused: Refused) -> None:
    problem = refused(400, "invalid", "GET", "/v1/endpoints?host=h1")

    assert problem["detail"] == "host: nobody knows this here; what is known: nothing"


def test_what_nobody_foresaw_shows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Twin):
        def hosts(self) -> Sequence[HostView]:
            raise LookupError("the secret inside")

    with caplog.at_level(logging.ERROR):
        answer = TestClient(make_app(desk(Broken()))).simulate_get("/v1/hosts")

    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.json["type"] == "urn:containet:problem:internal"
    assert "secret" not in answer.text
    assert "the secret inside" in caplog.text


def test_routes_of_others_have_the_same_errors(twin: Twin) -> None:
    class Others:
        def on_get(self, _: falcon.Request, resp: falcon.Response, dpid: str) -> None:
            if dpid != "1":
                raise falcon.HTTPNotFound(description=f"There is no bridge “{dpid}”.")
            resp.media = [1]

    client = TestClient(make_app(desk(twin), [lambda app: app.add_route("/stats/desc/{dpid}", Others())]))

    assert client.simulate_get("/stats/desc/1").json == [1]
    assert client.simulate_get("/stats/desc/7").json == {
        "type": "urn:containet:problem:not-found",
        "title": "Not found",
        "status": 404,
        "detail": "There is no bridge “7”.",
    }
