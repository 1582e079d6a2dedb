"""What people ask the helper, validated: the bodies of its local API. An unknown key is an error."""

from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from app.wire import InterfaceName
from flows.model import HIGHEST_VLAN, LOWEST_VLAN, Mac
from flows.rate import parse_rate

LONGEST_WAIT_S = 3600.0


def _vlan(said: object) -> object:
    if isinstance(said, bool) or not isinstance(said, int) or not LOWEST_VLAN <= said <= HIGHEST_VLAN:
        raise ValueError(f"“{str(said)[:40]}” is not a VLAN: say a number from {LOWEST_VLAN} to {HIGHEST_VLAN}")
    return said


def _rate(said: str) -> str:
    parse_rate(said)
    return said


def _address(said: str) -> str:
    example = "say it as 172.15.42.100/24"
    try:
        address = IPv4Interface(said)
    except ValueError as error:
        raise ValueError(f"“{said[:40]}” is not an IPv4 address: {example}") from error
    ip, subnet = address.ip, address.network
    if ip.is_multicast or ip.is_loopback or ip.is_unspecified or ip.is_reserved:
        raise ValueError(f"{ip} cannot be a container's address: {example}")
    if subnet.prefixlen < 31 and ip in (subnet.network_address, subnet.broadcast_address):
        raise ValueError(f"{ip} is {subnet}'s own or its broadcast address, so no container can have it: {example}")
    return said


def _address6(said: str) -> str:
    example = "say it as fd00:42::100/64"
    try:
        address = IPv6Interface(said)
    except ValueError as error:
        raise ValueError(f"“{said[:40]}” is not an IPv6 address: {example}") from error
    ip, subnet = address.ip, address.network
    if ip.is_multicast or ip.is_loopback or ip.is_unspecified or ip.is_link_local or ip.scope_id or ip.ipv4_mapped:
        raise ValueError(f"{ip} cannot be a container's address: {example}")
    if subnet.prefixlen < 127 and ip == subnet.network_address:
        raise ValueError(f"{ip} is that of all routers of {subnet}, so no container can have it: {example}")
    return said


Name = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:@-]*$")]
VlanSaid = Annotated[int, BeforeValidator(_vlan)]
RateSaid = Annotated[str, AfterValidator(_rate)]
AddressSaid = Annotated[str, StringConstraints(max_length=64), AfterValidator(_address)]
Address6Said = Annotated[str, StringConstraints(max_length=64), AfterValidator(_address6)]


class Asked(BaseModel):
    """Base of the bodies."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Connect(Asked):
    """`POST /v1/connect`."""

    container: Name
    address: AddressSaid
    address6: Address6Said | None = None
    vlan: VlanSaid | None = None
    network: Annotated[str, StringConstraints(max_length=64)] | None = None  # by its name, in place of `vlan`
    up: RateSaid | None = None
    down: RateSaid | None = None
    interface: InterfaceName | None = None
    gateway: IPv4Address | None = None
    bridge: InterfaceName | None = None

    @model_validator(mode="after")
    def _one_network(self) -> "Connect":
        if self.vlan is not None and self.network is not None:
            raise ValueError("say either the vlan or the network: they may be two different ones")
        return self

    @property
    def ip(self) -> IPv4Address:
        """The address without its prefix."""
        return IPv4Interface(self.address).ip

    @property
    def mac(self) -> Mac:
        """The MAC of whoever has this address."""
        return Mac.of(self.ip)

    @property
    def interface6(self) -> IPv6Interface | None:
        """The IPv6 address, if it was said."""
        return None if self.address6 is None else IPv6Interface(self.address6)

    @property
    def ip6(self) -> IPv6Address | None:
        """The same without its prefix."""
        return self.interface6 and self.interface6.ip

    @property
    def has_prefix(self) -> bool:
        """Whether the prefix was said."""
        return "/" in self.address

    @property
    def has_prefix6(self) -> bool:
        """Likewise, of an IPv6 address that was said."""
        return self.address6 is None or "/" in self.address6

    @property
    def kbps(self) -> tuple[int | None, int | None]:
        """Up and down, kilobits per second."""
        return (parse_rate(self.up) if self.up else None, parse_rate(self.down) if self.down else None)


class Disconnect(Asked):
    """`POST /v1/disconnect`."""

    container: Name
    interface: InterfaceName | None = None


class Wait(Asked):
    """`POST /v1/wait`; `timeout` in seconds."""

    container: Name
    interface: InterfaceName | None = None
    timeout: Annotated[float, Field(ge=0, le=LONGEST_WAIT_S)] = 30.0


class JoinBridge(Asked):
    """`POST /v1/join-bridge`."""

    bridge: InterfaceName
    vlan: VlanSaid | None = None
    nat: bool = False


class LeaveBridge(Asked):
    """`POST /v1/leave-bridge`."""

    bridge: InterfaceName
