"""What the kernel remembers of streams: all packets of one go where its first went, whatever the rules say by now.

A TCP connection to a container that is gone ends by itself. A UDP stream would go on to the old address for as long as
it goes on (nf_conntrack_udp_timeout: it is forgotten 30 s after its last packet, 120 s if it had answers): past the
container that has the port now, or past the one that publishes it when there was none before.
"""

import errno
import socket
from collections.abc import Iterable, Iterator
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple, NFCTSocket

from app.wire import PublishedPort
from scripts.helper.net.ports import Published

NUMBERS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}


def forget_strays(family: socket.AddressFamily, changed: Iterable[PublishedPort], leading: Iterable[Published]) -> None:
    """Streams to these ports of the host that go elsewhere than the ports lead now begin anew; those of one family.

    NetlinkError or OSError if the kernel does not say which there are.
    """
    ports, ends = frozenset(changed), frozenset((port, str(address)) for port, address in leading)
    if not ports:
        return
    with IPRoute() as links:
        here = {address.get_attr("IFA_ADDRESS") for address in links.get_addr(family=family)}
    with NFCTSocket(nfgen_family=family) as kernel:
        for port in ports:
            for there, back in _streams(kernel, family, port):
                if there.daddr in here and (port, back.saddr) not in ends:
                    _forget(kernel, there)


def _streams(kernel: Any, family: socket.AddressFamily, port: PublishedPort) -> Iterator[tuple[Any, Any]]:
    """Who sends there, as sent and as answered; a kernel before 5.8 gives all streams that it knows."""
    address = None if port.host_address is None else str(port.host_address)
    wanted = NFCTAttrTuple(family=family, daddr=address, proto=NUMBERS[port.protocol], dport=port.host_port)
    for entry in list(kernel.dump(tuple_orig=wanted)):
        there, back = (
            NFCTAttrTuple.from_netlink(family, entry.get_attr(f"CTA_TUPLE_{way}")) for way in ("ORIG", "REPLY")
        )
        if wanted == there:
            yield there, back


def _forget(kernel: Any, stream: Any) -> None:
    try:
        kernel.entry("del", tuple_orig=stream)
    except NetlinkError as error:
        if error.code != errno.ENOENT:  # it ended meanwhile
            raise
