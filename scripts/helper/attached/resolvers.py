"""Resolvers of networks on this host: who answers questions about names, and what. Callers hold the host's lock.

| what                            | where                                              | made again                   |
|---------------------------------|----------------------------------------------------|------------------------------|
| who is called how in a network  | a file per vlan, beside the helper's socket        | as the controller says       |
| a port of the bridge            | OVSDB                                              | when it or its veth is amiss |
| its other end, with the address | a namespace of its own, which nothing leads out of | with the port                |
| what listens there              | this process (`net/resolver.py`)                   | when this process is         |

So a question has nowhere to go but to the answer: the namespace forwards nothing, and no device of the host is in it.
The files are gone when the machine restarts, and so are the flows: nothing was to be reached then by a name anyway.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from ipaddress import IPv4Interface
from pathlib import Path

from pydantic import ValidationError

from app.wire import Address, EndpointReport, NamesWant
from flows.model import Mac, Role
from scripts.helper.attached.endpoints import devices, healthy, new_host_end
from scripts.helper.net import netns, plumb
from scripts.helper.net.links import Devices
from scripts.helper.net.resolver import ADDRESS, Resolver, Zone
from scripts.helper.ovs.record import Key
from scripts.helper.ovs.vswitch import RESOLVER, PortState, Vswitch

INTERFACE, MAC = IPv4Interface(ADDRESS), Mac.of(ADDRESS)
LOOPBACK = "lo"
SETTINGS = {
    "ipv4/ip_forward": "0",
    "ipv4/conf/all/rp_filter": "0",  # there is no route to whoever asks: the answer leaves by the socket's device
    "ipv4/conf/default/rp_filter": "0",
    "ipv6/conf/default/disable_ipv6": "1",
}

log = logging.getLogger(__name__)


def resolver_key(vlan: int) -> Key:
    """What makes the resolver of this vlan an endpoint."""
    return Key(f"resolver:{vlan}", f"dns{vlan}")


class Resolvers:
    """The resolvers here. `directory`: where what lasts over a restart of this process is kept."""

    def __init__(self, vswitch: Vswitch, directory: Path) -> None:
        self._vswitch = vswitch
        self._files, self._netns = directory / "names", directory / "resolver"
        self._wanted: dict[int, NamesWant] | None = None  # None: not read yet
        self._resolver = Resolver()

    def knows(self, address: Address) -> bool:
        """Whether somebody with this address is in a network that has a resolver."""
        return any(address in addresses for want in self._known().values() for addresses in want.names.values())

    def differing(self, want: NamesWant) -> frozenset[Address]:
        """The addresses of those who come into the network by this, and of those who leave it."""
        before = self._known().get(want.vlan)
        return _addresses(want) ^ (_addresses(before) if before else frozenset())

    def set(self, want: NamesWant, mtu: int) -> bool:
        """This is who is called how in a network; whether anything is plugged otherwise than before."""
        before = self._known().get(want.vlan)
        if want == before:
            return False
        self._write(want)
        if not want.present:
            self._known().pop(want.vlan, None)
            return self._unplug(want.vlan, self._ports().get(want.vlan))
        self._known()[want.vlan] = want
        self._resolver.know(want.vlan, _zone(want))
        return before is None and self._plug(want.vlan, self._ports().get(want.vlan), mtu)

    def restore(self, mtu: int) -> None:
        """What is known is answered, and nothing else is plugged. PlumbError, VswitchError."""
        ports = self._ports()
        for vlan, want in self._known().items():
            self._resolver.know(vlan, _zone(want))
            self._plug(vlan, ports.get(vlan), mtu)
        for vlan in ports.keys() - self._known().keys():
            self._unplug(vlan, ports[vlan])

    def serve_engine(self, bridges: Iterable[str], joined: Mapping[str, int]) -> None:
        """What Docker has on these Linux bridges may ask too, and what it has in this host's own namespace; PlumbError.

        The engine is told one server for all of its containers, also for those that are on no network of ours.
        `joined`: bridges that are joined, and to which vlan; this host is how Docker leads from there to the resolver.
        """
        plumb.add_address(LOOPBACK, INTERFACE)
        present = devices() & set(bridges)
        self._resolver.serve_devices({LOOPBACK: None, **{bridge: joined.get(bridge) for bridge in present}})

    def set_mtu(self, mtu: int) -> None:
        """All have this MTU (bytes)."""
        for vlan, port in self._ports().items():
            if healthy(port, Devices()):
                plumb.fit(str(self._netns), resolver_key(vlan).interface, port.name, mtu)

    def reports(self, ports: Iterable[PortState], present: frozenset[str]) -> Iterator[EndpointReport]:
        """Those that are there."""
        for vlan, port in _by_vlan(ports).items():
            if port.ofport is not None and healthy(port, present):
                key = resolver_key(vlan)
                yield EndpointReport(
                    container=key.container,
                    interface=key.interface,
                    name=key.interface,
                    mac=str(MAC),
                    ofport=port.ofport,
                    address=INTERFACE,
                    vlan=vlan,
                    role=Role.RESOLVER,
                )

    def _plug(self, vlan: int, port: PortState | None, mtu: int) -> bool:
        """It is plugged, and somebody listens; whether it is only now. `port`: the one that there is."""
        name = resolver_key(vlan).interface
        if port is not None and healthy(port, Devices()):
            self._resolver.serve(vlan, str(self._netns), name, port.name)
            return False
        self._unplug(vlan, port)
        netns.lasting(self._netns, SETTINGS)
        host_end = new_host_end()
        with ExitStack() as undo:
            plumb.plug(str(self._netns), host_end, interface=name, mac=MAC, address=INTERFACE, mtu=mtu, gateway=None)
            undo.callback(plumb.unplug, host_end)
            self._vswitch.add_port(host_end, {RESOLVER: str(vlan)})
            undo.pop_all()
        self._resolver.serve(vlan, str(self._netns), name, host_end)
        return True

    def _unplug(self, vlan: int, port: PortState | None) -> bool:
        """It is not plugged; whether it was, by this port."""
        self._resolver.leave(vlan)
        if port is None:
            return False
        self._vswitch.delete_port(port.name)
        plumb.unplug(port.name)
        return True

    def _ports(self) -> dict[int, PortState]:
        return _by_vlan(self._vswitch.ports().values())

    def _known(self) -> dict[int, NamesWant]:
        if self._wanted is None:
            self._wanted = {want.vlan: want for want in self._read()}
        return self._wanted

    def _read(self) -> Iterator[NamesWant]:
        for file in self._files.glob("*.json"):
            try:
                yield NamesWant.model_validate_json(file.read_bytes())
            except (OSError, ValidationError) as error:
                log.warning("%s cannot be read and is passed over: %s", file, error)

    def _write(self, want: NamesWant) -> None:
        """Keep it, or that it is wanted no more. Without that it is lost with this process, and no more than that."""
        file = self._files / f"{want.vlan}.json"
        try:
            if not want.present:
                file.unlink(missing_ok=True)
                return
            self._files.mkdir(parents=True, exist_ok=True)
            new = file.with_suffix(".new")
            new.write_text(want.model_dump_json())
            os.replace(new, file)
        except OSError as error:
            log.warning("%s cannot be written: %s", file, error.strerror)


def _addresses(want: NamesWant) -> frozenset[Address]:
    return frozenset(address for addresses in want.names.values() for address in addresses)


def _zone(want: NamesWant) -> Zone:
    return Zone(want.names, want.outside)


def _by_vlan(ports: Iterable[PortState]) -> dict[int, PortState]:
    found = {}
    for port in ports:
        with suppress(ValueError):
            if port.resolver is not None:
                found[int(port.resolver)] = port
    return found
