"""Out through a host in IPv6. Between hosts, with real containers: tests/hosts/test_ipv6.py."""

from collections.abc import Callable, Iterator
from ipaddress import IPv4Interface, IPv6Interface, IPv6Network
from pathlib import Path

import pytest

from flows.model import Mac
from scripts.helper.net import plumb
from scripts.helper.net.nat6 import DEVICES, Nat6
from tests.scripts.helper.conftest import Container, run

BLUE, GREEN, WORLD = (IPv6Network(f"fd00:{number}::/64") for number in (42, 43, 99))


def forwarding(device: str) -> str:
    return (DEVICES / device / "forwarding").read_text().strip()


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
    Nat6().set([])
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
    nat = Nat6()

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
    Path(DEVICES / "all" / "forwarding").write_text(was)

    Nat6().set([BLUE])
    Nat6().set([BLUE, GREEN])

    assert (forwarding("all"), forwarding("lo")) == ("1", was)
    Nat6().set([])
    assert (forwarding("all"), forwarding("lo")) == (was, was)
