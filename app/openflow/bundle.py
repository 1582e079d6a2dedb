"""One atomic, ordered change of a bridge as a state machine: all that changes a bundle's state is here. No I/O.

    NEW --start--> FILLING --answered--> COMMITTING --answered--> COMMITTED
                      |                      |
                      | (something refused)  `-- (refused) --> FAILED
                      `-----answered-----> DISCARDING --answered--> DISCARDED

Open vSwitch answers a message that it refuses with an error, leaves it out of the bundle and commits the rest. So the
bundle is filled (which opens it: OpenFlow 1.5, 7.3.9.6), a barrier shows that all of it was read, and only a bundle
without an error is committed. Some things it finds only then (a meter that is not there): it takes the whole bundle
back, and its errors name the change, then the commit. What is committed or discarded is answered itself, by a reply or
an error, so no barrier comes after that.
"""

from dataclasses import dataclass, field
from enum import Enum, auto


class State(Enum):
    """Where the bundle is. The last three are ends."""

    NEW = auto()
    FILLING = auto()
    COMMITTING = auto()
    DISCARDING = auto()
    COMMITTED = auto()
    DISCARDED = auto()
    FAILED = auto()


class Send(Enum):
    """What is to be sent now."""

    FILL = auto()  # every change, then a barrier
    COMMIT = auto()
    DISCARD = auto()


class BundleError(Exception):
    """Something came that cannot come in this state: the caller is wrong."""


@dataclass
class Bundle:
    """One bundle. `refusals`: which change (by its number, None: the bundle itself) and why."""

    state: State = State.NEW
    refusals: list[tuple[int | None, str]] = field(default_factory=list)

    @property
    def reasons(self) -> list[tuple[int | None, str]]:
        """The refusals that say most: that the bundle as a whole failed is told only if no change is to blame."""
        return [each for each in self.refusals if each[0] is not None] or self.refusals

    def start(self) -> Send:
        """The first thing to send."""
        self._expect(State.NEW)
        self.state = State.FILLING
        return Send.FILL

    def refused(self, change: int | None, reason: str) -> None:
        """An error came for this change, or for the bundle."""
        self._expect(State.FILLING, State.COMMITTING, State.DISCARDING, State.FAILED)
        if self.state is State.DISCARDING:
            return  # it is thrown away anyway: the switch has dropped it already
        self.refusals.append((change, reason))
        if self.state is State.COMMITTING:
            self.state = State.FAILED

    def answered(self) -> Send | None:
        """What was sent last is answered, so every error has come: the next thing to send, None at the end."""
        self._expect(State.FILLING, State.COMMITTING, State.DISCARDING, State.FAILED)
        if self.state is State.FILLING:
            self.state = State.DISCARDING if self.refusals else State.COMMITTING
            return Send.DISCARD if self.refusals else Send.COMMIT
        if self.state is State.COMMITTING:
            self.state = State.COMMITTED
        elif self.state is State.DISCARDING:
            self.state = State.DISCARDED
        return None

    def _expect(self, *states: State) -> None:
        if self.state not in states:
            raise BundleError(f"this cannot come while a bundle is {self.state.name.lower()}")
