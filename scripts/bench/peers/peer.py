"""What every peer can do, and what some can: the only things that a benchmark asks of them.

A peer has two hosts whose containers it joins in the way that its own people would. Addresses are written with their
prefix; a VLAN stands for whatever separates there (a tag, a logical switch, a register).
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from scripts.bench.peers.place import Place
from scripts.lab import Machine
from scripts.lab.measure import Box


class Peer(Protocol):
    """One way to join containers across hosts. Each call returns once that peer says that it is done."""

    name: str
    place: Place
    hosts: tuple[Machine, Machine]  # the two

    def attach(self, box: Box, address: str, vlan: int) -> None:
        """Give a running container its eth0."""

    def detach(self, box: Box) -> None:
        """Take it away again."""

    def move(self, boxes: Sequence[Box], vlan: int) -> None:
        """These to another VLAN, as one change where the peer can."""

    def more(self, count: int) -> None:
        """So many more endpoints, half of them in VLAN 10 and half in 20, on the third host."""


@runtime_checkable
class Controlled(Protocol):
    """A peer with a control plane that can die."""

    def kill(self) -> None:
        """SIGKILL to all of it."""

    def start(self) -> None:
        """All of it again; returns when it serves."""


@runtime_checkable
class Limiting(Protocol):
    """A peer that limits what a container sends."""

    def limit(self, box: Box, mbps: int | None) -> None:
        """To this rate, or to none."""
