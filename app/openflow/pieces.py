"""What of a change is one bundle each: of one that is known, or of one that is being made out.

The marker is written with the last of them; as long as only a part is made there is none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice, repeat
from math import inf
from operator import attrgetter
from typing import Any

from app.openflow.codec import Command
from app.openflow.turns import in_turns
from flows.diff import Parts, Plan, together
from flows.flow import Flow
from flows.marker import NONE, marker
from flows.work import Work

AT_A_STRETCH = 200  # parts that are made out, a fifth of a second's work, before the bundles underway go on

FlowChange = tuple[Flow, Command]


def pieces(change: Plan, most: int) -> Iterator[Sequence[FlowChange]]:
    """At most so many flows each. Where it takes several, what packets meet last is there first, and goes last."""
    first: list[FlowChange] = []
    if len(change.add) + len(change.delete) + (change.mark is not None) > most:
        change = replace(change, add=tuple(sorted(change.add, key=attrgetter("table"), reverse=True)))
        first = [] if change.mark is None else [_marking(NONE)]
    changes = chain(first, _changes(change))
    while piece := list(islice(changes, most)):
        yield piece


def _changes(change: Plan) -> Iterator[FlowChange]:
    yield from zip(change.add, repeat(Command.ADD))
    yield from zip(sorted(change.delete, key=attrgetter("table")), repeat(Command.DELETE))
    if change.mark is not None:
        yield _marking(change.mark)


class Growing:
    """A change that is being made out: as much of it as fits into one bundle, or the pieces of a larger one."""

    def __init__(self, parts: Parts[Any], most: int) -> None:
        self.returned: list[Any] = []  # by its making, once that has ended
        self.delete_meters: list[int] = []  # by then all of them
        self._parts, self._most = parts, most
        self.begun = in_turns(self._more(most))

    @property
    def whole(self) -> bool:
        """Whether what is begun is all of it."""
        return bool(self.returned)

    def pieces(self) -> Iterator[Sequence[FlowChange]]:
        """As the function `pieces`, but as its parts come; an empty one is a place to go on with those before it."""
        changes = [_marking(NONE), *_changes(self.begun)]
        while changes or not self.returned:
            if not self.returned and len(changes) < self._most:
                changes += _changes(in_turns(self._more(self._most - len(changes), AT_A_STRETCH)))
            ready = self._most if len(changes) >= self._most or self.returned else 0
            yield changes[:ready]
            changes = changes[ready:]

    def _more(self, least: int, parts: float = inf) -> Work[Plan]:
        """So many flows more, or some beyond that; fewer if that is the end, or takes more parts."""
        found: list[Plan] = []
        flows = 0
        while flows < least and len(found) < parts:
            try:
                part = next(self._parts) or Plan()
            except StopIteration as end:
                self.returned.append(end.value)
                break
            found.append(part)
            flows += len(part.add) + len(part.delete)
            self.delete_meters += part.delete_meters
            yield
        return together(found)


def _marking(mark: int) -> FlowChange:
    return marker(mark), Command.DELETE if mark == NONE else Command.ADD
