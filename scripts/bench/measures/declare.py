"""Declare: 1,000 endpoints at once on two hosts, 500 on each, in two networks, until both switches have them.

Each host has an Open vSwitch of its own, without packets, and its ports are there before. Containet: both helpers,
which are played, report all that they have, and the switches are asked again and again whether they have all flows.
OVN: one `ovn-nbctl --wait=hv` with all logical ports; once with port security (the spoof guard that Containet always
has), each port being bound by its host; and once with addresses alone and nothing bound, so that the hosts only learn
of them. By hand: one `ovs-ofctl --bundle add-flows` on each host at once, with neither spoof guard nor ARP responder.
"""

import time
from contextlib import ExitStack

from scripts.bench.declared import Declaring
from scripts.bench.declared.by_hand import ByHand
from scripts.bench.declared.ours import ours
from scripts.bench.declared.ovn import ovn
from scripts.bench.page.notebook import Notebook
from scripts.bench.played.dummy import dummy
from scripts.bench.played.world import Size
from scripts.lab import LabError

TIMES, ENDPOINTS, QUICK = 7, 1000, 60
NETWORKS = 2
CALM_S = 1.0


def run(notebook: Notebook) -> None:
    """All, by turns."""
    size = Size(NETWORKS, (QUICK if notebook.quick else ENDPOINTS) // NETWORKS, spread=2)
    with ExitStack() as undo:
        peers: list[Declaring] = [
            undo.enter_context(ours(size)),
            undo.enter_context(ovn(size, "ovn", bound=True)),
            undo.enter_context(ovn(size, "ovn, nothing bound", bound=False)),
            ByHand(size, [undo.enter_context(dummy()) for _ in range(size.hosts)]),
        ]
        for _ in notebook.each(TIMES, f"{size.total:,} endpoints"):
            for peer in peers:
                declared(notebook, peer)


def declared(notebook: Notebook, peer: Declaring) -> None:
    """There, counted, and gone again."""
    began = time.monotonic()
    peer.declare()
    notebook.add(peer.name, "declared", "s", time.monotonic() - began)
    flows = peer.flows()
    time.sleep(CALM_S)
    if peer.flows() != flows:
        raise LabError(f"{peer.name}: the switches were said to have all, with {flows} flows, and had more later")
    notebook.add(peer.name, "flows", "flows a switch", max(flows))
    peer.clear()
    time.sleep(CALM_S)
