"""One TCP connection between two network namespaces of the lab, byte by byte: what came, and whether it is the same.

    with connection(web1, web2, "172.15.42.2") as running:
        ...
        seen = running.finish()
    assert seen.whole, seen

131 Mbit/s of random bytes. Both ends have one socket each, all the time: a connection that breaks is a LabError.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from scripts.lab.plan import LabError
from scripts.lab.program import MEET_S, End, Program, program

PORT = 5301


@dataclass(frozen=True)
class TcpStream:
    """What one connection carried. `whole`: what was sent came, byte for byte, and over no other connection."""

    sent: int  # bytes
    came: int
    whole: bool
    again: int  # segments that were sent more than once
    quiet_ms: float  # the longest time in which nothing came

    def __str__(self) -> str:
        return (
            f"{self.sent} bytes sent, {self.came} came, {'the same' if self.whole else 'not the same'}; {self.again} "
            f"segments sent again, at most {self.quiet_ms:.0f} ms without a byte"
        )


class Running:
    """A connection with bytes on their way."""

    def __init__(self, pouring: Program, draining: Program) -> None:
        self._pouring, self._draining = pouring, draining

    def finish(self) -> TcpStream:
        """End it, and say what it came to. LabError if it broke."""
        sent, digest = self._pouring.ended()
        came, other = self._draining.reported()
        return TcpStream(
            sent=sent["count"],
            came=came["count"],
            whole=digest == other and sent["count"] == came["count"] and came["others"] == 0,
            again=sent["again"],
            quiet_ms=came["longest_us"] / 1000,
        )


@contextmanager
def connection(source: End, sink: End, address: str, port: int = PORT) -> Iterator[Running]:
    """A connection from one end to the other's address; it stands when the block begins. LabError if it cannot be."""
    with program(sink, "drain", address, str(port)) as draining:
        if not draining.says(b"ready\n", MEET_S):
            raise LabError(f"the receiver does not begin. {draining.complaint()}")
        with program(source, "pour", address, str(port)) as pouring:
            if not draining.says(b"greeted\n", MEET_S):
                raise LabError(f"{source} does not reach {sink} at {address}. {pouring.complaint()}")
            yield Running(pouring, draining)
