"""An Open vSwitch whose bridges have no packets: the real daemons, OpenFlow and tables, without root or hosts."""

import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from scripts.lab import LabError
from scripts.lab.command import command, environment, poll

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
END_S = 10.0


class Dummy:
    """One ovs-vswitchd. `run` is its directory: sockets, database, logs. What ends with it is in `undo`."""

    def __init__(self, run: Path, undo: ExitStack) -> None:
        self.run, self._undo = run, undo

    def exec(self, *words: str, text: str = "", seconds: float = 60) -> str:
        """What a command of Open vSwitch printed; LabError with what it complained of."""
        return command(
            ("env", f"OVS_RUNDIR={self.run}", f"OVN_RUNDIR={self.run}", *words), text=text, seconds=seconds
        ).stdout

    def ofctl(self, *words: str, text: str = "") -> str:
        """ovs-ofctl, in OpenFlow 1.5."""
        return self.exec("ovs-ofctl", "-O", "OpenFlow15", *words, text=text)

    def vsctl(self, *commands: Sequence[str]) -> None:
        """ovs-vsctl with these, as one transaction."""
        words = [word for command in commands for word in ("--", *command)]
        self.exec("ovs-vsctl", f"--db=unix:{self.run}/db.sock", "--timeout=60", *words)

    def bridges(self, dpids: Mapping[str, int]) -> None:
        """Bridges by name, as the helper makes them, each with no controller yet."""
        for name, dpid in dpids.items():
            columns = ("fail_mode=secure", "protocols=OpenFlow15", f"other_config:datapath-id={dpid:016x}")
            self.vsctl(("add-br", name), ("set", "bridge", name, *columns, "other_config:disable-in-band=true"))

    def control(self, names: Iterable[str], controller: str) -> None:
        """From now on they look for this controller, every second."""
        columns = ("connection_mode=out-of-band", "max_backoff=1000")
        commands = ((("set-controller", name, controller), ("set", "controller", name, *columns)) for name in names)
        self.vsctl(*(command for pair in commands for command in pair))

    def daemon(self, *argv: str) -> "subprocess.Popen[bytes]":
        """Start one of Open vSwitch's or OVN's, whose directory is this one, too; it ends with the switch."""
        with (self.run / f"{argv[0]}.log").open("a") as log:
            process = subprocess.Popen(
                [*argv, "-vconsole:info", "-vsyslog:off"],
                env={**environment("bench"), "OVS_RUNDIR": str(self.run), "OVN_RUNDIR": str(self.run)},
                stdout=log,
                stderr=log,
            )
        self._undo.callback(_end, process)
        return process

    def flows(self, bridge: str) -> int:
        """How many it has."""
        said = self.ofctl("dump-aggregate", bridge)
        return int(said.rpartition("flow_count=")[2].split()[0])


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def dummy() -> Iterator[Dummy]:
    """One that serves, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ovs-") as name, ExitStack() as undo:
        switch = Dummy(Path(name), undo)
        switch.exec("ovsdb-tool", "create", f"{name}/conf.db", SCHEMA)
        server = f"--remote=punix:{name}/db.sock"
        switch.daemon("ovsdb-server", f"{name}/conf.db", server, f"--unixctl={name}/server.ctl")
        if not poll((switch.run / "db.sock").exists, END_S):
            raise LabError("ovsdb-server does not serve")
        switch.exec("ovs-vsctl", f"--db=unix:{name}/db.sock", "--no-wait", "init")
        switch.daemon("ovs-vswitchd", "--enable-dummy=override", f"unix:{name}/db.sock", "--pidfile")
        yield switch
