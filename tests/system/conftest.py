"""A real Open vSwitch for a test: its own database, daemons and run directory, dummy ports, no root.

A line of WARN or worse in the switch's log fails the test, unless the test said with `sandbox.expect` that it comes.
When a test fails, what the switch held and wrote is printed.
"""

import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.openflow.switch import Switch
from tests.system.controller import Controller

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
COMMAND_S = 20
PATIENCE_S = 10
COMPLAINT = re.compile(r"\|(WARN|ERR|EMER)\|")
FAILED = pytest.StashKey[bool]()


class Sandbox:
    """One Open vSwitch. `run` is its directory: sockets, database, logs."""

    def __init__(self) -> None:
        self.run = Path(tempfile.mkdtemp(prefix="ovs-"))  # short: a unix socket's path has 107 bytes
        self.bridges: list[str] = []
        self._expected: list[re.Pattern[str]] = []
        self._environment = os.environ | {"OVS_RUNDIR": str(self.run), "OVS_LOGDIR": str(self.run)}

    @property
    def database(self) -> str:
        """Where OVSDB is, as ovs-vsctl and ovsdbapp say it."""
        return f"unix:{self.run}/db.sock"

    @property
    def log(self) -> Path:
        """What ovs-vswitchd wrote."""
        return self.run / "ovs-vswitchd.log"

    def start(self) -> None:
        """Both daemons, ready when this returns."""
        self.command("ovsdb-tool", "create", f"{self.run}/conf.db", SCHEMA)
        self._daemon("ovsdb-server", f"{self.run}/conf.db", f"--remote=punix:{self.run}/db.sock")
        self.vsctl("--no-wait", "init")
        self._daemon("ovs-vswitchd", "--enable-dummy=override", self.database)

    def stop(self) -> None:
        """Both daemons end, and their directory goes."""
        for name in ("ovs-vswitchd", "ovsdb-server"):
            pidfile = self.run / f"{name}.pid"
            if pidfile.exists():
                _end(int(pidfile.read_text()))
        shutil.rmtree(self.run)

    def command(self, *words: str, stdin: str | None = None) -> str:
        """What the command wrote; fails with what it complained of."""
        done = subprocess.run(
            words, env=self._environment, input=stdin, capture_output=True, text=True, timeout=COMMAND_S, check=False
        )
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return done.stdout

    def vsctl(self, *words: str) -> str:
        """ovs-vsctl, which waits until the switch has done it."""
        return self.command("ovs-vsctl", f"--db={self.database}", f"--timeout={PATIENCE_S}", *words)

    def ofctl(self, *words: str, stdin: str | None = None) -> str:
        """ovs-ofctl in OpenFlow 1.5."""
        return self.command("ovs-ofctl", "-O", "OpenFlow15", *words, stdin=stdin)

    def appctl(self, *words: str) -> str:
        """ovs-appctl to ovs-vswitchd."""
        (pid,) = (self.run / "ovs-vswitchd.pid").read_text().split()
        return self.command("ovs-appctl", "-t", f"{self.run}/ovs-vswitchd.{pid}.ctl", *words)

    def bridge(self, name: str = "br-int", *, dpid: int = 1, controller: str | None = None, ports: int = 0) -> None:
        """A bridge as the helper makes it, with dummy ports p1, p2 ... whose ofports are 1, 2 ..."""
        words = ["add-br", name, "--", "set", "bridge", name, "fail_mode=secure", "protocols=OpenFlow13,OpenFlow15"]
        words += [f"other_config:datapath-id={dpid:016x}", "other_config:disable-in-band=true"]
        if controller is not None:
            words += ["--", "set-controller", name, controller]
            words += ["--", "set", "controller", name, "connection_mode=out-of-band", "max_backoff=1000"]
        for number in range(1, ports + 1):
            words += ["--", "add-port", name, f"p{number}"]
            words += ["--", "set", "interface", f"p{number}", "type=dummy", f"ofport_request={number}"]
        self.vsctl(*words)
        self.bridges.append(name)

    def flows(self, bridge: str = "br-int") -> list[str]:
        """The bridge's flows, without counters, in an order of their own."""
        return sorted(self.ofctl("--no-stats", "--no-names", "dump-flows", bridge).strip().splitlines())

    def install(self, bridge: str, listing: str) -> None:
        """These flows and no others, in ovs-ofctl's words, one a line."""
        self.ofctl("--bundle", "replace-flows", bridge, "-", stdin=listing)

    def trace(self, bridge: str, packet: str) -> str:
        """What becomes of this packet: the line of ofproto/trace that begins with “Datapath actions: ”."""
        lines = self.appctl("ofproto/trace", bridge, packet).splitlines()
        return next(line for line in reversed(lines) if line.startswith("Datapath actions: "))

    def expect(self, complaint: str) -> None:
        """A line of the log with this in it (a regular expression) is as it should be."""
        self._expected.append(re.compile(complaint))

    def complaints(self) -> list[str]:
        """Lines of WARN and worse that nobody expected."""
        lines = self.log.read_text().splitlines()
        return [
            line
            for line in lines
            if COMPLAINT.search(line) and not any(wanted.search(line) for wanted in self._expected)
        ]

    def tell(self) -> None:
        """Print what there is to know."""
        for bridge in self.bridges:
            for what in ("show", "dump-flows", "dump-meters"):
                print(f"--- {what} {bridge}", self.ofctl(what, bridge), sep="\n")
        for log in sorted(self.run.glob("*.log")):
            print(f"--- {log.name}", log.read_text(), sep="\n")

    def _daemon(self, name: str, *words: str) -> None:
        self.command(
            name, *words, "--detach", "--no-chdir", f"--pidfile={self.run}/{name}.pid",
            f"--log-file={self.run}/{name}.log", "-vconsole:off", "-vsyslog:off",
        )  # fmt: skip


def _end(pid: int) -> None:
    """Ask it to end, and wait until it has: also when nobody has collected it yet."""
    watched = os.pidfd_open(pid)
    try:
        os.kill(pid, signal.SIGTERM)
        ended, _, _ = select.select([watched], [], [], PATIENCE_S)
        if not ended:
            os.kill(pid, signal.SIGKILL)
        assert ended, f"process {pid} did not end"
    finally:
        os.close(watched)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def] # noqa: ARG001
    """Remember that the test failed, for the fixture that ends after it."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@contextmanager
def running(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """An Open vSwitch for this test."""
    switch = Sandbox()
    try:
        switch.start()
        yield switch
        complaints = switch.complaints()
        if complaints or request.node.stash.get(FAILED, False):
            switch.tell()
        assert not complaints, "the switch complains:\n" + "\n".join(complaints)
    finally:
        switch.stop()


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """An Open vSwitch with no bridge yet."""
    with running(request) as switch:
        yield switch


@pytest.fixture
def other_sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Another Open vSwitch."""
    with running(request) as switch:
        yield switch


@pytest.fixture(scope="module")
def controller() -> Iterator[Controller]:
    """os-ken in this process, waiting for bridges."""
    made = Controller()
    yield made
    made.stop()


@pytest.fixture
def switch(sandbox: Sandbox, controller: Controller) -> Iterator[Switch]:
    """A bridge with four ports, connected to us."""
    sandbox.bridge(controller=controller.target, ports=4)
    yield controller.switch()
    sandbox.vsctl("del-controller", "br-int")
    controller.gone()
    assert controller.nobody_waits()
