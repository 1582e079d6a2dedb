"""Changes of endpoints: what is understood, what is refused and in which words, and when it is 200 or 202."""

import pytest
from falcon.testing import TestClient

from tests.app.api.conftest import Refused
from tests.app.api.twin import Twin

A_VLAN = "a vlan is a whole number from 1 to 4094"
RATES = "say it as 800kbit, 10mbit, 1.5gbit"


def test_one_endpoint(client: TestClient) -> None:
    answer = client.simulate_patch("/v1/endpoints/h2:web1:eth1", json={"vlan": 30, "up": "10mbit", "down": "none"})

    assert (answer.status_code, answer.json) == (200, {"generation": 3, "pending": [], "why": ""})
    changed = client.simulate_get("/v1/endpoints/h2:web1:eth1").json
    assert (changed["vlan"], changed["up"], changed["down"]) == (30, "10mbit", "none")
    assert client.simulate_get("/v1/endpoints/h2:web1:eth0").json["vlan"] == 1


def test_several_as_one(client: TestClient, twin: Twin) -> None:
    answer = client.simulate_patch("/v1/endpoints", json={"names": ["h1:web1", "db1"], "vlan": 30})

    assert (answer.status_code, answer.json) == (200, {"generation": 3, "pending": [], "why": ""})
    assert {view.name for view in twin.endpoints() if view.vlan == 30} == {"web1", "db1"}


def test_it_is_not_done_while_a_host_is_away(client: TestClient, twin: Twin) -> None:
    twin.away = ("h2",)

    answer = client.simulate_patch("/v1/endpoints/db1", json={"vlan": 30})

    assert (answer.status_code, answer.json) == (202, {"generation": 3, "pending": ["h2"], "why": ""})


@pytest.mark.parametrize("vlan", [0, 4095, -1, "ten", "10", True, 10.5, [], {}])
def test_what_a_vlan_is(refused: Refused, twin: Twin, vlan: object) -> None:
    problem = refused(422, "invalid", "PATCH", "/v1/endpoints/db1", json={"vlan": vlan})

    (error,) = problem["errors"]
    assert error["where"] == "vlan"
    assert A_VLAN in error["what"]
    assert A_VLAN in str(problem["detail"])
    assert twin.generation == 2


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("rate", ["10", "0", "-1", "fast", "10mb/s", "0kbit", "", "1e9gbit", 10, True, [], {}])
def test_what_a_rate_is(refused: Refused, twin: Twin, direction: str, rate: object) -> None:
    problem = refused(422, "invalid", "PATCH", "/v1/endpoints/db1", json={direction: rate})

    (error,) = problem["errors"]
    assert error["where"] == direction
    assert RATES in error["what"]
    assert twin.generation == 2


@pytest.mark.parametrize("path", ["/v1/endpoints/db1", "/v1/endpoints"])
@pytest.mark.parametrize(
    ("body", "where", "what"),
    [
        ({}, "", "say vlan, up or down"),
        ({"vlan": None}, "vlan", "leave it out"),
        ({"up": None, "vlan": 3}, "up", "say “none”"),
        ({"vlan": 10, "speed": "fast"}, "speed", "what is known: vlan, up, down"),
    ],
)
def test_what_else_is_refused(refused: Refused, path: str, body: dict[str, object], where: str, what: str) -> None:
    names = {"names": ["db1"]} if path == "/v1/endpoints" else {}

    (error,) = refused(422, "invalid", "PATCH", path, json=names | body)["errors"]

    assert error["where"] == where
    assert what in error["what"]


@pytest.mark.parametrize(
    ("names", "where", "what"),
    [
        ([], "names", "too few: 1 at least"),
        (["db1", "db1"], "names", "“db1” is named twice"),
        ([f"c{n}" for n in range(1001)], "names", "too many: 1000 at most"),
        ("db1", "names", "a list is wanted, not “db1”"),
        ([5], "names[0]", "a text is wanted, not 5"),
        ([""], "names[0]", "too short: 1 characters at least"),
    ],
)
def test_which_names(refused: Refused, names: object, where: str, what: str) -> None:
    (error,) = refused(422, "invalid", "PATCH", "/v1/endpoints", json={"names": names, "vlan": 3})["errors"]

    assert (error["where"], error["what"]) == (where, what)


def test_all_that_is_wrong_is_told_at_once(refused: Refused) -> None:
    problem = refused(422, "invalid", "PATCH", "/v1/endpoints/db1", json={"vlan": 0, "up": "fast", "x": 1})

    assert [error["where"] for error in problem["errors"]] == ["vlan", "up", "x"]
    assert problem["detail"] == f"vlan: 0 is not understood: {A_VLAN} (and 2 more)"
