"""Long work in the one loop that serves everybody: it gives the others their turn every few milliseconds."""

import time
from typing import TypeVar

from os_ken.lib import hub

from flows.work import Work

TURN_S = 0.002

T = TypeVar("T")


def in_turns(work: Work[T], rest_s: float = 0.0) -> T:
    """What the work makes. After each turn of it all others that can go on have one, or as many as the rest is long."""
    ends = time.monotonic() + TURN_S
    while True:
        try:
            next(work)
        except StopIteration as end:
            made: T = end.value
            return made
        if time.monotonic() > ends:
            hub.sleep(rest_s)
            ends = time.monotonic() + TURN_S
