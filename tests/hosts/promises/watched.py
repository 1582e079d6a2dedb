"""A stream under which something happens, and what was there meanwhile: without that no loss means anything.

    with watched(lab, pair) as stream:
        move(lab, 20, "web1", "web2")
    assert stream.lost == 0, stream

Nothing is done in the first second of each stream, so each says what it loses by itself.
"""

import json
import re
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection

from scripts.lab import Lab, Machine, udp
from scripts.lab.measure import Box
from scripts.lab.udp import NS, UdpStream, cached_flows

THERE = "172.15.42.2"  # the address of the second of a pair
IDLE_S = 1.0
PAUSE_S = 0.2  # between two things that are done, and after the last one


@dataclass
class Watched:
    """A stream from the first to the second of a pair; what it came to is known once its block has ended."""

    began: float = field(default_factory=time.monotonic)
    acted: float = 0.0  # when its idle second was over
    surroundings: str = ""
    seen: UdpStream | None = None

    def __str__(self) -> str:
        return f"{self.stream}; {self.idle} lost in its first second, in which nothing was done; {self.surroundings}"

    @property
    def stream(self) -> UdpStream:
        """What it came to."""
        assert self.seen is not None, "it has not ended yet"
        return self.seen

    @property
    def idle(self) -> int:
        """How many were lost while nothing was done."""
        return self.stream.lost_between(self.began, self.acted)

    @property
    def lost(self) -> int:
        """How many were lost at all."""
        return self.stream.lost

    def arrived(self, *spans: tuple[float, float]) -> int:
        """How many came in these spans of time that were sent in them; what comes later meets what was done later."""
        sent_at, came_at = self.stream.sent_at, self.stream.came_at
        found = 0
        for began, ended in spans:
            first, end = bisect_left(sent_at, round(began * NS)), bisect_left(sent_at, round(ended * NS))
            found += sum(0 < came < ended * NS for came in came_at[first:end])
        return found


@contextmanager
def watched(lab: Lab, pair: tuple[Box, Box]) -> Iterator[Watched]:
    """A stream of 10,000 packets a second between the pair; the block begins when its idle second is over."""
    with udp.stream(*pair, THERE) as running:
        made = Watched()
        time.sleep(IDLE_S)
        made.surroundings = surroundings(lab)
        made.acted = time.monotonic()
        yield made
        time.sleep(PAUSE_S)
        made.seen = running.finish()
    print(made)


def surroundings(lab: Lab) -> str:
    """The flows in the bridges, and how many of them the datapaths have cached."""
    each = (f"{host.name} has {flow_count(host)} flows, {cached_flows(host)} cached ones" for host in lab.hosts)
    return " and ".join(each)


def flow_count(host: Machine) -> int:
    """How many flows the host's bridge has."""
    said = host.exec("ovs-ofctl", "-O", "OpenFlow15", "dump-aggregate", "br-int").stdout
    found = re.search(r"flow_count=(\d+)", said)
    assert found, said
    return int(found[1])


def youngest_s(host: Machine) -> float:
    """How long the newest flow of the host's bridge has been there."""
    said = host.exec("ovs-ofctl", "-O", "OpenFlow15", "dump-flows", "br-int").stdout
    return min(float(age) for age in re.findall(r"duration=([\d.]+)s", said))


def move(lab: Lab, vlan: int, *names: str) -> float:
    """Move them, and say when the answer came."""
    status, said = lab.ask("/v1/endpoints", "PATCH", {"names": list(names), "vlan": vlan})
    assert status == 200, said
    return time.monotonic()


def begin_change(lab: Lab, names: list[str], **change: object) -> HTTPConnection:
    """Ask for a change, and do not wait for the answer."""
    connection = HTTPConnection("127.0.0.1", lab.plan.port, timeout=10)
    body = json.dumps({"names": names, **change})
    connection.request("PATCH", "/v1/endpoints", body, {"Content-Type": "application/json"})
    return connection
