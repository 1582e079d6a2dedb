"""One connected bridge: requests and their replies, over os-ken's connection. Every wait has an end.

Each talk takes a run of xids, and all that it says is followed by a barrier: whatever comes with one of these xids
belongs to it, and with the barrier's answer there is no more to come. So nobody needs to know which message is
answered how often, and an error names the message that it is about. The xids are taken from os-ken's own counter for
the connection, so that they never meet those of its echo requests.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from os_ken.lib import hub
from os_ken.ofproto import ofproto_v1_5 as ofp

from app.openflow import messages, monitor, shapes
from app.openflow.bundle import Bundle, Send, State
from app.openflow.codec import OURS, Command, LiveEntry, entries
from app.openflow.listing import live_from
from app.openflow.messages import BundleCommand, MeterCommand
from app.openflow.strays import Stray, deletion, stray_from
from app.openflow.talk import Reply, Talk
from app.openflow.watch import Listener, Watch
from flows.cookie import MAGIC_MASK
from flows.diff import Plan
from flows.flow import Contents, Flow, Key, MeterEntry

LOG = logging.getLogger(__name__)

PIECE = 10_000  # flows read or written at once: more, and the userspace datapath loses packets meanwhile
ANSWER_S = 10.0  # a bundle of a piece takes 0.1 s; one that is idle for 10 s is dropped by Open vSwitch
PROBE_S = 2.0  # for a switch that may be gone to show that it is not
BLOCK = 1 << 16  # bytes sent at once
SHOWN = 5  # refusals told in words

_BUNDLE_XIDS = 4  # open, barrier, commit or discard, barrier

Make = Callable[[int], bytes]  # xid -> message
Refusals = list[tuple[Flow | MeterEntry | None, str]]


class SwitchGoneError(TimeoutError):
    """The switch did not answer in time, or its connection ended: what it has of a change is not known."""


class RefusedFlowsError(Exception):
    """The switch refused a part of the change. Its flows are as before, but see `Switch.apply`.

    `refusals` holds what was refused (None: the bundle as a whole) and why.
    """

    def __init__(self, refusals: Refusals) -> None:
        self.refusals = refusals
        shown = "; ".join(f"{reason} ({what})" if what else reason for what, reason in refusals[:SHOWN])
        more = f"; and {len(refusals) - SHOWN} more" if len(refusals) > SHOWN else ""
        super().__init__(f"the switch refused {len(refusals)} of the changes, so none was made: {shown}{more}")


class Switch:
    """Our connection to one bridge, made from os-ken's (`dp`)."""

    def __init__(self, dp: Any) -> None:
        self.dp = dp
        self.dpid: int = dp.id
        self.foreign = 0  # flows that are not ours, as of the last `read`
        self.strays: Sequence[Stray] = ()  # with our cookie, but not of our making; likewise
        self.patience_s = ANSWER_S  # for each step of what is asked
        self._gone = False
        self._bundles = 0
        self._talks: list[Talk] = []
        self._watch: Watch | None = None

    # What os-ken says

    def received(self, msg: Reply) -> None:
        """A reply, an error or news came; never waits."""
        if monitor.tells(msg):
            if self._watch is not None:
                self._watch.received(bytes(msg.buf))
            return
        for talk in self._talks:
            if talk.first <= msg.xid < talk.end:
                talk.put(msg)
                return
        if msg.msg_type == ofp.OFPT_ERROR:
            LOG.warning("%#018x: %s, about a message that nobody waits for", self.dpid, messages.reason(msg))

    def closed(self) -> None:
        """The connection ended: who waits is told."""
        self._gone = True
        for talk in self._talks:
            talk.put(None)
        if self._watch is not None:
            self._watch.end()

    def watch(self, listener: Listener) -> None:
        """Tell what others change here from now on; what was before that is found by a `read` after it. Never waits."""
        self._watch = Watch(listener)
        self.dp.xid += 1
        self.dp.send(monitor.subscription(self.dp.xid))

    # What the controller asks. All raise SwitchGoneError.

    def alive(self) -> bool:
        """Whether it answers, within PROBE_S."""
        try:
            with self._talk(1) as talk:
                self._say(talk, (), PROBE_S)
        except SwitchGoneError:
            return False
        return True

    def request(self, msg: Any) -> list[Reply]:
        """Send os-ken's message and give all parts of the reply, or the error that came instead."""

        def make(xid: int) -> bytes:
            msg.set_xid(xid)
            msg.serialize()
            return bytes(msg.buf)

        with self._talk(2) as talk:
            return self._say(talk, (make,))

    def read(self) -> Contents:
        """The flows of ours that it holds, and all meters. Sets `foreign` and `strays`."""
        ours = self._count(None, OURS, MAGIC_MASK)
        self.foreign = self._count(None, 0, 0) - ours
        flows: dict[Key, Flow] = {}
        strays: list[Stray] = []
        for entry in self._entries(None, ours, OURS, MAGIC_MASK):
            flow = shapes.flow_from(entry)
            if flow is None:
                strays.append(stray_from(entry))
            else:
                flows[flow.key] = flow
        self.strays = strays
        meters = [messages.meter_from(desc) for reply in self._answer(messages.meters_request) for desc in reply.body]
        return Contents(flows, {entry.meter: entry for entry in meters})

    def drop_strays(self) -> None:
        """Delete the strays that the last `read` found."""
        for start in range(0, len(self.strays), PIECE):
            piece = self.strays[start : start + PIECE]
            with self._talk(len(piece) + 1) as talk:
                refused = talk.errors(self._say(talk, [partial(deletion, stray) for stray in piece]))
            for number, why in refused:
                LOG.warning("%#018x: %s is not deleted: %s", self.dpid, piece[number], why)
        self.strays = ()

    def live(self, table: int | None) -> list[LiveEntry]:
        """The flows of one table, or of all, whoever made them, with their counters."""
        count = self._count(table, 0, 0)
        return [live_from(entry) for entry in self._entries(table, count, 0, 0)]

    def apply(self, change: Plan) -> None:
        """Make the change, whole or not at all; when this returns the switch has it.

        Raises RefusedFlowsError when something was refused: then the flows are as before. Only a change of more than
        PIECE flows is made in several bundles, of which those before the refused one stand; and meters that were
        changed keep their new rate. So what was refused is to be compared anew after a `read`.
        """
        new = [(entry, MeterCommand.ADD) for entry in change.add_meters]
        refused = self._meters(new + [(entry, MeterCommand.MODIFY) for entry in change.change_meters])
        if refused:
            self._delete_meters(entry.meter for entry in change.add_meters if entry not in dict(refused))
            raise RefusedFlowsError(list(refused))
        for number, piece in enumerate(_pieces(change)):
            try:
                self._bundle(piece)
            except RefusedFlowsError:
                if number == 0:
                    self._delete_meters(entry.meter for entry in change.add_meters)
                raise
        self._delete_meters(change.delete_meters)

    # How it works

    def _meters(self, changes: Sequence[tuple[MeterEntry, MeterCommand]]) -> list[tuple[MeterEntry, str]]:
        """Make the changes; those that were refused, and why."""
        if not changes:
            return []
        with self._talk(len(changes) + 1) as talk:
            replies = self._say(talk, [partial(messages.meter_mod, *each) for each in changes])
        return [(changes[number][0], why) for number, why in talk.errors(replies)]

    def _delete_meters(self, meters: Iterable[int]) -> None:
        refused = self._meters([(MeterEntry(meter, 0, 0), MeterCommand.DELETE) for meter in meters])
        for entry, why in refused:
            LOG.warning("%#018x: meter %d is not deleted: %s", self.dpid, entry.meter, why)

    def _bundle(self, piece: Sequence[tuple[Flow, Command]]) -> None:
        self._bundles += 1
        bundle = Bundle()
        step: Send | None = bundle.start()
        # One talk to the end: some refusals come with the commit, but name the change that they are about.
        with self._talk(len(piece) + _BUNDLE_XIDS) as talk:
            while step is not None:
                for number, why in talk.errors(self._say(talk, _bundle_messages(self._bundles, step, piece))):
                    change = number - 1  # the first message opens the bundle
                    bundle.refused(change if 0 <= change < len(piece) else None, why)
                step = bundle.barrier()
        if bundle.state is not State.COMMITTED:
            raise RefusedFlowsError([(None if n is None else piece[n][0], why) for n, why in bundle.reasons])

    def _count(self, table: int | None, cookie: int, mask: int) -> int:
        (reply,) = self._answer(partial(messages.count_request, table, cookie, mask))
        return int(reply.body.stats["flow_count"])

    def _entries(self, table: int | None, count: int, cookie: int, mask: int) -> Iterator[bytes]:
        """The flows in pieces by the low bits of the cookie, which are those of the owner id."""
        bits = 0 if count <= PIECE else (2 * count // PIECE).bit_length()
        low = (1 << bits) - 1
        for part in range(1 << bits):
            for reply in self._answer(partial(messages.flows_request, table, cookie | part, mask | low)):
                yield from entries(bytes(reply.buf))
                hub.sleep(0)

    def _answer(self, make: Make) -> list[Reply]:
        """The parts of a reply that no switch refuses."""
        with self._talk(2) as talk:
            replies = self._say(talk, (make,))
        for _, why in talk.errors(replies):
            raise SwitchGoneError(f"the bridge {self.dpid:#018x} does not say what it has: {why}")
        return replies

    @contextmanager
    def _talk(self, xids: int) -> Iterator[Talk]:
        """What comes with one of so many xids goes to this talk, until the block ends."""
        if self.dp.xid + xids > ofp.MAX_XID:
            self.dp.xid = 0
        first = self.dp.xid + 1
        self.dp.xid += xids
        talk = Talk(first, first + xids, first)
        self._talks.append(talk)
        try:
            yield talk
        finally:
            self._talks.remove(talk)

    def _say(self, talk: Talk, makes: Sequence[Make], patience_s: float | None = None) -> list[Reply]:
        """Send these and a barrier, and give what comes until that is answered."""
        first, barrier = talk.next, talk.next + len(makes)
        talk.next = barrier + 1
        # All is put into bytes before the first is sent: a bundle must not idle.
        blocks = list(_blocks(make(xid) for xid, make in enumerate([*makes, messages.barrier], first)))
        for block in blocks:
            if self._gone or not self.dp.send(block):
                raise SwitchGoneError(f"the connection to the bridge {self.dpid:#018x} is gone")
        return list(self._until(barrier, talk, time.monotonic() + (patience_s or self.patience_s)))

    def _until(self, barrier: int, talk: Talk, deadline: float) -> Iterator[Reply]:
        while True:
            try:
                msg = talk.inbox.get(timeout=max(deadline - time.monotonic(), 0.001))
            except hub.QueueEmpty:
                raise SwitchGoneError(f"the bridge {self.dpid:#018x} did not answer in time") from None
            if msg is None:
                raise SwitchGoneError(f"the connection to the bridge {self.dpid:#018x} ended")
            if msg.xid == barrier:
                return
            yield msg


def _pieces(change: Plan) -> Iterator[Sequence[tuple[Flow, Command]]]:
    """What is one bundle each. Where it takes several, what packets meet last is there first, and goes last."""
    changes = [(flow, Command.ADD) for flow in change.add] + [(flow, Command.DELETE) for flow in change.delete]
    if len(changes) > PIECE:
        changes.sort(key=lambda each: (each[1], -each[0].table if each[1] is Command.ADD else each[0].table))
    for start in range(0, len(changes), PIECE):
        yield changes[start : start + PIECE]


def _bundle_messages(bundle: int, step: Send, piece: Sequence[tuple[Flow, Command]]) -> list[Make]:
    match step:
        case Send.FILL:
            fill = [partial(shapes.bundle_add, bundle, *each) for each in piece]
            return [partial(messages.bundle_control, bundle, BundleCommand.OPEN), *fill]
        case Send.COMMIT:
            return [partial(messages.bundle_control, bundle, BundleCommand.COMMIT)]
        case Send.DISCARD:
            return [partial(messages.bundle_control, bundle, BundleCommand.DISCARD)]


def _blocks(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Big writes. Others get their turn between two."""
    block = bytearray()
    for part in parts:
        block += part
        if len(block) >= BLOCK:
            yield bytes(block)
            block.clear()
            hub.sleep(0)
    if block:
        yield bytes(block)
