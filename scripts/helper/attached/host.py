"""This host as one thing: what is attached to its bridge, and what is said about it.

One lock for all that touches devices, ports and records. It is never held while the controller is waited for: the
controller wants shapers while it answers that an endpoint came.
"""

import logging
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path

from app.wire import (
    Address,
    EndpointDown,
    EndpointReport,
    EndpointUp,
    GatewayWant,
    HostUp,
    Lease,
    NamesWant,
    NetworkReport,
    NetworksUp,
    Rates,
    Subnet,
    TunnelPeer,
    TunnelsUp,
)
from flows.model import Mac, Tunnel
from flows.table import Table
from scripts.helper.attached.driven import Driven
from scripts.helper.attached.endpoints import Endpoints, Pair, devices, is_host_end
from scripts.helper.attached.gateways import Gateways, gateway_key
from scripts.helper.attached.joins import Joins
from scripts.helper.attached.pools import Pools
from scripts.helper.attached.resolvers import Resolvers
from scripts.helper.attached.way import Way
from scripts.helper.config import Config
from scripts.helper.containers import Container
from scripts.helper.net import plumb
from scripts.helper.net.advertise import advertise
from scripts.helper.net.firewall import NatError
from scripts.helper.net.links import Devices
from scripts.helper.net.member import lead
from scripts.helper.net.nat import Nat
from scripts.helper.net.neighbours import Neighbours
from scripts.helper.net.netns import PlumbError
from scripts.helper.net.ports import Published
from scripts.helper.net.resolver import ADDRESS as RESOLVER
from scripts.helper.ovs.record import EndpointRecord, GatewayRecord, JoinRecord, Key, PoolRecord, bounded_labels
from scripts.helper.ovs.vswitch import Vswitch, VswitchError
from scripts.helper.problem import RefusedError

TUNNELS = Key("tunnels", "")  # stands for all tunnel ports where an endpoint's key is asked for
NETWORKS = Key("networks", "")  # likewise for Docker's networks
OVERHEAD = max(tunnel.overhead for tunnel in Tunnel)  # bytes, where nobody said yet which tunnels there are

log = logging.getLogger(__name__)


class Host:
    """What is attached here. Every method takes the lock by itself."""

    def __init__(self, config: Config, vswitch: Vswitch) -> None:
        self.config, self.vswitch = config, vswitch
        self._lock = threading.RLock()
        self.endpoints, self.gateways, self.joins = Endpoints(vswitch), Gateways(vswitch), Joins(vswitch)
        self.resolvers = Resolvers(vswitch, Path(config.socket).parent)
        self.driven, self.pools = Driven(vswitch), Pools(vswitch)
        self._neighbours = Neighbours(config.vtep)
        self._way = Way(config.vtep, config.ovs_directory, userspace=config.datapath_type == "netdev")
        self._nat = Nat()
        self._mtu: int | None = None  # as the controller last said
        self._natted: tuple[set[Subnet], set[Published]] | None = None  # None: not known, so to be said again

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else touches this host meanwhile."""
        with self._lock:
            yield

    def prepare(self) -> None:
        """The bridge is there, and what its records say of gateways and joined bridges. Idempotent."""
        with self._lock:
            self._natted = None
            self._ensure_bridge()
            self.vswitch.adopt()  # before anything is made, which must not ask for a number that is taken
            self._put_right()
            self.endpoints.look(self.vswitch.ports().values())

    def restore(self) -> None:
        """Put right what went by itself: the bridge, gateways, resolvers, pairs to joined bridges, NAT.

        VswitchError if there is no bridge to be had; what else cannot be is logged.
        """
        with self._lock:
            self._ensure_bridge()
            self._put_right()

    def _ensure_bridge(self) -> None:
        self.vswitch.ensure_bridge(
            dpid=self.config.dpid,
            datapath_type=self.config.datapath_type,
            openflow=self.config.openflow,
            tables={int(table): table.label for table in Table},
        )

    def _put_right(self) -> None:
        for work in (
            self._way.keep,
            self.gateways.restore,
            lambda: self.resolvers.restore(self.inner_mtu()),
            lambda: self.joins.restore(self.inner_mtu()),
            self._keep_nat,
        ):
            try:
                work()
            except (PlumbError, VswitchError, NatError) as error:
                log.warning("%s", error)

    def put_back(self, mended: Collection[str]) -> set[str]:
        """What goes with these ports, which were mended: queues, addresses. The containers that are concerned."""
        with self._lock:
            self.vswitch.answered(mended)
            self.endpoints.look(self.vswitch.ports().values())
            self.gateways.restore()
            return {key.container for key in self.endpoints.put_back(mended)}

    def remind_neighbours(self) -> None:
        """The other ends of the tunnels stay known."""
        with self._lock:
            self._neighbours.remind()

    def inner_mtu(self) -> int:
        """Bytes that fit through any tunnel: as the controller last said, else as far as can be told from here."""
        return self._mtu or plumb.underlay(self.config.vtep).mtu - OVERHEAD

    # What is said to the controller

    def everything(self) -> HostUp:
        """All that this host has."""
        leases = self.pools.leases()  # waits for what is being asked, so not with the lock
        with self._lock:
            return HostUp(
                dpid=self.config.dpid,
                vtep=self.config.vtep,
                underlay_mtu=plumb.underlay(self.config.vtep).mtu,
                tunnels=self.tunnels(),
                endpoints=tuple(self.reports().values()),
                networks=self.driven.network_reports(),
                leases=leases,
            )

    def event(self, subject: Key) -> EndpointUp | EndpointDown | TunnelsUp | NetworksUp:
        """How it is with this endpoint (or TUNNELS, or NETWORKS) now."""
        with self._lock:
            if subject == TUNNELS:
                return TunnelsUp(tunnels=self.tunnels())
            if subject == NETWORKS:
                return NetworksUp(networks=self.driven.network_reports())
            report = self._report(subject)
        if report is None:
            return EndpointDown(container=subject.container, interface=subject.interface)
        return EndpointUp(endpoint=report)

    def reports(self) -> dict[Key, EndpointReport]:
        """The endpoints that are plugged."""
        with self._lock:
            present, ports = devices(), self.vswitch.ports().values()
            self.endpoints.look(ports)
            joined = self.joins.ofports(ports, present)
            found = [
                *self.endpoints.reports(joined, self.joins.records(), present),
                *self.joins.reports(joined),
                *self.gateways.reports(ports, present),
                *self.resolvers.reports(ports, present),
                *self.driven.reports(ports, present),
            ]
        return {Key(report.container, report.interface): report for report in found}

    def _report(self, key: Key) -> EndpointReport | None:
        joins = self.joins.records()
        if joins or key not in self.endpoints.records():
            return self.reports().get(key)
        return self.endpoints.report(key, {}, joins, Devices())  # the usual case, without a look at all

    def tunnels(self) -> dict[str, int]:
        """The tunnel ports, by peer."""
        ports = self.vswitch.ports().values()
        return {port.peer: port.ofport for port in ports if port.peer and port.ofport is not None and not port.error}

    def idle_addresses(self) -> Iterator[tuple[str, PoolRecord, set[Address]]]:
        """Of each pool: what is in use there without an endpoint known here, if anything is."""
        networks, endpoints = self.driven.networks(), self.driven.records().values()
        for name, pool in self.pools.records().items():
            served = [network for network, record in networks.items() if pool.serves(record)]
            known = {address.ip for e in endpoints if e.network in served for address in e.addresses}
            if idle := self.pools.settled(name) - known:
                yield name, pool, idle

    def introduce(self, report: EndpointReport) -> None:
        """Its neighbours are told where its IPv6 address is, which another container may have had, with another MAC."""
        key = Key(report.container, report.interface)
        with self._lock:
            netns = self.endpoints.netns(key) or self.driven.netns(key)
        if netns and report.address6:
            try:
                advertise(netns, key.interface, report.address6.ip, Mac.parse(report.mac))
            except PlumbError as error:  # they find out by themselves, within half a minute
                log.debug("%s", error)

    def networks(self) -> tuple[NetworkReport, ...]:
        """Docker's networks here that are ours to drive."""
        return self.driven.network_reports()

    def note_clashes(self, leases: Sequence[Lease]) -> None:
        """Another host hands out these addresses too."""
        self.pools.note_clashes(leases)

    # What the controller wants

    def set_tunnels(self, peers: Sequence[TunnelPeer]) -> None:
        """These tunnel ports, and no others."""
        with self._lock:
            wanted = {tunnel_name(peer.peer): peer for peer in peers}
            for port in self.vswitch.ports().values():
                if port.peer and port.name not in wanted:
                    self.vswitch.delete_port(port.name)
            for name, peer in wanted.items():
                self.vswitch.add_tunnel_port(name, peer.tunnel.value, str(peer.remote), self._way.local, peer.peer)
            self._neighbours.meet(peer.remote for peer in peers)

    def set_gateway(self, want: GatewayWant) -> Key:
        """The gateway of a network is here, or is not; the endpoint that it is."""
        with self._lock:
            if want.present and want.address and want.subnet and want.mac:
                mtu = want.mtu or self.inner_mtu()
                record = GatewayRecord(
                    address=want.address,
                    subnet=want.subnet,
                    address6=want.address6,
                    subnet6=want.subnet6,
                    mac=want.mac,
                    mtu=mtu,
                )
                self.gateways.set(want.vlan, record)
            else:
                self.gateways.remove(want.vlan)
            self.set_nat()
        return gateway_key(want.vlan)

    def set_names(self, want: NamesWant) -> bool:
        """Who is called how in a network; whether its resolver came or went by that."""
        with self._lock:
            differing = self.resolvers.differing(want)
            changed = self.resolvers.set(want, self.inner_mtu())
            for key, record in self.endpoints.records().items():
                if record.address.ip in differing and (netns := self.endpoints.netns(key)):
                    self._lead(key.container, netns)
            return changed

    def set_mtu(self, mtu: int) -> None:
        """So many bytes fit through every tunnel: whatever is attached has this MTU, now and later."""
        with self._lock:
            self._mtu = mtu
            self.endpoints.set_mtu(mtu)
            self.joins.set_mtu(mtu)
            self.driven.set_mtu(mtu)
            self.resolvers.set_mtu(mtu)

    def shape(self, key: Key, rates: Rates) -> None:
        """Hold the endpoint to these rates; one that is not here (any more) has nothing to be held."""
        with self._lock:
            for kind in (self.endpoints, self.driven, self.joins):
                if kind.shape(key, rates):
                    return

    def set_nat(self) -> None:
        """All whose subnets go out through here, and all ports that lead in, and no others."""
        with self._lock:
            subnets: set[Subnet] = {*self.gateways.subnets(), *self.joins.subnets()}
            wanted = subnets, {published for _, published in self.driven.published()}
            if wanted != self._natted:
                self._nat.set(*wanted)
                self._natted = wanted

    def _keep_nat(self) -> None:
        """The same, where it does not stand any more."""
        if not self._nat.stands():
            log.warning("Somebody else took rules of the way out, or in, away: they are made again")
            self._natted = None
        self.set_nat()

    def say_nat_again(self) -> None:
        """The engine is there anew: its chain may be new, and empty."""
        with self._lock:
            self._natted = None
            try:
                self.set_nat()
            except NatError as error:
                log.warning("%s", error)

    # What people want

    @contextmanager
    def making(self, key: Key, name: str, netns: str, mac: Mac, ofport: int | None) -> Iterator[Pair]:
        """An interface and port for an endpoint that may be plugged. Gone again if the block fails.

        RefusedError if the container, called so, has one. The lock is not held while the block goes on.
        """
        with ExitStack() as undo:
            with self._lock:
                try:
                    pair = undo.enter_context(self.endpoints.making(key, netns, mac, self.inner_mtu(), ofport))
                except plumb.TakenError as error:
                    raise RefusedError(
                        409,
                        "interface-taken",
                        f"“{name}” has an interface “{key.interface}” already. Name another with --interface.",
                    ) from error
            yield pair

    def furnish(self, key: Key, record: EndpointRecord, pair: Pair, rates: Rates) -> None:
        """Hold the pair to these rates, and give it all else that it needs before it has its address."""
        with self._lock:
            self.endpoints.set_rates(key, rates)
            self.endpoints.furnish(key, record, pair)

    def plug(self, key: Key, record: EndpointRecord, pair: Pair) -> None:
        """A new endpoint is there, as it was furnished."""
        with self._lock:
            self.endpoints.plug(key, record, pair, new=True)
            if self._mtu and self._mtu < record.mtu:  # a host joined since this one was admitted
                self._fit(self._mtu)
            if record.route or self.resolvers.knows(record.address.ip):  # else who else is there leads as before
                self._lead(key.container, pair.netns)

    def _fit(self, mtu: int) -> None:
        try:
            self.endpoints.set_mtu(mtu)
        except PlumbError as error:  # what is attached is there all the same
            log.warning("%s", error)

    def forget(self, key: Key) -> None:
        """Take an endpoint away, with its record."""
        with self._lock:
            netns = self.endpoints.netns(key)
            self.endpoints.forget(key)
            if netns:
                self._lead(key.container, netns)

    def _lead(self, container: str, netns: str) -> None:
        """The container asks for names by its default route, else by the first interface where there is a resolver."""
        driven = (record.key for record in self.driven.records().values())
        asks = {key.interface: True for key in driven if key and key.container == container}
        for key, record in self.endpoints.records().items():
            if key.container == container:
                asks[key.interface] = self.resolvers.knows(record.address.ip)
        try:
            for interface in sorted(asks, key=lambda each: (asks[each], each)):  # who leads no more makes room
                lead(netns, interface, RESOLVER, wanted=asks[interface])
        except PlumbError as error:  # what is attached is there all the same
            log.warning("%s", error)

    def join(self, bridge: str, record: JoinRecord) -> bool:
        """Join a Linux bridge; whether it was joined so already. RefusedError if it is joined otherwise, or is none."""
        with self._lock:
            there = self.joins.records().get(bridge)
            if there == record:
                return True
            if there is not None:
                raise RefusedError(
                    409,
                    "joined-otherwise",
                    f"“{bridge}” is joined in vlan {there.vlan or 1} {'with' if there.nat else 'without'} NAT. "
                    f"Leave it first: containet leave-bridge {bridge}",
                )
            self.joins.join(bridge, record, self.inner_mtu())
            try:
                self.set_nat()
            except NatError:
                self.joins.leave(bridge)
                raise
            return False

    def leave(self, bridge: str) -> None:
        """Leave a joined Linux bridge. RefusedError if it is not joined, or still used."""
        with self._lock:
            if bridge not in self.joins.records():
                raise RefusedError(
                    404, "not-joined", f"The Linux bridge “{bridge}” is not joined: there is nothing to leave."
                )
            behind = sorted(record.name for record in self.endpoints.records().values() if record.behind == bridge)
            if behind:
                raise RefusedError(
                    409,
                    "bridge-in-use",
                    f"Containers are connected behind “{bridge}”: {', '.join(behind)}. Disconnect them first.",
                    candidates=behind,
                )
            self.joins.leave(bridge)
            self.set_nat()

    # What Docker says

    def settle(self, container: str, found: Container | None, bridges: Mapping[str, str]) -> None:
        """Make what is here match how the container is now (None: it is removed).

        `bridges`: the Linux bridge of each of Docker's networks.
        """
        with self._lock:
            for key, record in self.endpoints.records().items():
                if key.container == container:
                    self._settle(key, record, found)
            if found is not None:
                self.driven.note(found, self.inner_mtu())
                if found.netns and any(key.container == container for key in self.endpoints.records()):
                    self._lead(container, found.netns)
            if found is None or found.netns is None:
                self.joins.drop(container)
            elif self.joins.records():
                self.joins.note(found, bridges, self.inner_mtu())

    def _settle(self, key: Key, record: EndpointRecord, found: Container | None) -> None:
        if found is None:
            log.info("%s is removed: its record goes", key.brief)
            self.endpoints.forget(key)
            return
        if record.name != found.name:
            log.info("%s is called %s now, not %s", key.brief, found.name, record.name)
            record = record.model_copy(update={"name": found.name, "labels": bounded_labels(found.labels)})
            self.endpoints.write(key, record)
        if found.netns is None:
            self.endpoints.unplug(key, record)
        elif not self.endpoints.plugged(key, record, found.netns):
            self.endpoints.unplug(key, record)
            if self._mtu and self._mtu != record.mtu:  # it was ending when that was said
                record = record.model_copy(update={"mtu": self._mtu})
                self.endpoints.write(key, record)
            ofport = None if record.behind else self.vswitch.next_ofport()
            mac = Mac.parse(record.mac)
            with self.endpoints.making(key, found.netns, mac, record.mtu, ofport) as pair:
                self.endpoints.furnish(key, record, pair)
                self.endpoints.plug(key, record, pair, new=False)
            log.info("%s (%s) has its interface back: %s", key.brief, record.name, record.address)

    def unplug_stale(self, container: str) -> None:
        """Take away what does not work of this container, where Docker cannot say how it is with it."""
        with self._lock:
            for key, record in self.endpoints.records().items():
                if key.container == container and not self.endpoints.whole(key, record, Devices()):
                    self.endpoints.unplug(key, record)

    def sweep(self) -> None:
        """Remove ports and host ends that belong to nothing: what a helper that was killed left behind."""
        with self._lock:
            ports = self.vswitch.ports().values()
            for port in self.endpoints.look(ports):
                log.info("The port %s (%s) belongs to nothing: removed", port.name, port.endpoint)
                self.endpoints.remove(port)
            for port in self.driven.strays(ports):
                log.info("The port %s is of an endpoint that Docker has no more: removed", port.name)
                self.endpoints.remove(port)
            used = {*self.endpoints.host_ends(), *self.driven.host_ends()}
            used |= {port.name for port in ports if port.join or port.resolver}
            for name in devices():
                if is_host_end(name) and name not in used:
                    log.info("The device %s is used by nobody: removed", name)
                    plumb.unplug(name)


def tunnel_name(peer: str) -> str:
    """The port that leads to this host: a name that fits, the same again each time."""
    return "t" + sha256(peer.encode()).hexdigest()[:8]
