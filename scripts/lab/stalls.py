"""For how long this machine itself stood still.

A virtual machine is not always let run, and what a stream loses in that time no shaper may give back to it: that would
be a burst above its rate.

    with Stalls() as stalls:
        ...
    stalls.seconds

On each processor a thread sleeps for 10 ms, again and again: whenever one wakes 10 ms late, nothing ran there.
"""

import os
import threading
import time
from types import TracebackType

TICK_S = LATE_S = 0.01  # a shaper makes up for 10 ms (scripts/helper/net/shaper.py)


def while_going(rate: float, seconds: float, stalled_s: float) -> float:
    """What this average of so many seconds was while the machine went, which was half of them at the least."""
    return rate * seconds / (seconds - min(stalled_s, seconds / 2))


class Stalls:
    """Watches the processors for the time of a block."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._stalled = dict.fromkeys(os.sched_getaffinity(0), 0.0)
        self._watches = [threading.Thread(target=self._watch, args=[cpu], daemon=True) for cpu in self._stalled]

    @property
    def seconds(self) -> float:
        """How long the processor stood still that did so longest, until now."""
        return max(self._stalled.values())

    def __enter__(self) -> "Stalls":
        for watch in self._watches:
            watch.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        for watch in self._watches:
            watch.join()

    def _watch(self, cpu: int) -> None:
        os.sched_setaffinity(0, {cpu})  # of this thread alone
        before = time.monotonic()
        while not self._over.wait(TICK_S):
            now = time.monotonic()
            late = now - before - TICK_S
            self._stalled[cpu] += late if late > LATE_S else 0
            before = now
