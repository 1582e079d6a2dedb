"""Throughput: one TCP stream between containers of two hosts, beside two flows that only forward.

Both join their hosts with VXLAN on the userspace datapath, and have the same MTU. The bare ones have two flows on each
bridge, from the container to the tunnel and back: no guard, no segment, nothing that is looked up. By turns, in pairs;
the share is that of a pair.
"""

from contextlib import ExitStack

from scripts.bench.page.figures import OURS
from scripts.bench.page.notebook import Notebook
from scripts.bench.peers import standing, veth
from scripts.bench.peers.bridge import TUNNEL, joined_bridges
from scripts.bench.peers.place import BRIDGE, Place, place, turn
from scripts.lab import Machine
from scripts.lab.measure import Box, ping, serving, start_box, stream

PAIRS, SECONDS = 10, 5
HERE, THERE = "172.15.42.1", "172.15.42.2"
BARE = "two bare flows"
CONTAINER = 1  # its ofport


def run(notebook: Notebook) -> None:
    """One after the other, so many times."""
    with ExitStack() as undo:
        (peer,) = undo.enter_context(standing(OURS))
        ours, bare = boxes(peer.hosts, "ours"), undo.enter_context(place(bare=True))
        for box, address in zip(ours, (HERE, THERE), strict=True):
            peer.attach(box, f"{address}/16", 10)
        ends, places = {OURS: ours, BARE: joined(bare)}, {OURS: peer.place, BARE: bare}
        for here, there in ends.values():
            ping(here, THERE)  # whatever has to be learnt first
            undo.enter_context(serving(there))
        for number in notebook.each(PAIRS, "TCP"):
            found = {}
            for name in (OURS, BARE) if number % 2 else (BARE, OURS):
                with turn(places[name], places.values()):
                    seen = stream(ends[name][0], THERE, 1 if notebook.quick else SECONDS)
                found[name] = seen.mbps
                notebook.add(name, "TCP", "Mbit/s", seen.mbps)
                notebook.add(name, "sent again", "% of segments", seen.resent * 100)
            notebook.add(OURS, "share of what bare flows carry", "", found[OURS] / found[BARE])


def boxes(hosts: tuple[Machine, Machine], prefix: str) -> tuple[Box, Box]:
    """A container on each."""
    here, there = hosts
    return start_box(here, f"{prefix}1"), start_box(there, f"{prefix}2")


def joined(bare: Place) -> tuple[Box, Box]:
    """Two containers, plugged by hand, with nothing but forwarding between them."""
    joined_bridges(bare, "fail_mode=secure", "10")
    ends = boxes(bare.hosts, "bare")
    for box, address in zip(ends, (HERE, THERE), strict=True):
        port = veth.port(box)
        bare.shell(box.host).run(
            f"{veth.plug(box, f'{address}/16')}; "
            f"ovs-vsctl add-port {BRIDGE} {port} -- set interface {port} ofport_request={CONTAINER}; "
            f"ovs-ofctl add-flow {BRIDGE} in_port={CONTAINER},actions=output:{TUNNEL}; "
            f"ovs-ofctl add-flow {BRIDGE} in_port={TUNNEL},actions=output:{CONTAINER}"
        )
    return ends
