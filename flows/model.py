"""What there is: hosts, networks, endpoints, links. Frozen values, standard library only; `flows.intent` holds them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from types import MappingProxyType
from typing import NamedTuple

DEFAULT_VLAN = 1
LOWEST_VLAN, HIGHEST_VLAN = 1, 4094
DETOURS = range(0xFFF000, 1 << 24)  # vnis that a change may borrow while it runs (flows.transition)
HIGHEST_VNI = DETOURS.start - 1

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
    """A container's interface on a network."""

    key: EndpointKey
    owner: int  # owner id
    name: str
    mac: Mac
    ofport: int
    segment: int  # vni of its network, or one that a change has borrowed
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


class Company(NamedTuple):
    """Endpoints that change their segment together, from the one of these to the other.

    All members are in the same one. A switch that has not heard of that yet sends to them in the other one, so that is
    where they hear each other as well, and nobody else.
    """

    segments: frozenset[int]
    members: tuple[EndpointKey, ...]  # in order


def on_one_host(keys: Iterable[EndpointKey]) -> bool:
    """Whether all of these are: then one bridge has a change of them whole, or not at all."""
    return len({key.host for key in keys}) == 1


class Link(NamedTuple):
    """An edge between two hosts, `a` before `b` by name."""

    a: str
    b: str
    tunnel: Tunnel
