"""What is asked of the kernel while an endpoint is attached, said in its own words: rtnetlink(7).

All else is asked through pyroute2, whose loops and sockets take two milliseconds of an attach for these few requests.
Each is acknowledged; what the kernel refuses comes as OSError, as from any other system call.
"""

import errno
import os
import socket
import struct
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from itertools import count
from types import TracebackType
from typing import Self

from flows.model import Mac

TIMEOUT_S = 5.0  # the kernel answers before the call returns that asks
LARGEST = 1 << 16  # bytes of an answer

NLM_F_REQUEST, NLM_F_ACK, NLM_F_EXCL, NLM_F_CREATE = 0x1, 0x4, 0x200, 0x400  # linux/netlink.h
NLMSG_ERROR = 2
NEW = NLM_F_CREATE | NLM_F_EXCL
RTM_NEWLINK, RTM_NEWADDR, RTM_NEWROUTE = 16, 20, 24  # linux/rtnetlink.h
RTA_OIF, RTA_GATEWAY = 4, 5
RT_TABLE_MAIN, RTPROT_STATIC, RT_SCOPE_UNIVERSE, RTN_UNICAST = 254, 4, 0, 1
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINKINFO, IFLA_NET_NS_FD = 1, 3, 4, 18, 28  # linux/if_link.h
IFLA_NUM_TX_QUEUES, IFLA_NUM_RX_QUEUES = 31, 32
IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER = 1, 2, 1
IFA_ADDRESS, IFA_LOCAL, IFA_FLAGS = 1, 2, 8  # linux/if_addr.h
IFF_UP = 0x1  # linux/if.h

HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, kind, flags, number, from whom
LINK = struct.Struct("=BxHiII")  # struct ifinfomsg: family, type, index, flags, which of them count
ADDRESS = struct.Struct("=BBBBI")  # struct ifaddrmsg: family, prefix length, flags, scope, index
ROUTE = struct.Struct("=BBBBBBBBI")  # struct rtmsg: family, two lengths, tos, table, protocol, scope, type, flags
NUMBER = struct.Struct("=I")
CODE = struct.Struct("=i")


class Rtnetlink:
    """A socket to the kernel, about the network namespace of the thread that makes it; closed at the end of a block."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.settimeout(TIMEOUT_S)
        self._numbers = count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    def add_veth(self, interface: str, mac: Mac, netns: int, peer: str, mtu: int) -> None:
        """A pair: `interface` with this MAC, up, in the namespace of the descriptor, and `peer` here, down.

        `mtu` in bytes. Each end has one queue: it uses no more, and to give others back takes a millisecond.
        """
        both = _number(IFLA_MTU, mtu) + _number(IFLA_NUM_TX_QUEUES, 1) + _number(IFLA_NUM_RX_QUEUES, 1)
        data = _attribute(VETH_INFO_PEER, LINK.pack(0, 0, 0, 0, 0) + _text(IFLA_IFNAME, peer) + both)
        info = _text(IFLA_INFO_KIND, "veth") + _attribute(IFLA_INFO_DATA, data)
        there = _text(IFLA_IFNAME, interface) + _attribute(IFLA_ADDRESS, int(mac).to_bytes(6, "big"))
        there += _number(IFLA_NET_NS_FD, netns) + both + _attribute(IFLA_LINKINFO, info)
        self._ask(RTM_NEWLINK, NEW, LINK.pack(0, 0, 0, IFF_UP, IFF_UP) + there)

    def set_flags(self, index: int, flags: int) -> None:
        """The device has these flags (IFF_*), and others as before."""
        self._ask(RTM_NEWLINK, 0, LINK.pack(0, 0, index, flags, flags))

    def set_mtu(self, index: int, mtu: int) -> None:
        """The device has this MTU (bytes)."""
        self._ask(RTM_NEWLINK, 0, LINK.pack(0, 0, index, 0, 0) + _number(IFLA_MTU, mtu))

    def add_address(self, index: int, address: IPv4Interface | IPv6Interface, flags: int = 0) -> None:
        """The device has this address too, with these flags (IFA_F_*)."""
        packed = address.ip.packed
        ends = _attribute(IFA_LOCAL, packed) + _attribute(IFA_ADDRESS, packed)
        what = ADDRESS.pack(_family(address), address.network.prefixlen, 0, RT_SCOPE_UNIVERSE, index)
        self._ask(RTM_NEWADDR, NEW, what + ends + (_number(IFA_FLAGS, flags) if flags else b""))

    def add_default_route(self, index: int, gateway: IPv4Address | IPv6Address) -> None:
        """What has no other way goes through this device to the gateway."""
        what = ROUTE.pack(_family(gateway), 0, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, RT_SCOPE_UNIVERSE, RTN_UNICAST, 0)
        self._ask(RTM_NEWROUTE, NEW, what + _attribute(RTA_GATEWAY, gateway.packed) + _number(RTA_OIF, index))

    def _ask(self, kind: int, flags: int, body: bytes) -> None:
        number = next(self._numbers)
        length = HEADER.size + len(body)
        self._socket.send(HEADER.pack(length, kind, NLM_F_REQUEST | NLM_F_ACK | flags, number, 0) + body)
        answer = self._socket.recv(LARGEST)
        _, said, _, answered, _ = HEADER.unpack_from(answer)
        if said != NLMSG_ERROR or answered != number:
            raise OSError(errno.EBADMSG, os.strerror(errno.EBADMSG))
        (code,) = CODE.unpack_from(answer, HEADER.size)
        if code:
            raise OSError(-code, os.strerror(-code))


def _attribute(kind: int, value: bytes) -> bytes:
    """What struct rtattr says: length and kind; then the value, and zeros up to the next four bytes."""
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value + bytes(-length % 4)


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, NUMBER.pack(value))


def _text(kind: int, value: str) -> bytes:
    return _attribute(kind, value.encode() + b"\0")


def _family(address: IPv4Address | IPv6Address) -> int:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6
