"""OVN from Debian: its databases and ovn-northd on the first host, ovn-controller on each, Geneve between them.

A VLAN is a logical switch. `--wait=hv` makes ovn-nbctl return when every ovn-controller says that it is done.
"""

from collections.abc import Sequence

from scripts.bench.peers import veth
from scripts.bench.peers.bridge import internal_ports
from scripts.bench.peers.place import BRIDGE, Place
from scripts.lab import LabError, Machine
from scripts.lab.command import poll
from scripts.lab.measure import Box

SCHEMAS = "/usr/share/ovn"
NB, SB = 6641, 6642
START_S = 60.0
NBCTL = "ovn-nbctl --db=unix:/run/ovn/nb.sock --timeout=60"


class Ovn:
    """What a larger cloud would take."""

    name = "ovn"

    def __init__(self, place: Place) -> None:
        self.place, self.hosts = place, place.hosts
        self._addresses: dict[str, str] = {}
        central = self._central
        for name in ("nb", "sb"):
            central.exec("mkdir", "-p", "/run/ovn")
            central.exec("ovsdb-tool", "create", f"/run/ovn/{name}.db", f"{SCHEMAS}/ovn-{name}.ovsschema")
        for host in place.lab.hosts:
            host.exec("mkdir", "-p", "/run/ovn")
            ids = {
                "system-id": host.name,
                "ovn-remote": f"tcp:{place.address(central)}:{SB}",
                "ovn-encap-type": "geneve",
                "ovn-encap-ip": place.address(host),
                "ovn-bridge-datapath-type": "netdev",
            }
            host.exec("ovs-vsctl", "set", "open", ".", *(f"external_ids:{key}={said}" for key, said in ids.items()))
        self.start()
        place.shell(central).run(f"{NBCTL} --wait=hv ls-add vlan10 -- ls-add vlan20")

    @property
    def _central(self) -> Machine:
        return self.hosts[0]

    def attach(self, box: Box, address: str, vlan: int) -> None:
        """The logical port, the interface, the port that stands for it; then all chassis are waited for."""
        self._addresses[box.name] = address
        bound = f"ovs-vsctl add-port {BRIDGE} {veth.port(box)} -- set interface {veth.port(box)}"
        if box.host is self._central:
            self.place.shell(self._central).run(
                f"{NBCTL} {self._port(box, vlan)}; {veth.plug(box, address)}; "
                f"{bound} external_ids:iface-id={box.name}; {NBCTL} wait-until logical_switch_port {box.name} up=true"
            )
        else:
            self.place.shell(self._central).run(f"{NBCTL} {self._port(box, vlan)}")
            self.place.shell(box.host).run(f"{veth.plug(box, address)}; {bound} external_ids:iface-id={box.name}")
            self.place.shell(self._central).run(f"{NBCTL} wait-until logical_switch_port {box.name} up=true")

    def detach(self, box: Box) -> None:
        """Both ports."""
        del self._addresses[box.name]
        self.place.shell(box.host).run(f"ovs-vsctl del-port {BRIDGE} {veth.port(box)}; ip link del {veth.port(box)}")
        self.place.shell(self._central).run(f"{NBCTL} --wait=hv lsp-del {box.name}")

    def move(self, boxes: Sequence[Box], vlan: int) -> None:
        """The logical ports to another logical switch, in one transaction."""
        words = " -- ".join(f"lsp-del {box.name} -- {self._port(box, vlan)}" for box in boxes)
        self.place.shell(self._central).run(f"{NBCTL} --wait=hv {words}")

    def more(self, count: int) -> None:
        """Logical ports, and ports of the third host's bridge that stand for them."""
        words = [
            f"lsp-add vlan{vlan} c{vlan}-{number} -- lsp-set-addresses c{vlan}-{number} "
            f"'02:cc:00:{vlan:02x}:{number >> 8:02x}:{number & 255:02x} 172.15.{vlan + 100 + number // 250}."
            f"{number % 250 + 1}'"
            for vlan in (10, 20)
            for number in range(count // 2)
        ]
        self.place.shell(self._central).run(f"{NBCTL} {' -- '.join(words)}")
        internal_ports(self.place, count, lambda vlan, number: f"external_ids:iface-id=c{vlan}-{number}")
        self.place.shell(self._central).run(f"{NBCTL} --wait=hv sync")

    def kill(self) -> None:
        """Databases, ovn-northd and every ovn-controller."""
        for host in self.place.lab.hosts:
            for role in ("ovn-controller", "ovn-northd", "ovn-nb", "ovn-sb"):
                host.kill(role)

    def start(self) -> None:
        """The same again; returns when every ovn-controller has caught up."""
        central = self._central
        for name, port in (("nb", NB), ("sb", SB)):
            central.start(
                f"ovn-{name}",
                (
                    "ovsdb-server",
                    f"/run/ovn/{name}.db",
                    f"--remote=punix:/run/ovn/{name}.sock",
                    f"--remote=ptcp:{port}:{self.place.address(central)}",
                    f"--unixctl=/run/ovn/{name}.ctl",
                ),
            )
        northd = ("--ovnnb-db=unix:/run/ovn/nb.sock", "--ovnsb-db=unix:/run/ovn/sb.sock")
        central.start("ovn-northd", ("ovn-northd", *northd))
        if not poll(self._serves, START_S):
            raise LabError("OVN does not serve")

    def _serves(self) -> bool:
        """Whether every ovn-controller has caught up; one that crashed as it began, as 23.03 may, is started again."""
        for host in self.place.lab.hosts:
            host.start("ovn-controller", ("ovn-controller", "unix:/run/openvswitch/db.sock", "--pidfile"))
        try:
            self.place.shell(self._central).run(f"{NBCTL} --timeout=3 --wait=hv sync")
        except LabError:
            return False
        return True

    def _port(self, box: Box, vlan: int) -> str:
        address = self._addresses[box.name]
        plain = address.partition("/")[0]
        return f"lsp-add vlan{vlan} {box.name} -- lsp-set-addresses {box.name} '{veth.mac(address)} {plain}'"
