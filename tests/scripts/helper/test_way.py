"""The way to other hosts is said to a real ovs-vswitchd, also to a new one, and tunnels take their address from it."""

from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from scripts.helper.attached.way import Way
from scripts.helper.ovs.vswitch import VswitchError
from tests.scripts.helper.conftest import BRIDGE, Ovs, run, until

VTEP = IPv4Address("192.0.2.9")
ROUTE = f"User: 192.0.2.0/24 dev {BRIDGE} SRC {VTEP}"


def directory(ovs: Ovs) -> Path:
    return Path(ovs.remote.removeprefix("unix:")).parent


def knows_its_commands(ovs: Ovs) -> bool:
    """A new ovs-vswitchd has its socket before it has all of its commands."""
    try:
        return "ovs/route/add" in ovs.appctl("list-commands", check=False)
    except FileNotFoundError:  # it has no process id yet
        return False


@pytest.fixture
def switch(ovs: Ovs) -> Iterator[Ovs]:
    """The underlay address is on a bridge of the switch."""
    ovs.vsctl("--may-exist", "add-br", BRIDGE, "--", "set", "Bridge", BRIDGE, "datapath_type=netdev")
    run("ip", "address", "replace", f"{VTEP}/24", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    until(lambda: knows_its_commands(ovs))
    yield ovs
    ovs.vsctl("del-br", BRIDGE)


def test_a_switch_knows_it_and_so_does_the_next_one(switch: Ovs) -> None:
    way = Way(VTEP, directory(switch), userspace=True)

    way.keep()
    way.keep()
    assert ROUTE in switch.appctl("ovs/route/show")
    switch.kill("ovs-vswitchd")
    switch.start_switch()
    until(lambda: knows_its_commands(switch) and BRIDGE in run("ip", "-br", "link"))
    run("ip", "address", "replace", f"{VTEP}/24", "dev", BRIDGE)
    way.keep()

    assert ROUTE in switch.appctl("ovs/route/show")


def test_tunnels_need_no_address_where_there_is_only_one(switch: Ovs) -> None:
    way = Way(VTEP, directory(switch), userspace=True)
    assert way.local is None
    assert Way(VTEP, directory(switch), userspace=False).local == str(VTEP)

    run("ip", "address", "add", "192.0.2.10/24", "dev", BRIDGE)
    assert way.local == str(VTEP)
    run("ip", "address", "del", "192.0.2.10/24", "dev", BRIDGE)


def test_without_a_switch_it_says_so_and_the_kernel_needs_none(tmp_path: Path) -> None:
    with pytest.raises(VswitchError, match="Is it running"):
        Way(VTEP, tmp_path, userspace=True).keep()
    Way(VTEP, tmp_path, userspace=False).keep()
