"""Namespaces plugged into a real bridge, and what is left when it cannot be."""

import socket
import subprocess
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface

import pytest

from flows.model import Mac
from scripts.helper.attached.endpoints import new_host_end
from scripts.helper.net import plumb
from scripts.helper.net.plumb import PlumbError
from scripts.helper.ovs.vswitch import Vswitch
from tests.scripts.helper.conftest import Container, Ovs, run, until

Make = Callable[[str], Container]


def devices() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def pings(container: Container, address: str, *options: str) -> bool:
    return " 0% packet loss" in container.run("ping", "-c1", "-W1", *options, address, check=False)


@pytest.fixture
def pair(vswitch: Vswitch, ovs: Ovs, containers: Make) -> tuple[Container, Container]:
    """Two containers on the bridge, which forwards everything."""
    ovs.ofctl("add-flow", "actions=NORMAL")
    a, b = containers("10.9.0.1/24"), containers("10.9.0.2/24")
    for container in (a, b):
        host_end = new_host_end()
        container.plug(host_end, gateway="10.9.0.9")
        vswitch.add_endpoint_port(host_end, f"netns:{container.name}/eth0")
    return a, b


def test_interface_is_there_with_all_that_was_said(pair: tuple[Container, Container]) -> None:
    a, _ = pair
    device = a.run("ip", "-d", "address", "show", "dev", "eth0")
    assert "link/ether 02:c7:0a:09:00:01" in device
    assert "inet 10.9.0.1/24" in device
    assert "mtu 1400" in device
    assert "default via 10.9.0.9 dev eth0" in a.run("ip", "route")
    assert plumb.interfaces(a.netns) == ("lo", "eth0")
    assert plumb.free_interface(a.netns) == "eth1"


def test_tcp_passes_the_userspace_datapath(pair: tuple[Container, Container]) -> None:
    """It does not where checksums are left to the device; ping does."""
    a, b = pair
    until(lambda: pings(a, "10.9.0.2"))
    assert "tx-checksumming: off" in a.run("ethtool", "-k", "eth0")
    server = subprocess.Popen(["nsenter", f"--net={b.netns}", "iperf3", "-s", "-1"], stdout=subprocess.DEVNULL)
    try:
        until(lambda: "receiver" in a.run("iperf3", "-c", "10.9.0.2", "-n", "1M", check=False))
    finally:
        server.kill()
        server.wait(5)


def test_host_is_not_reached_past_the_flows(pair: tuple[Container, Container], ovs: Ovs) -> None:
    """The kernel would answer ARP for any of its addresses, and IPv6, on the host's end of the veth."""
    a, _ = pair
    run("ip", "address", "add", "10.9.0.7/32", "dev", "lo")
    ovs.ofctl("del-flows")
    assert not pings(a, "10.9.0.7")
    assert "lladdr" not in a.run("ip", "neighbour", "show", "10.9.0.7")
    until(lambda: "tentative" not in a.run("ip", "-6", "address", "show", "dev", "eth0"))
    assert not pings(a, "ff02::1%eth0", "-6", "-L")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"interface": "lo"}, "“lo” in that container already"),
        ({"gateway": "192.0.2.1"}, "gateway “192.0.2.1” is not to be reached from “10.9.0.1/24”"),
        ({"mtu": 20}, "MTU 20.*Invalid argument"),
    ],
)
def test_what_fails_leaves_nothing(containers: Make, wrong: dict[str, object], words: str) -> None:
    a, host_end = containers("10.9.0.1/24"), new_host_end()
    with pytest.raises(PlumbError, match=words):
        a.plug(host_end, **wrong)  # type: ignore[arg-type]
    assert host_end not in devices()
    assert plumb.interfaces(a.netns) == ("lo",)


def test_second_default_route_is_refused(containers: Make) -> None:
    a, first, second = containers("10.9.0.1/24"), new_host_end(), new_host_end()
    a.plug(first, gateway="10.9.0.9")
    with pytest.raises(PlumbError, match="default route already"):
        a.plug(second, gateway="10.9.0.9", interface="eth1")
    assert second not in devices()
    assert plumb.interfaces(a.netns) == ("lo", "eth0")
    plumb.unplug(first)


def test_container_that_is_gone_is_said_so() -> None:
    with pytest.raises(PlumbError, match="Has its container stopped"):
        Container("ct-test-gone", IPv4Interface("10.9.0.1/24")).plug(new_host_end())


def test_unplug_twice(containers: Make) -> None:
    a, host_end = containers("10.9.0.1/24"), new_host_end()
    a.plug(host_end)
    plumb.unplug(host_end)
    plumb.unplug(host_end)
    assert plumb.interfaces(a.netns) == ("lo",)


def test_both_ends_get_the_mtu_and_the_host_end_is_never_the_smaller(containers: Make) -> None:
    a, host_end = containers("10.9.0.1/24"), new_host_end()
    a.plug(host_end, mtu=1400)
    for mtu in (1300, 1300, 1350):
        plumb.fit(a.netns, "eth0", host_end, mtu)
        assert f"mtu {mtu} " in a.run("ip", "link", "show", "eth0")
        assert f"mtu {mtu} " in run("ip", "link", "show", host_end)
    with pytest.raises(PlumbError, match=r"Giving “eth0” in .* the MTU 20 failed: Invalid argument"):
        plumb.fit(a.netns, "eth0", host_end, 20)
    assert "mtu 1350 " in run("ip", "link", "show", host_end)
    plumb.unplug(host_end)


def test_underlay_mtu_is_that_of_the_device_with_the_address() -> None:
    run("ip", "link", "add", "under0", "mtu", "1450", "type", "veth", "peer", "name", "under1")
    run("ip", "address", "add", "192.0.2.9/24", "dev", "under0")
    assert plumb.underlay(IPv4Address("192.0.2.9")).mtu == 1450
    with pytest.raises(PlumbError, match=r"No device of this host has the address “192.0.2.10”.*vtep"):
        plumb.underlay(IPv4Address("192.0.2.10"))


def test_linux_bridge_is_joined_by_a_pair_of_devices(vswitch: Vswitch, ovs: Ovs, containers: Make) -> None:
    ovs.ofctl("add-flow", "actions=NORMAL")
    run("ip", "link", "add", "docker7", "type", "bridge")
    run("ip", "link", "set", "docker7", "up")
    assert plumb.bridge_addresses("docker7")[1:] == (None, None)
    run("ip", "address", "add", "10.7.0.1/16", "dev", "docker7")
    run("ip", "address", "add", "2001:db8:7::9/64", "dev", "docker7", "nodad", "valid_lft", "60", "preferred_lft", "60")
    run("ip", "address", "add", "fd00:7::1/64", "dev", "docker7", "nodad")
    mac, address, address6 = plumb.bridge_addresses("docker7")
    assert str(mac) in run("ip", "link", "show", "docker7")
    assert address == IPv4Interface("10.7.0.1/16")
    assert address6 == IPv6Interface("fd00:7::1/64"), "not the one that is there for a time"

    inner, outer, behind = new_host_end(), new_host_end(), new_host_end()
    plumb.veth(inner, outer, 1400)
    assert plumb.bridge_of(inner) is None
    plumb.bridge_port("docker7", inner)
    assert plumb.bridge_of(inner) == "docker7"
    vswitch.add_port(outer, {"containet-join": "docker7"})
    near, far = containers("10.7.0.2/16"), containers("10.7.0.3/16")
    near.plug(behind)
    plumb.bridge_port("docker7", behind)
    straight = new_host_end()
    far.plug(straight)
    vswitch.add_endpoint_port(straight, f"netns:{far.name}/eth0")

    until(lambda: pings(near, "10.7.0.3"))
    assert vswitch.ports()[outer].join == "docker7"


def test_what_is_no_linux_bridge_is_not_joined() -> None:
    with pytest.raises(PlumbError, match="“lo” is not a Linux bridge"):
        plumb.bridge_addresses("lo")
    with pytest.raises(PlumbError, match="no device “docker9”"):
        plumb.bridge_port("docker9", "lo")


def test_gateway_device_has_one_address_only() -> None:
    run("ip", "link", "add", "gate0", "type", "veth", "peer", "name", "gate1")
    mac = Mac.parse("02:c7:00:00:00:07")
    for text in ("10.6.0.1/24", "10.6.0.2/24", "10.6.0.2/24"):
        plumb.address_device("gate0", [IPv4Interface(text)], mac, 1300)
    shown = run("ip", "-4", "-o", "address", "show", "dev", "gate0")
    assert "10.6.0.2/24" in shown
    assert shown.count("inet ") == 1
    link = run("ip", "link", "show", "dev", "gate0")
    assert "mtu 1300" in link
    assert str(mac) in link
    assert "UP" in link
