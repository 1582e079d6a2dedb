"""What is known of the rounds in which ovs-vswitchd's revalidators look through all that is cached. Pure.

A round looks through everything by the flows that stood when it began. It begins when something changed since the last
one began, and without that a period after the last one began (`max-revalidator`, ovs-vswitchd.conf.db(5)). What can be
seen is when a round ends, and how many changes there were. Two things prove that a change has been looked through:

- a round began after it, since it began after another one had ended, and that ended after the change; or
- it is the only change since all others had been looked through, and one round has ended since, before the period was
  over: nothing else can have begun that round.

Changes are counted, never forgotten: what was read too late counts against the proof. Times in seconds, of one clock.
"""

from math import inf

TICK_S = 0.001  # ovs-vswitchd reads its clock in whole milliseconds
MOST_MARKS = 8


class Rounds:
    """What follows from what was seen, in the order in which it was seen."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s - TICK_S
        self._looked = -1  # every change up to this one has been looked through
        self._met = inf  # so many changes were counted since a round was last seen to end
        self._began = -inf  # when the last round that was seen to end began, at the earliest
        self._ended = -inf  # when it ended, at the earliest
        self._seen = inf  # and at the latest
        self._marks: dict[int, float] = {}  # so many changes had been made by then; oldest first
        self.stirred = True  # something changed in the time of the last round that was seen to end

    @property
    def due(self) -> float:
        """No round begins before then unless something changes."""
        return self._began + self._period_s

    @property
    def loose_s(self) -> float:
        """How exactly it is known when the last round began."""
        return self._seen - self._began

    def counted(self, changes: int, at: float) -> None:
        """So many changes there were at that time, if not before."""
        if changes > self._looked and changes not in self._marks:
            self._marks[changes] = at
            if len(self._marks) > MOST_MARKS:
                del self._marks[next(iter(self._marks))]  # what was counted later covers it

    def ended(self, after: float, seen: float, changes: int) -> None:
        """A round that began after the last one told here had ended: `after` it had not ended, when `seen` it had.

        `changes` are counted after that.
        """
        new = changes - self._looked
        self.stirred = new > 0
        self._met = changes
        if new == 1 and seen < self.due:
            self._looked = changes
        else:
            began = max(self._ended, self.due) if new == 0 else self._ended
            self._begun(max(self._began, began))
        self._ended, self._seen = after, seen

    def lasted(self, seconds: float) -> None:
        """How long the round lasted that was seen to end last, read in whole milliseconds."""
        self._begun(max(self._began, self._ended - seconds - TICK_S))

    def looked_through(self, changes: int) -> bool:
        """Whether nothing that is cached is of before that change."""
        return changes <= self._looked

    def coming(self, changes: int) -> bool:
        """Whether the round that this change causes has yet to be seen to end."""
        return changes > self._met

    def proof_comes(self, changes: int, now: float) -> bool:
        """Whether that round is going to be proof, so a nudge is needless."""
        return self.coming(changes) and changes - self._looked == 1 and now < self.due

    def _begun(self, at: float) -> None:
        """The last round that was seen to end began then, at the earliest."""
        self._began = at
        self._looked = max([self._looked, *(count for count, when in self._marks.items() if when <= at)])
        self._marks = {count: when for count, when in self._marks.items() if count > self._looked}
