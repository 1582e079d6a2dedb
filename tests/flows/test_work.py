"""Long work yields often enough: no portion of it is long, whatever the whole takes."""

import gc
import time
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

import pytest

from flows.diff import whole
from flows.intent import Intent
from flows.known import catching_up, going_on
from flows.marker import digesting
from flows.model import EndpointKey, Mac
from flows.pipeline import compile_bridge, compiling
from flows.work import Work, done
from tests.flows.intents import NAMES, NETWORKS, endpoint, hosts
from tests.flows.test_delta import successor

MANY = 5000  # endpoints in one segment: 10,000 flows and more on each bridge
LONGEST_S = 0.025  # of the processor


@pytest.fixture
def crowd() -> Iterator[Intent]:
    """One network of many, and no interruption by the garbage collector: that has its own pace."""
    ends = {}
    for number in range(1, MANY + 1):
        host, address = NAMES[1 + number % 2], IPv4Address((10 << 24) + number)
        key = EndpointKey(host, f"c{number}", "eth0")
        ends[key] = endpoint(
            host, 1, 10, key=key, owner=1000 + number, mac=Mac.of(address), address=IPv4Interface(f"{address}/8")
        )
    here = endpoint("h1", 1, 10, owner=7)
    made = Intent(hosts=hosts(*NAMES), networks=NETWORKS, endpoints={**ends, here.key: here})
    _ = made.members, made.local
    gc.collect()
    gc.disable()
    yield made
    gc.enable()


def portions(work: Work[Any]) -> list[float]:
    """What each portion took, in seconds of the processor."""
    took = []
    while True:
        began = time.process_time()
        try:
            next(work)
        except StopIteration:
            return took
        took.append(time.process_time() - began)


def test_no_portion_is_long(crowd: Intent) -> None:
    empty, full = Intent(hosts=crowd.hosts), compile_bridge(crowd, "h1")
    _, (known, _) = done(whole(catching_up(full, crowd, "h1", sweeping=True)))
    alone = successor(crowd, Intent(hosts=crowd.hosts, networks=crowd.networks))
    for work in (
        compiling(crowd, "h1"),
        digesting(successor(crowd, crowd), "h1"),
        catching_up(full, crowd, "h1", sweeping=True),
        catching_up(full, empty, "h1", sweeping=True),
        going_on(known, alone, "h1", sweeping=True),
    ):
        took = portions(work)

        assert len(took) >= MANY // 256
        assert max(took) < LONGEST_S
