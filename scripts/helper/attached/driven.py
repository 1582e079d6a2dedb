"""What Docker's engine asked its driver for: networks, and endpoints on them. Callers hold the host's lock.

The engine says which network and which address, and never which container, so an endpoint goes through stages:

| stage    | made by                      | record        | veth and port | reported                    |
|----------|------------------------------|---------------|---------------|-----------------------------|
| created  | CreateEndpoint               | yes           | no            | no                          |
| joined   | Join                         | with its veth | yes           | no: it is in no segment     |
| known    | a look at Docker's container | with its name | yes           | as that container's         |
| left     | Leave, DeleteEndpoint        | no            | no            | no                          |

The engine moves the inner end into the container, and gives it its address, its routes and its name there.
"""

import logging
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress

from app.wire import EndpointReport, NetworkReport, PublishedPort, Rates
from flows.model import Mac
from scripts.helper import labels
from scripts.helper.attached.endpoints import healthy, new_host_end
from scripts.helper.containers import Container
from scripts.helper.net import plumb, shaper
from scripts.helper.net.member import fit, lead
from scripts.helper.net.netns import GoneError
from scripts.helper.net.ports import Published, leading
from scripts.helper.net.resolver import ADDRESS as RESOLVER
from scripts.helper.ovs.record import (
    DRIVEN,
    NETWORK,
    DrivenRecord,
    Key,
    NetworkRecord,
    bounded_aliases,
    bounded_labels,
    driven_records,
    network_records,
)
from scripts.helper.ovs.vswitch import PortState, Vswitch
from scripts.helper.problem import RefusedError

INNER = "cd"  # what the inner end is called until the engine renames it, before the digits of the outer one
YOUNG_S = 30.0  # what was made since may not be in Docker's lists yet

log = logging.getLogger(__name__)


class Driven:
    """Docker's networks here that are ours to drive, and the endpoints on them."""

    def __init__(self, vswitch: Vswitch) -> None:
        self._vswitch = vswitch
        self._netns: dict[str, str] = {}  # by endpoint id; of those that are known
        self._rates: dict[str, Rates] = {}  # in force, as the controller last said
        self._made: dict[str, float] = {}  # networks and endpoints, by id -> when (monotonic)

    # Networks

    def networks(self) -> dict[str, NetworkRecord]:
        """By Docker's id."""
        return network_records(self._vswitch)

    def create_network(self, name: str, record: NetworkRecord) -> None:
        """There is a network."""
        self._made[name] = time.monotonic()
        self._vswitch.write_record(NETWORK + name, record.text())

    def delete_network(self, name: str) -> None:
        """There is none, nor was there perhaps."""
        self._made.pop(name, None)
        self._vswitch.remove_record(NETWORK + name)

    def see_networks(self, called: Mapping[str, str]) -> None:
        """What Docker's networks are called, by id, all of them: those that it has no more are gone."""
        for name, record in self.networks().items():
            if name in called:
                if record.name != called[name]:
                    self.create_network(name, record.model_copy(update={"name": called[name]}))
            elif not self._is_young(name):
                log.info("Docker's network %.12s is gone", name)
                self.delete_network(name)

    def network_reports(self) -> tuple[NetworkReport, ...]:
        """The networks, as the controller is told; one of each vlan."""
        by_vlan = {record.vlan: record for _, record in sorted(self.networks().items())}
        return tuple(NetworkReport(name=record.name, **record.declared) for vlan, record in sorted(by_vlan.items()))

    # Endpoints

    def records(self) -> dict[str, DrivenRecord]:
        """By Docker's id of the endpoint."""
        return driven_records(self._vswitch)

    def create(self, name: str, record: DrivenRecord) -> None:
        """There is an endpoint, on a network that there is."""
        self._made[name] = time.monotonic()
        self._write(name, record)

    def join(self, name: str, mtu: int) -> str:
        """Plug it; the name of the device that the engine is to move into the container. PlumbError, VswitchError."""
        record = self.records()[name]
        self.leave(name)
        outer = new_host_end()
        inner = _inner(outer)
        with ExitStack() as undo:
            plumb.veth_to_give(outer, inner, Mac.parse(record.mac), mtu)
            undo.callback(plumb.unplug, outer)
            after = record.model_copy(update={"veth": outer})
            self._vswitch.add_driven_port(outer, name, (DRIVEN + name, after.text()))
            undo.pop_all()
        return inner

    def leave(self, name: str) -> Key | None:
        """Unplug it, if it is plugged; whose interface it was, if that was known."""
        record = self.records().get(name)
        self._netns.pop(name, None)
        if record is None or record.veth is None:
            return None
        key = record.key
        self._vswitch.delete_port(record.veth)
        plumb.unplug(record.veth)
        bare = record.model_copy(update={"veth": None, "container": None, "interface": None, "ports": ()})
        self._write(name, bare)
        return key

    def delete(self, name: str) -> Key | None:
        """It is gone, or never was; likewise."""
        key = self.leave(name)
        self._rates.pop(name, None)
        self._made.pop(name, None)
        self._vswitch.remove_record(DRIVEN + name)
        return key

    def publish(self, name: str, ports: tuple[PublishedPort, ...]) -> Key | None:
        """These ports of the host lead to this endpoint, and no others; whose it is, if that is known."""
        record = self.records()[name]
        self._write(name, record.model_copy(update={"ports": ports}))
        return record.key

    def published(self) -> Iterator[tuple[str, Published]]:
        """Which ports lead where, each with Docker's id of its endpoint."""
        for name, record in self.records().items():
            yield from ((name, leads) for leads in leading(record.ports, record.addresses))

    def note(self, found: Container, mtu: int) -> None:
        """Which of the endpoints this container has, by which interface."""
        where = found.netns or found.sandbox
        for attachment in found.attachments:
            record = self.records().get(attachment.endpoint)
            if record is None or record.veth is None or where is None:
                continue
            interface = fit(where, record.mac, mtu).interface
            network = self.networks().get(record.network)
            if network and network.gateway is None:
                lead(where, interface, RESOLVER)  # not by the engine: it refuses a route that another network gave
            self._netns[attachment.endpoint] = where
            after = record.model_copy(
                update={
                    "container": found.id,
                    "interface": interface,
                    "name": found.name,
                    "labels": bounded_labels(found.labels),
                    "aliases": bounded_aliases(attachment.aliases),
                    **_labelled(found),
                }
            )
            if after != record:
                self._write(attachment.endpoint, after)
                self._shape(attachment.endpoint, after, self._rates.get(attachment.endpoint) or after.rates)

    def shape(self, key: Key, rates: Rates) -> bool:
        """Hold the endpoint to these rates; whether there is such a one."""
        for name, record in self.records().items():
            if record.key == key:
                self._rates[name] = rates
                self._shape(name, record, rates)
                return True
        return False

    def set_mtu(self, mtu: int) -> None:
        """All that are plugged have this MTU (bytes)."""
        for name, record in self.records().items():
            if record.interface and record.veth and name in self._netns:
                with suppress(GoneError):  # when it starts again it is plugged with this one
                    plumb.fit(self._netns[name], record.interface, record.veth, mtu)

    def netns(self, key: Key) -> str | None:
        """The path of the namespace that it is in."""
        return next((self._netns.get(name) for name, record in self.records().items() if record.key == key), None)

    def containers(self) -> Iterator[str]:
        """Those that have an endpoint, as far as it is known."""
        yield from (record.container for record in self.records().values() if record.container)

    def unknown(self) -> bool:
        """Whether an endpoint is plugged of which it is not known whose it is."""
        return any(record.veth and not record.container for record in self.records().values())

    def host_ends(self) -> Iterator[str]:
        """The devices of this host that are in use."""
        yield from (record.veth for record in self.records().values() if record.veth)

    def strays(self, ports: Iterable[PortState]) -> list[PortState]:
        """Ports that no endpoint has any more, or not as its own."""
        records = self.records()
        return [p for p in ports if p.driven and (p.driven not in records or records[p.driven].veth != p.name)]

    def stale(self, present: Collection[str]) -> list[str]:
        """Endpoints whose device is gone, or not in a container, and that were not just made: Docker is to be asked."""

        def plugged(veth: str | None) -> bool:
            return veth is not None and veth in present and _inner(veth) not in present

        records = self.records().items()
        return [name for name, record in records if not plugged(record.veth) and not self._is_young(name)]

    def reports(self, ports: Iterable[PortState], present: frozenset[str]) -> Iterator[EndpointReport]:
        """Those that are plugged, and known."""
        networks, by_endpoint = self.networks(), {port.driven: port for port in ports if port.driven}
        for name, record in self.records().items():
            port, network = by_endpoint.get(name), networks.get(record.network)
            key = record.key
            if key and port and port.ofport is not None and healthy(port, present) and network:
                yield EndpointReport(
                    container=key.container,
                    interface=key.interface,
                    name=record.name or key.container[:12],
                    mac=record.mac,
                    ofport=port.ofport,
                    address=record.address,
                    address6=record.address6,
                    vlan=record.vlan or network.vlan,
                    up_kbps=record.up_kbps,
                    down_kbps=record.down_kbps,
                    labels=record.labels,
                    ports=record.ports,
                    aliases=record.aliases,
                )

    def _shape(self, name: str, record: DrivenRecord, rates: Rates) -> None:
        netns = self._netns.get(name)
        if netns and record.interface and record.veth:
            with suppress(GoneError):  # likewise
                shaper.shape(netns, record.interface, record.veth, **rates.model_dump())

    def _is_young(self, name: str) -> bool:
        return time.monotonic() - self._made.get(name, -YOUNG_S) < YOUNG_S

    def _write(self, name: str, record: DrivenRecord) -> None:
        self._vswitch.write_record(DRIVEN + name, record.text())


def _inner(outer: str) -> str:
    return INNER + outer[len(INNER) :]


def _labelled(container: Container) -> dict[str, int]:
    """The VLAN and the rates that the container's labels say."""
    try:
        said = labels.said(container.labels)
        found = {
            "vlan": labels.vlan(said),
            "up_kbps": labels.kbps(said, labels.UP),
            "down_kbps": labels.kbps(said, labels.DOWN),
        }
    except RefusedError as refusal:
        log.error("%s: %s", container.name, refusal)
        return {}
    return {key: value for key, value in found.items() if value is not None}
