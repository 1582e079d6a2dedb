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
    graph: networkx.Graph[str] = networkx.Graph()
    graph.add_node(host)
    graph.add_edges_from((link.a, link.b, {"tunnel": link.tunnel}) for link in links)
    return {peer: graph.edges[host, peer]["tunnel"] for peer in sorted(graph.neighbors(host))}
