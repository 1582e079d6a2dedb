"""Ports of this host that lead to a container: which clash, and which somebody has already."""

import errno
import socket
from collections.abc import Iterable, Iterator
from itertools import product
from typing import NamedTuple

from app.wire import Address, Interface, PublishedPort

FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


class Published(NamedTuple):
    """A port, and the container's address that it leads to: one of its addresses, for packets of that kind."""

    port: PublishedPort
    address: Address


def leading(ports: Iterable[PublishedPort], addresses: Iterable[Interface]) -> Iterator[Published]:
    """Where these lead: each to both kinds of address of a container; one of an address of the host's to that kind."""
    for port, address in product(ports, addresses):
        if port.host_address is None or port.host_address.version == address.version:
            yield Published(port, address.ip)


def overlap(one: PublishedPort, other: PublishedPort) -> bool:
    """Whether a packet could be meant for both."""
    same = (one.protocol, one.host_port) == (other.protocol, other.host_port)
    return same and (None in (one.host_address, other.host_address) or one.host_address == other.host_address)


def why_not_free(leads: Published) -> str | None:
    """Why a process of this host could not listen there for packets of that kind, in words; None if one could."""
    port, version = leads.port, leads.address.version
    with socket.socket(FAMILIES[version], KINDS[port.protocol]) as probe:
        if port.protocol == "tcp":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closed connections that linger do not count
        if version == 6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            probe.bind((str(port.host_address or ""), port.host_port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"a process of this host has port {port.host_port}/{port.protocol}"
            if error.errno == errno.EADDRNOTAVAIL:
                return f"{port.host_address} is no address of this host"
            return str(error.strerror)
    return None
