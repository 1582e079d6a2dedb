"""Rounds of a real ovs-vswitchd's revalidators are waited for, and a new ovs-vswitchd is found."""

import time
from pathlib import Path

import pytest

from scripts.helper.ovs.revalidator import Revalidator
from scripts.helper.ovs.vswitch import VswitchError
from tests.scripts.helper.conftest import BRIDGE, Ovs


def directory(ovs: Ovs) -> Path:
    return Path(ovs.remote.removeprefix("unix:")).parent


def test_settling_is_quick_and_leaves_nothing_behind(ovs: Ovs) -> None:
    ovs.vsctl("--may-exist", "add-br", BRIDGE, "--", "set", "Bridge", BRIDGE, "datapath_type=netdev")
    revalidator = Revalidator(directory(ovs), BRIDGE)

    took = []
    for _ in range(10):
        began = time.monotonic()
        revalidator.settle()
        took.append(time.monotonic() - began)

    assert sorted(took)[5] < 0.25, "not left to the half second in which revalidators go by themselves"
    assert "02:c7:00:00:00:00" not in ovs.appctl("fdb/show", BRIDGE)


def test_without_a_switch_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(VswitchError, match="Is it running"):
        Revalidator(tmp_path, BRIDGE).settle()


def test_a_bridge_that_is_not_there_is_refused(ovs: Ovs) -> None:
    with pytest.raises(VswitchError, match="refused"):
        Revalidator(directory(ovs), "no-such-br").settle()
