"""Where a peer is measured: a lab of its own, whose hosts nobody but the peer uses; with a shell on each."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from scripts.bench.api import free_port
from scripts.bench.peers.shell import Shell
from scripts.lab import Lab, Machine, down, up
from scripts.lab.underlay import greet

MOST_PLACES = 10  # of one process, at the same time
HOSTS = 3  # two that are measured, and a third for the many that are there besides
BRIDGE = "br-int"
KEEPER = "keeper"  # the role of a machine's first process, which goes on: it buries its dead
CALM_S = 0.5  # after which who stood still has caught up with what waited for him


@dataclass(frozen=True)
class Place:
    """A lab and its shells."""

    lab: Lab
    shells: dict[str, Shell]
    bare: bool  # no controller and no helper is there

    @property
    def hosts(self) -> tuple[Machine, Machine]:
        """The two that are measured."""
        return self.lab["h1"], self.lab["h2"]

    @property
    def third(self) -> Machine:
        """The one with the crowd."""
        return self.lab["h3"]

    def shell(self, host: Machine) -> Shell:
        """The one on that host."""
        return self.shells[host.name]

    def run(self, lines: dict[str, str]) -> dict[str, str]:
        """One command line on each of these hosts, all at once; what they printed."""
        for name, line in lines.items():
            self.shells[name].begin(line)
        return {name: self.shells[name].end() for name in lines}

    def address(self, host: Machine) -> str:
        """The host's own, which tunnels end at."""
        return str(self.lab.plan.address(host.name))

    def freeze(self) -> None:
        """Its daemons stand still."""
        for machine, role in self._running():
            machine.freeze(role)

    def thaw(self) -> None:
        """They go on."""
        for machine, role in self._running():
            machine.thaw(role)

    def _running(self) -> Iterator[tuple[Machine, str]]:
        for machine in self.lab.machines.values():
            for role, process in machine.processes().items():
                if process.alive and role != KEEPER:
                    yield machine, role


@contextmanager
def turn(one: Place, places: Iterable[Place]) -> Iterator[None]:
    """It is this one's turn: the daemons of the others stand still, as if none of them were on this machine.

    Who uses one peer has no other beside it, and what all of them do by themselves would be a part of every measure.
    """
    with ExitStack() as undo:
        for other in places:
            if other is not one:
                undo.callback(other.thaw)
                other.freeze()
        time.sleep(CALM_S)
        if not one.bare:  # a helper and a controller that stood still may have given each other up
            one.lab.meet()
        yield


@contextmanager
def place(*, bare: bool = False) -> Iterator[Place]:
    """A lab, gone afterwards; `bare` is without controller and helpers."""
    names = (f"b{os.getpid()}-{number}" for number in range(MOST_PLACES))
    name = next(name for name in names if Lab.find(name) is None)
    with ExitStack() as undo:
        undo.callback(down, name)
        up(name, HOSTS, "vxlan", free_port(), free_port(), bare=bare)
        lab = Lab.open(name)
        for host in lab.hosts:
            greet(lab.plan, host)
        shells = {host.name: undo.enter_context(Shell(host)) for host in lab.hosts}
        yield Place(lab, shells, bare)
