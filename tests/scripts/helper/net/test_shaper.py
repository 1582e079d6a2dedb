"""TCP (cubic) through the shapers, the meters of the switch behind them, and what a change of rate costs: nothing."""

import json
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import pytest
from pyroute2 import IPRoute

from scripts.helper.net import plumb
from scripts.helper.net.netns import inside, opened
from scripts.helper.net.plumb import PlumbError
from scripts.helper.net.shaper import shape
from scripts.helper.ovs.vswitch import Vswitch
from scripts.lab.stalls import Stalls, while_going
from tests.scripts.helper.conftest import Container, Ovs, run

BURST_MS, BURST_LEAST = 100, 512  # of a meter: milliseconds of its rate, but at least 64 KB (in kilobits)
MTU = 1450  # VXLAN over an underlay of 1500
SEGMENT = MTU - 52  # bytes of data: IP, TCP, timestamps


@dataclass(frozen=True)
class Shaped:
    """A container whose interface is shaped, one that is not, and the bridge between them."""

    container: Container
    host_end: str
    other: Container
    ofports: tuple[int, int]
    ovs: Ovs

    def set(self, up_kbps: int | None, down_kbps: int | None) -> None:
        shape(self.container.netns, "eth0", self.host_end, up_kbps=up_kbps, down_kbps=down_kbps)

    def meter(self, up_kbps: int | None, down_kbps: int | None) -> None:
        """What the controller does: the same rates as meters, each way."""
        self.ovs.ofctl("del-meters")
        here, there = self.ofports
        for meter, (kbps, source, target) in enumerate(((up_kbps, here, there), (down_kbps, there, here)), 1):
            drop = ""
            if kbps:
                band = f"type=drop,rate={kbps},burst_size={max(kbps * BURST_MS // 1000, BURST_LEAST)}"
                self.ovs.ofctl("add-meter", f"meter={meter},kbps,burst,band={band}")
                drop = f"meter:{meter},"
            self.ovs.ofctl("add-flow", f"in_port={source},actions={drop}output:{target}")


@pytest.fixture(scope="module")
def bridge(ovs: Ovs) -> Iterator[Vswitch]:
    vswitch = Vswitch(ovs.remote, "br-int")
    vswitch.ensure_bridge(dpid=0xC7, datapath_type="netdev", openflow="tcp:127.0.0.1:6653", tables={})
    yield vswitch
    vswitch.close()


@pytest.fixture
def shaped(bridge: Vswitch, ovs: Ovs, containers: Callable[[str], Container]) -> Iterator[Shaped]:
    a, b = containers("10.9.0.1/24"), containers("10.9.0.2/24")
    ends = {container: f"ct{uuid4().hex[:8]}" for container in (a, b)}
    ofports = []
    for container, end in ends.items():
        container.plug(end, mtu=MTU)
        ofports.append(bridge.add_endpoint_port(end, f"netns:{container.name}/eth0"))
    made = Shaped(a, ends[a], b, (ofports[0], ofports[1]), ovs)
    made.meter(None, None)
    a.run("ping", "-c1", "-W2", "10.9.0.2")
    yield made
    for end in ends.values():
        bridge.delete_port(end)
        plumb.unplug(end)


@contextmanager
def iperf_server(container: Container) -> Iterator[None]:
    command = ["nsenter", f"--net={container.netns}", "iperf3", "--server", "--forceflush"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            assert any("listening" in line for line in server.stdout)
            yield
        finally:
            server.kill()


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize(
    ("kbps", "seconds", "most_sent_again"), [(1_000, 5, 0.05), (10_000, 3, 0.01), (100_000, 3, 0.01)]
)
def test_tcp_is_smooth_at_its_rate(
    shaped: Shaped, kbps: int, seconds: int, most_sent_again: float, direction: str
) -> None:
    rates = (kbps, None) if direction == "up" else (None, kbps)
    shaped.set(*rates)
    shaped.meter(*rates)
    client = f"iperf3 --client 10.9.0.2 --json --congestion cubic --time {seconds}".split()
    ping = ["nsenter", f"--net={shaped.container.netns}", "ping", "-i0.1", f"-w{seconds}", "10.9.0.2"]
    with (
        iperf_server(shaped.other),
        subprocess.Popen(ping, stdout=subprocess.PIPE, text=True) as pinging,
        Stalls() as stalls,
    ):
        end = json.loads(shaped.container.run(*client, *(["--reverse"] if direction == "down" else [])))["end"]
        answers = [float(ms) for ms in re.findall(r"time=([\d.]+)", pinging.communicate(timeout=10)[0])]

    sent_again = end["sum_sent"]["retransmits"] / (end["sum_sent"]["bytes"] / SEGMENT)
    reached = end["sum_received"]["bits_per_second"] / 1000 / kbps
    assert reached <= 1.0
    assert while_going(reached, seconds, stalls.seconds) >= 0.9, stalls.seconds
    assert sent_again <= most_sent_again
    assert max(answers) <= 250 + 1000 * stalls.seconds
    assert len(answers) >= 8 * seconds


def test_what_a_busy_machine_came_to_late_leaves_at_once(shaped: Shaped) -> None:
    """Eight frames, 9.2 ms at 10 Mbit/s, are 10 ms late at the most: none of them waits for its turn."""

    def delayed() -> int:
        """How often something was queued that might not leave yet."""
        said = run("tc", "-s", "-j", "qdisc", "show", "dev", shaped.host_end)
        return int(next(q["overlimits"] for q in json.loads(said) if q["kind"] == "htb"))

    with opened(shaped.other.netns) as there:
        sender = inside(there, lambda _: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with sender:
        shaped.set(None, 10_000)
        for _ in range(8):
            sender.sendto(bytes(1400), ("10.9.0.1", 7))
        shaped.container.run("ping", "-c1", "-W2", "10.9.0.2")  # its answer comes behind them
        assert delayed() == 0

        for _ in range(100):
            sender.sendto(bytes(1400), ("10.9.0.1", 7))
        shaped.container.run("ping", "-c1", "-W2", "10.9.0.2")
        assert delayed() > 0


def test_hundred_changes_under_a_stream_lose_nothing(shaped: Shaped) -> None:
    client = ["iperf3", "--client", "10.9.0.2", "--json", "--udp", "--bitrate", "20M", "--time", "2"]
    command = ["nsenter", f"--net={shaped.container.netns}", *client]
    with iperf_server(shaped.other), subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as stream:
        changes = 0
        while stream.poll() is None or changes < 100:
            kbps = 50_000 if changes % 2 else 100_000
            shaped.set(kbps, kbps)
            changes += 1
        assert stream.stdout
        total = json.loads(stream.stdout.read())["end"]["sum"]
    assert changes >= 100
    assert total["packets"] > 3_000
    assert total["lost_packets"] == 0


def test_shaper_that_goes_lets_out_what_it_holds(shaped: Shaped) -> None:
    """Twelve full frames wait 140 ms at 1 Mbit/s; they all arrive, and at once."""

    def udp(_: IPRoute) -> socket.socket:
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    with opened(shaped.container.netns) as here, opened(shaped.other.netns) as there:
        sender, receiver = inside(here, udp), inside(there, udp)
    with sender, receiver:
        receiver.bind(("10.9.0.2", 7))
        receiver.settimeout(2)
        shaped.set(1_000, None)
        for number in range(12):
            sender.sendto(bytes([number]) * 1400, ("10.9.0.2", 7))
        shaped.set(None, None)
        assert "htb" not in shaped.container.run("tc", "qdisc", "show", "dev", "eth0")
        assert [receiver.recv(1500)[0] for _ in range(12)] == list(range(12))


def test_change_is_made_in_place_and_none_removes(shaped: Shaped) -> None:
    def queues() -> tuple[str, str]:
        return (
            shaped.container.run("tc", "qdisc", "show", "dev", "eth0"),
            run("tc", "qdisc", "show", "dev", shaped.host_end),
        )

    bare = queues()
    shaped.set(None, None)
    assert queues() == bare
    for up, down in ((1_000, 10_000), (2_500_000, 800), (1_000, 10_000), (1_000, 10_000)):
        shaped.set(up, down)
    assert all("htb 1: root" in queue and "bfifo 10: parent 1:1" in queue for queue in queues())
    assert "rate 1Mbit ceil 1Mbit" in shaped.container.run("tc", "class", "show", "dev", "eth0")
    assert "rate 10Mbit ceil 10Mbit" in run("tc", "class", "show", "dev", shaped.host_end)
    shaped.set(None, 10_000)
    assert "htb" not in queues()[0]
    assert "htb" in queues()[1]
    shaped.set(None, None)
    assert queues() == bare


def test_what_is_not_there_cannot_be_shaped(shaped: Shaped) -> None:
    with pytest.raises(PlumbError, match="no device “eth9”"):
        shape(shaped.container.netns, "eth9", shaped.host_end, up_kbps=1, down_kbps=None)
    with pytest.raises(PlumbError, match="Has its container stopped"):
        shape("/run/netns/ct-test-gone", "eth0", shaped.host_end, up_kbps=1, down_kbps=None)
