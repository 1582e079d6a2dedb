"""What no other network for plain Docker promises: nothing lost in a change, nothing leaked after the answer."""

import time
from signal import Signals

import pytest

from scripts.lab import Lab, udp
from scripts.lab.measure import Box, reaches, start_box
from tests.hosts.people import connect, flows

MOVES = 20
PAUSE_S = 0.2


@pytest.fixture
def pair(lab: Lab) -> tuple[Box, Box]:
    """Two containers of one VLAN on two hosts that know each other."""
    web1, web2 = start_box(lab["h1"], "web1"), start_box(lab["h2"], "web2")
    connect(web1, "172.15.42.1/24", "--vlan", "10")
    connect(web2, "172.15.42.2/24", "--vlan", "10")
    assert reaches(web1, "172.15.42.2")
    return web1, web2


def move(lab: Lab, vlan: int, *names: str) -> float:
    """Move them, and say when the answer came."""
    status, said = lab.ask("/v1/endpoints", "PATCH", {"names": list(names), "vlan": vlan})
    assert status == 200, said
    return time.monotonic()


def arrived(stream: udp.UdpStream, began: float, ended: float) -> int:
    """How many came of those sent between these times."""
    return stream.arrived_after(began) - stream.arrived_after(ended)


def test_nothing_is_lost_when_nothing_is_done(pair: tuple[Box, Box]) -> None:
    with udp.stream(*pair, "172.15.42.2") as running:
        time.sleep(3)
        stream = running.finish()

    assert stream.sent > 20_000
    assert stream.lost == 0, stream


def test_what_is_cut_off_is_counted_as_lost(lab: Lab, pair: tuple[Box, Box]) -> None:
    with udp.stream(*pair, "172.15.42.2") as running:
        time.sleep(1)
        answered = move(lab, 20, "web1")
        time.sleep(0.5)
        back = time.monotonic()
        move(lab, 10, "web1")
        time.sleep(PAUSE_S)
        stream = running.finish()

    assert stream.lost > 4000
    assert arrived(stream, answered, back) == 0, "after the answer, not one packet by the old policy"


def test_both_ends_moved_together_lose_nothing(lab: Lab, pair: tuple[Box, Box]) -> None:
    with udp.stream(*pair, "172.15.42.2") as running:
        for number in range(MOVES):
            time.sleep(PAUSE_S)
            move(lab, 10 if number % 2 else 20, "web1", "web2")
        time.sleep(PAUSE_S)
        stream = running.finish()

    assert stream.lost == 0, stream


@pytest.mark.parametrize("mover", ["web1", "web2"])
def test_one_end_moved_alone_gets_nothing_after_the_answer(lab: Lab, pair: tuple[Box, Box], mover: str) -> None:
    away: list[tuple[float, float]] = []
    with udp.stream(*pair, "172.15.42.2") as running:
        for _ in range(MOVES // 2):
            time.sleep(PAUSE_S)
            answered = move(lab, 20, mover)
            time.sleep(PAUSE_S)
            away.append((answered, time.monotonic()))
            move(lab, 10, mover)
        stream = running.finish()

    assert sum(arrived(stream, *span) for span in away) == 0
    assert stream.lost > 1000, "it was cut off indeed"


def test_rates_changed_under_a_stream_lose_nothing(lab: Lab, pair: tuple[Box, Box]) -> None:
    lab.ask("/v1/endpoints/web1", "PATCH", {"up": "100mbit"})

    with udp.stream(*pair, "172.15.42.2") as running:
        for number in range(50):
            status, said = lab.ask("/v1/endpoints/web1", "PATCH", {"up": f"{100 + 10 * (number % 2)}mbit"})
            assert status == 200, said
            time.sleep(0.02)
        stream = running.finish()

    assert stream.lost == 0, stream


def test_a_killed_controller_loses_nothing_and_touches_nothing(lab: Lab, pair: tuple[Box, Box]) -> None:
    before = len(flows(lab["h1"]))

    with udp.stream(*pair, "172.15.42.2") as running:
        time.sleep(1)
        lab.controller.kill("controller")
        time.sleep(2)
        lab.serve()
        time.sleep(2)
        stream = running.finish()

    assert stream.lost == 0, stream
    assert len(flows(lab["h1"])) == before
    assert all(age > 4 for age in ages(lab)), "no flow is younger than the kill"


def ages(lab: Lab) -> list[float]:
    said = lab["h1"].exec("ovs-ofctl", "-O", "OpenFlow15", "dump-flows", "br-int").stdout
    words = (word for line in said.splitlines() for word in line.replace(",", " ").split())
    return [float(word.removeprefix("duration=").rstrip("s")) for word in words if word.startswith("duration=")]


@pytest.mark.parametrize("role", ["helper", "ovsdb-server"])
def test_a_stopped_helper_or_database_loses_nothing(lab: Lab, pair: tuple[Box, Box], role: str) -> None:
    with udp.stream(*pair, "172.15.42.2") as running:
        time.sleep(1)
        lab["h2"].process(role).signal(Signals.SIGSTOP)
        time.sleep(1)
        lab["h2"].process(role).signal(Signals.SIGCONT)
        time.sleep(1)
        stream = running.finish()

    assert stream.lost == 0, stream
