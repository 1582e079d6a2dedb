"""What people ask the helper, validated: the bodies of its local API. An unknown key is an error."""

from ipaddress import IPv4Address, IPv4Interface
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from app.wire import InterfaceName
from flows.model import HIGHEST_VLAN, LOWEST_VLAN
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


Name = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:@-]*$")]
VlanSaid = Annotated[int, BeforeValidator(_vlan)]
RateSaid = Annotated[str, AfterValidator(_rate)]
AddressSaid = Annotated[str, StringConstraints(max_length=64), AfterValidator(_address)]


class Asked(BaseModel):
    """Base of the bodies."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Connect(Asked):
    """`POST /v1/connect`."""

    container: Name
    address: AddressSaid
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
    def has_prefix(self) -> bool:
        """Whether the prefix was said."""
        return "/" in self.address

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
