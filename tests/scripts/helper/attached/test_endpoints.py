"""Endpoints as they are made, on a real switch: what is half made is nobody else's to take, and leaves nothing."""

from collections.abc import Callable

import pytest

from flows.model import Mac
from scripts.helper.attached.endpoints import Endpoints, devices
from scripts.helper.net import plumb
from scripts.helper.ovs.record import EndpointRecord, Key
from scripts.helper.ovs.vswitch import Vswitch
from tests.scripts.helper.conftest import Container

MTU = 1400


def record(container: Container) -> EndpointRecord:
    return EndpointRecord(
        name=container.name, address=container.address, mac=str(Mac.of(container.address.ip)), mtu=MTU
    )


def test_a_port_that_is_being_made_is_no_stray(vswitch: Vswitch, containers: Callable[[str], Container]) -> None:
    one = containers("10.1.0.1/24")
    key, endpoints = Key(f"netns:{one.name}", "eth0"), Endpoints(vswitch)
    with endpoints.making(key, one.netns, Mac.of(one.address.ip), MTU, vswitch.next_ofport()) as pair:
        assert pair.port
        assert pair.port.result().name in vswitch.ports()
        assert endpoints.look(vswitch.ports().values()) == []
        assert pair.host_end in set(endpoints.host_ends())

        endpoints.furnish(key, record(one), pair)
        endpoints.plug(key, record(one), pair, new=True)

    assert endpoints.look(vswitch.ports().values()) == []
    assert endpoints.plugged(key, record(one), one.netns)
    endpoints.forget(key)
    assert vswitch.ports() == {}


def test_without_its_record_it_is_a_stray_for_who_comes_after(
    vswitch: Vswitch, containers: Callable[[str], Container]
) -> None:
    """The record comes last: a helper that ended before has not said that the container is connected."""
    one = containers("10.1.0.1/24")
    key, endpoints = Key(f"netns:{one.name}", "eth0"), Endpoints(vswitch)
    with endpoints.making(key, one.netns, Mac.of(one.address.ip), MTU, vswitch.next_ofport()) as pair:
        assert pair.port
        pair.port.result()
        (stray,) = Endpoints(vswitch).look(vswitch.ports().values())
        assert stray.name == pair.host_end
        endpoints.plug(key, record(one), pair, new=True)

    assert Endpoints(vswitch).look(vswitch.ports().values()) == []
    endpoints.forget(key)


def test_what_fails_leaves_nothing(vswitch: Vswitch, containers: Callable[[str], Container]) -> None:
    one = containers("10.1.0.1/24")
    key, endpoints, before = Key(f"netns:{one.name}", "eth0"), Endpoints(vswitch), devices()
    no_way = record(one).model_copy(update={"route": one.address.ip + 1000})
    with (
        pytest.raises(plumb.PlumbError, match="is not to be reached"),
        endpoints.making(key, one.netns, Mac.of(one.address.ip), MTU, vswitch.next_ofport()) as pair,
    ):
        endpoints.plug(key, no_way, pair, new=True)

    assert devices() == before
    assert vswitch.ports() == {}
    assert endpoints.records() == {}
    assert set(endpoints.host_ends()) == set()
    assert plumb.interfaces(one.netns) == ("lo",)
