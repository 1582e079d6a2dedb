"""A bridge of Docker's own, joined: what Docker puts on it and takes off it is known on all hosts, until it is left."""

from collections.abc import Iterator

import pytest

from scripts.lab import Lab, Machine
from scripts.lab.measure import Box, reaches
from tests.hosts.people import containet, devices, endpoints, soon, standing
from tests.hosts.test_docker_network import docker

VLAN = 50


def run(host: Machine, name: str) -> Box:
    docker(host, "run", "--detach", "--stop-signal", "KILL", "--network", "lan", "--name", name, "lab", "sleep", "9999")
    return Box(host, name)


def address(box: Box) -> str:
    said = "--format={{.NetworkSettings.Networks.lan.IPAddress}}"
    return docker(box.host, "inspect", said, box.name)


def containers(lab: Lab) -> set[str]:
    """Those that the controller has in the VLAN of the join."""
    found = endpoints(lab).values()
    return {each["name"] for each in found if each["role"] == "container" and each["vlan"] == VLAN}


@pytest.fixture
def joined(lab: Lab) -> Iterator[Lab]:
    """Docker's bridge `lan0` on two hosts, joined; afterwards it is left, with containers still on it."""
    before = standing(lab)
    for number, host in enumerate(lab.hosts[:2], 1):
        part = ("--gateway", f"172.18.5.{number}", "--ip-range", f"172.18.5.{32 * number}/27")
        docker(
            host,
            "network",
            "create",
            "--subnet",
            "172.18.5.0/24",
            *part,
            "-o",
            "com.docker.network.bridge.name=lan0",
            "lan",
        )
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
