"""The other ends of the tunnels, known to the switch before the first packet needs them.

On the userspace datapath Open vSwitch finds the underlay's MAC of a tunnel's other end by itself, and drops the packets
that made it ask. It learns from any ARP answer that passes its bridges, so a datagram to each peer is enough if the
kernel has to ask: the switch overhears. What it learnt it forgets when it was not used for 15 minutes
(`tnl/neigh/show`), and the kernel asks again after a while, so the datagrams are repeated.
"""

import logging
import socket
import time
from collections.abc import Iterable
from ipaddress import IPv4Address

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

DISCARD = 9  # RFC 863: nobody answers, and nobody needs to
REPEAT_S = 60.0

log = logging.getLogger(__name__)


class Neighbours:
    """The peers of the tunnels that end at this address."""

    def __init__(self, vtep: IPv4Address) -> None:
        self._vtep = vtep
        self._peers: frozenset[IPv4Address] = frozenset()
        self._next = 0.0

    def meet(self, peers: Iterable[IPv4Address]) -> None:
        """These are all peers now."""
        self._peers = frozenset(peers)
        self._forget()
        self._greet()

    def remind(self) -> None:
        """Greet them again, if it is time."""
        if time.monotonic() >= self._next:
            self._greet()

    def _forget(self) -> None:
        """The kernel must ask, also where it knows the answer from the other's question."""
        with IPRoute() as links:
            for peer in self._peers:
                try:
                    (route,) = links.route("get", dst=str(peer))
                    hop = route.get_attr("RTA_GATEWAY") or str(peer)
                    links.neigh("del", dst=hop, ifindex=route.get_attr("RTA_OIF"))
                except (NetlinkError, ValueError) as error:
                    log.debug("%s was not known: %s", peer, error)

    def _greet(self) -> None:
        self._next = time.monotonic() + REPEAT_S
        for peer in self._peers:
            try:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as datagram:
                    datagram.bind((str(self._vtep), 0))
                    datagram.sendto(b"", (str(peer), DISCARD))
            except OSError as error:
                log.debug("%s is not to be greeted: %s", peer, error)
