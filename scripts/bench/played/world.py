"""A large cloud on one machine: bridges without packets, played helpers, and the real controller over them.

As many networks as hosts, each network on some hosts that follow each other, so that each host has as many networks.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flows.model import Mac
from scripts.bench.api import Api
from scripts.bench.played.controller import Controller, controller
from scripts.bench.played.dummy import Dummy, dummy
from scripts.bench.played.player import Player
from scripts.lab import LabError

FIRST_VLAN, FIRST_TUNNEL = 100, 60_000
WHOLE_S = 300.0
LOOK_S = 0.1


@dataclass(frozen=True)
class Size:
    """`networks`, and as many hosts, unless it is one network: then its own hosts alone."""

    networks: int = 100
    endpoints: int = 100  # of a network
    spread: int = 10  # hosts of a network

    @property
    def hosts(self) -> int:
        """How many."""
        return max(self.networks, self.spread)

    @property
    def total(self) -> int:
        """All endpoints."""
        return self.networks * self.endpoints

    def networks_of(self, host: int) -> list[int]:
        """Which are on that host."""
        return [n for n in range(self.networks) if (host - n) % self.hosts < self.spread]

    def numbers(self, host: int, network: int) -> range:
        """Which of the network's endpoints are there."""
        return range((host - network) % self.hosts, self.endpoints, self.spread)


def name_of(host: int) -> str:
    """`h1` is the first."""
    return f"h{host + 1}"


def endpoint(network: int, number: int, ofport: int) -> dict[str, Any]:
    """One as its helper reports it."""
    address = f"10.{network}.{number // 250}.{number % 250 + 1}"
    return {
        "container": f"{network:032x}{number:032x}",
        "interface": "eth0",
        "name": f"c{network}-{number}",
        "mac": str(Mac.of(IPv4Address(address))),
        "ofport": ofport,
        "address": f"{address}/16",
        "vlan": FIRST_VLAN + network,
    }


def everything(size: Size, host: int) -> dict[str, Any]:
    """What the helper of this host reports."""
    here = [(n, number) for n in size.networks_of(host) for number in size.numbers(host, n)]
    return {
        "dpid": host + 1,
        "vtep": f"198.18.{host // 250}.{host % 250 + 1}",
        "underlay_mtu": 1500,
        "tunnels": {name_of(peer): FIRST_TUNNEL + peer for peer in range(size.hosts) if peer != host},
        "endpoints": [endpoint(n, number, ofport) for ofport, (n, number) in enumerate(here, 1)],
    }


@dataclass
class World:
    """It stands, or falls and stands again."""

    size: Size
    switches: list[Dummy]
    controller: Controller
    players: list[Player]

    @property
    def api(self) -> Api:
        """The controller's; a connection of its own."""
        return Api.at(self.controller.rest)

    def start(self) -> tuple[float, float, float]:
        """The controller serves, all helpers have sessions, all switches are in step: seconds until each of these."""
        began = time.monotonic()
        self.controller.start()
        serves = time.monotonic() - began
        for at, switch in enumerate(self.switches):
            switch.control(map(name_of, self._hosts_on(at)), self.controller.target)
        with ThreadPoolExecutor(len(self.players)) as pool:
            list(pool.map(Player.begin, self.players))
        told = time.monotonic() - began
        self.whole()
        return serves, told, time.monotonic() - began

    def whole(self) -> None:
        """Wait until every switch and every helper has all that is wanted of it; LabError if that takes for ever."""
        api, deadline = self.api, time.monotonic() + WHOLE_S
        while not _whole(api("GET", "/v1/hosts"), self.size.hosts):
            if time.monotonic() > deadline:
                raise LabError(f"{self.size.hosts} bridges are not in step after {WHOLE_S:g} s")
            time.sleep(LOOK_S)

    def empty(self) -> None:
        """Every bridge without a flow, the controller being away."""
        for host in range(self.size.hosts):
            self.switch_of(host).ofctl("del-flows", name_of(host))

    def flows(self) -> list[int]:
        """How many each bridge has."""
        return [self.switch_of(host).flows(name_of(host)) for host in range(self.size.hosts)]

    def switch_of(self, host: int) -> Dummy:
        """Which one has that host's bridge."""
        return self.switches[host % len(self.switches)]

    def _hosts_on(self, switch: int) -> range:
        return range(switch, self.size.hosts, len(self.switches))


@contextmanager
def world(size: Size, switches: int = 1) -> Iterator[World]:
    """The bridges, on so many Open vSwitches, and who plays their helpers; the controller is still to be started."""
    with ExitStack() as undo:
        directory = Path(undo.enter_context(TemporaryDirectory(prefix="scale-")))
        control = undo.enter_context(controller(directory))
        made = World(size, [undo.enter_context(dummy()) for _ in range(switches)], control, [])
        for host in range(size.hosts):
            made.switch_of(host).bridges({name_of(host): host + 1})
            made.players.append(Player(control.rest, name_of(host), everything(size, host)))
        yield made


def _whole(hosts: list[dict[str, Any]], count: int) -> bool:
    return len(hosts) == count and not any(host["pending"] or host["switch"] == "away" for host in hosts)
