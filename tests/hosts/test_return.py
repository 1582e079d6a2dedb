"""What goes and comes back: containers, helpers, engines, switches, the controller. Nobody connects anything twice."""

import random
from collections.abc import Callable
from functools import partial
from signal import Signals

import pytest

from scripts.lab import Lab
from scripts.lab.measure import Box, reaches, start_box
from tests.hosts.people import (
    SOON_S,
    connect,
    containet,
    endpoints,
    flows,
    has_interface,
    interface,
    shaped,
    soon,
    standing,
)


@pytest.fixture
def pair(lab: Lab) -> tuple[Box, Box]:
    """Two containers of one VLAN on two hosts, the first with rates."""
    web1, web2 = start_box(lab["h1"], "web1"), start_box(lab["h2"], "web2")
    connect(web1, "172.15.42.1/24", "--vlan", "10", "--up", "10mbit", "--down", "20mbit")
    connect(web2, "172.15.42.2/24", "--vlan", "10")
    assert reaches(web1, "172.15.42.2")
    return web1, web2


def back(box: Box, address: str) -> None:
    """The container has its interface again and reaches this address."""
    soon(lambda: has_interface(box), f"{box.name} has its interface back")
    containet(box.host, "wait", box.name, "--timeout", str(SOON_S))
    soon(lambda: reaches(box, address), f"{box.name} reaches {address} again")


def restart(box: Box) -> None:
    box.host.exec("docker", "restart", "--time=0", box.name)


def kill_and_start(box: Box) -> None:
    box.host.exec("docker", "kill", box.name)
    soon(lambda: not ports(box), "the endpoint goes with the container")
    box.host.exec("docker", "start", box.name)


def ports(box: Box) -> list[str]:
    """The ports of the container's host that are there for a container."""
    said = box.host.exec("ovs-vsctl", "--bare", "--columns=name", "find", "Port", "external_ids:containet-endpoint!=''")
    return said.stdout.split()


@pytest.mark.parametrize("again", [restart, kill_and_start])
def test_a_container_that_starts_again_gets_everything_back(
    lab: Lab, pair: tuple[Box, Box], again: Callable[[Box], None]
) -> None:
    web1, web2 = pair
    before, known, ruled = interface(web1), endpoints(lab)["web1:eth0"], len(flows(lab["h1"]))

    again(web1)
    back(web1, "172.15.42.2")

    now, again_known = interface(web1), endpoints(lab)["web1:eth0"]
    assert [now[what] for what in ("mac", "address", "mtu")] == [before[what] for what in ("mac", "address", "mtu")]
    assert {**again_known, "ofport": None} == {**known, "ofport": None}
    assert (again_known["up"], again_known["down"], again_known["vlan"]) == ("10mbit", "20mbit", 10)
    assert len(flows(lab["h1"])) == ruled
    assert shaped(web1) == "10Mbit"
    assert len(ports(web1)) == 1
    assert reaches(web2, "172.15.42.1")


def test_what_a_policy_gave_is_back_after_a_restart(lab: Lab, pair: tuple[Box, Box]) -> None:
    web1, _ = pair
    containet(lab["h1"], "move", "web1", "web2", "--vlan", "30")
    containet(lab["h1"], "limit", "web1", "--up", "5mbit")

    restart(web1)
    back(web1, "172.15.42.2")

    known = endpoints(lab)["web1:eth0"]
    assert (known["vlan"], known["up"], known["down"]) == (30, "5mbit", "20mbit")
    assert shaped(web1) == "5Mbit"


def test_a_helper_that_is_killed_loses_nothing(lab: Lab, pair: tuple[Box, Box]) -> None:
    web1, _ = pair
    before = standing(lab)

    lab["h1"].kill("helper")
    assert reaches(web1, "172.15.42.2")
    soon(lambda: lab.ask("/v1/hosts")[1][0]["helper"] == "away", "the controller sees that the helper is away")
    lab.start("h1", "helper")

    soon(lambda: lab.ask("/v1/hosts")[1][0]["helper"] == "connected", "the helper is back")
    soon(lambda: standing(lab) == before, "all is as it was")
    assert reaches(web1, "172.15.42.2")


def test_what_happened_while_the_helper_was_away_is_put_right(lab: Lab, pair: tuple[Box, Box]) -> None:
    web1, web2 = pair

    lab["h1"].kill("helper")
    lab["h1"].exec("docker", "rm", "--force", "web1")
    lab["h2"].kill("helper")
    restart(web2)
    for host in ("h1", "h2"):
        lab.start(host, "helper")

    soon(lambda: set(endpoints(lab)) == {"web2:eth0"}, "the removed container is forgotten")
    soon(lambda: has_interface(web2), "the restarted one is plugged")
    assert ports(web1) == []


def test_an_engine_that_is_killed_takes_no_network_along(lab: Lab, pair: tuple[Box, Box]) -> None:
    web1, _ = pair
    before = interface(web1)

    lab["h1"].kill("dockerd")
    lab["h1"].exec("ip", "netns", "add", "probe")
    containet(lab["h1"], "connect", "netns:probe", "172.15.42.7/24", "--vlan", "10")
    assert "Docker does not answer" in containet(lab["h1"], "connect", "web9", "172.15.42.9/24", code=4)
    lab.start("h1", "dockerd")

    assert interface(web1) == before
    assert reaches(web1, "172.15.42.7")
    restart(web1)
    back(web1, "172.15.42.2")


def test_connecting_without_a_controller_holds_when_it_comes(lab: Lab, pair: tuple[Box, Box]) -> None:
    web1, _ = pair
    db1 = start_box(lab["h2"], "db1")
    lab.controller.stop("controller")
    try:
        said = connect(db1, "172.15.42.3/24", "--vlan", "10", code=3)
        assert "h2" in said
        assert "controller" in said
        assert "needs its prefix" in containet(lab["h1"], "connect", "web1", "172.15.42.9", "--interface=eth1", code=1)
        assert "cannot be reached" in containet(lab["h1"], "endpoints", code=4)
        assert reaches(web1, "172.15.42.2")
    finally:
        lab.start("controller", "controller")

    containet(lab["h2"], "wait", "db1", "--timeout", str(SOON_S))
    assert reaches(db1, "172.15.42.1")


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_of_starting_does_not_matter(lab: Lab, pair: tuple[Box, Box], seed: int) -> None:
    """Everything is killed but the containers, and started in any order that is possible at all."""
    web1, web2 = pair
    for host in lab.hosts:
        for role in ("helper", "dockerd", "ovs-vswitchd"):
            host.kill(role)
    lab.controller.kill("controller")

    order = [(host.name, role) for host in lab.hosts for role in ("helper", "dockerd", "ovs-vswitchd")]
    order.append(("controller", "controller"))
    random.Random(seed).shuffle(order)  # noqa: S311 - no secret
    for machine, role in order:
        lab.start(machine, role)

    for box, address in ((web1, "172.15.42.2"), (web2, "172.15.42.1")):
        containet(box.host, "wait", box.name, "--timeout", str(SOON_S))
        soon(partial(reaches, box, address), f"{box.name} reaches {address}")
    assert {found["state"] for found in endpoints(lab).values()} == {"up"}


def test_a_frozen_helper_is_away_and_comes_back(lab: Lab, pair: tuple[Box, Box]) -> None:
    web1, web2 = pair
    lab["h1"].send("helper", Signals.SIGSTOP)
    try:
        assert "h1" in containet(lab["h2"], "limit", "web1", "--up", "1mbit", code=3)
        assert reaches(web2, "172.15.42.1")
    finally:
        lab["h1"].thaw("helper")

    soon(lambda: shaped(web1) == "1Mbit", "the helper catches up")
