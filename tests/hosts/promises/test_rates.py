"""Rates of single containers: TCP gets nearly all of it, resends little, and a ping beside it does not wait long."""

import pytest

from scripts.lab import Lab
from scripts.lab.measure import Box, ping, reaches, serving, start_box, stream, streaming
from tests.hosts.people import connect, containet, endpoints, in_network_of, meters, shaped

LONG_S, SHORT_S = 8, 4  # of a stream at 1 Mbit/s, and at more
PING_MS = 250.0
UNLIMITED_MBPS = 150.0  # what a stream without a limit surely gets through


@pytest.fixture
def pair(lab: Lab) -> tuple[Box, Box]:
    """Two containers on two hosts that have met."""
    web1, web2 = start_box(lab["h1"], "web1"), start_box(lab["h2"], "web2")
    connect(web1, "172.15.42.1/24")
    connect(web2, "172.15.42.2/24")
    assert reaches(web1, "172.15.42.2")
    return web1, web2


@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("mbps", [1, 10, 100])
def test_tcp_gets_its_rate_smoothly(pair: tuple[Box, Box], mbps: int, way: str) -> None:
    web1, web2 = pair
    containet(web1.host, "limit", "web1", f"--{way}", f"{mbps}mbit")
    seconds = LONG_S if mbps == 1 else SHORT_S

    with serving(web2), streaming(web1, "172.15.42.2", seconds, back=way == "down") as running:
        beside = ping(web1, "172.15.42.2", count=seconds * 4 - 2, interval_s=0.25)
        got = running.finish()

    assert 0.9 * mbps <= got.going_mbps, got
    assert got.mbps <= mbps, got
    assert got.resent <= (0.05 if mbps == 1 else 0.01), got
    assert beside.received == beside.sent, beside
    assert beside.most_ms <= PING_MS + 1000 * got.stalled_s, (beside, got)


def test_a_rate_is_changed_under_a_stream_and_lifted_again(lab: Lab, pair: tuple[Box, Box]) -> None:
    web1, web2 = pair
    containet(lab["h1"], "limit", "web1", "--up", "5mbit")
    with serving(web2):
        with streaming(web1, "172.15.42.2", SHORT_S) as running:
            ping(web1, "172.15.42.2", count=8, interval_s=0.25)  # half of the stream's time
            containet(lab["h1"], "limit", "web1", "--up", "20mbit")
            assert 8 < running.finish().mbps < 16  # half of the time at each
        assert endpoints(lab)["web1:eth0"]["up"] == "20mbit"

        containet(lab["h1"], "limit", "web1", "--up", "none")
        assert stream(web1, "172.15.42.2", 2).mbps > UNLIMITED_MBPS

    assert meters(lab["h1"]) == []
    assert shaped(web1) == ""
    assert endpoints(lab)["web1:eth0"]["up"] == "none"


def test_the_meter_holds_those_whose_shaper_is_gone(lab: Lab, pair: tuple[Box, Box]) -> None:
    """The law is in the switch: root in a container may take the shaper off its own interface, and gains nothing."""
    web1, web2 = pair
    containet(lab["h1"], "limit", "web1", "--up", "10mbit")
    in_network_of(web1, "tc", "qdisc", "delete", "dev", "eth0", "root")

    with serving(web2):
        assert stream(web1, "172.15.42.2", SHORT_S).mbps <= 10.5


def test_one_container_has_a_rate_and_the_others_do_not(lab: Lab, pair: tuple[Box, Box]) -> None:
    web1, web2 = pair
    web3 = start_box(lab["h1"], "web3")
    said = connect(web3, "172.15.42.3/24", "--up", "2mbit", "--down", "3mbit")
    assert "up 2mbit, down 3mbit" in said

    with serving(web2):
        assert stream(web1, "172.15.42.2", 2).mbps > UNLIMITED_MBPS
        for mbps, got in (
            (2, stream(web3, "172.15.42.2", SHORT_S)),
            (3, stream(web3, "172.15.42.2", SHORT_S, back=True)),
        ):
            assert 0.9 * mbps <= got.going_mbps, got
            assert got.mbps <= mbps, got
