"""`docker run -p` on a network of the driver `containet`: ports of the host lead to the container, and nothing else."""

import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from scripts.lab import Lab, Machine
from scripts.lab.measure import Box, reaches
from tests.hosts.docker.test_network import blue, docker, inspected, refused, run, up
from tests.hosts.people import containet, endpoints, in_network_of, soon

__all__ = ["blue"]

EITHER_ENGINE = pytest.mark.parametrize(
    "policy", ["ACCEPT", pytest.param("DROP", marks=pytest.mark.hosts(2, firewall=True))]
)
SERVE = "mkdir -p /tmp/w; hostname >/tmp/w/index.html; busybox httpd -p 80 -h /tmp/w"


def serve(box: Box) -> Box:
    """It says its name to whoever asks over TCP at port 80."""
    box.exec("sh", "-c", SERVE)
    return box


def asked(asker: Machine | Box, address: object, port: int) -> str:
    """What is said there over TCP; nothing if nobody answers."""
    host = f"[{address}]" if ":" in str(address) else address
    read = f"print(urllib.request.urlopen('http://{host}:{port}/', timeout=2).read().decode())"
    words = (sys.executable, "-c", f"import urllib.request; {read}")
    if isinstance(asker, Box):
        return in_network_of(asker, *words, check=False).strip()
    return asker.exec(*words, check=False).stdout.strip()


def asked_udp(asker: Machine, address: object, port: int) -> str:
    """What comes back over UDP."""
    send = f"s = socket.socket(type=socket.SOCK_DGRAM); s.settimeout(2); s.sendto(b'hello', ('{address}', {port}))"
    words = f"import socket; {send}; print(s.recv(99).decode())"
    return asker.exec(sys.executable, "-c", words, check=False).stdout.strip()


ANSWER = """import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", 53))
s.settimeout(5)
while True:
    _, asker = s.recvfrom(99)
    s.sendto({name!r}.encode(), asker)"""
ASK = """import socket, time
s = socket.socket(socket.{family}, socket.SOCK_DGRAM)
s.connect(("{address}", 5353))
s.settimeout(0.1)
while True:
    try:
        s.send(b"who?")
        print(s.recv(99).decode(), flush=True)
    except OSError:
        print("nobody", flush=True)
    time.sleep(0.02)"""


def answer(box: Box) -> None:
    """It says its name over UDP at port 53, until nobody asks any more."""
    pid = box.host.exec("docker", "inspect", "--format={{.State.Pid}}", box.name).stdout.strip()
    words = shlex.join(("nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-c", ANSWER.format(name=box.name)))
    box.host.exec("sh", "-c", f"{words} >/dev/null 2>&1 &")
    soon(lambda: ":53 " in in_network_of(box, "ss", "--udp", "--listening", "--numeric"), "it listens")


@contextmanager
def asking_of(outside: Machine, address: object) -> Iterator[Callable[[], str]]:
    """The outside asks port 5353 there over UDP, always from one port; who answered last."""
    outside.log("asking").unlink(missing_ok=True)
    words = ASK.format(family="AF_INET6" if ":" in str(address) else "AF_INET", address=address)
    outside.start("asking", (sys.executable, "-c", words))
    yield lambda: outside.tail("asking", 1)
    outside.kill("asking")


@pytest.fixture
def asking(blue: Lab) -> Iterator[Callable[[], str]]:
    """The same, of h1."""
    with asking_of(blue["outside"], blue.plan.address("h1")) as answered:
        yield answered


def forward_policy(host: Machine) -> str:
    """What the host does with packets that no rule knows."""
    first, *_ = host.exec("iptables", "-S", "FORWARD").stdout.splitlines()
    return first.split()[-1]


def rules(host: Machine) -> list[str]:
    """Where ports of this host lead."""
    listed = host.exec("nft", "list", "ruleset").stdout
    return sorted(set(re.findall(r"\S+ dport \d+ dnat ip to \S+", listed)))


@pytest.fixture
def web(blue: Lab) -> Iterator[Box]:
    """A server that is published in every way that there is; afterwards no rule leads to it."""
    host, address = blue["h1"], blue.plan.address("h1")
    ports = ("-p", "8080:80", "-p", f"{address}:8081:80", "-p", "8090-8091:80-81", "-p", "5353:53/udp")
    yield serve(run(host, "web1", "--hostname", "web1", *ports))
    docker(host, "rm", "--force", "web1")
    soon(lambda: rules(host) == [], "no port leads anywhere")


@EITHER_ENGINE
def test_the_outside_reaches_published_ports_and_nothing_else(blue: Lab, web: Box, policy: str) -> None:
    assert forward_policy(web.host) == policy
    outside, host, address = blue["outside"], blue["h1"], blue.plan.address("h1")
    up(blue, "web1")

    assert [asked(outside, address, port) for port in (8080, 8081, 8090, 8092)] == ["web1", "web1", "web1", ""]
    answer(web)
    assert asked_udp(outside, address, 5353) == "web1"
    assert asked(host, address, 8080) == "web1", "the host itself too"
    inner = inspected(web)["IPAddress"]
    outside.exec("ip", "route", "add", "172.15.42.0/24", "via", str(address))
    try:
        assert asked(outside, inner, 80) == "", "not past the published port, whoever knows a way"
        assert asked_udp(outside, inner, 53) == ""
        assert outside.exec("ping", "-c", "1", "-W", "1", inner, check=False).returncode != 0
    finally:
        outside.exec("ip", "route", "del", "172.15.42.0/24")


@EITHER_ENGINE
def test_the_container_reaches_the_outside_and_peers_reach_it_by_both_ways(blue: Lab, web: Box, policy: str) -> None:
    assert forward_policy(web.host) == policy
    near, far = run(blue["h1"], "near"), run(blue["h2"], "far")
    up(blue, "web1", "near", "far")
    inner, address = inspected(web)["IPAddress"], blue.plan.address("h1")

    assert reaches(web, "203.0.113.1")
    assert [asked(box, inner, 80) for box in (near, far)] == ["web1", "web1"]
    assert [asked(box, address, 8080) for box in (near, far)] == ["web1", "web1"]


def follows(blue: Lab, answered: Callable[[], str], said: str, *addresses: str) -> None:
    """A stream goes where its port leads: nowhere, to one container, to another."""
    run(blue["h1"], "near")  # so that there is a gateway, and the kernel remembers streams
    up(blue, "near")
    soon(lambda: answered() == "nobody", "it is under way before there is a port")

    for name, address in zip(("first", "second"), addresses, strict=True):
        answer(run(blue["h1"], name, said, address, "--publish", "5353:53/udp"))
        soon(lambda name=name: answered() == name, f"it goes to {name}")
        docker(blue["h1"], "rm", "--force", name)
        soon(lambda: answered() == "nobody", "it goes nowhere")


@EITHER_ENGINE
def test_a_stream_follows_the_port(blue: Lab, asking: Callable[[], str], policy: str) -> None:
    assert forward_policy(blue["h1"]) == policy
    follows(blue, asking, "--ip", "172.15.42.11", "172.15.42.12")


def test_people_see_the_ports(blue: Lab, web: Box) -> None:
    up(blue, "web1")
    address = blue.plan.address("h1")
    ports = ["8080->80/tcp", f"{address}:8081->80/tcp", "8090->80/tcp", "8091->81/tcp", "5353->53/udp"]

    soon(lambda: sorted(endpoints(blue)["web1:eth0"]["ports"]) == sorted(ports), "the controller knows them")
    assert "8080->80/tcp" in containet(web.host, "endpoints")


def test_no_port_is_lost_when_all_of_them_are_killed(blue: Lab, web: Box) -> None:
    outside, address = blue["outside"], blue.plan.address("h1")
    up(blue, "web1")
    before = rules(web.host)

    # in this order nobody waits for another: what comes of others test_network.py shows
    for role in ("helper", "dockerd", "controller"):
        (blue.controller if role == "controller" else web.host).kill(role)
        assert asked(outside, address, 8080) == "web1"
    web.host.exec("nft", "delete", "table", "inet", "containet")  # as after a reboot
    blue.start("h1", "helper")
    blue.start("h1", "dockerd")
    blue.serve()

    soon(lambda: rules(web.host) == before, "the rules are there again")
    soon(lambda: asked(outside, address, 8080) == "web1", "the port is reached")


def test_a_restarted_container_has_its_ports(blue: Lab, web: Box) -> None:
    docker(web.host, "restart", "--time", "0", "web1")
    serve(web)

    soon(lambda: asked(blue["outside"], blue.plan.address("h1"), 8080) == "web1", "it is there again")


@pytest.mark.parametrize(
    ("port", "why"),
    [
        ("80", "say -p HOSTPORT:80"),
        ("8100-8101:80", "say -p HOSTPORT:80"),
        ("8080:80", "web1 has 8080->80/tcp"),
        ("8099:80", "a process of this host has port 8099/tcp"),
        ("198.51.100.9:8000:80", "198.51.100.9 is no address of this host"),
        ("127.0.0.1:8000:80", "ports are published on addresses that others reach"),
        ("8000:80/sctp", "neither tcp nor udp"),
    ],
)
def test_who_cannot_have_a_port_reads_why_not(blue: Lab, web: Box, port: str, why: str) -> None:
    up(blue, "web1")
    before = rules(web.host)
    listener = web.host.exec("sh", "-c", "busybox httpd -f -p 8099 -h / >/dev/null 2>&1 & echo $!").stdout.strip()
    try:
        assert why in refused(web.host, "run", "--network", "blue", "--name", "web2", "-p", port, "lab", "true")
    finally:
        web.host.exec("kill", listener)

    assert rules(web.host) == before
    docker(web.host, "rm", "--force", "web2")
