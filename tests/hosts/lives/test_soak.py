"""Every life of a container: random steps from a seed, and after each of them all views of the lab agree.

    SOAK_SEED=7 scripts/test.sh soak     500 steps; as a test like others, 100, always the same ones

The walk is a function of the seed alone. When views differ, all that was done is shown, as it is typed.
"""

import os
import time

import pytest

from app.rollout import LINGER_S
from scripts.lab import Lab
from tests.hosts.lives.compare import differences
from tests.hosts.lives.views import look
from tests.hosts.lives.walk import walk
from tests.hosts.lives.world import OWN6, World

SEED = int(os.environ.get("SOAK_SEED", "1"))
STEPS = int(os.environ.get("SOAK_STEPS", "100"))
AGREED_S = 20.0  # some rounds of a helper that looks every 5 s
TIDIED_S = 2 * LINGER_S


def agree(lab: Lab, world: World, seconds: float = AGREED_S, *, tidied: bool = False) -> None:
    """All views are the same in time; AssertionError says where they differ."""
    began = time.monotonic()
    while found := _differences(lab, world, tidied=tidied):
        assert time.monotonic() - began < seconds, "\n".join(found)
        time.sleep(0.05)


def _differences(lab: Lab, world: World, *, tidied: bool) -> list[str]:
    try:
        return differences(world, look(lab, tidied=tidied))
    except OSError as error:  # somebody is not there at the moment
        return [f"{type(error).__name__}: {error}"]


@pytest.mark.timeout(120 + 5 * STEPS)
def test_all_views_agree_after_each_step(lab: Lab) -> None:
    print(f"seed {SEED}, {STEPS} steps")
    agree(lab, World())
    for number, step in enumerate(walk(SEED, STEPS), 1):
        print(f"{number:4} {step.words}", end="", flush=True)
        began = time.monotonic()
        for host, address in OWN6.items():
            lab[host].exec("ip", "-6", "address", "replace", f"{address}/128", "dev", "lo")  # it may be a new host
        step.do(lab)
        done = time.monotonic()
        agree(lab, step.after)
        print(f"  # {done - began:.1f} s, and {time.monotonic() - done:.1f} s until all views agreed")
    agree(lab, step.after, TIDIED_S, tidied=True)
