"""A bridge of Docker's own, joined: what Docker puts on it and takes off it is known on all hosts, until it is left."""

from collections.abc import Iterator

import pytest

from scripts.lab import Lab, Machine
from scripts.lab.measure import Box, reaches, start_box
from tests.hosts.docker.test_ipv6 import reaches6, solicitations
from tests.hosts.docker.test_names import asks, finds
from tests.hosts.docker.test_network import docker
from tests.hosts.people import connect, containet, devices, endpoints, in_network_of, soon, standing

VLAN = 50


def run(host: Machine, name: str) -> Box:
    docker(host, "run", "--detach", "--stop-signal", "KILL", "--network", "lan", "--name", name, "lab", "sleep", "9999")
    return Box(host, name)


def address(box: Box, kind: str = "IPAddress") -> str:
    said = f"--format={{{{.NetworkSettings.Networks.lan.{kind}}}}}"
    return docker(box.host, "inspect", said, box.name)


def address6(box: Box) -> str:
    return address(box, "GlobalIPv6Address")


def containers(lab: Lab) -> set[str]:
    """Those that the controller has in the VLAN of the join."""
    found = endpoints(lab).values()
    return {each["name"] for each in found if each["role"] == "container" and each["vlan"] == VLAN}


@pytest.fixture
def joined(lab: Lab) -> Iterator[Lab]:
    """Docker's bridge `lan0` on two hosts, joined; afterwards it is left, with containers still on it."""
    before = standing(lab)
    for number, host in enumerate(lab.hosts[:2], 1):
        words = [
            "--subnet", "172.18.5.0/24", "--gateway", f"172.18.5.{number}", "--ip-range", f"172.18.5.{32 * number}/27",
            "--subnet", "fd00:5::/64", "--gateway", f"fd00:5::{number}", "--ip-range", f"fd00:5::{number}:0:0/96",
        ]  # fmt: skip
        docker(host, "network", "create", "--ipv6", *words, "-o", "com.docker.network.bridge.name=lan0", "lan")
        containet(host, "join-bridge", "lan0", "--vlan", str(VLAN))
    yield lab
    for host in lab.hosts[:2]:
        containet(host, "leave-bridge", "lan0")
        assert not [name for name in devices(host) if name.startswith(("ct", "cj"))]
    assert endpoints(lab) == {}
    for host in lab.hosts[:2]:
        if boxes := docker(host, "ps", "--all", "--quiet").split():
            docker(host, "rm", "--force", *boxes)
        docker(host, "network", "rm", "lan")
    soon(lambda: standing(lab) == before, "nothing is left")


def test_containers_behind_it_come_and_go(joined: Lab) -> None:
    web1, web2 = run(joined["h1"], "web1"), run(joined["h2"], "web2")
    soon(lambda: containers(joined) == {"web1", "web2"}, "both are known")
    soon(lambda: reaches(web1, address(web2)), "and reach each other")

    docker(joined["h2"], "stop", "web2")
    soon(lambda: containers(joined) == {"web1"}, "who stops is gone")
    docker(joined["h2"], "start", "web2")
    soon(lambda: containers(joined) == {"web1", "web2"} and reaches(web1, address(web2)), "who starts is back")
    docker(joined["h2"], "network", "disconnect", "lan", "web2")
    soon(lambda: containers(joined) == {"web1"}, "who is taken off it is gone")
    docker(joined["h2"], "network", "connect", "lan", "web2")
    soon(lambda: containers(joined) == {"web1", "web2"} and reaches(web1, address(web2)), "who is put on it is known")
    docker(joined["h2"], "rm", "--force", "web2")
    soon(lambda: containers(joined) == {"web1"}, "who is removed is gone")
    run(joined["h2"], "web3")
    soon(lambda: containers(joined) == {"web1", "web3"}, "who comes is known")


@pytest.mark.parametrize("role", ["dockerd", "helper", "ovs-vswitchd"])
def test_nothing_is_lost_when_somebody_ends_and_begins(joined: Lab, role: str) -> None:
    web1, web2 = run(joined["h1"], "web1"), run(joined["h2"], "web2")
    soon(lambda: containers(joined) == {"web1", "web2"}, "both are known")

    joined["h2"].kill(role)
    joined.start("h2", role)

    soon(lambda: reaches(web1, address(web2)), "they reach each other")
    assert containers(joined) == {"web1", "web2"}
    docker(joined["h2"], "rm", "--force", "web2")
    soon(lambda: containers(joined) == {"web1"}, "who goes then is gone")


def test_they_have_ipv6_beside(joined: Lab) -> None:
    web1, web2 = run(joined["h1"], "web1"), run(joined["h2"], "web2")
    soon(lambda: containers(joined) == {"web1", "web2"}, "both are known")
    heard = solicitations(web2)

    assert endpoints(joined)["web2:eth0"]["address6"] == f"{address6(web2)}/64"
    assert address6(web2) in containet(joined["h1"], "endpoints")
    soon(lambda: reaches6(web1, address6(web2)), "who is on another host is reached")
    assert solicitations(web2) == heard, "its switch answered"
    for number in (1, 2):
        assert reaches6(web1, f"fd00:5::{number}"), f"the bridge of h{number}"
        assert reaches6(web2, f"fd00:5::{number}"), f"the bridge of h{number}"
    routers = {each["address6"] for each in joined.ask("/v1/endpoints")[1] if each["role"] == "router"}
    assert routers == {"fd00:5::1/64", "fd00:5::2/64"}


def test_who_is_connected_behind_it_has_ipv6_beside(joined: Lab) -> None:
    web1, own = run(joined["h1"], "web1"), start_box(joined["h2"], "own")
    connect(own, "172.18.5.200/24", "--address6", "fd00:5::200/64", "--bridge", "lan0")

    assert endpoints(joined)["own:eth0"]["address6"] == "fd00:5::200/64"
    soon(lambda: containers(joined) == {"web1", "own"} and reaches6(web1, "fd00:5::200"), "it is reached")
    assert reaches6(own, address6(web1))
    docker(own.host, "restart", "--time", "0", "own")
    soon(lambda: reaches6(web1, "fd00:5::200"), "it is reached again")
    containet(own.host, "disconnect", "own")


@pytest.mark.parametrize("version", ["-4", "-6"])
def test_neighbours_behind_it_lose_nothing_on_their_short_way(joined: Lab, version: str) -> None:
    web1, web2 = run(joined["h1"], "web1"), run(joined["h1"], "web2")
    soon(lambda: containers(joined) == {"web1", "web2"}, "both are known")
    there = address6(web2) if version == "-6" else address(web2)

    for _ in range(5):
        for box in (web1, web2):
            in_network_of(box, "ip", version, "neighbour", "flush", "all")
        said = in_network_of(web1, "ping", version, "-c5", "-i0.2", "-W1", there, check=False)
        assert " 0% packet loss" in said, said


def test_they_find_each_other_by_name(joined: Lab) -> None:
    joined.ask("/v1/policy", "PUT", {"networks": {"lan": {"vlan": VLAN, "subnet": "172.18.5.0/24"}}})
    web1, web2, own = run(joined["h1"], "web1"), run(joined["h2"], "web2"), start_box(joined["h2"], "own")
    connect(own, "172.18.5.200/24", "--bridge", "lan0")

    finds(web1, "web2", address(web2))
    finds(web1, "own", "172.18.5.200")
    finds(own, "web1", address(web1))
    containet(own.host, "disconnect", "own")
    containet(joined["h1"], "leave-bridge", "lan0")
    assert address(web2) not in asks(web1, "web2")
    containet(joined["h1"], "join-bridge", "lan0", "--vlan", str(VLAN))
    joined.ask("/v1/policy", "PUT", {})
