"""What there is: hosts, networks, endpoints, and the intent that holds them. Frozen values, standard library only."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from heapq import merge
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from itertools import chain, count
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, TypeVar

DEFAULT_VLAN = 1
LOWEST_VLAN, HIGHEST_VLAN = 1, 4094
DETOURS = range(0xFFF000, 1 << 24)  # vnis that a change may borrow while it runs (flows.transition)
HIGHEST_VNI = DETOURS.start - 1

G = TypeVar("G")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.IGNORECASE)


def reserved(subnet: IPv4Network | IPv6Network) -> tuple[IPv4Address | IPv6Address, ...]:
    """The addresses that no endpoint can have.

    Those of the network and of broadcast, but for a /31 (RFC 3021); in IPv6 that of all its routers, but for a /127
    (RFC 4291, 2.6.1; RFC 6164).
    """
    if subnet.max_prefixlen - subnet.prefixlen < 2:
        return ()
    return (subnet.network_address, subnet.broadcast_address) if subnet.version == 4 else (subnet.network_address,)


def inside(part: IPv4Network | IPv6Network, whole: IPv4Network | IPv6Network) -> bool:
    """Whether all of one subnet is in the other; never between two families."""
    return part.prefixlen >= whole.prefixlen and part.overlaps(whole)


class Mac(int):
    """A 48-bit Ethernet address: a number that prints as people write it."""

    @classmethod
    def parse(cls, text: str) -> "Mac":
        """Read `02:c7:ac:0f:2a:64`; ValueError says what was wrong."""
        if not _MAC.fullmatch(text):
            raise ValueError(f"“{text[:40]}” is not a MAC address: say it as 02:c7:ac:0f:2a:64")
        return cls(int(text.replace(":", ""), 16))

    @classmethod
    def of(cls, address: IPv4Address) -> "Mac":
        """The locally administered MAC that belongs to this address, so that no two of a network collide."""
        return cls(0x02C7 << 32 | int(address))

    def __str__(self) -> str:
        return ":".join(f"{byte:02x}" for byte in int(self).to_bytes(6, "big"))

    def __repr__(self) -> str:
        return f"Mac({str(self)!r})"


class Tunnel(StrEnum):
    """How two hosts' bridges are joined."""

    GRE = "gre"
    VXLAN = "vxlan"

    @property
    def overhead(self) -> int:
        """Bytes that the tunnel takes from the underlay's MTU over IPv4: RFC 2890 with a key, RFC 7348.

        20 IPv4 + 8 GRE with key + 14 inner Ethernet; 20 IPv4 + 8 UDP + 8 VXLAN + 14 inner Ethernet.
        """
        return {Tunnel.GRE: 42, Tunnel.VXLAN: 50}[self]


class Role(StrEnum):
    """What an endpoint is, which decides what it may send and where it is reached."""

    CONTAINER = "container"  # only its own addresses; in one place
    ROUTER = "router"  # forwards for others, so any source address; in one place (a joined Linux bridge's own)
    GATEWAY = "gateway"  # a router that every host has under the same address; reached on the own host only
    RESOLVER = "resolver"  # answers questions about names; likewise everywhere, but it speaks for itself only

    @property
    def everywhere(self) -> bool:
        """Whether every host has one of the network for itself, all of them under one address."""
        return self in _EVERYWHERE


_EVERYWHERE = frozenset((Role.GATEWAY, Role.RESOLVER))


class EndpointKey(NamedTuple):
    """What makes an endpoint this one, over restarts of everything."""

    host: str
    container: str  # Docker's id; `netns:NAME`, `bridge:NAME`, `gateway:VLAN`, `resolver:VLAN` for others
    interface: str

    def __str__(self) -> str:
        return "/".join(self)


@dataclass(frozen=True, slots=True)
class Network:
    """One broadcast domain over all hosts."""

    owner: int  # owner id
    name: str
    vlan: int
    vni: int
    subnet: IPv4Network | None = None
    gateway: IPv4Address | None = None
    subnet6: IPv6Network | None = None
    gateway6: IPv6Address | None = None


@dataclass(frozen=True, slots=True)
class Host:
    """A machine with Docker and Open vSwitch."""

    owner: int  # owner id
    name: str
    dpid: int
    vtep: IPv4Address  # the underlay address that its tunnels end at
    tunnels: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))  # peer's name -> ofport here


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A container's interface on a network.

    While a change is under way an endpoint may receive in two segments; it sends in one.
    """

    key: EndpointKey
    owner: int  # owner id
    name: str
    mac: Mac
    ofport: int
    sends: int  # segment
    receives: frozenset[int]  # segments
    address: IPv4Interface | None = None
    address6: IPv6Interface | None = None
    role: Role = Role.CONTAINER
    behind: bool = False  # its port leads to a joined Linux bridge, which it shares with others there
    aliases: tuple[str, ...] = ()  # what else it is called in its network
    up_kbps: int | None = None
    down_kbps: int | None = None
    up_meter: int = 0  # meter id; 0 where there is no rate
    down_meter: int = 0

    def reached_from(self, host: str) -> bool:
        """Whether the endpoints of this host may reach it: what every host has is reached on its own only."""
        return not self.role.everywhere or self.key.host == host


class Endpoints(Mapping[EndpointKey, Endpoint]):
    """Endpoints by key. By host inside, so that one with a few changes shares all other hosts with the one before."""

    __slots__ = ("_hosts",)

    def __init__(self, endpoints: Mapping[EndpointKey, Endpoint] = MappingProxyType({})) -> None:
        self._hosts: Mapping[str, Mapping[EndpointKey, Endpoint]] = {}
        self._hosts = self.changed(endpoints)._hosts

    def __getitem__(self, key: EndpointKey) -> Endpoint:
        return self._hosts[key.host][key]

    def __iter__(self) -> Iterator[EndpointKey]:
        return chain.from_iterable(self._hosts.values())

    def __len__(self) -> int:
        return sum(map(len, self._hosts.values()))

    def changed(self, endpoints: Mapping[EndpointKey, Endpoint | None]) -> "Endpoints":
        """The same, but with these endpoints so; None: gone."""
        hosts = dict(self._hosts)
        copied: dict[str, dict[EndpointKey, Endpoint]] = {}
        for key, endpoint in endpoints.items():
            if key.host not in copied:
                hosts[key.host] = copied[key.host] = dict(hosts.get(key.host, {}))
            if endpoint is None:
                copied[key.host].pop(key, None)
            else:
                copied[key.host][key] = endpoint
        made = Endpoints.__new__(Endpoints)
        made._hosts = hosts
        return made


class Link(NamedTuple):
    """An edge between two hosts, `a` before `b` by name."""

    a: str
    b: str
    tunnel: Tunnel


@dataclass(frozen=True, eq=False)
class Intent:
    """All that is wanted of the switches, one frozen value. `generation` numbers the intents of one controller.

    Two are compared by `flows.delta` and `flows.transition.same`: comparing ten thousand endpoints is seldom meant.
    """

    MOST_KIN: ClassVar = 32
    MOST_DIFFERING: ClassVar = 1000  # endpoints: kin that differs by more is compared as well as any other

    generation: int = 0
    hosts: Mapping[str, Host] = field(default_factory=dict)
    networks: Mapping[int, Network] = field(default_factory=dict)  # by vni
    endpoints: Mapping[EndpointKey, Endpoint] = field(default_factory=dict)
    links: frozenset[Link] = frozenset()
    kept: Mapping[str, frozenset[int]] = field(default_factory=dict)  # host -> segments that its last member has left
    serial: int = field(default_factory=count().__next__, init=False, repr=False)  # tells one from any other
    # By serial: intents that this one comes from, however far back, and the endpoints that may differ.
    kin: Mapping[int, frozenset[EndpointKey]] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def members(self) -> Mapping[int, Mapping[str, tuple[Endpoint, ...]]]:
        """Who receives in each segment, by host; all in the order of their keys (so that a flood is the same again)."""
        return _by_segment(_grouped(self.endpoints, _places))

    @cached_property
    def local(self) -> Mapping[str, tuple[Endpoint, ...]]:
        """The endpoints of each host that has one, in the order of their keys."""
        return _grouped(self.endpoints, _host)

    def in_segment(self, segment: int) -> Iterator[Endpoint]:
        """Who receives there, on all hosts, in the order of their keys."""
        return chain.from_iterable(self.members.get(segment, {}).values())

    def segments(self, host: str) -> tuple[int, ...]:
        """The segments that are compiled for this host: those that have a member there, or that it keeps a while."""
        served = {segment for endpoint in self.local.get(host, ()) for segment in endpoint.receives}
        return tuple(sorted(served.union(self.kept.get(host, frozenset()) & self.members.keys())))

    def serves(self, host: str, segment: int) -> bool:
        """Whether the segment is one of them."""
        hosts = self.members.get(segment, {})
        return host in hosts or bool(hosts and segment in self.kept.get(host, ()))

    def changed(
        self,
        endpoints: Mapping[EndpointKey, Endpoint | None],
        beside: "tuple[Intent, Iterable[EndpointKey]] | None" = None,
        **others: Any,
    ) -> "Intent":
        """The same, but with these endpoints so (None: gone) and other fields as they are given.

        What is known of this one is carried over, so the price is that of what changes. `beside`: another intent, and
        the endpoints that may differ between that and the one that is made.
        """
        known = self.endpoints if isinstance(self.endpoints, Endpoints) else Endpoints(self.endpoints)
        merged = known.changed(endpoints)
        made = replace(self, endpoints=merged, **others)
        now = {key: merged[key] for key in sorted(endpoints) if key in merged}
        was = {key: self.endpoints[key] for key in endpoints if key in self.endpoints}
        # cached_property keeps its value in the instance's dict: there it is found instead of being made anew.
        made.__dict__["local"] = _regrouped(self.local, was, now, _host)
        concerned = {segment for end in chain(was.values(), now.values()) for segment in end.receives}
        places = {(vni, host): ends for vni in concerned for host, ends in self.members.get(vni, {}).items()}
        apart = {vni: hosts for vni, hosts in self.members.items() if vni not in concerned}
        made.__dict__["members"] = {**apart, **_by_segment(_regrouped(places, was, now, _places))}
        made.__dict__["kin"] = _kin((self, endpoints), *([beside] if beside else []))
        return made


def _kin(*nearest: tuple[Intent, Iterable[EndpointKey]]) -> Mapping[int, frozenset[EndpointKey]]:
    """Those that are nearest and their kin: the newest of them."""
    found: dict[int, frozenset[EndpointKey]] = {}
    for intent, differing in nearest:
        own = frozenset(differing)
        for serial, more in ((intent.serial, frozenset()), *intent.kin.items()):
            if serial not in found and len(own) + len(more) <= Intent.MOST_DIFFERING:
                found[serial] = own | more
    return {serial: found[serial] for serial in sorted(found, reverse=True)[: Intent.MOST_KIN]}


def _host(end: Endpoint) -> tuple[str, ...]:
    return (end.key.host,)


def _places(end: Endpoint) -> Iterable[tuple[int, str]]:
    return [(segment, end.key.host) for segment in end.receives]


def _by_segment(places: Mapping[tuple[int, str], tuple[Endpoint, ...]]) -> dict[int, dict[str, tuple[Endpoint, ...]]]:
    found: dict[int, dict[str, tuple[Endpoint, ...]]] = {}
    for segment, host in sorted(places):
        found.setdefault(segment, {})[host] = places[segment, host]
    return found


def _grouped(
    endpoints: Mapping[EndpointKey, Endpoint], groups: Callable[[Endpoint], Iterable[G]]
) -> dict[G, tuple[Endpoint, ...]]:
    found: dict[G, list[Endpoint]] = {}
    for key in sorted(endpoints):
        for group in groups(endpoints[key]):
            found.setdefault(group, []).append(endpoints[key])
    return {group: tuple(ends) for group, ends in found.items()}


def _regrouped(
    before: Mapping[G, tuple[Endpoint, ...]],
    was: Mapping[EndpointKey, Endpoint],
    now: Mapping[EndpointKey, Endpoint],
    groups: Callable[[Endpoint], Iterable[G]],
) -> Mapping[G, tuple[Endpoint, ...]]:
    """The groups after these endpoints changed; those that are not concerned are the same tuples as before."""
    added = _grouped(now, groups)
    concerned = {group for endpoint in was.values() for group in groups(endpoint)} | added.keys()
    after = dict(before)
    for group in concerned:
        stay = (endpoint for endpoint in before.get(group, ()) if endpoint.key not in was)
        after[group] = tuple(merge(stay, added.get(group, ()), key=lambda endpoint: endpoint.key))
        if not after[group]:
            del after[group]
    return after
