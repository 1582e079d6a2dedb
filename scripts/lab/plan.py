"""What a lab looks like, before anything is made: names, addresses, directories. Pure.

198.18.INDEX.0/24 (RFC 2544: for measuring, routed nowhere), one for each lab on the machine

    .1 .. .16   h1 .. h16, on their br-phy
    .253        outside: the hosts' default gateway, with 203.0.113.1 (TEST-NET-3, RFC 5737) as "the world"
    .254        the machine itself, where the controller runs
"""

import dataclasses
import re
import sys
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, Self

LABS = Path("/run/containet-lab")  # one directory a lab
SUBNETS = tuple(IPv4Network("198.18.0.0/15").subnets(new_prefix=24))
WORLD = IPv4Address("203.0.113.1")
UNDERLAY_MTU = 1500  # bytes
MOST_HOSTS = 16
TUNNELS = ("gre", "vxlan")

UNDERLAY, OUTSIDE, CONTROLLER = "underlay", "outside", "controller"
_LAST_OCTET = {OUTSIDE: 253, CONTROLLER: 254}
# eleven: with "lab-" before it, a name is an interface's name, which has 15 characters at most
_NAME = re.compile(r"[a-z][a-z0-9-]{0,10}")


class LabError(Exception):
    """What cannot be, why, and what to do, for people."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One lab: what `up` was asked for, and `index`, which of the subnets it has.

    `firewall`: whether the engines have iptables of their own, and a default bridge.
    """

    name: str = "lab"
    hosts: int = 2
    tunnel: str = "vxlan"
    port: int = 8080
    ofp_port: int = 6653
    index: int = 0
    firewall: bool = False

    def __post_init__(self) -> None:
        """Raise LabError for what cannot be."""
        if not _NAME.fullmatch(self.name):
            raise LabError(f"“{self.name}” cannot name a lab: use a-z, 0-9 and “-”, a letter first, at most 11.")
        if not 1 <= self.hosts <= MOST_HOSTS:
            raise LabError(f"A lab has 1 to {MOST_HOSTS} hosts, not {self.hosts}.")
        if self.tunnel not in TUNNELS:
            raise LabError(f"There is no tunnel “{self.tunnel}”: use {' or '.join(TUNNELS)}.")
        if self.port == self.ofp_port:
            raise LabError(f"REST and OpenFlow cannot both have port {self.port}.")
        for port in (self.port, self.ofp_port):
            if not 1 <= port <= 65535:
                raise LabError(f"A port is a number from 1 to 65535, not {port}.")

    @classmethod
    def load(cls, saved: dict[str, Any]) -> Self:
        """The plan that `save` wrote; raises TypeError or LabError if it is not one."""
        return cls(**saved)

    def save(self) -> dict[str, Any]:
        """A value for JSON."""
        return dataclasses.asdict(self)

    def same_shape(self, other: "Plan") -> bool:
        """Whether both are the same but for the subnet, which nobody asks for."""
        return dataclasses.replace(self, index=other.index) == other

    @property
    def directory(self) -> Path:
        """Where everything of this lab is."""
        return LABS / self.name

    @property
    def host_names(self) -> tuple[str, ...]:
        """h1, h2, ..."""
        return tuple(f"h{n}" for n in range(1, self.hosts + 1))

    @property
    def machine_names(self) -> tuple[str, ...]:
        """All that have a keeper."""
        return (UNDERLAY, OUTSIDE, CONTROLLER, *self.host_names)

    @property
    def interface(self) -> str:
        """The machine's own foot in the underlay."""
        return f"lab-{self.name}"

    @property
    def subnet(self) -> IPv4Network:
        """The underlay's."""
        return SUBNETS[self.index]

    def address(self, machine: str) -> IPv4Address:
        """Its address on the underlay."""
        return self.subnet[_LAST_OCTET.get(machine) or int(machine.removeprefix("h"))]

    @property
    def rest(self) -> str:
        """The controller's REST as the hosts see it."""
        return f"http://{self.address(CONTROLLER)}:{self.port}"

    @property
    def openflow(self) -> str:
        """The controller's OpenFlow as the switches see it."""
        return f"tcp:{self.address(CONTROLLER)}:{self.ofp_port}"


BIN = Path(sys.executable).parent  # not resolved: in a venv this is where containet and osken-manager are
PATH = f"{BIN}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
