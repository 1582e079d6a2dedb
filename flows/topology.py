"""Which hosts are linked, as a graph."""

from collections.abc import Iterable

import networkx

from flows.model import Link, Tunnel


def full_mesh(hosts: Iterable[str], tunnel: Tunnel) -> frozenset[Link]:
    """Every host linked with every other, all alike."""
    mesh = networkx.complete_graph(sorted(hosts))
    return frozenset(Link(min(edge), max(edge), tunnel) for edge in mesh.edges)


def peers(links: Iterable[Link], host: str) -> dict[str, Tunnel]:
    """The hosts that this one is linked with, by name, and how."""
    far = ((link.b if link.a == host else link.a, link.tunnel) for link in links if host in (link.a, link.b))
    return dict(sorted(far))
