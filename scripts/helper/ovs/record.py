"""Records: what is written on the bridge (`Bridge.external_ids`), so that no memory is needed in the helper.

| key                              | value (JSON)      | is there until                                |
|----------------------------------|-------------------|-----------------------------------------------|
| `endpoint/<container>/<ifname>`  | `EndpointRecord`  | the container is removed or disconnected      |
| `join/<bridge>`                  | `JoinRecord`      | `leave-bridge`                                |
| `gateway/<vlan>`                 | `GatewayRecord`   | the controller wants it no more               |
| `network/<id>`                   | `NetworkRecord`   | Docker's network of this id is removed        |
| `driven/<id>`                    | `DrivenRecord`    | Docker's endpoint of this id is deleted       |
| `pool/<id>`                      | `PoolRecord`      | Docker releases the pool                      |

A record that cannot be read (somebody edited it) is passed over and logged; it is never a reason to stop.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any, NamedTuple, Protocol, TypeVar

from pydantic import ValidationError

from app.wire import MOST_ALIASES, Address, Interface, Kbps, MacText, PublishedPort, Rates, Subnet, Vlan, Wire

ENDPOINT, JOIN, GATEWAY = "endpoint/", "join/", "gateway/"
NETWORK, DRIVEN, POOL = "network/", "driven/", "pool/"
ALIAS = 128  # characters
LABELS, LABEL_KEY, LABEL_VALUE = 64, 128, 255  # how many, and characters of each: longer ones no policy can match

log = logging.getLogger(__name__)


class Key(NamedTuple):
    """What makes an endpoint of this host this one."""

    container: str  # Docker's id, `netns:NAME`, `bridge:NAME`, `gateway:VLAN`
    interface: str

    def __str__(self) -> str:
        return "/".join(self)

    @property
    def brief(self) -> str:
        """The key as logs say it: Docker's ids as short as Docker shows them."""
        container = self.container if ":" in self.container else self.container[:12]
        return f"{container}/{self.interface}"

    @classmethod
    def parse(cls, text: str) -> "Key":
        """Read `<container>/<ifname>`."""
        container, _, interface = text.rpartition("/")
        return cls(container, interface)


class Record(Wire):
    """Base of all records."""

    def text(self) -> str:
        """As it is written on the bridge."""
        return self.model_dump_json()


class EndpointRecord(Record):
    """What a container is to get back. `vlan`, rates and `gateway` are what `connect` said."""

    name: str
    address: IPv4Interface
    address6: IPv6Interface | None = None
    mac: MacText
    mtu: int  # bytes, in force
    route: IPv4Address | None = None  # default route in force: `gateway`, or the network's
    route6: IPv6Address | None = None  # likewise for IPv6
    vlan: Vlan | None = None
    up_kbps: Kbps | None = None
    down_kbps: Kbps | None = None
    gateway: IPv4Address | None = None
    behind: str | None = None  # the joined Linux bridge that it is on, if not straight on our bridge
    veth: str | None = None  # its host end, once all else was done when it was plugged
    labels: dict[str, str] = {}


class JoinRecord(Record):
    """A Linux bridge that is joined."""

    vlan: Vlan | None = None
    nat: bool = False


class GatewayRecord(Record):
    """A network's gateway on this host."""

    address: IPv4Interface
    subnet: IPv4Network
    address6: IPv6Interface | None = None
    subnet6: IPv6Network | None = None
    mac: MacText
    mtu: int  # bytes


class NetworkRecord(Record):
    """A network that Docker has on this host, and that we drive. Rates and `mtu` are for those who say none."""

    vlan: Vlan
    vni: int | None = None
    subnet: IPv4Network
    gateway: IPv4Address | None = None
    subnet6: IPv6Network | None = None
    gateway6: IPv6Address | None = None
    mtu: int | None = None  # bytes
    up_kbps: Kbps | None = None
    down_kbps: Kbps | None = None
    name: str | None = None  # as soon as it is known

    @property
    def declared(self) -> dict[str, Any]:
        """What all hosts must agree on, by the names that a `NetworkReport` has for it."""
        return self.model_dump(include={"vlan", "vni", "subnet", "gateway", "subnet6", "gateway6"})

    @property
    def subnets(self) -> tuple[Subnet, ...]:
        """All of them."""
        return (self.subnet,) if self.subnet6 is None else (self.subnet, self.subnet6)


class DrivenRecord(Record):
    """An endpoint that Docker's engine made. What it belongs to is known a little later."""

    network: str  # Docker's id
    address: IPv4Interface
    address6: IPv6Interface | None = None
    mac: MacText
    vlan: Vlan | None = None  # if the container's label says another one than the network's
    up_kbps: Kbps | None = None
    down_kbps: Kbps | None = None
    veth: str | None = None  # the host end, once it is joined
    container: str | None = None
    interface: str | None = None
    name: str | None = None
    labels: dict[str, str] = {}
    ports: tuple[PublishedPort, ...] = ()  # published on this host, once its way out is through this endpoint
    aliases: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[Interface, ...]:
        """All of them."""
        return (self.address,) if self.address6 is None else (self.address, self.address6)

    @property
    def key(self) -> Key | None:
        """Which endpoint this is, if it is known."""
        return Key(self.container, self.interface) if self.container and self.interface else None

    @property
    def rates(self) -> Rates:
        """What was said when it was made."""
        return Rates(up_kbps=self.up_kbps, down_kbps=self.down_kbps)


class PoolRecord(Record):
    """Addresses that Docker's containers here get: the blocks that the controller leased, and what is in use."""

    subnet: Subnet
    vlan: Vlan | None = None  # tells two pools of one subnet apart
    ip_range: Subnet | None = None  # what is handed out by itself is of this; None: of all of it
    gateway: Address | None = None
    blocks: tuple[Subnet, ...] = ()
    leaving: tuple[Subnet, ...] = ()  # blocks that the controller is to have back
    closed: bool = False  # Docker has released it: it is there only until that is so
    used: tuple[Address, ...] = ()

    def serves(self, network: NetworkRecord) -> bool:
        """Whether the network's addresses are from here."""
        return self.subnet in network.subnets and self.vlan in (None, network.vlan)


R = TypeVar("R", bound=Record)


class Records(Protocol):
    """Where records are kept."""

    def records(self, prefix: str) -> dict[str, str]:
        """Those whose keys begin so."""


def endpoint_records(kept: Records) -> dict[Key, EndpointRecord]:
    """All that is attached, by endpoint."""
    return {Key.parse(name): record for name, record in _read(kept, ENDPOINT, EndpointRecord)}


def join_records(kept: Records) -> dict[str, JoinRecord]:
    """The Linux bridges that are joined."""
    return dict(_read(kept, JOIN, JoinRecord))


def gateway_records(kept: Records) -> dict[int, GatewayRecord]:
    """The gateways here, by vlan."""
    return {int(name): record for name, record in _read(kept, GATEWAY, GatewayRecord) if name.isdigit()}


def network_records(kept: Records) -> dict[str, NetworkRecord]:
    """Docker's networks that we drive, by its id."""
    return dict(_read(kept, NETWORK, NetworkRecord))


def driven_records(kept: Records) -> dict[str, DrivenRecord]:
    """Docker's endpoints on these, by its id."""
    return dict(_read(kept, DRIVEN, DrivenRecord))


def pool_records(kept: Records) -> dict[str, PoolRecord]:
    """The pools, by the id that Docker was told."""
    return dict(_read(kept, POOL, PoolRecord))


def bounded_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Those that a policy can match, as many as there is room for."""
    fitting = ((k, v) for k, v in sorted(labels.items()) if len(k) <= LABEL_KEY and len(v) <= LABEL_VALUE)
    return dict(list(fitting)[:LABELS])


def bounded_aliases(aliases: Iterable[str]) -> tuple[str, ...]:
    """Those that can be asked for, as many as there is room for."""
    return tuple(alias for alias in dict.fromkeys(aliases) if 0 < len(alias) <= ALIAS)[:MOST_ALIASES]


def _read(kept: Records, prefix: str, kind: type[R]) -> Iterator[tuple[str, R]]:
    for key, text in kept.records(prefix).items():
        record = _parse(kind, text)
        if record is not None:
            yield key.removeprefix(prefix), record


@lru_cache(maxsize=4096)  # read at every look at the host, changed seldom; also: a bad one is logged once
def _parse(kind: type[R], text: str) -> R | None:
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        log.warning("A record on the bridge cannot be read and is passed over: %.200s (%s)", text, error)
        return None
