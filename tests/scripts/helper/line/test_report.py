"""What is marked is told, and who waits for that waits until it is."""

import sys
from collections.abc import Iterator

import pytest

from scripts.helper.line.controller import Controller
from scripts.helper.line.report import Channel
from scripts.helper.ovs.record import Key
from tests.scripts.helper.conftest import until
from tests.scripts.helper.line.bare import Bare
from tests.scripts.helper.twin import Twin


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns at any moment."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless")
def test_who_waits_for_what_was_marked_waits_until_it_is_told(twin: Twin) -> None:
    channel = Channel(Controller(twin.url), "h1", Bare(), lambda _: None, lambda *_: None)
    channel.start()
    until(lambda: channel.connected)
    key = Key("c1", "eth0")

    for number in range(1, 100):
        channel.mark(key)
        assert channel.settled(key, 5)
        assert twin.events.count("endpoint_down") == number
