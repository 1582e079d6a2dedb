"""One connected bridge: what it holds, what is to become of it, and what others change in it."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from os_ken.ofproto import ofproto_v1_5 as ofp

from app.openflow import messages, monitor, shapes, writing
from app.openflow.codec import OURS, LiveEntry, entries
from app.openflow.line import Line, Make, SwitchGoneError
from app.openflow.listing import live_from
from app.openflow.strays import Stray, deletion, stray_from
from app.openflow.talk import Reply
from app.openflow.turns import in_turns
from app.openflow.watch import Listener, Watch
from app.openflow.writing import RefusedFlowsError
from flows.cookie import MAGIC_MASK
from flows.diff import Parts, Plan
from flows.flow import Contents, Flow, Key, MeterEntry
from flows.marker import NONE, mark, mark_of, marker
from flows.table import Table
from flows.work import PORTION, Work

__all__ = ["RefusedFlowsError", "Switch", "SwitchGoneError"]

LOG = logging.getLogger(__name__)

PIECE = 10_000  # flows read or written at once: more, and the userspace datapath loses packets meanwhile
WHOLE_COOKIE = (1 << 64) - 1
WORDS = 16  # flows put into words between two places to wait: that takes longer than to read them
PROBE_S = 2.0  # for a switch that may be gone to show that it is not

T = TypeVar("T")


class Switch:
    """Our connection to one bridge, made from os-ken's (`dp`)."""

    def __init__(self, dp: Any) -> None:
        self.dp = dp
        self.dpid: int = dp.id
        self.foreign = 0  # flows that are not ours, as of the last `read`
        self.strays: Sequence[Stray] = ()  # with our cookie, but not of our making; likewise
        self.line = Line(dp)
        self._watch: Watch | None = None

    # What os-ken says

    def received(self, msg: Reply) -> None:
        """A reply, an error or news came; never waits."""
        if monitor.tells(msg):
            if self._watch is not None:
                self._watch.received(bytes(msg.buf))
            return
        if not self.line.received(msg) and msg.msg_type == ofp.OFPT_ERROR:
            LOG.warning("%#018x: %s, about a message that nobody waits for", self.dpid, messages.reason(msg))

    def closed(self) -> None:
        """The connection ended: who waits is told."""
        self.line.closed()
        if self._watch is not None:
            self._watch.end()

    def watch(self, listener: Listener) -> None:
        """Tell what others change here from now on; what was before that is found by a `read` after it. Never waits."""
        self._watch = Watch(listener)
        self.line.tell(monitor.subscription)

    # What the controller asks. All raise SwitchGoneError.

    def alive(self) -> bool:
        """Whether it answers, within PROBE_S."""
        try:
            with self.line.talk(1) as talk:
                self.line.say(talk, (), PROBE_S)
        except SwitchGoneError:
            return False
        return True

    def request(self, msg: Any) -> list[Reply]:
        """Send os-ken's message and give all parts of the reply, or the error that came instead."""

        def make(xid: int) -> bytes:
            msg.set_xid(xid)
            msg.serialize()
            return bytes(msg.buf)

        with self.line.talk(2) as talk:
            return self.line.say(talk, (make,))

    def claims(self, digest: int) -> int | None:
        """How many flows of ours it has, if its marker says that they are those of this digest; None if it does not.

        Sets `foreign`. Costs three short answers, however many flows there are.
        """
        ours = self._count_ours()
        claim = marker(mark(digest, ours))
        found = self._count(claim.table, claim.cookie, WHOLE_COOKIE)
        return ours - found if found == 1 else None

    def meters(self) -> Mapping[int, MeterEntry]:
        """All meters."""
        replies = self.line.answer(messages.meters_request)
        found = [messages.meter_from(desc) for reply in replies for desc in reply.body]
        return {entry.meter: entry for entry in found}

    def read(self, rest_s: float = 0.0) -> Contents:
        """The flows of ours that it holds, and all meters. Sets `foreign` and `strays`."""
        return in_turns(self._reading(), rest_s)

    def drop_strays(self) -> None:
        """Delete the strays that the last `read` found."""
        for start in range(0, len(self.strays), PIECE):
            piece = self.strays[start : start + PIECE]
            with self.line.talk(len(piece) + 1) as talk:
                refused = talk.errors(self.line.say(talk, [partial(deletion, stray) for stray in piece]))
            for number, why in refused:
                LOG.warning("%#018x: %s is not deleted: %s", self.dpid, piece[number], why)
        self.strays = ()

    def live(self, table: int | None) -> list[LiveEntry]:
        """The flows of one table, or of all, whoever made them, with their counters."""
        return in_turns(self._living(table))

    def apply(self, change: Plan) -> None:
        """Make the change, whole or not at all, as `writing.write` says; when this returns the switch has it."""
        writing.write(self.line, change, PIECE)

    def fill(self, parts: Parts[T]) -> T:
        """`apply` of a change that is made out meanwhile, as `writing.fill` says; what its making returned."""
        return writing.fill(self.line, parts, PIECE)

    def _reading(self) -> Work[Contents]:
        flows: dict[Key, Flow] = {}
        strays: list[Stray] = []
        said = NONE
        entries = self._entries(self._ours_by_table(self._count_ours()), OURS, MAGIC_MASK)
        while portion := list(islice(entries, PORTION)):
            for entry in portion:
                flow = shapes.flow_from(entry)
                if flow is None:
                    strays.append(stray_from(entry))
                elif flow.table is Table.MARKER and (number := mark_of(flow)) is not None:
                    said = number
                else:
                    flows[flow.key] = flow
            yield
        self.strays = strays
        return Contents(flows, self.meters(), said)

    def _living(self, table: int | None) -> Work[list[LiveEntry]]:
        found: list[LiveEntry] = []
        for entry in self._entries({table: self._count(table, 0, 0)}, 0, 0):
            found.append(live_from(entry))
            if len(found) % WORDS == 0:
                yield
        return found

    def _count_ours(self) -> int:
        ours = self._count(None, OURS, MAGIC_MASK)
        self.foreign = self._count(None, 0, 0) - ours
        return ours

    def _count(self, table: int | None, cookie: int, mask: int) -> int:
        (reply,) = self.line.answer(partial(messages.count_request, table, cookie, mask))
        return int(reply.body.stats["flow_count"])

    def _ours_by_table(self, ours: int) -> Mapping[int | None, int]:
        """How many of our flows are in which table; all in one if they are few, or some in tables that we do not have.

        For each piece the switch goes through all flows of the tables asked for.
        """
        if ours > PIECE:
            counts: dict[int | None, int] = {table: self._count(table, OURS, MAGIC_MASK) for table in Table}
            if sum(counts.values()) == ours:
                return counts
        return {None: ours}

    def _entries(self, counts: Mapping[int | None, int], cookie: int, mask: int) -> Iterator[bytes]:
        """The flows of these tables, of which there are so many."""
        for replies in self.line.answers(_pieces(counts, cookie, mask)):
            for reply in replies:
                yield from entries(bytes(reply.buf))


def _pieces(counts: Mapping[int | None, int], cookie: int, mask: int) -> Iterator[Make]:
    """Requests by the low bits of the cookie, which are those of the owner id."""
    for table, count in counts.items():
        bits = 0 if count <= PIECE else (2 * count // PIECE).bit_length()
        low = (1 << bits) - 1
        for part in range(1 << bits):
            yield partial(messages.flows_request, table, cookie | part, mask | low)
