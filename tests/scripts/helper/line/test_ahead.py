"""What is told of an endpoint that is being made."""

from ipaddress import IPv6Interface

import pytest

from app.wire import Ask
from scripts.helper.line.ahead import Ahead
from scripts.helper.line.controller import Controller
from scripts.helper.line.report import Channel
from scripts.helper.ovs.record import Key
from tests.scripts.helper.conftest import until
from tests.scripts.helper.line.bare import Bare
from tests.scripts.helper.twin import Twin

KEY, OTHER = Key("c1", "eth0"), Key("c2", "eth0")
ASK = Ask(container=KEY.container, interface=KEY.interface, name="web1", address="10.1.0.1/24")
LOOKS_S = 0.3


@pytest.fixture
def bare() -> Bare:
    return Bare()


@pytest.fixture
def channel(twin: Twin, bare: Bare) -> Channel:
    channel = Channel(Controller(twin.url), "h1", bare, lambda _: None, lambda *_: None)
    channel.start()
    until(lambda: channel.connected)
    return channel


def test_nobody_tells_that_it_is_gone_while_it_is_being_made(twin: Twin, bare: Bare, channel: Channel) -> None:
    """Whoever looks what has changed meanwhile finds that it was told and is not there."""
    ahead = Ahead(channel, KEY, 7)
    ahead.admit(ASK)
    ahead.wait_for_flows()

    channel.mark_changes()
    assert not channel.settled(KEY, LOOKS_S)
    bare.endpoints |= {KEY: twin.endpoints["c1/eth0"]}
    assert ahead.outcome() is not None

    assert channel.settled(KEY, LOOKS_S)
    assert twin.events == ["endpoint_up"]


def test_what_is_made_otherwise_is_told_as_it_is(twin: Twin, bare: Bare, channel: Channel) -> None:
    ahead = Ahead(channel, KEY, 7)
    ahead.admit(ASK)
    bare.endpoints |= {KEY: twin.endpoints["c1/eth0"].model_copy(update={"ofport": 8})}

    assert ahead.outcome() is not None

    assert twin.endpoints["c1/eth0"].ofport == 8
    assert twin.events == ["endpoint_up", "endpoint_up"]


def test_what_is_not_made_is_told_to_be_gone(twin: Twin, channel: Channel) -> None:
    ahead = Ahead(channel, KEY, 7)
    ahead.admit(ASK)

    ahead.taken_back()

    assert twin.endpoints == {}


def test_who_waits_that_all_is_told_does_not_wait_for_what_is_being_made(twin: Twin, channel: Channel) -> None:
    """A container that starts again waits until its own going is told, and somebody else may be coming for long."""
    ahead = Ahead(channel, KEY, 7)
    ahead.admit(ASK)
    channel.mark(KEY, OTHER)

    assert channel.told(5)

    assert twin.events == ["endpoint_up", "endpoint_down"]
    ahead.taken_back()


def test_who_comes_while_the_session_ends_is_told_in_the_next_one(twin: Twin, bare: Bare, channel: Channel) -> None:
    """Which began with how it was before: without him."""
    twin.has_flows.clear()
    ahead = Ahead(channel, KEY, 7)
    ahead.admit(ASK)
    coming = twin.endpoints["c1/eth0"]
    twin.session += 1  # what is said in the old one is stale from now on
    until(lambda: len(twin.reports) > 1 and channel.connected)
    assert twin.endpoints == {}

    twin.has_flows.set()
    bare.endpoints |= {KEY: coming}
    assert ahead.outcome() is not None

    assert twin.endpoints == {"c1/eth0": coming}


def test_who_may_not_wait_leaves_it_to_be_told(twin: Twin, channel: Channel) -> None:
    ahead = Ahead(channel, KEY, 7)
    ahead.admit(ASK)

    assert channel.tell(KEY, 1, turn_s=0.1) is None

    ahead.taken_back()
    assert channel.settled(KEY, 5)
    assert twin.endpoints == {}


def test_its_neighbours_hear_of_its_ipv6_address_once_it_is_there(twin: Twin, bare: Bare, channel: Channel) -> None:
    """Before that there is nobody who could tell them."""
    ahead = Ahead(channel, KEY, 7)
    ahead.admit(ASK.model_copy(update={"address6": "fd00::1/64"}))
    ahead.wait_for_flows()
    coming = twin.endpoints["c1/eth0"].model_copy(update={"address6": IPv6Interface("fd00::1/64")})
    assert bare.introduced == []

    bare.endpoints |= {KEY: coming}
    assert ahead.outcome() is not None

    assert bare.introduced == [coming]
