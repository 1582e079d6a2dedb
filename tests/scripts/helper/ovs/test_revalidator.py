"""Rounds of a real ovs-vswitchd's revalidators are waited for, and a new ovs-vswitchd is found."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.helper.ovs.revalidator import Revalidator
from scripts.helper.ovs.vswitch import VswitchError
from tests.scripts.helper.conftest import BRIDGE, Ovs
from tests.system.conftest import Sandbox

TIMES = 12
PACKET = "in_port(1),eth(src=02:c7:00:00:00:01,dst=02:c7:00:00:00:02)"


def half_a_second() -> float:
    return 0.5


def directory(ovs: Ovs) -> Path:
    return Path(ovs.remote.removeprefix("unix:")).parent


def test_settling_is_quick_and_leaves_nothing_behind(ovs: Ovs) -> None:
    ovs.vsctl("--may-exist", "add-br", BRIDGE, "--", "set", "Bridge", BRIDGE, "datapath_type=netdev")
    revalidator = Revalidator(directory(ovs), BRIDGE, half_a_second)

    took = []
    for _ in range(10):
        began = time.monotonic()
        revalidator.settle()
        took.append(time.monotonic() - began)

    assert sorted(took)[5] < 0.25, "not left to the half second in which revalidators go by themselves"
    assert "02:c7:00:00:00:00" not in ovs.appctl("fdb/show", BRIDGE)


def test_without_a_switch_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(VswitchError, match="Is it running"):
        Revalidator(tmp_path, BRIDGE, half_a_second).settle()


def test_a_bridge_that_is_not_there_is_refused(ovs: Ovs) -> None:
    with pytest.raises(VswitchError, match="refused"):
        Revalidator(directory(ovs), "no-such-br", half_a_second).settle()


@pytest.fixture
def two_ports() -> Iterator[Sandbox]:
    """An Open vSwitch with one bridge."""
    made = Sandbox()
    try:
        made.start()
        made.bridge(BRIDGE, ports=2)
        yield made
    finally:
        made.stop()


@pytest.fixture
def two_caches(two_ports: Sandbox) -> Sandbox:
    """The same with bridges of both types of datapath, as a machine with the kernel module may have."""
    two_ports.vsctl("set", "bridge", BRIDGE, "datapath_type=netdev", "--", "add-br", "other")
    assert len(two_ports.appctl("dpif/dump-dps").split()) == 2
    return two_ports


def test_where_there_are_two_caches_nothing_old_is_left_in_either(two_caches: Sandbox) -> None:
    revalidator = Revalidator(two_caches.run, BRIDGE, half_a_second)
    for port in (2, 1):
        two_caches.ofctl("add-flow", BRIDGE, f"in_port=1,actions=output:{port},IN_PORT")
        two_caches.appctl("netdev-dummy/receive", "p1", PACKET)
        assert two_caches.appctl("dpif/dump-flows", BRIDGE).strip()

        revalidator.settle()

        assert not two_caches.appctl("dpif/dump-flows", BRIDGE).strip()
    assert "02:c7:00:00:00:00" not in two_caches.appctl("fdb/show", BRIDGE)


def test_who_settles_again_and_again_makes_no_round_begin(two_ports: Sandbox) -> None:
    """The one round that each change causes is proof, since it is known when the one before it began."""
    revalidator = Revalidator(two_ports.run, BRIDGE, half_a_second)

    def begun() -> int:
        return int(two_ports.appctl("coverage/read-counter", "rev_mac_learning"))

    revalidator.settle()  # of what was before it nothing is known
    revalidator.start()
    before = begun()
    for number in range(TIMES):
        two_ports.ofctl("add-flow", BRIDGE, f"in_port={number + 3},actions=drop")
        revalidator.settle()
        time.sleep(0.2)

    assert begun() - before <= TIMES / 3, "the machine may stand still now and then"
