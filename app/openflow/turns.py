"""Long work in the one loop that serves everybody: after a few milliseconds others have their turn.

Others are first of all those that wait for a message or a call. Of those that do long work, as when a hundred bridges
connect at once, only one has a turn before they have one again.
"""

import time
from typing import TypeVar

from os_ken.lib import hub

from flows.work import Work

TURN_S = 0.002

T = TypeVar("T")

_gate = hub.Semaphore(1)  # held by the one that comes next, until all others had their turn


def in_turns(work: Work[T], rest_s: float = 0.0) -> T:
    """What the work makes; with at least such a rest after each turn of it."""
    ends = time.monotonic() + TURN_S
    while True:
        try:
            next(work)
        except StopIteration as end:
            made: T = end.value
            return made
        if time.monotonic() > ends:
            if rest_s:
                hub.sleep(rest_s)
            with _gate:
                hub.sleep(0)
            ends = time.monotonic() + TURN_S
