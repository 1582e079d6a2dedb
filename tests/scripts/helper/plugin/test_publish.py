"""ProgramExternalConnectivity and its undoing: ports of this host lead to an endpoint, all that were wanted or none."""

import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.scripts.helper.conftest import Ovs, run
from tests.scripts.helper.plugin.test_protocol import CREATE, MAKE, OF, done, engine, records, twin, why_not
from tests.scripts.helper.running import VTEP, Running

__all__ = ["engine", "twin"]

PUBLISH, UNPUBLISH = "NetworkDriver.ProgramExternalConnectivity", "NetworkDriver.RevokeExternalConnectivity"
OTHER = OF | {"EndpointID": "d" * 64}
OWN = {"Address": "10.9.0.5/24", "AddressIPv6": "fd00:9::5/64"}
OTHERS = {"Address": "10.9.0.6/24", "AddressIPv6": "fd00:9::6/64"}
UDP = 17


def wish(port: int = 80, host_port: int = 8080, **more: Any) -> dict[str, Any]:
    """A binding as the engine writes it."""
    return {"Proto": 6, "IP": "", "Port": port, "HostIP": "", "HostPort": host_port, "HostPortEnd": host_port} | more


def wishes(*bindings: Any, of: dict[str, str] = OF) -> dict[str, Any]:
    """The body of the call."""
    return of | {"Options": {"com.docker.network.portmap": list(bindings)}}


def leads() -> list[str]:
    """Where ports of this host lead."""
    return sorted(set(re.findall(r"\w+ dport \d+ dnat (?:ip )?to \S+", run("nft", "list", "ruleset"))))


def remembered(ovs: Ovs) -> list[Any]:
    """The ports in the records of endpoints."""
    kept = (line.partition("=")[2] for line in records(ovs) if line.startswith("driven/"))
    return [port["host_port"] for text in kept for port in json.loads(text)["ports"]]


@pytest.fixture
def endpoints(engine: Running) -> Iterator[Running]:
    """Two endpoints on one network, 10.9.0.5 and 10.9.0.6; afterwards no port leads anywhere."""
    done(engine, "NetworkDriver.CreateNetwork", MAKE)
    done(engine, "NetworkDriver.CreateEndpoint", CREATE)
    done(engine, "NetworkDriver.CreateEndpoint", CREATE | OTHER | {"Interface": {"Address": "10.9.0.6/24"}})
    yield engine
    for of in (OF, OTHER):
        done(engine, "NetworkDriver.DeleteEndpoint", of)
    assert leads() == []


def test_ports_lead_to_the_endpoint_until_they_are_revoked(endpoints: Running, ovs: Ovs) -> None:
    asked = wishes(wish(), wish(53, 5353, Proto=UDP), wish(8000, 8000), wish(8001, 8001))

    for _ in range(2):  # saying it again is no error, and changes nothing
        assert done(endpoints, PUBLISH, asked) == {}
        assert leads() == [
            "tcp dport 8000 dnat ip to 10.9.0.5:8000",
            "tcp dport 8001 dnat ip to 10.9.0.5:8001",
            "tcp dport 8080 dnat ip to 10.9.0.5:80",
            "udp dport 5353 dnat ip to 10.9.0.5:53",
        ]
    assert remembered(ovs) == [8080, 5353, 8000, 8001]

    for _ in range(2):
        assert done(endpoints, UNPUBLISH, OF) == {}
        assert leads() == []
    assert remembered(ovs) == []


def test_other_ports_take_the_place_of_those_before(endpoints: Running) -> None:
    done(endpoints, PUBLISH, wishes(wish()))
    done(endpoints, PUBLISH, wishes(wish(81, 8081)))

    assert leads() == ["tcp dport 8081 dnat ip to 10.9.0.5:81"]


@pytest.mark.parametrize("options", [None, {}, {"com.docker.network.portmap": None}])
def test_who_wants_none_gets_none(endpoints: Running, options: object) -> None:
    assert done(endpoints, PUBLISH, OF | {"Options": options}) == {}
    assert leads() == []


@pytest.mark.parametrize("method", ["NetworkDriver.Leave", "NetworkDriver.DeleteEndpoint"])
def test_ports_go_with_the_endpoint(endpoints: Running, method: str) -> None:
    done(endpoints, "NetworkDriver.Join", OF | {"SandboxKey": "", "Options": None})
    done(endpoints, PUBLISH, wishes(wish()))

    done(endpoints, method, OF)

    assert leads() == []
    done(endpoints, PUBLISH, wishes(wish(), of=OTHER))
    assert leads() == ["tcp dport 8080 dnat ip to 10.9.0.6:80"]


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (wish(), "8080->80/tcp cannot be published: .* has 8080->80/tcp"),
        (wish(HostIP="127.0.0.1"), "addresses that others reach"),
        (wish(HostIP="198.51.100.9", HostPort=9000), "198.51.100.9 is no address of this host"),
        (wish(HostPort=9999), "a process of this host has port 9999/tcp"),
        (wish(HostPort=0, HostPortEnd=0), "say -p HOSTPORT:80"),
        (wish(HostPort=9000, HostPortEnd=9001), "say -p HOSTPORT:80"),
        (wish(Proto=132), "neither tcp nor udp"),
        (wish(Port=0), "Port"),
        (wish(HostPort=65536), "HostPort"),
        (wish(HostIP="nowhere"), "HostIP"),
        ("80:80", "portmap"),
    ],
)
def test_all_or_none(endpoints: Running, ovs: Ovs, wanted: object, why: str) -> None:
    done(endpoints, PUBLISH, wishes(wish(), of=OTHER))
    with socket.create_server(("", 9999)):
        said = why_not(endpoints, PUBLISH, wishes(wish(81, 8081), wanted))

    assert re.search(why, said), said
    assert leads() == ["tcp dport 8080 dnat ip to 10.9.0.6:80"]
    assert remembered(ovs) == [8080]


def test_a_port_that_another_network_has_to_publish_is_no_refusal(endpoints: Running, ovs: Ovs) -> None:
    done(endpoints, PUBLISH, wishes(wish(HostIP="fd00::9", HostPort=9000), wish(81, 8081)))

    assert leads() == ["tcp dport 8081 dnat ip to 10.9.0.5:81"]
    assert remembered(ovs) == [8081]


@pytest.fixture
def dual(endpoints: Running) -> Iterator[Running]:
    """The first endpoint has an IPv6 address, 2001:db8::1 is an address of this host."""
    run("ip", "-6", "address", "add", "2001:db8::1/64", "dev", "lo", "nodad")
    done(endpoints, "NetworkDriver.CreateEndpoint", CREATE | {"Interface": OWN})
    yield endpoints
    run("ip", "-6", "address", "del", "2001:db8::1/64", "dev", "lo")


def test_a_port_of_one_address_leads_to_the_containers_of_that_kind(dual: Running) -> None:
    done(dual, PUBLISH, wishes(wish(), wish(HostIP="2001:db8::1", HostPort=8081), wish(HostIP=VTEP, HostPort=8082)))

    assert leads() == [
        "tcp dport 8080 dnat ip to 10.9.0.5:80",
        "tcp dport 8080 dnat to [fd00:9::5]:80",
        "tcp dport 8081 dnat to [fd00:9::5]:80",
        "tcp dport 8082 dnat ip to 10.9.0.5:80",
    ]
    assert "ip6 daddr 2001:db8::1 tcp dport 8081 dnat" in run("nft", "list", "table", "ip6", "containet")


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (wish(HostIP="2001:db8::9", HostPort=9000), "2001:db8::9 is no address of this host"),
        (wish(HostIP="2001:db8::1", HostPort=9999), "a process of this host has port 9999/tcp"),
        (wish(HostPort=9999), "a process of this host has port 9999/tcp"),
        (wish(HostIP="2001:db8::1", HostPort=8080), r"\[2001:db8::1\]:8080->80/tcp .* has 8080->80/tcp"),
    ],
)
def test_nor_of_ipv6(dual: Running, wanted: dict[str, Any], why: str) -> None:
    done(dual, "NetworkDriver.CreateEndpoint", CREATE | OTHER | {"Interface": OTHERS})
    done(dual, PUBLISH, wishes(wish(), of=OTHER))
    with socket.create_server(("2001:db8::1", 9999), family=socket.AF_INET6):
        said = why_not(dual, PUBLISH, wishes(wish(81, 8081), wanted))

    assert re.search(why, said), said
    assert leads() == ["tcp dport 8080 dnat ip to 10.9.0.6:80", "tcp dport 8080 dnat to [fd00:9::6]:80"]


def test_one_port_of_each_protocol_is_no_clash(endpoints: Running) -> None:
    done(endpoints, PUBLISH, wishes(wish()))
    done(endpoints, PUBLISH, wishes(wish(Proto=UDP), of=OTHER))

    assert leads() == ["tcp dport 8080 dnat ip to 10.9.0.5:80", "udp dport 8080 dnat ip to 10.9.0.6:80"]


def test_who_is_not_known_has_no_ports(engine: Running) -> None:
    assert "not known" in why_not(engine, PUBLISH, wishes(wish()))
    assert done(engine, UNPUBLISH, OF) == {}
    assert "came without a body" in why_not(engine, PUBLISH)
    assert done(engine, "Plugin.Activate")
