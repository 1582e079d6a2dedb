"""Endpoints of containers: the record on the bridge, the veth pair, the port. Whoever calls holds the host's lock.

| the container | record | port and veth                                         |
|---------------|--------|-------------------------------------------------------|
| runs          | yes    | yes                                                   |
| stopped       | yes    | no                                                    |
| is removed    | no     | no                                                    |

What is kept in this process is only what can be had again: namespaces from Docker, rates in force from the controller.
"""

import secrets
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack

from app.wire import EndpointReport, Rates
from flows.model import Mac
from scripts.helper import plumb, shaper
from scripts.helper.record import ENDPOINT, EndpointRecord, JoinRecord, Key, endpoint_records
from scripts.helper.vswitch import PortState, Vswitch

VETH = "ct"  # what our host ends are called, before eight random digits


def new_host_end(prefix: str = VETH) -> str:
    """A name that no device had before: one that comes again stays dead in the userspace datapath."""
    return prefix + secrets.token_hex(4)


def devices() -> frozenset[str]:
    """The devices of this host."""
    return frozenset(name for _, name in socket.if_nameindex())


def healthy(port: PortState, present: frozenset[str]) -> bool:
    """Whether the port has a number and its device is there."""
    return port.ofport is not None and port.error is None and port.name in present


class Endpoints:
    """What `connect` made on this host."""

    def __init__(self, vswitch: Vswitch) -> None:
        self._vswitch = vswitch
        self._netns: dict[Key, str] = {}  # of those that are plugged
        self._rates: dict[Key, Rates] = {}  # in force, as the controller last said

    def records(self) -> dict[Key, EndpointRecord]:
        """All that is attached, plugged or not."""
        return endpoint_records(self._vswitch)

    def plug(self, key: Key, record: EndpointRecord, netns: str, *, new: bool) -> None:
        """Give the container its interface, and the bridge port and record; PlumbError or VswitchError, and no trace.

        `new`: the record is not on the bridge yet.
        """
        host_end = new_host_end()
        if record.behind:
            record = record.model_copy(update={"veth": host_end})
        said = (ENDPOINT + str(key), record.text())
        with ExitStack() as undo:
            plumb.plug(
                netns,
                host_end,
                interface=key.interface,
                mac=Mac.parse(record.mac),
                address=record.address,
                mtu=record.mtu,
                gateway=record.route,
            )
            undo.callback(plumb.unplug, host_end)
            rates = self._rates.get(key) or Rates(up_kbps=record.up_kbps, down_kbps=record.down_kbps)
            if rates != Rates():
                shaper.shape(netns, key.interface, host_end, **rates.model_dump())
            if record.behind:
                plumb.bridge_port(record.behind, host_end)
                self._vswitch.write_record(*said)
            else:
                self._vswitch.add_endpoint_port(host_end, str(key), said if new else None)
            undo.pop_all()
        self._netns[key] = netns

    def plugged(self, key: Key, record: EndpointRecord, netns: str) -> bool:
        """Whether the container that lives in this namespace has its interface, and that its port."""
        present = devices()
        own = record.veth in present if record.behind else any(healthy(port, present) for port in self._ports(key))
        if own and key.interface in plumb.interfaces(netns):
            self._netns[key] = netns
            return True
        return False

    def unplug(self, key: Key, record: EndpointRecord | None) -> None:
        """Take port and veth away; the record stays."""
        self._netns.pop(key, None)
        for port in self._ports(key):
            self._vswitch.delete_port(port.name)
            plumb.unplug(port.name)
        if record and record.veth:
            plumb.unplug(record.veth)

    def forget(self, key: Key) -> None:
        """Take everything away, the record first: if the rest fails, what is left has no owner and is swept."""
        record = self.records().get(key)
        self._rates.pop(key, None)
        self._vswitch.remove_record(ENDPOINT + str(key))
        self.unplug(key, record)

    def write(self, key: Key, record: EndpointRecord) -> None:
        """This is the record now."""
        self._vswitch.write_record(ENDPOINT + str(key), record.text())

    def set_rates(self, key: Key, rates: Rates) -> None:
        """These rates are in force from the next plugging on."""
        self._rates[key] = rates

    def shape(self, key: Key, rates: Rates) -> bool:
        """Hold the endpoint to these rates, now if it is plugged; whether there is such an endpoint."""
        record = self.records().get(key)
        if record is None:
            return False
        self.set_rates(key, rates)
        host_end = record.veth or next((port.name for port in self._ports(key)), None)
        netns = self._netns.get(key)
        if host_end and netns:
            shaper.shape(netns, key.interface, host_end, **rates.model_dump())
        return True

    def unsettled(self, present: frozenset[str]) -> Iterator[str]:
        """The containers of which something is plugged whose device is gone, or that no record is about."""
        records = self.records()
        for port in self._vswitch.ports().values():
            if port.endpoint and (Key.parse(port.endpoint) not in records or not healthy(port, present)):
                yield Key.parse(port.endpoint).container
        for key, record in records.items():
            if record.veth and key in self._netns and record.veth not in present:
                yield key.container

    def host_ends(self) -> Iterator[str]:
        """The devices of this host that are in use."""
        yield from (port.name for port in self._vswitch.ports().values() if port.endpoint)
        yield from (record.veth for record in self.records().values() if record.veth)

    def orphans(self) -> Iterator[Key]:
        """Ports that no record is about."""
        records = self.records()
        for port in self._vswitch.ports().values():
            if port.endpoint and (key := Key.parse(port.endpoint)) not in records:
                yield key

    def reports(
        self,
        ports: Iterable[PortState],
        joined: Mapping[str, int],
        joins: Mapping[str, JoinRecord],
        present: frozenset[str],
    ) -> Iterator[EndpointReport]:
        """Those that are plugged. `joined`: the ofport of each joined Linux bridge; what is behind has its vlan."""
        ofports = {port.endpoint: port.ofport for port in ports if port.endpoint and healthy(port, present)}
        for key, record in self.records().items():
            if not record.behind:
                ofport, vlan = ofports.get(str(key)), record.vlan
            elif record.behind in joined and record.veth in present:
                ofport, vlan = joined[record.behind], joins[record.behind].vlan
            else:
                continue
            if ofport is not None:
                yield _report(key, record, ofport, vlan)

    def _ports(self, key: Key) -> list[PortState]:
        return [port for port in self._vswitch.ports().values() if port.endpoint == str(key)]


def _report(key: Key, record: EndpointRecord, ofport: int, vlan: int | None) -> EndpointReport:
    return EndpointReport(
        container=key.container,
        interface=key.interface,
        name=record.name,
        mac=record.mac,
        ofport=ofport,
        address=record.address,
        vlan=vlan,
        up_kbps=record.up_kbps,
        down_kbps=record.down_kbps,
        behind=record.behind,
        labels=record.labels,
    )
