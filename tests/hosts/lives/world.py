"""What a walk knows of the lab: networks, containers, policy. Pure; `steps` changes it, `compare` believes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

HOSTS = ("h1", "h2")
OWN6 = {host: f"2001:db8:{number}::1" for number, host in enumerate(HOSTS, 1)}  # an address of the host itself


@dataclass(frozen=True)
class Net:
    """One of Docker's networks, the same on all hosts where it is made."""

    vlan: int
    options: tuple[str, ...]  # beside driver, subnet and vlan
    up: str = "none"
    down: str = "none"
    own_ipam: bool = True
    dual: bool = False  # with IPv6
    bridge: str | None = None  # the Linux bridge that it is, if it is not ours to drive; joined, that is in `vlan`

    @property
    def subnets(self) -> tuple[str, ...]:
        """A /24, and a /64 of IPv6 perhaps."""
        return (f"172.15.{self.vlan}.0/24", *([f"fd00:{self.vlan}::/64"] if self.dual else []))

    @property
    def routed(self) -> bool:
        """Whether it has a gateway, and so ports lead in to it."""
        return "--internal" not in self.options


NETS = {
    "blue": Net(10, ("--ipv6",), dual=True),
    "green": Net(20, ("--internal",)),
    "red": Net(30, ("-o", "up=50mbit", "-o", "down=80mbit"), "50mbit", "80mbit", own_ipam=False),
    "lan": Net(50, ("--ipv6", "-o", "com.docker.network.bridge.name=lan0"), own_ipam=False, dual=True, bridge="lan0"),
}
FREE_VLAN = 40  # one that no network of Docker's has


class State(StrEnum):
    """How it is with a container; the first two have their interfaces."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "exited"


@dataclass(frozen=True)
class Rates:
    """As people write them."""

    up: str = "none"
    down: str = "none"


@dataclass(frozen=True)
class Joined:
    """A container on one of Docker's networks: what was said for it alone."""

    net: str
    up: str | None = None
    address: str | None = None  # without prefix; None: whichever Docker gives


@dataclass(frozen=True)
class Connected:
    """What `containet connect`, or labels, said."""

    address: str  # with prefix
    vlan: int
    rates: Rates


@dataclass(frozen=True)
class Port:
    """A port of the host that is to lead to port 80 of a container: of any of its addresses, or of its IPv6 one."""

    number: int
    of: str = ""  # the address, and a colon

    @property
    def said(self) -> str:
        """As it is typed."""
        return f"{self.of}{self.number}:80"

    @property
    def shown(self) -> str:
        """As `containet endpoints` has it."""
        return f"{self.of}{self.number}->80/tcp"


@dataclass(frozen=True)
class Life:
    """A container."""

    name: str
    host: str
    state: State = State.RUNNING
    joined: tuple[Joined, ...] = ()
    connected: Connected | None = None
    labelled: bool = False
    label_rates: Rates | None = None  # of labels on a container of Docker's networks
    lasting: bool = False  # Docker starts it again when it starts itself
    ports: tuple[Port, ...] = ()

    @property
    def lives(self) -> bool:
        """Whether it has its interfaces."""
        return self.state is not State.STOPPED

    @property
    def way_out(self) -> str | None:
        """The network of its default route, by which its ports lead in: Docker takes the first by name that has one."""
        return min((joined.net for joined in self.joined if NETS[joined.net].routed), default=None)


@dataclass(frozen=True)
class Ruled:
    """What the policy says of everybody with a name."""

    vlan: int | None = None
    up: str | None = None
    down: str | None = None


@dataclass(frozen=True)
class World:
    """All of it."""

    nets: frozenset[tuple[str, str]] = frozenset()  # host, network
    bridged: frozenset[tuple[str, str]] = frozenset()  # host, network whose Linux bridge is joined, or is when it comes
    lives: Mapping[str, Life] = field(default_factory=dict)
    policy: Mapping[str, Ruled] = field(default_factory=dict)
    born: int = 0  # how many containers there ever were: no two have a name, or an address that is said

    def on(self, host: str) -> list[Life]:
        """The containers of a host."""
        return [life for life in self.lives.values() if life.host == host]

    def has_endpoint(self, life: Life, joined: Joined) -> bool:
        """Whether who is on this network is known to us by that."""
        return NETS[joined.net].bridge is None or (life.host, joined.net) in self.bridged

    def put(self, *changed: Life) -> "World":
        """These are so now."""
        return replace(self, lives={**self.lives, **{life.name: life for life in changed}})

    def without(self, *names: str) -> "World":
        """These are not there any more."""
        return replace(self, lives={name: life for name, life in self.lives.items() if name not in names})

    def engine_ended(self, host: str) -> "World":
        """The containers of this host ended with their engine, which started again."""
        after = (
            replace(life, state=State.RUNNING if life.lasting and life.lives else State.STOPPED)
            for life in self.on(host)
        )
        return self.put(*after)
