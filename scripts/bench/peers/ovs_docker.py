"""Plain Open vSwitch in NORMAL mode with its own `ovs-docker`: a learning switch, VLAN tags, one VXLAN tunnel."""

from collections.abc import Sequence

from scripts.bench.peers.bridge import internal_ports, joined_bridges
from scripts.bench.peers.place import BRIDGE, Place
from scripts.lab.measure import Box


class OvsDocker:
    """What Open vSwitch's documentation tells people to do with Docker."""

    name = "ovs-docker"

    def __init__(self, place: Place) -> None:
        self.place, self.hosts = place, place.hosts
        joined_bridges(place, "fail_mode=standalone", "0")

    def attach(self, box: Box, address: str, vlan: int) -> None:
        """add-port, then set-vlan: it has no command for both."""
        self.place.shell(box.host).run(
            f"ovs-docker add-port {BRIDGE} eth0 {box.name} --ipaddress={address} --mtu=1450; "
            f"ovs-docker set-vlan {BRIDGE} eth0 {box.name} {vlan}"
        )

    def detach(self, box: Box) -> None:
        """del-port."""
        self.place.shell(box.host).run(f"ovs-docker del-port {BRIDGE} eth0 {box.name}")

    def move(self, boxes: Sequence[Box], vlan: int) -> None:
        """set-vlan on each host, at once."""
        self.place.run(
            {box.host.name: f"ovs-docker set-vlan {BRIDGE} eth0 {box.name} {vlan}" for box in boxes},
        )

    def more(self, count: int) -> None:
        """Ports of the third host's bridge with their tags."""
        internal_ports(self.place, count, lambda vlan, _: f"-- set port {{port}} tag={vlan}")
