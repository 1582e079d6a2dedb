"""What of a change is one bundle each: of one that is known, or of one that is being made out.

The marker is written with the last of them; as long as only a part is made there is none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice, repeat
from operator import attrgetter
from typing import Any

from app.openflow.codec import Command
from app.openflow.turns import in_turns
from flows.diff import Parts, Plan, together
from flows.flow import Flow
from flows.marker import NONE, marker
from flows.work import Work

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
        self.returned: list[Any] = []  # by its making, which has ended then
        self._parts, self._most = parts, most
        self.change = in_turns(self._more(most))

    @property
    def grown(self) -> bool:
        """Whether the change is all of it."""
        return bool(self.returned)

    def pieces(self) -> Iterator[Sequence[FlowChange]]:
        """As the function `pieces`, but in the order of the parts."""
        changes = [_marking(NONE), *_changes(self.change)]
        while changes or not self.grown:
            if not self.grown and len(changes) < self._most:
                part = in_turns(self._more(self._most - len(changes)))
                self.change = replace(self.change, delete_meters=part.delete_meters)
                changes += _changes(part)
            if changes:
                yield changes[: self._most]
            changes = changes[self._most :]

    def _more(self, least: int) -> Work[Plan]:
        """At least so many flows more, if there are."""
        found: list[Plan] = []
        flows = 0
        while flows < least:
            try:
                part = next(self._parts)
            except StopIteration as end:
                self.returned.append(end.value)
                break
            if part is not None:
                found.append(part)
                flows += len(part.add) + len(part.delete)
            yield
        return together(found)


def _marking(mark: int) -> FlowChange:
    return marker(mark), Command.DELETE if mark == NONE else Command.ADD
