"""What the engine says, validated: the bodies of its calls. It may add to them, so what is unknown is passed over.

Names are the engine's: moby's documents daemon/libnetwork/docs/remote.md and ipam.md.
"""

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network, ip_network
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from app import wire
from app.wire import MacText

GENERIC = "com.docker.network.generic"  # Options: what `-o KEY=VALUE` said
INTERNAL = "com.docker.network.internal"
GATEWAY_REQUEST = "com.docker.network.gateway"


def _nothing(said: object) -> object:
    """The engine writes what is not there as an empty text, or as null."""
    return None if said == "" else said


def _subnet(said: object) -> object:
    """The engine hands it on as it was typed, and Docker's own driver takes any address of it."""
    return ip_network(said, strict=False) if isinstance(said, str) and said else None


def _map(said: object) -> object:
    return {} if said is None else said


Id = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{1,64}$")]
Address = Annotated[wire.Address | None, BeforeValidator(_nothing)]
Interface = Annotated[IPv4Interface | None, BeforeValidator(_nothing)]
Interface6 = Annotated[IPv6Interface | None, BeforeValidator(_nothing)]
Subnet = Annotated[wire.Subnet | None, BeforeValidator(_subnet)]
Options = Annotated[dict[str, Any], BeforeValidator(_map)]


class Said(BaseModel):
    """Base of all."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Nothing(Said):
    """A call without a body, or with one that does not matter."""


class Ipam(Said):
    """One pool of a network."""

    pool: Annotated[IPv4Network, Field(alias="Pool")]
    gateway: Annotated[Interface, Field(alias="Gateway")] = None


class Ipam6(Said):
    """One pool of IPv6."""

    pool: Annotated[IPv6Network, Field(alias="Pool")]
    gateway: Annotated[Interface6, Field(alias="Gateway")] = None


class CreateNetwork(Said):
    """`docker network create`; no name comes along."""

    network: Annotated[Id, Field(alias="NetworkID")]
    options: Annotated[Options, Field(alias="Options")] = {}
    ipv4: Annotated[tuple[Ipam, ...] | None, Field(alias="IPv4Data")] = None
    ipv6: Annotated[tuple[Ipam6, ...] | None, Field(alias="IPv6Data")] = None

    @property
    def said(self) -> dict[str, Any]:
        """What `-o` said."""
        return self.options.get(GENERIC) or {}

    @property
    def internal(self) -> bool:
        """Whether it is to have no way out."""
        return bool(self.options.get(INTERNAL))


class OfNetwork(Said):
    """A call about a network."""

    network: Annotated[Id, Field(alias="NetworkID")]


class OfEndpoint(OfNetwork):
    """A call about an endpoint."""

    endpoint: Annotated[Id, Field(alias="EndpointID")]


class Given(Said):
    """The interface as far as the engine has settled it."""

    address: Annotated[Interface, Field(alias="Address")] = None
    address6: Annotated[Interface6, Field(alias="AddressIPv6")] = None
    mac: Annotated[MacText | None, BeforeValidator(_nothing), Field(alias="MacAddress")] = None


class CreateEndpoint(OfEndpoint):
    """A container is about to start, or to be connected; which one is not said."""

    interface: Annotated[Given | None, Field(alias="Interface")] = None
    options: Annotated[Options, Field(alias="Options")] = {}


class Binding(Said):
    """A `-p`; numbers of protocols are IANA's, port 0 is one that is not said."""

    protocol: Annotated[int, Field(alias="Proto")]
    port: Annotated[int, Field(alias="Port", ge=1, le=65535)]
    host_address: Annotated[IPv4Address | IPv6Address | None, BeforeValidator(_nothing), Field(alias="HostIP")] = None
    host_port: Annotated[int, Field(alias="HostPort", ge=0, le=65535)] = 0
    host_port_end: Annotated[int, Field(alias="HostPortEnd", ge=0, le=65535)] = 0


class Wishes(Said):
    """What a container wants of the endpoint that is its way out."""

    bindings: Annotated[tuple[Binding, ...] | None, Field(alias="com.docker.network.portmap")] = None


class Publish(OfEndpoint):
    """A container's way out is through this endpoint: its ports are to be published here."""

    options: Annotated[Wishes | None, Field(alias="Options")] = None


class RequestPool(Said):
    """Addresses for a network."""

    pool: Annotated[Subnet, Field(alias="Pool")] = None
    ip_range: Annotated[Subnet, Field(alias="SubPool")] = None
    options: Annotated[Options, Field(alias="Options")] = {}
    v6: Annotated[bool, Field(alias="V6")] = False


class OfPool(Said):
    """A call about a pool."""

    pool: Annotated[str, Field(alias="PoolID", min_length=1, max_length=64)]


class RequestAddress(OfPool):
    """An address for an endpoint, or for the gateway."""

    address: Annotated[Address, Field(alias="Address")] = None
    options: Annotated[Options, Field(alias="Options")] = {}

    @property
    def is_gateway(self) -> bool:
        """Whether it is for the gateway."""
        return self.options.get("RequestAddressType") == GATEWAY_REQUEST


class ReleaseAddress(OfPool):
    """The address is free again."""

    address: Annotated[wire.Address, Field(alias="Address")]
