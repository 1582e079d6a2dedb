"""The line to one bridge, over os-ken's connection: what is said, and what comes for it. Every wait has an end.

Each talk takes a run of xids, and all that it says is followed by a barrier, or by a message that is answered in any
case: whatever comes with one of these xids belongs to it, and with that answer there is no more to come. So nobody
needs to know which message is answered how often, and an error names the message that it is about. The xids are taken
from os-ken's own counter for the connection, so that they never meet those of its echo requests.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any

from os_ken.lib import hub
from os_ken.ofproto import ofproto_v1_5 as ofp

from app.openflow import messages
from app.openflow.talk import Reply, Talk
from app.openflow.turns import in_turns
from flows.work import Work

ANSWER_S = 10.0  # a bundle of a piece takes 0.1 s; one that is idle for 10 s is dropped by Open vSwitch
BLOCK = 400  # messages sent at once: of flows, about 64 kB

Make = Callable[[int], bytes]  # xid -> message


class SwitchGoneError(TimeoutError):
    """The switch did not answer in time, or its connection ended: what it has of a change is not known."""


class Line:
    """One connection, made from os-ken's (`dp`). All that waits raises SwitchGoneError."""

    def __init__(self, dp: Any) -> None:
        self.dpid: int = dp.id
        self.patience_s = ANSWER_S  # for each step of what is asked
        self._dp = dp
        self._gone = False
        self._talks: list[Talk] = []

    def received(self, msg: Reply) -> bool:
        """A reply or an error came; whether somebody waits for it."""
        for talk in self._talks:
            if talk.first <= msg.xid < talk.end:
                talk.put(msg)
                return True
        return False

    def closed(self) -> None:
        """The connection ended: who waits is told."""
        self._gone = True
        for talk in self._talks:
            talk.put(None)

    def tell(self, make: Make) -> None:
        """Send one message whose answers nobody waits for. Never waits."""
        self._dp.xid += 1
        self._dp.send(make(self._dp.xid))

    def answer(self, make: Make) -> list[Reply]:
        """The parts of the reply to a message that no switch refuses."""
        (replies,) = self.answers((make,))
        return replies

    def answers(self, makes: Iterable[Make]) -> Iterator[list[Reply]]:
        """The same for several, which are sent one at a time: the next before the last reply is given."""
        given: list[list[Reply]] = []
        for make in makes:
            with self.talk(2) as talk:
                self.ask(talk, (make,))
                yield from given
                replies = self.heard(talk)
            for _, why in talk.errors(replies):
                raise SwitchGoneError(f"the bridge {self.dpid:#018x} does not say what it has: {why}")
            given = [replies]
        yield from given

    @contextmanager
    def talk(self, xids: int) -> Iterator[Talk]:
        """What comes with one of so many xids goes to this talk, until the block ends."""
        if self._dp.xid + xids > ofp.MAX_XID:
            self._dp.xid = 0
        first = self._dp.xid + 1
        self._dp.xid += xids
        talk = Talk(first, first + xids)
        self._talks.append(talk)
        try:
            yield talk
        finally:
            self._talks.remove(talk)

    def say(self, talk: Talk, makes: Iterable[Make], patience_s: float | None = None) -> list[Reply]:
        """Send these and a barrier, and give what comes until that is answered."""
        self.ask(talk, makes)
        return self.heard(talk, patience_s)

    def ask(self, talk: Talk, makes: Iterable[Make]) -> None:
        """Send these and a barrier."""
        self.send(self.encoded(talk, (make(next(talk.xids)) for make in makes)))

    def encoded(self, talk: Talk, said: Iterator[bytes]) -> Sequence[bytes]:
        """These messages and a barrier, ready to be sent. All is put into bytes first: a bundle must not idle."""
        return in_turns(_blocks(chain(said, _barrier(talk))))

    def end(self, talk: Talk, make: Make) -> None:
        """Send a message that is answered itself, by a reply or an error, once all before it is done."""
        talk.said = next(talk.xids)
        self.send((make(talk.said),))

    def send(self, blocks: Iterable[bytes]) -> None:
        """What was `encoded` leaves."""
        for block in blocks:
            if self._gone or not self._dp.send(block):
                raise SwitchGoneError(f"the connection to the bridge {self.dpid:#018x} is gone")

    def heard(self, talk: Talk, patience_s: float | None = None) -> list[Reply]:
        """What comes until the last is answered that was to be."""
        return list(self._until_answered(talk, time.monotonic() + (patience_s or self.patience_s)))

    def _until_answered(self, talk: Talk, deadline: float) -> Iterator[Reply]:
        while True:
            try:
                msg = talk.inbox.get(timeout=max(deadline - time.monotonic(), 0.001))
            except hub.QueueEmpty:
                raise SwitchGoneError(f"the bridge {self.dpid:#018x} did not answer in time") from None
            if msg is None:
                raise SwitchGoneError(f"the connection to the bridge {self.dpid:#018x} ended")
            last = msg.xid == talk.said
            if not last or msg.msg_type == ofp.OFPT_ERROR:
                yield msg
            if last:
                return


def _blocks(parts: Iterator[bytes]) -> Work[list[bytes]]:
    """Big writes."""
    blocks: list[bytes] = []
    while some := list(islice(parts, BLOCK)):
        blocks.append(b"".join(some))
        yield
    return blocks


def _barrier(talk: Talk) -> Iterator[bytes]:
    talk.said = next(talk.xids)
    yield messages.barrier(talk.said)
