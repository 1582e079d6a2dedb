"""Policy: what people want, as the document that they write (docs/policy.md). How it applies: app.rules."""

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import pairwise
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from app.wire import HostName, InterfaceName, Vlan
from flows.model import DEFAULT_VLAN, HIGHEST_VNI
from flows.rate import parse_rate

MOST_RULES = 10_000
NETWORK_NAME = r"^[a-z0-9]([a-z0-9_.-]{0,61}[a-z0-9])?$"
NetworkName = Annotated[str, StringConstraints(pattern=NETWORK_NAME)]


def _rate(text: str) -> str:
    parse_rate(text)
    return text


def _subnet(text: object) -> IPv4Network:
    if not isinstance(text, str | IPv4Network):
        raise ValueError("a subnet is written as 172.15.42.0/24")
    return IPv4Network(text)  # its ValueError says what is wrong, host bits included


def _subnet6(text: object) -> IPv6Network:
    if not isinstance(text, str | IPv6Network):
        raise ValueError("an IPv6 subnet is written as fd00:42::/64")
    return IPv6Network(text)


Subnet = Annotated[IPv4Network, BeforeValidator(_subnet, json_schema_input_type=str)]
Subnet6 = Annotated[IPv6Network, BeforeValidator(_subnet6, json_schema_input_type=str)]
RateText = Annotated[str, AfterValidator(_rate)]


class Document(BaseModel):
    """Base of the policy's parts: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NetworkRule(Document):
    """A network: its vlan, and what else people want to say of it. The vni is the vlan unless set."""

    vlan: Vlan
    vni: Annotated[int, Field(ge=1, le=HIGHEST_VNI, strict=True)] | None = None
    subnet: Subnet | None = None
    gateway: IPv4Address | None = None
    subnet6: Subnet6 | None = None
    gateway6: IPv6Address | None = None

    @model_validator(mode="after")
    def _gateway_inside(self) -> "NetworkRule":
        for gateway, subnet in ((self.gateway, self.subnet), (self.gateway6, self.subnet6)):
            if gateway is not None and (subnet is None or gateway not in subnet):
                raise ValueError(f"the gateway {gateway} is not inside the subnet {subnet}")
        return self

    @property
    def routed(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The subnets that have a gateway."""
        pairs = ((self.subnet, self.gateway), (self.subnet6, self.gateway6))
        return tuple(subnet for subnet, gateway in pairs if subnet and gateway)

    @property
    def segment(self) -> int:
        """The number on the tunnel."""
        return self.vni or self.vlan


class Match(Document):
    """Whom an assignment is for: all that is said must hold, and something must be said."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None
    label: Annotated[str, StringConstraints(pattern=r"^[^=\s][^=]{0,127}(=.{0,255})?$")] | None = (
        None  # KEY or KEY=VALUE
    )
    host: HostName | None = None
    interface: InterfaceName | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "Match":
        if self.name is self.label is self.host is self.interface is None:
            raise ValueError("an empty match: say name, label, host or interface")
        return self

    def holds(self, name: str, host: str, interface: str, labels: Mapping[str, str]) -> bool:
        """Whether this is an endpoint that is meant."""
        if self.label is not None:
            key, equals, value = self.label.partition("=")
            if key not in labels or (equals and labels[key] != value):
                return False
        return all(
            wanted is None or wanted == is_
            for wanted, is_ in ((self.name, name), (self.host, host), (self.interface, interface))
        )


class Assignment(Document):
    """What the endpoints that match get."""

    match: Match
    vlan: Vlan | None = None
    up: RateText | None = None
    down: RateText | None = None


class Policy(Document):
    """The whole policy document."""

    networks: dict[NetworkName, NetworkRule] = Field(default_factory=dict, max_length=4094)
    assign: tuple[Assignment, ...] = Field(default=(), max_length=MOST_RULES)

    @model_validator(mode="after")
    def _one_network_a_number(self) -> "Policy":
        for name, rule in self.networks.items():
            if name != unnamed(rule.vlan) and re.fullmatch(r"default|vlan\d+", name):
                raise ValueError(f"{name} is what another VLAN is called without a policy: choose another name")
        for what in ("vlan", "segment"):
            _refuse_twins(what, ((getattr(rule, what), name) for name, rule in self.networks.items()))
        routed = [(subnet, name) for name, rule in self.networks.items() for subnet in rule.routed]
        routed.sort(key=lambda pair: (pair[0].version, pair))
        for (taken, other), (subnet, name) in pairwise(routed):  # of two that overlap, one is next to another such one
            if subnet.overlaps(taken):
                raise ValueError(
                    f"{other} and {name} both have a gateway and overlap ({taken}, {subnet}): a host can route "
                    "to one of them only; take the gateway from one, or give it another subnet"
                )
        return self

    def as_json(self) -> dict[str, Any]:
        """The document as people would write it: what was not said is not there."""
        return self.model_dump(mode="json", exclude_none=True)


def unnamed(vlan: int) -> str:
    """What a network is called that no policy names."""
    return "default" if vlan == DEFAULT_VLAN else f"vlan{vlan}"


def _refuse_twins(what: str, pairs: Iterable[tuple[int, str]]) -> None:
    seen: dict[int, str] = {}
    for number, name in pairs:
        if number in seen:
            raise ValueError(f"{seen[number]} and {name} both have the {'vni' if what == 'segment' else what} {number}")
        seen[number] = name
