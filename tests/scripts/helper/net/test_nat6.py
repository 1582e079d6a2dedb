"""Out through a host in IPv6. Between hosts, with real containers: tests/hosts/docker/test_ipv6.py."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from ipaddress import IPv4Interface, IPv6Interface, IPv6Network
from pathlib import Path

import pytest

from app.wire import PublishedPort
from flows.model import Mac
from scripts.helper.net import plumb
from scripts.helper.net.forwarding import DEVICES6
from scripts.helper.net.nat import Nat
from scripts.helper.net.ports import Published
from tests.scripts.helper.conftest import Container, run

BLUE, GREEN, WORLD = (IPv6Network(f"fd00:{number}::/64") for number in (42, 43, 99))


def forwarding(device: str) -> str:
    return (DEVICES6 / device / "forwarding").read_text().strip()


@pytest.fixture
def routed(containers: Callable[[str], Container]) -> Iterator[dict[str, Container]]:
    """This host between three: blue, green and the outside, which knows no way back."""
    made = {}
    for number, (name, subnet) in enumerate({"blue": BLUE, "green": GREEN, "outside": WORLD}.items(), 2):
        made[name] = container = containers(f"10.9.{number}.2/24")
        host_end = f"nat-{name}"
        plumb.plug(
            container.netns,
            host_end,
            interface="eth0",
            mac=Mac.of(container.address.ip),
            address=container.address,
            mtu=1400,
            gateway=None,
            address6=IPv6Interface((subnet[2], 64)),
            gateway6=None if name == "outside" else subnet[1],
        )
        run("ip", "link", "set", host_end, "arp", "on")
        mac, own6 = Mac(0x02C7FFFF0000 + number), IPv6Interface((subnet[1], 64))
        plumb.address_device(host_end, [IPv4Interface(f"10.9.{number}.1/24")], mac, 1400, own6)
    yield made
    Nat().set([])
    for name in made:
        plumb.unplug(f"nat-{name}")


@pytest.fixture(params=["none", "drops"])
def engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """An engine with no ip6tables of its own, or what one that has them does: it drops what it does not know."""
    if request.param == "drops":
        for rule in ("-N DOCKER-USER", "-A DOCKER-USER -j RETURN", "-P FORWARD DROP", "-I FORWARD -j DOCKER-USER"):
            run("ip6tables", *rule.split())
    yield
    if request.param == "drops":
        for rule in ("-P FORWARD ACCEPT", "-F FORWARD", "-F DOCKER-USER", "-X DOCKER-USER"):
            run("ip6tables", *rule.split())


def reaches(container: Container, subnet: IPv6Network) -> bool:
    return " 0% packet loss" in container.run("ping", "-6", "-c1", "-W1", str(subnet[2]), check=False)


@pytest.mark.usefixtures("engine")
def test_subnet_reaches_the_outside_and_networks_stay_apart(routed: dict[str, Container]) -> None:
    blue = routed["blue"]
    assert "fd00:42::2/64" in blue.run("ip", "-6", "addr", "show", "eth0", "-tentative"), "usable at once"
    assert not reaches(blue, WORLD)
    nat = Nat()

    nat.set([BLUE, GREEN])

    assert reaches(blue, WORLD)
    assert not reaches(blue, GREEN)
    assert nat.stands()
    run("nft", "delete", "table", "ip6", "containet")
    assert not nat.stands()
    nat.set([])
    assert nat.stands()
    assert "containet" not in run("nft", "list", "ruleset")


@pytest.mark.parametrize("was", ["0", "1"])
def test_forwarding_is_put_back_and_devices_stay_as_they_were(was: str) -> None:
    Path(DEVICES6 / "all" / "forwarding").write_text(was)

    Nat().set([BLUE])
    Nat().set([BLUE, GREEN])

    assert (forwarding("all"), forwarding("lo")) == ("1", was)
    Nat().set([])
    assert (forwarding("all"), forwarding("lo")) == (was, was)


ANSWER = """import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", 53))
print(flush=True)
while True:
    _, asker = s.recvfrom(99)
    s.sendto({name!r}.encode(), asker)"""
ASK = """import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.settimeout(1)
s.connect(("{address}", 5353))
for _ in sys.stdin:
    try:
        s.send(b"who?")
        print(s.recv(99).decode(), flush=True)
    except OSError:
        print("nobody", flush=True)"""


def program(container: Container, text: str) -> "subprocess.Popen[str]":
    """A program in the container, that is spoken to."""
    words = ("nsenter", f"--net={container.netns}", sys.executable, "-c", text)
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def said(asking: "subprocess.Popen[str]") -> str:
    """The next answer in its stream."""
    assert asking.stdin
    assert asking.stdout
    asking.stdin.write("\n")
    asking.stdin.flush()
    return asking.stdout.readline().strip()


def test_a_stream_follows_the_port(routed: dict[str, Container]) -> None:
    port, nat = PublishedPort(protocol="udp", host_port=5353, port=53), Nat()
    nat.set([BLUE, GREEN])
    assert all(reaches(routed[name], WORLD) for name in ("blue", "green")), "this host knows them"
    programs = [program(routed[name], ANSWER.format(name=name)) for name in ("blue", "green")]
    for each in programs:
        assert each.stdout
        assert each.stdout.readline()
    asking = program(routed["outside"], ASK.format(address=WORLD[1]))
    try:
        assert said(asking) == "nobody"
        for name, subnet in (("blue", BLUE), ("green", GREEN)):
            nat.set([BLUE, GREEN], [Published(port, subnet[2])])
            assert said(asking) == name
        nat.set([BLUE, GREEN])
        assert said(asking) == "nobody"
    finally:
        for each in (*programs, asking):
            each.kill()
            each.communicate()
