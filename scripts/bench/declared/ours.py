"""Containet: the real controller, and played helpers that report everything."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from scripts.bench.figures import OURS
from scripts.bench.player import Player
from scripts.bench.world import Size, World, world


@dataclass
class Ours:
    """The real controller, and played helpers."""

    there: World
    name: str = OURS

    def declare(self) -> None:
        """A session with everything, and a report of one that is known: it is answered when all is applied."""
        with ThreadPoolExecutor(len(self.there.players)) as pool:
            list(pool.map(_said, self.there.players))

    def clear(self) -> None:
        """A session with nothing."""
        for player in self.there.players:
            full, player.everything = player.everything, {**player.everything, "endpoints": []}
            player.begin()
            player.everything = full
        self.there.whole()

    def flows(self) -> list[int]:
        """Of both."""
        return self.there.flows()


def _said(player: Player) -> None:
    player.begin()
    first = player.everything["endpoints"][0]
    while player.tell({"kind": "endpoint_up", "endpoint": first})[0] == 202:
        pass


@contextmanager
def ours(size: Size) -> Iterator[Ours]:
    """Connected, with no endpoint."""
    with world(size, switches=size.hosts) as there:
        made = Ours(there)
        there.start()
        made.clear()
        yield made
