"""Restart: the control plane is killed under a UDP stream of 10,000 packets a second, and started again.

SIGKILL to Containet's controller; to OVN's databases, ovn-northd and every ovn-controller. A second later it starts,
and the stream runs on for a second after everybody has met. Beside it what the stream loses by itself in two seconds.
"""

import time

from scripts.bench.page.notebook import Notebook
from scripts.bench.peers import standing
from scripts.bench.peers.peer import Controlled, Peer
from scripts.bench.peers.place import turn
from scripts.lab.measure import Box, start_box
from scripts.lab.udp import stream

TIMES = 5
AWAY_S = AFTER_S = 1.0
IDLE_S = 2.0
THERE = "172.15.42.2"


def run(notebook: Notebook) -> None:
    """Each, by turns."""
    with standing("containet", "ovn") as peers:
        places = [peer.place for peer in peers]
        ends = {peer.name: pair(peer) for peer in peers}
        for _ in notebook.each(TIMES, "killed and started"):
            for peer in peers:
                if isinstance(peer, Controlled):
                    with turn(peer.place, places):
                        idle(notebook, peer.name, ends[peer.name])
                        killed(notebook, peer.name, peer, ends[peer.name])


def pair(peer: Peer) -> tuple[Box, Box]:
    """The ends of the stream, in VLAN 10."""
    here, there = (start_box(host, f"end{number}") for number, host in enumerate(peer.hosts, 1))
    peer.attach(here, "172.15.42.1/16", 10)
    peer.attach(there, f"{THERE}/16", 10)
    return here, there


def idle(notebook: Notebook, name: str, ends: tuple[Box, Box]) -> None:
    """Nothing is done."""
    with stream(*ends, THERE) as running:
        time.sleep(IDLE_S)
        seen = running.finish()
    notebook.add(name, "lost while nothing is done", f"packets in {IDLE_S:g} s", seen.lost)


def killed(notebook: Notebook, name: str, peer: Controlled, ends: tuple[Box, Box]) -> None:
    """Killed, and started again."""
    with stream(*ends, THERE) as running:
        peer.kill()
        time.sleep(AWAY_S)
        began = time.monotonic()
        peer.start()
        stands = time.monotonic()
        time.sleep(AFTER_S)
        seen = running.finish()
    notebook.add(name, "lost over kill -9 and start", "packets", seen.lost)
    notebook.add(name, "start, until all have met", "s", stands - began)
