"""Containers come and go: what `connect` gives, what `disconnect` takes, and that a refusal leaves nothing."""

import pytest

from flows.model import Tunnel
from scripts.lab import Lab
from scripts.lab.measure import Box, ping, reaches, start_box
from scripts.lab.plan import UNDERLAY_MTU
from scripts.lab.udp import echo
from tests.hosts.people import (
    connect,
    containet,
    devices,
    endpoints,
    has_interface,
    in_network_of,
    interface,
    soon,
    standing,
)

ICMP = 28  # bytes of IPv4 and ICMP header before what a ping carries


@pytest.mark.hosts(3)
def test_containers_on_three_hosts_reach_each_other(lab: Lab) -> None:
    boxes = [start_box(host, f"web{n}") for n, host in enumerate(lab.hosts[:3], start=1)]
    for n, box in enumerate(boxes, start=1):
        assert f"web{n} eth0 is 172.15.42.{n}/24 in default (vlan 1) on h{n}" in connect(box, f"172.15.42.{n}/24")

    for box in boxes:
        for n, other in enumerate(boxes, start=1):
            assert other is box or reaches(box, f"172.15.42.{n}"), f"{box.name} does not reach {other.name}"


@pytest.mark.hosts(2)
def test_nothing_is_lost_of_what_a_container_says_first(lab: Lab) -> None:
    """It asks for a MAC before all else; if that is lost, the kernel asks again after a second."""
    web1, web2 = start_box(lab["h1"], "web1"), start_box(lab["h2"], "web2")
    connect(web2, "172.15.42.2/24", "--vlan", "10")
    for _ in range(5):
        with echo(web1, "172.15.42.2", again=False) as asking:
            asking.begin()
            connect(web1, "172.15.42.1/24", "--vlan", "10")
            assert asking.questions() == 1
        containet(web1.host, "disconnect", web1.name)


@pytest.mark.parametrize(
    "tunnel", [pytest.param(tunnel, marks=pytest.mark.hosts(2, tunnel=tunnel.value)) for tunnel in Tunnel]
)
def test_the_largest_packet_fits_through_the_tunnel(lab: Lab, tunnel: Tunnel) -> None:
    web1, web2 = start_box(lab["h1"], "web1"), start_box(lab["h2"], "web2")
    connect(web1, "172.15.42.1/24")
    connect(web2, "172.15.42.2/24")

    mtu = interface(web1)["mtu"]

    assert mtu == interface(web2)["mtu"] == UNDERLAY_MTU - tunnel.overhead
    assert reaches(web1, "172.15.42.2")
    unbroken = ["ping", "-M", "do", "-c", "3", "-i", "0.2", "-W", "1", "-s", str(mtu - ICMP), "172.15.42.2"]
    assert "3 received" in in_network_of(web1, *unbroken, check=False)


def test_connecting_again_is_no_error_and_otherwise_is_refused(lab: Lab) -> None:
    web1 = start_box(lab["h1"], "web1")
    connect(web1, "172.15.42.1/24", "--vlan", "10", "--up", "10mbit")
    before = standing(lab)

    assert "connected so already" in connect(web1, "172.15.42.1/24", "--vlan", "10", "--up", "10mbit")
    for words, difference in (
        (
            ("172.15.42.9/24", "--vlan", "10", "--up", "10mbit"),
            "address is 172.15.42.1/24, asked for is 172.15.42.9/24",
        ),
        (("172.15.42.1/24", "--vlan", "20", "--up", "10mbit"), "vlan is 10, asked for is 20"),
        (("172.15.42.1/24", "--vlan", "10", "--up", "20mbit"), "up is 10mbit, asked for is 20mbit"),
    ):
        assert difference in connect(web1, *words, code=1)

    assert standing(lab) == before


def test_disconnect_leaves_nothing_and_the_address_is_free(lab: Lab) -> None:
    before = standing(lab)
    web1, web2 = start_box(lab["h1"], "web1"), start_box(lab["h2"], "web2")
    connect(web1, "172.15.42.1/24", "--up", "10mbit")

    assert "disconnected: web1:eth0" in containet(lab["h1"], "disconnect", "web1")

    assert not has_interface(web1)
    assert standing(lab) == before
    assert "“web1” is not connected on this host" in containet(lab["h1"], "disconnect", "web1", code=1)
    connect(web2, "172.15.42.1/24")


def test_a_removed_container_leaves_nothing(lab: Lab) -> None:
    before = standing(lab)
    for host, name, address in (("h1", "web1", "172.15.42.1/24"), ("h2", "web2", "172.15.42.2/24")):
        connect(start_box(lab[host], name), address, "--up", "10mbit", "--down", "10mbit")

    for host, name in (("h1", "web1"), ("h2", "web2")):
        lab[host].exec("docker", "rm", "--force", name)

    soon(lambda: standing(lab) == before, "everything is as it was before the containers came")


def test_two_interfaces_of_one_container(lab: Lab) -> None:
    web1, db1 = start_box(lab["h1"], "web1"), start_box(lab["h2"], "db1")
    connect(web1, "172.15.42.1/24")
    connect(web1, "10.9.0.1/24", "--interface", "eth1", "--vlan", "20")
    connect(db1, "10.9.0.2/24", "--vlan", "20")

    assert reaches(web1, "10.9.0.2")
    assert set(endpoints(lab)) == {"web1:eth0", "web1:eth1", "db1:eth0"}
    containet(lab["h1"], "disconnect", "web1", "--interface", "eth1")
    assert set(endpoints(lab)) == {"web1:eth0", "db1:eth0"}
    assert has_interface(web1, "eth0")
    assert not has_interface(web1, "eth1")


def test_a_renamed_container_is_known_by_its_new_name(lab: Lab) -> None:
    web1 = start_box(lab["h1"], "web1")
    connect(web1, "172.15.42.1/24")
    before = interface(web1)

    lab["h1"].exec("docker", "rename", "web1", "shop")

    soon(lambda: set(endpoints(lab)) == {"shop:eth0"}, "the endpoint is called shop")
    assert interface(Box(lab["h1"], "shop")) == before
    assert "disconnected: shop:eth0" in containet(lab["h1"], "disconnect", "shop")


def test_a_network_namespace_is_an_endpoint_until_it_is_deleted(lab: Lab) -> None:
    before = standing(lab)
    probe, web2 = lab["h1"], start_box(lab["h2"], "web2")
    probe.exec("ip", "netns", "add", "probe")
    containet(probe, "connect", "netns:probe", "172.15.42.7/24", "--interface", "eth1")
    connect(web2, "172.15.42.2/24")

    assert reaches(web2, "172.15.42.7")
    assert "probe eth1 is 172.15.42.7/24" in containet(
        probe, "connect", "netns:probe", "172.15.42.7/24", "--interface", "eth1"
    )

    probe.exec("ip", "netns", "delete", "probe")
    soon(lambda: "probe:eth1" not in endpoints(lab), "the endpoint of the namespace goes with it")
    containet(lab["h2"], "disconnect", "web2")
    soon(lambda: standing(lab) == before, "nothing of the namespace is left")


def test_ipv6_neighbours_find_each_other_across_hosts(lab: Lab) -> None:
    """Link-local addresses by neighbour discovery, as on a LAN; and not those of another VLAN."""
    for host, name, vlan in (("h1", "one", "10"), ("h2", "two", "10"), ("h2", "three", "20")):
        lab[host].exec("ip", "netns", "add", name)
        address = {"one": "172.15.42.1/24", "two": "172.15.42.2/24", "three": "172.15.42.3/24"}[name]
        containet(lab[host], "connect", f"netns:{name}", address, "--vlan", vlan)

    def answered(to: str) -> bool:
        said = lab["h2"].exec("ip", "netns", "exec", to, "ip", "-6", "-oneline", "address", "show", "eth0").stdout
        address = next(word.split("/")[0] for word in said.split() if word.startswith("fe80:"))
        asked = ["ip", "netns", "exec", "one", "ping", "-6", "-c", "3", "-i", "0.2", "-W", "1", f"{address}%eth0"]
        return lab["h1"].exec(*asked, check=False).returncode == 0

    soon(lambda: answered("two"), "duplicate address detection ends, and the neighbour answers")
    assert not answered("three")


def test_what_cannot_be_attached_leaves_nothing(lab: Lab) -> None:
    web1, web2 = start_box(lab["h1"], "web1"), start_box(lab["h2"], "web2")
    stopped = start_box(lab["h1"], "stopped")
    lab["h1"].exec("docker", "stop", "--time=0", "stopped")
    in_network_of(web2, "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "taken")
    connect(web1, "172.15.42.1/24", "--vlan", "10")
    before, outside = standing(lab), devices(lab["h2"])

    assert "172.15.42.1" in connect(web2, "172.15.42.1/24", "--vlan", "10", "--interface", "eth1", code=1)
    assert "There is no container “nobody”" in containet(lab["h2"], "connect", "nobody", "172.15.42.9/24", code=1)
    assert "does not run" in connect(stopped, "172.15.42.9/24", code=1)
    assert "eth0" in connect(web2, "172.15.42.9/24", "--interface", "eth0", code=1)
    assert "There is no network namespace “nowhere”" in containet(
        lab["h1"], "connect", "netns:nowhere", "172.15.42.9/24", code=1
    )

    assert standing(lab) == before
    assert devices(lab["h2"]) == outside
    assert "eth1 is 172.15.42.1/24 in vlan20" in connect(web2, "172.15.42.1/24", "--vlan", "20")


def test_wait_ends_when_the_container_is_connected(lab: Lab) -> None:
    web1 = start_box(lab["h1"], "web1")

    assert "web1 is not connected" in containet(lab["h1"], "wait", "web1", "--timeout", "0.2", code=3)
    lab["h1"].exec("sh", "-c", "containet connect web1 172.15.42.1/24 >/dev/null &")
    assert "web1 is connected" in containet(lab["h1"], "wait", "web1", "--timeout", "10")
    assert ping(web1, "172.15.42.1").received
