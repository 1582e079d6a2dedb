"""UDP streams between two network namespaces of the lab, packet by packet: what was lost, and what was sent when.

    with stream(web1, web2, "172.15.42.2") as running:
        began = time.monotonic()
        ...
        answered = time.monotonic()
        seen = running.finish()
    assert seen.lost == 0, seen
    assert seen.arrived_after(answered) == 0      # where nothing may pass after the answer

All times are seconds of `time.monotonic()`, the same in every namespace of the machine. The sender sends in batches of
a millisecond, each packet with its number, and notes for each when it went; the receiver notes which came. What the
receiver's own socket lost is no loss of the network: then there is no result, but a LabError.
"""

import math
import re
import secrets
import time
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from scripts.lab import packets
from scripts.lab.command import poll
from scripts.lab.machine import Machine
from scripts.lab.plan import LabError
from scripts.lab.program import MEET_S, End, Netns, Program, network_of, program

__all__ = ["End", "Netns", "UdpStream", "cached_flows", "crowd", "echo", "network_of", "stream"]

PPS = 10_000
PORT = 5300
CROWD_S = 30.0  # for a switch to cache its crowd
NS = 1_000_000_000


@dataclass(frozen=True)
class UdpStream:
    """One stream as it was: when each packet was sent, and how often and when it first came (ns; 0: never)."""

    sent_at: "array[int]"
    came_at: "array[int]"
    duplicated: int = 0

    def __str__(self) -> str:
        first, last = (self.lost_numbers[0], self.lost_numbers[-1]) if self.lost else (0, 0)
        where = f" (numbers {first} to {last}, {self._after(first):.3f} s to {self._after(last):.3f} s after the start)"
        return (
            f"{self.sent} sent, {self.received} received, {self.lost} lost{where if self.lost else ''}, "
            f"{self.duplicated} came twice, the latest {self.latest_ms:.1f} ms after it was sent"
        )

    @classmethod
    def of(cls, sent_at: "array[int]", numbers: "array[int]", at: "array[int]") -> "UdpStream":
        """From what the sender and the receiver noted, the latter in the order of arrival."""
        came_at = array("q", bytes(8 * len(sent_at)))
        for number, when in zip(reversed(numbers), reversed(at), strict=True):
            came_at[number] = when
        return cls(sent_at, came_at, sum(times - 1 for times in Counter(numbers).values()))

    @property
    def sent(self) -> int:
        """How many."""
        return len(self.sent_at)

    @property
    def lost_numbers(self) -> list[int]:
        """Which never came."""
        return [number for number, when in enumerate(self.came_at) if not when]

    @property
    def lost(self) -> int:
        """How many never came."""
        return self.came_at.count(0)

    @property
    def received(self) -> int:
        """How many came, each counted once."""
        return self.sent - self.lost

    @property
    def latest_ms(self) -> float:
        """The longest time that a packet took."""
        return (
            max((came - sent for sent, came in zip(self.sent_at, self.came_at, strict=True) if came), default=0) / 1e6
        )

    def lost_between(self, begin: float, end: float) -> int:
        """How many never came of those sent in that time."""
        return self.came_at[self._number(begin) : self._number(end)].count(0)

    def arrived_after(self, begin: float, end: float = math.inf) -> int:
        """How many came of those sent from that moment on (and before that other)."""
        later = self.came_at[self._number(begin) : self._number(end)]
        return len(later) - later.count(0)

    def arrived_within(self, begin: float, end: float) -> int:
        """How many were sent and came within that time.

        What comes later may have waited in a queue, and passed by a policy that was made only then.
        """
        came_at, last = self.came_at[self._number(begin) : self._number(end)], round(end * NS)
        return sum(0 < came < last for came in came_at)

    def _number(self, when: float) -> int:
        """The first packet that was sent then or later."""
        return self.sent if when == math.inf else bisect_left(self.sent_at, round(when * NS))

    def _after(self, number: int) -> float:
        return (self.sent_at[number] - self.sent_at[0]) / NS


class Running:
    """A stream on its way."""

    def __init__(self, sender: Program, receiver: Program) -> None:
        self._sender, self._receiver = sender, receiver

    def finish(self) -> UdpStream:
        """End it, wait for what is on its way, and say what it came to. LabError if that cannot be known."""
        _, sent_at = self._sender.ended()
        heard, came = self._receiver.ended()
        if heard["dropped"]:
            raise LabError(
                f"the receiver's own socket lost {heard['dropped']} packets, with a buffer of "
                f"{packets.BUFFER >> 20} MiB: is the machine too busy to measure?"
            )
        numbers, at = array("Q", came[: 8 * heard["count"]]), array("q", came[8 * heard["count"] :])
        return UdpStream.of(array("q", sent_at), numbers, at)


@contextmanager
def stream(
    source: End, sink: End, address: str, pps: int = PPS, port: int = PORT, meet_s: float = MEET_S
) -> Iterator[Running]:
    """UDP packets from one end to the other's address, for 600 s at most; they have met when the block begins.

    Raises LabError if nothing arrives within `meet_s` seconds.
    """
    token = secrets.token_hex(8)
    with program(sink, "receive", address, str(port), token) as receiver:
        if not receiver.says(b"ready\n", MEET_S):
            raise LabError(f"the receiver does not begin.\n{receiver.complaint()}")
        with program(source, "send", address, str(port), token, str(pps)) as sender:
            if not receiver.says(b"greeted\n", meet_s):
                raise LabError(f"{source} does not reach {sink} at {address}.\n{sender.complaint()}")
            sender.tell(b"go\n")
            yield Running(sender, receiver)


class Echo:
    """Waits for the first echo reply."""

    def __init__(self, asking: Program) -> None:
        self._asking = asking

    def begin(self) -> float:
        """Ask from now on; when that is."""
        self._asking.tell(b"go\n")
        return time.monotonic()

    def answered(self) -> float:
        """When the first reply came. LabError if none did in 20 s."""
        return float(array("q", self._asking.reported()[1])[0] / NS)

    def questions(self) -> int:
        """After how many questions for a MAC the first reply came; likewise."""
        return self._asking.reported()[0]["questions"]


@contextmanager
def echo(source: End, address: str, *, again: bool = True) -> Iterator[Echo]:
    """Who asks an address for an echo every two milliseconds, even while this end has no interface yet.

    `again`: a MAC that is not answered is asked for again after 8 ms, not after the usual second.
    """
    with program(source, "echo", address, *(["asking"] if again else [])) as running:
        if not running.says(b"ready\n", MEET_S):
            raise LabError(f"the program that asks for echoes does not begin.\n{running.complaint()}")
        yield Echo(running)


@contextmanager
def crowd(source: End, count: int, interface: str = "eth0") -> Iterator[None]:
    """So many cached datapath flows in the switch of this end, kept in use, until the block ends.

    The caches of all switches that look at Ethernet destinations have one flow each: frames go to as many MACs that
    nobody has. Raises LabError if the switch has not so many after some seconds.
    """
    with program(source, "crowd", interface, str(count)) as running:
        if not poll(lambda: cached_flows(source.host) >= count, CROWD_S):
            found = f"the switch of {source.host.name} has {cached_flows(source.host)} cached flows, not {count}"
            raise LabError(f"{found}.\n{running.complaint()}")
        yield


def cached_flows(host: Machine) -> int:
    """How many flows the datapath of that host has cached now."""
    return sum(map(int, re.findall(r"\(current (\d+)\)", host.exec("ovs-appctl", "upcall/show").stdout)))
