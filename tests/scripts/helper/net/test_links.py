"""Devices of a namespace, by name."""

import socket
from collections.abc import Callable

import pytest

from scripts.helper.net import links, plumb
from tests.scripts.helper.conftest import Container, run

ODD = "zä\x1c\x85"  # the kernel refuses only slashes, colons and its own idea of white space


@pytest.fixture
def one(containers: Callable[[str], Container]) -> Container:
    made = containers("10.9.0.1/24")
    made.run("ip", "link", "add", "a.1@x", "type", "veth", "peer", "name", ODD)
    return made


def test_all_devices_have_their_names(one: Container, host: None) -> None:  # noqa: ARG001
    assert sorted(plumb.interfaces(one.netns)) == ["a.1@x", "lo", ODD]
    assert sorted(links.names()) == sorted(name for _, name in socket.if_nameindex())


def test_devices_are_found_one_by_one(host: None) -> None:  # noqa: ARG001
    run("ip", "link", "add", "ctfound", "type", "veth", "peer", "name", "ctpeer")
    assert "ctfound" in links.Devices()
    run("ip", "link", "del", "ctfound")
    assert "ctfound" not in links.Devices()
