"""Moves: a UDP stream of 10,000 packets a second, and its ends are moved to another VLAN.

Both ends together: how long until the answer, and what is lost. One end alone: how many packets arrive that were sent
after the answer, before the move back begins (what comes later may have waited in a queue until it was allowed). With
few cached datapath flows, with many (frames to MACs that nobody has, from a third container on each host), and with
1,000 more endpoints in these two VLANs. Every line has beside it what the stream loses by itself. A move back comes
within 15 s here, while Containet still keeps the flows of the other VLAN on the hosts; a first move has none to find.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from scripts.bench.page.notebook import Notebook
from scripts.bench.peers import standing
from scripts.bench.peers.peer import Peer
from scripts.bench.peers.place import turn
from scripts.lab.measure import Box, start_box
from scripts.lab.udp import UdpStream, cached_flows, crowd, stream

TIMES, BLOCK, MORE = 20, 10, 1000  # moves of each kind; of them in one stream, before it is another peer's turn
PAUSE_S = 0.2
IDLE_S = 2.0
CACHED = (0, 1000, 5000)
THERE = "172.15.42.2"


@dataclass(frozen=True)
class Pair:
    """The two ends of the stream, and on each host one that fills the cache."""

    peer: Peer
    ends: tuple[Box, Box]
    fillers: tuple[Box, Box]


def run(notebook: Notebook) -> None:
    """All peers, in turn."""
    with standing("containet", "ovs-docker", "ovn", "raw") as peers:
        pairs = [attached(peer) for peer in peers]
        for count in CACHED[: 2 if notebook.quick else None]:
            blocks(notebook, pairs, f"{count:,} more cached flows" if count else "", count)
        more = notebook.crowd(MORE)
        for pair in pairs:
            notebook.say(f"{more:,} more endpoints for {pair.peer.name}")
            pair.peer.more(more)
        blocks(notebook, pairs, f"{more:,} more endpoints")


def attached(peer: Peer) -> Pair:
    """Four containers in VLAN 10."""
    boxes = [start_box(host, f"{kind}{n}") for kind in ("end", "filler") for n, host in enumerate(peer.hosts, 1)]
    for number, box in enumerate(boxes, 1):
        peer.attach(box, f"172.15.42.{number}/16", 10)
    return Pair(peer, (boxes[0], boxes[1]), (boxes[2], boxes[3]))


@contextmanager
def filled(pair: Pair, count: int) -> Iterator[None]:
    """So many flows cached in the switches of these hosts, besides those of what passes."""
    with ExitStack() as undo:
        if count:
            for filler in pair.fillers:
                undo.enter_context(crowd(filler, count))
        yield


def blocks(notebook: Notebook, pairs: list[Pair], case: str, cached: int = 0) -> None:
    """Moves in blocks, one peer after the other, until each had its number of them.

    Only whose turn it is has something cached, and daemons that do anything: the peers share the machine's processors.
    """
    places = [pair.peer.place for pair in pairs]
    for number in notebook.each(TIMES // BLOCK, f"moving, {case}" if case else "moving"):
        for pair in pairs:
            with turn(pair.peer.place, places), filled(pair, cached):
                if number == 0:
                    idle(notebook, pair, case)
                both_ends(notebook, pair, case)
                one_end(notebook, pair, case)


def idle(notebook: Notebook, pair: Pair, case: str) -> None:
    """What is lost while nothing is done; and what is cached."""
    with stream(*pair.ends, THERE) as running:
        time.sleep(IDLE_S)
        cached = max(map(cached_flows, pair.peer.hosts))
        seen = running.finish()
    notebook.add(pair.peer.name, "lost while nothing is done", f"packets in {IDLE_S:g} s", seen.lost, case)
    notebook.add(pair.peer.name, "cached flows", "flows", cached, case)


def both_ends(notebook: Notebook, pair: Pair, case: str) -> None:
    """To and fro."""
    name = pair.peer.name
    spans = []
    with stream(*pair.ends, THERE) as running:
        for number in range(BLOCK):
            time.sleep(PAUSE_S)
            began = time.monotonic()
            pair.peer.move(pair.ends, 10 if number % 2 else 20)
            spans.append((began, time.monotonic()))
        time.sleep(PAUSE_S)
        seen = running.finish()
    for (began, answered), lost in zip(spans, _lost(seen, spans), strict=True):
        notebook.add(name, "move of both ends", "ms", (answered - began) * 1000, case)
        notebook.add(name, "lost by a move of both ends", "packets", lost, case)


def _lost(seen: UdpStream, spans: list[tuple[float, float]]) -> list[int]:
    """Of each move: from its beginning to that of the next."""
    begins = [began for began, _ in spans]
    return [seen.lost_between(began, end) for began, end in zip(begins, [*begins[1:], begins[-1] + 60], strict=True)]


def one_end(notebook: Notebook, pair: Pair, case: str) -> None:
    """The receiver away, and back again."""
    name = pair.peer.name
    spans = []
    with stream(*pair.ends, THERE) as running:
        for _ in range(BLOCK):
            time.sleep(PAUSE_S)
            began = time.monotonic()
            pair.peer.move(pair.ends[1:], 20)
            answered = time.monotonic()
            time.sleep(PAUSE_S)
            spans.append((began, answered, time.monotonic()))
            pair.peer.move(pair.ends[1:], 10)
        seen = running.finish()
    for began, answered, until in spans:
        notebook.add(name, "isolation of one end", "ms", (answered - began) * 1000, case)
        notebook.add(name, "arrived after the answer", "packets", seen.arrived_within(answered, until), case)
