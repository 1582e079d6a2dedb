"""A walk: steps one after the other, drawn from a seed. Pure: nothing of a lab decides what comes next."""

from collections.abc import Iterator
from random import Random

from tests.hosts.lives import bridges, containers, networks, power
from tests.hosts.lives.step import Kind, Step
from tests.hosts.lives.world import World

KINDS: dict[Kind, int] = {**containers.KINDS, **networks.KINDS, **bridges.KINDS, **power.KINDS}


def walk(seed: int, steps: int) -> Iterator[Step]:
    """So many steps."""
    rng, world = Random(seed), World()  # noqa: S311 - no secret
    kinds, weights = list(KINDS), list(KINDS.values())
    for _ in range(steps):
        step = None
        while step is None:
            (kind,) = rng.choices(kinds, weights)
            step = kind(world, rng)
        yield step
        world = step.after
