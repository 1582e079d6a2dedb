"""Attach: from the call that gives a running container its interface to its first echo reply from another host.

The container asks for an echo every 2 ms from the moment that it has an interface. A MAC that is not answered is asked
for again after 8 ms, as soon as the kernel can, so that who comes up before his network does not lose a second, as he
would else. Alternating, one container of each peer after the other, while the daemons of the others stand still. With
1,000 more endpoints half of them are in its network: who comes as the first of it to a host brings the flows for all
of these along, so this is measured as well.
"""

import time
from contextlib import ExitStack
from typing import Protocol

from scripts.bench.page.notebook import Notebook
from scripts.bench.peers import standing
from scripts.bench.peers.containet import Containet
from scripts.bench.peers.docker_bridge import DockerBridge
from scripts.bench.peers.place import Place, place, turn
from scripts.bench.peers.veth import network
from scripts.lab import Machine
from scripts.lab.measure import Box, start_box
from scripts.lab.udp import echo

TIMES, MORE = 20, 1000
HERE, THERE = "172.15.42.1", "172.15.42.2"
NEIGHBOUR = "172.15.42.3/16"


class Attaching(Protocol):
    """As much of a peer as this asks for."""

    name: str
    place: Place
    hosts: tuple[Machine, Machine]  # where the two are

    def attach(self, box: Box, address: str, vlan: int) -> None:
        """As Peer."""

    def detach(self, box: Box) -> None:
        """As Peer."""


class Command:
    """`containet connect` as people type it, the start of Python included."""

    name = "containet connect"

    def __init__(self, place: Place) -> None:
        self.place, self.hosts = place, place.hosts

    def attach(self, box: Box, address: str, vlan: int) -> None:
        """The command."""
        self.place.shell(box.host).run(f"containet connect {box.name} {address} --vlan {vlan} --interface eth0")

    def detach(self, box: Box) -> None:
        """The command."""
        self.place.shell(box.host).run(f"containet disconnect {box.name}")


def run(notebook: Notebook) -> None:
    """All peers, first with nothing else there, then with 1,000 more endpoints."""
    with ExitStack() as undo:
        peers = undo.enter_context(standing("containet", "ovs-docker", "ovn", "raw"))
        every: list[Attaching] = [*peers, DockerBridge(undo.enter_context(place(bare=True)))]
        every += [Command(peer.place) for peer in peers if isinstance(peer, Containet)]
        boxes = {peer.name: partners(peer) for peer in every}
        rounds(notebook, every, boxes, "")
        more = notebook.crowd(MORE)
        for peer in peers:
            notebook.say(f"{more:,} more endpoints for {peer.name}")
            peer.more(more)
        with_more: list[Attaching] = [*peers, *(peer for peer in every if isinstance(peer, Command))]
        rounds(notebook, with_more, boxes, f"{more:,} more endpoints, the first of its network there")
        for peer in peers:
            peer.attach(start_box(peer.hosts[0], "neighbour"), NEIGHBOUR, 10)
        rounds(notebook, with_more, boxes, f"{more:,} more endpoints")


def partners(peer: Attaching) -> Box:
    """A container that is to be attached, again and again; another that answers it is attached."""
    here, there = peer.hosts
    prefix = "".join(letter for letter in peer.name if letter.isalpha())
    first, second = start_box(here, f"{prefix}1"), start_box(there, f"{prefix}2")
    if isinstance(peer, DockerBridge):
        for box in (first, second):
            here.exec("docker", "network", "disconnect", "none", box.name)
    for box in (first, second):
        network(box)  # who writes commands by hand knows it
    peer.attach(second, f"{_there(peer)}/16", 10)
    return first


def rounds(notebook: Notebook, peers: list[Attaching], boxes: dict[str, Box], case: str) -> None:
    """Each peer's container, in turn."""
    places = [peer.place for peer in peers]
    for _ in notebook.each(TIMES, f"attaching, {case}" if case else "attaching"):
        for peer in peers:
            with turn(peer.place, places):
                attached(notebook, peer, boxes[peer.name], case)


def attached(notebook: Notebook, peer: Attaching, box: Box, case: str) -> None:
    """There, answered, and gone again."""
    with echo(box, _there(peer)) as asking:
        began = asking.begin()
        peer.attach(box, f"{_here(peer)}/16", 10)
        returned = time.monotonic()
        notebook.add(peer.name, "first echo reply", "ms", (asking.answered() - began) * 1000, case)
    notebook.add(peer.name, "call returns", "ms", (returned - began) * 1000, case)
    peer.detach(box)


def _here(peer: Attaching) -> str:
    return HERE if peer.name != Command.name else "172.15.43.1"


def _there(peer: Attaching) -> str:
    return THERE if peer.name != Command.name else "172.15.43.2"
