"""What is read of hosts, networks, endpoints, flows and the whole, and the shapes that it has."""

from typing import Any

import pytest
from falcon.testing import TestClient

from app import __version__
from app.policy import NetworkRule, Policy
from tests.app.api.conftest import Refused
from tests.app.api.twin import Twin


def got(client: TestClient, path: str) -> Any:
    answer = client.simulate_get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json


def test_hosts(client: TestClient, twin: Twin) -> None:
    twin.away = ("h2",)

    assert got(client, "/v1/hosts") == [
        {
            "name": "h1",
            "dpid": "0x0000000000000001",
            "vtep": "10.0.0.1",
            "underlay_mtu": 1500,
            "switch": "connected",
            "helper": "away",
            "links": [{"peer": "h2", "ofport": 9}],
            "endpoints": 2,
            "pending": False,
            "errors": [],
        },
        {
            "name": "h2",
            "dpid": "0x000000000000ffee",
            "vtep": "10.0.0.2",
            "underlay_mtu": 1500,
            "switch": "away",
            "helper": "away",
            "links": [{"peer": "h1", "ofport": 4}],
            "endpoints": 3,
            "pending": True,
            "errors": [],
        },
    ]


def test_forget_a_host(client: TestClient, refused: Refused) -> None:
    assert client.simulate_delete("/v1/hosts/h2").json == {"generation": 3, "pending": [], "why": ""}
    assert [host["name"] for host in got(client, "/v1/hosts")] == ["h1"]
    refused(404, "unknown-host", "DELETE", "/v1/hosts/h2")


def test_networks_are_those_of_the_policy_and_those_in_use(client: TestClient, twin: Twin) -> None:
    twin.policy = Policy.model_validate(
        {
            "networks": {
                "blue": {"vlan": 10, "vni": 7010, "subnet": "172.15.42.0/24", "gateway": "172.15.42.1"},
                "red": {"vlan": 11, "subnet6": "fd00:42::/64", "gateway6": "fd00:42::1"},
            }
        }
    )

    assert got(client, "/v1/networks") == [
        {
            "name": "default",
            "vlan": 1,
            "vni": 1,
            "subnet": None,
            "gateway": None,
            "subnet6": None,
            "gateway6": None,
            "endpoints": ["h1:netns:foo:eth0", "h1:web1:eth0", "h2:db1:eth0", "h2:web1:eth0"],
        },
        {
            "name": "blue",
            "vlan": 10,
            "vni": 7010,
            "subnet": "172.15.42.0/24",
            "gateway": "172.15.42.1",
            "subnet6": None,
            "gateway6": None,
            "endpoints": [],
        },
        {
            "name": "red",
            "vlan": 11,
            "vni": 11,
            "subnet": None,
            "gateway": None,
            "subnet6": "fd00:42::/64",
            "gateway6": "fd00:42::1",
            "endpoints": [],
        },
        {
            "name": "vlan20",
            "vlan": 20,
            "vni": 20,
            "subnet": None,
            "gateway": None,
            "subnet6": None,
            "gateway6": None,
            "endpoints": ["h2:web1:eth1"],
        },
    ]


def test_networks_of_docker_are_listed_as_docker_calls_them(client: TestClient, twin: Twin) -> None:
    twin.declared["blue"] = NetworkRule.model_validate({"vlan": 20, "subnet": "172.15.42.0/24"})

    *_, blue = got(client, "/v1/networks")

    assert (blue["name"], blue["subnet"], blue["endpoints"]) == ("blue", "172.15.42.0/24", ["h2:web1:eth1"])


def test_endpoints(client: TestClient) -> None:
    listed = got(client, "/v1/endpoints")

    assert [(each["host"], each["name"], each["interface"]) for each in listed] == [
        ("h1", "web1", "eth0"),
        ("h1", "netns:foo", "eth0"),
        ("h2", "web1", "eth0"),
        ("h2", "web1", "eth1"),
        ("h2", "db1", "eth0"),
    ]
    assert listed[3] == {
        "host": "h2",
        "name": "web1",
        "container": "id-of-web1",
        "interface": "eth1",
        "mac": "02:c7:ac:0f:2a:04",
        "address": "172.15.42.4/24",
        "address6": None,
        "network": "vlan20",
        "vlan": 20,
        "up": "none",
        "down": "none",
        "ofport": 4,
        "role": "container",
        "behind": None,
        "state": "up",
        "why": "",
        "labels": {},
        "ports": [],
    }


@pytest.mark.parametrize(
    ("name", "ofport"),
    [
        ("db1", 5),
        ("h1:web1", 1),
        ("web1:eth1", 4),
        ("h2:web1:eth0", 3),
        ("h2%3Aweb1%3Aeth0", 3),
        ("netns:foo", 2),
        ("h1:netns:foo:eth0", 2),
    ],
)
def test_an_endpoint_by_any_of_its_names(client: TestClient, name: str, ofport: int) -> None:
    assert got(client, f"/v1/endpoints/{name}")["ofport"] == ofport


def test_an_ambiguous_name_is_answered_with_the_list(refused: Refused) -> None:
    problem = refused(409, "ambiguous-name", "GET", "/v1/endpoints/web1")

    assert problem["candidates"] == ["h1:web1:eth0", "h2:web1:eth0", "h2:web1:eth1"]


def test_flows_say_what_they_are_there_for(client: TestClient) -> None:
    ours = got(client, "/v1/flows?host=h2&endpoint=h2:web1:eth1&table=classify")

    assert ours == [
        {
            "host": "h2",
            "table": "classify",
            "table_id": 0,
            "priority": 100,
            "match": "in_port=4",
            "actions": "drop",
            "cookie": "0xc701000000000004",
            "packets": 3,
            "bytes": 300,
            "duration_s": 1.5,
            "feature": "classify",
            "owner": {"kind": "endpoint", "name": "h2:web1:eth1"},
        }
    ]
    assert got(client, "/v1/flows?endpoint=h2:web1:eth1&table=0") == ours
    assert got(client, "/v1/flows?table=60") == []


def test_flows_of_others_are_shown_too(client: TestClient) -> None:
    (foreign,) = [flow for flow in got(client, "/v1/flows?host=h1") if flow["table_id"] == 5]

    assert (foreign["table"], foreign["feature"], foreign["owner"]) == ("5", None, None)


@pytest.mark.parametrize("table", ["l3", "5", "-1", "", "CLASSIFY"])
def test_an_unknown_table_is_answered_with_those_there_are(refused: Refused, table: str) -> None:
    problem = refused(400, "invalid", "GET", f"/v1/flows?table={table}")

    assert "classify (0), spoof_guard (10)" in str(problem["detail"])


def test_topology(client: TestClient) -> None:
    assert got(client, "/v1/topology") == {
        "hosts": [
            {"name": "h1", "vtep": "10.0.0.1", "switch": "connected"},
            {"name": "h2", "vtep": "10.0.0.2", "switch": "connected"},
        ],
        "links": [{"a": "h1", "b": "h2", "tunnel": "vxlan"}],
    }


def test_health(client: TestClient, twin: Twin) -> None:
    twin.away = ("h1",)

    assert got(client, "/v1/healthz") == {"status": "ok", "version": __version__, "hosts": 2, "switches_connected": 1}
