"""What is known now: policy, hosts, endpoints. Every change is in the store before anybody is told of it.

Only the owner touches it. `snapshot()` is what it makes of all that: the intent.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from app.desk import RefusedError
from app.placement import Arrangement, Placement, arrange, place
from app.policy import Policy
from app.store import Store
from app.wire import Admission, Ask, EndpointReport, HostUp
from flows.model import Endpoint, EndpointKey, Host, Intent, Link, Mac, Network, Tunnel
from flows.topology import full_mesh

NO_OFPORT = 0xFFFFFEFF  # stands for the port of an endpoint that has none yet: no switch gives it out


class Registry:
    """The controller's memory, over a store."""

    def __init__(self, store: Store, tunnel: Tunnel) -> None:
        self._store = store
        self.tunnel = tunnel
        self.generation = store.generation()
        self.hosts: dict[str, HostUp] = dict(store.hosts())
        kept = store.endpoints()
        self._agreed = {key: entry.segment for key, entry in kept.items() if entry.segment is not None}
        self._owners = {(kind, name): number for number, (kind, name) in store.owners().items()}
        self.reports = dict(sorted(((k, e.report) for k, e in kept.items()), key=lambda item: self.owner_of(item[0])))
        self._arrangement = arrange(store.policy(), self.reports)
        self._endpoints: dict[EndpointKey, Endpoint] = {}
        self._rebuild()

    # What is there

    @property
    def policy(self) -> Policy:
        """What people want."""
        return self._arrangement.policy

    @property
    def arrangement(self) -> Arrangement:
        """Where everybody is by policy, and who cannot be."""
        return self._arrangement

    @property
    def links(self) -> frozenset[Link]:
        """Which hosts are joined, and how."""
        return full_mesh(self.hosts, self.tunnel)

    @property
    def mtu(self) -> int:
        """What a container's interface may send, in bytes: the smallest underlay, minus what the tunnel takes.

        One number for all hosts: between two of one segment nobody could tell the sender that a packet is too big.
        """
        return min((host.underlay_mtu for host in self.hosts.values()), default=1500) - self.tunnel.overhead

    def owner_of(self, key: EndpointKey) -> int:
        """The owner id of an endpoint."""
        return self._owner("endpoint", str(key))

    def snapshot(self) -> Intent:
        """What is wanted of the switches, as a frozen value."""
        segments = {endpoint.sends for endpoint in self._endpoints.values()}
        return Intent(
            generation=self.generation,
            hosts={name: self._host(name, report) for name, report in self.hosts.items()},
            networks={vni: network for vni, network in self.networks().items() if vni in segments},
            endpoints=dict(self._endpoints),
            links=self.links,
        )

    def agreed(self) -> Intent:
        """The same, but everybody in the segment that all switches agreed on last: where a restart goes on from."""
        target = self.snapshot()
        endpoints = {
            key: endpoint
            if self._agreed.get(key, endpoint.sends) == endpoint.sends
            else replace(endpoint, sends=self._agreed[key], receives=frozenset({self._agreed[key]}))
            for key, endpoint in target.endpoints.items()
        }
        old = {e.sends for e in endpoints.values()} - target.networks.keys()
        networks = {vni: Network(self._owner("network", str(vni)), f"vni{vni}", 0, vni) for vni in old}
        return replace(target, endpoints=endpoints, networks=networks | dict(target.networks))

    # What happens

    def host_up(self, name: str, report: HostUp) -> dict[EndpointKey, str]:
        """A host says everything it has; who of it was refused, and why."""
        for other, known in self.hosts.items():
            if other != name and (known.dpid == report.dpid or known.vtep == report.vtep):
                what = f"dpid {known.dpid:#018x}" if known.dpid == report.dpid else f"tunnel address {known.vtep}"
                raise RefusedError(
                    409,
                    "host-twin",
                    f"{other} has the {what} already: give {name} another one in its helper.toml, or delete {other} "
                    f"with “containet hosts --forget {other}” if it is gone for good",
                )
        said = {EndpointKey(name, e.container, e.interface): e for e in report.endpoints}
        gone = [key for key in self.reports if key.host == name and key not in said]
        with self._change():
            self._store.keep_host(name, report)
            for key in gone:
                self._store.forget_endpoint(key)
            for key, endpoint in said.items():
                if self.reports.get(key) != endpoint:
                    self._store.keep_endpoint(key, endpoint)
        self.hosts[name] = report.model_copy(update={"endpoints": ()})
        for key in gone:
            self._forget(key)
        for key in said:  # all of it is said anew: nobody stands in the way of another of the same report
            self._arrangement.remove(key)
        self.reports.update(said)
        self._put(said)
        self._put(list(self._arrangement.refused))
        self._rank_last(key for key in said if key in self._arrangement.refused)
        return {key: why for key, why in self._arrangement.refused.items() if key.host == name}

    def endpoint_up(self, key: EndpointKey, report: EndpointReport) -> None:
        """An endpoint came or changed; RefusedError, and nothing changed, if it cannot be."""
        if self.reports.get(key) == report and key in self._endpoints:
            return
        why = self._arrangement.objection(key, report, self.reports)
        if why is not None:
            raise RefusedError(409, "endpoint-refused", why)
        with self._change():
            self._store.keep_endpoint(key, report)
        self.reports[key] = report
        self._put([key])
        self._put(list(self._arrangement.refused))

    def endpoint_down(self, key: EndpointKey) -> None:
        """An endpoint went; one that is not known went already."""
        if key in self.reports:
            with self._change():
                self._store.forget_endpoint(key)
            self._forget(key)
            self._put(list(self._arrangement.refused))

    def tunnels_up(self, name: str, tunnels: dict[str, int]) -> None:
        """The tunnel ports of a host, all of them."""
        if self.hosts[name].tunnels != tunnels:
            report = self.hosts[name].model_copy(update={"tunnels": tunnels})
            with self._change():
                self._store.keep_host(name, report)
            self.hosts[name] = report

    def forget_host(self, name: str) -> None:
        """A host is gone for good, with all that it had."""
        with self._change():
            self._store.forget_host(name)
        del self.hosts[name]
        self._owners.pop(("host", name), None)
        for key in [key for key in self.reports if key.host == name]:
            self._forget(key)
        self._put(list(self._arrangement.refused))

    def replace_policy(self, policy: Policy) -> None:
        """This is what people want now; RefusedError, and nothing changed, if somebody could not be where it says."""
        arrangement = self.arranged(policy)
        with self._change():
            self._store.keep_policy(policy)
        self._arrangement = arrangement
        self._rebuild()

    def arranged(self, policy: Policy) -> Arrangement:
        """Where everybody would be under this policy; RefusedError if somebody who is there now could not be."""
        arrangement = arrange(policy, self.reports)
        broken = {str(k): why for k, why in arrangement.refused.items() if k not in self._arrangement.refused}
        if broken:
            first = next(iter(broken.values()))
            raise RefusedError(409, "endpoint-refused", first, errors=list(broken.values()))
        return arrangement

    def keep_segments(self, segments: Iterable[tuple[EndpointKey, int]]) -> None:
        """All switches agree where these endpoints send."""
        with self._store.writing():
            for key, segment in segments:
                self._agreed[key] = segment
                self._store.keep_segment(key, segment)

    def admit(self, host: str, ask: Ask) -> Admission:
        """Whether this endpoint may be, before anything is touched; RefusedError says why not."""
        unaddressed = EndpointReport(
            mac=str(Mac(0)), ofport=NO_OFPORT, **ask.model_dump(exclude={"address", "gateway"})
        )
        placement = place(self.policy, host, unaddressed)
        address = _interface(ask.address, placement.rule.subnet)
        report = unaddressed.model_copy(update={"address": address, "mac": str(Mac.of(address.ip))})
        why = self._arrangement.objection(EndpointKey(host, ask.container, ask.interface), report, self.reports)
        if why is not None:
            raise RefusedError(409, "endpoint-refused", why)
        return Admission(
            address=address,
            network=placement.network,
            vlan=placement.rule.vlan,
            mtu=self.mtu,
            gateway=ask.gateway or placement.rule.gateway,
            up_kbps=placement.up_kbps,
            down_kbps=placement.down_kbps,
        )

    # How it is kept

    @contextmanager
    def _change(self) -> Iterator[None]:
        """One transaction that makes a new generation."""
        with self._store.writing():
            yield
            self._store.keep_generation(self.generation + 1)
        self.generation += 1

    def _owner(self, kind: str, name: str) -> int:
        if (kind, name) not in self._owners:
            self._owners[kind, name] = self._store.owner(kind, name)
        return self._owners[kind, name]

    def _rebuild(self) -> None:
        self._endpoints = {key: self._endpoint(key, at) for key, at in self._arrangement.placed.items()}

    def _put(self, keys: Iterable[EndpointKey]) -> None:
        for key in sorted(keys, key=self.owner_of):
            self._endpoints.pop(key, None)
            placement = self._arrangement.put(key, self.reports[key], self.reports)
            if placement is not None:
                self._endpoints[key] = self._endpoint(key, placement)

    def _rank_last(self, keys: Iterable[EndpointKey]) -> None:
        """Who was refused has come last, also if it was there before with something else: so it is after a restart."""
        with self._store.writing():
            for key in list(keys):
                self._store.forget_owner("endpoint", str(key))
                self._owners.pop(("endpoint", str(key)), None)
                self.reports[key] = self.reports.pop(key)
                self.owner_of(key)

    def _forget(self, key: EndpointKey) -> None:
        del self.reports[key]
        self._endpoints.pop(key, None)
        self._agreed.pop(key, None)
        self._arrangement.remove(key)
        self._owners.pop(("endpoint", str(key)), None)

    def _endpoint(self, key: EndpointKey, placement: Placement) -> Endpoint:
        report = self.reports[key]
        return Endpoint(
            key=key,
            owner=self.owner_of(key),
            name=report.name,
            mac=Mac.parse(report.mac),
            ofport=report.ofport,
            sends=placement.segment,
            receives=frozenset({placement.segment}),
            address=report.address,
            role=report.role,
            up_kbps=placement.up_kbps,
            down_kbps=placement.down_kbps,
            up_meter=self._store.meter(key, "up") if placement.up_kbps else 0,
            down_meter=self._store.meter(key, "down") if placement.down_kbps else 0,
        )

    def _host(self, name: str, report: HostUp) -> Host:
        return Host(self._owner("host", name), name, report.dpid, report.vtep, dict(report.tunnels))

    def _network(self, placement: Placement) -> Network:
        rule = placement.rule
        owner = self._owner("network", str(rule.segment))
        return Network(owner, placement.network, rule.vlan, rule.segment, rule.subnet, rule.gateway)

    def networks(self) -> dict[int, Network]:
        """By vni: the networks that policy names, and those that somebody is in without."""
        named = (Placement(name, rule, None, None) for name, rule in self.policy.networks.items())
        places = {at.segment: at for at in (*named, *self._arrangement.placed.values())}
        return {segment: self._network(at) for segment, at in places.items()}


def _interface(text: str, subnet: IPv4Network | None) -> IPv4Interface:
    """The address with its prefix: its own, or that of the network's subnet."""
    try:
        if "/" in text:
            return IPv4Interface(text)
        address = IPv4Address(text)
    except ValueError as error:
        raise RefusedError(
            422, "address", f"“{text}” is not an IPv4 address: say it as 172.15.42.100/24 ({error})"
        ) from error
    if subnet is None:
        raise RefusedError(
            422, "address", f"“{text}” has no prefix, and its network has no subnet to take it from: say {text}/24"
        )
    return IPv4Interface((address, subnet.prefixlen))
