"""OVN: its databases and ovn-northd on the first host, ovn-controller on each.

A host is told of a network when a port of it is bound there, so one of each network is bound on each before. Those
that are declared may have a port that waits for them (`bound`), or none: then a host learns only that they are.
"""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from scripts.bench.declared import BRIDGE, reports
from scripts.bench.played.dummy import Dummy, dummy
from scripts.bench.played.world import Size
from scripts.lab import LabError
from scripts.lab.command import poll

SCHEMAS = "/usr/share/ovn"
START_S = 30.0


@dataclass
class Ovn:
    """`declare` is one transaction and the wait for all chassis."""

    name: str
    switches: list[Dummy]
    adds: list[str]
    deletes: list[str]
    bound: bool
    chassis: "dict[int, subprocess.Popen[bytes]]" = field(default_factory=dict)  # by host

    def declare(self) -> None:
        """lsp-add of all."""
        self._nbctl("--wait=hv", *self.adds)

    def clear(self) -> None:
        """lsp-del of all."""
        self._nbctl("--wait=hv", *self.deletes)

    def flows(self) -> list[int]:
        """Of both."""
        return [switch.flows(BRIDGE) for switch in self.switches]

    def start(self, size: Size) -> None:
        """Everything, and the ports of the switches."""
        central = self.switches[0]
        for name in ("nb", "sb"):
            central.exec("ovsdb-tool", "create", f"{central.run}/{name}.db", f"{SCHEMAS}/ovn-{name}.ovsschema")
            files = (f"--remote=punix:{central.run}/{name}.sock", f"--unixctl={central.run}/{name}.ctl")
            central.daemon("ovsdb-server", f"{central.run}/{name}.db", *files)
        databases = [f"--ovn{name}-db=unix:{central.run}/{name}.sock" for name in ("nb", "sb")]
        central.daemon("ovn-northd", *databases, f"--unixctl={central.run}/northd.ctl")
        for host, switch in enumerate(self.switches):
            switch.bridges({BRIDGE: host + 1})
            ids = {
                "system-id": f"h{host + 1}",
                "ovn-remote": f"unix:{central.run}/sb.sock",
                "ovn-encap-type": "geneve",
                "ovn-encap-ip": f"198.18.0.{host + 1}",
            }
            switch.vsctl(("set", "open", ".", *(f"external_ids:{key}={value}" for key, value in ids.items())))
            waiting = [report["name"] for report in reports(size, host)] if self.bound else []
            names = [*_anchors(size, host), *waiting]
            switch.vsctl(*(command for number, name in enumerate(names) for command in _port(f"p{number}", name)))
        if not poll(self._serves, START_S):
            raise LabError("OVN does not serve")
        words = [word for network in range(size.networks) for word in ("--", "ls-add", f"n{network}")]
        for host in range(size.hosts):
            for network, name in enumerate(_anchors(size, host)):
                words += [
                    "--",
                    "lsp-add",
                    f"n{network}",
                    name,
                    "--",
                    "lsp-set-addresses",
                    name,
                    _anchor_mac(host, network),
                ]
        self._nbctl("--wait=hv", *words)

    def _serves(self) -> bool:
        """Whether it is in step with every host's ovn-controller."""
        central = self.switches[0]
        database = f"--db=unix:{central.run}/sb.sock"
        for host, switch in enumerate(self.switches):
            if host not in self.chassis or self.chassis[host].poll() is not None:  # 23.03 may crash when it begins
                self.chassis[host] = switch.daemon("ovn-controller", f"unix:{switch.run}/db.sock")
        try:
            self._nbctl("--timeout=3", "--wait=hv", "sync")
            known = central.exec("ovn-sbctl", database, "--bare", "--columns=name", "list", "chassis")
        except LabError:
            return False
        return len(known.split()) == len(self.switches)

    def _nbctl(self, *words: str) -> None:
        central = self.switches[0]
        central.exec("ovn-nbctl", f"--db=unix:{central.run}/nb.sock", *words)


def _anchors(size: Size, host: int) -> list[str]:
    """The logical ports that are there before, one a network."""
    return [f"anchor{host}-{network}" for network in range(size.networks)]


def _anchor_mac(host: int, network: int) -> str:
    return f"02:a0:00:00:{host:02x}:{network:02x}"


def _port(port: str, name: str) -> tuple[tuple[str, ...], ...]:
    """A port of the bridge that waits for the logical one of this name."""
    device = ("set", "interface", port, "type=dummy", f"external_ids:iface-id={name}")
    return ("add-port", BRIDGE, port), device


@contextmanager
def ovn(size: Size, name: str, *, bound: bool) -> Iterator[Ovn]:
    """With ports that wait to be bound, and port security; or with addresses alone."""
    adds: list[str] = []
    deletes: list[str] = []
    for host in range(size.hosts):
        for report in reports(size, host):
            port, addresses = report["name"], f"{report['mac']} {report['address'].partition('/')[0]}"
            adds += ["--", "lsp-add", f"n{port[1:].partition('-')[0]}", port]
            adds += ["--", "lsp-set-addresses", port, addresses]
            adds += ["--", "lsp-set-port-security", port, addresses] if bound else []
            deletes += ["--", "lsp-del", port]
    with ExitStack() as undo:
        switches = [undo.enter_context(dummy()) for _ in range(size.hosts)]
        made = Ovn(name, switches, adds, deletes, bound)
        made.start(size)
        yield made
