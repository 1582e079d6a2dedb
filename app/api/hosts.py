"""Hosts: who there is and how they are; and the end of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.api.operation import Operation, operation
from app.desk import Desk, HostView
from app.wire import HostName, Outcome

Presence = Literal["connected", "away"]


@dataclass(frozen=True, slots=True)
class HostLink:
    """A tunnel port of a host: to whom, and its number there."""

    peer: str
    ofport: int


@dataclass(frozen=True, slots=True)
class Host:
    """A machine with Docker and Open vSwitch. `pending`: it has not yet everything that is wanted of it."""

    name: str
    dpid: str
    vtep: str
    underlay_mtu: int
    switch: Presence
    helper: Presence
    links: Sequence[HostLink]
    endpoints: int
    pending: bool
    errors: Sequence[str]


def presence(connected: bool) -> Presence:
    """The word for it."""
    return "connected" if connected else "away"


def operations(desk: Desk) -> list[Operation]:
    """What is asked about hosts."""

    def list_hosts() -> list[Host]:
        """All hosts that ever reported and were not deleted."""
        return [_shape(view) for view in desk.hosts()]

    def delete_host(host: HostName) -> Outcome:
        """This machine is gone for good: forget it and its endpoints. Refused while it is connected."""
        return desk.forget_host(host)

    return [operation("GET", "/v1/hosts", list_hosts), operation("DELETE", "/v1/hosts/{host}", delete_host)]


def _shape(view: HostView) -> Host:
    return Host(
        name=view.name,
        dpid=f"{view.dpid:#018x}",
        vtep=view.vtep,
        underlay_mtu=view.underlay_mtu,
        switch=presence(view.switch),
        helper=presence(view.helper),
        links=[HostLink(peer, ofport) for peer, ofport in sorted(view.tunnels.items())],
        endpoints=view.endpoints,
        pending=view.pending,
        errors=view.errors,
    )
