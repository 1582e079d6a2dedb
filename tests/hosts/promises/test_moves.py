"""Containers that change their VLAN under a stream: nothing lost of both ends, nothing leaked after the answer."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from scripts.lab import Lab
from scripts.lab.measure import Box, start_box
from scripts.lab.tcp import connection
from scripts.lab.udp import PPS, cached_flows, crowd
from tests.hosts.people import connect
from tests.hosts.promises.watched import THERE, move, watched

MOVES = 20
PAUSE_S = 0.1  # from an answer to the next move
CROWDS = (0, 5000)  # cached datapath flows on each host beside those of the stream


@contextmanager
def crowded(lab: Lab, count: int) -> Iterator[None]:
    """So many cached flows in each switch, kept in use by a third container of the VLAN."""
    with ExitStack() as undo:
        for number, host in enumerate(lab.hosts if count else ()):
            box = start_box(host, f"crowd{number}")
            connect(box, f"172.15.42.{100 + number}/24", "--vlan", "10")
            undo.enter_context(crowd(box, count))
        yield
        assert all(cached_flows(host) >= count for host in lab.hosts), "they were there to the end"


def test_nothing_is_lost_when_nothing_is_done(lab: Lab, pair: tuple[Box, Box]) -> None:
    with watched(lab, pair) as stream:
        time.sleep(1)

    assert stream.stream.sent > 15_000
    assert stream.lost == 0, stream


def test_what_is_cut_off_is_counted_as_lost(lab: Lab, pair: tuple[Box, Box]) -> None:
    with watched(lab, pair) as stream:
        move(lab, 20, "web1")
        time.sleep(0.5)
        move(lab, 10, "web1")

    assert stream.lost > 4000, stream
    assert stream.idle == 0, stream


@pytest.mark.parametrize("cached", CROWDS)
def test_both_ends_moved_together_lose_nothing(lab: Lab, pair: tuple[Box, Box], cached: int) -> None:
    with crowded(lab, cached), watched(lab, pair) as stream:
        for number in range(MOVES):
            move(lab, 10 if number % 2 else 20, "web1", "web2")
            time.sleep(PAUSE_S)

    assert stream.lost == 0, stream


def test_both_ends_moved_on_and_on_lose_nothing(lab: Lab, pair: tuple[Box, Box]) -> None:
    """No VLAN has been theirs before, so each move finds no way that is open still."""
    with watched(lab, pair) as stream:
        for number in range(MOVES):
            move(lab, 20 + number, "web1", "web2")
            time.sleep(PAUSE_S)

    assert stream.lost == 0, stream


@pytest.mark.parametrize("cached", CROWDS)
def test_one_end_moved_alone_gets_nothing_after_the_answer(lab: Lab, pair: tuple[Box, Box], cached: int) -> None:
    away: list[tuple[float, float]] = []
    with crowded(lab, cached), watched(lab, pair) as stream:
        for number in range(MOVES):
            mover = "web2" if number % 2 else "web1"
            answered = move(lab, 20, mover)
            time.sleep(PAUSE_S)
            away.append((answered, time.monotonic()))
            move(lab, 10, mover)
            time.sleep(PAUSE_S)

    assert stream.arrived(*away) == 0, stream
    assert stream.lost > MOVES * PAUSE_S * PPS / 2, f"it was cut off indeed: {stream}"


def test_a_connection_survives_a_hundred_moves_of_both_ends(lab: Lab, pair: tuple[Box, Box]) -> None:
    with connection(*pair, THERE) as running:
        for number in range(100):
            move(lab, 10 if number % 2 else 20, "web1", "web2")
        stream = running.finish()
        print(stream)

    assert stream.whole, stream
    assert stream.sent > 1_000_000, stream
    assert stream.quiet_ms < 1000, stream
