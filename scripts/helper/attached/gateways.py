"""Gateways of networks on this host: a port of the bridge with the gateway's address. Callers hold the host's lock.

What leaves a subnet through it is routed by this host's kernel (`nat.py`). The device goes with ovs-vswitchd, so its
address is set again from the record whenever it may have gone.
"""

from collections.abc import Iterable, Iterator

from app.wire import EndpointReport, Subnet
from flows.model import Mac, Role
from scripts.helper.attached.endpoints import healthy
from scripts.helper.net import plumb
from scripts.helper.ovs.record import GATEWAY, GatewayRecord, Key, gateway_records
from scripts.helper.ovs.vswitch import PortState, Vswitch


def gateway_key(vlan: int) -> Key:
    """What makes the gateway of this vlan an endpoint."""
    return Key(f"gateway:{vlan}", f"gw{vlan}")


class Gateways:
    """The gateways here."""

    def __init__(self, vswitch: Vswitch) -> None:
        self._vswitch = vswitch

    def set(self, vlan: int, record: GatewayRecord) -> None:
        """The gateway is there, as this says. Idempotent."""
        self._vswitch.write_record(f"{GATEWAY}{vlan}", record.text())
        self._make(vlan, record)

    def remove(self, vlan: int) -> None:
        """The gateway is not there. Idempotent."""
        self._vswitch.delete_port(gateway_key(vlan).interface, f"{GATEWAY}{vlan}")

    def restore(self) -> None:
        """What the records say is there."""
        for vlan, record in gateway_records(self._vswitch).items():
            self._make(vlan, record)

    def subnets(self) -> Iterator[Subnet]:
        """Who goes out through here."""
        for record in gateway_records(self._vswitch).values():
            yield record.subnet
            if record.subnet6 is not None:
                yield record.subnet6

    def reports(self, ports: Iterable[PortState], present: frozenset[str]) -> Iterator[EndpointReport]:
        """Those that are there."""
        by_name = {port.name: port for port in ports}
        for vlan, record in gateway_records(self._vswitch).items():
            key = gateway_key(vlan)
            port = by_name.get(key.interface)
            if port and port.ofport is not None and healthy(port, present):
                yield EndpointReport(
                    container=key.container,
                    interface=key.interface,
                    name=key.interface,
                    mac=record.mac,
                    ofport=port.ofport,
                    address=record.address,
                    address6=record.address6,
                    vlan=vlan,
                    role=Role.GATEWAY,
                )

    def _make(self, vlan: int, record: GatewayRecord) -> None:
        name, mac = gateway_key(vlan).interface, Mac.parse(record.mac)
        self._vswitch.add_internal_port(name, external_ids={"containet-gateway": str(vlan)}, mac=mac, mtu=record.mtu)
        plumb.address_device(name, (record.address,), mac, record.mtu, record.address6)
