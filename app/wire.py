"""What helper and controller say to each other: values <-> JSON, validated.

A helper's session, in order:

1. `PUT /v1/hosts/{host}` with `HostUp`, everything it has -> `Welcome` with the number of the session.
2. `GET /v1/hosts/{host}/wants?session=N`, held open: a line of JSON a `Want`, first all that stand, then each change;
   `{"beat": true}` every two seconds. A want is a whole, idempotent statement about one thing on that host.
3. `POST /v1/hosts/{host}/events?session=N` with one `Event` -> `Outcome`, answered when applied (or after 2 s).
4. `POST /v1/hosts/{host}/done?session=N` with `Done` for each want, done or refused in words -> 204.

Whatever names a session that is not the newest is answered 409: the helper begins again at 1. A stream that ends
means that the helper is away; nothing is forgotten. Before it touches anything the helper asks
`POST /v1/hosts/{host}/admit` with `Ask` -> `Admission`, or a problem document that says why not. Of what comes at once
it says so: `POST /v1/hosts/{host}/comings?session=N` with `Coming` -> a line with `Admitted` (flows are made from then
on, to be there when the port is), and one with `Outcome` once that is applied. For a network of Docker's it asks
`POST /v1/hosts/{host}/networks` with `NetworkReport` -> 204. What it hands out to Docker's containers are addresses
that it leased: `POST /v1/hosts/{host}/leases?session=N` with `LeaseAsk` -> `Lease`, and back again
`POST /v1/hosts/{host}/releases?session=N` with `Release` -> 204.
"""

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator

from flows.model import HIGHEST_VLAN, HIGHEST_VNI, LOWEST_VLAN, Mac, Role, Tunnel, inside


class Wire(BaseModel):
    """Base of all messages: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _mac(text: str) -> str:
    return str(Mac.parse(text))


HostName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")]
ContainerId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:@-]{0,127}$")]
InterfaceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$")]
Vlan = Annotated[int, Field(ge=LOWEST_VLAN, le=HIGHEST_VLAN, strict=True)]
MacText = Annotated[str, AfterValidator(_mac)]
Kbps = Annotated[int, Field(ge=1)]

MOST_PORTS = 256  # that one endpoint publishes


TransportPort = Annotated[int, Field(ge=1, le=65535, strict=True)]
OfPort = Annotated[int, Field(ge=1, lt=0xFFFFFF00)]  # a real port: OFPP_MAX and up are reserved


class Rates(Wire):
    """What a container may send (`up`) and receive (`down`), kilobits per second; null is no limit."""

    up_kbps: Kbps | None = None
    down_kbps: Kbps | None = None


class PublishedPort(Wire):
    """A port of the host that leads to a port of a container there."""

    protocol: Literal["tcp", "udp"]
    host_address: IPv4Address | IPv6Address | None = None  # of the host; any of them if none is said
    host_port: TransportPort
    port: TransportPort

    def __str__(self) -> str:
        """As Docker writes it: `8080->80/tcp`, `10.0.0.1:53->53/udp`, `[fd00::1]:80->80/tcp`."""
        address = f"[{self.host_address}]" if isinstance(self.host_address, IPv6Address) else self.host_address
        return f"{f'{address}:' if address else ''}{self.host_port}->{self.port}/{self.protocol}"


MOST_ALIASES = 16  # of one endpoint
Alias = Annotated[str, Field(min_length=1, max_length=128)]


class EndpointReport(Wire):
    """An endpoint as the helper has it. `vlan` and the rates are what `connect` said: policy goes before them."""

    container: ContainerId
    interface: InterfaceName
    name: str = Field(min_length=1, max_length=128)
    mac: MacText
    ofport: OfPort
    address: IPv4Interface | None = None
    address6: IPv6Interface | None = None
    vlan: Vlan | None = None
    up_kbps: Kbps | None = None
    down_kbps: Kbps | None = None
    role: Role = Role.CONTAINER
    behind: str | None = None  # the joined Linux bridge that it is on, if not straight on br-int
    labels: dict[str, str] = Field(default_factory=dict, max_length=128)
    ports: tuple[PublishedPort, ...] = Field(default=(), max_length=MOST_PORTS)
    aliases: tuple[Alias, ...] = Field(default=(), max_length=MOST_ALIASES)  # what else it is called in its network

    @model_validator(mode="after")
    def _everywhere_by_its_vlan(self) -> "EndpointReport":
        called = f"{self.role.value}:{self.vlan}"
        if self.role.everywhere and self.container != called:
            raise ValueError(f"a {self.role.value} is called by its VLAN, and “{self.container}” is not {called}")
        return self


class NetworkReport(Wire):
    """A network that Docker has on this host over our bridge, as `docker network create` said it."""

    vlan: Vlan
    vni: Annotated[int, Field(ge=1, le=HIGHEST_VNI, strict=True)] | None = None
    subnet: IPv4Network
    gateway: IPv4Address | None = None
    subnet6: IPv6Network | None = None
    gateway6: IPv6Address | None = None
    name: str | None = Field(default=None, max_length=128)  # Docker tells its drivers none: it is found out later


Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface
Subnet = IPv4Network | IPv6Network


class Pool(NamedTuple):
    """Whose addresses are handed out together; two networks with one subnet are told apart by `vlan`, if it is said."""

    vlan: int | None
    subnet: Subnet


class _OfPool(Wire):
    vlan: Vlan | None = None
    subnet: Subnet

    @property
    def of(self) -> Pool:
        """The pool that this is about."""
        return Pool(self.vlan, self.subnet)


class Lease(_OfPool):
    """A block of addresses that one host hands out by itself."""

    block: Subnet


class LeaseAsk(_OfPool):
    """Another block for this host, besides those that it `has`; or this one address, if it is said.

    Blocks are of `ip_range`, if it is said; the address is any of the subnet.
    """

    ip_range: Subnet | None = None
    gateway: Address | None = None
    address: Address | None = None
    has: tuple[Subnet, ...] = ()

    @property
    def source(self) -> Subnet:
        """What blocks are of."""
        return self.ip_range or self.subnet

    @model_validator(mode="after")
    def _inside(self) -> "LeaseAsk":
        if not inside(self.source, self.subnet):
            raise ValueError(f"{self.ip_range} is not inside {self.subnet}")
        return self

    def lease(self, block: Subnet) -> Lease:
        """What is granted."""
        return Lease(vlan=self.vlan, subnet=self.subnet, block=block)


class Release(Wire):
    """Leases that this host gives back; those that it has not are given back already."""

    leases: tuple[Lease, ...]


class HostUp(Wire):
    """Everything that a host has, said after every connect."""

    dpid: Annotated[int, Field(gt=0, lt=1 << 64)]
    vtep: IPv4Address
    underlay_mtu: Annotated[int, Field(ge=576, le=65535)]
    tunnels: dict[HostName, OfPort] = Field(default_factory=dict)  # peer -> ofport
    endpoints: tuple[EndpointReport, ...] = ()
    networks: tuple[NetworkReport, ...] = ()
    leases: tuple[Lease, ...] = ()


class EndpointUp(Wire):
    """An endpoint came, or changed (another ofport, name, address)."""

    kind: Literal["endpoint_up"] = "endpoint_up"
    endpoint: EndpointReport


class EndpointDown(Wire):
    """An endpoint went."""

    kind: Literal["endpoint_down"] = "endpoint_down"
    container: ContainerId
    interface: InterfaceName


class TunnelsUp(Wire):
    """The tunnel ports of this host, all of them."""

    kind: Literal["tunnels_up"] = "tunnels_up"
    tunnels: dict[HostName, OfPort]


class NetworksUp(Wire):
    """Docker's networks of this host, all of them."""

    kind: Literal["networks_up"] = "networks_up"
    networks: tuple[NetworkReport, ...]


class Drift(Wire):
    """Somebody else removed or changed what the helper made in Open vSwitch: what, and whether it stands again."""

    kind: Literal["drift"] = "drift"
    what: str = Field(min_length=1, max_length=256)
    repaired: bool


Event = Annotated[EndpointUp | EndpointDown | TunnelsUp | NetworksUp | Drift, Field(discriminator="kind")]
EVENT: TypeAdapter[EndpointUp | EndpointDown | TunnelsUp | NetworksUp | Drift] = TypeAdapter(Event)


class Welcome(Wire):
    """The answer to `HostUp`: the session's number, and who was refused and why, by `container/interface`.

    `clashing`: leases that another host has as well, so nothing more may be handed out of them.
    """

    session: int
    refused: dict[str, str] = Field(default_factory=dict)
    clashing: tuple[Lease, ...] = ()


class Outcome(Wire):
    """The answer to a change: its generation, and the hosts that have it not yet. Applied when none is pending.

    `why` says what those could not do; it is empty where they are only away, or slow.
    """

    generation: int
    pending: tuple[str, ...] = ()
    why: str = ""


class Ask(Wire):
    """May this container have this address? What `connect` was told; the addresses may lack their prefix."""

    container: ContainerId
    interface: InterfaceName
    name: str = Field(min_length=1, max_length=128)
    address: str = Field(max_length=64)
    address6: str | None = Field(default=None, max_length=64)
    vlan: Vlan | None = None
    network: str | None = Field(default=None, max_length=64)  # by its name, in place of `vlan`
    up_kbps: Kbps | None = None
    down_kbps: Kbps | None = None
    gateway: IPv4Address | None = None
    behind: str | None = None
    labels: dict[str, str] = Field(default_factory=dict, max_length=128)


class Admission(Wire):
    """Yes: with what policy makes of it. `mtu` for the container's interface, bytes; rates in force."""

    address: IPv4Interface
    address6: IPv6Interface | None = None
    network: str
    vlan: Vlan
    mtu: int
    gateway: IPv4Address | None = None
    gateway6: IPv6Address | None = None
    up_kbps: Kbps | None = None
    down_kbps: Kbps | None = None


class Coming(Wire):
    """An endpoint comes as soon as it is admitted, held to the rates of its admission."""

    ask: Ask
    ofport: OfPort  # that its port is going to ask for


class Admitted(Wire):
    """It may come; and what is known of it now, as if it had been reported."""

    admission: Admission
    endpoint: EndpointReport


class TunnelPeer(Wire):
    """A tunnel port that the host should have."""

    peer: HostName
    tunnel: Tunnel
    remote: IPv4Address


class TunnelsWant(Wire):
    """All tunnel ports of the host; others are to go. Done means that `TunnelsUp` was reported."""

    kind: Literal["tunnels"] = "tunnels"
    peers: tuple[TunnelPeer, ...] = ()


class ShaperWant(Wire):
    """The shapers of one endpoint, both directions."""

    kind: Literal["shaper"] = "shaper"
    container: ContainerId
    interface: InterfaceName
    up_kbps: Kbps | None = None
    down_kbps: Kbps | None = None


class GatewayWant(Wire):
    """A network's gateway on this host: a port of br-int with these addresses, forwarding, NAT to the outside.

    `present` false: it is to go. Done means that `EndpointUp` (role gateway, container `gateway:VLAN`) was reported.
    """

    kind: Literal["gateway"] = "gateway"
    vlan: Vlan
    present: bool
    address: IPv4Interface | None = None
    subnet: IPv4Network | None = None
    address6: IPv6Interface | None = None
    subnet6: IPv6Network | None = None
    mac: MacText | None = None
    mtu: int | None = None


MOST_NAMES = 4096  # of a network; those that come later in the order of keys have none
MOST_ADDRESSES = 16  # of one name: so an answer fits into 512 bytes (RFC 1035, 4.2.1)
Addresses = Annotated[tuple[Address, ...], Field(max_length=MOST_ADDRESSES)]


class NamesWant(Wire):
    """A resolver for a network on this host, and who is called how there, on all hosts.

    `outside`: other names are asked of the host's own servers; else they do not exist. `present` false: nobody asks
    there any more. Nobody waits for any of it.
    """

    kind: Literal["names"] = "names"
    vlan: Vlan
    present: bool = True
    outside: bool = False
    names: dict[str, Addresses] = Field(default_factory=dict, max_length=MOST_NAMES)  # in lower case (RFC 4343)


class MtuWant(Wire):
    """What fits through every tunnel, bytes: the MTU of all that is attached on the host, now and later."""

    kind: Literal["mtu"] = "mtu"
    mtu: Annotated[int, Field(ge=68, le=65535)]  # RFC 791: the least that a link carries


class SettleWant(Wire):
    """Nothing that Open vSwitch cached follows flows of before this want. `number` tells one from the next."""

    kind: Literal["settle"] = "settle"
    number: int


class Want(Wire):
    """One thing that is wanted of a host. A want of the same `key` replaces the earlier one."""

    key: str
    generation: int
    body: Annotated[
        TunnelsWant | ShaperWant | GatewayWant | NamesWant | MtuWant | SettleWant, Field(discriminator="kind")
    ]


class Done(Wire):
    """The want of this key and generation stands, or could not be done: then `error` says why."""

    key: str
    generation: int
    error: str | None = None
