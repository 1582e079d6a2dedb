"""What is asked of a real kernel is so afterwards, and what it refuses is raised."""

import errno
import json
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any

import pytest

from flows.model import Mac
from scripts.helper.attached.endpoints import new_host_end
from scripts.helper.net import links
from scripts.helper.net.netns import opened, within
from scripts.helper.net.rtnetlink import Rtnetlink
from tests.scripts.helper.conftest import Container, run

Make = Callable[[str], Container]
MAC = Mac.parse("02:c7:0a:09:00:01")


@pytest.fixture
def there(containers: Make) -> Container:
    """A namespace with an `eth0` that was made."""
    made = containers("10.9.0.1/24")
    with opened(made.netns) as fd, Rtnetlink() as kernel:
        kernel.add_veth("eth0", MAC, fd, new_host_end(), 1400)
    return made


def asked(container: Container, question: Callable[[Rtnetlink, int], None]) -> None:
    """Ask about the namespace's `eth0`, in it."""

    def work() -> None:
        with Rtnetlink() as kernel:
            question(kernel, socket.if_nametoindex("eth0"))

    with opened(container.netns) as fd:
        within(fd, work)


def device(container: Container) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(container.run("ip", "-d", "-j", "address", "show", "dev", "eth0"))[0]
    return found


def test_a_pair_is_as_was_said(containers: Make) -> None:
    name, container = new_host_end(), containers("10.9.0.1/24")
    with opened(container.netns) as fd, Rtnetlink() as kernel:
        kernel.add_veth("eth0", MAC, fd, name, 1400)
        (before,) = json.loads(run("ip", "-j", "link", "show", "dev", name))
        kernel.set_flags(socket.if_nametoindex(name), links.UP_FOR_THE_BRIDGE)
    (here,) = json.loads(run("ip", "-d", "-j", "link", "show", "dev", name))
    end = device(container)

    assert "UP" not in before["flags"]
    assert {"UP", "NOARP", "LOWER_UP"} <= set(here["flags"])
    assert {"UP", "LOWER_UP"} <= set(end["flags"])
    assert end["address"] == str(MAC)
    for each in (here, end):
        assert (each["mtu"], each["linkinfo"]["info_kind"]) == (1400, "veth")
        assert (each["num_tx_queues"], each["num_rx_queues"]) == (1, 1)


def test_an_end_has_addresses_and_ways_out(there: Container) -> None:
    def question(kernel: Rtnetlink, index: int) -> None:
        kernel.add_address(index, IPv4Interface("10.9.0.1/24"))
        kernel.set_mtu(index, 1300)
        kernel.add_address(index, IPv6Interface("fd00:9::1/64"), links.IFA_F_NODAD)
        kernel.add_default_route(index, IPv4Address("10.9.0.9"))
        kernel.add_default_route(index, IPv6Address("fd00:9::9"))

    asked(there, question)

    end = device(there)
    assert end["mtu"] == 1300
    had = {(each["local"], each["prefixlen"]): each for each in end["addr_info"]}
    assert ("10.9.0.1", 24) in had
    assert "tentative" not in had["fd00:9::1", 64]
    assert "default via 10.9.0.9 dev eth0 proto static" in there.run("ip", "route")
    assert "default via fd00:9::9 dev eth0 proto static" in there.run("ip", "-6", "route")


@pytest.mark.parametrize(
    ("code", "question"),
    [
        (errno.ENODEV, lambda kernel, _: kernel.set_mtu(4000, 1400)),
        (errno.EINVAL, lambda kernel, index: kernel.set_mtu(index, 20)),
        (errno.ENETUNREACH, lambda kernel, index: kernel.add_default_route(index, IPv4Address("192.0.2.1"))),
    ],
)
def test_what_cannot_be_is_raised_by_its_number(
    there: Container, code: int, question: Callable[[Rtnetlink, int], None]
) -> None:
    with pytest.raises(OSError, match=rf"\[Errno {code}\]"):
        asked(there, question)


def test_what_is_there_already_is_not_made_again(there: Container) -> None:
    def question(kernel: Rtnetlink, index: int) -> None:
        kernel.add_address(index, IPv4Interface("10.9.0.1/24"))

    asked(there, question)
    with pytest.raises(FileExistsError):
        asked(there, question)
    with opened(there.netns) as fd, Rtnetlink() as kernel, pytest.raises(FileExistsError):
        kernel.add_veth("eth0", MAC, fd, new_host_end(), 1400)
