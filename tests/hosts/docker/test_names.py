"""Containers find each other by name on all hosts of their network, and others by the host's own servers."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from scripts.lab import Lab, Machine
from scripts.lab.measure import Box, start_box
from scripts.lab.plan import OUTSIDE
from tests.hosts.people import connect, containet, flows, in_network_of, soon

MAKE = ("docker", "network", "create", "-d", "containet", "--ipam-driver", "containet")
NETWORKS = {
    "blue": ("--subnet", "172.15.42.0/24", "-o", "vlan=10"),
    "red": ("--subnet", "172.15.43.0/24", "-o", "vlan=20"),
    "shut": ("--subnet", "172.15.44.0/24", "-o", "vlan=30", "--ipam-opt", "vlan=30", "--internal"),
    "twin": ("--subnet", "172.15.44.0/24", "-o", "vlan=50", "--ipam-opt", "vlan=50", "--internal"),
    "bare": ("--subnet", "172.15.45.0/24", "-o", "vlan=40", "-o", "gateway=none"),
}
SERVER = """
import socket, sys
from dns import message, rcode, rrset
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.bind((sys.argv[1], 53))
while True:
    wire, asker = link.recvfrom(65535)
    asked = message.from_wire(wire)
    said, name = message.make_response(asked), asked.question[0].name
    if str(name) == "www.example.org.":
        said.answer += [rrset.from_text(name, 60, "IN", "A", "203.0.113.7")]
    else:
        said.set_rcode(rcode.NXDOMAIN)
    link.sendto(said.to_wire(), asker)
"""
NO_QUESTION = """
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"nothing", ("169.254.53.53", 53))
"""
OVER_TCP = """
import sys
from dns import message, query
print(query.tcp(message.make_query(sys.argv[1], "A"), "169.254.53.53", timeout=5))
"""


def run(host: Machine, name: str, network: str, address: str, *options: str) -> Box:
    """A container with this address."""
    return start(host, name, network, "--ip", address, *options)


def start(host: Machine, name: str, network: str, *options: str) -> Box:
    """A container."""
    host.exec("docker", "run", "--detach", "--name", name, "--network", network, *options, "lab", "sleep", "100000")
    return Box(host, name)


def asks(box: Box, name: str, kind: str = "a") -> str:
    """What a program in the container is told."""
    return box.host.exec("docker", "exec", box.name, "nslookup", f"-type={kind}", name, check=False).stdout


def reached(box: Box, address: str) -> bool:
    """Whether it answers a ping."""
    said = in_network_of(box, "ping", "-c", "2", "-W", "1", "-i", "0.2", address, check=False)
    return " 0% packet loss" in said


def finds(box: Box, name: str, address: str) -> None:
    """In the end it is told this address."""
    soon(lambda: f"Address: {address}\n" in asks(box, name), f"{box.name} finds {name}")


def way(box: Box) -> str:
    """The container's own route to the resolver."""
    return in_network_of(box, "ip", "route", "show", "169.254.53.53")


@pytest.fixture
def named(lab: Lab) -> Iterator[Lab]:
    """All networks on both hosts, and a DNS server outside, which they ask."""
    server = str(lab.plan.address(OUTSIDE))
    argv = lab[OUTSIDE].entered([sys.executable, "-c", SERVER, server])
    conf = {host: (host.root / "etc/resolv.conf").read_text() for host in lab.hosts}
    with subprocess.Popen(argv) as outside:
        try:
            for host in lab.hosts:
                (host.root / "etc/resolv.conf").write_text(f"nameserver {server}\n")
                for name, options in NETWORKS.items():
                    host.exec(*MAKE, *options, name)
            yield lab
        finally:
            outside.kill()
    for host, text in conf.items():
        (host.root / "etc/resolv.conf").write_text(text)


def test_names_both_ways_also_while_the_controller_is_away(named: Lab) -> None:
    web1 = run(named["h1"], "web1", "blue", "172.15.42.101")
    web2 = run(named["h2"], "web2", "blue", "172.15.42.102")

    finds(web1, "web2", "172.15.42.102")
    finds(web2, "WEB1", "172.15.42.101")
    assert "172.15.42.102" in in_network_of(web1, sys.executable, "-c", OVER_TCP, "web2")
    named.controller.kill("controller")
    finds(web1, "web2", "172.15.42.102")
    finds(web2, "web1", "172.15.42.101")


def test_a_name_goes_with_its_container(named: Lab) -> None:
    web1 = run(named["h1"], "web1", "blue", "172.15.42.101")
    run(named["h2"], "web2", "blue", "172.15.42.102")
    finds(web1, "web2", "172.15.42.102")

    named["h2"].exec("docker", "rename", "web2", "shop")
    finds(web1, "shop", "172.15.42.102")
    soon(lambda: "NXDOMAIN" in asks(web1, "web2"), "nobody is called web2")
    named["h2"].exec("docker", "rm", "--force", "shop")
    soon(lambda: "NXDOMAIN" in asks(web1, "shop"), "nobody is called shop")


def test_an_alias_finds_all_who_have_it(named: Lab) -> None:
    web1 = run(named["h1"], "web1", "red", "172.15.43.101")
    for number, host in enumerate(("h1", "h2", "h2"), start=102):
        run(named[host], f"shop{number}", "blue", f"172.15.42.{number}", "--network-alias", "shop")
    blue = run(named["h1"], "web2", "blue", "172.15.42.110")

    assert "Address: 172.15.42.102\n" in asks(blue, "shop"), "the engine knows its own"
    over_tcp = ("-c", OVER_TCP, "shop")
    everyone = [f"172.15.42.{number}" for number in (102, 103, 104)]
    soon(lambda: all(each in in_network_of(blue, sys.executable, *over_tcp) for each in everyone), "all are found")
    assert "172.15.42" not in asks(web1, "shop")


def test_each_network_has_its_own_names(named: Lab) -> None:
    run(named["h2"], "web", "blue", "172.15.42.101")
    run(named["h1"], "web", "red", "172.15.43.101")
    blue = run(named["h1"], "one", "blue", "172.15.42.102")
    red = run(named["h2"], "two", "red", "172.15.43.102")

    finds(blue, "web", "172.15.42.101")
    finds(red, "web", "172.15.43.101")
    assert "172.15.43.101" not in asks(blue, "web")
    assert "NXDOMAIN" in asks(blue, "two")


@pytest.mark.parametrize(("network", "subnet"), [("shut", "172.15.44"), ("bare", "172.15.45")])
def test_a_network_without_a_way_out_has_names_and_still_none(named: Lab, network: str, subnet: str) -> None:
    web1 = run(named["h1"], "web1", network, f"{subnet}.101")
    web2 = run(named["h2"], "web2", network, f"{subnet}.102", "--network-alias", "shop")
    run(named["h2"], "web3", "blue", "172.15.42.103")

    finds(web1, "web2", f"{subnet}.102")
    finds(web1, "shop", f"{subnet}.102")
    finds(web2, "web1", f"{subnet}.101")
    assert f"{subnet}.102" in in_network_of(web1, sys.executable, "-c", OVER_TCP, "web2")
    for stranger in ("web3", "www.example.org"):
        assert "NXDOMAIN" in asks(web1, stranger)
        assert "NXDOMAIN" in in_network_of(web1, sys.executable, "-c", OVER_TCP, stranger)
    in_network_of(web1, "ip", "route", "add", "default", "dev", "eth0")
    mac = next(end["mac"] for end in ends(named) if end["role"] == "resolver" and end["host"] == "h1")
    assert reached(web1, f"{subnet}.102")
    hosts = [str(named.plan.address(name)) for name in ("h1", OUTSIDE)]
    for address in (*hosts, "172.15.42.1", "172.15.42.103"):
        in_network_of(web1, "ip", "neighbour", "replace", address, "lladdr", mac, "dev", "eth0")
        assert not reached(web1, address), f"{address} is to be reached"


def test_networks_with_one_subnet_have_each_their_own_names(named: Lab) -> None:
    run(named["h2"], "web", "shut", "172.15.44.101")
    run(named["h2"], "shop", "twin", "172.15.44.101")
    one = run(named["h1"], "one", "shut", "172.15.44.102", "--network-alias", "me")
    two = run(named["h1"], "two", "twin", "172.15.44.102", "--network-alias", "me")

    finds(one, "web", "172.15.44.101")
    finds(two, "shop", "172.15.44.101")
    assert "NXDOMAIN" in asks(one, "shop")
    assert "NXDOMAIN" in asks(two, "web")


def test_a_container_asks_where_its_default_route_leads(named: Lab) -> None:
    both = run(named["h1"], "both", "shut", "172.15.44.101")
    run(named["h2"], "inner", "shut", "172.15.44.102")
    run(named["h2"], "outer", "blue", "172.15.42.102")
    finds(both, "inner", "172.15.44.102")

    named["h1"].exec("docker", "network", "connect", "blue", "both")
    finds(both, "outer", "172.15.42.102")
    finds(both, "www.example.org", "203.0.113.7")
    named["h1"].exec("docker", "network", "disconnect", "blue", "both")
    finds(both, "inner", "172.15.44.102")


def test_who_was_connected_without_a_way_out_asks_too(named: Lab) -> None:
    web1, web2 = start_box(named["h1"], "web1"), start_box(named["h2"], "web2")
    connect(web1, "172.15.45.1/24", "--vlan", "40")
    connect(web2, "172.15.45.2/24", "--vlan", "40")

    finds(web1, "web2", "172.15.45.2")
    finds(web2, "web1", "172.15.45.1")
    assert "NXDOMAIN" in asks(web1, "www.example.org")
    web1.host.exec("docker", "restart", "--time", "0", "web1")
    finds(web1, "web2", "172.15.45.2")
    containet(web1.host, "move", "web1", "--vlan", "45")
    soon(lambda: not way(web1), "nobody answers there")
    containet(web1.host, "disconnect", "web1")
    assert in_network_of(web1, "ip", "route") == ""


def test_who_was_connected_twice_asks_where_the_default_route_leads(named: Lab) -> None:
    both, inner = start_box(named["h1"], "both"), start_box(named["h2"], "inner")
    run(named["h2"], "outer", "blue", "172.15.42.102")
    connect(both, "172.15.45.1/24", "--vlan", "40")
    connect(inner, "172.15.45.2/24", "--vlan", "40")
    finds(both, "inner", "172.15.45.2")

    connect(both, "172.15.42.50/24", "--vlan", "10", "--interface", "eth1")
    finds(both, "outer", "172.15.42.102")
    finds(both, "www.example.org", "203.0.113.7")
    containet(both.host, "disconnect", "both", "--interface", "eth1")
    finds(both, "inner", "172.15.45.2")


def test_names_outlive_the_helper_and_go_with_the_network(named: Lab) -> None:
    web1 = run(named["h1"], "web1", "shut", "172.15.44.101")
    web2 = run(named["h1"], "web2", "blue", "172.15.42.102")
    run(named["h2"], "web3", "shut", "172.15.44.103")
    run(named["h2"], "web4", "blue", "172.15.42.104")
    finds(web1, "web3", "172.15.44.103")
    finds(web2, "web4", "172.15.42.104")
    before = flows(named["h1"])

    named.controller.kill("controller")
    named["h1"].kill("helper")
    assert "172.15.44.103" not in asks(web1, "web3"), "the helper answers"
    named.start("h1", "helper")
    finds(web1, "web3", "172.15.44.103")
    finds(web2, "web4", "172.15.42.104")
    assert flows(named["h1"]) == before, "nothing was plugged anew"

    named.serve()
    assert len(kept(named["h1"])) == 2
    named["h1"].exec("docker", "rm", "--force", "web1", "web2")
    soon(lambda: not kept(named["h1"]), "what nobody asks for is not kept")
    soon(lambda: not any(end["role"] == "resolver" and end["host"] == "h1" for end in ends(named)), "nor plugged")


@pytest.fixture
def usual(named: Lab) -> Iterator[Lab]:
    """On h1 the engine has bridges of its own, and is told of the helper as install.sh does it."""
    host = named["h1"]
    file = host.root / "etc/docker/daemon.json"
    before = file.read_text()
    said = {key: value for key, value in json.loads(before).items() if key not in ("bridge", "dns")}
    file.write_text(json.dumps(said | {"dns": ["198.51.100.53"]}))
    host.exec(sys.executable, "-m", "scripts.engine_dns", "add", "/etc/docker/daemon.json")
    host.stop("dockerd")
    named.start("h1", "dockerd")
    yield named
    if containers := host.exec("docker", "ps", "--all", "--quiet").stdout.split():
        host.exec("docker", "rm", "--force", *containers)
    host.exec("docker", "network", "prune", "--force")
    host.stop("dockerd")
    file.write_text(before)
    named.start("h1", "dockerd")


def test_an_engine_that_asks_the_helper_finds_other_names_from_its_own_bridges_too(usual: Lab) -> None:
    host = usual["h1"]
    host.exec("docker", "network", "create", "plain")
    run(usual["h2"], "web2", "blue", "172.15.42.102")
    web1 = run(host, "web1", "blue", "172.15.42.101")
    plain = [start(host, f"plain-{network}", network) for network in ("bridge", "plain", "host")]

    finds(web1, "web2", "172.15.42.102")
    for box in plain:
        finds(box, "www.example.org", "203.0.113.7")
        assert "172.15.42.102" not in asks(box, "web2"), "that is nobody's there"


def kept(host: Machine) -> list[str]:
    """What the helper keeps of names."""
    return host.exec("ls", "/run/containet/names").stdout.split()


def ends(lab: Lab) -> list[dict[str, str]]:
    """All endpoints."""
    known: list[dict[str, str]] = lab.ask("/v1/endpoints")[1]
    return known


def test_other_names_are_asked_of_the_hosts_own_servers(named: Lab) -> None:
    web1 = run(named["h1"], "web1", "blue", "172.15.42.101")
    finds(web1, "web1", "172.15.42.101")
    in_network_of(web1, sys.executable, "-c", NO_QUESTION)

    finds(web1, "www.example.org", "203.0.113.7")
    assert "203.0.113.7" in in_network_of(web1, sys.executable, "-c", OVER_TCP, "www.example.org")
    assert "NXDOMAIN" in asks(web1, "nobody.example.org")
