"""What the helpers use: a session from HostUp to done, and who is refused."""

import json
from typing import Any

import pytest
from falcon.testing import TestClient

from app.api.server import make_app
from app.wire import HostUp
from tests.app.api.conftest import Refused
from tests.app.api.twin import Twin, desk, report

H3 = {"dpid": 3, "vtep": "10.0.0.3", "underlay_mtu": 1500}
ENDPOINT = report("new", 7).model_dump(mode="json")
ASK = {"container": "c1", "interface": "eth0", "name": "new", "address": "172.15.42.9/24"}


def test_a_session(client: TestClient, twin: Twin) -> None:
    assert client.simulate_put("/v1/hosts/h3", json=H3).json == {"session": 1, "refused": {}, "clashing": []}

    stream = client.simulate_get("/v1/hosts/h3/wants?session=1")
    assert stream.headers["content-type"] == "application/jsonl"
    (want,) = [json.loads(line) for line in stream.text.splitlines()]
    assert (want["key"], [peer["peer"] for peer in want["body"]["peers"]]) == ("tunnels", ["h1", "h2"])

    came = client.simulate_post("/v1/hosts/h3/events?session=1", json={"kind": "endpoint_up", "endpoint": ENDPOINT})
    assert (came.status_code, came.json) == (200, {"generation": 4, "pending": [], "why": ""})
    done = client.simulate_post("/v1/hosts/h3/done?session=1", json={"key": "tunnels", "generation": 3})
    assert (done.status_code, done.text) == (204, "")
    assert [each.key for each in twin.done_wants] == ["tunnels"]
    assert client.simulate_get("/v1/endpoints/new").json["host"] == "h3"


def test_a_beat_is_a_line_of_its_own(twin: Twin) -> None:
    more = iter([True, True, False])
    twin.beat = lambda: next(more)

    stream = TestClient(make_app(desk(twin))).simulate_get("/v1/hosts/h1/wants?session=1")

    assert [json.loads(line) for line in stream.text.splitlines()][1:] == [{"beat": True}, {"beat": True}]
    assert twin.states["h1"].streams == 0


def test_an_event_is_not_done_while_a_host_is_away(client: TestClient, twin: Twin) -> None:
    twin.away = ("h2",)

    went = client.simulate_post(
        "/v1/hosts/h1/events?session=1", json={"kind": "endpoint_down", "container": "c", "interface": "eth0"}
    )

    assert (went.status_code, went.json["pending"]) == (202, ["h2"])


def test_admission(client: TestClient, refused: Refused) -> None:
    admitted = client.simulate_post("/v1/hosts/h1/admit", json=ASK)

    assert (admitted.status_code, admitted.json["address"], admitted.json["mtu"]) == (200, "172.15.42.9/24", 1450)
    refused(422, "bad-address", "POST", "/v1/hosts/h1/admit", json=ASK | {"address": "300.1.1.1"})
    refused(404, "unknown-host", "POST", "/v1/hosts/h9/admit", json=ASK)


def test_what_comes_at_once_is_answered_in_two_lines(client: TestClient, twin: Twin, refused: Refused) -> None:
    comes = client.simulate_post("/v1/hosts/h1/comings?session=1", json={"ask": ASK, "ofport": 7})

    admitted, outcome = map(json.loads, comes.text.splitlines())
    assert comes.headers["content-type"] == "application/jsonl"
    assert (admitted["admission"]["address"], admitted["endpoint"]["ofport"]) == ("172.15.42.9/24", 7)
    assert outcome["pending"] == []
    assert [report.ofport for report in twin.states["h1"].endpoints.values() if report.name == ASK["name"]] == [7]
    bad = {"ask": ASK | {"address": "300.1.1.1"}, "ofport": 7}
    refused(422, "bad-address", "POST", "/v1/hosts/h1/comings?session=1", json=bad)
    for ofport in (0, 0xFFFFFFFE, "one"):
        refused(422, "invalid", "POST", "/v1/hosts/h1/comings?session=1", json={"ask": ASK, "ofport": ofport})


@pytest.mark.parametrize("session", [0, 2])
def test_only_the_newest_session_is_heard(refused: Refused, session: int) -> None:
    event = {"kind": "tunnels_up", "tunnels": {"h2": 5}}
    for method, what, body in (
        ("GET", "wants", None),
        ("POST", "events", event),
        ("POST", "comings", {"ask": ASK, "ofport": 7}),
        ("POST", "done", {"key": "tunnels", "generation": 1}),
    ):
        refused(409, "stale-session", method, f"/v1/hosts/h1/{what}?session={session}", json=body)


def test_one_dpid_one_host(refused: Refused) -> None:
    problem = refused(409, "dpid-taken", "PUT", "/v1/hosts/h3", json=H3 | {"dpid": 1})

    assert problem["host"] == "h1"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "session: it is missing"),
        ("session=x", "session: a whole number is wanted, not “x”"),
        ("session=1&session=2", "session: it is said more than once."),
        ("session=1&since=3", "since: nobody knows this here; what is known: session"),
    ],
)
def test_which_session(refused: Refused, query: str, said: str) -> None:
    assert refused(400, "invalid", "GET", f"/v1/hosts/h1/wants?{query}")["detail"] == said


@pytest.mark.parametrize("name", ["H1", "h_1", "-h", "h" * 33, "%FF"])
def test_what_a_host_name_is(refused: Refused, name: str) -> None:
    problem = refused(400, "invalid", "PUT", f"/v1/hosts/{name}", json=H3)

    assert problem["detail"].startswith("host: ")
    assert "1 to 32 lower-case letters" in problem["detail"]


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        ({"dpid": 0}, "dpid", "0 is too small: more than 0"),
        ({"underlay_mtu": 100}, "underlay_mtu", "100 is too small: 576 or more"),
        ({"vtep": "x"}, "vtep", "“x” is not an IPv4 address such as 172.15.42.1"),
        ({"tunnels": {"H": 1}}, "tunnels.H", "“H” is not understood: a host name has"),
        ({"endpoints": [ENDPOINT | {"mac": "x"}]}, "endpoints[0].mac", "“x” is not a MAC address"),
        ({"endpoints": [ENDPOINT | {"address": "x"}]}, "endpoints[0].address", "IPv4 address with prefix"),
        ({"endpoints": [ENDPOINT | {"role": "x"}]}, "endpoints[0].role", "'gateway' or 'resolver'"),
        ({"endpoints": [ENDPOINT | {"ofport": 1 << 32}]}, "endpoints[0].ofport", "is too big: less than"),
        ({"extra": 1}, "extra", "what is known: dpid, vtep, underlay_mtu, tunnels, endpoints"),
    ],
)
def test_a_report_that_does_not_fit(refused: Refused, change: dict[str, Any], where: str, what: str) -> None:
    (error,) = refused(422, "invalid", "PUT", "/v1/hosts/h3", json=H3 | change)["errors"]

    assert error["where"] == where
    assert what in error["what"]


@pytest.mark.parametrize(
    ("event", "where", "what"),
    [
        ({}, "", "its 'kind' is missing"),
        ({"kind": "x"}, "", "“x” is not allowed as its 'kind': say one of 'endpoint_up', 'endpoint_down'"),
        ({"kind": "tunnels_up", "tunnels": {"h2": 0}}, "tunnels.h2", "0 is too small: 1 or more"),
        ({"kind": "endpoint_up", "endpoint": ENDPOINT | {"vlan": 5000}}, "endpoint.vlan", "5000 is not understood"),
        ({"kind": "endpoint_up", "endpoint": ENDPOINT | {"x": 1}}, "endpoint.x", "what is known: container, interface"),
    ],
)  # fmt: skip
def test_an_event_that_does_not_fit(refused: Refused, event: dict[str, Any], where: str, what: str) -> None:
    (error,) = refused(422, "invalid", "POST", "/v1/hosts/h1/events?session=1", json=event)["errors"]

    assert error["where"] == where
    assert what in error["what"]


def test_thousands_of_endpoints_are_reported(client: TestClient, twin: Twin) -> None:
    many = [ENDPOINT | {"container": f"{n:064x}", "labels": {"k": "v" * 200}} for n in range(5000)]

    assert client.simulate_put("/v1/hosts/h3", json=H3 | {"endpoints": many}).status_code == 200
    assert len(twin.states["h3"].endpoints) == 5000
    assert isinstance(twin.states["h3"].report, HostUp)


def test_streams_have_a_bound_and_give_their_place_back(twin: Twin) -> None:
    client = TestClient(make_app(desk(twin), streams=1))

    for _ in range(3):  # each ends, by itself or refused
        assert client.simulate_get("/v1/hosts/h1/wants?session=1").status_code == 200
        assert client.simulate_get("/v1/hosts/h1/wants?session=9").status_code == 409
    full = TestClient(make_app(desk(twin), streams=0)).simulate_get("/v1/hosts/h1/wants?session=1")
    assert (full.status_code, full.json["type"]) == (503, "urn:containet:problem:too-many-streams")


def test_networks_and_addresses_for_docker(client: TestClient, twin: Twin, refused: Refused) -> None:
    network = {"vlan": 10, "subnet": "172.15.42.0/24", "gateway": "172.15.42.1"}

    assert client.simulate_post("/v1/hosts/h1/networks", json=network).status_code == 204
    leased = client.simulate_post("/v1/hosts/h1/leases?session=1", json={"subnet": "172.15.42.0/24"})

    assert (leased.status_code, leased.json["block"]) == (200, "172.15.42.240/32")
    back = client.simulate_post("/v1/hosts/h1/releases?session=1", json={"leases": [leased.json]})
    assert (back.status_code, [str(lease.block) for lease in twin.released]) == (204, ["172.15.42.240/32"])
    refused(409, "network-refused", "POST", "/v1/hosts/h1/networks", json=network | {"vlan": 4094})
    refused(422, "invalid", "POST", "/v1/hosts/h1/networks", json=network | {"subnet": "172.15.42.1/24"})
    refused(409, "stale-session", "POST", "/v1/hosts/h1/leases?session=9", json={"subnet": "172.15.42.0/24"})
