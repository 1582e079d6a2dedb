"""The stream that losses are measured with loses nothing by itself, and sees every loss that there is."""

import time

import pytest

from scripts.lab import Lab, LabError
from scripts.lab.measure import Box, start_box
from scripts.lab.udp import PPS, Netns, cached_flows, crowd, stream
from tests.hosts.people import connect, containet

STREAM_S = 2.0
CROWD = 1000


@pytest.fixture
def pair(lab: Lab) -> tuple[Box, Box]:
    """Two containers on two hosts."""
    web1, web2 = start_box(lab["h1"], "web1"), start_box(lab["h2"], "web2")
    connect(web1, "172.15.42.1/24")
    connect(web2, "172.15.42.2/24")
    return web1, web2


def test_nothing_is_lost_while_nothing_is_done(pair: tuple[Box, Box]) -> None:
    web1, web2 = pair
    with crowd(web1, CROWD), stream(web1, web2, "172.15.42.2") as running:
        time.sleep(STREAM_S)  # the stream's own time
        seen = running.finish()
        assert cached_flows(web1.host) >= CROWD

    assert seen.lost == 0, seen
    assert seen.duplicated == 0, seen
    assert abs(seen.sent - STREAM_S * PPS) < 0.1 * STREAM_S * PPS, seen


def test_what_a_port_that_is_down_loses_is_counted_and_no_more(pair: tuple[Box, Box]) -> None:
    web1, web2 = pair
    # counts as the kernel does, which the receiver knows nothing of
    counted = "cat /proc/net/snmp | grep ^Udp: | tail -n 1 | cut -d ' ' -f 2"
    with stream(web1, web2, "172.15.42.2") as running:
        before = int(web2.exec("sh", "-c", counted).stdout)
        time.sleep(STREAM_S / 2)
        down = time.monotonic()
        web1.exec("ip", "link", "set", "eth0", "down")
        web1.exec("ip", "link", "set", "eth0", "up")
        up = time.monotonic()
        time.sleep(STREAM_S / 2)
        seen = running.finish()
        after = int(web2.exec("sh", "-c", counted).stdout)

    assert seen.lost > 0, seen
    assert seen.lost_between(0, down) == 0, seen
    assert seen.lost_between(down, up) > 0, seen
    assert seen.lost == seen.sent - seen.received
    assert 0 <= seen.received - (after - before) < PPS, "what came before the first count"


def test_what_arrives_after_a_moment_is_counted(lab: Lab, pair: tuple[Box, Box]) -> None:
    web1, web2 = pair
    with stream(web1, web2, "172.15.42.2") as running:
        containet(lab["h2"], "disconnect", "web2")
        gone = time.monotonic()
        time.sleep(STREAM_S / 2)
        seen = running.finish()

    assert seen.received > 0, seen
    assert seen.arrived_after(gone) == 0, seen


def test_named_namespaces_are_ends_too_and_who_is_not_reached_is_said(lab: Lab, pair: tuple[Box, Box]) -> None:
    web1, _ = pair
    lab["h2"].exec("ip", "netns", "add", "probe")
    connect(Box(lab["h2"], "netns:probe"), "172.15.42.3/24", "--vlan", "20")

    with (
        pytest.raises(LabError, match="does not reach"),
        stream(web1, Netns(lab["h2"], "probe"), "172.15.42.3", meet_s=1),
    ):
        raise AssertionError("it began")

    containet(lab["h2"], "move", "netns:probe", "--vlan", "1")
    with stream(web1, Netns(lab["h2"], "probe"), "172.15.42.3", pps=1000) as running:
        time.sleep(STREAM_S / 4)
        seen = running.finish()
    assert seen.lost == 0, seen
