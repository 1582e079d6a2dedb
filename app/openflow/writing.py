"""Makes a change of one bridge: meters first, then flows in atomic bundles, then what meters are left over.

Many flows are several bundles. They are made one after the other, but neither side waits for the other:

    the third is made out, and put into bytes    the fourth ...
    the second is read                           the third ...
    the first is committed                       the second ...
"""

import logging
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from app.openflow import messages, shapes
from app.openflow.bundle import Bundle, Send, State
from app.openflow.codec import Command
from app.openflow.line import Line, SwitchGoneError
from app.openflow.messages import BundleCommand, MeterCommand
from app.openflow.pieces import FlowChange, Growing, pieces
from app.openflow.talk import Talk
from flows.diff import Parts, Plan
from flows.flow import Flow, MeterEntry

LOG = logging.getLogger(__name__)

SHOWN = 5  # refusals told in words
MANY = 1000  # actions: a flow of fewer fits into a message
TOO_LONG = "it does not fit into a message of OpenFlow: too many endpoints of one network are on this host"

_BUNDLE_XIDS = 2  # barrier, commit or discard
_COMMANDS = {Send.COMMIT: BundleCommand.COMMIT, Send.DISCARD: BundleCommand.DISCARD}

T = TypeVar("T")
Refusals = list[tuple[Flow | MeterEntry | None, str]]


class RefusedFlowsError(Exception):
    """The switch refused a part of the change. Its flows are as before, but see `write`.

    `refusals` holds what was refused (None: the bundle as a whole) and why. `partly`: earlier bundles stand.
    """

    def __init__(self, refusals: Refusals, *, partly: bool = False) -> None:
        self.refusals = refusals
        self.partly = partly
        super().__init__(self.words())

    def words(self, whose: Callable[[int], str | None] = lambda _: None) -> str:
        """What was refused and why, for people; `whose` tells by a flow's cookie whom it is for."""
        shown = "; ".join(_in_words(what, why, whose) for what, why in self.refusals[:SHOWN])
        more = f"; and {len(self.refusals) - SHOWN} more" if len(self.refusals) > SHOWN else ""
        made = "only a part" if self.partly else "none"
        return f"the switch refused {len(self.refusals)} of the changes, so {made} was made: {shown}{more}"


def _in_words(what: Flow | MeterEntry | None, why: str, whose: Callable[[int], str | None]) -> str:
    owner = whose(what.cookie) if isinstance(what, Flow) else None
    of = f" of {owner}" if owner else ""
    return why if what is None else f"{why} ({type(what).__name__.lower()}{of}: {what})"


def write(line: Line, change: Plan, most: int) -> None:
    """Make the change, whole or not at all; when this returns the switch has it. At most so many flows in a bundle.

    Raises SwitchGoneError, and RefusedFlowsError when something was refused: then the flows are as before. Only a
    change of more flows is made in several bundles, of which those before the refused one stand; and meters that were
    changed keep their new rate. So what was refused is to be compared anew after reading.
    """
    _refuse_too_long(change.add)
    with _meters_first(line, change) as made:
        _write_flows(line, pieces(change, most), made)
    _delete_meters(line, change.delete_meters)


def fill(line: Line, parts: Parts[T], most: int) -> T:
    """`write` of a change that is made out meanwhile; what its making returned.

    One of more flows than a bundle holds goes while its rest is being made out, as its parts come. What that raises is
    raised; bundles that were made before stand.
    """
    growing = Growing(parts, most)
    if growing.whole:
        write(line, growing.begun, most)
    else:
        with _meters_first(line, growing.begun) as made:
            _write_flows(line, _fitting(growing.pieces()), made)
        _delete_meters(line, growing.delete_meters)
    returned: T = growing.returned[0]
    return returned


@dataclass
class _Made:
    """How much of a change the switch has."""

    bundles: int = 0


@contextmanager
def _meters_first(line: Line, change: Plan) -> Iterator[_Made]:
    """The meters that flows of the block name are there; new ones are taken back if it fails and none was made."""
    new = [(entry, MeterCommand.ADD) for entry in change.add_meters]
    refused = _meters(line, new + [(entry, MeterCommand.MODIFY) for entry in change.change_meters])
    if refused:
        _delete_meters(line, (entry.meter for entry in change.add_meters if entry not in dict(refused)))
        raise RefusedFlowsError(list(refused))
    made = _Made()
    try:
        yield made
    except SwitchGoneError:
        raise
    except Exception:
        if not made.bundles:
            _delete_meters(line, (entry.meter for entry in change.add_meters))
        raise


def _fitting(row: Iterable[Sequence[FlowChange]]) -> Iterator[Sequence[FlowChange]]:
    for piece in row:
        _refuse_too_long(flow for flow, command in piece if command is Command.ADD)
        yield piece


def _refuse_too_long(added: Iterable[Flow]) -> None:
    if too_long := [(flow, TOO_LONG) for flow in added if len(flow.actions) >= MANY and _is_too_long(flow)]:
        raise RefusedFlowsError([*too_long])


def _is_too_long(flow: Flow) -> bool:
    """Whether no message can hold it: its length is a number of 16 bits (OpenFlow 1.5, 7.1)."""
    try:
        shapes.bundle_add(0, flow, Command.ADD, 0)
    except struct.error:
        return True
    return False


def _meters(line: Line, changes: Sequence[tuple[MeterEntry, MeterCommand]]) -> list[tuple[MeterEntry, str]]:
    """Make the changes; those that were refused, and why."""
    if not changes:
        return []
    with line.talk(len(changes) + 1) as talk:
        replies = line.say(talk, [partial(messages.meter_mod, *each) for each in changes])
    return [(changes[number][0], why) for number, why in talk.errors(replies)]


def _delete_meters(line: Line, meters: Iterable[int]) -> None:
    refused = _meters(line, [(MeterEntry(meter, 0, 0), MeterCommand.DELETE) for meter in meters])
    for entry, why in refused:
        LOG.warning("%#018x: meter %d is not deleted: %s", line.dpid, entry.meter, why)


class _Underway:
    """A bundle on its way. Its number is its first xid, which no other of the connection has."""

    def __init__(self, line: Line, talk: Talk, changes: Sequence[FlowChange]) -> None:
        self.bundle = Bundle()
        self._line = line
        self._talk = talk
        self._changes = changes
        self.bundle.start()
        self._filling = line.encoded(talk, self._adding())

    def fill(self) -> None:
        """Send what it is of; waits for nothing."""
        self._line.send(self._filling)
        self._filling = ()

    def go_on(self) -> bool:
        """Hear what became of the last step and take the next; whether there was one."""
        for change, why in self._talk.errors(self._line.heard(self._talk)):
            self.bundle.refused(change if change < len(self._changes) else None, why)
        step = self.bundle.answered()
        if step is not None:
            self._line.end(self._talk, partial(messages.bundle_control, self._talk.first, _COMMANDS[step]))
        return step is not None

    def abandon(self) -> None:
        """Throw it away, unless it is being committed: then it is."""
        if self.bundle.state is State.FILLING:
            self.bundle.refused(None, "another bundle of the change was not made")
        while self.go_on():
            pass

    def refusals(self) -> Refusals:
        """What was refused, and why."""
        return [(None if n is None else self._changes[n][0], why) for n, why in self.bundle.reasons]

    def _adding(self) -> Iterator[bytes]:
        number = self._talk.first
        for (flow, command), xid in zip(self._changes, self._talk.xids, strict=False):
            yield shapes.bundle_add(number, flow, command, xid)


def _write_flows(line: Line, row: Iterator[Sequence[FlowChange]], made: _Made) -> None:
    underway: list[_Underway] = []
    # A talk lasts to the end: some refusals come with the commit, but name the change that they are about.
    with ExitStack() as talks:
        while (piece := _next(row, underway, made)) is not None:
            new: list[_Underway] = []
            if piece:
                new.append(_Underway(line, talks.enter_context(line.talk(len(piece) + _BUNDLE_XIDS)), piece))
            underway = _after_a_step(underway, made)
            for bundle in new:
                bundle.fill()
            underway += new
        while underway:
            underway = _after_a_step(underway, made)


def _next(row: Iterator[Sequence[FlowChange]], underway: list[_Underway], made: _Made) -> Sequence[FlowChange] | None:
    """The next piece, None at the end. Where it cannot be made, none of those underway is left open."""
    try:
        return next(row, None)
    except Exception as error:
        for each in underway:
            each.abandon()
            made.bundles += each.bundle.state is State.COMMITTED
        if isinstance(error, RefusedFlowsError):
            raise RefusedFlowsError(error.refusals, partly=made.bundles > 0) from None
        raise


def _after_a_step(underway: Sequence[_Underway], made: _Made) -> list[_Underway]:
    """Each takes a step, the first one first; those that are not made with that.

    RefusedFlowsError if the first never will be; then none after it is.
    """
    left: list[_Underway] = []
    for number, each in enumerate(underway):
        if each.go_on():
            left.append(each)
        elif each.bundle.state is State.COMMITTED:
            made.bundles += 1
        else:
            for later in underway[number + 1 :]:
                later.abandon()
            raise RefusedFlowsError(each.refusals(), partly=made.bundles > 0)
    return left
