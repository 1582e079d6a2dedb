"""The network driver: what each of the engine's calls does here."""

import logging
from collections.abc import Iterable
from typing import Any

from app.wire import Ask, NetworkReport, PublishedPort
from flows.model import Mac
from scripts.helper.attached.host import NETWORKS, Host
from scripts.helper.line.report import Channel
from scripts.helper.net.firewall import NatError
from scripts.helper.net.ports import leading, overlap, why_not_free
from scripts.helper.ovs.record import DrivenRecord, NetworkRecord
from scripts.helper.plugin import options
from scripts.helper.plugin.bindings import published
from scripts.helper.plugin.said import CreateEndpoint, CreateNetwork, Nothing, OfEndpoint, OfNetwork, Publish
from scripts.helper.problem import AwayError, RefusedError

EMPTY: dict[str, Any] = {}
TOLD_S = 2.0
LEAST_MTU6 = 1280  # bytes (RFC 8200, 5): a device with less has no IPv6 addresses

log = logging.getLogger(__name__)


class NetworkDriver:
    """Answers the engine. Any thread may call."""

    def __init__(self, host: Host, channel: Channel) -> None:
        self._host, self._channel = host, channel

    def capabilities(self, _: Nothing) -> dict[str, Any]:
        """Each engine makes its own networks; what joins those of several hosts is the vlan."""
        return {"Scope": "local", "ConnectivityScope": "global"}

    def create_network(self, asked: CreateNetwork) -> dict[str, Any]:
        """A network: refused in words if it cannot be, so that whoever typed it reads why."""
        record = self._network(asked)
        report = NetworkReport(name=None, **record.declared)
        with self._host.alone():
            for name, other in self._host.driven.networks().items():
                if other.vlan == record.vlan and name != asked.network:
                    raise RefusedError(
                        409,
                        "vlan-taken",
                        f"VLAN {record.vlan} is the network {other.name or name[:12]} on this host already: use that "
                        "one, or say another vlan",
                    )
        try:
            self._channel.admit_network(report)
        except AwayError as error:
            log.warning("The controller could not be asked about VLAN %d: %s", record.vlan, error)
        with self._host.alone():
            self._host.driven.create_network(asked.network, record)
        self._channel.mark(NETWORKS)
        return EMPTY

    def delete_network(self, asked: OfNetwork) -> dict[str, Any]:
        """It is gone; one that is not known is gone already."""
        with self._host.alone():
            gone = self._host.driven.networks().get(asked.network)
            self._host.driven.delete_network(asked.network)
        if gone is not None:
            for subnet in gone.subnets:
                self._host.pools.release_unused(subnet, self._host.driven.networks().values())
        self._channel.mark(NETWORKS)
        return EMPTY

    def create_endpoint(self, asked: CreateEndpoint) -> dict[str, Any]:
        """An endpoint, with the address that IPAM gave; its MAC is ours to choose unless it is said."""
        network = self._known(asked.network)
        given = asked.interface
        if given is None or given.address is None:
            raise RefusedError(422, "address", "an endpoint on a containet network needs an IPv4 address")
        said = options.known(asked.options, options.ENDPOINT)
        mac = given.mac or str(Mac.of(given.address.ip))
        up, down = options.kbps(said, "up"), options.kbps(said, "down")
        record = DrivenRecord(
            network=asked.network,
            address=given.address,
            address6=given.address6,
            mac=mac,
            up_kbps=network.up_kbps if up is None else up,
            down_kbps=network.down_kbps if down is None else down,
        )
        self._refuse_taken(asked.endpoint, network, record)
        for address in record.addresses:
            self._host.pools.claim(network, address.ip)
        with self._host.alone():
            self._host.driven.create(asked.endpoint, record)
        return {"Interface": EMPTY if given.mac else {"MacAddress": mac}}

    def info(self, asked: OfEndpoint) -> dict[str, Any]:
        """What else there is to say of an endpoint."""
        record = self._host.driven.records().get(asked.endpoint)
        return {"Value": {"containet.mac": record.mac} if record else EMPTY}

    def delete_endpoint(self, asked: OfEndpoint) -> dict[str, Any]:
        """It is gone; likewise."""
        with self._host.alone():
            key = self._host.driven.delete(asked.endpoint)
        if key is not None:
            self._channel.mark(key)
        self._host.set_nat()
        return EMPTY

    def join(self, asked: OfEndpoint) -> dict[str, Any]:
        """Plug it: the engine moves the device into the container, which is in no segment until it is known."""
        network = self._known(asked.network)
        with self._host.alone():
            if asked.endpoint not in self._host.driven.records():
                raise RefusedError(404, "unknown-endpoint", "this endpoint is not known: start the container again")
            mtu = self._host.inner_mtu()
            device = self._host.driven.join(asked.endpoint, min(mtu, network.mtu or mtu))
        return {
            "InterfaceName": {"SrcName": device, "DstPrefix": "eth"},
            "Gateway": str(network.gateway) if network.gateway else "",
            "GatewayIPv6": str(network.gateway6) if network.gateway6 else "",
            "DisableGatewayService": network.gateway is None,
        }

    def leave(self, asked: OfEndpoint) -> dict[str, Any]:
        """Unplug it."""
        with self._host.alone():
            key = self._host.driven.leave(asked.endpoint)
        if key is not None:
            self._channel.mark(key)
        self._host.set_nat()
        return EMPTY

    def publish(self, asked: Publish) -> dict[str, Any]:
        """The container's ports are published on this host, all of them or none.

        The engine asks this of the first of a container's networks that it joins, in any order, and of another one when
        that leads out: so a port that this network cannot lead to is that one's to publish, and no refusal.
        """
        wanted = published((asked.options and asked.options.bindings) or ())
        with self._host.alone():
            record = self._host.driven.records().get(asked.endpoint)
            if record is None:
                raise RefusedError(404, "unknown-endpoint", "this endpoint is not known: start the container again")
            nowhere = [port for port in wanted if not any(leading((port,), record.addresses))]
            for port in nowhere:
                log.warning("%s is not published by a network without IPv6, of which %s is", port, record.address)
            wanted = tuple(port for port in wanted if port not in nowhere)
            self._refuse_in_use(asked.endpoint, record, [port for port in wanted if port not in record.ports])
            self._publish(asked.endpoint, wanted)
        return EMPTY

    def unpublish(self, asked: OfEndpoint) -> dict[str, Any]:
        """They are not any more, or never were."""
        with self._host.alone():
            if asked.endpoint in self._host.driven.records():
                self._publish(asked.endpoint, ())
        return EMPTY

    def nothing(self, _: Nothing) -> dict[str, Any]:
        """News that changes nothing here."""
        return EMPTY

    def _network(self, asked: CreateNetwork) -> NetworkRecord:
        said = options.known(asked.said, options.NETWORK)
        vlan = options.vlan(said)
        if vlan is None:
            raise RefusedError(422, "option", "which VLAN? Say it with -o vlan=N: that joins it with other hosts")
        if not asked.ipv4 or len(asked.ipv4) != 1:
            raise RefusedError(422, "subnet", "a containet network has one IPv4 subnet: say it with --subnet")
        if asked.ipv6 and len(asked.ipv6) != 1:
            raise RefusedError(422, "subnet", "a containet network has one IPv6 subnet at most")
        (ipam,), ipam6 = asked.ipv4, next(iter(asked.ipv6 or ()), None)
        routed, mtu = options.gateway(said) and not asked.internal, options.mtu(said)
        if ipam6 and mtu and mtu < LEAST_MTU6:
            raise RefusedError(422, "option", f"mtu={mtu}: IPv6 needs {LEAST_MTU6} or more")
        return NetworkRecord(
            vlan=vlan,
            vni=options.vni(said),
            subnet=ipam.pool,
            gateway=ipam.gateway.ip if routed and ipam.gateway else None,
            subnet6=ipam6.pool if ipam6 else None,
            gateway6=ipam6.gateway.ip if routed and ipam6 and ipam6.gateway else None,
            mtu=mtu,
            up_kbps=options.kbps(said, "up"),
            down_kbps=options.kbps(said, "down"),
        )

    def _refuse_taken(self, endpoint: str, network: NetworkRecord, record: DrivenRecord) -> None:
        """RefusedError if somebody has its addresses: here, or as far as the controller knows, on another host."""
        driven, wanted = self._host.driven, {address.ip for address in record.addresses}
        for name, other in driven.records().items():
            for taken in wanted.intersection(address.ip for address in other.addresses):
                if name != endpoint and driven.networks().get(other.network) == network:
                    raise RefusedError(
                        409, "address-in-use", f"{taken} is in use on this host by {other.name or name[:12]}"
                    )
        if all(self._host.pools.leased(network, address) for address in wanted):
            return
        name = f"docker:{endpoint[:12]}"
        ask = Ask(
            container=name,
            interface="eth0",
            name=name,
            address=str(record.address),
            address6=str(record.address6) if record.address6 else None,
            vlan=network.vlan,
        )
        try:
            self._ask(ask)
        except AwayError as error:
            log.warning("The controller could not be asked about %s: %s", record.address, error)

    def _ask(self, ask: Ask) -> None:
        """Whether it may be; RefusedError, or AwayError. A container that restarts may be yet to be told to be gone."""
        try:
            self._channel.admit(ask)
        except RefusedError:
            if not self._channel.told(TOLD_S):
                raise
            self._channel.admit(ask)

    def _publish(self, endpoint: str, ports: tuple[PublishedPort, ...]) -> None:
        """With the host's lock. What fails leaves nothing published."""
        key = self._host.driven.publish(endpoint, ports)
        try:
            self._host.set_nat()
        except NatError:
            self._host.driven.publish(endpoint, ())
            raise
        if key is not None:
            self._channel.mark(key)

    def _refuse_in_use(self, endpoint: str, record: DrivenRecord, wanted: Iterable[PublishedPort]) -> None:
        """RefusedError if another endpoint or a process of this host has one of these ports."""
        records, others = self._host.driven.records(), list(self._host.driven.published())
        for port in wanted:
            for name, other in others:
                if name != endpoint and overlap(port, other.port):
                    raise _unpublished(port, f"{records[name].name or name[:12]} has {other.port}")
            for why in filter(None, map(why_not_free, leading((port,), record.addresses))):
                raise _unpublished(port, why)

    def _known(self, name: str) -> NetworkRecord:
        record = self._host.driven.networks().get(name)
        if record is None:
            raise RefusedError(404, "unknown-network", "this network is not known here: remove it, and make it anew")
        return record


def _unpublished(port: PublishedPort, why: str) -> RefusedError:
    return RefusedError(409, "port-in-use", f"{port} cannot be published: {why}")
