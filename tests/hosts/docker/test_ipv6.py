"""IPv6 beside IPv4: a dual-stack network of Docker's on two hosts, and containers that were connected with both."""

import re
from collections.abc import Iterator
from ipaddress import IPv6Address

import pytest

from scripts.lab import Lab, Machine
from scripts.lab.measure import Box, start_box
from tests.hosts.docker.test_names import asks
from tests.hosts.docker.test_network import MAKE, SUBNET, docker, inspected, refused, remembered, run, up
from tests.hosts.docker.test_ports import asked, asking_of, follows, serve
from tests.hosts.people import connect, containet, endpoints, flows, in_network_of, meters, soon

SUBNET6 = "fd00:42::/64"
BLUE = (*MAKE, "--ipv6", "--subnet", SUBNET, "--subnet", SUBNET6, "-o", "vlan=10", "blue")
WORLD6 = "2001:db8:ff::1"
FORWARDING = "/proc/sys/net/ipv6/conf/all/forwarding"


@pytest.fixture
def blue(lab: Lab) -> Iterator[Lab]:
    """The network, on both hosts; afterwards nothing of it is left."""
    hosts = (lab["h1"], lab["h2"])
    clean = {host.name: (flows(host), meters(host), routing(host)) for host in hosts}
    for host in hosts:
        docker(host, *BLUE)
    yield lab
    for host in hosts:
        if boxes := docker(host, "ps", "--all", "--quiet").split():
            docker(host, "rm", "--force", *boxes)
        docker(host, "network", "rm", "blue")
    for host in hosts:
        soon(lambda host=host: remembered(host) == [], "no record of Docker's is left")
        soon(lambda host=host: (flows(host), meters(host), routing(host)) == clean[host.name], "nothing is left")


@pytest.fixture
def world(lab: Lab) -> Iterator[str]:
    """An outside that h1 has a default route to, and that knows no way to any container."""
    outside, host = lab["outside"], lab["h1"]
    here = (
        (outside, "addr", "2001:db8::fd/64", "eth0"),
        (outside, "addr", f"{WORLD6}/128", "lo"),
        (host, "addr", "2001:db8::1/64", "br-phy"),
        (host, "addr", "2001:db8::2/64", "br-phy"),
    )
    for machine, what, value, device in here:
        machine.exec("ip", "-6", what, "add", value, "dev", device, "nodad")
    host.exec("ip", "-6", "route", "add", "default", "via", "2001:db8::fd")
    yield WORLD6
    host.exec("ip", "-6", "route", "del", "default", check=False)
    for machine, what, value, device in here:
        machine.exec("ip", "-6", what, "del", value, "dev", device)


def routing(host: Machine) -> tuple[str, str]:
    """Whether the host forwards, and what is translated."""
    return host.exec("cat", FORWARDING).stdout, host.exec("nft", "list", "ruleset").stdout


def reaches6(box: Box, address: str, *options: str) -> bool:
    """Whether one echo request of two is answered."""
    said = in_network_of(box, "ping", "-6", "-c2", "-i0.2", "-W1", *options, address, check=False)
    return bool(re.search(r"[12] received", said))


def test_a_dual_stack_network_on_two_hosts(blue: Lab) -> None:
    web1, web2 = run(blue["h1"], "web1", "--ip6", "fd00:42::100"), run(blue["h2"], "web2")
    up(blue, "web1", "web2")
    said = inspected(web2)

    assert inspected(web1)["GlobalIPv6Address"] == "fd00:42::100"
    assert said["GlobalIPv6PrefixLen"] == 64
    assert said["IPv6Gateway"] == "fd00:42::1"
    assert reaches6(web1, said["GlobalIPv6Address"])
    assert reaches6(web2, "fd00:42::100")
    assert reaches6(web1, "fd00:42::1"), "its gateway"
    listed = endpoints(blue)
    assert listed["web1:eth0"]["address6"] == "fd00:42::100/64"
    assert "fd00:42::100/64" in containet(web1.host, "endpoints")
    assert "fd00:42::/64" in containet(web1.host, "networks")


def test_a_port_of_one_address_leads_there_until_its_container_goes(blue: Lab, world: str) -> None:  # noqa: ARG001
    outside, host = blue["outside"], blue["h1"]
    web1 = serve(run(host, "web1", "--hostname", "web1", "-p", "[2001:db8::1]:8080:80"))
    up(blue, "web1")
    port = "[2001:db8::1]:8080->80/tcp"

    soon(lambda: asked(outside, "2001:db8::1", 8080) == "web1", "it is reached there")
    assert asked(host, "2001:db8::1", 8080) == "web1", "by the host itself too"
    assert asked(outside, "2001:db8::2", 8080) == "", "not at another address of the host"
    assert asked(outside, blue.plan.address("h1"), 8080) == ""
    soon(lambda: endpoints(blue)["web1:eth0"]["ports"] == [port], "the controller knows it")
    assert port in containet(host, "endpoints")
    run(host, "web2", "-p", "[2001:db8::2]:8080:80", "-p", f"{blue.plan.address('h1')}:8080:80")
    why = refused(host, "run", "--network", "blue", "--name", "web3", "-p", "8080:80", "lab", "true")
    assert "cannot be published: web" in why

    docker(host, "rm", "--force", web1.name)
    soon(lambda: "2001:db8::1 " not in host.exec("nft", "list", "ruleset").stdout, "no rule of it is left")
    assert asked(outside, "2001:db8::1", 8080) == ""
    assert port not in containet(host, "endpoints")


def test_a_port_that_another_network_leads_to_stops_no_container(lab: Lab, world: str) -> None:  # noqa: ARG001
    """Docker asks the networks of a container in any order whether they publish its ports."""
    host = lab["h1"]
    docker(host, "network", "create", "--ipv6", "--subnet", "172.18.5.0/24", "--subnet", "fd00:5::/64", "lan")
    docker(host, *MAKE, "--subnet", SUBNET, "-o", "vlan=10", "blue")
    words = ("--name", "web1", "--network", "lan", "-p", "[2001:db8::1]:8080:80", "lab", "sleep", "100000")
    docker(host, "run", "--detach", *words)
    web1 = Box(host, "web1")
    docker(host, "network", "connect", "blue", "web1")
    try:
        for _ in range(5):
            docker(host, "restart", "--time=0", "web1")
            up(lab, "web1")
            serve(web1)
            soon(lambda: asked(host, "2001:db8::1", 8080) != "", "it is reached there")
    finally:
        docker(host, "rm", "--force", "web1")
        docker(host, "network", "rm", "blue", "lan")


def test_a_stream_follows_the_port(blue: Lab, world: str) -> None:  # noqa: ARG001
    with asking_of(blue["outside"], "2001:db8::1") as answered:
        follows(blue, answered, "--ip6", "fd00:42::11", "fd00:42::12")


def test_a_name_leads_to_the_address_on_another_host(blue: Lab) -> None:
    web1, _ = run(blue["h1"], "web1"), run(blue["h2"], "web2", "--ip6", "fd00:42::100")
    up(blue, "web1", "web2")

    soon(lambda: "Address: fd00:42::100\n" in asks(web1, "web2", "aaaa"), "web2 is found")


def test_docker_may_give_the_addresses_itself_but_not_what_another_host_has(lab: Lab) -> None:
    words = ("network", "create", "-d", "containet", "--ipv6", "--subnet", SUBNET, "--subnet", SUBNET6, "-o", "vlan=10")
    for name in ("h1", "h2"):
        docker(lab[name], *words, "blue")
    run(lab["h1"], "web1", "--ip", "172.15.42.5", "--ip6", "fd00:42::5")
    up(lab, "web1")

    taken = ("run", "--network", "blue", "--ip", "172.15.42.6", "--ip6", "fd00:42::5", "lab", "true")
    assert "the address fd00:42::5 in the network blue" in refused(lab["h2"], *taken)


def test_all_of_it_is_there_again_when_open_vswitch_and_the_helper_are(blue: Lab) -> None:
    web1, web2 = run(blue["h1"], "web1", "--ip6", "fd00:42::7"), run(blue["h2"], "web2")
    up(blue, "web1", "web2")

    for role in ("helper", "ovs-vswitchd"):
        blue["h1"].kill(role)
    for role in ("ovs-vswitchd", "helper"):
        blue.start("h1", role)

    soon(lambda: reaches6(web1, "fd00:42::1"), "its gateway")
    soon(lambda: reaches6(web2, "fd00:42::7"), "who is far")


def test_a_solicitation_is_answered_in_the_switch(blue: Lab) -> None:
    web1, web2 = run(blue["h1"], "web1"), run(blue["h1"], "web2", "--ip6", "fd00:42::100")
    up(blue, "web1", "web2")
    heard = solicitations(web2)

    assert reaches6(web1, "fd00:42::100")

    neighbour = in_network_of(web1, "ip", "-6", "neigh", "show", "fd00:42::100")
    assert inspected(web2)["MacAddress"] in neighbour
    assert "REACHABLE" in neighbour, "as one who was asked, and answered"
    assert reaches6(web1, "fd00:42::1")
    assert "router" in in_network_of(web1, "ip", "-6", "neigh", "show", "fd00:42::1")
    assert solicitations(web2) == heard, "who was asked for heard nothing of it"


def solicitations(box: Box) -> str:
    """How many the container has heard."""
    return in_network_of(box, "grep", "Icmp6InNeighborSolicits", "/proc/self/net/snmp6")


def test_another_vlan_is_another_world_and_nobody_speaks_for_another(lab: Lab) -> None:
    web1, web2, db1 = (start_box(lab[host], name) for host, name in (("h1", "web1"), ("h2", "web2"), ("h2", "db1")))
    for box, number, vlan in ((web1, 1, "10"), (web2, 2, "10"), (db1, 3, "20")):
        connect(box, f"172.15.42.{number}/24", "--address6", f"fd00:42::{number}/64", "--vlan", vlan)

    assert reaches6(web1, "fd00:42::2")
    assert not reaches6(web1, "fd00:42::3")
    in_network_of(web1, "ip", "-6", "addr", "add", "fd00:42::9/64", "dev", "eth0", "nodad")
    assert not reaches6(web1, "fd00:42::2", "-I", "fd00:42::9")
    in_network_of(web1, "ip", "-6", "addr", "del", "fd00:42::9/64", "dev", "eth0")
    assert reaches6(web1, "fd00:42::2")
    containet(db1.host, "move", "db1", "--vlan", "10")
    soon(lambda: reaches6(web1, "fd00:42::3"), "it came into the same network")


def test_the_address_outlives_a_restart(lab: Lab) -> None:
    web1, web2 = start_box(lab["h1"], "web1"), start_box(lab["h2"], "web2")
    for box, number in ((web1, 1), (web2, 2)):
        connect(box, f"172.15.42.{number}/24", "--address6", f"fd00:42::{number}/64")

    docker(web2.host, "restart", "--time", "0", "web2")

    soon(lambda: reaches6(web1, "fd00:42::2"), "it is reached again")


def test_who_is_in_a_network_with_a_gateway_reaches_the_world(blue: Lab, world: str) -> None:
    web1 = serve(run(blue["h1"], "web1", "--hostname", "web1", "-p", "8080:80"))
    up(blue, "web1")
    inner = inspected(web1)["GlobalIPv6Address"]

    soon(lambda: reaches6(web1, world), "the world answers")
    assert asked(blue["outside"], "2001:db8::1", 8080) == "web1", "a published port"
    blue["outside"].exec("ip", "-6", "route", "add", SUBNET6, "via", "2001:db8::1")
    try:
        assert asked(blue["outside"], inner, 80) == "", "not past the published port, whoever knows a way"
    finally:
        blue["outside"].exec("ip", "-6", "route", "del", SUBNET6)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((*MAKE, "--ipv6", "--subnet", "10.9.0.0/24", "-o", "vlan=11", "red"), "say which IPv6 addresses"),
        (("run", "--network", "blue", "--ip6", "fd00:43::1", "lab", "true"), "fd00:43::1"),
        (("run", "--network", "blue", "-p", "[2001:db8::9]:80:80", "lab", "true"), "2001:db8::9 is no address of this"),
        (("run", "--network", "blue", "-p", "[::1]:80:80", "lab", "true"), "on addresses that others reach"),
        (("run", "--network", "blue", "--ip6", "fd00:42::100", "lab", "true"), "fd00:42::100 is in use"),
        (("run", "--network", "blue", "--ip6", "fd00:42::1", "lab", "true"), "is the gateway"),
        (
            (*MAKE, "--ipv6", "--subnet", "10.9.0.0/24", "--subnet", "fd00:42::/48", "-o", "vlan=11", "red"),
            "overlaps fd00:42::/48",
        ),
    ],
)
def test_the_person_at_the_command_line_reads_why_not(blue: Lab, words: tuple[str, ...], why: str) -> None:
    run(blue["h1"], "web1", "--ip6", "fd00:42::100")
    up(blue, "web1")

    assert why in refused(blue["h1"], *words)


@pytest.mark.parametrize(
    ("address6", "why"),
    [
        ("fd00:42::1/64", "fd00:42::1 in the network"),
        ("fe80::7/64", "cannot be a container's address"),
        ("fd00:42::/64", "that of all routers"),
        ("172.15.42.9/24", "is not an IPv6 address"),
        ("fd00:42::7", "has no prefix"),
    ],
)
def test_connect_says_why_not(lab: Lab, address6: str, why: str) -> None:
    web1, web2 = start_box(lab["h1"], "web1"), start_box(lab["h2"], "web2")
    connect(web1, "172.15.42.1/24", "--address6", "fd00:42::1/64")

    assert why in containet(web2.host, "connect", "web2", "172.15.42.2/24", "--address6", address6, code=1)


def test_labels_say_both(lab: Lab) -> None:
    labels = ("--label", "containet.address=172.15.42.7/24", "--label", "containet.address6=fd00:42::7/64")
    docker(lab["h1"], "run", "--detach", "--net=none", "--name", "web1", *labels, "lab", "sleep", "100000")

    soon(lambda: "web1:eth0" in endpoints(lab), "it is connected")
    assert endpoints(lab)["web1:eth0"]["address6"] == str(IPv6Address("fd00:42::7")) + "/64"


def test_an_address_that_another_container_had_is_found_at_once(blue: Lab) -> None:
    web1, web2 = run(blue["h1"], "web1", "--ip6", "fd00:42::77"), run(blue["h2"], "web2")
    up(blue, "web1", "web2")
    assert reaches6(web2, "fd00:42::77")
    before = inspected(web1)

    docker(blue["h1"], "rm", "--force", "web1")
    web3 = run(blue["h1"], "web3", "--ip", "172.15.42.99", "--ip6", "fd00:42::77")
    up(blue, "web3")

    assert inspected(web3)["MacAddress"] != before["MacAddress"]
    assert reaches6(web2, "fd00:42::77"), "though its MAC is another one than that which web2 knows"
