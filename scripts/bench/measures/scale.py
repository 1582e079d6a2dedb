"""Scale: what one change costs among 10,000 endpoints, and what the same change costs with its own network alone.

100 networks of 100 endpoints, each network on 10 of 100 bridges, which one ovs-vswitchd has without packets; the
helpers are played, and say done at once. So what is measured is the controller and the switch's own part. Where a
network is alone, its ovs-vswitchd has as many bridges, of which nobody uses the others: one process with the bridges
of 100 hosts takes longer for each change, whoever controls it. Both worlds stand at the same time, and changes are made
in one and in the other by turns.

An attach is what a helper asks (may it be? it is there), a move is a PATCH of one endpoint to an empty VLAN or back.
The controller's time on the processor is counted from the call until a moment after the answer, without what it takes
at that time of idle seconds.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from scripts.bench.page.figures import OURS
from scripts.bench.page.notebook import Notebook
from scripts.bench.played.world import FIRST_VLAN, Size, World, endpoint, world

TIMES = 40
STARTS = 3
BLOCK = 4  # changes of one kind, before it is the other world's turn
AFTER_S = 0.05
IDLE_S = 4.0
EMPTY_VLAN = 4000
NEW_PORT = 30_000
ALONE = "its network alone"
QUICK = 12  # networks


@dataclass
class Side:
    """A world, by the name that it has in the book; `idle` is the part of a processor that it takes for nothing."""

    name: str
    world: World
    idle: float = 0.0
    number: int = 1000  # of the last endpoint that came


def run(notebook: Notebook, networks: int | None = None) -> None:
    """Both worlds: their start, changes in turn, what they took at the most, and the large one started again."""
    size = Size(networks or (QUICK if notebook.quick else 100))
    with ExitStack() as undo:
        large = Side(OURS, undo.enter_context(world(size)))
        small = Side(ALONE, undo.enter_context(world(Size(networks=1))))
        spare = range(small.world.size.hosts, size.hosts)
        small.world.switches[0].bridges({f"spare{number}": number + 1 for number in spare})
        for side in (large, small):
            notebook.say(f"{side.world.size.total:,} endpoints on {side.world.size.hosts} bridges, from nothing")
            start(notebook, side, "cold start")
            for flows in side.world.flows():
                notebook.add(side.name, "flows", "flows a bridge", flows)
            rest(notebook, side)
        changes(notebook, (large, small))
        for side in (large, small):
            notebook.add(side.name, "peak memory of the controller", "MB", side.world.controller.peak_mb())
        again(notebook, large)


def changes(notebook: Notebook, sides: tuple[Side, Side]) -> None:
    """Of each kind so many, in one world and in the other by turns."""
    for _ in notebook.each(TIMES // BLOCK, "attaching"):
        for side in sides:
            for _ in range(BLOCK):
                attach(notebook, side)
    for _ in notebook.each(TIMES // BLOCK, "moving"):
        for side in sides:
            for number in range(BLOCK):
                move(notebook, side, FIRST_VLAN if number % 2 else EMPTY_VLAN)


def again(notebook: Notebook, side: Side) -> None:
    """Killed and started: the flows being there, the bridges having forgotten theirs, and the store, too."""
    there = side.world
    for _ in notebook.each(STARTS, "killed and started again"):
        there.controller.kill()
        start(notebook, side, "start, nothing changed")
        there.controller.kill()
        there.empty()
        start(notebook, side, "start, bridges empty")
        there.controller.kill()
        there.empty()
        there.controller.forget()
        start(notebook, side, "cold start")


def start(notebook: Notebook, side: Side, what: str) -> None:
    """The controller, until all bridges are in step."""
    serves, told, whole = side.world.start()
    notebook.add(side.name, f"{what}: until REST answers", "s", serves)
    notebook.add(side.name, f"{what}: until all helpers have reported", "s", told)
    notebook.add(side.name, what, "s", whole)
    notebook.add(side.name, f"{what}: processor", "s", side.world.controller.cpu_s())


def rest(notebook: Notebook, side: Side) -> None:
    """What it takes while nothing happens."""
    time.sleep(1)
    before = side.world.controller.cpu_s()
    time.sleep(IDLE_S)
    side.idle = (side.world.controller.cpu_s() - before) / IDLE_S
    notebook.add(side.name, "idle", "% of a processor", side.idle * 100)


def attach(notebook: Notebook, side: Side) -> None:
    """A new endpoint of the first network on the first host; it goes again, uncounted."""
    player = side.world.players[0]
    side.number += 1
    report = endpoint(0, side.number, NEW_PORT)
    ask = {key: report[key] for key in ("container", "interface", "name", "address", "vlan")}

    def call() -> None:
        player.admitted(ask)
        until_applied(notebook, lambda: player.tell({"kind": "endpoint_up", "endpoint": report}))

    counted(notebook, "attach", side, call)
    gone = {"kind": "endpoint_down", "container": report["container"], "interface": report["interface"]}
    until_applied(notebook, lambda: player.tell(gone))
    time.sleep(AFTER_S)


def move(notebook: Notebook, side: Side, vlan: int) -> None:
    """An endpoint of the first network to that VLAN."""
    path = f"/v1/endpoints/{endpoint(0, 0, 1)['name']}"
    api = side.world.api
    call = partial(until_applied, notebook, lambda: api.ask("PATCH", path, {"vlan": vlan}))
    counted(notebook, "move", side, call)


def until_applied(notebook: Notebook, call: Callable[[], tuple[int, Any]]) -> None:
    """Who is told after two seconds that somebody is pending says it again, and goes on waiting."""
    while call()[0] == 202:
        notebook.say("answered as pending; said again")


def counted(notebook: Notebook, kind: str, side: Side, call: Callable[[], None]) -> None:
    """Note what a call takes: until the answer, and of the processor."""
    control = side.world.controller
    cpu, began = control.cpu_s(), time.monotonic()
    call()
    answered = time.monotonic()
    time.sleep(AFTER_S)
    taken = control.cpu_s() - cpu - side.idle * (time.monotonic() - began)
    notebook.add(side.name, f"{kind}: call to answer", "ms", (answered - began) * 1000)
    notebook.add(side.name, f"{kind}: processor", "ms", taken * 1000)
