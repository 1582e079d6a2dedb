"""Flows written by hand, put into the switches with `ovs-ofctl --bundle`: what there is to gain without any safety.

    table 0   in_port -> segment in reg0;  tunnel: its key -> reg0
    table 1   (segment, eth_dst) -> port, or tunnel with the key; broadcast -> every port of the segment

No spoof guard, no ARP responder, nobody who watches.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from scripts.bench.peers import veth
from scripts.bench.peers.bridge import TUNNEL, joined_bridges
from scripts.bench.peers.place import BRIDGE, Place
from scripts.lab.measure import Box


@dataclass
class Member:
    """Who is in which segment, where."""

    box: Box
    mac: str
    ofport: int
    vlan: int


class Raw:
    """One who knows the switch well."""

    name = "raw"

    def __init__(self, place: Place) -> None:
        self.place, self.hosts = place, place.hosts
        self._members: dict[str, Member] = {}
        self._last_port = 0
        joined_bridges(place, "fail_mode=secure", "flow")
        self._send(
            {
                host.name: [f"table=0,in_port={TUNNEL},actions=move:NXM_NX_TUN_ID[0..31]->NXM_NX_REG0[],resubmit(,1)"]
                for host in place.hosts
            }
        )

    def attach(self, box: Box, address: str, vlan: int) -> None:
        """The interface, its port, and the flows of both hosts."""
        self._last_port += 1
        self._members[box.name] = Member(box, veth.mac(address), self._last_port, vlan)
        self.place.shell(box.host).run(
            f"{veth.plug(box, address)}; ovs-vsctl add-port {BRIDGE} {veth.port(box)} "
            f"-- set interface {veth.port(box)} ofport_request={self._last_port}"
        )
        self._send(self._flows([box], vlan))

    def detach(self, box: Box) -> None:
        """The port and its flows go."""
        member = self._members.pop(box.name)
        self.place.shell(box.host).run(f"ovs-vsctl del-port {BRIDGE} {veth.port(box)}; ip link del {veth.port(box)}")
        gone = [f"delete table=1,reg0={member.vlan},dl_dst={member.mac}"]
        flows = {host.name: [*gone, *self._floods(host.name, member.vlan)] for host in self.hosts}
        flows[box.host.name].append(f"delete table=0,in_port={member.ofport}")
        self._send(flows)

    def move(self, boxes: Sequence[Box], vlan: int) -> None:
        """A bundle on each host, at once."""
        old = {self._members[box.name].vlan for box in boxes}
        for box in boxes:
            self._members[box.name].vlan = vlan
        flows = self._flows(boxes, vlan)
        for host, lines in flows.items():
            for left in old - {vlan}:
                lines += [f"delete table=1,reg0={left},dl_dst={self._members[box.name].mac}" for box in boxes]
                lines += self._floods(host, left)
        self._send(flows)

    def more(self, count: int) -> None:
        """Their MACs, all behind the tunnel."""
        lines = [
            f"table=1,reg0={vlan},dl_dst=02:cc:00:{vlan:02x}:{number >> 8:02x}:{number & 255:02x},"
            f"actions=set_field:{vlan}->tun_id,output:{TUNNEL}"
            for vlan in (10, 20)
            for number in range(count // 2)
        ]
        self._send({host.name: lines for host in self.hosts})

    def _flows(self, boxes: Sequence[Box], vlan: int) -> dict[str, list[str]]:
        """Those of these boxes in this segment, for both hosts."""
        flows: dict[str, list[str]] = {}
        for host in self.hosts:
            lines = flows[host.name] = self._floods(host.name, vlan)
            for member in (self._members[box.name] for box in boxes):
                here = member.box.host is host
                if here:
                    lines.append(f"table=0,in_port={member.ofport},actions=set_field:{vlan}->reg0,resubmit(,1)")
                out = f"output:{member.ofport}" if here else f"set_field:{vlan}->tun_id,output:{TUNNEL}"
                lines.append(f"table=1,reg0={vlan},dl_dst={member.mac},actions={out}")
        return flows

    def _floods(self, host: str, vlan: int) -> list[str]:
        """Broadcast to every port of the segment, and to the other host."""
        members = [member for member in self._members.values() if (member.box.host.name, member.vlan) == (host, vlan)]
        outs = "".join(f"output:{port}," for port in sorted(member.ofport for member in members))
        return [f"table=1,reg0={vlan},dl_dst=ff:ff:ff:ff:ff:ff,actions={outs}set_field:{vlan}->tun_id,output:{TUNNEL}"]

    def _send(self, flows: dict[str, list[str]]) -> None:
        newline = "\n"
        self.place.run(
            {
                host: f"ovs-ofctl -O OpenFlow15 --bundle add-flows {BRIDGE} - <<END\n{newline.join(lines)}\nEND"
                for host, lines in flows.items()
            }
        )
