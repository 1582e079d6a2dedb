"""One connected ovs-vswitchd, and what is seen of the rounds of its revalidators."""

import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from math import inf

from scripts.helper.ovs.control import CommandRefusedError, Control
from scripts.helper.ovs.rounds import Rounds

WAKE_S = 0.001  # any command wakes ovs-vswitchd, should it sleep, and its answer says that the round goes on
PATIENCE_S = 0.2  # how long a round is waited for that has to come by itself
BURST_S = 0.01  # while something is being made, changes are counted after the last round of those that follow so soon
LATER_S = 0.003  # how long a round lasted is said a little later than that it ended
QUIET_S = 0.02  # while one round follows another, whoever waits for one asks by itself how long the last one lasted
LOOSE_S = 0.01  # if not even that much is known of when a round begins, it is looked for
LOOKS = 8  # how often in such a case
STILL_S = 1.0  # the longest wait for a round without a look at the connection
NOBODY = "02:c7:00:00:00:00"  # the MAC that 0.0.0.0 would have
SEVERAL = "multiple udpifs"  # what ovs-vswitchd says where it has more than one cache
CAUSES = "reconfigure", "stp", "rstp", "bond", "port_toggled", "flow_table", "mac_learning", "mcast_snooping"
LASTED = re.compile(r"dump duration *: (\d+)ms")


class SeveralCachesError(Exception):
    """There is more than one cache, and rounds of none can be waited for."""


class Watching:
    """Two connections to ovs-vswitchd: one waits for the end of a round at all times, by the other one asks.

    One thread at a time. All raises OSError and ValueError where the connection fails, and SeveralCachesError.
    """

    def __init__(self, waiting: Control, asking: Control, bridge: str, period_s: float) -> None:
        self.period_s = period_s
        self._waiting, self._asking, self._bridge = waiting, asking, bridge
        self._rounds = Rounds(period_s)
        self._ends = 0
        self._untold: tuple[float, float] | None = None  # the last end, if changes are not counted since: after, seen
        self._seen = 0.0  # when the last one was
        self._measured = 0  # that one was asked for its length
        self._await()

    def close(self) -> None:
        """End it."""
        self._waiting.close()
        self._asking.close()

    def over(self) -> bool:
        """Whether the connection has ended."""
        return self._asking.answered(0)  # nothing was asked

    def settle(self, deadline: float) -> None:
        """Return when no cached flow is older than this call; TimeoutError at the deadline."""
        self._tell()
        changes = self._counted()
        nudge_at, nudged = time.monotonic() + PATIENCE_S, -1
        while not self._rounds.looked_through(changes):
            now = time.monotonic()
            if now > deadline:
                raise TimeoutError("its revalidators take too long")
            if self._ends > nudged and (now > nudge_at or not self._rounds.proof_comes(changes, now)):
                # A nudge while a round goes on is looked through by the next one, so nothing is left over of it.
                nudged = self._ends + self._rounds.coming(changes)
                self._nudge()
            if self._waiting.answered(WAKE_S):
                self._end()
                self._tell()
            else:
                self._still()
                self._measure()

    def look(self, alone: AbstractContextManager[object], busy: Callable[[], bool]) -> None:
        """See a round end, or that none does for a while. Others may use the connections while this waits.

        `busy`: something is being made here, which causes several rounds and has better use for the time of eight
        commands after each of them.
        """
        ends = self._ends
        readable = self._waiting.answered(BURST_S if self._untold else self._pause_s())
        with alone:
            if ends == self._ends:
                self._end() if readable else self._still()
            if not (readable and busy()):
                self._tell()
        if self._untold is None and self._measured != self._ends and not self._waiting.answered(QUIET_S):
            with alone:
                self._measure()

    def _pause_s(self) -> float:
        """How long nothing needs to be asked while a round is waited for."""
        loose_s, until_due = self._rounds.loose_s, self._rounds.due - time.monotonic()
        pause_s = max(until_due, loose_s / LOOKS) if LOOSE_S < loose_s < inf else STILL_S
        if self._rounds.stirred:  # where something changes more may, and then it counts when the last round ended
            pause_s = min(pause_s, max(self.period_s / LOOKS, LOOSE_S))
        return min(STILL_S, pause_s)

    def _nudge(self) -> None:
        """Make a round begin, now or after the one that goes on."""
        self._asking.call_all(
            ("fdb/add", self._bridge, self._bridge, "0", NOBODY), ("fdb/del", self._bridge, "0", NOBODY)
        )
        self._counted()

    def _end(self) -> None:
        """The round has ended that was waited for."""
        try:
            self._waiting.answer()
        except CommandRefusedError as error:
            if SEVERAL in str(error):
                raise SeveralCachesError from None
            raise
        self._seen = time.monotonic()
        self._untold = self._not_before, self._seen
        self._ends += 1
        self._await()

    def _tell(self) -> None:
        """What follows from the last end, if that is not known yet."""
        if self._untold:
            changes = self._count()
            self._rounds.ended(*self._untold, changes)
            self._rounds.counted(changes, time.monotonic())
            self._untold = None

    def _await(self) -> None:
        self._not_before = time.monotonic()  # when the next end is that will be told, at the earliest
        self._waiting.ask("revalidator/wait")

    def _still(self) -> None:
        """If it is not answered after two turns of ovs-vswitchd, the round goes on since the first of them."""
        at = time.monotonic()
        for _ in range(2):
            self._asking.call("version")
        if not self._waiting.answered(0):
            self._not_before = at

    def _counted(self) -> int:
        """How many changes the revalidators have been told of."""
        at = time.monotonic()
        self._asking.call("version")
        changes = self._count()
        self._rounds.counted(changes, time.monotonic())
        if not self._waiting.answered(0):
            self._not_before = at
        return changes

    def _count(self) -> int:
        """Each counter by itself: what `coverage/show` says of all of them is up to a second old."""
        return sum(map(int, self._asking.call_all(*(("coverage/read-counter", f"rev_{cause}") for cause in CAUSES))))

    def _measure(self) -> None:
        """Ask how long the last round lasted; what is said counts if none has ended since."""
        if self._untold or self._measured == self._ends or time.monotonic() < self._seen + LATER_S:
            return
        said = LASTED.search(self._asking.call("upcall/show"))
        self._still()
        if said and not self._waiting.answered(0):
            self._rounds.lasted(int(said[1]) / 1000)
            self._measured = self._ends
