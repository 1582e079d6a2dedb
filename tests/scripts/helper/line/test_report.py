"""What is marked is told, and who waits for that waits until it is."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from app.wire import EndpointDown, HostUp, NetworkReport
from scripts.helper.line.controller import Controller
from scripts.helper.line.report import Channel
from scripts.helper.ovs.record import Key
from tests.scripts.helper.conftest import until
from tests.scripts.helper.twin import Twin


class Bare:
    """A host with nothing on it."""

    def everything(self) -> HostUp:
        return HostUp(dpid=1, vtep="198.18.0.1", underlay_mtu=1500)  # type: ignore[arg-type]

    def event(self, subject: Key) -> EndpointDown:
        return EndpointDown(container=subject.container, interface=subject.interface)

    def reports(self) -> dict[Key, object]:
        return {}

    def tunnels(self) -> dict[str, int]:
        return {}

    def networks(self) -> tuple[NetworkReport, ...]:
        return ()

    def note_clashes(self, leases: object) -> None:
        pass

    def introduce(self, report: object) -> None:
        pass


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns at any moment."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless")
def test_who_waits_for_what_was_marked_waits_until_it_is_told(twin: Twin) -> None:
    bare: Any = Bare()
    channel = Channel(Controller(twin.url), "h1", bare, lambda _: None, lambda *_: None)
    channel.start()
    until(lambda: channel.connected)
    key = Key("c1", "eth0")

    for number in range(1, 100):
        channel.mark(key)
        assert channel.settled(key, 5)
        assert twin.events.count("endpoint_down") == number
