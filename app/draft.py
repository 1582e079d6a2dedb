"""The intent in the making: what has changed since the last one, and the next made from that at the price of it."""

from collections.abc import Mapping, Set

from app.ids import Ids, Meters
from app.placement import Placement
from app.policy import NetworkRule
from app.rules import Rules
from app.wire import EndpointReport, HostUp
from flows.intent import Intent
from flows.model import Endpoint, EndpointKey, Host, Link, Mac, Network, Role, Tunnel
from flows.topology import full_mesh


class Draft:
    """Holds the newest intent. Values that did not change are the same objects in the next one."""

    def __init__(self, ids: Ids, meters: Meters, tunnel: Tunnel) -> None:
        self._ids, self._meters, self._tunnel = ids, meters, tunnel
        self._intent = Intent()
        self._endpoints: dict[EndpointKey, Endpoint | None] = {}  # since then; None: gone
        self._hosts: Mapping[str, Host] = {}
        self._links: frozenset[Link] = frozenset()
        self._networks: Mapping[int, Network] = {}
        self._ruled: Mapping[str, NetworkRule] | None = None  # what they were made by

    def put(self, key: EndpointKey, report: EndpointReport, placement: Placement) -> None:
        """An endpoint is there, anew perhaps."""
        self._endpoints[key] = Endpoint(
            key=key,
            owner=self._ids.of_endpoint(key),
            name=report.name,
            mac=Mac.parse(report.mac),
            ofport=report.ofport,
            segment=placement.segment,
            address=report.address,
            address6=report.address6,
            role=report.role,
            behind=report.behind is not None or report.role is Role.ROUTER,
            aliases=report.aliases,
            up_kbps=placement.up_kbps,
            down_kbps=placement.down_kbps,
            up_meter=self._meters.of(key, "up") if placement.up_kbps else 0,
            down_meter=self._meters.of(key, "down") if placement.down_kbps else 0,
        )

    def drop(self, key: EndpointKey) -> None:
        """An endpoint is nowhere."""
        self._endpoints[key] = None

    def put_host(self, name: str, report: HostUp) -> None:
        """A host is there, anew perhaps."""
        host = Host(self._ids.of("host", name), name, report.dpid, report.vtep, dict(report.tunnels))
        self._set_hosts({**self._hosts, name: host})

    def drop_host(self, name: str) -> None:
        """A host is gone."""
        self._set_hosts({other: host for other, host in self._hosts.items() if other != name})

    def set_networks(self, rules: Rules, inhabited: Set[int]) -> None:
        """The networks are those of the segments that somebody is in."""
        if rules.networks is not self._ruled or inhabited != self._networks.keys():
            known = self._networks if rules.networks is self._ruled else {}
            self._ruled = rules.networks
            self._networks = {vni: known.get(vni) or self._network(vni, rules) for vni in inhabited}

    def finish(self, generation: int) -> Intent:
        """The intent of this generation."""
        if self._intent.generation != generation or self._endpoints:
            self._intent = self._intent.changed(
                self._endpoints,
                generation=generation,
                hosts=self._hosts,
                networks=self._networks,
                links=self._links,
            )
            self._endpoints = {}
        return self._intent

    def _set_hosts(self, hosts: Mapping[str, Host]) -> None:
        if hosts.keys() != self._hosts.keys():
            self._links = full_mesh(hosts, self._tunnel)
        self._hosts = hosts

    def _network(self, vni: int, rules: Rules) -> Network:
        name, rule = rules.network_on(vni)
        return Network(
            owner=self._ids.of("network", str(vni)),
            name=name,
            vlan=rule.vlan,
            vni=vni,
            subnet=rule.subnet,
            gateway=rule.gateway,
            subnet6=rule.subnet6,
            gateway6=rule.gateway6,
        )
