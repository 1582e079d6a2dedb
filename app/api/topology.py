"""The graph of hosts and links."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.api.hosts import Presence, presence
from app.api.operation import Operation, operation
from app.desk import Desk


@dataclass(frozen=True, slots=True)
class TopologyHost:
    """A host as a vertex."""

    name: str
    vtep: str
    switch: Presence


@dataclass(frozen=True, slots=True)
class TopologyLink:
    """An edge between two hosts, `a` before `b` by name."""

    a: str
    b: str
    tunnel: str


@dataclass(frozen=True, slots=True)
class Topology:
    """All hosts, and which of them are linked."""

    hosts: Sequence[TopologyHost]
    links: Sequence[TopologyLink]


def operations(desk: Desk) -> list[Operation]:
    """What is asked about the whole."""

    def get_topology() -> Topology:
        """The graph of hosts and links."""
        return Topology(
            hosts=[TopologyHost(view.name, view.vtep, presence(view.switch)) for view in desk.hosts()],
            links=[TopologyLink(link.a, link.b, link.tunnel) for link in sorted(desk.intent.links)],
        )

    return [operation("GET", "/v1/topology", get_topology)]
