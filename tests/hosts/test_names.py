"""Containers find each other by name on all hosts of their network, and others by the host's own servers."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from scripts.lab import Lab, Machine
from scripts.lab.measure import Box
from scripts.lab.plan import OUTSIDE
from tests.hosts.people import in_network_of, soon

MAKE = ("docker", "network", "create", "-d", "containet", "--ipam-driver", "containet")
NETWORKS = {"blue": ("172.15.42.0/24", 10), "red": ("172.15.43.0/24", 20)}
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
    where = ("--name", name, "--network", network, "--ip", address, *options)
    host.exec("docker", "run", "--detach", *where, "lab", "sleep", "100000")
    return Box(host, name)


def asks(box: Box, name: str, kind: str = "a") -> str:
    """What a program in the container is told."""
    return box.host.exec("docker", "exec", box.name, "nslookup", f"-type={kind}", name, check=False).stdout


def finds(box: Box, name: str, address: str) -> None:
    """In the end it is told this address."""
    soon(lambda: f"Address: {address}\n" in asks(box, name), f"{box.name} finds {name}")


@pytest.fixture
def named(lab: Lab) -> Iterator[Lab]:
    """Both networks on both hosts, and a DNS server outside, which they ask."""
    server = str(lab.plan.address(OUTSIDE))
    argv = lab[OUTSIDE].entered([sys.executable, "-c", SERVER, server])
    conf = {host: (host.root / "etc/resolv.conf").read_text() for host in lab.hosts}
    with subprocess.Popen(argv) as outside:
        for host in lab.hosts:
            (host.root / "etc/resolv.conf").write_text(f"nameserver {server}\n")
            for name, (subnet, vlan) in NETWORKS.items():
                host.exec(*MAKE, "--subnet", subnet, "-o", f"vlan={vlan}", name)
        yield lab
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


def test_other_names_are_asked_of_the_hosts_own_servers(named: Lab) -> None:
    web1 = run(named["h1"], "web1", "blue", "172.15.42.101")
    finds(web1, "web1", "172.15.42.101")
    in_network_of(web1, sys.executable, "-c", NO_QUESTION)

    finds(web1, "www.example.org", "203.0.113.7")
    assert "203.0.113.7" in in_network_of(web1, sys.executable, "-c", OVER_TCP, "www.example.org")
    assert "NXDOMAIN" in asks(web1, "nobody.example.org")
