"""Real hosts for a test: `lab`, made once for all tests that want the same kind, and tidied between them.

    @pytest.mark.hosts(3, tunnel="gre")     # at least three; two over VXLAN where a test says nothing
    @pytest.mark.hosts(2, firewall=True)    # engines that have iptables of their own
    def test_something(lab: Lab) -> None: ...

A test that fails shows what the switches held and what every process wrote; its lab is thrown away, and the next test
gets a new one.
"""

import os
import socket
from collections.abc import Generator, Iterator
from contextlib import suppress
from functools import partial
from signal import Signals
from typing import NamedTuple

import pytest

from scripts.lab import Lab, LabError, Machine, down, up
from scripts.lab.command import poll
from scripts.lab.lab import together


class Kind(NamedTuple):
    """What a lab may be asked to be."""

    tunnel: str = "vxlan"
    firewall: bool = False

    @property
    def lab(self) -> str:
        """A name for such a lab of this run."""
        return f"t{self.tunnel[0]}{'f' if self.firewall else ''}{os.getpid()}"


LABS = pytest.StashKey[dict[Kind, Lab]]()
FAILED = pytest.StashKey[bool]()
OWN = f"own{os.getpid()}"
TIDY_S = 20.0
LOG_LINES = 60


def free_port() -> int:
    """A TCP port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "hosts(n, tunnel, firewall): how many hosts the lab must have, and which kind")
    config.stash[LABS] = {}


def wanted(item: pytest.Item) -> tuple[int, Kind]:
    """How many hosts and which kind of lab a test asks for."""
    marker = item.get_closest_marker("hosts")
    if marker is None:
        return 2, Kind()
    return marker.args[0] if marker.args else 2, Kind(**marker.kwargs)


@pytest.fixture(scope="session")
def sizes(request: pytest.FixtureRequest) -> dict[Kind, int]:
    """For each kind the most hosts that any test of this run asks for: one lab serves them all."""
    most: dict[Kind, int] = {}
    for item in request.session.items:
        if "lab" in getattr(item, "fixturenames", ()):
            count, kind = wanted(item)
            most[kind] = max(count, most.get(kind, 0))
    return most


@pytest.fixture(scope="session")
def labs(request: pytest.FixtureRequest) -> Iterator[dict[Kind, Lab]]:
    """The labs that are up, by kind."""
    standing = request.config.stash[LABS]
    yield standing
    for lab in standing.values():
        down(lab.plan.name)


@pytest.fixture
def lab(request: pytest.FixtureRequest, labs: dict[Kind, Lab], sizes: dict[Kind, int]) -> Iterator[Lab]:
    """A whole lab with no container, no endpoint and no policy."""
    _, kind = wanted(request.node)
    if kind not in labs:
        up(kind.lab, sizes[kind], kind.tunnel, free_port(), free_port(), firewall=kind.firewall)
        labs[kind] = Lab.open(kind.lab)
    yield labs[kind]
    if request.node.stash.get(FAILED, False):
        down(labs.pop(kind).plan.name)
    else:
        tidy(labs[kind])


@pytest.fixture
def own() -> Iterator[str]:
    """The name of a lab that the test itself makes."""
    yield OWN
    down(OWN)


def small(name: str, hosts: int = 1) -> Lab:
    """A lab that is up; whoever asks for it takes it down."""
    up(name, hosts, port=free_port(), ofp_port=free_port())
    return Lab.open(name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
        for lab in item.config.stash[LABS].values() if "lab" in getattr(item, "fixturenames", ()) else ():
            for machine in lab.machines.values():
                report.sections += [(f"{machine.name}: {what}", text) for what, text in described(machine)]
    return report


def described(machine: Machine) -> Iterator[tuple[str, str]]:
    """Flows, ports, meters, addresses, containers, and the end of every log of a machine."""
    asked = {
        "flows": "ovs-ofctl -O OpenFlow15 --names --no-stats dump-flows br-int",
        "meters": "ovs-ofctl -O OpenFlow15 dump-meters br-int",
        "ports": "ovs-vsctl show",
        "records": "ovs-vsctl --columns=external_ids list bridge br-int",
        "addresses": "ip -brief address",
        "containers": "docker ps --all",
    }
    if machine.name.startswith("h"):
        for what, command in asked.items():
            with suppress(LabError):  # of a machine that is down there are only the logs
                done = machine.exec(*command.split(), check=False, seconds=10)
                yield what, done.stdout + done.stderr
    for role in machine.processes():
        if machine.log(role).exists():
            yield f"log of {role}", machine.tail(role, LOG_LINES)


def tidy(lab: Lab) -> None:
    """Whatever a test made goes, and whatever it stopped runs again."""
    for machine in lab.machines.values():
        for process in machine.processes().values():
            process.signal(Signals.SIGCONT)
    lab.serve()
    together(partial(empty, host) for host in lab.hosts)
    lab.ask("/v1/policy", "PUT", {})
    assert poll(lambda: lab.ask("/v1/endpoints")[1] == [], TIDY_S), f"endpoints stay: {lab.ask('/v1/endpoints')[1]}"


def empty(host: Machine) -> None:
    """No join, no endpoint, no container, no network and no namespace is left there."""
    records = host.exec("ovs-vsctl", "br-get-external-id", "br-int").stdout.splitlines()
    kept = [record.partition("=")[0].split("/") for record in records]
    for _, bridge in [key for key in kept if key[0] == "join"]:
        host.exec("containet", "leave-bridge", bridge)
    for _, container, interface in [key for key in kept if key[0] == "endpoint"]:
        host.exec("containet", "disconnect", container, "--interface", interface)
    if containers := host.exec("docker", "ps", "--all", "--quiet").stdout.split():
        host.exec("docker", "rm", "--force", *containers)
    host.exec("docker", "network", "prune", "--force")
    for name in host.exec("ip", "netns").stdout.splitlines():
        host.exec("ip", "netns", "delete", name.split()[0])
