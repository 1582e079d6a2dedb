"""Out through a host, with and without an engine that drops what is forwarded."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from app.wire import PublishedPort
from flows.model import Mac
from scripts.helper.net import plumb
from scripts.helper.net.firewall import NatError
from scripts.helper.net.nat import Nat
from scripts.helper.net.ports import Published
from tests.scripts.helper.conftest import Container, run

FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
BLUE, GREEN = IPv4Network("10.9.0.0/24"), IPv4Network("10.8.0.0/24")
OUTSIDE = "198.51.100.2"


@pytest.fixture
def routed(containers: Callable[[str], Container]) -> Iterator[dict[str, Container]]:
    """This host between three: blue, green and the outside, which knows a way back to the host only."""
    made = {}
    for name, address in (("blue", "10.9.0.2/24"), ("green", "10.8.0.2/24"), ("outside", f"{OUTSIDE}/24")):
        made[name] = container = containers(address)
        host_end, gateway = f"nat-{name}", next(container.address.network.hosts())
        container.plug(host_end, gateway=None if name == "outside" else str(gateway))
        run("ip", "link", "set", host_end, "arp", "on")
        Path(f"/proc/sys/net/ipv4/conf/{host_end}/rp_filter").write_text("0")
        own = IPv4Interface(f"{gateway}/24")
        plumb.address_device(host_end, [own], Mac.of(IPv4Address(own.ip)), 1400)
    yield made
    Nat().set([])
    for name in made:
        plumb.unplug(f"nat-{name}")


def reaches(container: Container, address: str) -> bool:
    return " 0% packet loss" in container.run("ping", "-c1", "-W1", address, check=False)


@contextmanager
def listening(container: Container, port: int) -> Iterator[None]:
    """A program of the container's accepts connections there."""
    serve = f"import socket, time; s = socket.create_server(('', {port})); print(flush=True); time.sleep(30)"
    words = ("nsenter", f"--net={container.netns}", sys.executable, "-c", serve)
    with subprocess.Popen(words, stdout=subprocess.PIPE) as program:
        assert program.stdout
        assert program.stdout.readline(), "it listens"
        yield
        program.kill()


def connects(container: Container, address: str, port: int) -> bool:
    """Whether somebody accepts a connection from the container there."""
    ask = f"import socket; socket.create_connection(('{address}', {port}), 1); print('yes')"
    return container.run(sys.executable, "-c", ask, check=False) == "yes\n"


@pytest.fixture(params=["none", "drops"])
def engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """An engine with no iptables of its own, or what one that has them does: it drops what it does not know."""
    if request.param == "drops":
        for rule in ("-N DOCKER-USER", "-A DOCKER-USER -j RETURN", "-P FORWARD DROP", "-I FORWARD -j DOCKER-USER"):
            run("iptables", *rule.split())
    yield
    if request.param == "drops":
        for rule in ("-P FORWARD ACCEPT", "-F FORWARD", "-F DOCKER-USER", "-X DOCKER-USER"):
            run("iptables", *rule.split())


@pytest.mark.usefixtures("engine")
def test_subnet_reaches_the_outside_and_the_answers_come_back(routed: dict[str, Container]) -> None:
    assert not reaches(routed["blue"], OUTSIDE)
    Nat().set([BLUE])
    assert reaches(routed["blue"], OUTSIDE)
    before = run("nft", "list", "ruleset")
    Nat().set([BLUE])
    assert run("nft", "list", "ruleset").count("masquerade") == before.count("masquerade") > 0
    Nat().set([])
    assert not reaches(routed["blue"], OUTSIDE)
    assert "containet" not in run("nft", "list", "ruleset")


@pytest.mark.usefixtures("engine")
def test_a_published_port_leads_in_and_nothing_else_does(routed: dict[str, Container]) -> None:
    blue, outside = routed["blue"], routed["outside"]
    outside.run("ip", "route", "add", str(BLUE), "via", "198.51.100.1")
    port = PublishedPort(protocol="tcp", host_port=8080, port=80)
    Nat().set([BLUE], [Published(port, IPv4Address(blue.address.ip))])
    with listening(blue, 80):
        assert connects(outside, "198.51.100.1", 8080)
        assert not connects(outside, "198.51.100.1", 80)
        assert not connects(outside, str(blue.address.ip), 80)
        assert reaches(blue, OUTSIDE)
        Nat().set([BLUE])
        assert not connects(outside, "198.51.100.1", 8080)
    Nat().set([])
    assert "containet" not in run("nft", "list", "ruleset")


def test_two_networks_with_gateways_stay_apart(routed: dict[str, Container]) -> None:
    Nat().set([BLUE, GREEN])
    assert reaches(routed["green"], OUTSIDE)
    assert not reaches(routed["blue"], str(routed["green"].address.ip))


def test_it_knows_when_somebody_took_its_rules_away() -> None:
    nat = Nat()
    nat.set([BLUE])
    assert nat.stands()
    run("nft", "flush", "ruleset")
    assert not nat.stands()
    nat.set([])
    assert nat.stands()


@pytest.mark.parametrize("was", ["0", "1"])
def test_forwarding_is_put_back_by_whoever_comes_later(was: str) -> None:
    FORWARD.write_text(was)
    Nat().set([BLUE])
    Nat().set([BLUE, GREEN])
    assert FORWARD.read_text().strip() == "1"
    Nat().set([])
    assert FORWARD.read_text().strip() == was


def test_overlapping_subnets_are_no_trouble() -> None:
    Nat().set([BLUE, IPv4Network("10.9.0.0/16")])
    assert "10.9.0.0/16" in run("nft", "list", "table", "inet", "containet")
    Nat().set([])


def test_without_nftables_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "PATH", "/nonexistent")
    with pytest.raises(NatError, match="Install the package nftables"):
        Nat().set([BLUE])
