"""Saying, unasked, at which MAC an IPv6 address is: RFC 4861, 7.2.6."""

import socket
import struct
from ipaddress import IPv6Address

from pyroute2 import IPRoute

from flows.model import Mac
from scripts.helper.net import links
from scripts.helper.net.netns import in_words, inside, opened

ADVERTISEMENT = 136
OVERRIDE = 0x20000000
TARGET_MAC = 2, 1  # the option, and its length in eights of bytes
EVERYBODY = "ff02::1"
HOPS = 255  # what came by a router is not believed


def advertise(netns: str, interface: str, address: IPv6Address, mac: Mac) -> None:
    """Tell all who are on the link, so that who knew another MAC for the address knows this one; PlumbError."""
    said = struct.pack("!BBHI16sBB6s", ADVERTISEMENT, 0, 0, OVERRIDE, address.packed, *TARGET_MAC, mac.to_bytes(6))

    def say(_: IPRoute) -> None:
        index = links.find(interface) or 0
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:  # which adds the checksum
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, HOPS)
            sock.bind((str(address), 0))
            sock.sendto(said, (EVERYBODY, 0, 0, index))

    with opened(netns) as fd, in_words(f"Telling the neighbours of “{interface}” in “{netns}” its address failed"):
        inside(fd, say)
