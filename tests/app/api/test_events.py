"""Events as a list and as a stream, from where the caller left off."""

import json

import pytest
from falcon.testing import Result, TestClient

from app.api.server import make_app
from app.desk import Kind
from tests.app.api.conftest import Refused
from tests.app.api.twin import Twin, desk

STREAM = {"Accept": "text/event-stream"}


def test_a_list(client: TestClient, twin: Twin) -> None:
    twin.happened.add(Kind.DRIFT, "a flow was deleted", "h1", "h1:web1:eth0")

    events = client.simulate_get("/v1/events").json

    assert [(each["kind"], each["host"]) for each in events] == [
        ("helper-up", "h1"),
        ("helper-up", "h2"),
        ("drift", "h1"),
    ]
    last = events[-1]
    assert (last["what"], last["endpoint"]) == ("a flow was deleted", "h1:web1:eth0")
    assert last["time"].endswith("Z")
    assert client.simulate_get(f"/v1/events?since={events[0]['number']}").json == events[1:]
    assert client.simulate_get(f"/v1/events?since={events[0]['number']}&host=h1").json == [last]


def messages(answer: Result) -> list[tuple[int, str]]:
    """Number and kind of each message; what its data say is so, too."""
    found = []
    for block in answer.text.split("\n\n")[:-1]:
        if not block.startswith(":"):
            number, data = block.split("\n")
            said = json.loads(data.removeprefix("data: "))
            assert number == f"id: {said['number']}"
            found.append((said["number"], said["kind"]))
    return found


def test_a_stream_goes_on_where_it_broke_off(client: TestClient) -> None:
    whole = client.simulate_get("/v1/events", headers=STREAM)

    assert whole.headers["content-type"] == "text/event-stream"
    (first, _), last = messages(whole)
    again = STREAM | {"Last-Event-ID": str(first)}
    assert messages(client.simulate_get("/v1/events", headers=again)) == [last]
    assert messages(client.simulate_get("/v1/events?since=0", headers=again)) == [last]
    assert messages(client.simulate_get(f"/v1/events?since={first}&host=h1", headers=STREAM)) == []


def test_a_beat_is_a_comment(client: TestClient, twin: Twin) -> None:
    more = iter([True, False])
    twin.beat = lambda: next(more)

    assert client.simulate_get("/v1/events?host=h3", headers=STREAM).text == ":\n\n"


@pytest.mark.parametrize("query", ["since=x", "since=-1", "since=1&since=2", "host=H", "from=3"])
def test_what_is_not_understood(refused: Refused, query: str) -> None:
    refused(400, "invalid", "GET", f"/v1/events?{query}")
    refused(400, "invalid", "GET", f"/v1/events?{query}", headers=STREAM)


def test_an_event_id_that_is_none(refused: Refused) -> None:
    detail = refused(400, "invalid", "GET", "/v1/events", headers=STREAM | {"Last-Event-ID": "x"})["detail"]

    assert "a whole number is wanted" in detail


def test_followers_have_a_bound_and_give_their_place_back(twin: Twin) -> None:
    client = TestClient(make_app(desk(twin), followers=1))

    for _ in range(3):
        assert client.simulate_get("/v1/events", headers=STREAM).status_code == 200
    full = TestClient(make_app(desk(twin), followers=0))
    assert full.simulate_get("/v1/events").status_code == 200
    answer = full.simulate_get("/v1/events", headers=STREAM)
    assert (answer.status_code, answer.json["type"]) == (503, "urn:containet:problem:too-many-streams")
