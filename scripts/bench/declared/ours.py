"""Containet: the real controller, and played helpers that report everything."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from scripts.bench.page.figures import OURS
from scripts.bench.played.world import Size, World, name_of, world
from scripts.lab import LabError

DECLARED_S = 60.0
LOOK_S = 0.005


@dataclass
class Ours:
    """The real controller, and played helpers. `whole`: how many flows each bridge has when it has all."""

    there: World
    whole: list[int]
    name: str = OURS

    def declare(self) -> None:
        """Sessions with everything, both at once, and then a look at the switches, again and again.

        What the helpers have to do after that (a shaper each) is nothing that a switch would wait for.
        """
        hosts = range(self.there.size.hosts)
        with ThreadPoolExecutor(len(hosts)) as pool:
            list(pool.map(self._declared, hosts))

    def clear(self) -> None:
        """Sessions with nothing."""
        for player in self.there.players:
            full, player.everything = player.everything, {**player.everything, "endpoints": []}
            player.begin()
            player.everything = full
        self.there.whole()

    def flows(self) -> list[int]:
        """Of both."""
        return self.there.flows()

    def _declared(self, host: int) -> None:
        self.there.players[host].begin()
        deadline = time.monotonic() + DECLARED_S
        while self.there.switch_of(host).flows(name_of(host)) != self.whole[host]:
            if time.monotonic() > deadline:
                raise LabError(f"the bridge of {name_of(host)} has not all after {DECLARED_S:g} s")
            time.sleep(LOOK_S)


@contextmanager
def ours(size: Size) -> Iterator[Ours]:
    """Connected, with no endpoint."""
    with world(size, switches=size.hosts) as there:
        there.start()
        made = Ours(there, there.flows())
        made.clear()
        yield made
