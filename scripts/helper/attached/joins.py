"""Linux bridges of this host (Docker's docker0, say) joined to ours by a veth pair. Callers hold the host's lock.

| endpoint behind it                         | known by                         | container        | role      |
|--------------------------------------------|----------------------------------|------------------|-----------|
| a container that `connect --bridge` made   | its record (`endpoints.py`)      | its id           | container |
| a container that Docker itself put there   | Docker, as it comes and goes     | its id           | container |
| the bridge, if it has an address           | netlink                          | `bridge:NAME`    | router    |

All are reported with the port of the pair and the vlan of the join.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from ipaddress import IPv4Network

from app.wire import EndpointReport, Rates
from flows.model import Mac, Role
from scripts.helper.attached.endpoints import devices, healthy, new_host_end
from scripts.helper.containers import Attachment, Container
from scripts.helper.net import plumb, shaper
from scripts.helper.net.member import Ends, fit
from scripts.helper.net.netns import GoneError
from scripts.helper.ovs.record import JOIN, JoinRecord, Key, bounded_labels, join_records
from scripts.helper.ovs.vswitch import PortState, Vswitch

FAR = "cj"  # what the end in the Linux bridge is called, before the same eight digits


def bridge_key(bridge: str) -> Key:
    """What makes a joined bridge an endpoint."""
    return Key(f"bridge:{bridge}", bridge)


@dataclass(frozen=True)
class Member:
    """A container that Docker put on a joined bridge."""

    container: Container
    attachment: Attachment
    bridge: str
    ends: Ends


class Joins:
    """The Linux bridges that are joined, and what Docker has on them."""

    def __init__(self, vswitch: Vswitch) -> None:
        self._vswitch = vswitch
        self._members: dict[Key, Member] = {}

    def records(self) -> dict[str, JoinRecord]:
        """The joined bridges."""
        return join_records(self._vswitch)

    def join(self, bridge: str, record: JoinRecord, mtu: int) -> None:
        """Join the bridge; PlumbError or VswitchError, and no trace."""
        with ExitStack() as undo:
            undo.callback(self._vswitch.remove_record, JOIN + bridge)
            self._make(bridge, mtu)
            self._vswitch.write_record(JOIN + bridge, record.text())
            undo.pop_all()

    def leave(self, bridge: str) -> None:
        """Take the pair and the record away."""
        self._vswitch.remove_record(JOIN + bridge)
        self._unmake(bridge)
        self._members = {key: member for key, member in self._members.items() if member.bridge != bridge}

    def restore(self, mtu: int) -> None:
        """What the records say is there if the Linux bridge is, and else is not."""
        present = devices()
        ofports = self.ofports(self._vswitch.ports().values(), present)
        for bridge in self.records():
            if bridge not in ofports:
                self._unmake(bridge)
                if bridge in present:
                    self._make(bridge, mtu)

    def set_mtu(self, mtu: int) -> None:
        """The pairs have this MTU (bytes), and what Docker has behind them no larger one."""
        for port in self._vswitch.ports().values():
            if port.join:
                for end in (port.name, _far(port.name)):
                    plumb.set_mtu(end, mtu)
        for member in self._members.values():
            if member.container.netns:
                with suppress(GoneError):  # it is looked at anew when it starts again
                    fit(member.container.netns, member.attachment.mac, mtu)

    def note(self, container: Container, bridges: Mapping[str, str], mtu: int) -> None:
        """Look where Docker has this container now. `bridges`: the Linux bridge of each of Docker's networks."""
        self.drop(container.id)
        for attachment in container.attachments if container.netns else ():
            bridge = bridges.get(attachment.network)
            if bridge in self.records() and bridge and container.netns:
                ends = fit(container.netns, attachment.mac, mtu)
                self._members[Key(container.id, ends.interface)] = Member(container, attachment, bridge, ends)

    def drop(self, container: str) -> None:
        """The container is not there any more."""
        self._members = {key: member for key, member in self._members.items() if key.container != container}

    def containers(self) -> set[str]:
        """Those of Docker's containers that are on a joined bridge."""
        return {key.container for key in self._members}

    def shape(self, key: Key, rates: Rates) -> bool:
        """Hold a container that Docker put there to these rates; whether there is such a one."""
        member = self._members.get(key)
        if member is None:
            return False
        if member.container.netns and member.ends.host_end:
            with suppress(GoneError):
                shaper.shape(member.container.netns, key.interface, member.ends.host_end, **rates.model_dump())
        return True

    def subnets(self) -> Iterator[IPv4Network]:
        """Who goes out through here."""
        present = devices()
        for bridge, record in self.records().items():
            if record.nat and bridge in present and (address := plumb.bridge_addresses(bridge).address):
                yield address.network

    def ofports(self, ports: Iterable[PortState], present: frozenset[str]) -> dict[str, int]:
        """The port that leads to each joined bridge."""
        return {
            port.join: port.ofport
            for port in ports
            if port.join
            and port.ofport is not None
            and healthy(port, present)
            and plumb.bridge_of(_far(port.name)) == port.join  # one that was made anew has it not
        }

    def reports(self, joined: Mapping[str, int]) -> Iterator[EndpointReport]:
        """The bridges, and what Docker has on them. `joined`: their ofports."""
        for bridge, record in self.records().items():
            if bridge not in joined:
                continue
            key, (mac, address, address6) = bridge_key(bridge), plumb.bridge_addresses(bridge)
            if address or address6:
                yield EndpointReport(
                    container=key.container,
                    interface=key.interface,
                    name=bridge,
                    mac=str(mac),
                    ofport=joined[bridge],
                    address=address,
                    address6=address6,
                    vlan=record.vlan,
                    role=Role.ROUTER,
                )
            for key, member in self._members.items():
                if member.bridge == bridge:
                    yield EndpointReport(
                        container=key.container,
                        interface=key.interface,
                        name=member.container.name,
                        mac=str(Mac.parse(member.attachment.mac)),
                        ofport=joined[bridge],
                        address=member.attachment.address,
                        address6=member.attachment.address6,
                        vlan=record.vlan,
                        behind=bridge,
                        labels=bounded_labels(member.container.labels),
                    )

    def _make(self, bridge: str, mtu: int) -> None:
        plumb.bridge_addresses(bridge)  # a refusal before anything is made, if it is no bridge
        near = new_host_end()
        far = _far(near)
        with ExitStack() as undo:
            plumb.veth(near, far, mtu)
            undo.callback(plumb.unplug, near)
            plumb.bridge_port(bridge, far)
            self._vswitch.add_port(near, {"containet-join": bridge})
            undo.pop_all()

    def _unmake(self, bridge: str) -> None:
        for port in self._vswitch.ports().values():
            if port.join == bridge:
                self._vswitch.delete_port(port.name)
                plumb.unplug(port.name)


def _far(near: str) -> str:
    return FAR + near[len(FAR) :]
