"""A host of the test's own: a network namespace that the test's thread is in, with a real Open vSwitch in it."""

import ctypes
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pyroute2 import netns as namespaces

from flows.model import Mac
from flows.table import Table
from scripts.helper.net import plumb
from scripts.helper.ovs.vswitch import Vswitch
from tests.scripts.helper.twin import Twin

if TYPE_CHECKING:
    from tests.scripts.helper.running import Running

BRIDGE = "br-int"
CLONE_NEWNET = 0x40000000
_NUMBERS = count(1)


def run(*command: str, check: bool = True) -> str:
    """What the command printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def until(holds: Callable[[], object], seconds: float = 10) -> None:
    """Wait for it, or fail."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


@pytest.fixture(scope="module", autouse=True)
def host() -> Iterator[None]:
    """This thread, and those that it starts, live in a new network namespace while the tests of a module run."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(CLONE_NEWNET) == 0, "these tests need root"
    run("ip", "link", "set", "lo", "up")
    yield
    assert libc.setns(home, CLONE_NEWNET) == 0
    os.close(home)


@dataclass
class Ovs:
    """ovsdb-server and ovs-vswitchd with a run directory of their own."""

    path: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def remote(self) -> str:
        return f"unix:{self.path}/db.sock"

    def start(self) -> None:
        run("ovsdb-tool", "create", f"{self.path}/conf.db", "/usr/share/openvswitch/vswitch.ovsschema")
        self.start_database()
        until((self.path / "db.sock").exists)
        run("ovs-vsctl", f"--db={self.remote}", "--no-wait", "init")
        self.start_switch()

    def start_database(self) -> None:
        self._spawn("ovsdb-server", f"{self.path}/conf.db", f"--remote=punix:{self.path}/db.sock")

    def start_switch(self) -> None:
        self._spawn("ovs-vswitchd", self.remote)

    def kill(self, program: str) -> None:
        self.processes[program].kill()
        self.processes[program].wait(5)

    def vsctl(self, *arguments: str) -> str:
        return run("ovs-vsctl", f"--db={self.remote}", "--timeout=5", *arguments).strip()

    def ofctl(self, command: str, *arguments: str) -> str:
        return run("ovs-ofctl", "-OOpenFlow15", command, f"{self.path}/{BRIDGE}.mgmt", *arguments)

    def appctl(self, *command: str, check: bool = True) -> str:
        pid = (self.path / "ovs-vswitchd.pid").read_text().strip()
        return run("ovs-appctl", "-t", f"{self.path}/ovs-vswitchd.{pid}.ctl", *command, check=check)

    def stop(self) -> None:
        for program in self.processes:
            self.kill(program)

    def _spawn(self, program: str, *arguments: str) -> None:
        log = f"--log-file={self.path}/{program}.log"
        environment = os.environ | {"OVS_RUNDIR": str(self.path)}
        pidfile = f"--pidfile={self.path}/{program}.pid"
        self.processes[program] = subprocess.Popen(
            [program, *arguments, log, pidfile, "-vconsole:off"], env=environment, stderr=subprocess.DEVNULL
        )


@pytest.fixture(scope="module")
def ovs(host: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ovs]:  # noqa: ARG001
    made = Ovs(tmp_path_factory.mktemp("ovs"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


def make_bridge(vswitch: Vswitch, openflow: str = "tcp:127.0.0.1:6653") -> None:
    labels = {int(table): table.label for table in Table}
    vswitch.ensure_bridge(dpid=0xC7, datapath_type="netdev", openflow=openflow, tables=labels)


@pytest.fixture
def vswitch(ovs: Ovs) -> Iterator[Vswitch]:
    opened = Vswitch(ovs.remote, BRIDGE)
    make_bridge(opened)
    yield opened
    opened.close()


@dataclass(frozen=True)
class Container:
    """A namespace that stands for a container, and what to plug into it."""

    name: str
    address: IPv4Interface

    @property
    def netns(self) -> str:
        return f"/run/netns/{self.name}"

    def run(self, *command: str, check: bool = True) -> str:
        return run("nsenter", f"--net={self.netns}", *command, check=check)

    def plug(self, host_end: str, *, gateway: str | None = None, interface: str = "eth0", mtu: int = 1400) -> None:
        plumb.plug(
            self.netns,
            host_end,
            interface=interface,
            mac=Mac.of(self.address.ip),
            address=self.address,
            mtu=mtu,
            gateway=IPv4Address(gateway) if gateway else None,
        )


@pytest.fixture
def containers() -> Iterator[Callable[[str], Container]]:
    """Makes containers by their address; they go with the test."""
    made: list[Container] = []

    def make(address: str) -> Container:
        container = Container(f"ct-test-{os.getpid()}-{next(_NUMBERS)}", IPv4Interface(address))
        namespaces.create(container.name)
        made.append(container)
        container.run("ip", "link", "set", "lo", "up")
        return container

    yield make
    for container in made:
        namespaces.remove(container.name)


@pytest.fixture
def twin() -> Iterator[Twin]:
    """A controller of the test's own."""
    twin = Twin()
    twin.start()
    yield twin
    twin.stop()


@pytest.fixture(scope="module")
def running(ovs: Ovs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple["Running", Twin]]:
    """A helper and its controller, for all tests of a module."""
    from tests.scripts.helper.running import helper

    twin = Twin()
    twin.start()
    with helper(tmp_path_factory.mktemp("helper"), ovs, twin) as made:
        yield made, twin
    twin.stop()
