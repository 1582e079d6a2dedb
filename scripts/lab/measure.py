"""What two containers of the lab see of each other: pings and TCP streams, as figures."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from scripts.lab.image import NAMES
from scripts.lab.machine import Machine
from scripts.lab.plan import LabError
from scripts.lab.stalls import Stalls, while_going

LISTENING = ":1451 .* 0A "  # a socket of /proc/net/tcp on port 5201, iperf3's, in state LISTEN
FIXED = ("--net=none", "--cap-add=NET_ADMIN")  # without which the kernel does not let iperf3 choose cubic
IPERF_S = 10  # what iperf3 may take beside the time of its stream


@dataclass(frozen=True)
class Box:
    """A container on a host of the lab."""

    host: Machine
    name: str

    def exec(self, *argv: str, seconds: float = 30, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run it in the container."""
        return self.host.exec("docker", "exec", self.name, *argv, seconds=seconds, check=check)


@dataclass(frozen=True)
class Pings:
    """Round trips in milliseconds; all zero if none came back."""

    sent: int
    received: int
    least_ms: float
    mean_ms: float
    most_ms: float


@dataclass(frozen=True)
class Stream:
    """One TCP stream: goodput at the receiver in Mbit/s, and the part of its segments that were sent again."""

    mbps: float
    resent: float
    quiet_s: float  # the longest time in which nothing arrived, to a tenth of a second
    seconds: float  # for which it was to last
    stalled_s: float  # of which this machine stood still

    @property
    def going_mbps(self) -> float:
        """Its goodput for the time in which this machine went."""
        return while_going(self.mbps, self.seconds, self.stalled_s)


def start_box(host: Machine, name: str, *options: str) -> Box:
    """A container of the lab's image without a network, doing nothing until it is told to."""
    host.exec("docker", "run", "--detach", *FIXED, "--name", name, *options, NAMES[0], "sleep", "100000")
    return Box(host, name)


def ping(box: Box, address: str, count: int = 3, interval_s: float = 0.2) -> Pings:
    """Echo requests to an address; each has a second to be answered."""
    said = box.exec(
        "ping", "-c", str(count), "-i", str(interval_s), "-W", "1", address, seconds=count * 1.2 + 5, check=False
    ).stdout
    received = re.search(r"(\d+) packets received", said)
    times = re.search(r"min/avg/max = ([\d.]+)/([\d.]+)/([\d.]+)", said)
    least, mean, most = map(float, times.groups()) if times else (0.0, 0.0, 0.0)
    return Pings(count, int(received.group(1)) if received else 0, least, mean, most)


def reaches(box: Box, address: str) -> bool:
    """Whether one echo request of two is answered."""
    return ping(box, address, count=2).received > 0


@contextmanager
def serving(box: Box) -> Iterator[None]:
    """An iperf3 server in the container, which ends with the block."""
    server = box.host.exec("docker", "exec", box.name, "sh", "-c", "iperf3 -s >/dev/null 2>&1 & echo $!")
    pid = server.stdout.strip()
    try:
        deadline = time.monotonic() + 5
        while box.exec("grep", "-q", LISTENING, "/proc/net/tcp", "/proc/net/tcp6", check=False).returncode != 0:
            if time.monotonic() > deadline:
                raise LabError(f"the iperf3 server in {box.name} does not serve")
            time.sleep(0.05)
        yield
    finally:
        box.exec("kill", pid, check=False)


class Running:
    """A stream under way."""

    def __init__(self, client: "subprocess.Popen[str]", seconds: int, stalls: Stalls) -> None:
        self._client, self._seconds, self._stalls = client, seconds, stalls

    def finish(self) -> Stream:
        """Wait for its end, and say what it came to. LabError if it broke."""
        try:
            out, err = self._client.communicate(timeout=self._seconds + IPERF_S)
        except subprocess.TimeoutExpired:
            raise LabError(f"the stream of {self._seconds} s has not ended {IPERF_S} s later") from None
        try:
            said = json.loads(out)
        except ValueError:
            raise LabError(f"iperf3 said no JSON: {out[-300:]} {err[-300:]}") from None
        if "error" in said:
            raise LabError(f"the stream broke: {said['error']}")
        sent, received = said["end"]["sum_sent"], said["end"]["sum_received"]
        segments = sent["bytes"] / said["start"]["tcp_mss_default"]
        return Stream(
            mbps=received["bits_per_second"] / 1e6,
            resent=sent.get("retransmits", 0) / max(segments, 1),
            quiet_s=_longest_quiet([interval["sum"] for interval in said["intervals"]]),
            seconds=self._seconds,
            stalled_s=self._stalls.seconds,
        )


@contextmanager
def streaming(box: Box, address: str, seconds: int, *, back: bool = False) -> Iterator[Running]:
    """A TCP stream (cubic) to a serving container, or `back` from it; it ends with the block at the latest."""
    words = ["iperf3", "-c", address, "-t", str(seconds), "-J", "-C", "cubic", "-i", "0.1", *(["-R"] if back else [])]
    argv = box.host.entered(["docker", "exec", box.name, *words])
    with (
        Stalls() as stalls,
        subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client,
    ):
        try:
            yield Running(client, seconds, stalls)
        finally:
            client.kill()


def stream(box: Box, address: str, seconds: int, *, back: bool = False) -> Stream:
    """What a TCP stream (cubic) to a serving container comes to, or `back` from it."""
    with streaming(box, address, seconds, back=back) as running:
        return running.finish()


def _longest_quiet(intervals: list[dict[str, float]]) -> float:
    longest = quiet = 0.0
    for interval in intervals:
        quiet = quiet + interval["seconds"] if interval["bytes"] == 0 else 0.0
        longest = max(longest, quiet)
    return longest
