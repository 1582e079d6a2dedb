"""A step of a walk: what somebody does on a host, and what the world is afterwards."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from scripts.lab import Lab
from tests.hosts.lives.world import HOSTS, Life, State, World

LONGEST_S = 60.0  # for one command: Docker itself asks for 30 s for a driver that is away


@dataclass(frozen=True)
class Step:
    """One step; `words` say it so that it can be typed."""

    words: str
    do: Callable[[Lab], object]
    after: World


Kind = Callable[[World, Random], Step | None]  # None: there is nothing that this could be done with


def command(host: str, *words: str, after: World) -> Step:
    """A command that succeeds, on this host."""
    return Step(f"{host}: {' '.join(words)}", lambda lab: lab[host].exec(*words, seconds=LONGEST_S), after)


def asked(host: str, *words: str, after: World) -> Step:
    """A command of ours, that may end before everybody has it."""

    def do(lab: Lab) -> None:
        done = lab[host].exec(*words, seconds=LONGEST_S, check=False)
        assert done.returncode in (0, 3), f"{words} ended with {done.returncode}: {done.stdout}{done.stderr}"

    return Step(f"{host}: {' '.join(words)}", do, after)


def any_host(rng: Random) -> str:
    """One of them."""
    return rng.choice(HOSTS)


def any_life(world: World, rng: Random, *states: State, fits: Callable[[Life], bool] = lambda _: True) -> Life | None:
    """A container that is so."""
    found = [life for life in world.lives.values() if life.state in states and fits(life)]
    return rng.choice(found) if found else None
